/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "gc/gc.h"
#include "report/report.h"
#include "json/json.h"

/* What is given up, and what of it stays known, before anything is done with the route. */
static int reset_journal(struct args *a, struct context *c, const char *route, struct err *e) {
	struct rollout_journal_reset was CLEANUP(rollout_journal_reset_done) = {0};

	if (rollout_reset_journal(&c->rollout, route, &was, e))
		return -1;
	report_warning(a->report, "the journal of '%s' is abandoned: %s", route, was.fault);
	report_line(a->report,
		    "route '%s' begins a new journal, which records the digest of the old one; %s "
		    "is active, possible rollback targets: %s",
		    route, was.active ? was.active : "no release",
		    *was.kept ? was.kept : "nothing");
	return 0;
}

static int one(struct args *a, struct context *c, const char *route, struct json *whole,
	       struct err *e) {
	struct rollout_session s;

	if (a->option[OPT_ACCEPT_JOURNAL] && reset_journal(a, c, route, e) &&
	    (a->n || e->code != ERR_USAGE))
		return -1;
	*e = (struct err){0};
	if (rollout_begin(&c->rollout, route, false, &s, e))
		return -1;
	gc_resume(&s);
	rollout_end(&s);
	report_line(a->report, "route '%s' is consistent", route);
	json_push_str(whole, route);
	return 0;
}

static int every(struct args *a, struct context *c, struct json *whole, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	struct err first = {0};
	size_t n;

	if (release_routes(&c->root, &names, &n, e))
		return -1;
	if (a->option[OPT_ACCEPT_JOURNAL] && !rollout_reset_root_journal(&c->rollout, &first))
		report_warning(a->report,
			       "the journal of the root is abandoned: a new one begins and records "
			       "the digest of the old one");
	if (first.code && first.code != ERR_USAGE) {
		*e = first;
		return -1;
	}
	first = (struct err){0};
	if (!n)
		report_line(a->report, "no routes under '%s': nothing to recover", c->root.path);
	/* One route that cannot be recovered must not keep the others from it. */
	for (size_t i = 0; i < n; i++) {
		struct err here = {0};
		if (one(a, c, names[i], whole, &here)) {
			report_warning(a->report, "%s", here.msg);
			first = first.code ? first : here;
		}
	}
	if (!first.code)
		return 0;
	*e = first;
	return -1;
}

int cmd_recover(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object(), *whole = json_array();
	struct context c CLEANUP(context_done) = CONTEXT_INIT;

	json_set(j, "whole", whole);
	if (!a->n && !a->option[OPT_ALL])
		return err_set(e, ERR_USAGE, "recover needs a ROUTE or --all");
	if (context_open(a, "recover", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c,
			 e))
		return -1;
	c.rollout.retry_exhausted = true;
	int r = a->n ? one(a, &c, a->at[0], whole, e) : every(a, &c, whole, e);
	report_result(a->report, j);
	return r;
}
