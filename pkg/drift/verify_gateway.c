/* SPDX-License-Identifier: Apache-2.0 */
#include "drift/internal.h"
#include "rollout/active.h"
#include "rollout/journal_records.h"
#include "rollout/reconcile.h"
#include "rollout/recreate.h"
#include "rollout/traffic.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* What a server of the route should be doing, by what it leads to. */
static const char *should(const struct gateway_server *sv, const struct lockfile *active) {
	return active && !strcmp(sv->id, active->id) ? "ready" : "maint";
}

static void differ_in_weight(struct drift_differences *d, const char *what, uint64_t weight) {
	char have[32];

	(void) snprintf(have, sizeof have, "weight %llu", (unsigned long long) weight);
	difference_add(d, DRIFT_GATEWAY, what, "weight 1", have);
}

static void compare_server(struct drift_differences *d, size_t i, const struct gateway_server *sv,
			   const struct lockfile *active) {
	const char *want = should(sv, active);
	char *what CLEANUP(freep) = mem_printf("gateway slot %c%s%s%s", 'a' + (int) i,
					       *sv->id ? " ('" : "", sv->version,
					       *sv->id ? "')" : "");

	if (strcmp(sv->want, want))
		difference_add(d, DRIFT_GATEWAY, what, want, sv->want);
	else if (*sv->id && !traffic_has(sv, want))
		difference_add(d, DRIFT_GATEWAY, what, want,
			       *sv->have ? sv->have : "no answer from the gateway");
	else if (!strcmp(want, "ready") && !sv->up)
		difference_add(d, DRIFT_GATEWAY, what, "up",
			       "down: it does not pass the gateway's health check");
	else if (!strcmp(want, "ready") && sv->weight != 1)
		differ_in_weight(d, what, sv->weight);
}

static void compare_view(struct drift_differences *d, const struct gateway_route_view *v,
			 const struct lockfile *active) {
	bool seated = false;

	for (size_t i = 0; i < 2; i++) {
		compare_server(d, i, &v->servers[i], active);
		seated |= active && !strcmp(v->servers[i].id, active->id);
	}
	if (active && !seated)
		difference_add(d, DRIFT_GATEWAY, "gateway", active->version,
			       v->known ? "not in a slot" : "the route is not configured");
	if (v->canary_percent) {
		char have[16];
		(void) snprintf(have, sizeof have, "%u %%", v->canary_percent);
		difference_add(d, DRIFT_GATEWAY, "canary's share", "0 %", have);
	}
}

static void found(void *ctx, const char *what, const char *want, const char *have) {
	difference_add(ctx, DRIFT_GATEWAY, what, want, have);
}

/* Of several routes the first one tells of it. */
static bool is_whole(struct drift_differences *d, const struct rollout *ctx) {
	struct err fault = {0};
	bool there;

	if (!gateway_state_readable(ctx->gateway, &there, &fault))
		return true;
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->at[i].what, "gateway/state"))
			return false;
	difference_add(d, DRIFT_GATEWAY, "gateway/state", "what the gateway should do", fault.msg);
	return false;
}

int verify_gateway(struct drift_differences *d, const struct rollout *ctx, const char *route,
		   const struct lockfile *active, struct err *e) {
	struct gateway_route_view v;
	struct gateway_view g;

	if (!traffic_has_gateway(ctx))
		return 0;
	if (!is_whole(d, ctx))
		return 0;
	if (gateway_status(ctx->gateway, &g, e) ||
	    gateway_status_route(ctx->gateway, route, &v, e))
		return -1;
	if (!v.known && !active)
		return 0;
	if (!g.running)
		difference_add(d, DRIFT_GATEWAY, "gateway", "running", "not running");
	else
		compare_view(d, &v, active);
	return gateway_compare(ctx->gateway, route, found, d, e);
}
