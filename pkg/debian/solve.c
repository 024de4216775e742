/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/solve.h"

#include <stdlib.h>
#include <string.h>

#include <solv/solver.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "debian/check.h"
#include "debian/explain.h"
#include "debian/universe.h"

static void solver_freep(Solver **s) {
	if (*s)
		solver_free(*s);
}

static void jobs_of(const struct universe *w, Queue *jobs) {
	for (size_t i = 0; i < w->q->n_roots; i++)
		queue_push2(jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_NAME,
			    pool_str2id(w->pool, w->q->roots[i].name, 1));
	for (int i = 0; i < w->plan.count; i++)
		queue_push2(jobs, SOLVER_FAVOR | SOLVER_SOLVABLE, w->plan.elements[i]);
}

/* What libsolv settled on, by name. */
static int settle(const struct universe *w, Queue *out, struct err *e) {
	Solver *solver CLEANUP(solver_freep) = solver_create(w->pool);
	Queue jobs, decisions;

	queue_init(&jobs);
	queue_init(&decisions);
	jobs_of(w, &jobs);
	(void) solver_set_flag(solver, SOLVER_FLAG_IGNORE_RECOMMENDED, 1);
	int rc = solver_solve(solver, &jobs) ? explain(w, solver, e) : 0;
	if (!rc)
		solver_get_decisionqueue(solver, &decisions);
	for (int i = 0; i < decisions.count; i++)
		if (decisions.elements[i] > 0 && decisions.elements[i] != SYSTEMSOLVABLE)
			queue_push(out, decisions.elements[i]);
	queue_free(&decisions);
	queue_free(&jobs);
	return rc;
}

/* Bytes of the stanza of a package, found by its path, which no other stanza of the archive has. */
static const char *stanza(const struct solve_input *in, const char *path, size_t *n) {
	char *line CLEANUP(freep) = mem_printf("\nFilename: %s\n", path);
	const char *end = in->text + in->n, *at = memmem(in->text, in->n, line, strlen(line));

	if (!at)
		return NULL;
	const char *stop = memmem(at, (size_t) (end - at), "\n\n", 2);
	while (at > in->text && memcmp(at - 1, "\n\n", 2) != 0)
		at--;
	*n = (size_t) ((stop ? stop : end) - at);
	return at;
}

/* "Key: value" of a stanza, on one line; NULL: not there. */
static char *stanza_field(struct arena *a, const char *text, size_t n, const char *key) {
	char *line CLEANUP(freep) = mem_printf("\n%s: ", key);
	const char *at = memmem(text, n, line, strlen(line)), *end;

	if (!at)
		return NULL;
	at += strlen(line);
	end = memchr(at, '\n', (size_t) (text + n - at));
	return arena_printf(a, "%.*s", (int) ((end ? end : text + n) - at), at);
}

static const struct debian_root *root_of(const struct debian_request *q, const char *name) {
	for (size_t i = 0; i < q->n_roots; i++)
		if (!strcmp(q->roots[i].name, name))
			return &q->roots[i];
	return NULL;
}

static const char *layer_of(const struct debian_request *q, const char *name) {
	const struct debian_root *root = root_of(q, name);

	if (root && root->layer)
		return root->layer;
	for (size_t i = 0; i < q->n_layers; i++)
		if (!strcmp(q->layers[i].package, name))
			return q->layers[i].layer;
	return "base";
}

static void copy_files(struct arena *a, const struct debian_root *root,
		       struct debian_package *out) {
	if (!root || !root->n_files)
		return;
	const char **files = arena_zalloc(a, root->n_files, sizeof *files);
	for (size_t i = 0; i < root->n_files; i++)
		files[i] = arena_strdup(a, root->files[i]);
	out->files = files;
	out->n_files = root->n_files;
}

static int fill(const struct universe *w, Id p, struct debian_lock *lock,
		struct debian_package *out, struct err *e) {
	const struct solve_input *in = universe_input(w, p);
	Solvable *s = pool_id2solvable(w->pool, p);
	struct arena *a = lock->arena;
	size_t n = 0;

	*out = (struct debian_package){
		.name = arena_strdup(a, universe_name(w, p)),
		.version = arena_strdup(a, universe_version(w, p)),
		.architecture = arena_strdup(a, pool_id2str(w->pool, s->arch)),
		.suite = arena_strdup(a, in->suite),
		.path = arena_strdup(a, solvable_lookup_location(s, NULL)),
		.layer = arena_strdup(a, layer_of(w->q, universe_name(w, p))),
		.installed_size = solvable_lookup_num(s, SOLVABLE_INSTALLSIZE, 0),
	};
	const char *text = out->path ? stanza(in, out->path, &n) : NULL;
	const char *size = text ? stanza_field(a, text, n, "Size") : NULL;
	out->sha256 = text ? stanza_field(a, text, n, "SHA256") : NULL;
	if (!size || !text_u64(size, &out->size))
		return err_set(e, ERR_INTEGRITY,
			       "the index of '%s' does not say where '%s' is and how large",
			       in->suite, out->name);
	copy_files(a, root_of(w->q, out->name), out);
	return 0;
}

