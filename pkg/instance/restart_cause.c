/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "instance/instance.h"
#include "root/root.h"

/* Design: a container with a restart policy comes back after a crash, after the Engine's restart
 * and after a boot, as it should. What tells that from someone's `docker restart` or `docker start`
 * is what came before the start: a stop by hand is an event of its own. A crash is counted
 * (RestartCount, which a start by hand resets), and an Engine that was restarted remembers nothing
 * before its own start. */
struct restart_cause {
	bool started, died, by_hand;
};

static bool note_event(void *ctx, const struct docker_event *ev) {
	struct restart_cause *s = ctx;

	s->started = s->started || !strcmp(ev->action, "start");
	s->died = s->died || !strcmp(ev->action, "die");
	s->by_hand = s->by_hand || !strcmp(ev->action, "stop") || !strcmp(ev->action, "restart") ||
		!strcmp(ev->action, "kill");
	return true;
}

/* What the Engine has to tell of this release's container since then. False: it cannot be asked. */
static bool read_events(const struct instance_ctx *ctx, const struct lockfile *l, int64_t since_ms,
			struct restart_cause *s) {
	char *lock CLEANUP(freep) = mem_printf(INSTANCE_LABEL_LOCK "=%s", l->digest);
	char *root CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROOT "=%s", ctx->root->id);
	const char *const labels[] = {lock, root, NULL};
	struct err unheard = {0};

	return !docker_events(ctx->docker, labels, since_ms, clock_unix_ms(), note_event, s,
			      &unheard);
}

bool instance_was_stopped(const struct instance_ctx *ctx, const struct lockfile *l,
			  const struct docker_container *c) {
	struct restart_cause s = {0};

	/* A Docker that knows neither of its start nor of its death was started after both, and
	 * ended it. */
	return read_events(ctx, l, instance_stamp_ms(c->started_at), &s) &&
		(s.by_hand || (!s.started && !s.died));
}

bool instance_started_by_hand(const struct instance_ctx *ctx, const struct lockfile *l,
			      const struct docker_container *c, const char *time) {
	struct restart_cause s = {0};
	int64_t then;

	if (c->restarts > 0)
		return false;
	/* A record's time has whole seconds: within the second it may have been us. */
	if (!time || !clock_parse(time, &then) || !read_events(ctx, l, (then + 1) * 1000, &s))
		return true;
	/* Podman has no event of a stop. It counts what its restart policy did, and that is known
	 * already. */
	return s.by_hand || !s.started || docker_is_podman(ctx->docker);
}
