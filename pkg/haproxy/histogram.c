/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/histogram.h"

static const uint64_t edges[HAPROXY_BUCKETS] = {1,     2,     5,     10,     20,     35,
						50,    75,    100,   150,    200,    350,
						500,   750,   1000,  1500,   2500,   5000,
						10000, 20000, 45000, 120000, 600000, UINT64_MAX};

uint64_t haproxy_bucket_ms(size_t i) {
	return edges[i];
}
