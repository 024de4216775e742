/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "cost/cost.h"

#define GB UINT64_C(1000000000)

/* ---- money as text ---- */

static const struct {
	const char *name, *text;
	bool good;
	uint64_t micro;
} texts[] = {
	{"two decimals", "1.80", true, 1800000},
	{"whole", "720", true, 720000000},
	{"canonical", "720.0", true, 720000000},
	{"six decimals", "0.000001", true, 1},
	{"seven decimals", "0.0000001", false, 0},
	{"nine digits", "999999999.999999", true, 999999999999999},
	{"ten digits", "1000000000", false, 0},
	{"nothing", "", false, 0},
	{"a sign", "-1", false, 0},
	{"a currency", "1.80 EUR", false, 0},
	{"two points", "1.8.0", false, 0},
};

static void cost_texts(void **state) {
	(void) state;
	EACH_CASE (k, texts) {
		uint64_t micro = 0;

		assert_int_equal(cost_money(k->text, &micro), k->good);
		assert_int_equal(micro, k->micro);
	}
}

/* ---- speed ---- */

static const struct {
	const char *name;
	struct cost_speed in;
	bool good;
	uint64_t empty, full, all; /* thousandths */
} ceilings[] = {
	{"the textbook's 400 GB/s over 7.6 GB",
	 {400 * GB, 7600000000, 0, 1},
	 true,
	 52631,
	 52631,
	 52631},
	{"two KV caches of 1 GB", {400 * GB, 7 * GB, GB, 2}, true, 57142, 50000, 88888},
	{"no bandwidth", {0, 7 * GB, GB, 2}, false, 0, 0, 0},
	{"no weights", {400 * GB, 0, GB, 2}, false, 0, 0, 0},
	{"a rate that no machine has", {UINT64_C(1) << 53, 1, 0, 1}, false, 0, 0, 0},
	{"more cells than a number has", {400 * GB, GB, UINT64_MAX, 1024}, true, 400000, 0, 0},
};

static void cost_ceilings(void **state) {
	(void) state;
	EACH_CASE (k, ceilings) {
		uint64_t empty = 0, full = 0, all = 0;

		assert_int_equal(cost_ceiling(&k->in, &empty, &full, &all), k->good);
		assert_int_equal(empty, k->empty);
		assert_int_equal(full, k->full);
		assert_int_equal(all, k->all);
	}
}

static const struct {
	const char *name;
	uint64_t measured, ceiling, percent;
	enum cost_efficiency efficiency;
} paces[] = {
	{"the textbook's 31 of 52.6", 31000, 52631, 59, COST_EFFICIENCY_FAIR},
	{"a fifth", 10000, 50000, 20, COST_EFFICIENCY_FAIR},
	{"less than a fifth", 9999, 50000, 20, COST_EFFICIENCY_LOW},
	{"the ceiling itself", 52631, 52631, 100, COST_EFFICIENCY_FAIR},
	{"above it", 52632, 52631, 100, COST_EFFICIENCY_IMPOSSIBLE},
	{"twice", 105262, 52631, 200, COST_EFFICIENCY_IMPOSSIBLE},
	{"nothing", 0, 52631, 0, COST_EFFICIENCY_LOW},
};

static void cost_paces(void **state) {
	(void) state;
	EACH_CASE (k, paces) {
		uint64_t percent;

		assert_int_equal(cost_efficiency(k->measured, k->ceiling, &percent), k->efficiency);
		assert_int_equal(percent, k->percent);
	}
}

/* ---- the queue ---- */

/* Kleinrock's closed forms: M/M/1 waits rho, on average rho S / (1 - rho); M/M/2 waits 2 rho^2 / (1
 * + rho). */
static const struct {
	const char *name;
	double arrivals, service;
	uint64_t servers;
	double utilization, waits, wait, p95;
} queues[] = {
	{"one server, half busy", 0.5, 1, 1, 0.5, 0.5, 1.0, 4.605170},
	{"two servers, half busy", 1, 1, 2, 0.5, 1.0 / 3, 1.0 / 3, 1.897120},
	{"four servers, 80 %", 3.2, 1, 4, 0.8, 0.596432, 0.745541, 3.098679},
	{"almost idle", 0.001, 1, 4, 0.00025, 0, 0, 0},
	{"nobody", 0, 1, 1, 0, 0, 0, 0},
	{"just full", 2, 1, 2, 1, 0, 0, 0},
	{"more than full", 10, 1, 2, 5, 0, 0, 0},
};

