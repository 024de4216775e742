#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "report/report.h"

static void tell(struct args *a, const char *route, const char *now, const struct rollout_result *r) {
	struct json *j CLEANUP(json_freep) = json_object();
	char took[TEXT_BYTES];

	text_format_ms(r->total_ms, took);
	if (r->outcome == ROLLOUT_NOTHING)
		report_line(a->report, "nothing to do: '%s' is active", now);
	else
		report_line(a->report, "rolled back: '%s' is active, '%s' is not any more (%s)", now, r->from, took);
	json_set_str(j, "route", route);
	json_set_str(j, "active", now);
	json_set_str(j, "from", r->from);
	json_set_str(j, "outcome", r->outcome == ROLLOUT_NOTHING ? "nothing" : "switched");
	json_set_int(j, "total_ms", (int64_t) r->total_ms);
	report_result(a->report, j);
}

int cmd_rollback(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	char *active CLEANUP(freep) = NULL;
	struct rollout_session s;
	struct rollout_result result;

	if (context_open(a, "rollback", NEED_STORE | NEED_ENGINE | NEED_GATEWAY, &c, e) || rollout_begin(&c.x, a->at[0], false, &s, e))
		return -1;
	int r = rollout_rollback(&s, a->option[OPT_TO], &result, e) || release_active_name(&s.route, &active, e) ? -1 : 0;
	if (!r)
		tell(a, a->at[0], active, &result);
	rollout_end(&s);
	return r;
}
