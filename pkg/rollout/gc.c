#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "gateway/image.h"
#include "journal/journal.h"
#include "json/json.h"
#include "root/root.h"
#include "store/store.h"

/* Design: mark and sweep. Roots are the releases that stay on disk; what their locks name stays,
 * everything else of this root goes. All route locks are held, so no apply is on its way while we look. */

struct marks {
	struct lock **locks; /* of the releases that stay */
	size_t n, cap;
};

struct sweep {
	const struct rollout *x;
	struct marks keep;
	struct gateway_image gateway; /* its layers are roots, too */
	bool dry_run;
	struct rollout_freed freed;
	char **dead; /* objects to remove, collected first: nothing is removed from under an iteration */
	size_t n_dead, cap_dead;
};

static void sweep_done(struct sweep *g) {
	gateway_image_done(&g->gateway);
	for (size_t i = 0; i < g->keep.n; i++)
		lock_free(g->keep.locks[i]);
	for (size_t i = 0; i < g->n_dead; i++)
		free(g->dead[i]);
	free(g->keep.locks);
	free(g->dead);
}

static void mark(struct marks *m, struct lock *l) {
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 16;
		m->locks = mem_grow(m->locks, m->cap, sizeof(struct lock *));
	}
	m->locks[m->n++] = l;
}

