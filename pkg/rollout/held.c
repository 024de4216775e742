/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "journal/journal.h"
#include "json/json.h"

/* A candidate without a verdict waits, without traffic: its container, its release and its slot
 * stay until promote or abort ends that. */

int held_record(struct rollout_session *s, const struct lockfile *l, const char *reason,
		struct err *e) {
	struct json *r = record_new(EVENT_HELD, l);

	json_set_str(r, "reason", reason);
	return record_put(s, r, e);
}

int held_lockfile(struct rollout_session *s, struct lockfile **l, struct err *e) {
	char *version CLEANUP(freep) = NULL;

	if (rollout_held(&s->route, &version, NULL, e))
		return -1;
	if (!version)
		return err_set(e, ERR_USAGE,
			       "route '%s' has no held candidate; see llmdeploy status %s",
			       s->route.name, s->route.name);
	return rollout_lockfile_of(&s->route, version, l, e);
}

static int record_end(struct rollout_session *s, const struct lockfile *l, const char *reason,
		      unsigned attempt, struct err *e) {
	struct json *r = record_new(EVENT_ABORTED, l);

	json_set_str(r, "reason", reason);
	json_set_int(r, "attempt", attempt);
	return record_put(s, r, e);
}

static int drop(struct rollout_session *s, const struct lockfile *l, const char *reason,
		struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err cause = {0}, unread = {0};
	unsigned attempt = 0;

	(void) err_set(&cause, ERR_HELD, "aborted: %.300s", reason);
	struct dropped d = {.lockfile = l, .cause = &cause};
	if (!release_read(&s->route, l->version, &rel, &unread))
		d.evidence = rel.proof;
	if (traffic_stop_canary(s, l, e) ||
	    candidate_drop(s, &d, &attempt, e) ||
	    record_end(s, l, reason, attempt, e))
		return -1;
	return reconcile_traffic(s, e);
}

static int abort_it(struct rollout_session *s, const struct lockfile *l, const char *reason,
		    struct err *e) {
	char *from CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &from, e) ||
	    record_begin_for(s, EVENT_ABORT, l, from ? from : "", reason, e))
		return -1;
	interrupt_hold();
	int r = drop(s, l, reason, e);
	interrupt_release();
	return r;
}

int held_abort(struct rollout_session *s, const char *why, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *version CLEANUP(freep) = NULL;
	struct err gone = {0};

	if (rollout_held(&s->route, &version, NULL, e))
		return -1;
	if (!version)
		return 0;
	progress_note(s->ctx->base.progress, "the held candidate is aborted first", version);
	if (!rollout_lockfile_of(&s->route, version, &l, &gone))
		return abort_it(s, l, why, e);
	if (gone.code != ERR_USAGE)
		return err_set(e, gone.code, "%s", gone.msg);
	/* Someone removed it: there is nothing to drop but the waiting. */
	struct json *r = record_new(EVENT_ABORTED, NULL);
	json_set_str(r, "version", version);
	json_set_str(r, "reason", "the release is no longer on disk");
	return record_put(s, r, e);
}

int rollout_abort(struct rollout_session *s, const char *reason, char dropped[64], struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	/* Its switch was stuck, and recovery has given it up. */
	if (*s->given_up) {
		(void) snprintf(dropped, 64, "%s", s->given_up);
		return 0;
	}
	if (held_lockfile(s, &l, e) ||
	    abort_it(s, l, reason ? reason : "no reason given", e))
		return -1;
	(void) snprintf(dropped, 64, "%s", l->version);
	return 0;
}
