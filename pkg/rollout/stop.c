/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "store/store.h"
#include "json/json.h"

/* Design: a route that is stopped keeps its link, its releases and its place at the gateway, and no
 * server has its traffic. The journal alone says so (`route_stopped`), until `route_started` or the
 * next switch: verify, recovery and a boot read it there. What was begun and killed is finished: a
 * stop stops; a start starts, or, where the release does not come up, leaves the route stopped as
 * it was. */

static bool has_fallback(const struct lockfile *l) {
	return json_get(json_get(l->tree, "gateway"), "fallback") != NULL;
}

const char *stop_clients_get(const struct rollout *ctx, const struct lockfile *l) {
	if (!traffic_has_gateway(ctx))
		return "no answer: this machine has no gateway";
	return has_fallback(l) ? "the fallback where it may answer, else 503 with Retry-After"
			       : "503 with Retry-After";
}

int stop_traffic(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	if (traffic_shift(s->ctx, s->route.name, NULL, e))
		return -1;
	return traffic_drain(s, l, l->drain_ms, e);
}

int stop_undone(struct rollout_session *s, const struct lockfile *l, const struct err *cause,
		struct err *e) {
	struct json *r =
		record_new(cause->code == ERR_INTERRUPTED ? EVENT_INTERRUPTED : EVENT_FAILED, l);
	struct err more = {0};

	json_set_str(r, "reason", cause->msg);
	json_set_int(r, "exit", err_exit_status(cause->code));
	interrupt_hold();
	int status = traffic_assign_slot(s->ctx, l, &more) ||
		traffic_shift(s->ctx, l->route, l, &more);
	/* It ends here in any case: what was cancelled must not be completed by the next recovery,
	 * which gives the traffic back. */
	struct err unwritten = {0};
	int put = record_put(s, r, status ? &unwritten : &more);
	status = status || put;
	interrupt_release();
	if (status)
		return err_set(e, cause->code,
			       "%.200s; and the traffic could not be restored: %.180s; run "
			       "llmdeploy recover %s",
			       cause->msg, more.msg, l->route);
	return err_set(e, cause->code, "%.400s; '%s' serves as before", cause->msg, l->version);
}

/* Everything of the route, with the restart policy that lets it stay so. */
static int stop_containers(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	struct reconcile_options how = {.stopped = true};
	struct reconciled done = {0};

	if (reconcile(s, &how, &done, e))
		return -1;
	return record_put(s, record_new(EVENT_ROUTE_STOPPED, l), e);
}

static int stop_rest(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	struct err why = {0};

	progress_step(s->ctx->base.progress, "stop the containers");
	interrupt_hold();
	int r = stop_containers(s, l, &why);
	interrupt_release();
	if (r)
		return err_set(e, why.code,
			       "%.350s; the stop has begun: llmdeploy recover %s finishes it",
			       why.msg, l->route);
	progress_done(s->ctx->base.progress, "stop the containers", l->version);
	return 0;
}

static int active_lockfile(struct rollout_session *s, struct lockfile **l,
			   struct rollout_result *out, struct err *e) {
	char *active CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &active, e))
		return -1;
	if (!active)
		return err_set(e, ERR_USAGE,
			       "route '%s' has no active release: there is nothing to %s; see "
			       "llmdeploy history %s",
			       s->route.name, out->outcome == ROLLOUT_STARTED ? "start" : "stop",
			       s->route.name);
	(void) snprintf(out->from, sizeof out->from, "%s", active);
	return rollout_lockfile_of(&s->route, active, l, e);
}

int rollout_stop(struct rollout_session *s, struct rollout_result *out, struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	uint64_t began = clock_mono_ms();
	enum release_state state;
	struct err cause = {0};

	if (active_lockfile(s, &l, &result, e))
		return -1;
	if (release_state(&s->route, &state, NULL, e))
		return -1;
	if (state == RELEASE_STOPPED) {
		result.outcome = ROLLOUT_NOTHING;
		*out = result;
		return 0;
	}
	/* 1. Said before a client can see it. 2. New requests go elsewhere, what is in flight ends.
	 * 3. It stops. 4. It is so. */
	progress_warn(s->ctx->base.progress, "from now on clients of this route get",
		      stop_clients_get(s->ctx, l));
	if (held_abort(s, "a stop", e) ||
	    record_begin(s, EVENT_STOP, l, l->version, e))
		return -1;
	if (interrupt_check(&cause) || stop_traffic(s, l, &cause))
		return stop_undone(s, l, &cause, e);
	if (stop_rest(s, l, e))
		return -1;
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}

