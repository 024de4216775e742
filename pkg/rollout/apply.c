/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "rollout/gate_phase.h"
#include "store/store.h"
#include "json/json.h"

/* One apply on its way. */
struct attempt {
	struct rollout_session *s;
	const struct lockfile *l;
	const char *manifest;
	char from[64];
	struct lockfile *old; /* of `from`; NULL for none, or where it cannot be read */
	bool was_running;     /* before this apply: a committed release that was kept warm */
	bool vacated;         /* the active release was stopped to make room */
	/* the route: `old` is NULL, and `from` stays stopped whatever comes of this */
	bool stopped;
	bool shared; /* clients were sent to the candidate */
	struct gate_run gate;
	struct json *memory;
	uint64_t start_ms, eval_ms, canary_ms;
};

static void attempt_done(struct attempt *a) {
	lockfile_free(a->old);
	gate_run_done(&a->gate);
	json_free(a->memory);
}

/* What no start of a candidate could change: refused before anything is touched, never
 * approximated. */
static int check_can(const struct rollout *ctx, const struct lockfile *l, struct err *e) {
	if (strcmp(l->strategy, "blue-green") && !traffic_has_gateway(ctx))
		return err_set(e, ERR_SPEC,
			       "release '%s' has rollout.strategy: %s, but config.yaml of this "
			       "machine has gateway.mode: none: "
			       "only a gateway can %s; use blue-green",
			       l->version, l->strategy,
			       strcmp(l->strategy, "canary") ? "answer clients meanwhile"
							     : "share the traffic");
	if (strcmp(l->network, "none"))
		return err_set(e, ERR_SPEC,
			       "release '%s' listens on network '%s': only runtimes with a Unix "
			       "socket can be run",
			       l->version, l->network);
	if (gate_phases_apply(l) || l->eval_skip)
		return 0;
	return err_set(
		e, ERR_GATE,
		"release '%s' has no golden set: give it eval.golden, or eval.skip with the reason",
		l->version);
}

static int admit(const struct rollout *ctx, const struct lockfile *l, struct err *e) {
	struct admission here;

	if (!strcmp(l->admission, "off"))
		return 0;
	if (admission_fits(l, 0, &here, e))
		return -1;
	if (here.fits)
		return 0;
	char planned[TEXT_BYTES], have[TEXT_BYTES];
	text_format_bytes(l->planned_bytes, planned);
	text_format_bytes(here.memory, have);
	if (!strcmp(l->admission, "warn")) {
		progress_warn(ctx->base.progress,
			      "the planned memory exceeds this machine's, and resources.admission "
			      "is 'warn'",
			      planned);
		return 0;
	}
	return err_set(
		e, ERR_NOFIT,
		"release '%s' is planned with %s, this machine has %s less a reserve of %u%%: "
		"fewer sequences, a shorter context, or resources.admission: warn",
		l->version, planned, have, l->reserve_percent);
}

static int fetch_artifacts(const struct rollout *ctx, const struct lockfile *l, struct err *e) {
	for (size_t i = 0; i < l->n_artifacts; i++) {
		const struct lockfile_artifact *a = &l->artifacts[i];
		struct store_want want = {.sources = a->sources,
					  .n_sources = a->n_sources,
					  .sha256 = a->sha256,
					  .size = a->size,
					  .what = a->role};
		struct err absent = {0};
		bool has;
		if (store_has(ctx->base.store, a->sha256, &has, NULL, e))
			return -1;
		/* Without a receipt it is read once more. */
		if (!has && !a->n_sources &&
		    store_verify(ctx->base.store, a->sha256, false, &absent))
			return err_set(e, ERR_UNREACHABLE,
				       "%s %.12s is not in the store, and the lockfile has no "
				       "remote source: "
				       "run llmdeploy model pull with its manifest",
				       a->role, a->sha256);
		if (!has && a->n_sources &&
		    store_fetch(ctx->base.store, &want, ctx->base.progress, e))
			return -1;
		if (store_verify(ctx->base.store, a->sha256, false, e))
			return -1;
	}
	return 0;
}

static int record_simple(struct attempt *a, enum event event, struct err *e) {
	return record_put(a->s, record_new(event, a->l), e);
}

/* Before anything of the candidate is made: a port that is another's is found now, not after the
 * proof. */
static int assign_slot(struct attempt *a, struct err *e) {
	return traffic_assign_slot(a->s->ctx, a->l, e);
}

/* Where one device holds one release, its place is made free as late as can be. */
static int recreate_if_needed(struct attempt *a, struct err *e) {
	if (!a->old || !recreate_needed(a->s, a->l, a->l))
		return 0;
	a->vacated = true;
	return recreate_begin(a->s, a->l, a->old, e);
}

