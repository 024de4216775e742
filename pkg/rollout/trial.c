/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "rollout/gate_phase.h"
#include "json/json.h"

/* Design: a try leaves no record and no release. Its container is one of a release that is not on
 * disk, which is what every later command on the route removes: so a try that was killed is tidied
 * like any other stray. */

static int fits_here(const struct lockfile *l, struct err *e) {
	struct admission here;

	if (admission_fits(l, 0, &here, e))
		return -1;
	if (here.fits)
		return 0;
	return err_set(e, ERR_NOFIT,
		       "'%s' cannot be tried here: its planned memory exceeds this machine's",
		       l->version);
}

static int ask(const struct rollout *ctx, const struct lockfile *l, struct rollout_trial *out,
	       struct err *e) {
	struct gate_run gate CLEANUP(gate_run_done) = {0};
	uint64_t from;

	if (instance_start(&ctx->base, l, e))
		return -1;
	progress_done(ctx->base.progress, "start candidate", NULL);
	if (instance_await_ready(&ctx->base, l, &out->start_ms, e))
		return -1;
	from = clock_mono_ms();
	int r = gate_phases_run(ctx, l, &gate, e);
	out->eval_ms = clock_mono_ms() - from;
	if (gate_run_last(&gate))
		out->evidence = json_copy(gate_run_last(&gate));
	return r;
}

/* A release of just this lock has a container of its own, which goes back to what it was doing. */
static int put_back(const struct rollout *ctx, const struct lockfile *l, bool was_running,
		    bool is_release, struct err *e) {
	if (was_running)
		return 0;
	return is_release ? instance_stop(&ctx->base, l, e) : instance_remove(&ctx->base, l, e);
}

int rollout_trial_run(struct rollout_session *s, const struct lockfile *l,
		      struct rollout_trial *out, struct err *e) {
	const struct rollout *ctx = s->ctx;
	struct err cause = {0}, more = {0};
	bool was_running, is_release;
	char image[65];

	*out = (struct rollout_trial){0};
	if (!gate_phases_apply(l))
		return err_set(e, ERR_GATE,
			       "'%s' has no golden set to be tried with: give it eval.golden",
			       l->version);
	/* The same version with another artifact is just what is tried: only the very same lock is
	 * a release. */
	is_release = !release_compare(&s->route, l->version, l->bytes, l->n_bytes, &is_release,
				      &more) &&
		is_release;
	if (fits_here(l, e) ||
	    interrupt_check(e) ||
	    instance_image(&ctx->base, l, image, e) ||
	    instance_is_running(&ctx->base, l, &was_running, e))
		return -1;
	progress_step(ctx->base.progress, "start candidate");
	int r = ask(ctx, l, out, &cause);
	interrupt_hold();
	more = (struct err){0};
	int bad = put_back(ctx, l, was_running, is_release, &more);
	interrupt_release();
	if (bad)
		return err_set(e, more.code,
			       "the container of the trial cannot be removed: %.300s; run "
			       "llmdeploy recover %s",
			       more.msg, l->route);
	out->passed = !r;
	if (!r || cause.code == ERR_GATE) {
		out->why = r ? mem_strdup(cause.msg) : NULL;
		return 0;
	}
	*e = cause;
	return -1;
}

void rollout_trial_done(struct rollout_trial *t) {
	json_free(t->evidence);
	free(t->why);
}
