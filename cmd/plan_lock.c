/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "compile_common.h"
#include "exposure.h"
#include "lockfile/lockfile.h"
#include "plan/diff.h"
#include "report/report.h"
#include "json/json.h"

/* A route that nothing was ever deployed on is no fault. */
static int active_lockfile(struct args *a, struct context *c, const char *route,
			   struct lockfile **now, struct err *e) {
	struct err none = {0};

	if (!context_open(a, "plan", NEED_STORE, c, &none) &&
	    !context_active_lockfile(c, route, now, &none))
		return 0;
	if (none.code == ERR_USAGE)
		return 0;
	*e = none;
	return -1;
}

static void show(struct args *a, const struct lockfile *l, const struct lockfile *now,
		 const struct json *list) {
	char bytes[TEXT_BYTES];

	text_format_bytes(l->planned_bytes, bytes);
	char *what CLEANUP(freep) = mem_printf("%s of route %s, compiled: lockfile %.12s",
					       l->version, l->route, l->digest);
	const struct report_pair pairs[] = {{"plan", what},
					    {"runtime", l->runtime},
					    {"memory", bytes}};
	report_pairs(a->report, pairs, sizeof pairs / sizeof *pairs);
	if (!now)
		report_line(a->report,
			    "changes: no release of this route is active, everything is new");
	else if (!json_count(list))
		report_line(a->report, "changes: none, '%s' is active, and is this release",
			    now->version);
	else
		report_line(a->report, "changes against '%s', which is active:", now->version);
	if (now)
		plan_show_changes(a->report, list);
}

int plan_of_lockfile(struct args *a, const struct lockfile *l, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct json *document CLEANUP(json_freep) = json_object();
	struct lockfile *now CLEANUP(lockfile_freep) = NULL;

	if (active_lockfile(a, &c, l->route, &now, e))
		return -1;
	exposure_warn(a, json_get(l->tree, "gateway"), NULL);
	struct json *changes = json_object(), *list = plan_diff(now ? now->tree : NULL, l->tree);
	size_t n = json_count(list);
	if (a->report->mode != REPORT_JSON)
		show(a, l, now, list);
	json_set_str(document, "route", l->route);
	json_set_str(document, "version", l->version);
	json_set_str(document, "lock", l->digest);
	json_set_str(changes, "against", now ? now->version : NULL);
	json_set_int(changes, "count", (int64_t) n);
	json_set(changes, "list", list);
	json_set(document, "changes", changes);
	report_result(a->report, document);
	if (!a->option[OPT_EXIT_CODE] || !n)
		return 0;
	return err_set(e, ERR_DRIFT, "apply of '%s' would make %zu change%s", l->version, n,
		       n == 1 ? "" : "s");
}
