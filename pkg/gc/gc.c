/* SPDX-License-Identifier: Apache-2.0 */
#include "gc/gc.h"
#include "rollout/journal_records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "haproxy/image.h"
#include "journal/journal.h"
#include "release/history.h"
#include "root/root.h"
#include "store/store.h"
#include "json/json.h"

/* Design: mark and sweep. Roots are the releases that stay on disk: active, held, pinned, where a
 * rollback goes, the newest committed ones. What their locks name stays, everything else of this
 * root goes. All route locks are held and no journal is open, so that nothing is on its way while
 * we look. After a commit the same is done by itself, but first without a lock: mostly there is
 * nothing to free. */

/* What a build has just made belongs to no release yet: so long the collecting after a commit
 * leaves it. */
enum { YOUNG_S = 24 * 3600 };

struct marks {
	struct lockfile **lockfiles; /* of the releases that stay */
	size_t n, cap;
};

struct sweep {
	const struct rollout *ctx;
	struct marks keep;
	struct haproxy_image gateway; /* its layers are roots, too */
	bool dry_run;
	bool by_itself;     /* after a commit */
	const char **names; /* digests that stay, sorted; of the locks */
	size_t n_names;
	struct gc_freed freed;
	/* objects to remove, collected first: nothing is removed from under an iteration */
	char **dead;
	size_t n_dead, cap_dead;
};

void gc_freed_done(struct gc_freed *f) {
	for (size_t i = 0; i < f->n; i++)
		free(f->at[i].name);
	free(f->at);
	*f = (struct gc_freed){0};
}

static void sweep_done(struct sweep *g) {
	gc_freed_done(&g->freed);
	haproxy_image_done(&g->gateway);
	for (size_t i = 0; i < g->keep.n; i++)
		lockfile_free(g->keep.lockfiles[i]);
	for (size_t i = 0; i < g->n_dead; i++)
		free(g->dead[i]);
	free(g->keep.lockfiles);
	free(g->names);
	free(g->dead);
}

static void mark(struct marks *m, struct lockfile *l) {
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 16;
		m->lockfiles = mem_grow(m->lockfiles, m->cap, sizeof(struct lockfile *));
	}
	m->lockfiles[m->n++] = l;
}

static void found(struct sweep *g, const char *kind, const char *name, uint64_t bytes) {
	struct gc_freed *f = &g->freed;

	f->at = mem_grow(f->at, f->n + 1, sizeof *f->at);
	f->at[f->n++] = (struct gc_garbage){kind, mem_strdup(name), bytes};
	f->bytes += bytes;
}

