/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "rollout/internal.h"
#include "json/json.h"

static int record_rolled_back(struct rollout_session *s, const char *version, const char *to,
			      const char *reason, unsigned attempt, struct err *e) {
	struct json *r = record_new(EVENT_ROLLED_BACK, NULL);

	json_set_str(r, "version", version);
	json_set_str(r, "from", version);
	json_set_str(r, "to", to ? to : "");
	json_set_str(r, "reason", reason);
	json_set_int(r, "attempt", attempt);
	return record_put(s, r, e);
}

int switch_back_end(struct rollout_session *s, const struct lockfile *bad, const char *to,
		    const struct err *cause, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct dropped d = {.lockfile = bad, .cause = cause};
	struct err unread = {0};
	unsigned attempt = 0;

	/* Its clients have their time here as well, unless it is dead anyway. */
	if (traffic_drain(s, bad, bad->drain_ms, e))
		return -1;
	if (!release_read(&s->route, bad->version, &rel, &unread))
		d.evidence = rel.proof;
	/* The record is last: until it stands, recovery comes here again. */
	if (candidate_drop(s, &d, &attempt, e) ||
	    reconcile_traffic(s, e) ||
	    record_rolled_back(s, bad->version, to, cause->msg, attempt, e))
		return -1;
	return 0;
}

/* That it goes back is decided: a crash from here on does not begin the watch again. Once: a
 * recovery's tries are counted after it. */
static int record_back(struct rollout_session *s, const struct lockfile *l, const char *from,
		       const struct err *cause, struct err *e) {
	struct record_state now CLEANUP(record_state_done) = {0};

	if (record_state_read(s, &now, e))
		return -1;
	if (now.event == EVENT_BACK_INTENT)
		return 0;
	struct json *r = record_new(EVENT_BACK_INTENT, l);
	json_set_str(r, "to", l->version);
	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "reason", cause->msg);
	return record_put(s, r, e);
}

static int go_back(struct rollout_session *s, const struct lockfile *l, const char *from,
		   const struct err *cause, struct err *e) {
	struct lockfile *old CLEANUP(lockfile_freep) = NULL;
	bool begun;

	if (record_back(s, l, from, cause, e))
		return -1;
	if (from && *from) {
		if (rollout_lockfile_of(&s->route, from, &old, e) ||
		    (recreate_needed(s, l, old) && recreate_stop(s, l, l->drain_ms, e)) ||
		    instance_start(&s->ctx->base, old, e) ||
		    instance_await_ready(&s->ctx->base, old, NULL, e) ||
		    traffic_assign_slot(s->ctx, old, e))
			return -1;
	}
	if (switch_to(s, old, l->version, SWITCH_REVERT, 0, &begun, e) ||
	    switch_back_end(s, l, from, cause, e))
		return -1;
	return 0;
}

int switch_back(struct rollout_session *s, const struct lockfile *l, const char *from,
		const struct err *cause, struct err *e) {
	bool has_old = from && *from, interrupted = cause->code == ERR_INTERRUPTED;
	struct err more = {0};

	progress_note(s->ctx->base.progress, "switching back", cause->msg);
	interrupt_hold();
	int r = go_back(s, l, from, cause, &more);
	interrupt_release();
	if (r)
		return err_set(e, more.code == ERR_UNREACHABLE ? ERR_UNREACHABLE : ERR_RECOVERY,
			       "%.180s; switching back to '%s' failed: %.180s; repair this, then "
			       "llmdeploy recover %s",
			       cause->msg, has_old ? from : "no release", more.msg, s->route.name);
	return err_set(e, interrupted ? ERR_INTERRUPTED : ERR_REVERTED, "%.300s; %s%s%s",
		       cause->msg, has_old ? "'" : "", has_old ? from : "no release",
		       has_old ? "' is active again" : " is active, as before");
}
