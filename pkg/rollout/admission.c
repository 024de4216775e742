/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include "capacity/capacity.h"
#include "host/host.h"

int admission_fits(const struct lockfile *l, uint64_t beside_bytes, struct admission *out,
		   struct err *e) {
	struct host_facts host;
	uint64_t bytes;

	if (host_read("", &host, e))
		return -1;
	out->memory = host_memory(&host);
	out->fits = !__builtin_add_overflow(l->planned_bytes, beside_bytes, &bytes) &&
		capacity_admits(out->memory, l->reserve_percent, bytes);
	return 0;
}