static bool is_among(char *const *names, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* The active release's `keep` decides how many committed ones stay beside it. */
static int keep_of(const struct release_route *r, const char *active, size_t *keep, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	*keep = 5;
	if (!active)
		return 0;
	if (rollout_lockfile_of(r, active, &l, e))
		return -1;
	*keep = (size_t) l->keep;
	return 0;
}

static void keep_version(struct arena *a, char **kept, size_t *n, const char *version) {
	if (version && !is_among(kept, *n, version))
		kept[(*n)++] = arena_strdup(a, version);
}

static int keep_pinned(const struct release_route *r, struct arena *a, char *const *all,
		       size_t n_all, char **kept, size_t *n, struct err *e) {
	for (size_t i = 0; i < n_all; i++) {
		char *reason CLEANUP(freep) = NULL;
		if (release_pinned(r, all[i], &reason, e))
			return -1;
		if (reason)
			keep_version(a, kept, n, all[i]);
	}
	return 0;
}

/* What stays of a route: active, held, pinned, where a rollback goes, and the newest committed
 * ones. */
static int kept_versions(const struct release_route *r, struct arena *a, char *const *all,
			 size_t n_all, char ***kept, size_t *n, struct err *e) {
	char **committed CLEANUP(freep) = NULL, *active CLEANUP(freep) = NULL,
			 *held CLEANUP(freep) = NULL, *reason CLEANUP(freep) = NULL;
	struct release target = RELEASE_INIT;
	struct err none = {0};
	size_t n_committed, keep;

	if (release_active_name(r, &active, e) ||
	    release_committed(r, &committed, &n_committed, e) ||
	    keep_of(r, active, &keep, e) ||
	    rollout_held(r, &held, &reason, e))
		return -1;
	*kept = arena_zalloc(a, n_committed + n_all + 3, sizeof **kept);
	*n = 0;
	if (keep_pinned(r, a, all, n_all, *kept, n, e))
		return -1;
	keep_version(a, *kept, n, active);
	keep_version(a, *kept, n, held);
	if (!release_rollback_target(r, NULL, &target, &none))
		keep_version(a, *kept, n, target.version);
	release_done(&target);
	/* Damaged is not absent: what it names must not go while someone may repair it. */
	if (none.code && none.code != ERR_USAGE)
		return err_set(e, none.code, "%s", none.msg);
	for (size_t i = 0; i < n_committed && i < keep; i++)
		keep_version(a, *kept, n, committed[i]);
	return 0;
}

static int sweep_route(struct sweep *g, const struct release_route *r, struct err *e) {
	struct arena *a CLEANUP(arena_freep) = arena_new();
	char **all CLEANUP(freep) = NULL, **kept;
	size_t n, n_kept;

	if (release_list(r, &all, &n, e) ||
	    kept_versions(r, a, all, n, &kept, &n_kept, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct lockfile *l = NULL;
		if (is_among(kept, n_kept, all[i])) {
			if (rollout_lockfile_of(r, all[i], &l, e))
				return -1;
			mark(&g->keep, l);
			continue;
		}
		char *name CLEANUP(freep) = mem_printf("%s/%s", r->name, all[i]);
		g->freed.releases++;
		found(g, "release", name, 0);
		if (!g->dry_run && release_remove(r, all[i], e))
			return -1;
	}
	return 0;
}

static const struct lockfile *lockfile_with(const struct marks *m, const char *digest) {
	for (size_t i = 0; digest && i < m->n; i++)
		if (!strcmp(m->lockfiles[i]->digest, digest))
			return m->lockfiles[i];
	return NULL;
}

static int sweep_containers(struct sweep *g, struct err *e) {
	struct docker_containers list = {0};
	int r = 0;

	if (instance_list(&g->ctx->base, NULL, &list, e))
		return -1;
	for (size_t i = 0; i < list.n && !r; i++) {
		const char *digest = json_str(list.at[i].labels, INSTANCE_LABEL_LOCK);
		char id[LOCKFILE_ID];
		/* The gateway's have no release. */
		if (lockfile_with(&g->keep, digest) || json_str(list.at[i].labels, HAPROXY_LABEL))
			continue;
		g->freed.containers++;
		found(g, "container", list.at[i].name, 0);
		(void) snprintf(id, sizeof id, "%.12s", digest ? digest : "");
		if (!g->dry_run) {
			r = 0;
			if (docker_container_remove(g->ctx->base.docker, list.at[i].id, true, e) ||
			    (*id && release_run_remove(g->ctx->base.root, id, e)))
				r = -1;
		}
	}
	docker_containers_done(&list);
	return r;
}

/* run/ID of no release that stays. What is not named like an ID is not one. */
static int sweep_run_dirs(struct sweep *g, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(g->ctx->base.root->fd, "run", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		bool stays = strspn(names[i], "0123456789abcdef") != LOCKFILE_ID - 1 ||
			strlen(names[i]) != LOCKFILE_ID - 1;
		for (size_t k = 0; k < g->keep.n && !stays; k++)
			stays = !strcmp(g->keep.lockfiles[k]->id, names[i]);
		if (stays)
			continue;
		char *name CLEANUP(freep) = mem_printf("run/%s", names[i]);
		found(g, "directory", name, 0);
		if (!g->dry_run && release_run_remove(g->ctx->base.root, names[i], e))
			return -1;
	}
	return 0;
}

/* Ours carry this root's tag; the last part of it is the id of a lock. */
static bool tag_stays(const struct sweep *g, const char *tag) {
	const char *colon = strrchr(tag, ':');

	for (size_t i = 0; colon && i < g->keep.n; i++)
		if (!strcmp(g->keep.lockfiles[i]->id, colon + 1))
			return true;
	return false;
}

static int sweep_images(struct sweep *g, struct err *e) {
	char *prefix CLEANUP(freep) = mem_printf("localhost/llmdeploy-%.8s/",
						 g->ctx->base.root->id);
	const char *const labels[] = {"llmdeploy.route", NULL};
	struct docker_images list = {0};
	int r = 0;

	if (docker_image_list(g->ctx->base.docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n && !r; i++)
		for (const struct json *t = json_first(list.at[i].tags); t && !r;
		     t = json_next(t)) {
			bool in_use = false;
			if (!text_starts(json_text(t), prefix) || tag_stays(g, json_text(t)))
				continue;
			r = g->dry_run ? 0
				       : docker_image_remove(g->ctx->base.docker, json_text(t),
							     false, &in_use, e);
			g->freed.images += !r && !in_use;
			if (!r && !in_use)
				found(g, "image", json_text(t), 0);
		}
	docker_images_done(&list);
	return r;
}

/* No release has one: whatever bears this root's label is left over. */
static int sweep_networks(struct sweep *g, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROOT "=%s", g->ctx->base.root->id);
	const char *const labels[] = {root, NULL};
	struct json *names CLEANUP(json_freep) = NULL;

	if (docker_network_list(g->ctx->base.docker, labels, &names, e))
		return -1;
	for (const struct json *n = json_first(names); n; n = json_next(n)) {
		found(g, "network", json_text(n), 0);
		if (!g->dry_run && docker_network_remove(g->ctx->base.docker, json_text(n), e))
			return -1;
	}
	return 0;
}

static void add_name(struct sweep *g, const char *sha256) {
	if (!(g->n_names & (g->n_names - 1)))
		g->names = mem_grow(g->names, g->n_names ? 2 * g->n_names : 1, sizeof *g->names);
	g->names[g->n_names++] = sha256;
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Every digest that a lock names, borrowed from it. */
static void mark_names(struct sweep *g) {
	for (size_t i = 0; i < g->keep.n; i++) {
		const struct lockfile *l = g->keep.lockfiles[i];
		add_name(g, l->image_config);
		add_name(g, l->image_manifest);
		for (size_t k = 0; k < l->n_layers; k++)
			add_name(g, l->layers[k].diff_id);
		for (size_t k = 0; k < l->n_artifacts; k++)
			add_name(g, l->artifacts[k].sha256);
		for (const struct json *p = json_first(json_path(l->tree, "image.packages")); p;
		     p = json_next(p))
			add_name(g, json_str(p, "sha256"));
	}
	if (g->n_names)
		qsort(g->names, g->n_names, sizeof *g->names, by_text);
}

static int consider(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	struct sweep *g = ctx;

	(void) e;
	if (haproxy_image_names(&g->gateway, sha256) ||
	    (g->n_names && bsearch(&sha256, g->names, g->n_names, sizeof *g->names, by_text)) ||
	    (g->by_itself && store_age_s(g->ctx->base.store, sha256) < YOUNG_S))
		return 0;
	if (g->n_dead == g->cap_dead) {
		g->cap_dead = g->cap_dead ? 2 * g->cap_dead : 64;
		g->dead = mem_grow(g->dead, g->cap_dead, sizeof *g->dead);
	}
	g->dead[g->n_dead++] = mem_strdup(sha256);
	g->freed.objects++;
	found(g, "object", sha256, size);
	return 0;
}

static int sweep_store(struct sweep *g, struct err *e) {
	mark_names(g);
	if (store_each(g->ctx->base.store, consider, g, e))
		return -1;
	for (size_t i = 0; i < g->n_dead && !g->dry_run; i++)
		if (store_remove(g->ctx->base.store, g->dead[i], e))
			return -1;
	return g->dry_run ? 0 : store_clean(g->ctx->base.store, false, NULL, e);
}

/* Before the first removal and after the last: what is killed in between was meant to be
 * removed. */
static int record(const struct rollout *ctx, enum event event, const struct gc_freed *f,
		  uint64_t began_ms, struct err *e) {
	struct json *r CLEANUP(json_freep) = record_new(event, NULL);

	json_set_int(r, "releases", (int64_t) f->releases);
	json_set_int(r, "containers", (int64_t) f->containers);
	json_set_int(r, "images", (int64_t) f->images);
	json_set_int(r, "objects", (int64_t) f->objects);
	json_set_int(r, "bytes", (int64_t) f->bytes);
	return journal_note(ctx->base.root, ctx->tool, ctx->command, r, began_ms, e);
}

/* A route that was made while we looked is not locked by us, and what it is about to need is named
 * by nothing yet. */
static int check_routes(const struct rollout *ctx, char *const *names, size_t n, struct err *e) {
	char **now CLEANUP(freep) = NULL;
	size_t n_now;

	if (release_routes(ctx->base.root, &now, &n_now, e))
		return -1;
	for (size_t i = 0; i < n_now; i++)
		if (!is_among(names, n, now[i]))
			return err_set(e, ERR_BUSY,
				       "route '%s' was created at the same moment; try again",
				       now[i]);
	return 0;
}

static int sweep_all(struct sweep *g, struct rollout_session *sessions, size_t n, struct err *e) {
	uint64_t began = clock_mono_ms();
	bool there;

	if (haproxy_image_read(g->ctx->base.root, &g->gateway, &there, e))
		return -1;
	if (!g->dry_run && record(g->ctx, EVENT_GC_INTENT, &g->freed, began, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (sweep_route(g, &sessions[i].route, e))
			return -1;
	if (sweep_containers(g, e) ||
	    sweep_run_dirs(g, e) ||
	    sweep_images(g, e) ||
	    sweep_networks(g, e) ||
	    sweep_store(g, e))
		return -1;
	return g->dry_run ? 0 : record(g->ctx, EVENT_GC, &g->freed, began, e);
}

/* By itself nobody is waited for, and nothing is recovered: a journal that is open ends it. */
static int open_quietly(const struct rollout *ctx, const char *route, bool lock,
			struct rollout_session *s, struct err *e) {
	struct record_state st CLEANUP(record_state_done) = {0};

	*s = (struct rollout_session){.ctx = ctx, .route = RELEASE_ROUTE_INIT};
	if (release_route_open(ctx->base.root, route, false, &s->route, e) ||
	    (lock && release_route_lock(&s->route, GC_BY_ITSELF, 0, e)) ||
	    record_state_read(s, &st, e))
		return -1;
	if (st.last && !event_ends(st.event))
		return err_set(e, ERR_BUSY, "route '%s' has an unfinished run", route);
	return 0;
}

struct scope {
	char **names;
	size_t n, open;
	struct rollout_session *sessions;
};

static void scope_done(struct scope *c) {
	while (c->open)
		rollout_end(&c->sessions[--c->open]);
	free(c->sessions);
	free(c->names);
}

/* Every route; the one of `own`, whose lock is held by us, without its lock. */
static int scope_open(struct sweep *g, struct rollout_session *own, bool lock, struct scope *c,
		      struct err *e) {
	if (release_routes(g->ctx->base.root, &c->names, &c->n, e))
		return -1;
	c->sessions = mem_zalloc(c->n, sizeof *c->sessions);
	while (c->open < c->n) {
		const char *name = c->names[c->open];
		struct rollout_session *s = &c->sessions[c->open];
		bool mine = own && !strcmp(name, own->route.name);
		if (!own && rollout_begin(g->ctx, name, false, s, e))
			return -1;
		c->open++;
		if (own && open_quietly(g->ctx, name, lock && !mine, s, e))
			return -1;
	}
	return 0;
}

int gc_run(const struct rollout *ctx, bool dry_run, struct gc_freed *out, struct err *e) {
	struct sweep g CLEANUP(sweep_done) = {.ctx = ctx, .dry_run = dry_run};
	struct scope scope CLEANUP(scope_done) = {0};
	int fd CLEANUP(closep) = -1;

	if (scope_open(&g, NULL, true, &scope, e) ||
	    root_lock(ctx->base.root, ctx->command, ctx->lock_wait_ms, &fd, e) ||
	    check_routes(ctx, scope.names, scope.n, e) ||
	    sweep_all(&g, scope.sessions, scope.n, e))
		return -1;
	*out = g.freed;
	g.freed = (struct gc_freed){0};
	return 0;
}

static int look_by_itself(struct rollout_session *s, bool *any, struct err *e) {
	struct sweep g CLEANUP(sweep_done) = {.ctx = s->ctx, .dry_run = true, .by_itself = true};
	struct scope scope CLEANUP(scope_done) = {0};

	if (scope_open(&g, s, false, &scope, e) ||
	    sweep_all(&g, scope.sessions, scope.n, e))
		return -1;
	*any = g.freed.n;
	return 0;
}

static int sweep_by_itself(struct rollout_session *s, struct gc_freed *out, struct err *e) {
	struct sweep g CLEANUP(sweep_done) = {.ctx = s->ctx, .by_itself = true};
	struct scope scope CLEANUP(scope_done) = {0};
	int fd CLEANUP(closep) = -1;

	if (scope_open(&g, s, true, &scope, e) ||
	    root_lock(s->ctx->base.root, GC_BY_ITSELF, 0, &fd, e) ||
	    check_routes(s->ctx, scope.names, scope.n, e) ||
	    sweep_all(&g, scope.sessions, scope.n, e))
		return -1;
	*out = g.freed;
	g.freed = (struct gc_freed){0};
	return 0;
}

static void add_count(struct buf *b, size_t n, const char *what) {
	if (n)
		(void) buf_printf(b, "%s%zu %s%s", b->len ? ", " : "", n, what, n == 1 ? "" : "s");
}

char *gc_freed_words(const struct gc_freed *f) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1000);
	char bytes[TEXT_BYTES];

	add_count(&b, f->releases, "release");
	add_count(&b, f->containers, "container");
	add_count(&b, f->images, "image");
	add_count(&b, f->objects, "object");
	size_t named = f->releases + f->containers + f->images + f->objects;
	add_count(&b, f->n > named ? f->n - named : 0, "leftover");
	if (!b.len)
		return NULL;
	text_format_bytes(f->bytes, bytes);
	if (f->bytes)
		(void) buf_printf(&b, ", %s", bytes);
	return buf_steal(&b);
}

/* The newest that says something of a collecting. */
static int visit_gc(void *ctx, const struct journal_record *r, struct err *e) {
	enum event_meaning means = event_means(r->event);
	bool *begun = ctx;

	(void) e;
	*begun = means == MEANS_COLLECTING;
	return *begun || means == MEANS_COLLECTED;
}

static void collect(struct rollout_session *s, bool begun) {
	struct gc_freed f CLEANUP(gc_freed_done) = {0};
	struct err why = {0};
	bool any = begun;

	if ((!any && look_by_itself(s, &any, &why)) || (any && sweep_by_itself(s, &f, &why))) {
		if (why.code == ERR_BUSY)
			progress_note(s->ctx->base.progress, "garbage collection is postponed",
				      why.msg);
		else
			progress_warn(s->ctx->base.progress,
				      "garbage collection failed; the release is active: run "
				      "llmdeploy gc",
				      why.msg);
		return;
	}
	if (!any)
		return;
	char *said CLEANUP(freep) = gc_freed_words(&f);
	if (said)
		progress_note(s->ctx->base.progress, "garbage collected", said);
}

void gc_after(struct rollout_session *s) {
	collect(s, false);
}

void gc_resume(struct rollout_session *s) {
	struct err broken = {0};
	bool begun = false;

	/* A journal of the root that cannot be read is verify's to tell of. */
	if (!journal_read_back(s->ctx->base.root->fd, "", visit_gc, &begun, &broken) && begun)
		collect(s, true);
}
