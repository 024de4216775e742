/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "report/report.h"
#include "json/json.h"

static int turn(struct args *a, const char *command, bool pin, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct json *j CLEANUP(json_freep) = json_object();
	const char *reason = a->option[OPT_REASON];
	struct rollout_session s;

	if (context_open(a, command, NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c,
			 e) ||
	    rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = pin ? rollout_pin(&s, a->at[1], reason, e) : rollout_unpin(&s, a->at[1], reason, e);
	rollout_end(&s);
	if (r)
		return -1;
	if (pin)
		report_line(a->report, "pinned: gc keeps '%s' of '%s'", a->at[1], a->at[0]);
	else
		report_line(a->report,
			    "unpinned: '%s' of '%s' is kept only as long as rollout.keep covers it",
			    a->at[1], a->at[0]);
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "version", a->at[1]);
	json_set_bool(j, "pinned", pin);
	report_result(a->report, j);
	return 0;
}

int cmd_pin(struct args *a, struct err *e) {
	return turn(a, "pin", true, e);
}

int cmd_unpin(struct args *a, struct err *e) {
	return turn(a, "unpin", false, e);
}
