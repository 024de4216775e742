/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gc/gc.h"
#include "report/report.h"
#include "json/json.h"

static void tell(struct args *a, const char *now, const struct rollout_result *r) {
	struct json *j CLEANUP(json_freep) = json_object();
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	report_line(a->report, "promoted: '%s' is active%s%s%s (%s)", now,
		    *r->from ? ", after '" : "", r->from, *r->from ? "'" : "", took);
	json_set_str(j, "route", a->at[0]);
	json_set_str(j, "active", now);
	json_set_str(j, "from", r->from);
	json_set_str(j, "outcome", "switched");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	json_set_bool(j, "previous_warm", r->previous_warm);
	report_result(a->report, j);
}

int cmd_promote(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char *active CLEANUP(freep) = NULL;
	struct rollout_session s;
	struct rollout_result result;

	/* The gates had no verdict: the journal says who decided instead, and why. */
	if (!a->option[OPT_REASON] || !*a->option[OPT_REASON])
		return err_set(e, ERR_USAGE,
			       "promote needs --reason TEXT: why the release may go live without a "
			       "verdict");
	if (context_open(a, "promote", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c,
			 e) ||
	    rollout_begin(&c.rollout, a->at[0], false, &s, e))
		return -1;
	int r = rollout_promote(&s, a->option[OPT_REASON], &result, e);
	if (!r)
		gc_after(&s);
	if (!r)
		r = release_active_name(&s.route, &active, e);
	if (!r)
		tell(a, active, &result);
	rollout_end(&s);
	return r;
}
