/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "root/root.h"
#include "json/json.h"

/* Versions by their last activity, the newest last, from the part of a journal that is whole. */
struct known {
	struct json *committed; /* array of strings */
	struct json *applied;   /* the same, in the order in which they were last applied */
	bool stopped;           /* the route */
};

static void drop(struct json **list, const char *version) {
	struct json *rest = json_array();

	for (const struct json *v = json_first(*list); v; v = json_next(v))
		if (strcmp(json_text(v), version))
			json_push_str(rest, json_text(v));
	json_free(*list);
	*list = rest;
}

static void keep(struct json **list, const char *version) {
	drop(list, version);
	json_push_str(*list, version);
}

/* A rollback to a release that was applied later discredits nothing (release/history.h). */
static bool is_forward(const struct known *k, enum switch_op op, const char *from, const char *to) {
	bool seen = false;

	for (const struct json *v = json_first(k->applied); v && op == SWITCH_ROLLBACK;
	     v = json_next(v)) {
		if (seen && to && !strcmp(json_text(v), to))
			return true;
		seen |= !strcmp(json_text(v), from);
	}
	return false;
}

static void known_done(struct known *k) {
	json_free(k->committed);
	json_free(k->applied);
}

static void forget(struct known *k) {
	known_done(k);
	*k = (struct known){.committed = json_array(), .applied = json_array()};
}

static void note_switch(struct known *k, const struct json *record) {
	const char *from = json_str(record, "from");
	enum switch_op op = switch_op_of(record);

	k->stopped = false;
	if (from && (op == SWITCH_ROLLBACK || op == SWITCH_REVERT) &&
	    !is_forward(k, op, from, json_str(record, "to")))
		drop(&k->committed, from);
}

static void note_commit(struct known *k, const struct json *record) {
	const char *version = json_str(record, "version");

	if (!version)
		return;
	keep(&k->committed, version);
	if (switch_op_of(record) != SWITCH_ROLLBACK)
		keep(&k->applied, version);
}

static void note_reset(struct known *k, const struct json *record) {
	k->stopped = json_true(record, "stopped");
	for (const struct json *v = json_first(json_get(record, "committed")); v;
	     v = json_next(v)) {
		keep(&k->committed, json_text(v));
		keep(&k->applied, json_text(v));
	}
}

static int note(void *ctx, const struct journal_record *r, struct err *e) {
	struct known *k = ctx;

	(void) e;
	switch (event_means(r->event)) {
	case MEANS_REMOVED: forget(k); break;
	case MEANS_RESET: note_reset(k, r->body); break;
	case MEANS_STOPPED: k->stopped = true; break;
	case MEANS_STARTED: k->stopped = false; break;
	case MEANS_SWITCHED: note_switch(k, r->body); break;
	case MEANS_COMMITTED: note_commit(k, r->body); break;
	default: break;
	}
	return 0;
}

/* Only what is on disk, whole, and not the active one, which is added last: it is what everybody
 * uses. */
static struct json *still_there(const struct release_route *r, const struct known *k,
				const char *active) {
	struct json *list = json_array();

	for (const struct json *v = json_first(k->committed); v; v = json_next(v)) {
		struct release rel CLEANUP(release_done) = RELEASE_INIT;
		struct err gone = {0};
		if ((!active || strcmp(active, json_text(v))) &&
		    !release_read(r, json_text(v), &rel, &gone))
			json_push_str(list, json_text(v));
	}
	return list;
}

static char *names_of(const struct json *list) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	for (const struct json *v = json_first(list); v; v = json_next(v))
		(void) buf_printf(&b, "%s%s", b.len ? ", " : "", json_text(v));
	return mem_strdup(buf_str(&b));
}

static int reset(const struct rollout *ctx, const struct release_route *r,
		 struct rollout_journal_reset *out, struct err *e) {
	struct json *record CLEANUP(json_freep) = json_object(), *list;
	struct known k CLEANUP(known_done) = {.committed = json_array(), .applied = json_array()};
	struct err fault = {0};

	if (release_active(r, &out->active, e))
		return -1;
	(void) journal_read(r->fd, r->where, note, &k, &fault);
	list = still_there(r, &k, out->active);
	out->fault = mem_strdup(fault.msg);
	out->kept = names_of(list);
	if (out->active)
		json_push_str(list, out->active);
	json_set(record, "committed", list);
	json_set_str(record, "active", out->active ? out->active : "");
	if (k.stopped)
		json_set_bool(record, "stopped", true);
	journal_sign(record, ctx->tool, ctx->command);
	return journal_reset(r->fd, r->where, record, e);
}

void rollout_journal_reset_done(struct rollout_journal_reset *a) {
	free(a->fault);
	free(a->active);
	free(a->kept);
}

int rollout_reset_journal(const struct rollout *ctx, const char *route,
			  struct rollout_journal_reset *out, struct err *e) {
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct rollout_journal_reset a = {0};

	if (release_route_open(ctx->base.root, route, false, &r, e) ||
	    release_route_lock(&r, ctx->command, ctx->lock_wait_ms, e) ||
	    reset(ctx, &r, &a, e)) {
		rollout_journal_reset_done(&a);
		return -1;
	}
	*out = a;
	return 0;
}

int rollout_reset_root_journal(const struct rollout *ctx, struct err *e) {
	struct json *record CLEANUP(json_freep) = json_object();
	int file_lock CLEANUP(closep) = -1;

	journal_sign(record, ctx->tool, ctx->command);
	if (root_lock(ctx->base.root, ctx->command, ctx->lock_wait_ms, &file_lock, e) ||
	    journal_reset(ctx->base.root->fd, "", record, e))
		return -1;
	return 0;
}
