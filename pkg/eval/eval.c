/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/eval.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "eval/gate.h"
#include "eval/verdict.h"
#include "probe/endpoint.h"
#include "json/json.h"

#define SILENT_MAX 3 /* calls in a row without any answer, after which nobody is there */

struct run {
	const struct eval_golden_set *set;
	const struct endpoint *ep;
	const struct eval_options *opt;
	const struct progress *progress;
	struct eval_result *result;
	uint64_t began; /* ms */
	int silent;
};

const char *eval_verdict_name(enum eval_verdict v) {
	static const char *const names[] = {"PASS", "FAIL", "INVALID", "ERROR"};

	return names[v];
}

const char *eval_severity_name(enum eval_severity s) {
	static const char *const names[] = {"blocker", "major", "info"};

	return names[s];
}

void eval_result_free(struct eval_result *r) {
	if (r)
		arena_free(r->arena);
	free(r);
}

void eval_result_freep(struct eval_result **r) {
	eval_result_free(*r);
}

/* Decoding is pinned in every dialect at once: a server ignores the keys that it does not know. */
static struct json *question_body(const struct eval_question *q, const struct endpoint *ep) {
	struct json *o = json_object();

	json_set_str(o, "model", ep->model);
	if (q->prompt)
		json_set_str(o, "prompt", q->prompt);
	else
		json_set(o, "messages", json_copy(q->messages));
	json_set_int(o, "max_tokens", q->max_tokens);
	json_set_int(o, "temperature", 0);
	json_set_int(o, "top_k", 1);
	json_set_int(o, "top_p", 1);
	json_set_int(o, "min_p", 0);
	json_set_int(o, "seed", q->seed);
	json_set_bool(o, "cache_prompt", false);
	json_set_bool(o, "stream", false);
	return o;
}

static void remember(struct eval_result *r, const struct json *body) {
	if (!r->model)
		r->model = arena_strdup(r->arena, json_str(body, "model"));
	if (!r->fingerprint)
		r->fingerprint = arena_strdup(r->arena, json_str(body, "system_fingerprint"));
}

/* What the deadline of the run leaves for this question; 0: nothing. */
static uint64_t time_for(const struct run *run, const struct eval_question *q) {
	uint64_t whole = run->opt->deadline_ms, spent = clock_mono_ms() - run->began;

	if (!whole || (spent < whole && whole - spent > q->timeout_ms))
		return q->timeout_ms;
	return spent < whole ? whole - spent : 0;
}

/* 0 with a verdict, also when nobody answered; -1 after Ctrl-C only. */
static int ask(struct run *run, const struct eval_question *q, struct eval_attempt *out,
	       struct err *e) {
	struct endpoint_reply reply CLEANUP(endpoint_reply_done) = {0};
	struct json *body CLEANUP(json_freep) = NULL;
	uint64_t timeout_ms = time_for(run, q);
	struct err fault = {0};

	if (interrupt_check(e))
		return -1;
	if (run->silent >= SILENT_MAX || !timeout_ms) {
		eval_verdict_missing(timeout_ms
					     ? "not asked: the three calls before it got no answer"
					     : "not asked: the time for the whole set was over",
				     run->result->arena, out);
		return 0;
	}
	body = question_body(q, run->ep);
	if (endpoint_call(run->ep, q->prompt ? "/v1/completions" : "/v1/chat/completions", body,
			  timeout_ms, &reply, &fault)) {
		if (fault.code == ERR_INTERRUPTED) {
			*e = fault;
			return -1;
		}
		run->silent++;
		eval_verdict_missing(fault.msg, run->result->arena, out);
		return 0;
	}
	run->silent = 0;
	remember(run->result, reply.body);
	eval_verdict_of(q, &reply, run->result->arena, out);
	return 0;
}

