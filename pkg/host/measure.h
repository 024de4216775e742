/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct host_facts;

/* Memory bandwidth as it is: every processor reads buffers that are larger than the caches, in
 * rounds; the best round counts, because whatever else runs can only take away. Bounded in time and
 * in memory. */
struct host_measure {
	uint64_t bytes_per_second;
	uint64_t buffer_bytes; /* of all threads together */
	unsigned threads, rounds;
	uint64_t took_ms; /* with the filling of the buffers */
};

/* At most `max_bytes` of memory, and about `max_ms` of reading. ERR_SYS: fewer bytes are free than
 * the caches hold twice, so that there would be nothing to measure; ERR_INTERRUPTED. */
int host_measure(const struct host_facts *h, uint64_t max_bytes, uint64_t max_ms,
		 struct host_measure *out, struct err *e);
/* What may be taken: a quarter of what is free, and no more than 2 GiB. */
uint64_t host_measure_bytes(const struct host_facts *h);

/* host.json in a root: the measurement, when it was made, and of which processor. */
int host_cache_write(int root, const struct host_facts *h, const struct host_measure *m,
		     int64_t unix_seconds, struct err *e);
/* Into h->bandwidth, if it is there and of the same processors; else nothing changes.
 * ERR_INTEGRITY: it cannot be understood. */
int host_cache_read(int root, struct host_facts *h, struct err *e);