static int start(struct attempt *a, struct err *e) {
	char image[65], *name CLEANUP(freep) = instance_name(a->s->ctx->base.root, a->l);

	/* The image first, as a step of its own: it may take long, and does not count as the
	 * candidate's start. */
	if (instance_image(&a->s->ctx->base, a->l, image, e) ||
	    recreate_if_needed(a, e))
		return -1;
	progress_step(a->s->ctx->base.progress, "start candidate");
	if (instance_is_running(&a->s->ctx->base, a->l, &a->was_running, e) ||
	    instance_start(&a->s->ctx->base, a->l, e))
		return -1;
	progress_done(a->s->ctx->base.progress, "start candidate", a->l->version);
	struct json *r = record_new(EVENT_STARTED, a->l);
	json_set_str(r, "container", name);
	return record_put(a->s, r, e);
}

static struct json *new_evidence(const struct attempt *a) {
	struct json *ev = json_object();

	json_set_str(ev, "version", a->l->version);
	json_set_str(ev, "skip", a->l->eval_skip);
	json_set_int(ev, "ready_ms", (int64_t) a->start_ms);
	gate_run_add(&a->gate, ev);
	if (a->memory)
		json_set(ev, "memory", json_copy(a->memory));
	return ev;
}

static int record_skip(struct attempt *a, struct err *e) {
	struct json *r = record_new(EVENT_SKIP_EVAL, a->l);

	json_set_str(r, "reason", a->l->eval_skip);
	progress_note(a->s->ctx->base.progress, "no golden questions are asked", a->l->eval_skip);
	return record_put(a->s, r, e);
}

static int evaluate(struct attempt *a, struct err *e) {
	const struct rollout *ctx = a->s->ctx;
	uint64_t from;

	if (instance_await_ready(&ctx->base, a->l, &a->start_ms, e))
		return -1;
	if (record_simple(a, EVENT_READY, e))
		return -1;
	a->memory = instance_memory(&ctx->base, a->l);
	if (a->l->eval_skip && record_skip(a, e))
		return -1;
	if (!gate_phases_apply(a->l))
		return 0;
	from = clock_mono_ms();
	int status = gate_phases_run(ctx, a->l, &a->gate, e);
	a->eval_ms = clock_mono_ms() - from;
	return status;
}

static int seal(struct attempt *a, struct err *e) {
	struct json *ev CLEANUP(json_freep) = new_evidence(a);
	struct release_sealed sealed;
	struct json *r;

	if (release_put(&a->s->route, a->l->version, a->l->bytes, a->l->n_bytes, a->manifest, ev,
			&sealed, e))
		return -1;
	r = record_new(EVENT_PROVED, a->l);
	json_set_int(r, "evidence", sealed.number);
	json_set_str(r, "evidence_sha256", sealed.sha256);
	return record_put(a->s, r, e);
}

static enum event end_of(const struct err *cause) {
	return cause->code == ERR_INTERRUPTED ? EVENT_INTERRUPTED
		: cause->code == ERR_GATE     ? EVENT_REJECTED
					      : EVENT_FAILED;
}

/* 1. Nobody's request is at it. 2. It goes. 3. Who was stopped first for it comes back. 4. It is
 * so; and the gateway's slots are as before. */
static int undo(struct attempt *a, const struct err *cause, struct err *e) {
	struct dropped d = {.lockfile = a->l,
			    .cause = cause,
			    .evidence = gate_run_last(&a->gate),
			    .manifest = a->manifest,
			    .was_running = a->was_running};
	unsigned number = 0;
	struct json *r;

	if ((a->shared && traffic_stop_canary(a->s, a->l, e)) ||
	    candidate_drop(a->s, &d, &number, e) ||
	    (a->vacated && recreate_restore(a->s, e)))
		return -1;
	r = record_new(end_of(cause), a->l);
	json_set_str(r, "reason", cause->msg);
	json_set_int(r, "exit", err_exit_status(cause->code));
	json_set_int(r, "attempt", number);
	if (record_put(a->s, r, e) ||
	    reconcile_traffic(a->s, e))
		return -1;
	return 0;
}

static int failed(struct attempt *a, const struct err *cause, struct err *e) {
	struct err more = {0};

	interrupt_hold();
	int r = undo(a, cause, &more);
	interrupt_release();
	if (r && cause->code == ERR_UNREACHABLE && more.code == ERR_UNREACHABLE)
		return err_set(
			e, cause->code,
			"%.330s; the changes are undone once Docker answers: llmdeploy recover %s",
			cause->msg, a->l->route);
	if (r)
		return err_set(e, cause->code,
			       "%.220s; and cleaning up failed: %.170s; run llmdeploy recover %s",
			       cause->msg, more.msg, a->l->route);
	if (a->stopped)
		return err_set(e, cause->code, "%.400s; the route stays stopped", cause->msg);
	if (!*a->from)
		return err_set(e, cause->code, "%.400s; no release is active, as before",
			       cause->msg);
	return err_set(e, cause->code, "%.400s; '%s' is %s", cause->msg, a->from,
		       a->vacated ? "active again" : "untouched");
}

