/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "rollout/internal.h"

/* It may have waited for days: it answers now, or it stays held. */
static int wake(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms,
		struct err *e) {
	bool alive;

	if (interrupt_check(e) ||
	    instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	if (!alive &&
	    (instance_start(&s->ctx->base, l, e) ||
	     instance_await_ready(&s->ctx->base, l, start_ms, e)))
		return -1;
	if (traffic_assign_slot(s->ctx, l, e) ||
	    interrupt_check(e))
		return -1;
	return 0;
}

static int still_held(struct rollout_session *s, const struct lockfile *l, const struct err *cause,
		      struct err *e) {
	struct err more = {0};

	interrupt_hold();
	int r = held_record(s, l, cause->msg, &more);
	interrupt_release();
	return err_set(e, cause->code, "%.350s; '%s' stays held%s%.80s", cause->msg, l->version,
		       r ? "; " : "", r ? more.msg : "");
}

int rollout_promote(struct rollout_session *s, const char *reason, struct rollout_result *out,
		    struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *from CLEANUP(freep) = NULL;
	uint64_t began = clock_mono_ms();
	struct err cause = {0};
	bool begun;

	if (held_lockfile(s, &l, e) ||
	    release_active_name(&s->route, &from, e) ||
	    record_begin_for(s, EVENT_PROMOTE, l, from ? from : "", reason, e))
		return -1;
	if (wake(s, l, &result.start_ms, &cause))
		return still_held(s, l, &cause, e);
	if (switch_over(s, l, from ? from : "", &begun, &result, &cause))
		return begun ? err_set(e, cause.code, "%s", cause.msg)
			     : still_held(s, l, &cause, e);
	(void) snprintf(result.from, sizeof result.from, "%s", from ? from : "");
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}
