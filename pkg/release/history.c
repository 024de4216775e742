/* SPDX-License-Identifier: Apache-2.0 */
#include "release/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "release/release.h"
#include "json/json.h"

/* What the loader collects from the newest record back to the oldest. */
struct loader {
	struct arena *arena;
	struct history_item *items; /* newest first while loading */
	size_t n, cap, shown;
	const char *since;
	size_t limit;
	bool records;
};

struct history_owner {
	struct history h; /* first: what the caller has */
	struct arena *arena;
	struct history_item *all;
	size_t n_all;
};

static void free_items(struct history_item *items, size_t n) {
	for (size_t i = 0; i < n; i++)
		json_free(items[i].record);
	free(items);
}

static const char *first_text(const struct json *body) {
	static const char *const keys[] = {"detail", "reason", "what", "fault"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (json_str(body, keys[i]))
			return json_str(body, keys[i]);
	return NULL;
}

static const char *detail_of(struct arena *a, const struct json *body) {
	const char *text = first_text(body), *from = json_str(body, "from"),
		   *to = json_str(body, "to");
	const char *commit = json_text(json_path(body, "manifest.commit"));
	int64_t evidence;

	if (text)
		return arena_strdup(a, text);
	if (to)
		return arena_printf(a, "%s -> %s", from && *from ? from : "none",
				    *to ? to : "none");
	if (from && *from)
		return arena_printf(a, "after %s", from);
	if (json_int(body, "evidence", &evidence))
		return arena_printf(a, "evidence %lld", (long long) evidence);
	if (json_str(body, "container"))
		return arena_printf(a, "container %s", json_str(body, "container"));
	if (commit)
		return arena_printf(a, "manifest of %.12s%s", commit,
				    json_true(json_get(body, "manifest"), "dirty") ? ", changed"
										   : "");
	return "";
}

static const char *by_of(struct arena *a, const struct json *body) {
	const char *by = json_str(body, "by"), *host = json_str(body, "host");

	return by && host ? arena_printf(a, "%s@%s", by, host) : arena_strdup(a, by);
}

/* Enough when all that is wanted is there, and the beginning of the oldest one's operation. */
static int collect(void *ctx, const struct journal_record *r, struct err *e) {
	struct loader *l = ctx;
	struct history_item it = {.seq = r->seq,
				  .time = arena_strdup(l->arena, r->time),
				  .event = arena_strdup(l->arena, r->event)};

	(void) e;
	it.version = arena_strdup(l->arena, json_str(r->body, "version"));
	it.lockfile = arena_strdup(l->arena, json_str(r->body, "lock"));
	it.by = by_of(l->arena, r->body);
	it.detail = detail_of(l->arena, r->body);
	it.duration_ms = (uint64_t) json_int_or(r->body, "duration_ms", 0);
	it.begins = event_begins(event_of(it.event));
	it.ends = event_ends(event_of(it.event));
	bool wanted = l->shown == l->n && (!l->limit || l->shown < l->limit) &&
		(!l->since || strcmp(r->time, l->since) >= 0);
	if (!wanted && l->shown == 0)
		return 1;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->items = mem_grow(l->items, l->cap, sizeof *l->items);
	}
	it.record = l->records ? json_copy(r->body) : NULL;
	l->items[l->n++] = it;
	l->shown += wanted;
	bool last_wanted = l->limit && l->shown == l->limit;
	return (!wanted || last_wanted) && it.begins;
}

static int64_t seconds_of(const char *stamp) {
	int64_t seconds;

	return clock_parse(stamp, &seconds) ? seconds : 0;
}

/* Oldest first: give each record what its operation knows. */
static void carry(struct history_item *items, size_t n) {
	struct history_item op = {.time = NULL};

	for (size_t i = 0; i < n; i++) {
		struct history_item *it = &items[i];
		if (it->begins)
			op = *it;
		op.version = it->version ? it->version : op.version;
		op.lockfile = it->lockfile ? it->lockfile : op.lockfile;
		it->version = op.version ? op.version : "";
		it->lockfile = op.lockfile ? op.lockfile : "";
		it->by = it->by ? it->by : op.by ? op.by : "";
		int64_t passed = op.time ? seconds_of(it->time) - seconds_of(op.time) : 0;
		if (!it->duration_ms && passed > 0)
			it->duration_ms = (uint64_t) passed * 1000;
	}
}

int history_load(const struct release_route *r, const char *since, size_t limit, bool records,
		 struct history **out, struct err *e) {
	struct loader l = {.arena = arena_new(),
			   .since = since,
			   .limit = limit,
			   .records = records};

	if (journal_read_back(r->fd, r->where, collect, &l, e)) {
		arena_free(l.arena);
		free_items(l.items, l.n);
		return -1;
	}
	for (size_t i = 0; i < l.n / 2; i++) {
		struct history_item swap = l.items[i];
		l.items[i] = l.items[l.n - 1 - i];
		l.items[l.n - 1 - i] = swap;
	}
	carry(l.items, l.n);
	struct history_owner *o = mem_zalloc(1, sizeof *o);
	o->arena = l.arena;
	o->all = l.items;
	o->n_all = l.n;
	o->h = (struct history){.items = l.items + (l.n - l.shown), .n = l.shown};
	*out = &o->h;
	return 0;
}

void history_free(struct history *h) {
	struct history_owner *o = (struct history_owner *) h;

	if (!o)
		return;
	arena_free(o->arena);
	free_items(o->all, o->n_all);
	free(o);
}

void history_freep(struct history **h) {
	history_free(*h);
}

struct newest {
	enum event event;
	size_t left;
	char *time;
};

static int look_for(void *ctx, const struct journal_record *r, struct err *e) {
	struct newest *n = ctx;

	(void) e;
	if (event_of(r->event) != n->event)
		return !--n->left;
	(void) snprintf(n->time, CLOCK_STAMP, "%s", r->time);
	return 1;
}

int history_newest(const struct release_route *r, enum event event, size_t among,
		   char time[CLOCK_STAMP], struct err *e) {
	char found[CLOCK_STAMP] = "";
	struct newest n = {.event = event, .left = among, .time = found};

	if (journal_read_back(r->fd, r->where, look_for, &n, e))
		return -1;
	memcpy(time, found, sizeof found);
	return 0;
}
