/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* What a deployment earns its place with: how fast it can be, how many users it bears, and what it
 * costs beside a hosted service. Pure arithmetic: no file, no clock. Money is in whole millionths
 * of whatever currency the manifest means, and never a float; times and rates of the queue are
 * doubles, and go nowhere but to people. */

/* "1.80", "720.0": canonical decimal text of the manifest to millionths. False: more than six
 * decimals, or no number. */
bool cost_money(const char *decimal, uint64_t *micro);

/* ---- speed ---- */

/* Decoding reads every active weight and the cells of the context once a token, and no memory is
 * faster than its bandwidth. */
struct cost_speed {
	uint64_t bandwidth; /* bytes a second */
	/* weights and adapters that one token reads: of experts those that are used */
	uint64_t active_bytes;
	/* cells of one sequence with its context full, and its recurrent state */
	uint64_t kv_bytes;
	/* that are decoded together; the weights are read once for all of them */
	uint64_t sequences;
};

/* Thousandths of a token a second. False: a part is 0 or it overflows. `empty`: at the beginning of
 * a context, the ceiling; `full`: at its end; `all`: all sequences together, their contexts
 * full. */
bool cost_ceiling(const struct cost_speed *s, uint64_t *empty, uint64_t *full, uint64_t *all);

enum cost_efficiency {
	COST_EFFICIENCY_FAIR,
	/* below a fifth of the ceiling: some of it runs on the CPU, or memory is swapped */
	COST_EFFICIENCY_LOW,
	/* above the ceiling: bandwidth or model are not what was said */
	COST_EFFICIENCY_IMPOSSIBLE,
};
/* Whole percent of the ceiling, rounded. */
enum cost_efficiency cost_efficiency(uint64_t measured_milli, uint64_t ceiling_milli,
				     uint64_t *percent);

/* What to look for, or NULL where it is fair. */
const char *cost_efficiency_hint(enum cost_efficiency efficiency);

/* ---- traffic ---- */

#define COST_MONTH_S 2592000 /* 30 days */
#define COST_BUSY_HOUR 15    /* percent of a day's requests that a bursty day's busiest hour has */

/* Requests that arrive by chance (Poisson) and are served by `servers` sequences in `service_s`
 * each on average: M/M/c (A. K. Erlang 1917; L. Kleinrock, Queueing Systems I, 3.8). */
struct cost_queue {
	double arrivals_s; /* requests a second */
	double service_s;
	uint64_t servers;
	double utilization; /* 1 and more: the queue grows without end, and the three below are 0 */
	double waits;       /* share of the requests that wait at all (Erlang C) */
	double wait_s, wait_p95_s;
};
/* Arrivals a second in the busiest hour of a month with so many requests. */
double cost_arrivals(uint64_t requests_per_month, bool bursty);
/* Fills the last four from the first three; servers and service_s are greater than 0. */
void cost_queue_solve(struct cost_queue *q);

/* ---- money ---- */

struct cost_money_month {
	uint64_t requests, prompt_tokens, output_tokens; /* a month; tokens of one request */
	uint64_t hardware, power, staff, maintenance;    /* a month */
	uint64_t per_1k_requests;                        /* hosted; 0: by the token */
	uint64_t input_per_million, output_per_million;  /* hosted, a million tokens */
};
struct cost_verdict {
	uint64_t local, hosted; /* a month */
	/* requests a month from which local costs no more; 0: hosted costs nothing */
	uint64_t crossover;
	bool local_candidate; /* local costs less */
};
/* What so many tokens take at the prices of a million, in millionths, rounded up. False: beyond
 * 2^53. */
bool cost_tokens(uint64_t input, uint64_t output, uint64_t input_per_million,
		 uint64_t output_per_million, uint64_t *micro);
/* False: a sum is beyond 2^53, or hosted has no price. Fractions of a millionth are rounded up. */
bool cost_compare(const struct cost_money_month *m, struct cost_verdict *out);
