/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "gateway/gateway.h"
#include "root/root.h"
#include "json/json.h"

/* Design: gateway/state follows from what the links `active` name, so a damaged or missing one is
 * created again from them, for all routes at once: a state with one route alone would take the
 * others from HAProxy. What a candidate or a warm release had there, each route's own recovery
 * brings back. */

struct actives {
	struct lockfile **at;
	bool *stopped; /* of the route: it is known to the gateway, and leads to no release */
	size_t n;
};

static void actives_done(struct actives *a) {
	for (size_t i = 0; i < a->n; i++)
		lockfile_free(a->at[i]);
	free(a->at);
	free(a->stopped);
}

/* A route whose release cannot be read is told of by verify, and does not keep the others from
 * their traffic. */
static void add(const struct rollout *ctx, const char *name, struct actives *a) {
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	enum release_state state;
	struct err why = {0};

	if (release_route_open(ctx->base.root, name, false, &r, &why) ||
	    release_active_name(&r, &active, &why) ||
	    (active && rollout_lockfile_of(&r, active, &l, &why)) ||
	    (active && release_state(&r, &state, NULL, &why)))
		progress_warn(ctx->base.progress,
			      "the gateway is configured without a route that cannot be read",
			      why.msg);
	else if (l) {
		a->stopped[a->n] = state == RELEASE_STOPPED;
		a->at[a->n++] = STEAL(l);
	}
}

static int find_actives(const struct rollout *ctx, struct actives *a, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_routes(ctx->base.root, &names, &n, e))
		return -1;
	a->at = mem_zalloc(n + 1, sizeof *a->at);
	a->stopped = mem_zalloc(n + 1, sizeof *a->stopped);
	for (size_t i = 0; i < n; i++)
		add(ctx, names[i], a);
	return 0;
}

int recover_gateway_state(struct rollout_session *s, struct err *e) {
	struct actives a CLEANUP(actives_done) = {0};
	char *aside CLEANUP(freep) = NULL;
	struct err fault = {0};
	bool there;

	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (!gateway_state_readable(s->ctx->gateway, &there, &fault) && there)
		return 0;
	if (find_actives(s->ctx, &a, e))
		return -1;
	/* Nothing is lost where nothing was. */
	if (!there && !a.n)
		return 0;
	if (gateway_rebuild(s->ctx->gateway, (const struct lockfile *const *) a.at, a.n, &aside, e))
		return err_wrap(e, "gateway/state is %s and cannot be rebuilt",
				there ? "damaged" : "missing");
	for (size_t i = 0; i < a.n; i++)
		if (a.stopped[i] && gateway_flip(s->ctx->gateway, a.at[i]->route, NULL, e))
			return err_wrap(e, "route '%s' is stopped", a.at[i]->route);
	char *what CLEANUP(freep) =
		mem_printf("gateway/state was %s and is rebuilt from the active releases%s%s",
			   there ? "damaged" : "missing", aside ? "; " : "", aside ? aside : "");
	progress_warn(s->ctx->base.progress, "the gateway", what);
	struct json *r = record_new(EVENT_REALIGNED, NULL);
	json_set_str(r, "what", what);
	return record_put(s, r, e);
}
