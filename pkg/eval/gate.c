/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

#define REASONS_MAX 8

static double binomial(size_t n, size_t k, double p) {
	double choose = lgamma((double) n + 1) - lgamma((double) k + 1) -
		lgamma((double) (n - k) + 1);

	return exp(choose + (double) k * log(p) + (double) (n - k) * log1p(-p));
}

size_t eval_p95_rank(size_t n) {
	double below = 0; /* P(fewer than k samples lie below p95) */

	for (size_t k = 1; k <= n; k++) {
		below += binomial(n, k - 1, 0.95);
		if (below >= 0.95)
			return k;
	}
	return 0;
}

static int compare(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static size_t count_attempts(const struct eval_result *r) {
	size_t n = 0;

	for (size_t p = 0; p < r->n_phases; p++)
		for (size_t c = 0; c < r->phases[p].n_cases; c++)
			n += r->phases[p].cases[c].n_attempts;
	return n;
}

static void measure_latency(struct eval_result *r) {
	uint64_t *ms CLEANUP(freep) = mem_zalloc(count_attempts(r) + 1, sizeof *ms);
	size_t n = 0;

	for (size_t p = 0; p < r->n_phases; p++)
		for (size_t c = 0; c < r->phases[p].n_cases; c++)
			for (size_t a = 0; a < r->phases[p].cases[c].n_attempts; a++)
				if (r->phases[p].cases[c].attempts[a].answered)
					ms[n++] = r->phases[p].cases[c].attempts[a].latency_ms;
	qsort(ms, n, sizeof *ms, compare);
	size_t rank = eval_p95_rank(n);
	r->latency.samples = n;
	r->latency.statistic = rank ? "p95" : "max";
	r->latency.rank = rank ? rank : n;
	r->latency.value_ms = n ? ms[r->latency.rank - 1] : 0;
}

static void reason(struct eval_result *r, const char *text) {
	if (!r->reasons)
		r->reasons = arena_zalloc(r->arena, REASONS_MAX, sizeof *r->reasons);
	if (r->n_reasons < REASONS_MAX)
		r->reasons[r->n_reasons++] = arena_strdup(r->arena, text);
}

/* "3 of 20 blockers failed: restricted, superseded, ..." */
static void count_against(struct eval_result *r, const struct eval_phase *p, enum eval_verdict v,
			  bool blockers, const char *what) {
	struct buf names CLEANUP(buf_done) = BUF_INIT(300), line CLEANUP(buf_done) = BUF_INIT(480);
	size_t n = 0, all = 0;

	for (size_t i = 0; i < p->n_cases; i++) {
		const struct eval_case *c = &p->cases[i];
		if (blockers && c->severity != EVAL_BLOCKER)
			continue;
		all++;
		if (c->verdict == v && !names.cut) /* once cut, no later and shorter one slips in */
			(void) buf_printf(&names, "%s%s", n ? ", " : "", c->id);
		n += c->verdict == v;
	}
	if (!n)
		return;
	(void) buf_printf(&line, "%zu of %zu %s: %s%s", n, all, what, buf_str(&names),
			  names.cut ? ", ..." : "");
	reason(r, buf_str(&line));
}

static void decide_phase(struct eval_result *r, const struct eval_phase *p) {
	if (!p->n_cases)
		reason(r, "no cases were asked");
	count_against(r, p, EVAL_FAIL, true, "blockers failed");
	count_against(r, p, EVAL_INVALID, false, "cases gave no whole answer");
	count_against(r, p, EVAL_ERROR, false, "cases could not be asked");
}

static void decide_latency(struct eval_result *r) {
	const struct eval_latency *l = &r->latency;
	char line[200];

	if (!l->samples) {
		reason(r, "no latency was measured");
		return;
	}
	if (!l->limit_ms || l->value_ms <= l->limit_ms)
		return;
	(void) snprintf(line, sizeof line,
			"latency %s of %zu samples is %llu ms, the limit is %llu ms", l->statistic,
			l->samples, (unsigned long long) l->value_ms,
			(unsigned long long) l->limit_ms);
	reason(r, line);
}

void eval_decide(struct eval_result *r) {
	measure_latency(r);
	if (!r->n_phases)
		reason(r, "no cases were asked");
	for (size_t i = 0; i < r->n_phases; i++)
		decide_phase(r, &r->phases[i]);
	decide_latency(r);
	r->passed = !r->n_reasons;
}

int eval_gate_of(const struct json *evidence, struct err *e) {
	const struct json *gate = json_get(evidence, "gate");
	const char *name = json_text(json_path(evidence, "golden.name"));
	struct buf b CLEANUP(buf_done) = BUF_INIT(480);

	if (json_true(gate, "passed"))
		return 0;
	for (const struct json *r = json_first(json_get(gate, "reasons")); r; r = json_next(r))
		(void) buf_printf(&b, "%s%s", b.len ? "; " : "", json_text(r));
	return err_set(e, ERR_GATE, "golden set '%.60s': %s", name ? name : "",
		       b.len ? buf_str(&b) : "its evidence has no verdict");
}

int eval_gate(const struct eval_result *r, struct err *e) {
	struct json *evidence CLEANUP(json_freep) = eval_evidence(r);

	return eval_gate_of(evidence, e);
}