/* ---- start ---- */

/* As a rollback wakes its target: bytes, image, container, one token. Its clients come last. */
static int bring_up(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms,
		    struct err *e) {
	char image[65];

	for (size_t i = 0; i < l->n_artifacts; i++)
		if (store_verify(s->ctx->base.store, l->artifacts[i].sha256, false, e))
			return -1;
	if (instance_image(&s->ctx->base, l, image, e) ||
	    traffic_assign_slot(s->ctx, l, e))
		return -1;
	progress_step(s->ctx->base.progress, "start the active release");
	if (instance_start(&s->ctx->base, l, e))
		return -1;
	progress_done(s->ctx->base.progress, "start the active release", l->version);
	if (instance_await_ready(&s->ctx->base, l, start_ms, e))
		return -1;
	return interrupt_check(e);
}

static int give_traffic(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	if (switch_keep(s->ctx, l, e) ||
	    traffic_shift(s->ctx, l->route, l, e))
		return -1;
	return record_put(s, record_new(EVENT_ROUTE_STARTED, l), e);
}

static int start(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms,
		 struct err *e) {
	if (bring_up(s, l, start_ms, e))
		return -1;
	interrupt_hold();
	int r = give_traffic(s, l, e);
	interrupt_release();
	return r;
}

/* The route is stopped, as it was. */
static int start_undo(struct rollout_session *s, struct err *e) {
	struct reconcile_options how = {.stopped = true};
	struct reconciled done = {0};

	interrupt_hold();
	int r = 0;
	if (traffic_shift(s->ctx, s->route.name, NULL, e) ||
	    reconcile(s, &how, &done, e))
		r = -1;
	interrupt_release();
	return r;
}

static int not_started(struct rollout_session *s, const struct lockfile *l, const struct err *cause,
		       struct err *e) {
	struct json *r =
		record_new(cause->code == ERR_INTERRUPTED ? EVENT_INTERRUPTED : EVENT_FAILED, l);
	struct err more = {0};

	json_set_str(r, "reason", cause->msg);
	json_set_int(r, "exit", err_exit_status(cause->code));
	int status = start_undo(s, &more);
	if (status)
		json_free(r); /* the operation stays open: recovery goes on where this ended */
	else
		status = record_put(s, r, &more);
	if (status)
		return err_set(e, cause->code,
			       "%.220s; and cleaning up failed: %.170s; run llmdeploy recover %s",
			       cause->msg, more.msg, l->route);
	return err_set(e, cause->code, "%.400s; the route stays stopped", cause->msg);
}

int rollout_start(struct rollout_session *s, struct rollout_result *out, struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_STARTED};
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	uint64_t began = clock_mono_ms();
	enum release_state state;
	struct err cause = {0};

	if (active_lockfile(s, &l, &result, e) ||
	    release_state(&s->route, &state, NULL, e))
		return -1;
	if (state != RELEASE_STOPPED) {
		result.outcome = ROLLOUT_NOTHING;
		if (active_ensure(s, l, &result.start_ms, e))
			return -1;
	} else {
		if (record_begin(s, EVENT_START, l, "", e))
			return -1;
		if (start(s, l, &result.start_ms, &cause))
			return not_started(s, l, &cause, e);
	}
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}

/* ---- recovery ---- */

static int recovered_lockfile(struct rollout_session *s, struct lockfile **l, struct err *e) {
	char *active CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &active, e))
		return -1;
	return active ? rollout_lockfile_of(&s->route, active, l, e) : 0;
}

int stop_again(struct rollout_session *s, const char **what, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	if (recovered_lockfile(s, &l, e))
		return -1;
	if (l && (stop_traffic(s, l, e) ||
		  stop_containers(s, l, e)))
		return -1;
	*what = "the stop was finished: the route is stopped";
	return 0;
}

int start_again(struct rollout_session *s, const char **what, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err cause = {0};

	if (recovered_lockfile(s, &l, e))
		return -1;
	*what = "the start was finished";
	if (!l || !start(s, l, NULL, &cause))
		return 0;
	if (cause.code == ERR_UNREACHABLE || cause.code == ERR_INTERRUPTED)
		return err_set(e, cause.code, "%s", cause.msg);
	progress_warn(s->ctx->base.progress,
		      "the active release does not come up: the route stays stopped", cause.msg);
	*what = "the start was undone: the release did not come up, and the route is stopped, as "
		"before";
	return start_undo(s, e);
}
