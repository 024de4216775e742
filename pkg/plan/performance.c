/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cost/cost.h"
#include "model/model.h"
#include "plan/internal.h"
#include "spec/spec.h"
#include "json/json.h"

/* How fast, for how many, for how much: what is said beside the decision. */

static void set(struct json *o, const char *key, uint64_t v) {
	json_set_int(o, key, v > (uint64_t) 1 << 53 ? (int64_t) 1 << 53 : (int64_t) v);
}

/* ---- speed ---- */

struct performance_input {
	struct cost_speed in;
	uint64_t empty, full, all; /* thousandths of a token a second; 0: no bandwidth is known */
	uint64_t measured;
};

static struct performance_input performance_input_of(const struct planner *p) {
	const struct plan_machine *machine = &p->plan.machines[p->plan.machine];
	const struct size_budget *b = &p->plan.budget;
	uint64_t sequences = (uint64_t) p->in->spec->concurrent_sequences;
	struct performance_input x = {
		.in = {.bandwidth = machine->bandwidth ? machine->bandwidth : p->in->bandwidth,
		       .active_bytes = model_active_bytes(p->plan.model) + b->adapters,
		       .kv_bytes = (b->kv_cache + b->recurrent) / sequences,
		       .sequences = sequences},
		.measured = p->in->measured_milli};

	(void) cost_ceiling(&x.in, &x.empty, &x.full, &x.all);
	return x;
}

static struct json *speed_part(const struct planner *p, const struct performance_input *x) {
	struct json *o = json_object();
	uint64_t percent;

	set(o, "active_bytes", x->in.active_bytes);
	set(o, "kv_bytes", x->in.kv_bytes);
	set(o, "sequences", x->in.sequences);
	if (x->empty) {
		set(o, "bandwidth", x->in.bandwidth);
		set(o, "ceiling_milli", x->empty);
		set(o, "ceiling_full_milli", x->full);
		set(o, "ceiling_all_milli", x->all);
	}
	if (!x->measured)
		return o;
	set(o, "measured_milli", x->measured);
	json_set_str(o, "measured_by", p->in->measured_by);
	if (x->empty) {
		enum cost_efficiency efficiency = cost_efficiency(x->measured, x->empty, &percent);
		set(o, "measured_percent", percent);
		json_set_str(o, "hint", cost_efficiency_hint(efficiency));
	}
	return o;
}

/* ---- traffic ---- */

static uint64_t in_ms(double seconds) {
	return seconds < 1e12 ? (uint64_t) (seconds * 1000 + 0.5) : (uint64_t) 1e15;
}

/* Of one answer while all sequences are busy: what was measured with one, or the ceiling of all,
 * shared. The question's own tokens are not in it: they are computed many at once. */
static double service_seconds(const struct spec_traffic *t, const struct performance_input *x) {
	uint64_t each = x->measured ? x->measured : x->all / x->in.sequences;

	return each && t->output_tokens ? (double) t->output_tokens * 1000 / (double) each : 0;
}

static struct json *traffic_part(const struct spec_traffic *t, const struct performance_input *x) {
	struct cost_queue q = {.arrivals_s = cost_arrivals(t->requests, t->bursty),
			       .service_s = service_seconds(t, x),
			       .servers = x->in.sequences};
	struct json *o = json_object();

	set(o, "requests_per_month", t->requests);
	json_set_str(o, "pattern", t->bursty ? "bursty" : "steady");
	set(o, "prompt_tokens", t->prompt_tokens);
	set(o, "output_tokens", t->output_tokens);
	set(o, "busy_hour_requests", (uint64_t) (q.arrivals_s * 3600 + 0.5));
	if (!(q.service_s > 0))
		return o;
	cost_queue_solve(&q);
	set(o, "answer_ms", in_ms(q.service_s));
	json_set_str(o, "answer_from", x->measured ? "measured" : "ceiling");
	set(o, "utilization_percent",
	    (uint64_t) (q.utilization < 1e9 ? q.utilization * 100 + 0.5 : 1e11));
	json_set_bool(o, "overloaded", q.utilization >= 1);
	set(o, "waits_percent", (uint64_t) (q.waits * 100 + 0.5));
	set(o, "wait_ms", in_ms(q.wait_s));
	set(o, "wait_p95_ms", in_ms(q.wait_p95_s));
	if (t->peak_users) {
		uint64_t rounds = (t->peak_users + q.servers - 1) / q.servers;
		set(o, "peak_users", t->peak_users);
		set(o, "peak_rounds", rounds);
		set(o, "peak_last_ms", in_ms(q.service_s * (double) rounds));
	}
	return o;
}

/* ---- money ---- */

static struct json *cost_part(const struct spec *s) {
	const struct spec_cost *c = &s->cost;
	struct cost_money_month m = {.requests = s->traffic.requests,
				     .prompt_tokens = s->traffic.prompt_tokens,
				     .output_tokens = s->traffic.output_tokens,
				     .hardware = c->hardware,
				     .power = c->power,
				     .staff = c->staff,
				     .maintenance = c->maintenance,
				     .per_1k_requests = c->per_1k_requests,
				     .input_per_million = c->input_per_million,
				     .output_per_million = c->output_per_million};
	struct json *o = json_object();
	struct cost_verdict v;

	json_set_str(o, "currency", c->currency);
	if (!cost_compare(&m, &v)) {
		json_set_str(o, "verdict",
			     "not comparable: the hosted price is 0, or a sum is beyond counting");
		return o;
	}
	set(o, "local_micro", v.local);
	set(o, "hosted_micro", v.hosted);
	set(o, "crossover_requests", v.crossover);
	json_set_bool(o, "local_candidate", v.local_candidate);
	json_set_str(
		o, "verdict",
		!strcmp(s->privacy, "local")
			? "requirements.privacy is local: hosted is no choice, whatever it costs"
			: v.local_candidate ? "local is a candidate"
					    : "hosted is a candidate");
	json_set_str(o, "reminder",
		     "privacy, quality and operations are gates of their own: a price passes none "
		     "of them");
	return o;
}

void plan_performance(const struct planner *p, struct json *o) {
	struct performance_input x = performance_input_of(p);

	json_set(o, "speed", speed_part(p, &x));
	if (p->in->spec->traffic.said)
		json_set(o, "traffic", traffic_part(&p->in->spec->traffic, &x));
	if (p->in->spec->cost.said)
		json_set(o, "cost", cost_part(p->in->spec));
}
