/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/universe.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <solv/evr.h>
#include <solv/poolarch.h>
#include <solv/repo.h>
#include <solv/repo_deb.h>

#include "base/err.h"
#include "base/mem.h"

static const Id no_deps[] = {0};

const Id *universe_deps(const struct universe *w, Id p) {
	const Solvable *s = pool_id2solvable(w->pool, p);

	return s->requires ? s->repo->idarraydata + s->requires : no_deps;
}

Id universe_next_dep(const Id **at) {
	while (**at == SOLVABLE_PREREQMARKER)
		(*at)++;
	return **at ? *(*at)++ : 0;
}

Id universe_alternative(const struct universe *w, Id dep, Id *rest) {
	*rest = 0;
	if (!ISRELDEP(dep))
		return dep;
	const Reldep *rd = GETRELDEP(w->pool, dep);
	if (rd->flags != REL_OR)
		return dep;
	*rest = rd->evr;
	return rd->name;
}

/* The bare name of one alternative: without version, without ":any" or ":amd64". */
static Id dep_name(Pool *pool, Id dep) {
	while (ISRELDEP(dep))
		dep = GETRELDEP(pool, dep)->name;
	const char *text = pool_id2str(pool, dep), *colon = strchr(text, ':');
	return colon ? pool_strn2id(pool, text, (unsigned) (colon - text), 1) : dep;
}

const struct solve_input *universe_input(const struct universe *w, Id p) {
	return pool_id2solvable(w->pool, p)->repo->appdata;
}

const char *universe_name(const struct universe *w, Id p) {
	return pool_id2str(w->pool, pool_id2solvable(w->pool, p)->name);
}

static void print_one(const struct universe *w, Id dep, struct buf *out) {
	static const char *const operators[8] = {"", ">>", "=", ">=", "<<", "", "<=", ""};

	if (!ISRELDEP(dep)) {
		(void) buf_puts(out, pool_id2str(w->pool, dep));
		return;
	}
	const Reldep *rd = GETRELDEP(w->pool, dep);
	print_one(w, rd->name, out);
	if (rd->flags == REL_MULTIARCH)
		(void) buf_printf(out, ":%s", pool_id2str(w->pool, rd->evr));
	else if (rd->flags > 0 && rd->flags < 8)
		(void) buf_printf(out, " (%s %s)", operators[rd->flags],
				  universe_rel_version(w, dep));
}

void universe_print_dep(const struct universe *w, Id dep, struct buf *out) {
	for (Id rest = dep, one; rest;) {
		one = universe_alternative(w, rest, &rest);
		print_one(w, one, out);
		if (rest)
			(void) buf_puts(out, " | ");
	}
}

void universe_print_chain(const struct universe *w, Id p, struct buf *out) {
	enum { DEEPEST = 16 };
	Id chain[DEEPEST];
	size_t n = 0;

	for (; p && n < DEEPEST; p = w->needed_by[p])
		chain[n++] = p;
	if (p)
		(void) buf_puts(out, "... -> ");
	while (n--)
		(void) buf_printf(out, "%s%s", universe_name(w, chain[n]), n ? " -> " : "");
}

/* Which exclude meets this name: by its own name, or by what the package of that name provides. */
struct met {
	Id name;
	size_t exclude;
};

struct met_list {
	struct met *at;
	size_t n;
};

static void met_done(struct met_list *l) {
	free(l->at);
}

static void met_add(struct met_list *l, Id name, size_t exclude) {
	l->at = mem_grow(l->at, l->n + 1, sizeof *l->at);
	l->at[l->n++] = (struct met){name, exclude};
}

/* Take the excluded packages out of the pool; collect the names that they stood for. */
static void remove_excluded(struct universe *w, struct met_list *met) {
	Pool *pool = w->pool;

	for (size_t i = 0; i < w->q->n_excludes; i++) {
		Id name = pool_str2id(pool, w->q->excludes[i].name, 1), p;

		met_add(met, name, i);
		FOR_POOL_SOLVABLES(p) {
			Solvable *s = pool_id2solvable(pool, p);
			if (s->name != name)
				continue;
			for (const Id *at = s->provides ? s->repo->idarraydata + s->provides
							: no_deps;
			     *at; at++)
				met_add(met, dep_name(pool, *at), i);
			repo_free_solvable(s->repo, p, 0);
		}
	}
}

/* Is there an exclude that meets an alternative of this dependency? Notes all that do. */
static bool note_met(struct universe *w, const struct met_list *met, Id p, Id dep) {
	bool found = false;

	for (Id rest = dep; rest;) {
		Id name = dep_name(w->pool, universe_alternative(w, rest, &rest));
		for (size_t i = 0; i < met->n; i++) {
			if (met->at[i].name != name)
				continue;
			queue_push2(&w->dropped, p, (Id) met->at[i].exclude);
			found = true;
		}
	}
	return found;
}

