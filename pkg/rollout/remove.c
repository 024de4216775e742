/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "root/root.h"
#include "json/json.h"

/* Design: after the drain a removal only goes forward, from the outside in: the gateway, the
 * containers, the link, the releases. Each step is the same when it is done again, so recovery runs
 * them all. What it leaves is the journal, and the attempts beside it. */

static int record_remove(struct rollout_session *s, const struct lockfile *l, const char *active,
			 bool purge, struct err *e) {
	struct json *r = record_new(EVENT_REMOVE, l);
	char **versions CLEANUP(freep) = NULL;
	struct json *list = json_array();
	size_t n;

	s->began_ms = clock_mono_ms();
	json_set_str(r, "from", active ? active : "");
	json_set_bool(r, "purge", purge);
	json_set(r, "releases", list);
	journal_sign(r, s->ctx->tool, s->ctx->command);
	if (release_list(&s->route, &versions, &n, e)) {
		json_free(r);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		json_push_str(list, versions[i]);
	return record_put(s, r, e);
}

/* Its listener and its servers; other routes keep theirs. */
static int leave_gateway(struct rollout_session *s, struct err *e) {
	char *links CLEANUP(freep) = mem_printf("run/routes/%s", s->route.name);

	if (!traffic_has_gateway(s->ctx))
		return 0;
	/* The second where a removal was cut off between the state and the process. */
	if (gateway_remove(s->ctx->gateway, s->route.name, e) ||
	    gateway_ensure(s->ctx->gateway, e))
		return -1;
	return fs_exists(s->ctx->base.root->fd, links)
		? fs_remove_tree(EFFECT_GATEWAY_LINK, s->ctx->base.root->fd, links, e)
		: 0;
}

static int remove_containers(struct rollout_session *s, struct err *e) {
	struct docker_containers list CLEANUP(docker_containers_done) = {0};

	if (instance_list(&s->ctx->base, s->route.name, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		const char *digest = json_str(list.at[i].labels, INSTANCE_LABEL_LOCK);
		char id[LOCKFILE_ID];
		if (docker_container_remove(s->ctx->base.docker, list.at[i].id, true, e))
			return -1;
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		if (*id && release_run_remove(s->ctx->base.root, id, e))
			return -1;
	}
	return 0;
}

/* The names of its images; their layers stay in the store until gc. One that another root's
 * container uses stays. */
static int remove_images(struct rollout_session *s, struct err *e) {
	char *prefix CLEANUP(freep) =
		mem_printf("localhost/llmdeploy-%.8s/%s:", s->ctx->base.root->id, s->route.name);
	const char *const labels[] = {INSTANCE_LABEL_ROUTE, NULL};
	struct docker_images list CLEANUP(docker_images_done) = {0};
	bool in_use;

	if (docker_image_list(s->ctx->base.docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		for (const struct json *t = json_first(list.at[i].tags); t; t = json_next(t))
			if (text_starts(json_text(t), prefix) &&
			    docker_image_remove(s->ctx->base.docker, json_text(t), false, &in_use,
						e))
				return -1;
	return 0;
}

/* The link first: a release that it names is not removed. One that cannot be read goes, too. */
static int remove_releases(struct rollout_session *s, struct err *e) {
	char **versions CLEANUP(freep) = NULL;
	size_t n;

	if (release_flip(&s->route, NULL, e) ||
	    release_list(&s->route, &versions, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct lockfile *l CLEANUP(lockfile_freep) = NULL;
		struct err unread = {0};
		if (!rollout_lockfile_of(&s->route, versions[i], &l, &unread) &&
		    release_run_remove(s->ctx->base.root, l->id, e))
			return -1;
		if (release_remove(&s->route, versions[i], e))
			return -1;
	}
	return 0;
}

static int take_apart(struct rollout_session *s, struct err *e) {
	if (leave_gateway(s, e))
		return -1;
	if (remove_containers(s, e) ||
	    remove_images(s, e))
		return -1;
	if (remove_releases(s, e))
		return -1;
	return record_put(s, record_new(EVENT_REMOVED, NULL), e);
}

static int finish(struct rollout_session *s, struct err *e) {
	struct err why = {0};

	progress_step(s->ctx->base.progress, "remove the route");
	interrupt_hold();
	int r = take_apart(s, &why);
	interrupt_release();
	if (r)
		return err_set(e, why.code,
			       "%.350s; the removal has begun: llmdeploy recover %s finishes it",
			       why.msg, s->route.name);
	progress_done(s->ctx->base.progress, "remove the route", s->route.name);
	return 0;
}

/* The journal goes last, and the root's own journal says so. */
int rollout_purge(struct rollout_session *s, struct err *e) {
	struct json *r CLEANUP(json_freep) = record_new(EVENT_ROUTE_PURGED, NULL);
	uint64_t began = clock_mono_ms();
	int root CLEANUP(closep) = -1;

	json_set_str(r, "route", s->route.name);
	if (root_lock(s->ctx->base.root, s->ctx->command, s->ctx->lock_wait_ms, &root, e))
		return -1;
	interrupt_hold();
	int status = 0;
	if (release_route_purge(s->ctx->base.root, &s->route, e) ||
	    journal_note(s->ctx->base.root, s->ctx->tool, s->ctx->command, r, began, e))
		status = -1;
	interrupt_release();
	return status;
}

static int remove_route(struct rollout_session *s, bool purges, struct rollout_result *out,
			struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	struct err damaged = {0}, cause = {0};
	enum release_state state;

	/* A route that is damaged can be removed: then there is no drain. */
	if (release_active_name(&s->route, &active, &damaged) ||
	    (active && rollout_lockfile_of(&s->route, active, &l, &damaged)))
		progress_warn(s->ctx->base.progress,
			      "the active release cannot be read: its requests are not drained",
			      damaged.msg);
	(void) snprintf(out->from, sizeof out->from, "%s", active ? active : "");
	if (release_state(&s->route, &state, NULL, e) ||
	    record_remove(s, l, active, purges, e))
		return -1;
	if (l && state == RELEASE_STARTED &&
	    (interrupt_check(&cause) || stop_traffic(s, l, &cause)))
		return stop_undone(s, l, &cause, e);
	return finish(s, e);
}

int rollout_remove(struct rollout_session *s, bool purges, struct rollout_result *out,
		   struct err *e) {
	struct rollout_result result = {.outcome = ROLLOUT_SWITCHED};
	uint64_t began = clock_mono_ms();
	enum release_state state;

	if (release_state(&s->route, &state, NULL, e))
		return -1;
	if (state == RELEASE_REMOVED)
		result.outcome = ROLLOUT_NOTHING;
	else if (remove_route(s, purges, &result, e))
		return -1;
	result.total_ms = clock_mono_ms() - began;
	*out = result;
	return 0;
}

int remove_again(struct rollout_session *s, const char **what, struct err *e) {
	*what = "the removal was finished";
	return take_apart(s, e);
}
