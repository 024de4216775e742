/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/gateway.h"
#include "lockfile/lockfile.h"
#include "rollout/rollout.h"

/* What the gateway does with a route. Without a gateway each of these is done at once. */

/* there is a gateway between clients and releases */
bool traffic_has_gateway(const struct rollout *ctx);
/* The whole gateway's configuration with this release active is accepted by the HAProxy that will
 * load it (gateway_accepts); nothing is changed. */
int traffic_accepts(const struct rollout *ctx, const struct lockfile *l, bool is_new,
		    struct err *e);
/* The release has a slot, in maintenance where it is new. */
int traffic_assign_slot(const struct rollout *ctx, const struct lockfile *l, struct err *e);
/* All new requests to `to` (seated), or NULL: to no release. Tried a bounded number of times. */
int traffic_shift(const struct rollout *ctx, const char *route, const struct lockfile *to,
		  struct err *e);
/* What a release that gets nothing new has in flight ends, at most so long, and is then cut;
 * recorded. Only `route`, `version` and `id` of the lock are read. ERR_INTERRUPTED leaves it
 * draining. */
int traffic_drain(struct rollout_session *s, const struct lockfile *l, uint64_t for_ms,
		  struct err *e);
/* A canary gets nothing any more, and is drained. */
int traffic_stop_canary(struct rollout_session *s, const struct lockfile *l, struct err *e);
/* Is this the state that HAProxy itself has the server in ("UP", "DOWN 1/2", "MAINT", "DRAIN")? Its
 * health is another matter. */
bool traffic_has(const struct gateway_server *sv, const char *want);
/* What the gateway should do with a route while no operation is on its way: the active release is
 * ready, `beside` (or NULL) has the other slot in maintenance, nobody else has one. Repaired where
 * it is not so. */
struct traffic_desired {
	const struct lockfile *active, *beside;
};
int traffic_reconcile(struct rollout_session *s, const struct traffic_desired *d, uint64_t drain_ms,
		      struct err *e);
