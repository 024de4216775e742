/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "eval/eval.h"

/* The rank of the order statistic that is at or above p95 with 95 % confidence for n samples,
 * whatever their distribution: the smallest k with P(Binomial(n, 0.95) < k) >= 0.95. 0: there is
 * none (n < 59). */
size_t eval_p95_rank(size_t n);

/* Fills latency, passed and reasons from the phases. */
void eval_decide(struct eval_result *r);
