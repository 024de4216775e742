/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/debian.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "debian/check.h"
#include "debian/index.h"
#include "debian/solve.h"

enum { SUITES_MAX = 8, COMPONENTS_MAX = 8, ROOTS_MAX = 256 };

/* The Packages files of all suites. */
struct texts {
	struct buf at[SUITES_MAX * COMPONENTS_MAX];
	struct solve_input inputs[SUITES_MAX * COMPONENTS_MAX];
	size_t n;
};

static void texts_done(struct texts *t) {
	for (size_t i = 0; i < sizeof t->at / sizeof *t->at; i++)
		buf_done(&t->at[i]);
}

static int bad(struct err *e, const char *what, const char *name) {
	return err_set(e, ERR_SPEC, "'%s' is not usable as %s in a request for packages",
		       name ? name : "", what);
}

static int check_suite(const struct debian_suite *s, struct err *e) {
	if (!check_path(s->name))
		return bad(e, "a suite", s->name);
	if (!s->n_components || s->n_components > COMPONENTS_MAX)
		return err_set(e, ERR_SPEC, "suite '%s' needs 1 to %d components", s->name,
			       COMPONENTS_MAX);
	for (size_t i = 0; i < s->n_components; i++)
		if (!check_path(s->components[i]))
			return bad(e, "a component", s->components[i]);
	return s->archive && !check_name(s->archive) ? bad(e, "an archive", s->archive) : 0;
}

static int check_root(const struct debian_root *r, struct err *e) {
	if (!check_name(r->name))
		return bad(e, "a package", r->name);
	if (r->layer && !text_is_name(r->layer))
		return bad(e, "a layer", r->layer);
	for (size_t i = 0; i < r->n_files; i++)
		if (!check_file(r->files[i]))
			return bad(e, "a path in a package", r->files[i]);
	return 0;
}

static int check_names(const struct debian_request *q, struct err *e) {
	for (size_t i = 0; i < q->n_excludes; i++) {
		if (!check_name(q->excludes[i].name))
			return bad(e, "a package", q->excludes[i].name);
		if (!q->excludes[i].reason || !*q->excludes[i].reason)
			return err_set(e, ERR_SPEC, "'%s' is excluded without a reason",
				       q->excludes[i].name);
	}
	for (size_t i = 0; i < q->n_prefers; i++)
		if (!check_name(q->prefers[i].name) || !check_name(q->prefers[i].virtual))
			return bad(e, "a preference", q->prefers[i].name);
	for (size_t i = 0; i < q->n_layers; i++)
		if (!q->layers[i].layer || !text_is_name(q->layers[i].layer))
			return bad(e, "a layer", q->layers[i].layer);
	return 0;
}

static int check_request(const struct debian_request *q, struct err *e) {
	if (!q->n_suites || q->n_suites > SUITES_MAX)
		return err_set(e, ERR_SPEC, "a request for packages needs 1 to %d suites",
			       SUITES_MAX);
	if (!q->n_roots || q->n_roots > ROOTS_MAX)
		return err_set(e, ERR_SPEC, "a request for packages needs 1 to %d packages",
			       ROOTS_MAX);
	if (!check_name(q->architecture))
		return bad(e, "an architecture", q->architecture);
	for (size_t i = 0; i < q->n_suites; i++)
		if (check_suite(&q->suites[i], e))
			return -1;
	for (size_t i = 0; i < q->n_roots; i++)
		if (check_root(&q->roots[i], e))
			return -1;
	return check_names(q, e);
}

static int fetch_suite(const struct index_from *from, size_t i, struct texts *texts,
		       struct debian_lock *lock, struct err *e) {
	const struct debian_suite *s = &from->request->suites[i];

	if (index_fetch(from, s, lock->arena, &lock->indexes[i], &texts->at[texts->n], e))
		return -1;
	for (size_t k = 0; k < s->n_components; k++, texts->n++)
		texts->inputs[texts->n] = (struct solve_input){
			.suite = s->name,
			.priority = (int) (from->request->n_suites - i),
			.text = buf_str(&texts->at[texts->n]),
			.n = texts->at[texts->n].len,
		};
	return 0;
}

static struct debian_lock *lock_new(const struct debian_request *q) {
	struct debian_lock *lock = mem_zalloc(1, sizeof *lock);

	lock->arena = arena_new();
	lock->runtime = arena_strdup(lock->arena, q->runtime);
	lock->backend = arena_strdup(lock->arena, q->backend);
	lock->architecture = arena_strdup(lock->arena, q->architecture);
	lock->indexes = arena_zalloc(lock->arena, q->n_suites, sizeof *lock->indexes);
	lock->n_indexes = q->n_suites;
	return lock;
}

int debian_resolve(const struct debian_request *q, const struct debian_mirrors *m,
		   struct store *store, const struct progress *p, struct debian_lock **out,
		   struct err *e) {
	struct index_from from = {q, m, store, p};

	if (check_request(q, e))
		return -1;
	struct texts *texts CLEANUP(freep) = mem_zalloc(1, sizeof *texts);
	struct debian_lock *lock CLEANUP(debian_lock_freep) = lock_new(q);
	int rc = 0;
	for (size_t i = 0; !rc && i < q->n_suites; i++)
		rc = fetch_suite(&from, i, texts, lock, e);
	if (!rc) {
		progress_step(p, "solve");
		rc = solve(q, texts->inputs, texts->n, lock, e);
	}
	texts_done(texts);
	if (rc)
		return -1;
	char count[32];
	(void) snprintf(count, sizeof count, "%zu packages", lock->n_packages);
	progress_done(p, "solve", count);
	*out = STEAL(lock);
	return 0;
}
