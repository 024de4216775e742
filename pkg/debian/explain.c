/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/explain.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "debian/universe.h"

/* A rule of libsolv, taken apart. */
struct rule {
	SolverRuleinfo kind;
	Id source, target, dep;
};

static struct rule rule_of(Solver *solver, Id id) {
	struct rule r;

	r.kind = solver_ruleinfo(solver, id, &r.source, &r.target, &r.dep);
	return r;
}

/* A problem is a set of rules, most of which only say that someone needs someone. */
static int telling(SolverRuleinfo kind) {
	switch (kind) {
	case SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP: return 4;
	case SOLVER_RULE_PKG_CONFLICTS: return 3;
	case SOLVER_RULE_PKG_SAME_NAME: return 2;
	case SOLVER_RULE_JOB: return 0;
	default: return 1;
	}
}

static struct rule most_telling(Solver *solver, Id problem, Queue *rules) {
	struct rule best = rule_of(solver, solver_findproblemrule(solver, problem));

	solver_findallproblemrules(solver, problem, rules);
	for (int i = 0; i < rules->count; i++) {
		struct rule r = rule_of(solver, rules->elements[i]);
		if (telling(r.kind) > telling(best.kind))
			best = r;
	}
	return best;
}

static const char *version(const struct universe *w, Id p) {
	return universe_version(w, p);
}

/* ": there is 1.5", where a package of that name exists in another version. */
static void print_nearest(const struct universe *w, Id dep, struct buf *out) {
	Id rest, p, name = universe_alternative(w, dep, &rest);

	if (rest || !ISRELDEP(name))
		return;
	while (ISRELDEP(name))
		name = GETRELDEP(w->pool, name)->name;
	if ((p = universe_best(w, pool_id2str(w->pool, name), name)))
		(void) buf_printf(out, ": there is %s", version(w, p));
}

static void print_depends(const struct universe *w, const struct rule *r, struct buf *out) {
	(void) buf_printf(out, "'%s' depends on ", universe_name(w, r->source));
	universe_print_dep(w, r->dep, out);
}

/* Who asked for the two versions that cannot both be installed. */
static void print_wishes(const struct universe *w, Solver *solver, const Queue *rules,
			 struct buf *out) {
	const char *before = ": ";

	for (int i = 0; i < rules->count; i++) {
		struct rule r = rule_of(solver, rules->elements[i]);
		if (r.kind != SOLVER_RULE_PKG_REQUIRES)
			continue;
		(void) buf_puts(out, before);
		print_depends(w, &r, out);
		before = ", ";
	}
}

static void print_problem(const struct universe *w, Solver *solver, Id problem, struct buf *out) {
	Queue rules;

	queue_init(&rules);
	struct rule r = most_telling(solver, problem, &rules);
	if (r.kind == SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP) {
		print_depends(w, &r, out);
		(void) buf_puts(out, ", which nothing provides");
		print_nearest(w, r.dep, out);
	} else if (r.kind == SOLVER_RULE_PKG_CONFLICTS) {
		(void) buf_printf(out, "'%s' conflicts with '%s': ", universe_name(w, r.source),
				  universe_name(w, r.target));
		universe_print_dep(w, r.dep, out);
	} else if (r.kind == SOLVER_RULE_PKG_SAME_NAME) {
		(void) buf_printf(out, "'%s' %s and %s cannot both be installed",
				  universe_name(w, r.source), version(w, r.source),
				  version(w, r.target));
		print_wishes(w, solver, &rules, out);
	} else {
		(void) buf_puts(out,
				solver_problemruleinfo2str(solver, r.kind, r.source, r.target,
							   r.dep));
	}
	queue_free(&rules);
	if (!r.source || !w->needed_by[r.source] || r.kind == SOLVER_RULE_PKG_SAME_NAME)
		return;
	(void) buf_puts(out, " (");
	universe_print_chain(w, r.source, out);
	(void) buf_puts(out, ")");
}

int explain(const struct universe *w, Solver *solver, struct err *e) {
	struct buf why CLEANUP(buf_done) = BUF_INIT(420);
	int n = (int) solver_problem_count(solver);

	for (int i = 1; i <= n; i++) {
		if (i > 1)
			(void) buf_puts(&why, "; ");
		print_problem(w, solver, i, &why);
	}
	return err_set(e, ERR_SPEC, "the packages do not fit together: %s", buf_str(&why));
}
