/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/mem.h"
#include "drift/internal.h"

void drift_differences_done(struct drift_differences *d) {
	for (size_t i = 0; i < d->n; i++) {
		free(d->at[i].what);
		free(d->at[i].want);
		free(d->at[i].have);
	}
	free(d->at);
	*d = (struct drift_differences){0};
}

void difference_add(struct drift_differences *d, enum drift_kind kind, const char *what,
		    const char *want, const char *have) {
	d->at = mem_grow(d->at, d->n + 1, sizeof *d->at);
	d->at[d->n++] = (struct drift_difference){kind, mem_strdup(what), mem_strdup(want),
						  mem_strdup(have)};
}
