/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/traffic_gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "json/json.h"

enum { ALL_FAILED = 5 };

const char *traffic_gate_word(enum traffic_gate_verdict v) {
	static const char *const words[] = {[TRAFFIC_GATE_PASS] = "pass",
					    [TRAFFIC_GATE_FAIL] = "fail",
					    [TRAFFIC_GATE_NONE] = "none"};

	return words[v];
}

bool traffic_gate_percentile(const uint64_t histogram[HAPROXY_BUCKETS], unsigned p, uint64_t *ms) {
	uint64_t n = 0, before = 0;

	for (size_t i = 0; i < HAPROXY_BUCKETS; i++)
		n += histogram[i];
	if (!n)
		return false;
	uint64_t rank = (n * p + 99) / 100;
	for (size_t i = 0; i < HAPROXY_BUCKETS; before += histogram[i++]) {
		uint64_t lower = i ? haproxy_bucket_ms(i - 1) : 0, upper = haproxy_bucket_ms(i);
		if (before + histogram[i] < rank)
			continue;
		/* The last bucket has no upper edge: its lower one is all that is known. */
		*ms = upper == UINT64_MAX ? lower
					  : lower +
				(uint64_t) ((double) (upper - lower) * (double) (rank - before) /
					    (double) histogram[i]);
		return true;
	}
	return false;
}

struct json *traffic_gate_json(const struct gateway_sample *s) {
	struct json *o = json_object();
	uint64_t ms;

	json_set_int(o, "requests", (int64_t) s->requests);
	json_set_int(o, "errors", (int64_t) s->errors);
	if (s->refused)
		json_set_int(o, "refused", (int64_t) s->refused);
	if (s->left)
		json_set_int(o, "given_up", (int64_t) s->left);
	if (traffic_gate_percentile(s->total_ms, 95, &ms))
		json_set_int(o, "p95_ms", (int64_t) ms);
	if (traffic_gate_percentile(s->first_ms, 95, &ms))
		json_set_int(o, "ttft_ms", (int64_t) ms);
	return o;
}

void traffic_gate_meter_take(struct traffic_gate_meter *m, const struct gateway_sample *now) {
	struct gateway_sample d;

	if (m->begun && gateway_sample_since(&m->last, now, &d)) {
		m->sum.requests += d.requests;
		m->sum.errors += d.errors;
		m->sum.refused += d.refused;
		m->sum.left += d.left;
		for (size_t i = 0; i < HAPROXY_BUCKETS; i++) {
			m->sum.total_ms[i] += d.total_ms[i];
			m->sum.first_ms[i] += d.first_ms[i];
		}
	}
	m->begun = true;
	m->last = *now;
}

/* One judgement on its way: the first failure stays, and else the first thing that could not be
 * judged. */
struct judge {
	const struct lockfile_gates *g;
	const struct gateway_sample *now, *beside;
	enum traffic_gate_verdict verdict;
	char *reason;
};

__attribute__((format(printf, 3, 4))) static void say(struct judge *j, enum traffic_gate_verdict v,
						      const char *fmt, ...) {
	va_list ap;

	if (j->verdict == TRAFFIC_GATE_FAIL ||
	    (j->verdict == TRAFFIC_GATE_NONE && v == TRAFFIC_GATE_NONE))
		return;
	j->verdict = v;
	va_start(ap, fmt);
	(void) vsnprintf(j->reason, TRAFFIC_GATE_REASON, fmt, ap);
	va_end(ap);
}

/* Tenths of a per cent. */
static uint64_t permille(const struct gateway_sample *s) {
	return s->requests ? s->errors * 1000 / s->requests : 0;
}

/* Exact: a/b > p/100 without rounding. */
static bool is_over(const struct gateway_sample *s, int64_t percent) {
	return s->errors * 100 > (uint64_t) percent * s->requests;
}

static void judge_errors(struct judge *j) {
	const struct gateway_sample *n = j->now, *b = j->beside;

	if (j->g->error_rate_percent >= 0 && is_over(n, j->g->error_rate_percent))
		say(j, TRAFFIC_GATE_FAIL,
		    "error rate %llu.%llu %% (%llu of %llu requests) exceeds the limit of %lld %%",
		    (unsigned long long) permille(n) / 10, (unsigned long long) permille(n) % 10,
		    (unsigned long long) n->errors, (unsigned long long) n->requests,
		    (long long) j->g->error_rate_percent);
	if (!b || j->g->more_errors_percent < 0 || !b->requests)
		return;
	/* n.errors/n.requests > b.errors/b.requests + points/100, multiplied out */
	double more = (double) n->errors / (double) n->requests -
		(double) b->errors / (double) b->requests;
	if (more * 100 > (double) j->g->more_errors_percent + 1e-9)
		say(j, TRAFFIC_GATE_FAIL,
		    "error rate %llu.%llu %% exceeds the active release's %llu.%llu %% by more "
		    "than %lld percentage points",
		    (unsigned long long) permille(n) / 10, (unsigned long long) permille(n) % 10,
		    (unsigned long long) permille(b) / 10, (unsigned long long) permille(b) % 10,
		    (long long) j->g->more_errors_percent);
}

