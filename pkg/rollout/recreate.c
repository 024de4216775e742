/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

/* Strategy recreate: the device holds one release only. Who is active stops before the next one
 * starts, and its clients have the fallback meanwhile, or 503 with Retry-After. The symlink stays
 * where it is: until the flip the release that is active is the one to come back to. */

bool recreate_needed(struct rollout_session *s, const struct lockfile *a,
		     const struct lockfile *b) {
	return traffic_has_gateway(s->ctx) &&
		(!strcmp(a->strategy, "recreate") || !strcmp(b->strategy, "recreate"));
}

static int record_recreate(struct rollout_session *s, enum event event, const struct lockfile *next,
			   const struct lockfile *old, struct err *e) {
	struct json *r = record_new(event, next);

	char *detail CLEANUP(freep) = mem_printf("'%s' is stopped first", old->version);

	json_set_str(r, "from", old->version);
	json_set_str(r, "detail", detail);
	return record_put(s, r, e);
}

static void announce(struct rollout_session *s, const struct lockfile *old) {
	const char *who = json_get(json_get(old->tree, "gateway"), "fallback")
		? "the fallback answers where it may, else 503 with Retry-After"
		: "clients get 503 with Retry-After";

	progress_warn(s->ctx->base.progress,
		      "until the next release passes its gate, no release serves this route", who);
}

int recreate_stop(struct rollout_session *s, const struct lockfile *old, uint64_t drain_ms,
		  struct err *e) {
	progress_step(s->ctx->base.progress, "stop previous release");
	if (traffic_shift(s->ctx, s->route.name, NULL, e) ||
	    traffic_drain(s, old, drain_ms, e) ||
	    instance_stop(&s->ctx->base, old, e))
		return -1;
	progress_done(s->ctx->base.progress, "stop previous release", old->version);
	return 0;
}

int recreate_begin(struct rollout_session *s, const struct lockfile *next,
		   const struct lockfile *old, struct err *e) {
	/* 1. Said before anybody can see it. 2. New requests go elsewhere, what is in flight ends,
	 * it stops. 3. It is so. */
	announce(s, old);
	if (record_recreate(s, EVENT_STOP_INTENT, next, old, e) ||
	    recreate_stop(s, old, next->drain_ms, e))
		return -1;
	return record_recreate(s, EVENT_STOPPED, next, old, e);
}

int recreate_restore(struct rollout_session *s, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &active, e))
		return -1;
	if (!active)
		return 0;
	progress_note(s->ctx->base.progress, "the previous release is started again", active);
	if (rollout_lockfile_of(&s->route, active, &l, e) ||
	    instance_start_kept(&s->ctx->base, l, e) ||
	    traffic_assign_slot(s->ctx, l, e) ||
	    traffic_shift(s->ctx, l->route, l, e))
		return -1;
	return record_put(s, record_new(EVENT_RESTORED, l), e);
}
