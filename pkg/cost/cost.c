/* SPDX-License-Identifier: Apache-2.0 */
#include "cost/cost.h"

#include <math.h>
#include <string.h>

#define MOST ((uint64_t) 1 << 53) /* what JSON keeps exact */

__extension__ typedef unsigned __int128 wide;

/* a x b / c, rounded up; false: beyond MOST. */
static bool scale_up(uint64_t a, uint64_t b, uint64_t c, uint64_t *out) {
	wide v = ((wide) a * b + c - 1) / c;

	*out = (uint64_t) v;
	return v <= MOST;
}

bool cost_money(const char *decimal, uint64_t *micro) {
	size_t before = strspn(decimal, "0123456789"),
	       after = decimal[before] == '.' ? strspn(decimal + before + 1, "0123456789") : 0;
	uint64_t v = 0;

	if (!before || before > 9 || after > 6 ||
	    decimal[before + (decimal[before] == '.') + after])
		return false;
	for (size_t i = 0; i < before; i++)
		v = v * 10 + (uint64_t) (decimal[i] - '0');
	for (size_t i = 0; i < 6; i++)
		v = v * 10 + (i < after ? (uint64_t) (decimal[before + 1 + i] - '0') : 0);
	*micro = v;
	return true;
}

/* ---- speed ---- */

static bool rate(uint64_t bandwidth, uint64_t tokens, wide bytes, uint64_t *milli) {
	wide v = bytes ? (wide) bandwidth * tokens * 1000 / bytes : 0;

	*milli = (uint64_t) v;
	return bytes && v <= MOST;
}

bool cost_ceiling(const struct cost_speed *s, uint64_t *empty, uint64_t *full, uint64_t *all) {
	wide weights = s->active_bytes, cells = s->kv_bytes;
	uint64_t at_first, at_last, together;

	if (!s->bandwidth || !s->active_bytes || !s->sequences || s->bandwidth > MOST ||
	    s->sequences > MOST >> 20)
		return false;
	if (!rate(s->bandwidth, 1, weights, &at_first) ||
	    !rate(s->bandwidth, 1, weights + cells, &at_last) ||
	    !rate(s->bandwidth, s->sequences, weights + cells * s->sequences, &together))
		return false;
	*empty = at_first;
	*full = at_last;
	*all = together;
	return true;
}

enum cost_efficiency cost_efficiency(uint64_t measured_milli, uint64_t ceiling_milli,
				     uint64_t *percent) {
	*percent = ceiling_milli
		? (uint64_t) (((wide) measured_milli * 100 + ceiling_milli / 2) / ceiling_milli)
		: 0;
	if (measured_milli > ceiling_milli)
		return COST_EFFICIENCY_IMPOSSIBLE;
	return (wide) measured_milli * 5 < ceiling_milli ? COST_EFFICIENCY_LOW
							 : COST_EFFICIENCY_FAIR;
}

const char *cost_efficiency_hint(enum cost_efficiency efficiency) {
	static const char *const hints[] = {
		[COST_EFFICIENCY_FAIR] = NULL,
		[COST_EFFICIENCY_LOW] = "suspiciously low: is a part of it computed on the CPU, or "
					"swapped? see llmdeploy logs for 'offloaded'",
		[COST_EFFICIENCY_IMPOSSIBLE] = "above what the bandwidth allows: the device, its "
					       "bandwidth or the model are not what was said",
	};

	return hints[efficiency];
}

/* ---- traffic ---- */

double cost_arrivals(uint64_t requests_per_month, bool bursty) {
	double month = (double) requests_per_month;

	return bursty ? month / 30 * COST_BUSY_HOUR / 100 / 3600 : month / COST_MONTH_S;
}

/* Erlang B by its recurrence, which never leaves [0, 1]; C from it. */
static double erlang_c(double load, uint64_t servers) {
	double b = 1, busy = load / (double) servers;

	for (uint64_t k = 1; k <= servers; k++)
		b = load * b / ((double) k + load * b);
	return b / (1 - busy * (1 - b));
}

void cost_queue_solve(struct cost_queue *q) {
	double load = q->arrivals_s * q->service_s, servers = (double) q->servers;

	q->utilization = load / servers;
	q->waits = q->wait_s = q->wait_p95_s = 0;
	if (q->utilization >= 1)
		return;
	/* Whoever waits, waits exponentially long, with the mean that the free part of the servers
	 * gives. */
	double mean = q->service_s / (servers * (1 - q->utilization));
	q->waits = erlang_c(load, q->servers);
	q->wait_s = q->waits * mean;
	q->wait_p95_s = q->waits > 0.05 ? mean * log(q->waits / 0.05) : 0;
}

/* ---- money ---- */

static bool hosted_month(const struct cost_money_month *m, uint64_t requests, uint64_t *out) {
	uint64_t in, answer;

	if (m->per_1k_requests)
		return scale_up(m->per_1k_requests, requests, 1000, out);
	wide tokens_in = (wide) requests * m->prompt_tokens,
	     tokens_out = (wide) requests * m->output_tokens;
	if (tokens_in > MOST || tokens_out > MOST ||
	    !scale_up(m->input_per_million, (uint64_t) tokens_in, 1000000, &in) ||
	    !scale_up(m->output_per_million, (uint64_t) tokens_out, 1000000, &answer))
		return false;
	*out = in + answer;
	return *out <= MOST;
}

bool cost_tokens(uint64_t input, uint64_t output, uint64_t input_per_million,
		 uint64_t output_per_million, uint64_t *micro) {
	wide v = (wide) input * input_per_million + (wide) output * output_per_million;

	if (input > MOST || output > MOST || input_per_million > MOST ||
	    output_per_million > MOST || (v + 999999) / 1000000 > MOST)
		return false;
	*micro = (uint64_t) ((v + 999999) / 1000000);
	return true;
}

/* Price of a million requests, so that nothing is lost. */
static bool crossover(const struct cost_money_month *m, uint64_t local, uint64_t *out) {
	uint64_t million;

	if (!hosted_month(m, 1000000, &million))
		return false;
	*out = 0;
	return !million || scale_up(local, 1000000, million, out);
}

bool cost_compare(const struct cost_money_month *m, struct cost_verdict *out) {
	struct cost_verdict v = {.local = m->hardware};
	const uint64_t more[] = {m->power, m->staff, m->maintenance};

	for (size_t i = 0; i < sizeof more / sizeof *more; i++)
		if (__builtin_add_overflow(v.local, more[i], &v.local))
			return false;
	if (v.local > MOST ||
	    (!m->per_1k_requests && !m->input_per_million && !m->output_per_million))
		return false;
	if (!hosted_month(m, m->requests, &v.hosted) || !crossover(m, v.local, &v.crossover))
		return false;
	v.local_candidate = v.local < v.hosted;
	*out = v;
	return true;
}