uint64_t traffic_gate_most_ms(int64_t limit_ms, const uint64_t *beside, int64_t times_percent) {
	uint64_t most = limit_ms >= 0 ? (uint64_t) limit_ms : UINT64_MAX, its;

	if (!beside || times_percent < 0 || !traffic_gate_percentile(beside, 95, &its))
		return most;
	uint64_t times = its * (uint64_t) times_percent / 100,
		 floor = its + TRAFFIC_GATE_FLOOR_MS - 1;
	uint64_t more = times > floor ? times : floor;
	return more < most ? more : most;
}

static void judge_time(struct judge *j, const char *what, const uint64_t *mine, const uint64_t *its,
		       int64_t limit_ms, int64_t times_percent) {
	char took[TEXT_BYTES], limit[TEXT_BYTES];
	uint64_t ms, beside_ms;

	if (limit_ms < 0 && (!its || times_percent < 0))
		return;
	if (!traffic_gate_percentile(mine, 95, &ms)) {
		say(j, TRAFFIC_GATE_NONE, "%s: no samples", what);
		return;
	}
	text_format_ms(ms, took);
	if (limit_ms >= 0 && ms > (uint64_t) limit_ms) {
		text_format_ms((uint64_t) limit_ms, limit);
		say(j, TRAFFIC_GATE_FAIL, "p95 %s %s exceeds the limit of %s", what, took, limit);
	}
	if (!its || times_percent < 0)
		return;
	if (!traffic_gate_percentile(its, 95, &beside_ms)) {
		say(j, TRAFFIC_GATE_NONE, "%s of the active release: no samples", what);
		return;
	}
	text_format_ms(beside_ms, limit);
	if (ms >= beside_ms + TRAFFIC_GATE_FLOOR_MS &&
	    (double) ms * 100 > (double) beside_ms * (double) times_percent)
		say(j, TRAFFIC_GATE_FAIL,
		    "p95 %s %s exceeds the limit of %lld.%02lld times the active release's %s",
		    what, took, (long long) times_percent / 100, (long long) times_percent % 100,
		    limit);
}

static bool compares(const struct lockfile_gates *g) {
	return g->more_errors_percent >= 0 || g->p95_percent >= 0 || g->ttft_percent >= 0;
}

static uint64_t least_beside(uint64_t least) {
	return least < TRAFFIC_GATE_LEAST ? least : TRAFFIC_GATE_LEAST;
}

const struct gateway_sample *traffic_gate_compared(const struct gateway_sample *beside,
						   uint64_t least) {
	return beside && beside->requests >= least_beside(least) ? beside : NULL;
}

static void judge_all(struct judge *j, uint64_t least) {
	const struct gateway_sample *n = j->now, *b = j->beside;

	if (n->requests >= ALL_FAILED && n->errors >= n->requests)
		say(j, TRAFFIC_GATE_FAIL, "all %llu requests failed",
		    (unsigned long long) n->requests);
	if (!n->requests && n->refused + n->left)
		say(j, TRAFFIC_GATE_NONE,
		    "no request was answered: %llu rejected as client errors, %llu cancelled by "
		    "clients",
		    (unsigned long long) n->refused, (unsigned long long) n->left);
	else if (!n->requests)
		say(j, TRAFFIC_GATE_NONE, "no traffic was seen");
	else if (n->requests < least)
		say(j, TRAFFIC_GATE_NONE, "%llu request%s seen, a verdict needs at least %llu",
		    (unsigned long long) n->requests, n->requests == 1 ? " was" : "s were",
		    (unsigned long long) least);
	if (j->verdict != TRAFFIC_GATE_PASS)
		return;
	j->beside = traffic_gate_compared(b, least);
	if (b && compares(j->g) && !j->beside)
		say(j, TRAFFIC_GATE_NONE,
		    "%llu request%s seen at the active release, a comparison needs at least %llu",
		    (unsigned long long) b->requests, b->requests == 1 ? " was" : "s were",
		    (unsigned long long) least_beside(least));
	judge_errors(j);
	judge_time(j, "latency", n->total_ms, j->beside ? b->total_ms : NULL, j->g->p95_ms,
		   j->g->p95_percent);
	judge_time(j, "time to first byte", n->first_ms, j->beside ? b->first_ms : NULL,
		   j->g->ttft_ms, j->g->ttft_percent);
}

enum traffic_gate_verdict traffic_gate_judge(const struct lockfile_gates *g,
					     const struct gateway_sample *now,
					     const struct gateway_sample *beside, uint64_t least,
					     char reason[TRAFFIC_GATE_REASON]) {
	struct judge j = {.g = g, .now = now, .beside = beside, .reason = reason};
	char took[TEXT_BYTES] = "";
	uint64_t ms;

	judge_all(&j, least);
	if (j.verdict != TRAFFIC_GATE_PASS)
		return j.verdict;
	if (traffic_gate_percentile(now->total_ms, 95, &ms))
		text_format_ms(ms, took);
	int n = snprintf(reason, TRAFFIC_GATE_REASON, "%llu requests, %llu failed%s%s",
			 (unsigned long long) now->requests, (unsigned long long) now->errors,
			 *took ? ", p95 latency " : "", took);
	if (now->refused + now->left)
		(void) snprintf(reason + n, TRAFFIC_GATE_REASON - (size_t) n,
				"; also %llu rejected as client errors, %llu cancelled by clients",
				(unsigned long long) now->refused, (unsigned long long) now->left);
	return TRAFFIC_GATE_PASS;
}
