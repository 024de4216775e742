/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

/* flip_intent and flipped carry all that recovery needs to finish: where to, from where, by which
 * operation. */
static int record_switch(struct rollout_session *s, enum event event, const struct lockfile *to,
			 const char *from, enum switch_op op, int64_t watch_until_ms,
			 struct err *e) {
	struct json *r = record_new(event, to);

	json_set_str(r, "to", to ? to->version : "");
	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "op", switch_name(op));
	json_set_int(r, "watch_until_ms", watch_until_ms);
	return record_put(s, r, e);
}

int switch_keep(const struct rollout *ctx, const struct lockfile *to, struct err *e) {
	unsigned outages = docker_outages(ctx->base.docker);
	struct err why = {0};
	bool running = true;

	int r = instance_keep(&ctx->base, to, &why);
	if (docker_outages(ctx->base.docker) == outages || why.code == ERR_UNREACHABLE)
		return r ? err_set(e, why.code, "%s", why.msg) : 0;
	if (instance_is_running(&ctx->base, to, &running, e))
		return -1;
	return running ? 0 : instance_start_kept(&ctx->base, to, e);
}

static int finish(struct rollout_session *s, const struct lockfile *to, const char *from,
		  enum switch_op op, int64_t watch_until_ms, struct err *e) {
	/* 1. From now on the Engine brings it back by itself. */
	if (to && switch_keep(s->ctx, to, e))
		return -1;
	/* 2. The gateway turns: candidate ready, then active draining. Clients without one follow
	 * the link. */
	if (traffic_shift(s->ctx, s->route.name, to, e))
		return -1;
	/* 3. The one rename that makes it so, synced. */
	if (release_flip(&s->route, to ? to->version : NULL, e))
		return -1;
	/* 4. It is so. */
	return record_switch(s, EVENT_FLIPPED, to, from, op, watch_until_ms, e);
}

int switch_finish(struct rollout_session *s, const struct lockfile *to, const char *from,
		  enum switch_op op, int64_t watch_until_ms, struct err *e) {
	interrupt_hold();
	int r = finish(s, to, from, op, watch_until_ms, e);
	interrupt_release();
	return r;
}

int switch_stuck(const struct rollout_session *s, const struct lockfile *to,
		 const struct err *cause, struct err *e) {
	return err_set(
		e, cause->code,
		"%.330s; the switch to '%s' has begun: repair this, then llmdeploy recover %s",
		cause->msg, to ? to->version : "no release", s->route.name);
}

/* It was proved, and may have died since: with an Engine that was restarted, for one. */
static int still_runs(const struct rollout *ctx, const struct lockfile *to, struct err *e) {
	bool running;

	if (instance_is_running(&ctx->base, to, &running, e))
		return -1;
	if (running)
		return 0;
	return docker_outages(ctx->base.docker)
		? err_set(e, ERR_UNREACHABLE,
			  "Docker was restarted, and '%s' ended with it: run the command again",
			  to->version)
		: err_set(e, ERR_GATE,
			  "'%s' ended between its gate and the switch; its log is kept with the "
			  "attempt",
			  to->version);
}

int switch_to(struct rollout_session *s, const struct lockfile *to, const char *from,
	      enum switch_op op, int64_t watch_until_ms, bool *begun, struct err *e) {
	struct err why = {0};

	progress_step(s->ctx->base.progress, "switch");
	*begun = false;
	if (to && still_runs(s->ctx, to, e))
		return -1;
	/* The switch back is not asked: it was active before, and what cannot be had of its files
	 * is closed. */
	if (to && op != SWITCH_REVERT && traffic_accepts(s->ctx, to, op == SWITCH_APPLY, e))
		return -1;
	/* A signal in here is seen in the watch, where it switches back. */
	interrupt_hold();
	int r = record_switch(s, EVENT_FLIP_INTENT, to, from, op, watch_until_ms, e);
	*begun = !r;
	/* A terminal that drops now is no reason to give up a release that passed. */
	if (*begun)
		interrupt_unattended();
	if (!r && switch_finish(s, to, from, op, watch_until_ms, &why))
		r = why.code == ERR_SPEC ? err_set(e, why.code, "%s", why.msg)
					 : switch_stuck(s, to, &why, e);
	interrupt_release();
	if (!r)
		progress_done(s->ctx->base.progress, "switch", to ? to->version : "no release");
	return r;
}

static int record_committed(struct rollout_session *s, const struct switch_end *c, struct err *e) {
	struct json *r = record_new(EVENT_COMMITTED, c->l);

	json_set_str(r, "from", c->from ? c->from : "");
	json_set_str(r, "op", switch_name(c->op));
	if (traffic_has_gateway(s->ctx))
		json_set_int(r, "drain_until_ms", clock_unix_ms() + (int64_t) c->l->drain_ms);
	if (c->traffic)
		json_set(r, "traffic", json_copy(c->traffic));
	return record_put(s, r, e);
}

int switch_commit(struct rollout_session *s, const struct switch_end *c, bool *warm,
		  struct err *e) {
	struct reconcile_options how = {.drain_ms = c->l->drain_ms,
					.hurry = c->op == SWITCH_ROLLBACK};
	struct reconciled done = {0};
	struct err why = {0};

	/* It is decided: a signal up to here has nothing left to undo. The drain may be left, the
	 * next command ends it. */
	interrupt_hold();
	int status = record_committed(s, c, e);
	interrupt_release();
	if (status)
		return -1;
	status = reconcile(s, &how, &done, &why);
	*warm = done.warm;
	if (!status)
		return 0;
	if (why.code == ERR_INTERRUPTED)
		return err_set(e, why.code,
			       "interrupted; '%s' is active and committed, and the previous "
			       "release still drains: "
			       "the next command on the route stops it",
			       c->l->version);
	return err_set(e, why.code,
		       "'%s' is active and committed, but the previous release could not be "
		       "drained and stopped: %.300s",
		       c->l->version, why.msg);
}
