/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's phase of the golden set: the lockfile's questions, and the times of their answers. */
#include "base/err.h"
#include "base/mem.h"
#include "eval/eval.h"
#include "rollout/gate_phase.h"
#include "rollout/internal.h"

static bool applies(const struct lockfile *l) {
	return l->golden != NULL;
}

static int run(const struct rollout *ctx, const struct lockfile *l, struct json **evidence,
	       struct err *e) {
	struct instance_endpoint en CLEANUP(instance_endpoint_done) = {
		.socket = RELEASE_SOCKET_INIT};
	struct eval_options opt = {.latency_p95_ms = l->latency_p95_ms};
	struct eval_result *result CLEANUP(eval_result_freep) = NULL;

	if (instance_endpoint_open(&ctx->base, l, &en, e))
		return -1;
	if (eval_run(l->golden, &en.endpoint, &opt, ctx->base.progress, &result, e))
		return instance_explain(&ctx->base, l, e);
	*evidence = eval_evidence(result);
	if (ctx->judged)
		ctx->judged(ctx->ctx, *evidence);
	return 0;
}

const struct gate_phase gate_golden = {
	.name = "golden",
	.title = "golden questions",
	.applies = applies,
	.run = run,
	.verdict = eval_gate_of,
};