static bool is_among(char *const *names, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* The active release's `keep` decides how many committed ones stay beside it. */
static int keep_of(const struct release_route *r, const char *active, size_t *keep, struct err *e) {
	struct lock *l CLEANUP(lock_freep) = NULL;

	*keep = 5;
	if (!active)
		return 0;
	if (rollout_lock_of(r, active, &l, e))
		return -1;
	*keep = (size_t) l->keep;
	return 0;
}

static void keep_version(struct arena *a, char **kept, size_t *n, const char *version) {
	if (version && !is_among(kept, *n, version))
		kept[(*n)++] = arena_strdup(a, version);
}

/* What stays of a route: active, held, where a rollback goes, and the newest committed ones. */
static int kept_versions(const struct release_route *r, struct arena *a, char ***kept, size_t *n, struct err *e) {
	char **committed CLEANUP(freep) = NULL, *active CLEANUP(freep) = NULL, *held CLEANUP(freep) = NULL, *reason CLEANUP(freep) = NULL;
	struct release target = RELEASE_INIT;
	struct err none = {0};
	size_t n_committed, keep;

	if (release_active_name(r, &active, e) || release_committed(r, &committed, &n_committed, e) || keep_of(r, active, &keep, e) ||
	    rollout_held(r, &held, &reason, e))
		return -1;
	*kept = arena_zalloc(a, n_committed + 3, sizeof **kept);
	*n = 0;
	keep_version(a, *kept, n, active);
	keep_version(a, *kept, n, held);
	if (!release_rollback_target(r, NULL, &target, &none))
		keep_version(a, *kept, n, target.version);
	release_done(&target);
	/* Damaged is not absent: what it names must not go while somebody may put it right. */
	if (none.code && none.code != ERR_USAGE)
		return err_set(e, none.code, "%s", none.msg);
	for (size_t i = 0; i < n_committed && i < keep; i++)
		keep_version(a, *kept, n, committed[i]);
	return 0;
}

static int gc_route(struct sweep *g, const struct release_route *r, struct err *e) {
	struct arena *a CLEANUP(arena_freep) = arena_new();
	char **all CLEANUP(freep) = NULL, **kept;
	size_t n, n_kept;

	if (kept_versions(r, a, &kept, &n_kept, e) || release_list(r, &all, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct lock *l = NULL;
		if (is_among(kept, n_kept, all[i])) {
			if (rollout_lock_of(r, all[i], &l, e))
				return -1;
			mark(&g->keep, l);
			continue;
		}
		g->freed.releases++;
		if (!g->dry_run && release_remove(r, all[i], e))
			return -1;
	}
	return 0;
}

static const struct lock *lock_with(const struct marks *m, const char *digest) {
	for (size_t i = 0; digest && i < m->n; i++)
		if (!strcmp(m->locks[i]->digest, digest))
			return m->locks[i];
	return NULL;
}

static int gc_containers(struct sweep *g, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROOT "=%s", g->x->root->id);
	const char *const labels[] = {root, NULL};
	struct docker_containers list = {0};
	int r = 0;

	if (docker_container_list(g->x->docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n && !r; i++) {
		const char *digest = json_str(list.at[i].labels, ROLLOUT_LABEL_LOCK);
		char id[LOCK_ID];
		/* The gateway's have no release. */
		if (lock_with(&g->keep, digest) || json_str(list.at[i].labels, GATEWAY_LABEL))
			continue;
		g->freed.containers++;
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		if (!g->dry_run)
			r = docker_container_remove(g->x->docker, list.at[i].id, true, e) || (*id && release_run_remove(g->x->root, id, e)) ? -1 : 0;
	}
	docker_containers_done(&list);
	return r;
}

/* run/ID of no release that stays. What is not named like an ID is not one. */
static int gc_run(struct sweep *g, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(g->x->root->fd, "run", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n && !g->dry_run; i++) {
		bool stays = strspn(names[i], "0123456789abcdef") != LOCK_ID - 1 || strlen(names[i]) != LOCK_ID - 1;
		for (size_t k = 0; k < g->keep.n && !stays; k++)
			stays = !strcmp(g->keep.locks[k]->id, names[i]);
		if (!stays && release_run_remove(g->x->root, names[i], e))
			return -1;
	}
	return 0;
}

/* Ours carry this root's tag; the last part of it is the id of a lock. */
static bool tag_stays(const struct sweep *g, const char *tag) {
	const char *colon = strrchr(tag, ':');

	for (size_t i = 0; colon && i < g->keep.n; i++)
		if (!strcmp(g->keep.locks[i]->id, colon + 1))
			return true;
	return false;
}

static int gc_images(struct sweep *g, struct err *e) {
	char *prefix CLEANUP(freep) = mem_printf("localhost/llmdeploy-%.8s/", g->x->root->id);
	const char *const labels[] = {"llmdeploy.route", NULL};
	struct docker_images list = {0};
	int r = 0;

	if (docker_image_list(g->x->docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n && !r; i++)
		for (const struct json *t = json_first(list.at[i].tags); t && !r; t = json_next(t)) {
			bool in_use = false;
			if (!text_starts(json_text(t), prefix) || tag_stays(g, json_text(t)))
				continue;
			r = g->dry_run ? 0 : docker_image_remove(g->x->docker, json_text(t), false, &in_use, e);
			g->freed.images += !r && !in_use;
		}
	docker_images_done(&list);
	return r;
}

static bool names_object(const struct lock *l, const char *sha256) {
	if (!strcmp(l->image_config, sha256) || !strcmp(l->image_manifest, sha256))
		return true;
	for (size_t i = 0; i < l->n_layers; i++)
		if (!strcmp(l->layers[i].diff_id, sha256))
			return true;
	for (size_t i = 0; i < l->n_artifacts; i++)
		if (!strcmp(l->artifacts[i].sha256, sha256))
			return true;
	for (const struct json *p = json_first(json_path(l->tree, "image.packages")); p; p = json_next(p))
		if (!strcmp(json_str(p, "sha256"), sha256))
			return true;
	return false;
}

static int consider(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	struct sweep *g = ctx;

	(void) e;
	if (gateway_image_names(&g->gateway, sha256))
		return 0;
	for (size_t i = 0; i < g->keep.n; i++)
		if (names_object(g->keep.locks[i], sha256))
			return 0;
	if (g->n_dead == g->cap_dead) {
		g->cap_dead = g->cap_dead ? 2 * g->cap_dead : 64;
		g->dead = mem_grow(g->dead, g->cap_dead, sizeof *g->dead);
	}
	g->dead[g->n_dead++] = mem_strdup(sha256);
	g->freed.objects++;
	g->freed.bytes += size;
	return 0;
}

static int gc_store(struct sweep *g, struct err *e) {
	if (store_each(g->x->store, consider, g, e))
		return -1;
	for (size_t i = 0; i < g->n_dead && !g->dry_run; i++)
		if (store_remove(g->x->store, g->dead[i], e))
			return -1;
	return g->dry_run ? 0 : store_clean(g->x->store, false, NULL, e);
}

/* Before the first removal and after the last: what is killed in between was meant to be removed. */
static int record(const struct rollout *x, const char *event, const struct rollout_freed *f, uint64_t began_ms, struct err *e) {
	struct json *r CLEANUP(json_freep) = record_new(event, NULL);

	json_set_int(r, "releases", (int64_t) f->releases);
	json_set_int(r, "containers", (int64_t) f->containers);
	json_set_int(r, "images", (int64_t) f->images);
	json_set_int(r, "objects", (int64_t) f->objects);
	json_set_int(r, "bytes", (int64_t) f->bytes);
	return journal_note(x->root, x->tool, x->command, r, began_ms, e);
}

/* A route that was made while we looked is not locked by us, and what it is about to need is named by nothing yet. */
static int check_routes(const struct rollout *x, char *const *names, size_t n, struct err *e) {
	char **now CLEANUP(freep) = NULL;
	size_t n_now;

	if (release_routes(x->root, &now, &n_now, e))
		return -1;
	for (size_t i = 0; i < n_now; i++)
		if (!is_among(names, n, now[i]))
			return err_set(e, ERR_BUSY, "route '%s' was made in this moment; try again", now[i]);
	return 0;
}

static int sweep_all(struct sweep *g, struct rollout_session *sessions, size_t n, struct err *e) {
	uint64_t began = clock_mono_ms();
	bool found;

	if (gateway_image_read(g->x->root, &g->gateway, &found, e))
		return -1;
	if (!g->dry_run && record(g->x, "gc_intent", &g->freed, began, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (gc_route(g, &sessions[i].route, e))
			return -1;
	if (gc_containers(g, e) || gc_run(g, e) || gc_images(g, e) || gc_store(g, e))
		return -1;
	return g->dry_run ? 0 : record(g->x, "gc", &g->freed, began, e);
}

int rollout_gc(const struct rollout *x, bool dry_run, struct rollout_freed *out, struct err *e) {
	struct sweep g CLEANUP(sweep_done) = {.x = x, .dry_run = dry_run};
	char **names CLEANUP(freep) = NULL;
	int r = 0, fd CLEANUP(closep) = -1;
	size_t n, open = 0;

	if (release_routes(x->root, &names, &n, e))
		return -1;
	struct rollout_session *sessions CLEANUP(freep) = mem_zalloc(n, sizeof *sessions);
	while (open < n && !(r = rollout_begin(x, names[open], false, &sessions[open], e)))
		open++;
	if (!r)
		r = root_lock(x->root, x->command, x->lock_wait_ms, &fd, e) || check_routes(x, names, n, e) || sweep_all(&g, sessions, n, e) ? -1 : 0;
	while (open)
		rollout_end(&sessions[--open]);
	if (!r)
		*out = g.freed;
	return r;
}
