#include "rollout/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

enum { WATCH_EVERY_MS = 250, WATCH_FAILURES = 4 };

int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt, struct err *e) {
	struct buf log CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct json *reason CLEANUP(json_freep) = record_new("attempt", d->lock);
	struct err unkept = {0};
	bool committed;

	json_set_str(reason, "reason", d->cause->msg);
	json_set_int(reason, "exit", err_exit_status(d->cause->code));
	container_log(s->x, d->lock, &log);
	struct release_attempt kept = {.reason = reason, .evidence = d->evidence, .engine_log = buf_str(&log),
		.lock = d->lock->bytes, .lock_len = d->lock->n_bytes, .manifest = d->manifest};
	if (rollout_committed(s, d->lock->version, &committed, e))
		return -1;
	/* A release that was committed once stays, and its container too: a rollback may want it, and may have it warm. */
	if (committed ? !d->was_running && container_stop(s->x, d->lock, e) : container_remove(s->x, d->lock, e))
		return -1;
	if (!committed && release_remove(&s->route, d->lock->version, e))
		return -1;
	/* On a full disk nothing is kept for the question why; what runs is put right all the same. */
	if (release_attempt_put(&s->route, &kept, attempt, &unkept))
		progress_warn(s->x->progress, "evidence and log of the attempt could not be kept", unkept.msg);
	return 0;
}

static int record_rolled_back(struct rollout_session *s, const char *version, const char *to, const char *reason, unsigned attempt,
			      struct err *e) {
	struct json *r = record_new("rolled_back", NULL);

	json_set_str(r, "version", version);
	json_set_str(r, "from", version);
	json_set_str(r, "to", to ? to : "");
	json_set_str(r, "reason", reason);
	json_set_int(r, "attempt", attempt);
	return record_put(s, r, e);
}

int switch_back_end(struct rollout_session *s, const struct lock *bad, const char *to, const struct err *cause, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct dropped d = {.lock = bad, .cause = cause};
	struct err unread = {0};
	unsigned attempt = 0;

	if (!release_read(&s->route, bad->version, &rel, &unread))
		d.evidence = rel.proof;
	/* The record is last: until it stands, recovery comes here again. */
	return candidate_drop(s, &d, &attempt, e) || record_rolled_back(s, bad->version, to, cause->msg, attempt, e) ? -1 : 0;
}

static int go_back(struct rollout_session *s, const struct lock *l, const char *from, const struct err *cause, struct err *e) {
	struct lock *old CLEANUP(lock_freep) = NULL;
	bool begun;

	if (from && *from &&
	    (rollout_lock_of(&s->route, from, &old, e) || container_start(s->x, old, e) || prove_ready(s->x, old, NULL, e)))
		return -1;
	return switch_to(s, old, l->version, SWITCH_REVERT, 0, &begun, e) || switch_back_end(s, l, from, cause, e) ? -1 : 0;
}

int switch_back(struct rollout_session *s, const struct lock *l, const char *from, const struct err *cause, struct err *e) {
	bool has_old = from && *from, interrupted = cause->code == ERR_INTERRUPTED;
	struct err more = {0};

	progress_note(s->x->progress, "switching back", cause->msg);
	interrupt_hold();
	int r = go_back(s, l, from, cause, &more);
	interrupt_release();
	if (r)
		return err_set(e, more.code == ERR_UNREACHABLE ? ERR_UNREACHABLE : ERR_RECOVERY,
			"%.180s; switching back to '%s' failed: %.180s; put this right, then llmdeploy recover %s", cause->msg,
			has_old ? from : "no release", more.msg, s->route.name);
	return err_set(e, interrupted ? ERR_INTERRUPTED : ERR_REVERTED, "%.300s; %s%s%s", cause->msg, has_old ? "'" : "",
		has_old ? from : "no release", has_old ? "' is active again" : " is active, as before");
}

/* What is looked at: whether it answers, and whether the Engine had to bring it back. */
struct probation {
	int failures;
	int64_t restarts; /* when it began; -1: not looked at yet */
};

static int look(struct rollout_session *s, const struct lock *l, struct probation *p, struct err *e) {
	int64_t restarts = 0;
	bool alive = false;

	if (interrupt_check(e) || container_restarts(s->x, l, &restarts, e) || rollout_alive(s->x, l, &alive, e))
		return -1;
	if (p->restarts < 0)
		p->restarts = restarts;
	if (restarts > p->restarts)
		return err_set(e, ERR_REVERTED, "'%s' died in its watch and was started again by the Engine", l->version);
	p->failures = alive ? 0 : p->failures + 1;
	if (p->failures >= WATCH_FAILURES)
		return err_set(e, ERR_REVERTED, "'%s' stopped answering in its watch", l->version);
	return 0;
}

int switch_watch(struct rollout_session *s, const struct lock *l, const char *from, int64_t until_unix_ms, struct err *e) {
	struct probation p = {.restarts = -1};
	bool watched = clock_unix_ms() < until_unix_ms;
	struct err cause = {0};

	if (watched)
		progress_step(s->x->progress, "watch");
	/* Bounded by the clock's end and, should the clock stand still, by the count of looks. It ends on a good look. */
	for (uint64_t looks = 0; (clock_unix_ms() < until_unix_ms || p.failures) && looks < 1000000; looks++) {
		if (look(s, l, &p, &cause))
			return switch_back(s, l, from, &cause, e);
		clock_sleep_ms(WATCH_EVERY_MS);
	}
	if (interrupt_check(&cause))
		return switch_back(s, l, from, &cause, e);
	if (watched)
		progress_done(s->x->progress, "watch", NULL);
	return 0;
}
