#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "json/json.h"
#include "probe/probe.h"
#include "store/store.h"

enum { ONE_TOKEN_MS = 60000 };

static int one_token(struct rollout_session *s, const struct lock *to, uint64_t *took_ms, struct err *e) {
	struct engine en CLEANUP(engine_done) = {.socket = RELEASE_SOCKET_INIT};

	return engine_open(s->x, to, &en, e) || probe_one_token(to->probes, &en.endpoint, ONE_TOKEN_MS, took_ms, e) ? -1 : 0;
}

/* The one health check of a rollback: it answers, with one token of its own. What runs and does not answer is started again. */
static int wake(struct rollout_session *s, const struct lock *to, bool *was_running, uint64_t *engine_ms, struct err *e) {
	struct err silent = {0};

	if (container_is_running(s->x, to, was_running, e))
		return -1;
	if (*was_running && !one_token(s, to, engine_ms, &silent))
		return 0;
	if (interrupt_check(e))
		return -1;
	if (*was_running) {
		progress_warn(s->x->progress, "the release before runs and does not answer: it is started again", silent.msg);
		*was_running = false;
		if (container_stop(s->x, to, e))
			return -1;
	}
	for (size_t i = 0; i < to->n_artifacts; i++)
		if (store_verify(s->x->store, to->artifacts[i].sha256, false, e))
			return -1;
	progress_step(s->x->progress, "start the release before");
	return container_start(s->x, to, e) || prove_ready(s->x, to, engine_ms, e) ? -1 : 0;
}

static int undo(struct rollout_session *s, const struct lock *to, bool was_running, const char *from, const struct err *cause, struct err *e) {
	struct json *r = record_new(cause->code == ERR_INTERRUPTED ? "interrupted" : "failed", to);
	struct err more = {0};

	json_set_str(r, "reason", cause->msg);
	json_set_int(r, "exit", err_exit_status(cause->code));
	interrupt_hold();
	if (!was_running)
		(void) container_stop(s->x, to, &more);
	int status = record_put(s, r, e);
	interrupt_release();
	return status ? -1 : err_set(e, cause->code, "%.400s; %s%s%s", cause->msg, *from ? "'" : "",
		*from ? from : "no release", *from ? "' stays active" : " is active, as before");
}

static int move(struct rollout_session *s, const struct lock *to, const char *from, struct rollout_result *out, struct err *e) {
	struct err cause = {0};
	bool was_running = false, begun;

	if (record_begin(s, "rollback", to, from, e))
		return -1;
	if (wake(s, to, &was_running, &out->engine_ms, &cause) || interrupt_check(&cause))
		return undo(s, to, was_running, from, &cause, e);
	if (switch_to(s, to, from, SWITCH_ROLLBACK, 0, &begun, &cause))
		return begun ? err_set(e, cause.code, "%s", cause.msg) : undo(s, to, was_running, from, &cause, e);
	return switch_commit(s, to, from, SWITCH_ROLLBACK, &out->previous_warm, e);
}

int rollout_rollback(struct rollout_session *s, const char *to, struct rollout_result *out, struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	struct lock *l CLEANUP(lock_freep) = NULL;
	struct release target = RELEASE_INIT;
	char *active CLEANUP(freep) = NULL;
	uint64_t began = clock_mono_ms();

	if (release_active_name(&s->route, &active, e))
		return -1;
	(void) snprintf(result.from, sizeof result.from, "%s", active ? active : "");
	if (to && active && !strcmp(to, active)) {
		result.outcome = ROLLOUT_NOTHING;
		*out = result;
		return 0;
	}
	if (release_rollback_target(&s->route, to, &target, e))
		return -1;
	int r = lock_parse("release.lock.json", target.lock, target.lock_len, &l, e);
	release_done(&target);
	if (r || move(s, l, result.from, &result, e))
		return -1;
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}
