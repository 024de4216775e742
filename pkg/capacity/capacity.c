/* SPDX-License-Identifier: Apache-2.0 */
#include "capacity/capacity.h"

#include <assert.h>

#define MIB ((uint64_t) 1 << 20)

uint64_t capacity_percent(uint64_t n, unsigned percent) {
	return n / 100 * percent + (n % 100 * percent + 99) / 100;
}

uint64_t capacity_usable(uint64_t capacity, unsigned reserve_percent) {
	assert(reserve_percent <= 100);
	/* Rounded up, so that a byte of doubt goes to the reserve; divided first, so that it cannot
	 * overflow. */
	return capacity - capacity_percent(capacity, reserve_percent);
}

bool capacity_admits(uint64_t capacity, unsigned reserve_percent, uint64_t planned) {
	return planned <= capacity_usable(capacity, reserve_percent);
}

uint64_t capacity_limit(uint64_t host, unsigned reserve_percent) {
	uint64_t reserve = capacity_percent(host, reserve_percent), all;

	if (__builtin_add_overflow(host, reserve, &all) ||
	    __builtin_add_overflow(all, MIB - 1, &all))
		return UINT64_MAX / MIB * MIB;
	return all / MIB * MIB;
}
