/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "json/json.h"

/* One step on its way. */
struct stage {
	struct rollout_session *s;
	const struct lockfile *l, *active;
	const struct lockfile_step *step;
	size_t number; /* from 1 */
	char name[64]; /* "canary step 1 of 2" */
	struct watch_state probation;
	struct traffic_gate_meter candidate, beside;
	struct breach breach;
};

static int record_share(const struct stage *g, const char *phase, struct err *e) {
	struct json *r = record_new(EVENT_CANARY_STEP, g->l);
	char *detail CLEANUP(freep) = mem_printf("step %zu of %zu: %u %% of the clients%s",
						 g->number, g->l->n_steps, g->step->weight_percent,
						 *phase == 'i' ? ", from now on" : "");

	json_set_str(r, "phase", phase);
	json_set_int(r, "step", (int64_t) g->number);
	json_set_int(r, "steps", (int64_t) g->l->n_steps);
	json_set_int(r, "weight_percent", g->step->weight_percent);
	json_set_str(r, "detail", detail);
	return record_put(g->s, r, e);
}

static int record_verdict(const struct stage *g, enum traffic_gate_verdict v, const char *reason,
			  struct err *e) {
	struct json *r = record_new(EVENT_CANARY_VERDICT, g->l);

	json_set_int(r, "step", (int64_t) g->number);
	json_set_str(r, "verdict", traffic_gate_word(v));
	json_set(r, "candidate", traffic_gate_json(&g->candidate.sum));
	if (g->breach.n_excused)
		json_set(r, "set_aside", breach_json(&g->breach));
	json_set(r, "active", traffic_gate_json(&g->beside.sum));
	json_set_str(r, "reason", reason);
	return record_put(g->s, r, e);
}

static int count(struct stage *g, struct err *e) {
	if (watch_count(g->s, g->l, &g->candidate, e) ||
	    watch_count(g->s, g->active, &g->beside, e))
		return -1;
	return 0;
}

/* The same limits for both: they are compared. */
static int begin(struct stage *g, struct err *e) {
	breach_late_limits(g->s, g->l, &g->l->canary_gates, &g->candidate.patience);
	g->beside.patience = g->candidate.patience;
	breach_begin(g->s, g->l, &g->breach);
	return count(g, e);
}

/* Without the clients that were set aside. */
static int judge(struct stage *g, uint64_t least, enum traffic_gate_verdict *v,
		 char reason[TRAFFIC_GATE_REASON], struct err *e) {
	const struct breach_case c = {.gates = &g->l->canary_gates,
				      .sum = &g->candidate.sum,
				      .beside = &g->beside.sum,
				      .patience = &g->candidate.patience,
				      .least = least};
	bool stands;

	if (breach_check(g->s, g->l, &g->breach, &c, &stands, reason, e))
		return -1;
	*v = TRAFFIC_GATE_FAIL;
	if (stands)
		return 0;
	const struct gateway_sample judged = breach_judged(&g->breach, &g->candidate.sum);
	*v = traffic_gate_judge(c.gates, &judged, c.beside, least, reason);
	return 0;
}

/* Until the step is over, or a gate is broken before that: as few requests as a gate ever takes are
 * enough to see it. */
static int pass_time(struct stage *g, enum traffic_gate_verdict *v,
		     char reason[TRAFFIC_GATE_REASON], struct err *e) {
	uint64_t least = g->step->min_requests < TRAFFIC_GATE_LEAST ? g->step->min_requests
								    : TRAFFIC_GATE_LEAST;
	uint64_t until = clock_mono_ms() + g->step->duration_ms;

	while (clock_mono_ms() < until) {
		uint64_t left = until - clock_mono_ms();
		clock_sleep_ms(left < WATCH_EVERY_MS ? left : WATCH_EVERY_MS);
		if (watch_look(g->s, g->l, &g->probation, e) ||
		    count(g, e))
			return -1;
		if (judge(g, least, v, reason, e))
			return -1;
		if (*v == TRAFFIC_GATE_FAIL)
			return 0;
	}
	return 0;
}

static int decide(struct stage *g, struct err *e) {
	char reason[TRAFFIC_GATE_REASON] = "";
	enum traffic_gate_verdict v = TRAFFIC_GATE_NONE;

	if (pass_time(g, &v, reason, e))
		return -1;
	if (v != TRAFFIC_GATE_FAIL && judge(g, g->step->min_requests, &v, reason, e))
		return -1;
	if (record_verdict(g, v, reason, e))
		return -1;
	if (v == TRAFFIC_GATE_PASS) {
		progress_done(g->s->ctx->base.progress, g->name, reason);
		return 0;
	}
	return err_set(e, v == TRAFFIC_GATE_FAIL ? ERR_GATE : ERR_HELD,
		       "candidate '%s' %s in %s: %s", g->l->version,
		       v == TRAFFIC_GATE_FAIL ? "failed a gate" : "has no verdict", g->name,
		       reason);
}

static int run_step(struct stage *g, struct err *e) {
	(void) snprintf(g->name, sizeof g->name, "canary step %zu of %zu", g->number,
			g->l->n_steps);
	g->probation = (struct watch_state){.name = g->name};
	progress_step(g->s->ctx->base.progress, g->name);
	/* What was seen before the share changed is not of this step. */
	if (record_share(g, "intent", e) ||
	    begin(g, e) ||
	    gateway_canary(g->s->ctx->gateway, g->l->route, g->l, g->step->weight_percent, e) ||
	    record_share(g, "done", e))
		return -1;
	return decide(g, e);
}

int canary_run(struct rollout_session *s, const struct lockfile *l, const struct lockfile *active,
	       struct err *e) {
	for (size_t i = 0; i < l->n_steps; i++) {
		struct stage g = {
			.s = s, .l = l, .active = active, .step = &l->steps[i], .number = i + 1};
		int status = run_step(&g, e);
		breach_done(&g.breach);
		if (status) {
			/* A look that went wrong is a failed gate: before the switch nothing is
			 * reverted. */
			e->code = e->code == ERR_REVERTED ? ERR_GATE : e->code;
			return -1;
		}
	}
	return 0;
}
