/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/universe.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static void take(struct universe *w, Id p, Id by, Id dep) {
	if (MAPTST(&w->planned, p))
		return;
	MAPSET(&w->planned, p);
	queue_push(&w->plan, p);
	w->needed_by[p] = by;
	w->needed_as[p] = dep;
}

/* Is an alternative of this dependency met by what was taken so far? */
static bool met(const struct universe *w, Id dep) {
	Pool *pool = w->pool;
	Id p, pp;

	FOR_PROVIDES(p, pp, dep)
	if (MAPTST(&w->planned, p))
		return true;
	return false;
}

static const struct debian_prefer *preference(const struct universe *w, const char *virtual) {
	for (size_t i = 0; i < w->q->n_prefers; i++)
		if (!strcmp(w->q->prefers[i].virtual, virtual))
			return &w->q->prefers[i];
	return NULL;
}

/* The only provider of something virtual, by name; 0 where there are several. */
static Id only_provider(const struct universe *w, Id dep) {
	Pool *pool = w->pool;
	const char *name = NULL;
	Id p, pp;

	FOR_PROVIDES(p, pp, dep) {
		if (name && strcmp(name, universe_name(w, p)) != 0)
			return 0;
		name = universe_name(w, p);
	}
	return name ? universe_best(w, name, dep) : 0;
}

/* Without version and without ":any"; yours. */
static char *bare_name(const struct universe *w, Id dep) {
	while (ISRELDEP(dep))
		dep = GETRELDEP(w->pool, dep)->name;
	const char *name = pool_id2str(w->pool, dep);
	return mem_strndup(name, strcspn(name, ":"));
}

/* Which package to take for one alternative; 0: none has it, or *ambiguous. */
static int choose(const struct universe *w, Id one, Id *p, bool *ambiguous, struct err *e) {
	char *name CLEANUP(freep) = bare_name(w, one);
	const struct debian_prefer *want = preference(w, name);

	*ambiguous = false;
	*p = universe_best(w, want ? want->name : name, one);
	if (*p)
		return 0;
	if (want)
		return err_set(e, ERR_SPEC, "'%s' is preferred for '%s', and does not provide it",
			       want->name, name);
	*p = only_provider(w, one);
	Pool *pool = w->pool;
	*ambiguous = !*p && *pool_whatprovides_ptr(pool, one);
	return 0;
}

/* Follow one dependency of `by`. Nothing is taken where it is met already, where nothing meets it,
 * and where it is ambiguous: then it is put aside, as something taken later may meet it. */
static int follow(struct universe *w, Id by, Id dep, Queue *aside, struct err *e) {
	if (met(w, dep))
		return 0;
	for (Id rest = dep; rest;) {
		Id one = universe_alternative(w, rest, &rest), p;
		bool ambiguous;

		if (choose(w, one, &p, &ambiguous, e))
			return -1;
		if (ambiguous)
			queue_push2(aside, by, dep);
		if (p)
			take(w, p, by, dep);
		if (p || ambiguous)
			return 0;
	}
	return 0;
}

static int take_roots(struct universe *w, struct err *e) {
	for (size_t i = 0; i < w->q->n_roots; i++) {
		const char *name = w->q->roots[i].name;
		Id p = universe_best(w, name, pool_str2id(w->pool, name, 1));

		if (!p)
			return err_set(e, ERR_SPEC, "no package '%s' for %s in suite '%s'", name,
				       w->q->architecture, w->q->suites[0].name);
		take(w, p, 0, 0);
	}
	return 0;
}

/* "awk, which base-files depends on, is provided by gawk, mawk: ..." */
static int ambiguous_error(const struct universe *w, Id by, Id dep, struct err *e) {
	struct buf names CLEANUP(buf_done) = BUF_INIT(200);
	struct buf what CLEANUP(buf_done) = BUF_INIT(120);
	Pool *pool = w->pool;
	Id p, pp;

	universe_print_dep(w, dep, &what);
	FOR_PROVIDES(p, pp, dep)
	(void) buf_printf(&names, "%s%s", names.len ? ", " : "", universe_name(w, p));
	return err_set(e, ERR_SPEC,
		       "'%s', which '%s' depends on, is provided by several packages (%s): "
		       "name one of them under 'prefer'",
		       buf_str(&what), universe_name(w, by), buf_str(&names));
}

int universe_select(struct universe *w, struct err *e) {
	Queue aside;
	int rc = take_roots(w, e);

	queue_init(&aside);
	for (int i = 0; !rc && i < w->plan.count; i++) {
		const Id *at = universe_deps(w, w->plan.elements[i]);
		for (Id dep; !rc && (dep = universe_next_dep(&at));)
			rc = follow(w, w->plan.elements[i], dep, &aside, e);
	}
	for (int i = 0; !rc && i < aside.count; i += 2)
		if (!met(w, aside.elements[i + 1]))
			rc = ambiguous_error(w, aside.elements[i], aside.elements[i + 1], e);
	queue_free(&aside);
	return rc;
}
