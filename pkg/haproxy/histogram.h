/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Histograms of times, as HAProxy's counters keep them. */
#define HAPROXY_BUCKETS 24
/* The upper edge of a bucket; UINT64_MAX: the last one. */
uint64_t haproxy_bucket_ms(size_t i);
