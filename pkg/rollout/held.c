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

/* A candidate without a verdict waits, without traffic: its container, its release and its slot stay until promote or abort
 * ends that. */

int held_record(struct rollout_session *s, const struct lockfile *l, const char *reason, struct err *e) {
	struct json *r = record_new(EVENT_HELD, l);

	json_set_str(r, "reason", reason);
	return record_put(s, r, e);
}

static int held_lockfile(struct rollout_session *s, struct lockfile **l, struct err *e) {
	char *version CLEANUP(freep) = NULL;

	if (record_held(s, &version, e))
		return -1;
	if (!version)
		return err_set(e, ERR_USAGE, "route '%s' has no held candidate; see llmdeploy status %s", s->route.name, s->route.name);
	return rollout_lockfile_of(&s->route, version, l, e);
}

static int record_end(struct rollout_session *s, const struct lockfile *l, const char *reason, unsigned attempt, struct err *e) {
	struct json *r = record_new(EVENT_ABORTED, l);

	json_set_str(r, "reason", reason);
	json_set_int(r, "attempt", attempt);
	return record_put(s, r, e);
}

static int drop(struct rollout_session *s, const struct lockfile *l, const char *reason, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err cause = {0}, unread = {0};
	unsigned attempt = 0;

	(void) err_set(&cause, ERR_HELD, "aborted: %.300s", reason);
	struct dropped d = {.lockfile = l, .cause = &cause};
	if (!release_read(&s->route, l->version, &rel, &unread))
		d.evidence = rel.proof;
	if (traffic_stop_canary(s, l, e) || candidate_drop(s, &d, &attempt, e) || record_end(s, l, reason, attempt, e))
		return -1;
	return reconcile_traffic(s, e);
}

static int abort_it(struct rollout_session *s, const struct lockfile *l, const char *reason, struct err *e) {
	char *from CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &from, e) || record_begin_for(s, EVENT_ABORT, l, from ? from : "", reason, e))
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

	if (record_held(s, &version, e))
		return -1;
	if (!version)
		return 0;
	progress_note(s->ctx->base.progress, "the held candidate is aborted first", version);
	if (!rollout_lockfile_of(&s->route, version, &l, &gone))
		return abort_it(s, l, why, e);
	if (gone.code != ERR_USAGE)
		return err_set(e, gone.code, "%s", gone.msg);
	/* Somebody removed it: there is nothing to drop but the waiting. */
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
	if (held_lockfile(s, &l, e) || abort_it(s, l, reason ? reason : "no reason given", e))
		return -1;
	(void) snprintf(dropped, 64, "%s", l->version);
	return 0;
}

/* It may have waited for days: it answers now, or it stays held. */
static int wake(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms, struct err *e) {
	bool alive;

	if (interrupt_check(e) || instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	if (!alive && (instance_start(&s->ctx->base, l, e) || instance_await_ready(&s->ctx->base, l, start_ms, e)))
		return -1;
	return traffic_assign_slot(s->ctx, l, e) || interrupt_check(e) ? -1 : 0;
}

static int still_held(struct rollout_session *s, const struct lockfile *l, const struct err *cause, struct err *e) {
	struct err more = {0};

	interrupt_hold();
	int r = held_record(s, l, cause->msg, &more);
	interrupt_release();
	return err_set(e, cause->code, "%.350s; '%s' stays held%s%.80s", cause->msg, l->version, r ? "; " : "", r ? more.msg : "");
}

int rollout_promote(struct rollout_session *s, const char *reason, struct rollout_result *out, struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *from CLEANUP(freep) = NULL;
	uint64_t began = clock_mono_ms();
	struct err cause = {0};
	bool begun;

	if (held_lockfile(s, &l, e) || release_active_name(&s->route, &from, e) || record_begin_for(s, EVENT_PROMOTE, l, from ? from : "", reason, e))
		return -1;
	if (wake(s, l, &result.start_ms, &cause))
		return still_held(s, l, &cause, e);
	if (switch_over(s, l, from ? from : "", &begun, &result, &cause))
		return begun ? err_set(e, cause.code, "%s", cause.msg) : still_held(s, l, &cause, e);
	(void) snprintf(result.from, sizeof result.from, "%s", from ? from : "");
	result.total_ms = clock_mono_ms() - began;
	gc_after(s);
	*out = result;
	return 0;
}

static int visit(void *ctx, const struct journal_record *r, struct err *e) {
	struct json **last = ctx;

	(void) e;
	if (event_is_passed_over(event_of(r->event)))
		return 0;
	*last = json_copy(r->body);
	return 1;
}

int rollout_held(const struct release_route *r, char **version, char **reason, struct err *e) {
	struct json *last CLEANUP(json_freep) = NULL;

	if (journal_read_back(r->fd, r->where, visit, &last, e))
		return -1;
	bool held = event_row(event_of_record(last))->means == MEANS_HELD && json_str(last, "version");
	*version = held ? mem_strdup(json_str(last, "version")) : NULL;
	*reason = held ? mem_strdup(json_str(last, "reason") ? json_str(last, "reason") : "") : NULL;
	return 0;
}
