/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "gateway/counters.h"
#include "haproxy/render.h"
#include "rollout/internal.h"

#define ZEROS "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"

/* What the gateway says of clients. */
static const struct {
	const char *name, *text;
	size_t n; /* 99: refused */
} texts[] = {
	{"nobody", "7\n", 0},
	{"two",
	 "7\nkey a b\t1 2 3\t9 6 5 4 " ZEROS " " ZEROS "\nsession 00ff\t0 0 0\t1 0 0 0 " ZEROS
	 " " ZEROS "\n\n",
	 2},
	{"nothing", "", 99},
	{"words", "Unknown command: 'llmdeploy'\n", 99},
	{"half a line", "7\nkey a\t1 2 3\n", 99},
	{"no counts", "7\nkey a\tx 2 3\t9 6 5 4 " ZEROS " " ZEROS "\n", 99},
	{"a number less", "7\nkey a\t1 2 3\t9 6 5 " ZEROS " " ZEROS "\n", 99},
};

static void parses(void **state) {
	(void) state;
	EACH_CASE (c, texts) {
		struct gateway_clients got CLEANUP(gateway_clients_done) = {0};
		struct err e = {0};
		int r = gateway_clients_parse(c->text, &got, &e);
		assert_int_equal(r, c->n == 99 ? -1 : 0);
		assert_int_equal(got.n, c->n == 99 ? 0 : c->n);
		if (r)
			assert_true(
				strstr(e.msg, "this version cannot read the gateway's counters") !=
				NULL);
		if (c->n != 2)
			continue;
		const struct gateway_client *a = gateway_clients_find(&got, "key a b");
		assert_non_null(a);
		assert_true(a->failed == 1 && a->cut == 2 && a->late == 3 &&
			    a->seen.requests == 9 && a->seen.errors == 6 && a->seen.refused == 5 &&
			    a->seen.left == 4 && a->seen.began_ms == 7);
		char *words CLEANUP(freep) = breach_words(a);
		assert_string_equal(words,
				    "6 of 9 requests of client 'key a b' failed (1 answered with "
				    "5xx, 2 cut off, 3 cancelled by the client as too slow)");
		const struct gateway_client slow = {.name = "key a b", .seen = {.requests = 8}};
		char *slow_words CLEANUP(freep) = breach_words(&slow);
		assert_string_equal(slow_words, "the 8 requests of client 'key a b' were slow");
		assert_null(gateway_clients_find(&got, "key a"));
	}
}

struct numbers {
	uint64_t requests, errors;
};

/* Requests and errors of up to three clients; who alone breaks the gate of 5 %. */
static const struct {
	const char *name;
	struct numbers of[3];
	const char *one; /* NULL: nobody alone */
} rows[] = {
	{"nobody fails", {{20, 0}, {20, 0}, {0, 0}}, NULL},
	{"the first", {{20, 20}, {20, 0}, {20, 0}}, "a"},
	{"the second, with few", {{100, 0}, {8, 8}, {0, 0}}, "b"},
	{"the only one", {{20, 10}, {0, 0}, {0, 0}}, "a"},
	{"two", {{20, 20}, {20, 20}, {100, 0}}, NULL},
	{"two, one of them with few", {{18, 16}, {4, 4}, {0, 0}}, NULL},
	{"the most by far, and the others within the gate", {{100, 90}, {100, 4}, {100, 5}}, "a"},
};

static struct gateway_clients make(const struct numbers of[3], uint64_t began) {
	struct gateway_clients c = {.began_ms = began, .at = mem_zalloc(3, sizeof *c.at)};

	for (size_t i = 0; i < 3; i++) {
		if (!of[i].requests)
			continue;
		struct gateway_client *x = &c.at[c.n++];
		(void) snprintf(x->name, sizeof x->name, "%c", (char) ('a' + (int) i));
		x->seen = (struct gateway_sample){.requests = of[i].requests,
						  .errors = of[i].errors,
						  .began_ms = began};
		x->failed = of[i].errors;
	}
	return c;
}

