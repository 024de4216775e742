/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "journal/journal.h"
#include "json/json.h"

/* Design: the journal's last record decides, by the table of release/event.h, and nothing else
 * does. Each action may be cut short anywhere and run again: it ends by a record that closes the
 * operation. */

/* An Engine may finish a create that nobody waits for any more: so long it is given after a crash
 * that was just now. */
enum { ATTEMPTS = 5, RECENT_S = 5, LATE_MS = 400 };

/* A switch that had begun is finished in so many tries of one recovery, or given up. */
enum { FORWARD_ATTEMPTS = 3, FORWARD_WAIT_MS = 200 };

/* What is left of a drain that a crash cut short. */
static uint64_t drain_left(const struct json *last) {
	int64_t left = json_int_or(last, "drain_until_ms", 0) - clock_unix_ms();

	return left > 0 ? (uint64_t) left : 0;
}

static int reconcile_rest(struct rollout_session *s, const struct json *last, struct err *e) {
	struct reconcile_options how = {.drain_ms = drain_left(last), .announce = true};
	struct reconciled done = {0};
	struct json *r;

	if (reconcile(s, &how, &done, e))
		return -1;
	if (!done.removed && !done.stopped)
		return 0;
	r = record_new(EVENT_TIDIED, NULL);
	json_set_int(r, "removed", (int64_t) done.removed);
	json_set_int(r, "stopped", (int64_t) done.stopped);
	return record_put(s, r, e);
}

/* A release that this operation put on disk and that was never committed goes with its
 * candidate. */
static int drop_release(struct rollout_session *s, const char *version, struct err *e) {
	char *active CLEANUP(freep) = NULL;
	bool committed;

	if (release_active_name(&s->route, &active, e) ||
	    rollout_committed(s, version, &committed, e))
		return -1;
	return committed || (active && !strcmp(active, version))
		? 0
		: release_remove(&s->route, version, e);
}

static int close_with(struct rollout_session *s, const struct json *last, const char *what,
		      struct err *e) {
	struct json *r = record_new(EVENT_RECOVERED, NULL);

	json_set_str(r, "version", json_str(last, "version"));
	json_set_str(r, "lock", json_str(last, "lock"));
	json_set_str(r, "what", what);
	progress_note(s->ctx->base.progress, "recovered an interrupted run", what);
	return record_put(s, r, e);
}

static bool is_recent(const struct json *record) {
	const char *time = json_str(record, "time");
	char then[CLOCK_STAMP];

	clock_stamp(clock_unix() - RECENT_S, then);
	return time && strcmp(time, then) >= 0;
}

/* A candidate whose clients were being sent to it has its lock on disk, and ends what it has before
 * it goes. */
static int stop_canary(struct rollout_session *s, const char *version, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	struct err gone = {0};

	if (release_active_name(&s->route, &active, e))
		return -1;
	if ((active && !strcmp(active, version)) ||
	    rollout_lockfile_of(&s->route, version, &l, &gone) || !l->n_steps)
		return 0;
	return traffic_stop_canary(s, l, e);
}

static int undo(struct rollout_session *s, const struct record_state *st, struct err *e) {
	const char *digest = json_str(st->last, "lock"), *version = json_str(st->last, "version");
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	/* Who was stopped first has no engine yet: its traffic comes with it. */
	struct reconcile_options how = {.leave_traffic = st->stopped_active};
	struct reconciled done = {0};
	struct err gone = {0};
	char id[LOCKFILE_ID];

	if (!version || !digest)
		return close_with(s, st->last, "nothing had been changed", e);
	if (is_recent(st->last))
		clock_sleep_ms(LATE_MS);
	(void) snprintf(id, sizeof id, "%.12s", digest);
	if (stop_canary(s, version, e) ||
	    drop_release(s, version, e) ||
	    reconcile(s, &how, &done, e))
		return -1;
	/* A run directory without a container: killed between the two. A release on disk keeps its
	 * own. */
	if (rollout_lockfile_of(&s->route, version, &l, &gone) && gone.code == ERR_USAGE &&
	    release_run_remove(s->ctx->base.root, id, e))
		return -1;
	if (st->stopped_active && recreate_restore(s, e))
		return -1;
	return close_with(s, st->last,
			  st->stopped_active
				  ? "the changes were undone; the active release was started again"
				  : "the changes were undone; the active release stayed active",
			  e);
}

