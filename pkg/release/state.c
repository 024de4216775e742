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

/* ---- started, stopped, removed ---- */

struct state_of {
	enum release_state state;
	char time[CLOCK_STAMP];
};

static bool decides(const struct journal_record *r, enum release_state *state) {
	switch (event_means(r->event)) {
	case MEANS_SWITCHED:
	case MEANS_STARTED: *state = RELEASE_STARTED; return true;
	case MEANS_STOPPED: *state = RELEASE_STOPPED; return true;
	case MEANS_REMOVED: *state = RELEASE_REMOVED; return true;
	/* A journal that was given up: what of it was whole is in this record. */
	case MEANS_RESET:
		*state = json_true(r->body, "stopped") ? RELEASE_STOPPED : RELEASE_STARTED;
		return true;
	default: return false;
	}
}

static int visit_state(void *ctx, const struct journal_record *r, struct err *e) {
	struct state_of *s = ctx;
	enum release_state state;

	(void) e;
	if (!decides(r, &state))
		return 0;
	s->state = state;
	(void) snprintf(s->time, sizeof s->time, "%s", r->time);
	return 1;
}

int release_state(const struct release_route *r, enum release_state *state, char since[CLOCK_STAMP],
		  struct err *e) {
	struct state_of s = {.state = RELEASE_STARTED};

	if (journal_read_back(r->fd, r->where, visit_state, &s, e))
		return -1;
	*state = s.state;
	if (since)
		memcpy(since, s.time, sizeof s.time);
	return 0;
}

/* ---- an operation that is on its way ---- */

static int visit_operation(void *ctx, const struct journal_record *r, struct err *e) {
	const char *version = json_str(r->body, "version");
	struct release_operation *o = ctx;
	enum event event = event_of(r->event);
	const char *phase = event_row(event)->phase;

	(void) e;
	if (!o->last[0])
		(void) snprintf(o->last, sizeof o->last, "%s", r->event);
	/* What goes on after a commit is a step of the operation that it ended. */
	if (phase && !o->phase && !o->ended) {
		o->phase = phase;
		(void) snprintf(o->phase_since, sizeof o->phase_since, "%s", r->time);
	}
	o->ended |= event_ends(event);
	if (version && !*o->version)
		(void) snprintf(o->version, sizeof o->version, "%s", version);
	if (!event_begins(event))
		return 0;
	(void) snprintf(o->event, sizeof o->event, "%s", r->event);
	(void) snprintf(o->began, sizeof o->began, "%s", r->time);
	return 1;
}

int release_operation(const struct release_route *r, struct release_operation *out, struct err *e) {
	struct release_operation o = {.phase = NULL};

	if (journal_read_back(r->fd, r->where, visit_operation, &o, e))
		return -1;
	*out = o;
	return 0;
}
