/* SPDX-License-Identifier: Apache-2.0 */
#include "drift/internal.h"
#include "rollout/active.h"
#include "rollout/journal_records.h"
#include "rollout/reconcile.h"
#include "rollout/recreate.h"
#include "rollout/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "gateway/gateway.h"
#include "haproxy/image.h"
#include "journal/journal.h"
#include "release/history.h"
#include "root/root.h"
#include "store/store.h"
#include "json/json.h"

/* Design: what bears this root's name and is reached by none of its routes. The world is listed
 * first and what reaches it after, so that who begins in between is not taken for an orphan: its
 * journal announces a release before anything of it is made. Where a release cannot be read, nobody
 * knows what it reaches: then directories and images are left. */

enum orphan_kind {
	ORPHAN_RUN,
	ORPHAN_LINKS,
	ORPHAN_CONTAINER,
	ORPHAN_IMAGE,
	ORPHAN_NETWORK,
	ORPHAN_ROUTE
};

static const struct {
	const char *what, *removed;
} words[] = {
	[ORPHAN_RUN] = {"orphan directory", "removed"},
	[ORPHAN_LINKS] = {"orphan directory", "removed"},
	[ORPHAN_CONTAINER] = {"orphan container", "removed"},
	[ORPHAN_IMAGE] = {"orphan image", "its tag is removed from Docker"},
	[ORPHAN_NETWORK] = {"orphan network", "removed"},
	[ORPHAN_ROUTE] = {"gateway route", "removed from the gateway"},
};

struct orphan {
	enum orphan_kind kind;
	const char *name;   /* as it is removed by */
	const char *id;     /* of the release that it says it is of, or NULL */
	const char *route;  /* likewise */
	const char *digest; /* of an image */
};

struct scan {
	const struct rollout *ctx;
	struct arena *arena;
	struct orphan *at;
	size_t n, cap;
	char **routes;
	size_t n_routes;
	const char **ids; /* of the releases on disk, and of those on their way */
	size_t n_ids, cap_ids;
	bool unsure; /* a release could not be read */
};

static void scan_done(struct scan *h) {
	arena_free(h->arena);
	free(h->at);
	free(h->routes);
	free(h->ids);
}

static struct orphan *add(struct scan *h, enum orphan_kind kind, const char *name) {
	if (h->n == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 16;
		h->at = mem_grow(h->at, h->cap, sizeof *h->at);
	}
	h->at[h->n] = (struct orphan){.kind = kind, .name = arena_strdup(h->arena, name)};
	return &h->at[h->n++];
}

/* ---- the world ---- */

static bool is_id(const char *name) {
	return strspn(name, "0123456789abcdef") == LOCKFILE_ID - 1 &&
		strlen(name) == LOCKFILE_ID - 1;
}