static int hold_again(struct rollout_session *s, const struct json *last, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	progress_note(s->ctx->base.progress, "recovered an interrupted run",
		      "the candidate is held as before");
	if (rollout_lockfile_of(&s->route,
				json_str(last, "version") ? json_str(last, "version") : "", &l,
				e) ||
	    held_record(s, l, "a promote was interrupted before it began to switch", e))
		return -1;
	return 0;
}

static enum switch_op op_of(const struct json *last) {
	enum switch_op op = switch_op_of(last);

	return op == SWITCH_NONE ? SWITCH_APPLY : op;
}

/* The release that the switch went to is there and answers. */
static int stand_up(struct rollout_session *s, const struct lockfile *to, struct err *e) {
	bool alive;

	if (instance_is_ready(&s->ctx->base, to, &alive, e))
		return -1;
	if (!alive &&
	    (instance_start(&s->ctx->base, to, e) ||
	     instance_await_ready(&s->ctx->base, to, NULL, e) ||
	     switch_keep(s->ctx, to, e)))
		return -1;
	return 0;
}

/* It does not come up. A switch back has nowhere else to go. */
static int fall_back(struct rollout_session *s, const struct json *last, const struct lockfile *to,
		     const struct err *cause, struct err *e) {
	if (cause->code == ERR_INTERRUPTED || cause->code == ERR_UNREACHABLE)
		return err_set(e, cause->code, "%s", cause->msg);
	if (op_of(last) == SWITCH_REVERT)
		return err_set(e, ERR_RECOVERY,
			       "%.330s; and '%s' had failed before: repair one of them, then "
			       "llmdeploy recover %s",
			       cause->msg, json_str(last, "from"), s->route.name);
	return switch_back(s, to, json_str(last, "from"), cause, e);
}

/* The end that the operation would have had. */
static int conclude(struct rollout_session *s, const struct json *last, const struct lockfile *to,
		    struct err *e) {
	const char *from = json_str(last, "from");
	struct lockfile *bad CLEANUP(lockfile_freep) = NULL;
	struct json *traffic CLEANUP(json_freep) = NULL;
	enum switch_op op = op_of(last);
	struct err gone = {0}, cause = {0};
	bool warm;

	if (op == SWITCH_APPLY && to &&
	    switch_watch(s, to, from, json_int_or(last, "watch_until_ms", 0), &traffic, e))
		return -1;
	struct switch_end end = {.l = to, .from = from, .op = op, .traffic = traffic};
	if (op != SWITCH_REVERT && to)
		return switch_commit(s, &end, &warm, e);
	(void) err_set(&cause, ERR_REVERTED, "a crash while switching back");
	if (from && *from && !rollout_lockfile_of(&s->route, from, &bad, &gone))
		return switch_back_end(s, bad, json_str(last, "to"), &cause, e);
	return 0;
}

/* What may have been a moment's fault is tried again; HAProxy's no to a configuration stays one. */
static int go_forward(struct rollout_session *s, const struct json *last, const struct lockfile *to,
		      struct err *e) {
	struct err why = {0};

	for (unsigned i = 0; i < FORWARD_ATTEMPTS; i++) {
		if (i)
			clock_sleep_ms(FORWARD_WAIT_MS << i);
		if (!switch_finish(s, to, json_str(last, "from"), op_of(last),
				   json_int_or(last, "watch_until_ms", 0), &why))
			return 0;
		if (why.code == ERR_SPEC || why.code == ERR_INTERRUPTED)
			break;
	}
	return err_set(e, why.code, "%s", why.msg);
}

/* The switch cannot be finished: back, with the gateway as it was before. What HAProxy serves did
 * not change meanwhile. */
static int give_up(struct rollout_session *s, const struct json *last, const struct lockfile *to,
		   const struct err *cause, struct err *e) {
	bool alive;

	/* Where Docker itself does not answer there is no way back either. */
	if (cause->code == ERR_INTERRUPTED || !to || op_of(last) == SWITCH_REVERT ||
	    instance_is_ready(&s->ctx->base, to, &alive, e))
		return switch_stuck(s, to, cause, e);
	progress_warn(s->ctx->base.progress, "the switch cannot be finished, and is given up",
		      cause->msg);
	return switch_back(s, to, json_str(last, "from"), cause, e);
}