static void ones(void **state) {
	const struct lockfile_gates gates = {5, -1, -1, -1, -1, -1};

	(void) state;
	EACH_CASE (r, rows) {
		struct gateway_clients now CLEANUP(gateway_clients_done) = make(r->of, 1);
		struct gateway_sample sum = {0};
		struct gateway_client one = {0};
		struct breach b = {0};
		char reason[TRAFFIC_GATE_REASON];
		for (size_t i = 0; i < now.n; i++) {
			sum.requests += now.at[i].seen.requests;
			sum.errors += now.at[i].seen.errors;
		}
		const struct breach_case c = {.gates = &gates,
					      .sum = &sum,
					      .least = TRAFFIC_GATE_LEAST};
		bool broken = traffic_gate_judge(&gates, &sum, NULL, TRAFFIC_GATE_LEAST, reason) ==
			TRAFFIC_GATE_FAIL;
		bool found = broken && breach_of_one(&b, &now, &c, &one);
		assert_int_equal(found, r->one != NULL);
		if (r->one)
			assert_string_equal(one.name, r->one);
	}
}

/* What was before the watch is not of it; who is set aside stays so until it has asked twice as
 * much; a gateway that began again is another. */
static void excuses(void **state) {
	const struct numbers early[3] = {{50, 50}, {10, 0}, {0, 0}},
			     later[3] = {{70, 70}, {40, 0}, {0, 0}},
			     most[3] = {{200, 200}, {40, 0}, {0, 0}};
	struct breach b CLEANUP(breach_done) = {.before = make(early, 1)};
	struct gateway_clients now CLEANUP(gateway_clients_done) = make(later, 1),
				   more CLEANUP(gateway_clients_done) = make(most, 1);
	struct gateway_clients again CLEANUP(gateway_clients_done) = make(later, 2);
	const struct gateway_sample sum = {.requests = 50, .errors = 20, .began_ms = 1},
				    large = {.requests = 180, .errors = 150, .began_ms = 1};
	const struct lockfile_gates gates = {5, -1, -1, -1, -1, -1};
	const struct breach_case c = {.gates = &gates, .sum = &sum, .least = TRAFFIC_GATE_LEAST};
	struct gateway_client one = {0};

	(void) state;
	assert_true(breach_of_one(&b, &now, &c, &one));
	assert_string_equal(one.name, "a");
	assert_int_equal(one.seen.requests, 20);
	assert_int_equal(one.failed, 20);
	assert_true(breach_of_one(&b, &again, &c, &one));
	assert_int_equal(one.seen.requests, 70);
	b.excused[b.n_excused++] = (struct breach_client){.name = "a", .requests = 20, .asked = 1};
	struct gateway_sample rest = breach_rest(&b, &now, &sum);
	assert_true(rest.requests == 30 && rest.errors == 0);
	rest = breach_judged(&b, &sum);
	assert_true(rest.requests == 30 && rest.errors == 0);
	rest = breach_rest(&b, &more, &large);
	assert_true(rest.requests == 180 && rest.errors == 150);
	/* A new process of the gateway: what the one before counted stays set aside. */
	b.excused[0].seen = (struct gateway_sample){0};
	rest = breach_rest(&b, &now, &sum);
	assert_true(rest.requests == 30 && rest.errors == 0);
	b.excused[0].seen.requests = 30;
	b.excused[0].seen.errors = 30;
	const struct gateway_sample both = {.requests = 80, .errors = 50, .began_ms = 1};
	rest = breach_rest(&b, &now, &both);
	assert_true(rest.requests == 30 && rest.errors == 0);
	rest = breach_judged(&b, &both);
	assert_true(rest.requests == 30 && rest.errors == 0);
	b.excused[0].past = (struct gateway_sample){0};
	b.excused[0].asked = BREACH_ASKED; /* it was looked into often enough */
	rest = breach_rest(&b, &more, &large);
	assert_true(rest.requests == 30 && rest.errors == 0);
}

static size_t bucket_of(uint64_t ms) {
	size_t at = 0;

	while (haproxy_bucket_ms(at) < ms)
		at++;
	return at;
}

/* Slow answers of one client, and of two. */
static void slow(void **state) {
	const struct lockfile_gates gates = {5, 1000, -1, -1, -1, -1};
	struct gateway_clients now CLEANUP(gateway_clients_done) =
		make((const struct numbers[3]){{20, 0}, {100, 0}, {20, 0}}, 1);
	struct gateway_client one = {0};
	struct breach b = {0};
	char reason[TRAFFIC_GATE_REASON];
	size_t fast = bucket_of(100), late = bucket_of(10000);

	(void) state;
	for (unsigned two = 0; two < 2; two++) {
		struct gateway_sample sum = {.requests = 140};
		const struct breach_case c = {.gates = &gates,
					      .sum = &sum,
					      .least = TRAFFIC_GATE_LEAST};
		for (size_t i = 0; i < 3; i++) {
			size_t at = !i || (two && i == 2) ? late : fast;
			memset(now.at[i].seen.total_ms, 0, sizeof now.at[i].seen.total_ms);
			now.at[i].seen.total_ms[at] = now.at[i].seen.requests;
			sum.total_ms[at] += now.at[i].seen.requests;
		}
		assert_int_equal(traffic_gate_judge(&gates, &sum, NULL, TRAFFIC_GATE_LEAST, reason),
				 TRAFFIC_GATE_FAIL);
		assert_int_equal(breach_of_one(&b, &now, &c, &one), !two);
		if (!two)
			assert_string_equal(one.name, "a");
	}
}

