/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include "capacity/capacity.h"
#include "size/size.h"

enum plan_verdict plan_verdict_of(uint64_t capacity, unsigned reserve_percent, uint64_t planned,
				  uint64_t p95_ms, uint64_t gate_ms, bool asynchronous) {
	if (!capacity)
		return PLAN_UNKNOWN;
	if (!capacity_admits(capacity, reserve_percent, planned))
		return PLAN_TOO_LARGE;
	if (!gate_ms || p95_ms <= gate_ms)
		return PLAN_ADMITTED;
	return asynchronous ? PLAN_ASYNCHRONOUS : PLAN_TOO_SLOW;
}

const char *plan_verdict_name(enum plan_verdict v) {
	static const char *const names[] = {"admitted", "asynchronous",      "too large",
					    "too slow", "not known exactly", "unknown"};

	return names[v];
}

static enum plan_choice choice_of(const struct plan_candidate *k, uint64_t quality_min) {
	if (!k->fits)
		return PLAN_DROPPED;
	if (!k->rated)
		return PLAN_UNRATED;
	return k->quality < quality_min ? PLAN_POOR : PLAN_PASSES;
}

size_t plan_choose(struct plan_candidate *list, size_t n, uint64_t quality_min) {
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		list[i].choice = choice_of(&list[i], quality_min);
		if (list[i].choice != PLAN_DROPPED && list[i].choice != PLAN_POOR &&
		    (best == n || list[i].planned < list[best].planned))
			best = i;
	}
	if (best < n && list[best].choice == PLAN_PASSES)
		list[best].choice = PLAN_WINS;
	return best;
}

const char *plan_choice_name(enum plan_choice c) {
	static const char *const names[] = {"wins", "passes", "to be asked", "does not fit",
					    "below quality_min"};

	return names[c];
}