static int resume(struct rollout_session *s, enum recovery_action action, const struct json *last,
		  struct err *e) {
	const char *version = json_str(last, "to");
	struct lockfile *to CLEANUP(lockfile_freep) = NULL;
	struct err cause = {0};

	if (version && *version && rollout_lockfile_of(&s->route, version, &to, e))
		return -1;
	if (action == RECOVERY_BACK && to) {
		(void) err_set(&cause, ERR_REVERTED, "%s",
			       json_str(last, "reason") ? json_str(last, "reason")
							: "its watch was interrupted");
		return switch_back(s, to, json_str(last, "from"), &cause, e);
	}
	if (to && stand_up(s, to, &cause))
		return fall_back(s, last, to, &cause, e);
	if (action == RECOVERY_FINISH && go_forward(s, last, to, &cause))
		return give_up(s, last, to, &cause, e);
	if (conclude(s, last, to, e))
		return -1;
	return close_with(s, last,
			  action == RECOVERY_FINISH ? "the switch was finished"
						    : "the rest of the operation was done",
			  e);
}

static int repair_again(struct rollout_session *s, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	enum release_state state;
	struct err why = {0};

	if (release_active(&s->route, &active, e) ||
	    release_state(&s->route, &state, NULL, e))
		return -1;
	if (!active || state == RELEASE_STOPPED)
		return 0;
	if (rollout_lockfile_of(&s->route, active, &l, e))
		return -1;
	/* It may want more than a start: that is the next fix's, and no reason to keep a rollback
	 * from its work. */
	if (active_ensure(s, l, NULL, &why)) {
		if (why.code == ERR_UNREACHABLE || why.code == ERR_INTERRUPTED)
			return err_set(e, why.code, "%s", why.msg);
		progress_warn(
			s->ctx->base.progress,
			"verify --fix was interrupted, and the active release does not come up",
			why.msg);
	}
	return 0;
}

static int fix_ended(struct rollout_session *s, const struct json *last, struct err *e) {
	if (repair_again(s, e))
		return -1;
	return close_with(s, last, "verify --fix was ended; llmdeploy verify lists what is left",
			  e);
}

/* Of the route as a whole. */
static int finish_route(struct rollout_session *s,
			int again(struct rollout_session *, const char **, struct err *),
			const struct json *last, struct err *e) {
	const char *what = NULL;

	if (again(s, &what, e))
		return -1;
	return close_with(s, last, what, e);
}

/* No default: an action without a function does not compile. */
static int take_action(struct rollout_session *s, enum recovery_action action,
		       const struct record_state *st, struct err *e) {
	switch (action) {
	case RECOVERY_UNDO: return undo(s, st, e);
	case RECOVERY_HOLD: return hold_again(s, st->last, e);
	case RECOVERY_FINISH:
	case RECOVERY_WATCH:
	case RECOVERY_BACK: return resume(s, action, st->last, e);
	case RECOVERY_REPAIR: return fix_ended(s, st->last, e);
	case RECOVERY_STOP: return finish_route(s, stop_again, st->last, e);
	case RECOVERY_START: return finish_route(s, start_again, st->last, e);
	case RECOVERY_REMOVE: return finish_route(s, remove_again, st->last, e);
	/* None of them comes here. */
	case RECOVERY_PASS_OVER:
	case RECOVERY_NOTHING:
	case RECOVERY_REFUSE:
	case RECOVERY_COUNT: break;
	}
	return 0;
}

/* Whoever names the route wants to get on; else the previous release has its tries. What fails
 * without it is not its own fault. */
static bool is_last_attempt(const struct rollout_session *s, int attempts, const struct err *how) {
	if (how->code == ERR_REVERTED || how->code == ERR_UNREACHABLE ||
	    how->code == ERR_INTERRUPTED)
		return false;
	return attempts >= ATTEMPTS || s->ctx->asked;
}

