#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "host/host.h"
#include "json/json.h"
#include "root/root.h"
#include "size/size.h"

/* Design: one rule says what each container of a route should be doing when no operation is on its way. It is applied after
 * each commit and by each recovery, so that what a crash left in between is put right by whoever comes next. */

/* Both may run at once: the memory for both was planned, or the manifest wants it so. */
static bool keep_warm(const struct lock *now, const struct lock *before) {
	struct host_facts host;
	struct err ignored = {0};
	uint64_t both;

	if (strcmp(before->previous, "auto"))
		return !strcmp(before->previous, "warm");
	if (host_read("", &host, &ignored) || __builtin_add_overflow(now->planned_bytes, before->planned_bytes, &both))
		return false;
	return size_admits(host_memory(&host), now->reserve_percent, both);
}

/* Who may run: the active release, and the one that a rollback would go to, where both fit. */
struct duties {
	char *active, *target;
	bool warm;
};

static void duties_done(struct duties *d) {
	free(d->active);
	free(d->target);
}

static int duties_of(struct rollout_session *s, struct duties *d, struct err *e) {
	struct release target CLEANUP(release_done) = RELEASE_INIT;
	struct lock *now CLEANUP(lock_freep) = NULL, *before CLEANUP(lock_freep) = NULL;
	struct err none = {0};

	if (release_active_name(&s->route, &d->active, e))
		return -1;
	if (!d->active || release_rollback_target(&s->route, NULL, &target, &none))
		return 0;
	d->target = mem_strdup(target.version);
	if (!rollout_lock_of(&s->route, d->active, &now, &none) && !lock_parse(target.version, target.lock, target.lock_len, &before, &none))
		d->warm = keep_warm(now, before);
	return 0;
}

static bool is_up(const char *state) {
	return !strcmp(state, "running") || !strcmp(state, "restarting") || !strcmp(state, "paused");
}

/* A release that cannot be read just now is not one that is not there: its container may be serving. */
static bool is_stray(struct rollout_session *s, const char *version, const char *digest) {
	struct lock *l CLEANUP(lock_freep) = NULL;
	struct err unread = {0};

	if (!version || !digest)
		return true;
	if (rollout_lock_of(&s->route, version, &l, &unread))
		return unread.code == ERR_USAGE;
	return strcmp(l->digest, digest) != 0;
}

static int tidy_one(struct rollout_session *s, const struct duties *d, const struct docker_container_entry *c, struct tidied *done,
		    struct err *e) {
	const char *version = json_str(c->labels, ROLLOUT_LABEL_VERSION), *digest = json_str(c->labels, ROLLOUT_LABEL_LOCK);
	struct lock *l CLEANUP(lock_freep) = NULL;
	struct err unread = {0};
	char id[LOCK_ID];

	if (is_stray(s, version, digest)) {
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		done->removed++;
		return docker_container_remove(s->x->docker, c->id, true, e) || (*id && release_run_remove(s->x->root, id, e)) ? -1 : 0;
	}
	bool is_target = d->target && !strcmp(version, d->target);
	if ((d->active && !strcmp(version, d->active)) || !is_up(c->state))
		return 0;
	if (is_target && d->warm) {
		done->warm = true;
		return 0;
	}
	if (rollout_lock_of(&s->route, version, &l, &unread))
		return 0;
	done->stopped++;
	return container_stop(s->x, l, e);
}

int tidy(struct rollout_session *s, struct tidied *done, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROOT "=%s", s->x->root->id);
	char *route CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROUTE "=%s", s->route.name);
	const char *const labels[] = {root, route, NULL};
	struct docker_containers list CLEANUP(docker_containers_done) = {0};
	struct duties d CLEANUP(duties_done) = {0};

	if (duties_of(s, &d, e) || docker_container_list(s->x->docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		if (tidy_one(s, &d, &list.at[i], done, e))
			return -1;
	return 0;
}
