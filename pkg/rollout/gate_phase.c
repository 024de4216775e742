/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/gate_phase.h"

#include "base/err.h"
#include "base/progress.h"
#include "rollout/internal.h"
#include "json/json.h"

static const struct gate_phase *const phases[GATE_PHASES] = {
	&gate_golden,
};

void gate_run_done(struct gate_run *g) {
	for (size_t i = 0; i < GATE_PHASES; i++)
		json_free(g->evidence[i]);
	*g = (struct gate_run){0};
}

bool gate_phases_apply(const struct lockfile *l) {
	for (size_t i = 0; i < GATE_PHASES; i++)
		if (phases[i]->applies(l))
			return true;
	return false;
}

static int pass(const struct gate_phase *p, const struct rollout *ctx, const struct lockfile *l,
		struct json **evidence, struct err *e) {
	progress_step(ctx->base.progress, p->title);
	if (p->run(ctx, l, evidence, e))
		return -1;
	if (p->verdict(*evidence, e)) {
		(void) instance_explain(&ctx->base, l, e);
		return e->code == ERR_UNREACHABLE
			? -1
			: err_wrap(e, "candidate '%s' did not pass", l->version);
	}
	progress_done(ctx->base.progress, p->title, NULL);
	return 0;
}

int gate_phases_run(const struct rollout *ctx, const struct lockfile *l, struct gate_run *out,
		    struct err *e) {
	*out = (struct gate_run){0};
	for (size_t i = 0; i < GATE_PHASES; i++)
		if (phases[i]->applies(l) && pass(phases[i], ctx, l, &out->evidence[i], e))
			return -1;
	return 0;
}

void gate_run_add(const struct gate_run *g, struct json *evidence) {
	for (size_t i = 0; i < GATE_PHASES; i++)
		if (g->evidence[i])
			json_set(evidence, phases[i]->name, json_copy(g->evidence[i]));
}

const struct json *gate_run_last(const struct gate_run *g) {
	for (size_t i = GATE_PHASES; i-- > 0;)
		if (g->evidence[i])
			return g->evidence[i];
	return NULL;
}