static int by_number(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static void conclude(struct eval_case *c) {
	uint64_t *ms CLEANUP(freep) = mem_zalloc(c->n_attempts, sizeof *ms);
	size_t answered = 0;

	c->worst = &c->attempts[0];
	for (size_t i = 0; i < c->n_attempts; i++) {
		if (c->attempts[i].verdict > c->worst->verdict)
			c->worst = &c->attempts[i];
		if (c->attempts[i].answered)
			ms[answered++] = c->attempts[i].latency_ms;
	}
	qsort(ms, answered, sizeof *ms, by_number);
	c->latency_ms = answered ? ms[(answered - 1) / 2] : 0;
	c->verdict = c->worst->verdict;
}

static size_t widest_id(const struct eval_golden_set *set) {
	size_t widest = 0;

	for (size_t i = 0; i < set->n; i++)
		if (strlen(set->questions[i].id) > widest)
			widest = strlen(set->questions[i].id);
	return widest;
}

static void tell_case(const struct run *run, const struct eval_case *c, size_t number) {
	const struct eval_failure *f = c->worst->n_failures ? &c->worst->failures[0] : NULL;
	struct progress_case one = {.id = c->id,
				    .verdict = eval_verdict_name(c->verdict),
				    .severity = eval_severity_name(c->severity),
				    .passed = c->verdict == EVAL_PASS,
				    .latency_ms = c->latency_ms,
				    .number = number,
				    .total = run->set->n,
				    .widest = widest_id(run->set)};

	if (f && !one.passed) {
		one.expected = f->expected;
		one.got = c->worst->answer && c->verdict == EVAL_FAIL ? c->worst->answer : f->got;
	}
	/* 0 is no answer. */
	if (c->worst->answered && !one.latency_ms)
		one.latency_ms = 1;
	progress_case(run->progress, &one);
}

static int ask_case(struct run *run, const struct eval_question *q, struct eval_case *c,
		    struct err *e) {
	c->id = arena_strdup(run->result->arena, q->id);
	c->severity = q->severity;
	c->n_attempts = (size_t) q->attempts;
	c->attempts = arena_zalloc(run->result->arena, c->n_attempts, sizeof *c->attempts);
	for (size_t i = 0; i < c->n_attempts; i++)
		if (ask(run, q, &c->attempts[i], e))
			return -1;
	conclude(c);
	return 0;
}

static int ask_all(struct run *run, struct eval_phase *phase, struct err *e) {
	phase->name = "golden";
	phase->cases = arena_zalloc(run->result->arena, run->set->n, sizeof *phase->cases);
	for (size_t i = 0; i < run->set->n; i++) {
		if (ask_case(run, &run->set->questions[i], &phase->cases[i], e))
			return -1;
		tell_case(run, &phase->cases[i], i + 1);
		phase->n_cases++;
		phase->totals[phase->cases[i].verdict]++;
	}
	phase->took_ms = clock_mono_ms() - run->began;
	return 0;
}

static struct eval_result *result_new(const struct eval_golden_set *set,
				      const struct eval_options *opt) {
	struct eval_result *r = mem_zalloc(1, sizeof *r);

	r->arena = arena_new();
	r->golden = arena_strdup(r->arena, set->name);
	memcpy(r->golden_sha256, set->sha256, sizeof r->golden_sha256);
	r->began = clock_unix();
	r->latency.limit_ms = opt->latency_p95_ms;
	r->phases = arena_zalloc(r->arena, 1, sizeof *r->phases);
	r->n_phases = 1;
	return r;
}

int eval_run(const struct json *golden, const struct endpoint *ep, const struct eval_options *opt,
	     const struct progress *p, struct eval_result **out, struct err *e) {
	struct eval_golden_set *set CLEANUP(eval_golden_set_freep) = NULL;
	struct eval_result *r CLEANUP(eval_result_freep) = NULL;

	if (eval_golden_set_new(golden, &set, e))
		return -1;
	r = result_new(set, opt);
	struct run run = {.set = set,
			  .ep = ep,
			  .opt = opt,
			  .progress = p,
			  .result = r,
			  .began = clock_mono_ms()};
	if (ask_all(&run, &r->phases[0], e))
		return -1;
	eval_decide(r);
	*out = STEAL(r);
	return 0;
}
