/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/report.h"
#include "json/json.h"

static void tell(struct args *a, const struct rollout_result *r) {
	struct json *j CLEANUP(json_freep) = json_object();
	bool nothing = r->outcome == ROLLOUT_NOTHING;
	const char *route = a->at[0];
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	if (nothing)
		report_line(a->report, "nothing to do: route '%s' is stopped", route);
	else
		report_line(a->report,
			    "stopped: route '%s' runs nothing, '%s' stays its active release (%s)",
			    route, r->from, took);
	report_line(a->report, "next: llmdeploy start %s", route);
	json_set_str(j, "route", route);
	json_set_str(j, "active", r->from);
	json_set_str(j, "outcome", nothing ? "nothing" : "stopped");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	report_result(a->report, j);
}

int cmd_stop(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct rollout_session s;
	struct rollout_result result;

	if (context_open(a, "stop", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e))
		return -1;
	c.rollout.asked = true;
	if (rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = rollout_stop(&s, &result, e);
	if (!r)
		tell(a, &result);
	rollout_end(&s);
	return r;
}
