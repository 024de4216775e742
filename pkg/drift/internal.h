/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "drift/drift.h"

void difference_add(struct drift_differences *d, enum drift_kind kind, const char *what,
		    const char *want, const char *have);
int verify_route(const struct rollout *ctx, const struct release_route *r, bool paranoid,
		 struct drift_differences *d, struct err *e);
/* What the gateway does with the route, against the symlink; `active` NULL: none. */
int verify_gateway(struct drift_differences *d, const struct rollout *ctx, const char *route,
		   const struct lockfile *active, struct err *e);

void repair_note(const struct rollout *ctx, struct drift_repairs *out, const char *what,
		 const char *how);