/* Whom to thank for a package: walk from the roots through what was settled on, breadth first, so
 * that the reason is the nearest to a root. */
static void find_reasons(struct universe *w, const Queue *settled) {
	Pool *pool = w->pool;
	Map in, seen;
	Queue todo;

	map_init(&in, pool->nsolvables);
	map_init(&seen, pool->nsolvables);
	queue_init(&todo);
	for (int i = 0; i < settled->count; i++) {
		MAPSET(&in, settled->elements[i]);
		if (!root_of(w->q, universe_name(w, settled->elements[i])))
			continue;
		MAPSET(&seen, settled->elements[i]);
		queue_push(&todo, settled->elements[i]);
	}
	for (int i = 0; i < todo.count; i++) {
		const Id *at = universe_deps(w, todo.elements[i]);
		for (Id dep, p, pp; (dep = universe_next_dep(&at));) {
			FOR_PROVIDES(p, pp, dep) {
				if (!MAPTST(&in, p) || MAPTST(&seen, p))
					continue;
				MAPSET(&seen, p);
				queue_push(&todo, p);
				w->needed_by[p] = todo.elements[i];
				w->needed_as[p] = dep;
			}
		}
	}
	queue_free(&todo);
	map_free(&seen);
	map_free(&in);
}

static const char *reason_of(const struct universe *w, Id p, struct arena *a) {
	struct buf dep CLEANUP(buf_done) = BUF_INIT(1024);

	if (root_of(w->q, universe_name(w, p)))
		return "asked for";
	universe_print_dep(w, w->needed_as[p], &dep);
	return arena_printf(a, "%s depends on %s", universe_name(w, w->needed_by[p]),
			    buf_str(&dep));
}

/* Those excludes that met a dependency of a package that is there. */
static void fill_excludes(const struct universe *w, const Queue *settled,
			  struct debian_lock *lock) {
	lock->excludes = arena_zalloc(lock->arena, w->q->n_excludes + 1, sizeof *lock->excludes);
	for (size_t i = 0; i < w->q->n_excludes; i++) {
		bool used = false;

		for (int k = 0; k < w->dropped.count && !used; k += 2)
			for (int j = 0; j < settled->count && !used; j++)
				used = w->dropped.elements[k] == settled->elements[j] &&
					w->dropped.elements[k + 1] == (Id) i;
		if (used)
			lock->excludes[lock->n_excludes++] = (struct debian_exclude){
				arena_strdup(lock->arena, w->q->excludes[i].name),
				arena_strdup(lock->arena, w->q->excludes[i].reason)};
	}
}

static int by_name(const void *a, const void *b) {
	return strcmp(((const struct debian_package *) a)->name,
		      ((const struct debian_package *) b)->name);
}

static int exclude_by_name(const void *a, const void *b) {
	return strcmp(((const struct debian_exclude *) a)->name,
		      ((const struct debian_exclude *) b)->name);
}

static int fill_lock(struct universe *w, const Queue *settled, struct debian_lock *lock,
		     struct err *e) {
	find_reasons(w, settled);
	lock->packages = arena_zalloc(lock->arena, (size_t) settled->count + 1,
				      sizeof *lock->packages);
	for (int i = 0; i < settled->count; i++) {
		struct debian_package *out = &lock->packages[lock->n_packages++];

		if (fill(w, settled->elements[i], lock, out, e))
			return -1;
		out->reason = reason_of(w, settled->elements[i], lock->arena);
		const char *fault = check_package(out);
		if (fault)
			return err_set(e, ERR_INTEGRITY,
				       "the index of '%s' is malformed: '%s' has no usable %s",
				       out->suite, out->name, fault);
	}
	qsort(lock->packages, lock->n_packages, sizeof *lock->packages, by_name);
	fill_excludes(w, settled, lock);
	qsort(lock->excludes, lock->n_excludes, sizeof *lock->excludes, exclude_by_name);
	return 0;
}

int solve(const struct debian_request *q, const struct solve_input *inputs, size_t n,
	  struct debian_lock *lock, struct err *e) {
	struct universe w CLEANUP(universe_done);
	Queue settled;

	if (universe_init(&w, q, inputs, n, e) ||
	    universe_select(&w, e))
		return -1;
	queue_init(&settled);
	int rc = 0;
	if (settle(&w, &settled, e) ||
	    fill_lock(&w, &settled, lock, e))
		rc = -1;
	queue_free(&settled);
	return rc;
}