/* Never traffic without a verdict: its share goes back to nothing, and it waits for one. */
static int hold(struct attempt *a, const struct err *cause, struct err *e) {
	struct err more = {0};

	interrupt_hold();
	int r = 0;
	if (traffic_stop_canary(a->s, a->l, &more) || held_record(a->s, a->l, cause->msg, &more))
		r = -1;
	interrupt_release();
	if (r)
		return err_set(e, more.code,
			       "%.250s; and the candidate could not be held: %.120s; run llmdeploy "
			       "recover %s",
			       cause->msg, more.msg, a->l->route);
	return err_set(e, ERR_HELD,
		       "%.250s; the candidate is held without traffic, '%s' is untouched: "
		       "llmdeploy promote %s --reason TEXT, or llmdeploy abort %s",
		       cause->msg, a->from, a->l->route, a->l->route);
}

/* Beside the active release alone; the first one of a route has nothing to be compared with. */
static int canary(struct attempt *a, struct err *e) {
	if (!a->l->n_steps)
		return 0;
	if (!a->old) {
		progress_note(a->s->ctx->base.progress, "no canary steps",
			      a->stopped
				      ? "the route is stopped: there is no traffic to compare with"
				      : "no release is active to compare with");
		return 0;
	}
	a->shared = true;
	uint64_t began = clock_mono_ms();
	int status = canary_run(a->s, a->l, a->old, e);
	a->canary_ms = clock_mono_ms() - began;
	return status;
}

/* Up to the switch: what fails in here is undone by the caller. */
static int candidate(struct attempt *a, struct err *e) {
	if (interrupt_check(e) ||
	    assign_slot(a, e) ||
	    start(a, e) ||
	    evaluate(a, e) ||
	    seal(a, e) ||
	    canary(a, e))
		return -1;
	return interrupt_check(e);
}

static int not_switched(struct attempt *a, const struct err *cause, struct err *e) {
	return cause->code == ERR_HELD ? hold(a, cause, e) : failed(a, cause, e);
}

/* Once the intent is written, what fails is finished or switched back, never undone. */
static int go(struct attempt *a, struct rollout_result *out, struct err *e) {
	struct err cause = {0};
	bool begun = false;

	if (candidate(a, &cause))
		return not_switched(a, &cause, e);
	out->eval_ms = a->eval_ms;
	out->canary_ms = a->canary_ms;
	if (!switch_over(a->s, a->l, a->from, &begun, out, &cause))
		return 0;
	return begun ? err_set(e, cause.code, "%s", cause.msg) : failed(a, &cause, e);
}

static int find_active(struct attempt *a, bool *active, struct err *e) {
	char *name CLEANUP(freep) = NULL;
	enum release_state state;
	bool known;

	if (release_state(&a->s->route, &state, NULL, e))
		return -1;
	a->stopped = state == RELEASE_STOPPED;
	if (release_compare(&a->s->route, a->l->version, a->l->bytes, a->l->n_bytes, &known, e) ||
	    release_active(&a->s->route, &name, e))
		return -1;
	(void) snprintf(a->from, sizeof a->from, "%s", name ? name : "");
	*active = known && name && !strcmp(name, a->l->version);
	return name && !a->stopped ? rollout_lockfile_of(&a->s->route, name, &a->old, e) : 0;
}

int rollout_apply(struct rollout_session *s, const struct lockfile *l, const char *manifest,
		  struct rollout_result *out, struct err *e) {
	struct attempt a CLEANUP(attempt_done) = {.s = s, .l = l, .manifest = manifest};
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	uint64_t from = clock_mono_ms();
	bool active;

	/* 1. Nothing is touched while the release may be refused. */
	if (check_can(s->ctx, l, e) ||
	    find_active(&a, &active, e) ||
	    admit(s->ctx, l, e) ||
	    fetch_artifacts(s->ctx, l, e))
		return -1;
	if (active && a.stopped) {
		if (rollout_start(s, &result, e))
			return -1;
	} else if (active) {
		result.outcome = ROLLOUT_NOTHING;
		if (active_ensure(s, l, &result.start_ms, e))
			return -1;
	} else {
		/* 2. HAProxy would take it. 3. From here on the journal knows. 4. Prove. 5. Switch,
		 * watch, commit. */
		if (traffic_accepts(s->ctx, l, true, e))
			return -1;
		if (held_abort(s, "another apply", e) ||
		    record_begin(s, EVENT_APPLY, l, a.from, e) ||
		    go(&a, &result, e))
			return -1;
	}
	memcpy(result.from, a.from, sizeof result.from);
	result.start_ms += a.start_ms;
	result.total_ms = clock_mono_ms() - from;
	*out = result;
	return 0;
}
