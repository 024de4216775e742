#include "rollout/internal.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

/* Strategy recreate: the device holds one release only. Who is active stops before the next one starts, and its clients have the
 * fallback meanwhile, or 503 with Retry-After. The symlink stays where it is: until the flip the release that is active is the one
 * to come back to. */

bool room_for_one(struct rollout_session *s, const struct lockfile *a, const struct lockfile *b) {
	return traffic_guided(s->x) && (!strcmp(a->strategy, "recreate") || !strcmp(b->strategy, "recreate"));
}

static int record_room(struct rollout_session *s, const char *event, const struct lockfile *next, const struct lockfile *old, struct err *e) {
	struct json *r = record_new(event, next);

	char *detail CLEANUP(freep) = mem_printf("'%s' makes room", old->version);

	json_set_str(r, "from", old->version);
	json_set_str(r, "detail", detail);
	return record_put(s, r, e);
}

static void announce(struct rollout_session *s, const struct lockfile *old) {
	const char *who = json_get(json_get(old->tree, "gateway"), "fallback") ? "the fallback answers where it may, else 503 with Retry-After"
									      : "clients get 503 with Retry-After";

	progress_warn(s->x->progress, "from now until the next release is proved nobody has this route's traffic", who);
}

int room_clear(struct rollout_session *s, const struct lockfile *old, uint64_t drain_ms, struct err *e) {
	progress_step(s->x->progress, "stop the release before");
	if (traffic_turn(s->x, s->route.name, NULL, e) || traffic_drain(s, old, drain_ms, e) || container_stop(s->x, old, e))
		return -1;
	progress_done(s->x->progress, "stop the release before", old->version);
	return 0;
}

int room_make(struct rollout_session *s, const struct lockfile *next, const struct lockfile *old, struct err *e) {
	/* 1. Said before anybody can see it. 2. New requests go elsewhere, what is in flight ends, it stops. 3. It is so. */
	announce(s, old);
	if (record_room(s, "stop_intent", next, old, e) || room_clear(s, old, next->drain_ms, e))
		return -1;
	return record_room(s, "stopped", next, old, e);
}

static int stand_up(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = rollout_container_name(s->x->root, l);

	return container_start(s->x, l, e) || prove_ready(s->x, l, NULL, e) ||
	       docker_container_set_restart(s->x->docker, name, DOCKER_RESTART_KEEP, e) ? -1 : 0;
}

int room_give_back(struct rollout_session *s, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;

	if (release_active_name(&s->route, &active, e))
		return -1;
	if (!active)
		return 0;
	progress_note(s->x->progress, "the release before is started again", active);
	if (rollout_lockfile_of(&s->route, active, &l, e) || stand_up(s, l, e) || traffic_seat(s->x, l, e) || traffic_turn(s->x, l->route, l, e))
		return -1;
	return record_put(s, record_new("restored", l), e);
}
