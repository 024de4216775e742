/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "release/history.h"
#include "json/json.h"

struct json *record_new(enum event event, const struct lockfile *l) {
	struct json *r = json_object();

	json_set_str(r, "event", event_name(event));
	if (l) {
		json_set_str(r, "version", l->version);
		json_set_str(r, "lock", *l->digest ? l->digest : NULL);
	}
	return r;
}

int record_put(struct rollout_session *s, struct json *record, struct err *e) {
	struct json *r CLEANUP(json_freep) = record;
	uint64_t now = clock_mono_ms();

	json_set_int(r, "duration_ms", (int64_t) (now - s->began_ms));
	json_set_int(r, "step_ms",
		     (int64_t) (now - (s->step_ms > s->began_ms ? s->step_ms : s->began_ms)));
	s->step_ms = now;
	return journal_append(s->journal, r, e);
}

int record_begin(struct rollout_session *s, enum event event, const struct lockfile *l,
		 const char *from, struct err *e) {
	return record_begin_for(s, event, l, from, NULL, e);
}

int record_begin_for(struct rollout_session *s, enum event event, const struct lockfile *l,
		     const char *from, const char *reason, struct err *e) {
	struct json *r = record_new(event, l);

	s->began_ms = clock_mono_ms();
	json_set_str(r, "from", from);
	json_set_str(r, "reason", reason);
	journal_sign(r, s->ctx->tool, s->ctx->command);
	if (s->ctx->base.origin)
		json_set(r, "manifest", json_copy(s->ctx->base.origin));
	return record_put(s, r, e);
}

/* To the newest that says something, and on to the beginning of its operation. */
static int visit(void *ctx, const struct journal_record *r, struct err *e) {
	struct record_state *st = ctx;
	enum event event = event_of(r->event);
	enum event_meaning means = event_row(event)->means;

	(void) e;
	if (event_is_passed_over(event)) {
		st->attempts += !st->last && means == MEANS_RECOVERING;
		return 0;
	}
	if (!st->last) {
		st->last = json_copy(r->body);
		st->event = event;
	}
	if (means == MEANS_MAKING_ROOM)
		st->stopped_active = true;
	return event_begins(event) || event_ends(event);
}

int record_state_read(struct rollout_session *s, struct record_state *out, struct err *e) {
	return journal_read_back(s->route.fd, s->route.where, visit, out, e);
}

void record_state_done(struct record_state *st) {
	json_free(st->last);
	*st = (struct record_state){0};
}

struct switched {
	bool known;
	char *to;
};

static int visit_switch(void *ctx, const struct journal_record *r, struct err *e) {
	struct switched *w = ctx;
	const char *to = json_str(r->body, "to");

	(void) e;
	switch (event_means(r->event)) {
	/* The intent decides nothing here: a switch that is on its way is recovery's. */
	case MEANS_SWITCHING:
	case MEANS_RESET: return 1;
	/* The link goes with the route; in between either may be. */
	case MEANS_REMOVING: return 1;
	case MEANS_REMOVED: w->known = true; return 1;
	case MEANS_SWITCHED: break;
	default: return 0;
	}
	w->known = to != NULL;
	w->to = to && *to ? mem_strdup(to) : NULL;
	return 1;
}

int record_active(const struct release_route *r, bool *known, char **version, struct err *e) {
	struct switched w = {0};

	if (journal_read_back(r->fd, r->where, visit_switch, &w, e)) {
		free(w.to);
		return -1;
	}
	*known = w.known;
	*version = w.to;
	return 0;
}

struct flipped_to {
	const char *version;
	bool is;
};

static int visit_flipped(void *ctx, const struct journal_record *r, struct err *e) {
	struct flipped_to *w = ctx;
	const char *to = json_str(r->body, "to");

	(void) e;
	w->is = event_means(r->event) == MEANS_SWITCHED && to && !strcmp(to, w->version);
	return w->is;
}

int record_was_active(const struct release_route *r, const char *version, bool *was,
		      struct err *e) {
	struct flipped_to w = {.version = version};

	if (journal_read_back(r->fd, r->where, visit_flipped, &w, e))
		return -1;
	*was = w.is;
	return 0;
}

int rollout_committed(const struct rollout_session *s, const char *version, bool *is,
		      struct err *e) {
	char **kept CLEANUP(freep) = NULL;
	size_t n;

	if (release_committed(&s->route, &kept, &n, e))
		return -1;
	*is = false;
	for (size_t i = 0; i < n && !*is; i++)
		*is = !strcmp(kept[i], version);
	return 0;
}

static int visit_held(void *ctx, const struct journal_record *r, struct err *e) {
	struct json **last = ctx;

	(void) e;
	if (event_is_passed_over(event_of(r->event)))
		return 0;
	*last = json_copy(r->body);
	return 1;
}

int rollout_held(const struct release_route *r, char **version, char **reason, struct err *e) {
	struct json *last CLEANUP(json_freep) = NULL;

	if (journal_read_back(r->fd, r->where, visit_held, &last, e))
		return -1;
	bool held = event_row(event_of_record(last))->means == MEANS_HELD &&
		json_str(last, "version");
	*version = held ? mem_strdup(json_str(last, "version")) : NULL;
	if (reason)
		*reason = held
			? mem_strdup(json_str(last, "reason") ? json_str(last, "reason") : "")
			: NULL;
	return 0;
}
