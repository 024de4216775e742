#include "release/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "json/json.h"
#include "release/release.h"

/* ---- started, stopped, removed ---- */

struct state_of {
	enum release_state state;
	char time[CLOCK_STAMP];
};

static bool decides(const struct journal_record *r, enum release_state *state) {
	static const struct {
		const char *event;
		enum release_state state;
	} table[] = {
		{"route_stopped", RELEASE_STOPPED}, {"removed", RELEASE_REMOVED},
		{"route_started", RELEASE_STARTED}, {"flipped", RELEASE_STARTED},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(r->event, table[i].event)) {
			*state = table[i].state;
			return true;
		}
	/* A journal that was given up: what of it was whole is in this record. */
	*state = json_true(r->body, "stopped") ? RELEASE_STOPPED : RELEASE_STARTED;
	return !strcmp(r->event, "accepted");
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

int release_state(const struct release_route *r, enum release_state *state, char since[CLOCK_STAMP], struct err *e) {
	struct state_of s = {.state = RELEASE_STARTED};

	if (journal_read_back(r->fd, r->where, visit_state, &s, e))
		return -1;
	*state = s.state;
	if (since)
		memcpy(since, s.time, sizeof s.time);
	return 0;
}

/* ---- an operation that is on its way ---- */

/* What goes on after this record; NULL: the record is no step of its own. */
static const char *phase_after(const char *event) {
	static const struct {
		const char *event, *phase;
	} table[] = {
		{"apply", "preparing the candidate"},
		{"rollback", "starting the release before"},
		{"promote", "starting the candidate"},
		{"abort", "dropping the candidate"},
		{"stop", "draining and stopping"},
		{"start", "starting the active release"},
		{"remove", "draining and removing"},
		{"fix", "repairing"},
		{"stop_intent", "stopping the active release"},
		{"stopped", "starting the candidate"},
		{"started", "waiting for the candidate to get ready"},
		{"ready", "asking the golden questions"},
		{"skip_eval", "preparing the switch"},
		{"proved", "preparing the switch"},
		{"canary_step", "canary"},
		{"canary_verdict", "canary"},
		{"flip_intent", "switching"},
		{"flipped", "watching the new release"},
		{"back_intent", "switching back"},
		{"committed", "draining the release before"},
		{"recovering", "recovering"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(event, table[i].event))
			return table[i].phase;
	return NULL;
}

static int visit_operation(void *ctx, const struct journal_record *r, struct err *e) {
	const char *phase = phase_after(r->event), *version = json_str(r->body, "version");
	struct release_operation *o = ctx;

	(void) e;
	if (!o->last[0])
		(void) snprintf(o->last, sizeof o->last, "%s", r->event);
	/* What goes on after a commit is a step of the operation that it ended. */
	if (phase && !o->phase && !o->ended) {
		o->phase = phase;
		(void) snprintf(o->phase_since, sizeof o->phase_since, "%s", r->time);
	}
	o->ended |= history_ends(r->event);
	if (version && !*o->version)
		(void) snprintf(o->version, sizeof o->version, "%s", version);
	if (!history_begins(r->event))
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