static int list_run(struct scan *h, struct err *e) {
	char **names CLEANUP(freep) = NULL, **links CLEANUP(freep) = NULL;
	size_t n = 0, n_links = 0;

	if (fs_list(h->ctx->base.root->fd, "run", &names, &n, e) ||
	    fs_list(h->ctx->base.root->fd, "run/routes", &links, &n_links, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (is_id(names[i]))
			add(h, ORPHAN_RUN, names[i])->id = arena_strdup(h->arena, names[i]);
	for (size_t i = 0; i < n_links; i++)
		if (text_is_name(links[i]))
			add(h, ORPHAN_LINKS, links[i])->route = arena_strdup(h->arena, links[i]);
	return 0;
}

/* Those of a route that is there are looked at with it. */
static int list_containers(struct scan *h, struct err *e) {
	struct docker_containers list CLEANUP(docker_containers_done) = {0};

	if (instance_list(&h->ctx->base, NULL, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		if (!json_str(list.at[i].labels, HAPROXY_LABEL))
			add(h, ORPHAN_CONTAINER, list.at[i].name)->route =
				arena_strdup(h->arena,
					     json_str(list.at[i].labels, INSTANCE_LABEL_ROUTE));
	return 0;
}

static void take_tag(struct scan *h, const struct docker_image_entry *image, const char *prefix,
		     const char *tag) {
	const char *colon = strrchr(tag, ':');

	if (!text_starts(tag, prefix) || !colon || json_str(image->labels, HAPROXY_LABEL))
		return;
	struct orphan *o = add(h, ORPHAN_IMAGE, tag);
	o->id = arena_strdup(h->arena, colon + 1);
	o->digest = arena_strdup(h->arena, image->id);
}

static int list_images(struct scan *h, struct err *e) {
	char *prefix CLEANUP(freep) = mem_printf("localhost/llmdeploy-%.8s/",
						 h->ctx->base.root->id);
	const char *const labels[] = {INSTANCE_LABEL_ROUTE, NULL};
	struct docker_images list CLEANUP(docker_images_done) = {0};

	if (docker_image_list(h->ctx->base.docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++)
		for (const struct json *t = json_first(list.at[i].tags); t; t = json_next(t))
			take_tag(h, &list.at[i], prefix, json_text(t));
	return 0;
}

/* No release has one: an engine that would want it is refused. */
static int list_networks(struct scan *h, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROOT "=%s", h->ctx->base.root->id);
	const char *const labels[] = {root, NULL};
	struct json *names CLEANUP(json_freep) = NULL;

	if (docker_network_list(h->ctx->base.docker, labels, &names, e))
		return -1;
	for (const struct json *n = json_first(names); n; n = json_next(n))
		add(h, ORPHAN_NETWORK, json_text(n));
	return 0;
}

/* A state that cannot be read is told of by each route. */
static void list_gateway(struct scan *h) {
	char **names CLEANUP(freep) = NULL;
	struct err unread = {0};
	size_t n = 0;

	if (!traffic_has_gateway(h->ctx) || gateway_routes(h->ctx->gateway, &names, &n, &unread))
		return;
	for (size_t i = 0; i < n; i++)
		add(h, ORPHAN_ROUTE, names[i])->route = arena_strdup(h->arena, names[i]);
}

/* ---- what reaches it ---- */

static void reach(struct scan *h, const char *digest) {
	if (h->n_ids == h->cap_ids) {
		h->cap_ids = h->cap_ids ? 2 * h->cap_ids : 64;
		h->ids = mem_grow(h->ids, h->cap_ids, sizeof *h->ids);
	}
	h->ids[h->n_ids++] = arena_printf(h->arena, "%.*s", LOCKFILE_ID - 1, digest);
}

/* What an operation that has not ended is about: who is at it, or recovery, sees to it. */
static int reach_by_journal(struct scan *h, const struct release_route *r, struct err *e) {
	struct json *last CLEANUP(json_freep) = NULL;

	if (journal_last(r->fd, r->where, &last, e))
		return -1;
	const char *lock = json_str(last, "lock");
	if (lock && !event_ends(event_of_record(last)))
		reach(h, lock);
	return 0;
}

static int reach_by_route(struct scan *h, const char *name, struct err *e) {
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char **versions CLEANUP(freep) = NULL;
	struct err broken = {0};
	size_t n;

	if (release_route_open(h->ctx->base.root, name, false, &r, e) ||
	    release_list(&r, &versions, &n, e))
		return -1;
	h->unsure |= reach_by_journal(h, &r, &broken) != 0;
	for (size_t i = 0; i < n; i++) {
		struct lockfile *l CLEANUP(lockfile_freep) = NULL;
		struct err unread = {0};
		if (rollout_lockfile_of(&r, versions[i], &l, &unread))
			h->unsure = true;
		else
			reach(h, l->digest);
	}
	return 0;
}

static bool has_route(const struct scan *h, const char *name) {
	for (size_t i = 0; i < h->n_routes; i++)
		if (!strcmp(h->routes[i], name))
			return true;
	return false;
}

static bool has_id(const struct scan *h, const char *id) {
	for (size_t i = 0; i < h->n_ids; i++)
		if (!strcmp(h->ids[i], id))
			return true;
	return false;
}

/* An image that our own store still has was built here, and waits for its apply or for gc. */
static bool in_store(const struct scan *h, const char *digest) {
	struct err unread = {0};
	bool has = true;

	return store_has(h->ctx->base.store, digest, &has, NULL, &unread) || has;
}

static bool is_reached(const struct scan *h, const struct orphan *o) {
	switch (o->kind) {
	case ORPHAN_RUN: return h->unsure || has_id(h, o->id);
	case ORPHAN_IMAGE: return h->unsure || has_id(h, o->id) || in_store(h, o->digest);
	case ORPHAN_CONTAINER: return o->route && has_route(h, o->route);
	case ORPHAN_LINKS:
	case ORPHAN_ROUTE: return has_route(h, o->route);
	case ORPHAN_NETWORK: return false;
	}
	return true;
}

static int scan(const struct rollout *ctx, struct scan *h, struct err *e) {
	size_t left = 0;

	*h = (struct scan){.ctx = ctx, .arena = arena_new()};
	if (list_run(h, e) ||
	    list_containers(h, e) ||
	    list_images(h, e) ||
	    list_networks(h, e))
		return -1;
	list_gateway(h);
	if (release_routes(ctx->base.root, &h->routes, &h->n_routes, e))
		return -1;
	for (size_t i = 0; i < h->n_routes; i++)
		if (reach_by_route(h, h->routes[i], e))
			return -1;
	for (size_t i = 0; i < h->n; i++)
		if (!is_reached(h, &h->at[i]))
			h->at[left++] = h->at[i];
	h->n = left;
	return 0;
}

static char *shown(const struct orphan *o) {
	return mem_printf("%s%s",
			  o->kind == ORPHAN_RUN             ? "run/"
				  : o->kind == ORPHAN_LINKS ? "run/routes/"
							    : "",
			  o->name);
}

int drift_scan_orphans(const struct rollout *ctx, struct drift_differences *d, struct err *e) {
	struct scan h CLEANUP(scan_done) = {0};

	if (scan(ctx, &h, e))
		return -1;
	for (size_t i = 0; i < h.n; i++) {
		char *name CLEANUP(freep) = shown(&h.at[i]);
		difference_add(d, DRIFT_STRAY, words[h.at[i].kind].what, "nothing", name);
	}
	return 0;
}

/* ---- away with it ---- */

static int take_away(const struct rollout *ctx, const struct orphan *o, struct err *e) {
	char *name CLEANUP(freep) = shown(o);
	bool in_use;

	switch (o->kind) {
	case ORPHAN_RUN: return release_run_remove(ctx->base.root, o->name, e);
	case ORPHAN_LINKS: return fs_remove_tree(EFFECT_GATEWAY_LINK, ctx->base.root->fd, name, e);
	case ORPHAN_CONTAINER: return docker_container_remove(ctx->base.docker, o->name, true, e);
	case ORPHAN_IMAGE: return docker_image_remove(ctx->base.docker, o->name, false, &in_use, e);
	case ORPHAN_NETWORK: return docker_network_remove(ctx->base.docker, o->name, e);
	case ORPHAN_ROUTE: return gateway_remove(ctx->gateway, o->name, e);
	}
	return 0;
}

static int note(const struct rollout *ctx, const struct drift_repairs *f, uint64_t began_ms,
		struct err *e) {
	struct json *r CLEANUP(json_freep) = record_new(EVENT_FIXED, NULL);
	struct json *list = json_array();

	for (size_t i = 0; i < f->n; i++) {
		char *text CLEANUP(freep) = mem_printf("%s: %s", f->at[i].what, f->at[i].how);
		json_push_str(list, text);
	}
	json_set(r, "orphans", list);
	if (f->why.code)
		json_set_str(r, "reason", f->why.msg);
	return journal_note(ctx->base.root, ctx->tool, ctx->command, r, began_ms, e);
}

/* Everybody's lock, as gc has: a trial of someone's is in no journal. */
struct locks {
	struct rollout_session *at;
	size_t n;
	int root;
};

static void locks_done(struct locks *l) {
	closep(&l->root);
	while (l->n)
		rollout_end(&l->at[--l->n]);
	free(l->at);
}

static int lock_all(const struct rollout *ctx, struct locks *l, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (release_routes(ctx->base.root, &names, &n, e))
		return -1;
	l->at = mem_zalloc(n + 1, sizeof *l->at);
	for (; l->n < n; l->n++)
		if (rollout_begin(ctx, names[l->n], false, &l->at[l->n], e))
			return -1;
	return root_lock(ctx->base.root, ctx->command, ctx->lock_wait_ms, &l->root, e);
}

int drift_remove_orphans(const struct rollout *ctx, struct drift_repairs *out, struct err *e) {
	struct locks locks CLEANUP(locks_done) = {.root = -1};
	struct scan h CLEANUP(scan_done) = {0};
	uint64_t began = clock_mono_ms();

	if (lock_all(ctx, &locks, e) ||
	    scan(ctx, &h, e))
		return -1;
	for (size_t i = 0; i < h.n && !out->why.code; i++) {
		char *name CLEANUP(freep) = shown(&h.at[i]);
		char *what CLEANUP(freep) = mem_printf("%s %s", words[h.at[i].kind].what, name);
		if (!take_away(ctx, &h.at[i], &out->why))
			repair_note(ctx, out, what, words[h.at[i].kind].removed);
	}
	return h.n ? note(ctx, out, began, e) : 0;
}