static void cost_queues(void **state) {
	(void) state;
	EACH_CASE (k, queues) {
		struct cost_queue q = {.arrivals_s = k->arrivals,
				       .service_s = k->service,
				       .servers = k->servers};

		cost_queue_solve(&q);
		assert_true(fabs(q.utilization - k->utilization) < 1e-6);
		assert_true(fabs(q.waits - k->waits) < 1e-5);
		assert_true(fabs(q.wait_s - k->wait) < 1e-5);
		assert_true(fabs(q.wait_p95_s - k->p95) < 1e-5);
	}
	assert_true(fabs(cost_arrivals(2592000, false) - 1) < 1e-9);
	assert_true(fabs(cost_arrivals(2592000, true) - 3.6) < 1e-9);
}

/* ---- local against hosted ---- */

static const struct {
	const char *name;
	struct cost_money_month in;
	bool good;
	struct cost_verdict out;
} months[] = {
	{"the textbook: 720 a month, 1.80 per 1,000, 500,000 requests",
	 {.requests = 500000,
	  .hardware = 420000000,
	  .power = 60000000,
	  .staff = 200000000,
	  .maintenance = 40000000,
	  .per_1k_requests = 1800000},
	 true,
	 {.local = 720000000, .hosted = 900000000, .crossover = 400000, .local_candidate = true}},
	{"fewer requests",
	 {.requests = 100000, .hardware = 720000000, .per_1k_requests = 1800000},
	 true,
	 {.local = 720000000, .hosted = 180000000, .crossover = 400000}},
	{"the crossover itself is no gain",
	 {.requests = 400000, .hardware = 720000000, .per_1k_requests = 1800000},
	 true,
	 {.local = 720000000, .hosted = 720000000, .crossover = 400000}},
	{"by the token: 600 in at 0.50, 100 out at 1.50 a million",
	 {.requests = 1000000,
	  .prompt_tokens = 600,
	  .output_tokens = 100,
	  .hardware = 90000000,
	  .input_per_million = 500000,
	  .output_per_million = 1500000},
	 true,
	 {.local = 90000000, .hosted = 450000000, .crossover = 200000, .local_candidate = true}},
	{"tokens that are not said cost nothing",
	 {.requests = 10, .hardware = 1, .input_per_million = 5},
	 true,
	 {.local = 1}},
	{"rounded up",
	 {.requests = 1, .hardware = 1, .per_1k_requests = 1},
	 true,
	 {.local = 1, .hosted = 1, .crossover = 1000}},
	{"no price", {.requests = 500000, .hardware = 1}, false, {0}},
	{"beyond counting",
	 {.requests = UINT64_C(1) << 52, .hardware = 1, .per_1k_requests = UINT64_C(1) << 40},
	 false,
	 {0}},
};

static const struct {
	const char *name;
	uint64_t input, output, in_price, out_price;
	bool good;
	uint64_t micro;
} spent_rows[] = {
	{"nothing", 0, 0, 2500000, 10000000, true, 0},
	{"a million of each", 1000000, 1000000, 2500000, 10000000, true, 12500000},
	{"one token", 1, 0, 2500000, 10000000, true, 3},
	{"parts of a millionth are added before they are rounded", 1, 1, 400000, 400000, true, 1},
	{"no price", 5, 5, 0, 0, true, 0},
	{"beyond counting", 1ull << 53, 0, 1000001, 0, false, 0},
	{"tokens beyond counting", (1ull << 53) + 1, 0, 1, 0, false, 0},
};

static void cost_spent(void **state) {
	(void) state;
	for (size_t i = 0; i < sizeof spent_rows / sizeof *spent_rows; i++) {
		uint64_t micro = 0;
		print_message("  - %s\n", spent_rows[i].name);
		assert_int_equal(cost_tokens(spent_rows[i].input, spent_rows[i].output,
					     spent_rows[i].in_price, spent_rows[i].out_price,
					     &micro),
				 spent_rows[i].good);
		assert_int_equal(micro, spent_rows[i].micro);
	}
}

static void cost_months(void **state) {
	(void) state;
	EACH_CASE (k, months) {
		struct cost_verdict v = {0};

		assert_int_equal(cost_compare(&k->in, &v), k->good);
		assert_int_equal(v.local, k->out.local);
		assert_int_equal(v.hosted, k->out.hosted);
		assert_int_equal(v.crossover, k->out.crossover);
		assert_int_equal(v.local_candidate, k->out.local_candidate);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cost_texts),  cmocka_unit_test(cost_ceilings),
		cmocka_unit_test(cost_paces),  cmocka_unit_test(cost_queues),
		cmocka_unit_test(cost_months), cmocka_unit_test(cost_spent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
