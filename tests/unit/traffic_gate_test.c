/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "rollout/traffic_gate.h"
#include "json/json.h"

/* So many requests, of them failed, each within the bucket of so many milliseconds. */
struct seen {
	uint64_t requests, errors, total_ms, first_ms, refused, left;
};

static void put(uint64_t histogram[HAPROXY_BUCKETS], uint64_t ms, uint64_t n) {
	size_t i = 0;

	while (haproxy_bucket_ms(i) < ms)
		i++;
	histogram[i] += n;
}

static struct gateway_sample sample(const struct seen *s) {
	struct gateway_sample out = {.requests = s->requests,
				     .errors = s->errors,
				     .refused = s->refused,
				     .left = s->left,
				     .began_ms = 1};

	if (s->total_ms)
		put(out.total_ms, s->total_ms, s->requests);
	if (s->first_ms)
		put(out.first_ms, s->first_ms, s->requests);
	return out;
}

#define NOTHING \
	{ 0, 0, 0, 0, 0, 0 }
#define NOBODY \
	{ UINT64_MAX, 0, 0, 0, 0, 0 }
#define NO_GATES \
	{ -1, -1, -1, -1, -1, -1 }
#define WATCH \
	{ 5, -1, -1, -1, -1, -1 }
#define CANARY \
	{ 5, -1, -1, 2, 200, 200 }

