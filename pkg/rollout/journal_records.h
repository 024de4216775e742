/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lockfile/lockfile.h"
#include "release/event.h"
#include "rollout/rollout.h"

/* What a rollout writes into the journal of its route, and reads there. */

struct json *record_new(enum event event, const struct lockfile *l);
/* Appends and frees the record. */
int record_put(struct rollout_session *s, struct json *record, struct err *e);
/* The record that begins an operation: who, where, with which tool. */
int record_begin(struct rollout_session *s, enum event event, const struct lockfile *l,
		 const char *from, struct err *e);
/* The same, for a reason that someone gave. */
int record_begin_for(struct rollout_session *s, enum event event, const struct lockfile *l,
		     const char *from, const char *reason, struct err *e);
/* How the journal stands: the newest record that says something of an operation, and what recovery
 * must know of that one. */
struct record_state {
	struct json *last;   /* NULL: none */
	enum event event;    /* of it */
	int attempts;        /* recoveries that were begun since and did not end */
	bool stopped_active; /* strategy recreate: the active release was stopped for it */
};
int record_state_read(struct rollout_session *s, struct record_state *out, struct err *e);
void record_state_done(struct record_state *st);
/* The version that the newest switch made active; *version NULL: none. Not *known: the journal does
 * not say. free(*version). */
int record_active(const struct release_route *r, bool *known, char **version, struct err *e);
/* Does the journal know of a switch to it? */
int record_was_active(const struct release_route *r, const char *version, bool *was, struct err *e);
/* Was it ever committed? Then it is immutable, and a rollback may go to it. */
int rollout_committed(const struct rollout_session *s, const char *version, bool *is,
		      struct err *e);
