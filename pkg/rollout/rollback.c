/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "probe/probe.h"
#include "store/store.h"
#include "json/json.h"

enum { ONE_TOKEN_MS = 60000 };

static int one_token(struct rollout_session *s, const struct lockfile *to, uint64_t *took_ms,
		     struct err *e) {
	struct instance_endpoint en CLEANUP(instance_endpoint_done) = {
		.socket = RELEASE_SOCKET_INIT};

	if (instance_endpoint_open(&s->ctx->base, to, &en, e) ||
	    probe_one_token(to->probes, &en.endpoint, ONE_TOKEN_MS, took_ms, e))
		return -1;
	return 0;
}

/* One rollback on its way. */
struct return_to {
	struct rollout_session *s;
	const struct lockfile *to;
	const char *from;
	struct lockfile *old; /* of `from`; NULL for none, or where it cannot be read */
	bool was_running;     /* before this rollback */
	bool vacated;         /* the active release was stopped to make room */
	uint64_t start_ms;
};

/* The one health check of a rollback: it answers, with one token of its own. What runs and does not
 * answer is started again. */
static int wake(struct return_to *t, struct err *e) {
	struct rollout_session *s = t->s;
	const struct lockfile *to = t->to;
	struct err silent = {0};

	if (instance_is_running(&s->ctx->base, to, &t->was_running, e))
		return -1;
	if (t->was_running && !one_token(s, to, &t->start_ms, &silent))
		return 0;
	if (interrupt_check(e))
		return -1;
	if (t->was_running) {
		progress_warn(s->ctx->base.progress,
			      "the previous release runs but does not answer: it is started again",
			      silent.msg);
		t->was_running = false;
		if (instance_stop(&s->ctx->base, to, e))
			return -1;
	}
	for (size_t i = 0; i < to->n_artifacts; i++)
		if (store_verify(s->ctx->base.store, to->artifacts[i].sha256, false, e))
			return -1;
	char image[65];
	t->vacated = t->old && recreate_needed(s, to, t->old);
	if (instance_image(&s->ctx->base, to, image, e) ||
	    (t->vacated && recreate_begin(s, to, t->old, e)))
		return -1;
	progress_step(s->ctx->base.progress, "start previous release");
	if (instance_start(&s->ctx->base, to, e) ||
	    instance_await_ready(&s->ctx->base, to, &t->start_ms, e))
		return -1;
	return 0;
}

static int undo(struct return_to *t, const struct err *cause, struct err *e) {
	struct json *r = record_new(cause->code == ERR_INTERRUPTED ? EVENT_INTERRUPTED
								   : EVENT_FAILED,
				    t->to);
	struct rollout_session *s = t->s;
	struct err more = {0};

	json_set_str(r, "reason", cause->msg);
	json_set_int(r, "exit", err_exit_status(cause->code));
	interrupt_hold();
	if (!t->was_running)
		(void) instance_stop(&s->ctx->base, t->to, &more);
	int status = t->vacated ? recreate_restore(s, &more) : 0;
	if (status)
		json_free(r); /* the operation stays open: recovery goes on where this ended */
	else {
		status = 0;
		if (record_put(s, r, e) ||
		    reconcile_traffic(s, e))
			status = -1;
	}
	interrupt_release();
	if (more.code && t->vacated && status)
		return err_set(e, ERR_RECOVERY,
			       "%.180s; '%s' could not be started again: %.180s; repair this, then "
			       "llmdeploy recover %s",
			       cause->msg, t->from, more.msg, s->route.name);
	return status ? -1
		      : err_set(e, cause->code, "%.400s; %s%s%s", cause->msg, *t->from ? "'" : "",
				*t->from ? t->from : "no release",
				*t->from ? "' stays active" : " is active, as before");
}

static int move(struct return_to *t, struct rollout_result *out, struct err *e) {
	struct switch_end end = {.l = t->to, .from = t->from, .op = SWITCH_ROLLBACK};
	struct rollout_session *s = t->s;
	struct err cause = {0};
	bool begun;

	if (traffic_accepts(s->ctx, t->to, false, e))
		return -1;
	if (held_abort(s, "a rollback", e) ||
	    record_begin(s, EVENT_ROLLBACK, t->to, t->from, e))
		return -1;
	if (wake(t, &cause) || traffic_assign_slot(s->ctx, t->to, &cause) ||
	    interrupt_check(&cause))
		return undo(t, &cause, e);
	if (switch_or_back(s, t->to, t->from, SWITCH_ROLLBACK, 0, &begun, &cause))
		return begun ? err_set(e, cause.code, "%s", cause.msg) : undo(t, &cause, e);
	out->start_ms = t->start_ms;
	return switch_commit(s, &end, &out->previous_warm, e);
}

int rollout_rollback(struct rollout_session *s, const char *to, struct rollout_result *out,
		     struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct release target = RELEASE_INIT;
	char *active CLEANUP(freep) = NULL;
	uint64_t began = clock_mono_ms();
	enum release_state state;

	if (release_active_name(&s->route, &active, e) ||
	    release_state(&s->route, &state, NULL, e))
		return -1;
	/* Recovery went back already: once more would be one release too far. */
	if (*s->given_up && active && (!to || !strcmp(to, active))) {
		(void) snprintf(result.from, sizeof result.from, "%s", s->given_up);
		*out = result;
		return 0;
	}
	(void) snprintf(result.from, sizeof result.from, "%s", active ? active : "");
	if (state == RELEASE_STOPPED && to && active && !strcmp(to, active))
		return err_set(e, ERR_USAGE,
			       "'%s' is the active release of '%s', and the route is stopped: "
			       "llmdeploy start %s",
			       active, s->route.name, s->route.name);
	if (to && active && !strcmp(to, active)) {
		result.outcome = ROLLOUT_NOTHING;
		*out = result;
		return 0;
	}
	if (release_rollback_target(&s->route, to, &target, e))
		return -1;
	int r = lockfile_parse("release.lock.json", target.lockfile, target.lockfile_len, &l, e);
	release_done(&target);
	if (r)
		return -1;
	struct return_to t = {.s = s, .to = l, .from = result.from};
	struct err unread = {0};
	/* In a route that is stopped it has no traffic and does not run. */
	if (active && state != RELEASE_STOPPED)
		(void) rollout_lockfile_of(&s->route, active, &t.old, &unread);
	r = move(&t, &result, e);
	lockfile_free(t.old);
	if (r)
		return -1;
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}