static const struct {
	const char *name;
	struct lockfile_gates gates;
	struct seen now, beside; /* beside.requests UINT64_MAX: nobody is compared with */
	uint64_t least;
	enum traffic_gate_verdict verdict;
	const char *reason; /* its beginning */
} rows[] = {
	{"nothing seen", WATCH, NOTHING, NOBODY, 20, TRAFFIC_GATE_NONE, "no traffic was seen"},
	{"nothing seen, nothing asked", NO_GATES, NOTHING, NOBODY, 20, TRAFFIC_GATE_NONE,
	 "no traffic was seen"},
	{"all were given up",
	 WATCH,
	 {0, 0, 0, 0, 0, 96},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "no request was answered: 0 rejected as client errors, 96 cancelled by clients"},
	{"all were refused",
	 WATCH,
	 {0, 0, 0, 0, 30, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "no request was answered: 30 rejected as client errors, 0 cancelled by clients"},
	{"what was given up is no request",
	 WATCH,
	 {3, 0, 10, 10, 0, 96},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "3 requests were seen, a verdict needs at least 20"},
	{"and is said beside a pass",
	 {5, -1, -1, -1, -1, -1},
	 {20, 0, 0, 0, 2, 7},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_PASS,
	 "20 requests, 0 failed; also 2 rejected as client errors, 7 cancelled by clients"},
	{"limits, and nothing that they were measured by",
	 {5, 1000, 500, -1, -1, -1},
	 {20, 0, 0, 0, 0, 96},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "latency: no samples"},
	{"one",
	 WATCH,
	 {1, 0, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "1 request was seen, a verdict needs at least 20"},
	{"one less than enough",
	 WATCH,
	 {19, 0, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "19 requests were seen, a verdict needs at least 20"},
	{"enough",
	 WATCH,
	 {20, 0, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_PASS,
	 "20 requests, 0 failed, p95 latency "},
	{"few, and all failed",
	 WATCH,
	 {5, 5, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "all 5 requests failed"},
	{"four that failed are no verdict",
	 WATCH,
	 {4, 4, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "4 requests were seen"},
	{"errors at the limit",
	 WATCH,
	 {100, 5, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 5 failed"},
	{"errors over the limit",
	 WATCH,
	 {100, 6, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "error rate 6.0 % (6 of 100 requests) exceeds the limit of 5 %"},
	{"a limit is exact",
	 WATCH,
	 {1000, 51, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "error rate 5.1 % (51 of 1000 requests) exceeds the limit of 5 %"},
	{"no error may be",
	 {0, -1, -1, -1, -1, -1},
	 {1000, 1, 10, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "error rate 0.1 % (1 of 1000 requests) exceeds the limit of 0 %"},
	{"too slow",
	 {5, 1000, -1, -1, -1, -1},
	 {100, 0, 60000, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "p95 latency "},
	{"fast enough",
	 {5, 100000, 100000, -1, -1, -1},
	 {100, 0, 1000, 10, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 0 failed"},
	{"first bytes too slow",
	 {5, -1, 500, -1, -1, -1},
	 {100, 0, 60000, 30000, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "p95 time to first byte "},
	{"no time was measured",
	 {5, 1000, -1, -1, -1, -1},
	 {100, 0, 0, 0, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_NONE,
	 "latency: no samples"},
	{"a failure goes before what is not known",
	 {5, 1000, -1, -1, -1, -1},
	 {100, 50, 0, 0, 0, 0},
	 NOBODY,
	 20,
	 TRAFFIC_GATE_FAIL,
	 "error rate 50.0 % (50 of 100 requests)"},
	{"as good as the active one",
	 CANARY,
	 {100, 0, 500, 50, 0, 0},
	 {1000, 0, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 0 failed"},
	{"nothing to compare with",
	 CANARY,
	 {100, 0, 500, 50, 0, 0},
	 NOTHING,
	 50,
	 TRAFFIC_GATE_NONE,
	 "0 requests were seen at the active release, a comparison needs at least 20"},
	{"too little to compare with",
	 CANARY,
	 {100, 0, 500, 50, 0, 0},
	 {19, 0, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_NONE,
	 "19 requests were seen at the active release"},
	{"a small step compares with few",
	 CANARY,
	 {5, 0, 500, 50, 0, 0},
	 {5, 0, 500, 50, 0, 0},
	 5,
	 TRAFFIC_GATE_PASS,
	 "5 requests, 0 failed"},
	{"it fails, though nothing is there to compare",
	 CANARY,
	 {100, 60, 500, 50, 0, 0},
	 NOTHING,
	 50,
	 TRAFFIC_GATE_FAIL,
	 "error rate 60.0 % (60 of 100 requests)"},
	{"more errors than the active one",
	 CANARY,
	 {100, 4, 500, 50, 0, 0},
	 {1000, 10, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_FAIL,
	 "error rate 4.0 % exceeds the active release's 1.0 % by more than 2 percentage points"},
	{"as many more as may be",
	 CANARY,
	 {100, 3, 500, 50, 0, 0},
	 {1000, 10, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 3 failed"},
	{"the active one fails as much",
	 CANARY,
	 {100, 5, 500, 50, 0, 0},
	 {100, 5, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 5 failed"},
	{"slower than the active one",
	 CANARY,
	 {100, 0, 60000, 50, 0, 0},
	 {1000, 0, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_FAIL,
	 "p95 latency "},
	{"first bytes slower than the active one's",
	 CANARY,
	 {100, 0, 500, 30000, 0, 0},
	 {1000, 0, 500, 50, 0, 0},
	 50,
	 TRAFFIC_GATE_FAIL,
	 "p95 time to first byte "},
	{"a difference too small to matter",
	 CANARY,
	 {100, 0, 10, 10, 0, 0},
	 {1000, 0, 1, 1, 0, 0},
	 50,
	 TRAFFIC_GATE_PASS,
	 "100 requests, 0 failed"},
};

static void gates(void **state) {
	(void) state;
	EACH_CASE (r, rows) {
		struct gateway_sample now = sample(&r->now), beside = sample(&r->beside);
		char reason[TRAFFIC_GATE_REASON] = "";
		enum traffic_gate_verdict v =
			traffic_gate_judge(&r->gates, &now,
					   r->beside.requests == UINT64_MAX ? NULL : &beside,
					   r->least, reason);
		assert_string_equal(traffic_gate_word(v), traffic_gate_word(r->verdict));
		if (strncmp(reason, r->reason, strlen(r->reason)))
			fail_msg("'%s' does not begin with '%s'", reason, r->reason);
	}
}

/* Within its bucket a percentile moves with the rank; the last bucket is known by its lower edge
 * alone. */
static void percentiles(void **state) {
	uint64_t histogram[HAPROXY_BUCKETS] = {0}, ms = 7, half = 0, all = 0;

	(void) state;
	assert_false(traffic_gate_percentile(histogram, 95, &ms));
	assert_int_equal(ms, 7);
	size_t i = HAPROXY_BUCKETS / 2;
	uint64_t lower = haproxy_bucket_ms(i - 1), upper = haproxy_bucket_ms(i);
	histogram[i] = 100;
	assert_true(traffic_gate_percentile(histogram, 50, &half));
	assert_true(traffic_gate_percentile(histogram, 100, &all));
	assert_int_equal(half, lower + (upper - lower) / 2);
	assert_int_equal(all, upper);
	histogram[0] = 1900;
	assert_true(traffic_gate_percentile(histogram, 95, &ms));
	assert_true(ms <= haproxy_bucket_ms(0));
	histogram[HAPROXY_BUCKETS - 1] = 100000;
	assert_true(traffic_gate_percentile(histogram, 99, &ms));
	assert_int_equal(ms, haproxy_bucket_ms(HAPROXY_BUCKETS - 2));
}

/* Only differences count, and a gateway that began again loses one of them. */
static void meter(void **state) {
	struct traffic_gate_meter m = {0};
	struct gateway_sample s = sample(&(struct seen){100, 50, 500, 50, 0, 0});

	(void) state;
	traffic_gate_meter_take(&m, &s);
	assert_int_equal(m.sum.requests, 0);
	s.requests += 10;
	s.errors += 1;
	put(s.total_ms, 500, 10);
	traffic_gate_meter_take(&m, &s);
	assert_int_equal(m.sum.requests, 10);
	assert_int_equal(m.sum.errors, 1);
	s = sample(&(struct seen){3, 3, 500, 50, 0, 0});
	s.began_ms = 2;
	traffic_gate_meter_take(&m, &s);
	assert_int_equal(m.sum.requests, 10);
	s.requests += 5;
	traffic_gate_meter_take(&m, &s);
	assert_int_equal(m.sum.requests, 15);
	assert_int_equal(m.sum.errors, 1);
	struct json *j CLEANUP(json_freep) = traffic_gate_json(&m.sum);
	assert_int_equal(json_int_or(j, "requests", -1), 15);
	assert_int_equal(json_int_or(j, "errors", -1), 1);
	assert_true(json_int_or(j, "p95_ms", -1) > 0);
	assert_int_equal(json_int_or(j, "ttft_ms", -1), -1);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(gates), cmocka_unit_test(percentiles),
					   cmocka_unit_test(meter)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
