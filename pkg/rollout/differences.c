/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "rollout/drift_internal.h"

void rollout_differences_done(struct rollout_differences *d) {
	for (size_t i = 0; i < d->n; i++) {
		free(d->at[i].what);
		free(d->at[i].want);
		free(d->at[i].have);
	}
	free(d->at);
	*d = (struct rollout_differences){0};
}

void difference_add(struct rollout_differences *d, enum rollout_drift kind, const char *what, const char *want, const char *have) {
	d->at = mem_grow(d->at, d->n + 1, sizeof *d->at);
	d->at[d->n++] = (struct rollout_difference){kind, mem_strdup(what), mem_strdup(want), mem_strdup(have)};
}