static void drop_met_deps(struct universe *w, const struct met_list *met) {
	Pool *pool = w->pool;
	Id p;

	FOR_POOL_SOLVABLES(p) {
		const Solvable *s = pool_id2solvable(pool, p);
		if (!s->requires)
			continue;
		Id *from = s->repo->idarraydata + s->requires, *to = from;
		for (; *from; from++)
			if (*from == SOLVABLE_PREREQMARKER || !note_met(w, met, p, *from))
				*to++ = *from;
		*to = 0;
	}
}

/* Packages of which only some files are wanted ask for nothing and are in nobody's way. */
static void free_filtered(struct universe *w) {
	Pool *pool = w->pool;

	for (size_t i = 0; i < w->q->n_roots; i++) {
		Id name = pool_str2id(pool, w->q->roots[i].name, 1), p;
		if (!w->q->roots[i].n_files)
			continue;
		FOR_POOL_SOLVABLES(p) {
			Solvable *s = pool_id2solvable(pool, p);
			if (s->name == name)
			s->requires = s->conflicts = s->obsoletes = 0;
		}
	}
}

/* "(<" and "(>" alone: old words for "<=" and ">=" to dpkg and apt, and not to libsolv. The next of
 * them, NULL: none. */
static const char *old_relation(const char *text, const char *end) {
	while ((text = memchr(text, '(', (size_t) (end - text))) && ++text + 1 < end)
		if ((*text == '<' || *text == '>') && !strchr("<>=", text[1]))
			return text;
	return NULL;
}

static void renew_relations(const struct solve_input *in, struct buf *out) {
	const char *end = in->text + in->n, *from = in->text;

	for (const char *at; from < end && (at = old_relation(from, end)); from = at + 1) {
		(void) buf_add(out, from, (size_t) (at + 1 - from));
		(void) buf_putc(out, '=');
	}
	if (out->len)
		(void) buf_add(out, from, (size_t) (end - from));
}

static int add_input(struct universe *w, const struct solve_input *in, struct err *e) {
	struct buf renewed CLEANUP(buf_done) = BUF_INIT(2 * in->n + 1);
	Repo *repo = repo_create(w->pool, in->suite);

	renew_relations(in, &renewed);
	const char *text = renewed.len ? buf_str(&renewed) : in->text;
	size_t n = renewed.len ? renewed.len : in->n;
	FILE *f = n ? fmemopen((void *) (uintptr_t) text, n, "r") : NULL;

	repo->appdata = (void *) in;
	repo->priority = in->priority;
	if (!f)
		return n ? err_sys(e, "cannot read the packages of '%s'", in->suite) : 0;
	int failed = repo_add_debpackages(repo, f, 0);
	(void) fclose(f);
	return failed ? err_set(e, ERR_INTEGRITY, "cannot read the packages of '%s': %s", in->suite,
				pool_errstr(w->pool))
		      : 0;
}

int universe_init(struct universe *w, const struct debian_request *q,
		  const struct solve_input *inputs, size_t n, struct err *e) {
	struct met_list met CLEANUP(met_done) = {0};

	*w = (struct universe){.q = q, .pool = pool_create()};
	queue_init(&w->dropped);
	queue_init(&w->plan);
	(void) pool_setdisttype(w->pool, DISTTYPE_DEB);
	pool_setarch(w->pool, q->architecture);
	for (size_t i = 0; i < n; i++)
		if (add_input(w, &inputs[i], e))
			return -1;
	remove_excluded(w, &met);
	drop_met_deps(w, &met);
	free_filtered(w);
	universe_rename(w);
	pool_createwhatprovides(w->pool);
	map_init(&w->planned, w->pool->nsolvables);
	w->needed_by = mem_zalloc((size_t) w->pool->nsolvables, sizeof *w->needed_by);
	w->needed_as = mem_zalloc((size_t) w->pool->nsolvables, sizeof *w->needed_as);
	return 0;
}

void universe_done(struct universe *w) {
	free(w->needed_by);
	free(w->needed_as);
	free(w->versions);
	free(w->rel_versions);
	map_free(&w->planned);
	queue_free(&w->plan);
	queue_free(&w->dropped);
	if (w->pool)
		pool_free(w->pool);
}

/* Order: suite by suite as requested, then the higher version. */
static bool better(const Pool *pool, Id a, Id b) {
	const Solvable *x = pool_id2solvable(pool, a), *y = pool_id2solvable(pool, b);

	if (x->repo->priority != y->repo->priority)
		return x->repo->priority > y->repo->priority;
	return pool_evrcmp(pool, x->evr, y->evr, EVRCMP_COMPARE) > 0;
}

Id universe_best(const struct universe *w, const char *name, Id dep) {
	Pool *pool = w->pool;
	Id want = pool_str2id(pool, name, 0), best = 0, p, pp;

	FOR_PROVIDES(p, pp, dep) {
		const Solvable *s = pool_id2solvable(pool, p);
		if (want && s->name == want && (!best || better(pool, p, best)))
			best = p;
	}
	return best;
}
