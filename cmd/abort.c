/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/mem.h"
#include "report/report.h"
#include "json/json.h"

int cmd_abort(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object();
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char *active CLEANUP(freep) = NULL, dropped[64];
	struct rollout_session s;

	if (context_open(a, "abort", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e))
		return -1;
	c.rollout.asked = true;
	if (rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = 0;
	if (rollout_abort(&s, a->option[OPT_REASON], dropped, e) ||
	    release_active_name(&s.route, &active, e))
		r = -1;
	rollout_end(&s);
	if (r)
		return -1;
	report_line(a->report, "aborted: '%s' is dropped, %s%s%s stays active", dropped,
		    active ? "'" : "", active ? active : "no release", active ? "'" : "");
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "aborted", dropped);
	json_set_str(j, "active", active);
	report_result(a->report, j);
	return 0;
}
