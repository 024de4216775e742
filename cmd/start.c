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
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	if (nothing)
		report_line(a->report, "nothing to do: '%s' of route '%s' serves", r->from,
			    a->at[0]);
	else
		report_line(a->report, "started: '%s' of route '%s' serves (%s)", r->from, a->at[0],
			    took);
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "active", r->from);
	json_set_str(j, "outcome", nothing ? "nothing" : "started");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	json_set_int(j, "engine_ms", (int64_t) r->start_ms);
	report_result(a->report, j);
}

int cmd_start(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	struct rollout_session s;
	struct rollout_result result;

	if (context_open(a, "start", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e))
		return -1;
	if (rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = rollout_start(&s, &result, e);
	if (!r)
		tell(a, &result);
	rollout_end(&s);
	return r;
}
