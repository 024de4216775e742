/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "eval/eval.h"
#include "json/json.h"

/* A key that is not there was not said: no zero stands for "unknown". */
static void set_known(struct json *o, const char *key, int64_t v) {
	if (v >= 0)
		json_set_int(o, key, v);
}

static struct json *failures(const struct eval_attempt *a) {
	struct json *list = json_array();

	for (size_t i = 0; i < a->n_failures; i++) {
		struct json *f = json_object();
		json_set_str(f, "assertion", a->failures[i].assertion);
		json_set_str(f, "expected", a->failures[i].expected);
		json_set_str(f, "got", a->failures[i].got);
		json_push(list, f);
	}
	return list;
}

static struct json *usage(const struct eval_usage *u) {
	struct json *o = json_object();

	set_known(o, "prompt_tokens", u->prompt_tokens);
	set_known(o, "completion_tokens", u->completion_tokens);
	set_known(o, "cached_tokens", u->cached_tokens);
	set_known(o, "prompt_us", u->prompt_us);
	set_known(o, "completion_us", u->completion_us);
	return o;
}

static struct json *attempt(const struct eval_attempt *a) {
	struct json *o = json_object();

	json_set_str(o, "verdict", eval_verdict_name(a->verdict));
	if (a->answered)
		json_set_int(o, "latency_ms", (int64_t) a->latency_ms);
	json_set_str(o, "answer", a->answer);
	json_set_str(o, "finish_reason", a->finish_reason);
	json_set(o, "failures", failures(a));
	json_set(o, "usage", usage(&a->usage));
	return o;
}

static struct json *one_case(const struct eval_case *c) {
	struct json *o = json_object(), *attempts = json_array();

	json_set_str(o, "id", c->id);
	json_set_str(o, "severity", eval_severity_name(c->severity));
	json_set_str(o, "verdict", eval_verdict_name(c->verdict));
	json_set_int(o, "latency_ms", (int64_t) c->latency_ms);
	for (size_t i = 0; i < c->n_attempts; i++)
		json_push(attempts, attempt(&c->attempts[i]));
	json_set(o, "attempts", attempts);
	return o;
}

static struct json *phase(const struct eval_phase *p) {
	struct json *o = json_object(), *cases = json_array(), *totals = json_object();

	json_set_str(o, "name", p->name);
	json_set_int(o, "took_ms", (int64_t) p->took_ms);
	for (size_t i = 0; i < p->n_cases; i++)
		json_push(cases, one_case(&p->cases[i]));
	json_set(o, "cases", cases);
	json_set_int(totals, "cases", (int64_t) p->n_cases);
	for (enum eval_verdict v = EVAL_PASS; v <= EVAL_ERROR; v++)
		json_set_int(totals, eval_verdict_name(v), (int64_t) p->totals[v]);
	json_set(o, "totals", totals);
	return o;
}

static struct json *gate(const struct eval_result *r) {
	struct json *o = json_object(), *reasons = json_array();

	json_set_bool(o, "passed", r->passed);
	for (size_t i = 0; i < r->n_reasons; i++)
		json_push_str(reasons, r->reasons[i]);
	json_set(o, "reasons", reasons);
	return o;
}

static struct json *latency(const struct eval_latency *l) {
	struct json *o = json_object();

	json_set_str(o, "statistic", l->statistic);
	json_set_int(o, "value_ms", (int64_t) l->value_ms);
	if (l->limit_ms)
		json_set_int(o, "limit_ms", (int64_t) l->limit_ms);
	json_set_int(o, "samples", (int64_t) l->samples);
	json_set_int(o, "rank", (int64_t) l->rank);
	return o;
}

static void add_usage(const struct json *one, uint64_t *tokens, uint64_t *us) {
	for (const struct json *a = json_first(json_get(one, "attempts")); a; a = json_next(a)) {
		const struct json *u = json_get(a, "usage");
		int64_t n = json_int_or(u, "completion_tokens", 0),
			t = json_int_or(u, "completion_us", 0);
		if (n > 0 && t > 0) {
			*tokens += (uint64_t) n;
			*us += (uint64_t) t;
		}
	}
}

uint64_t eval_speed_milli(const struct json *evidence) {
	uint64_t tokens = 0, us = 0;

	for (const struct json *p = json_first(json_get(evidence, "phases")); p; p = json_next(p))
		for (const struct json *c = json_first(json_get(p, "cases")); c; c = json_next(c))
			add_usage(c, &tokens, &us);
	return us ? (uint64_t) ((double) tokens * 1e9 / (double) us) : 0;
}

uint64_t eval_slowest_ms(const struct json *evidence, uint64_t *all_ms) {
	int64_t slowest = 0;

	*all_ms = 0;
	for (const struct json *p = json_first(json_get(evidence, "phases")); p; p = json_next(p))
		for (const struct json *c = json_first(json_get(p, "cases")); c; c = json_next(c))
			for (const struct json *a = json_first(json_get(c, "attempts")); a;
			     a = json_next(a)) {
				int64_t ms = json_int_or(a, "latency_ms", 0);
				slowest = ms > slowest ? ms : slowest;
				*all_ms += ms > 0 ? (uint64_t) ms : 0;
			}
	return (uint64_t) slowest;
}

struct json *eval_evidence(const struct eval_result *r) {
	struct json *o = json_object(), *golden = json_object(), *phases = json_array();

	json_set_str(o, "apiVersion", "llmdeploy/v1");
	json_set_str(o, "kind", "Evidence");
	json_set_str(golden, "name", r->golden);
	json_set_str(golden, "sha256", r->golden_sha256);
	json_set(o, "golden", golden);
	json_set_str(o, "model", r->model);
	json_set_str(o, "fingerprint", r->fingerprint);
	json_set_int(o, "began", r->began);
	for (size_t i = 0; i < r->n_phases; i++)
		json_push(phases, phase(&r->phases[i]));
	json_set(o, "phases", phases);
	json_set(o, "latency", latency(&r->latency));
	if (eval_speed_milli(o))
		json_set_int(o, "milli_tokens_per_s", (int64_t) eval_speed_milli(o));
	json_set(o, "gate", gate(r));
	return o;
}
