#include "rollout/internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "host/host.h"
#include "json/json.h"
#include "size/size.h"

enum { WATCH_EVERY_MS = 250, WATCH_FAILURES = 4 };

const char *switch_name(enum switch_op op) {
	static const char *const names[] = {[SWITCH_APPLY] = "apply", [SWITCH_ROLLBACK] = "rollback", [SWITCH_REVERT] = "revert"};

	return names[op];
}

/* flip_intent and flipped carry all that recovery needs to finish: where to, from where, by which operation. */
static int record_switch(struct rollout_session *s, const char *event, const struct lock *to, const char *to_version, const char *from,
			 enum switch_op op, int64_t watch_until_ms, struct err *e) {
	struct json *r = record_new(event, to);

	json_set_str(r, "to", to_version ? to_version : "");
	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "op", switch_name(op));
	json_set_int(r, "watch_until_ms", watch_until_ms);
	return record_put(s, r, e);
}

int switch_finish(struct rollout_session *s, const struct lock *to, const char *to_version, const char *from, enum switch_op op,
		  int64_t watch_until_ms, struct err *e) {
	char *name CLEANUP(freep) = to ? rollout_container_name(s->x->root, to) : NULL;

	/* 1. From now on the Engine brings it back by itself. */
	if (name && docker_container_set_restart(s->x->docker, name, "unless-stopped", e))
		return -1;
	/* 2. A gateway turns here: candidate ready, then active draining. Clients without one follow the link. */
	/* 3. The one rename that makes it so, synced. */
	if (release_flip(&s->route, to_version, e))
		return -1;
	/* 4. It is so. */
	return record_switch(s, "flipped", to, to_version, from, op, watch_until_ms, e);
}

int switch_to(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, uint64_t watch_ms, struct err *e) {
	const char *version = to ? to->version : NULL;
	int64_t until = clock_unix_ms() + (int64_t) watch_ms;

	progress_step(s->x->progress, "switch");
	/* A signal in here is seen in the watch, where it switches back. */
	interrupt_hold();
	int r = record_switch(s, "flip_intent", to, version, from, op, until, e) || switch_finish(s, to, version, from, op, until, e) ? -1 : 0;
	interrupt_release();
	if (!r)
		progress_done(s->x->progress, "switch", version);
	return r;
}

/* Why the watch ended before its time, or 0. */
static int look(struct rollout_session *s, const struct lock *l, int *failures, struct err *e) {
	bool alive = false;

	if (interrupt_check(e) || rollout_alive(s->x, l, &alive, e))
		return -1;
	*failures = alive ? 0 : *failures + 1;
	if (*failures >= WATCH_FAILURES)
		return err_set(e, ERR_REVERTED, "'%s' stopped answering in its watch", l->version);
	return 0;
}

/* Back by the same function. The cause stays the error, with what was done about it. */
static int revert(struct rollout_session *s, const struct lock *l, const char *from, const struct err *cause, struct err *e) {
	struct lock *old CLEANUP(lock_freep) = NULL;
	bool has_old = from && *from, made;
	uint64_t ready_ms;

	interrupt_hold();
	int r = 0;
	if (has_old)
		r = rollout_lock_of(&s->route, from, &old, e) || container_start(s->x, old, &made, e) || prove_ready(s->x, old, &ready_ms, e);
	if (!r)
		r = switch_to(s, old, l->version, SWITCH_REVERT, 0, e);
	struct json *record = record_new("rolled_back", l);
	json_set_str(record, "from", l->version);
	json_set_str(record, "to", has_old ? from : "");
	json_set_str(record, "reason", cause->msg);
	if (!r)
		r = record_put(s, record, e);
	else
		json_free(record);
	if (!r)
		r = container_remove(s->x, l, e);
	interrupt_release();
	if (r)
		return err_wrap(e, "%.120s; switching back to '%s' failed", cause->msg, has_old ? from : "none");
	return err_set(e, cause->code == ERR_INTERRUPTED ? ERR_INTERRUPTED : ERR_REVERTED, "%.300s; %s%s%s", cause->msg,
		has_old ? "'" : "", has_old ? from : "no release", has_old ? "' is active again" : " is active, as before");
}

int switch_watch(struct rollout_session *s, const struct lock *l, const char *from, int64_t until_unix_ms, struct err *e) {
	struct err cause = {0};
	int failures = 0;

	if (clock_unix_ms() < until_unix_ms)
		progress_step(s->x->progress, "watch");
	/* Bounded by the clock's end and, should the clock stand still, by the count of looks. */
	for (uint64_t looks = 0; clock_unix_ms() < until_unix_ms && looks < 1000000; looks++) {
		if (look(s, l, &failures, &cause))
			return revert(s, l, from, &cause, e);
		clock_sleep_ms(WATCH_EVERY_MS);
	}
	if (interrupt_check(&cause))
		return revert(s, l, from, &cause, e);
	return 0;
}

/* Both may run at once: the memory for both was planned, or the manifest wants it so. */
static bool keep_warm(const struct lock *now, const struct lock *before) {
	struct host_facts host;
	struct err ignored = {0};
	uint64_t both;

	if (strcmp(before->previous, "auto"))
		return !strcmp(before->previous, "warm");
	if (host_read("", &host, &ignored) || __builtin_add_overflow(now->planned_bytes, before->planned_bytes, &both))
		return false;
	return size_admits(host_memory(&host), now->reserve_percent, both);
}

/* Every release but the active and the one before it is stopped: they come back in their start time. */
static int stop_others(struct rollout_session *s, const char *active, const char *before, struct err *e) {
	char **versions CLEANUP(freep) = NULL;
	size_t n;

	if (release_list(&s->route, &versions, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct lock *l CLEANUP(lock_freep) = NULL;
		bool running = false;
		struct err damaged = {0};
		if (!strcmp(versions[i], active) || !strcmp(versions[i], before) || rollout_lock_of(&s->route, versions[i], &l, &damaged))
			continue;
		if (container_is_running(s->x, l, &running, e) || (running && container_stop(s->x, l, e)))
			return -1;
	}
	return 0;
}

int switch_commit(struct rollout_session *s, const struct lock *l, const char *from, enum switch_op op, bool *warm, struct err *e) {
	struct lock *before CLEANUP(lock_freep) = NULL;
	struct json *r = record_new("committed", l);
	struct err damaged = {0};
	bool running = false;

	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "op", switch_name(op));
	if (record_put(s, r, e))
		return -1;
	*warm = false;
	if (from && *from && strcmp(from, l->version) && rollout_lock_of(&s->route, from, &before, &damaged))
		progress_warn(s->x->progress, "the release before is damaged, a rollback will not go there", damaged.msg);
	if (before) {
		*warm = keep_warm(l, before);
		if (container_is_running(s->x, before, &running, e) || (running && !*warm && container_stop(s->x, before, e)))
			return err_wrap(e, "'%s' is active and committed, but the one before could not be stopped", l->version);
		*warm = *warm && running;
	}
	return stop_others(s, l->version, from ? from : "", e);
}
