/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "root/root.h"
#include "json/json.h"

/* Design: one rule says what each container of a route should be doing when no operation is on its
 * way. It is applied after each commit and by each recovery, so that what a crash left in between
 * is repaired by whoever comes next. */

/* Both may run at once: the memory for both was planned, or the manifest wants it so. */
static bool keep_warm(const struct lockfile *now, const struct lockfile *before) {
	return strcmp(before->previous, "auto") ? !strcmp(before->previous, "warm")
						: reconcile_fits(now, before);
}

bool reconcile_fits(const struct lockfile *now, const struct lockfile *before) {
	struct err ignored = {0};
	struct admission here;

	return !admission_fits(now, before->planned_bytes, &here, &ignored) && here.fits;
}

/* Who may run: the active release, and beside it the one that waits for a verdict, or else the one
 * that a rollback would go to, where both fit. */
struct desired {
	char *active, *held;
	struct lockfile *now, *beside; /* NULL: none, or not readable */
	bool warm;
	bool stopped; /* the route: then nobody may run, and none of these is set */
};

static void desired_done(struct desired *d) {
	free(d->active);
	free(d->held);
	lockfile_free(d->now);
	lockfile_free(d->beside);
}

static int desired_read(struct rollout_session *s, struct desired *d, struct err *e) {
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct lockfile *before CLEANUP(lockfile_freep) = NULL;
	enum release_state state;
	struct err none = {0};

	if (release_state(&s->route, &state, NULL, e))
		return -1;
	d->stopped |= state == RELEASE_STOPPED;
	if (d->stopped)
		return 0;
	if (release_active_name(&s->route, &d->active, e) ||
	    rollout_held(&s->route, &d->held, NULL, e))
		return -1;
	if (d->active)
		(void) rollout_lockfile_of(&s->route, d->active, &d->now, &none);
	if (d->held && !rollout_lockfile_of(&s->route, d->held, &d->beside, &none))
		return 0;
	if (!d->now || release_rollback_target(&s->route, NULL, &target, &none) ||
	    lockfile_parse(target.version, target.lockfile, target.lockfile_len, &before, &none))
		return 0;
	d->warm = keep_warm(d->now, before);
	if (d->warm)
		d->beside = STEAL(before);
	return 0;
}

static bool is_up(const char *state) {
	return !strcmp(state, "running") || !strcmp(state, "restarting") ||
		!strcmp(state, "paused");
}

/* Only who runs keeps a slot. */
static void forget_stopped(struct desired *d, const struct docker_containers *list) {
	for (size_t i = 0; d->beside && i < list->n; i++) {
		const char *digest = json_str(list->at[i].labels, INSTANCE_LABEL_LOCK);
		if (digest && !strcmp(digest, d->beside->digest) && is_up(list->at[i].state))
			return;
	}
	if (d->held)
		return;
	lockfile_free(d->beside);
	d->beside = NULL;
}

/* A release that cannot be read just now is not one that is not there: its container may be
 * serving. */
static bool is_stray(struct rollout_session *s, const char *version, const char *digest) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err unread = {0};

	if (!version || !digest)
		return true;
	if (rollout_lockfile_of(&s->route, version, &l, &unread))
		return unread.code == ERR_USAGE;
	return strcmp(l->digest, digest) != 0;
}

static int announce(struct rollout_session *s, const struct reconcile_options *how,
		    struct reconciled *done, struct err *e) {
	if (!how->announce || done->announced)
		return 0;
	done->announced = true;
	return record_put(s, record_new(EVENT_TIDYING, NULL), e);
}

static int reconcile_container(struct rollout_session *s, const struct desired *d,
			       const struct docker_container_entry *c,
			       const struct reconcile_options *how, struct reconciled *done,
			       struct err *e) {
	const char *version = json_str(c->labels, INSTANCE_LABEL_VERSION),
		   *digest = json_str(c->labels, INSTANCE_LABEL_LOCK);
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err unread = {0};
	char id[LOCKFILE_ID];

	if (is_stray(s, version, digest)) {
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		done->removed++;
		if (announce(s, how, done, e) ||
		    docker_container_remove(s->ctx->base.docker, c->id, true, e) ||
		    (*id && release_run_remove(s->ctx->base.root, id, e)))
			return -1;
		return 0;
	}
	if (d->active && !strcmp(version, d->active))
		return 0;
	/* In a stopped route, also what was stopped by hand must not come back with the next start
	 * of Docker. */
	if (!is_up(c->state))
		return how->stopped
			? docker_container_set_restart(s->ctx->base.docker, c->id, "no", e)
			: 0;
	if (d->beside && !strcmp(version, d->beside->version)) {
		done->warm = d->warm;
		/* A version before this one kept it by another policy. */
		return d->warm ? instance_keep(&s->ctx->base, d->beside, e) : 0;
	}
	if (rollout_lockfile_of(&s->route, version, &l, &unread))
		return 0;
	done->stopped++;
	if (announce(s, how, done, e))
		return -1;
	if (how->hurry)
		return instance_stop_begin(&s->ctx->base, l, e);
	/* Its engine may take its whole stop timeout. */
	char *stopping CLEANUP(freep) = mem_printf("stopping '%s'", version);
	progress_state(s->ctx->base.progress, stopping, NULL);
	return instance_stop(&s->ctx->base, l, e);
}

/* What cannot be read is not taken away from its clients. */
static int reconcile_slots(struct rollout_session *s, const struct desired *d, uint64_t drain_ms,
			   struct err *e) {
	const struct traffic_desired slots = {.active = d->now, .beside = d->beside};

	return d->active && !d->now ? 0 : traffic_reconcile(s, &slots, drain_ms, e);
}

static int inspect(struct rollout_session *s, struct desired *d, struct docker_containers *list,
		   struct err *e) {
	char *root CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROOT "=%s", s->ctx->base.root->id);
	char *route CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROUTE "=%s", s->route.name);
	const char *const labels[] = {root, route, NULL};

	if (desired_read(s, d, e) ||
	    docker_container_list(s->ctx->base.docker, labels, list, e))
		return -1;
	forget_stopped(d, list);
	return 0;
}

int reconcile_traffic(struct rollout_session *s, struct err *e) {
	struct docker_containers list CLEANUP(docker_containers_done) = {0};
	struct desired d CLEANUP(desired_done) = {0};

	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (inspect(s, &d, &list, e) ||
	    reconcile_slots(s, &d, 0, e))
		return -1;
	return 0;
}

int reconcile(struct rollout_session *s, const struct reconcile_options *how,
	      struct reconciled *done, struct err *e) {
	struct docker_containers list CLEANUP(docker_containers_done) = {0};
	struct desired d CLEANUP(desired_done) = {.stopped = how->stopped};

	/* Nobody's container is stopped while it has a request. */
	if (inspect(s, &d, &list, e) ||
	    (!how->leave_traffic && reconcile_slots(s, &d, how->drain_ms, e)))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		if (reconcile_container(s, &d, &list.at[i], how, done, e))
			return -1;
	return 0;
}
