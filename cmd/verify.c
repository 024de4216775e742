/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "drift/drift.h"
#include "report/report.h"
#include "json/json.h"

static struct json *as_json(const struct drift_differences *d) {
	struct json *list = json_array();

	for (size_t i = 0; i < d->n; i++) {
		struct json *row = json_object();
		json_set_str(row, "what", d->at[i].what);
		json_set_str(row, "want", d->at[i].want);
		json_set_str(row, "have", d->at[i].have);
		json_push(list, row);
	}
	return list;
}

static void show(struct args *a, const struct drift_differences *d) {
	static const struct report_column columns[] = {{"what", false, 10},
						       {"lockfile", false, 10},
						       {"found", false, 10}};
	const char **cells CLEANUP(freep) = mem_zalloc(3 * d->n, sizeof *cells);

	for (size_t i = 0; i < d->n; i++) {
		cells[3 * i] = d->at[i].what;
		cells[3 * i + 1] = d->at[i].want;
		cells[3 * i + 2] = d->at[i].have;
	}
	if (d->n)
		report_table(a->report, columns, 3, cells, d->n);
	else
		report_line(a->report, "everything matches the lockfile");
}

/* One route; *looked counts those that had an active release to look at. */
static int one(struct args *a, const struct context *c, const char *name,
	       struct drift_differences *d, size_t *looked, struct err *e) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char *active CLEANUP(freep) = NULL;
	struct err damaged = {0};

	if (release_route_open(&c->root, name, false, &route, e) ||
	    drift_verify(&c->rollout, name, a->option[OPT_PARANOID] != NULL, d, e))
		return -1;
	bool none = !release_active_name(&route, &active, &damaged) && !active;
	if (none)
		report_line(a->report, "route '%s' has no active release", name);
	*looked += !none;
	return 0;
}

/* What is looked at. */
struct scope {
	char **names;
	size_t n, looked;
};

static int look(struct args *a, const struct context *c, struct scope *s,
		struct drift_differences *d, struct err *e) {
	/* First: what follows repairs caches. */
	if (drift_check_layout(&c->rollout, a->n ? a->at[0] : NULL, d, e))
		return -1;
	s->looked = 0;
	for (size_t i = 0; i < s->n; i++)
		if (one(a, c, s->names[i], d, &s->looked, e))
			return -1;
	if (!a->n &&
	    (drift_verify_journal(&c->rollout, d, e) ||
	     drift_scan_orphans(&c->rollout, d, e)))
		return -1;
	return 0;
}

static int fix_one(struct context *c, const char *name, bool paranoid, struct drift_repairs *f,
		   struct err *e) {
	struct rollout_session s;

	if (rollout_begin(&c->rollout, name, false, &s, e))
		return -1;
	int r = drift_repair(&s, paranoid, f, e);
	rollout_end(&s);
	return r;
}

static void show_fixed(struct args *a, const char *route, const struct drift_repairs *f,
		       struct json *list) {
	static const struct report_column columns[] = {{"route", false, 8},
						       {"what", false, 10},
						       {"repaired", false, 10}};
	const char **cells CLEANUP(freep) = mem_zalloc(3 * f->n, sizeof *cells);

	for (size_t i = 0; i < f->n; i++) {
		struct json *row = json_object();
		cells[3 * i] = route;
		cells[3 * i + 1] = f->at[i].what;
		cells[3 * i + 2] = f->at[i].how;
		json_set_str(row, "route", route);
		json_set_str(row, "what", f->at[i].what);
		json_set_str(row, "how", f->at[i].how);
		json_push(list, row);
	}
	if (f->n)
		report_table(a->report, columns, 3, cells, f->n);
	if (f->why.code)
		report_warning(a->report, "%s", f->why.msg);
}

/* Every route, whatever came of the one before, and at last what belongs to none; *first: what went
 * wrong first. */
static void fix(struct args *a, struct context *c, const struct scope *s, struct json *list,
		struct err *first) {
	for (size_t i = 0; i < s->n + !a->n; i++) {
		struct drift_repairs f CLEANUP(drift_repairs_done) = {0};
		const char *route = i < s->n ? s->names[i] : "";
		struct err here = {0};
		if (i < s->n ? fix_one(c, route, a->option[OPT_PARANOID] != NULL, &f, &here)
			     : drift_remove_orphans(&c->rollout, &f, &here))
			f.why = here;
		show_fixed(a, route, &f, list);
		if (f.why.code && !first->code)
			*first = f.why;
	}
}

static int judge(const struct args *a, const struct drift_differences *d, const struct err *first,
		 struct err *e) {
	if (d->broken_journal)
		return err_set(e, ERR_INTEGRITY,
			       "a journal is damaged: restore its file from a copy, or abandon it: "
			       "llmdeploy recover %s --accept-journal",
			       a->n ? a->at[0] : "ROUTE");
	if (d->n && !a->option[OPT_FIX])
		return err_set(e, ERR_DRIFT,
			       "%zu difference%s from the lockfile: llmdeploy verify%s%s --fix "
			       "repairs what can be repaired",
			       d->n, d->n == 1 ? "" : "s", a->n ? " " : "", a->n ? a->at[0] : "");
	if (first->code == ERR_RECOVERY || first->code == ERR_INTERRUPTED ||
	    first->code == ERR_BUSY || (first->code && !d->n))
		return err_set(e, first->code, "%s", first->msg);
	if (d->n)
		return err_set(e, ERR_DRIFT, "%zu difference%s left%s%.300s", d->n,
			       d->n == 1 ? " is" : "s are", first->code ? ": " : ": repair by hand",
			       first->msg);
	return 0;
}

int cmd_verify(struct args *a, struct err *e) {
	struct drift_differences d CLEANUP(drift_differences_done) = {0},
				   left CLEANUP(drift_differences_done) = {0};
	struct json *j CLEANUP(json_freep) = json_object(), *list = json_array();
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char **names CLEANUP(freep) = NULL;
	struct scope s = {.names = a->at, .n = 1};
	struct err first = {0};

	json_set(j, "fixed", list);
	unsigned use = a->option[OPT_FIX] ? NEED_CHANGE : NEED_ASK;
	if (context_open(a, "verify", use | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e) ||
	    (!a->n && release_routes(&c.root, &names, &s.n, e)))
		return -1;
	if (!a->n)
		s.names = names;
	if (look(a, &c, &s, &d, e))
		return -1;
	/* A check that had nothing to look at has not passed. */
	if (!s.looked && !d.n)
		return err_set(e, ERR_USAGE,
			       "no release is active under '%s': there is nothing to verify",
			       c.root.path);
	show(a, &d);
	bool fixing = a->option[OPT_FIX] && d.n && !d.broken_journal;
	if (fixing) {
		fix(a, &c, &s, list, &first);
		if (look(a, &c, &s, &left, e))
			return -1;
		show(a, &left);
	}
	json_set(j, "differences", as_json(&d));
	json_set(j, "left", as_json(fixing ? &left : &d));
	report_result(a->report, j);
	return judge(a, fixing ? &left : &d, &first, e);
}