static int act(struct rollout_session *s, enum recovery_action action,
	       const struct record_state *st, struct err *e) {
	const struct json *last = st->last;
	int attempts = st->attempts;
	struct err how = {0};
	struct json *r;

	/* A way back ends after so many, whoever comes: see below. */
	if (attempts >= ATTEMPTS && !s->ctx->retry_exhausted && !s->ctx->asked &&
	    !failed_revert_target(last))
		return err_set(e, ERR_RECOVERY,
			       "recovery of route '%s' failed %d times; its journal stops at '%s' "
			       "of '%s': "
			       "see llmdeploy verify and llmdeploy logs, repair what they name, "
			       "then llmdeploy recover %s",
			       s->route.name, attempts, json_str(last, "event"),
			       json_str(last, "version") ? json_str(last, "version") : "?",
			       s->route.name);
	r = record_new(EVENT_RECOVERING, NULL);
	json_set_str(r, "of", json_str(last, "event"));
	journal_sign(r, s->ctx->tool, s->ctx->command);
	if (record_put(s, r, e))
		return -1;
	if (!take_action(s, action, st, &how))
		return 0;
	if (is_last_attempt(s, attempts, &how)) {
		bool ended;
		if (failed_revert_end(s, &how, &ended, e))
			return -1;
		if (ended)
			return 0;
	}
	/* It ended, with the previous release: that is a whole route, and no failure of who comes
	 * next. */
	if (how.code != ERR_REVERTED)
		return err_set(e, how.code, "%s", how.msg);
	if ((action == RECOVERY_FINISH || action == RECOVERY_WATCH) &&
	    op_of(last) == SWITCH_APPLY && json_str(last, "to"))
		(void) snprintf(s->given_up, sizeof s->given_up, "%s", json_str(last, "to"));
	progress_warn(s->ctx->base.progress, "recovered an interrupted run", how.msg);
	return 0;
}

/* Asked for by name, recovery also wakes an active release that nobody was working on when it
 * died. */
static int wake_active(struct rollout_session *s, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	enum release_state state;

	/* Not one that was stopped on purpose. */
	if (release_state(&s->route, &state, NULL, e))
		return -1;
	if (state == RELEASE_STOPPED)
		return 0;
	if (release_active(&s->route, &active, e))
		return -1;
	bool was;
	if (active &&
	    (rollout_lockfile_of(&s->route, active, &l, e) ||
	     active_ensure(s, l, NULL, e) ||
	     active_note_restart(s, l, &was, e)))
		return -1;
	return 0;
}

/* Before anything looks at the link: someone removed it, or turned it by hand. What is no link of
 * ours at all is told of, and left. */
static int relink(struct rollout_session *s, struct err *e) {
	char *said CLEANUP(freep) = NULL, *active CLEANUP(freep) = NULL;
	struct err foreign = {0};
	struct json *r;
	bool known, was = true;

	if (release_active_name(&s->route, &active, &foreign))
		return 0;
	if (record_active(&s->route, &known, &said, e))
		return -1;
	if (!known || !strcmp(said ? said : "", active ? active : ""))
		return 0;
	/* A journal that knows nothing of the switch to it lost its end, or was put back from an
	 * old copy: who is right, a human says. */
	if (active && record_was_active(&s->route, active, &was, e))
		return -1;
	if (!was)
		return 0;
	progress_note(s->ctx->base.progress,
		      "the link 'active' differed from the journal and was reset",
		      said ? said : "no release is active");
	r = record_new(EVENT_RELINKED, NULL);
	json_set_str(r, "version", said);
	char *what CLEANUP(freep) = mem_printf("'active' pointed to %s, and points to '%s' again",
					       active ? active : "nothing",
					       said ? said : "no release");
	json_set_str(r, "what", what);
	if (release_flip(&s->route, said, e) ||
	    record_put(s, r, e))
		return -1;
	return 0;
}

static int recover_last(struct rollout_session *s, const struct record_state *st, struct err *e) {
	enum recovery_action action = event_row(st->event)->recovery;

	if (!st->last || action == RECOVERY_NOTHING)
		return 0;
	if (action == RECOVERY_REFUSE)
		return err_set(e, ERR_RECOVERY,
			       "the journal ends with '%.40s', an event that this version does not "
			       "know: use the version that wrote it",
			       json_str(st->last, "event") ? json_str(st->last, "event") : "");
	return act(s, action, st, e);
}

int recover_route(struct rollout_session *s, struct err *e) {
	struct record_state st CLEANUP(record_state_done) = {0};

	s->began_ms = clock_mono_ms();
	if (relink(s, e) ||
	    recover_gateway_state(s, e) ||
	    record_state_read(s, &st, e))
		return -1;
	if (recover_last(s, &st, e))
		return -1;
	if (reconcile_rest(s, st.last, e) ||
	    (s->ctx->retry_exhausted && wake_active(s, e)))
		return -1;
	return 0;
}