static const struct {
	const char *name;
	struct lockfile_gates gates;
	/* others: so many requests, all fast; beside_ms 0: nothing is compared */
	uint64_t late, first_ms, whole_ms, others, beside_ms;
	uint64_t least_ms, most_ms; /* of the limit; both 0: none */
} limits_cases[] = {
	{"ttft, and nobody else", {5, -1, 500, -1, -1, -1}, 0, 5000, 5000, 0, 0, 500, 500},
	{"ttft, and p95 holds", {5, 20000, 500, -1, -1, -1}, 0, 5000, 5000, 0, 0, 500, 500},
	{"p95, and nobody else", {5, 1000, -1, -1, -1, -1}, 0, 100, 5000, 0, 0, 1000, 1000},
	{"ttft and p95", {5, 1000, 500, -1, -1, -1}, 0, 5000, 5000, 0, 0, 500, 500},
	{"ttft, and the others were fast", {5, -1, 500, -1, -1, -1}, 0, 5000, 5000, 100, 0, 0, 0},
	{"ttft holds: it is about failures", {5, -1, 500, -1, -1, -1}, 0, 100, 5000, 0, 0, 0, 0},
	{"ttft holds: p95 counts", {5, 20000, 500, -1, -1, -1}, 0, 100, 5000, 0, 0, 20000, 20000},
	{"nothing written", {5, -1, -1, -1, -1, -1}, 0, 5000, 5000, 0, 0, 0, 0},
	{"nothing written, given up", {5, -1, -1, -1, -1, -1}, 3, 5000, 5000, 0, 0, 7000, 7000},
	{"as long as the active one's, ttft",
	 {5, -1, -1, 2, -1, 200},
	 0,
	 5000,
	 5000,
	 0,
	 100,
	 119,
	 250},
	{"as long as the active one's, p95",
	 {5, -1, -1, 2, 200, -1},
	 0,
	 5000,
	 5000,
	 0,
	 100,
	 119,
	 250},
	{"the active one is as slow", {5, -1, -1, 2, 200, 200}, 0, 5000, 5000, 0, 5000, 0, 0},
	{"slower than the active one, and the others were fast",
	 {5, -1, -1, 2, 200, 200},
	 0,
	 5000,
	 5000,
	 100,
	 100,
	 0,
	 0},
};

/* Times of one client's 20 requests, of the others' and of the active release's 100; how fast the
 * golden answers have to be. */
static void limits(void **state) {
	(void) state;
	EACH_CASE (r, limits_cases) {
		struct gateway_client one = {.seen = {.requests = 20}, .late = r->late};
		struct gateway_sample beside = {.requests = 100};
		const struct gateway_late_limits patience = {
			.served_ms = r->gates.p95_ms < 0 && r->gates.ttft_ms < 0 ? 7000 : 0};
		one.seen.first_ms[bucket_of(r->first_ms)] =
			one.seen.total_ms[bucket_of(r->whole_ms)] = 20;
		struct gateway_sample sum = one.seen;
		sum.requests += r->others;
		sum.first_ms[bucket_of(100)] += r->others;
		sum.total_ms[bucket_of(100)] += r->others;
		beside.first_ms[bucket_of(r->beside_ms)] =
			beside.total_ms[bucket_of(r->beside_ms)] = 100;
		const struct breach_case c = {.gates = &r->gates,
					      .sum = &sum,
					      .beside = r->beside_ms ? &beside : NULL,
					      .patience = &patience,
					      .least = TRAFFIC_GATE_LEAST};
		uint64_t ms = breach_limit(&c, &sum, &one);
		assert_in_range(ms, r->least_ms, r->most_ms);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(parses), cmocka_unit_test(ones),
					   cmocka_unit_test(excuses), cmocka_unit_test(slow),
					   cmocka_unit_test(limits)};

	return cmocka_run_group_tests_name("breach", tests, NULL, NULL);
}
