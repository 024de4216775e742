/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "release/event.h"

struct err;
struct json;
struct release;
struct release_route;

/* What the journal of a route says, as people and commands want it. */

struct history_item {
	uint64_t seq;
	const char *time;     /* "2026-11-22T17:41:05Z" */
	const char *event;    /* "apply", "ready", "committed", ... */
	const char *version;  /* of the record, else of the operation that it belongs to; or "" */
	const char *lockfile; /* digest; likewise */
	const char *by;       /* who began the operation; or "" */
	const char *detail;   /* reason, from -> to, commit: one line, or "" */
	/* since the operation began; the record's own "duration_ms" where it has one */
	uint64_t duration_ms;
	bool begins, ends;   /* an operation: the item that ends it says how it came out */
	struct json *record; /* all of it, of the history; NULL unless it was asked for */
};

/* Oldest first; goes in one history_free. */
struct history {
	struct history_item *items;
	size_t n;
};

/* The newest `limit` records (0: all), no older than `since` (a time as above; NULL: all), each
 * with all that it says where `records`. Cost grows with what is asked for, not with the
 * journal. */
int history_load(const struct release_route *r, const char *since, size_t limit, bool records,
		 struct history **out, struct err *e);
void history_free(struct history *h);
void history_freep(struct history **h); /* for CLEANUP */

/* When the newest record of this event was written, among the newest `among`; *time "" when none of
 * these is one. */
int history_newest(const struct release_route *r, enum event event, size_t among,
		   char time[CLOCK_STAMP], struct err *e);

/* Where a rollback goes, read and checked. `named` NULL: the newest committed release that was
 * active before and was not itself rolled back from; else that version, if it was ever committed. A
 * rollback to a release that was applied later than the one it leaves goes forward again, which
 * discredits neither. ERR_USAGE: there is none to go to, and why. ERR_INTEGRITY: it is damaged;
 * name another. */
int release_rollback_target(const struct release_route *r, const char *named, struct release *out,
			    struct err *e);
/* The way forward again after a rollback: the next committed release on disk after the active one,
 * in the order in which they were last applied. *version NULL: the active release is the newest, or
 * none is active. free(*version). */
int release_forward(const struct release_route *r, char **version, struct err *e);

/* What the journal says of each version, by last activity, the newest first; free(*out). */
struct release_version {
	char version[64];
	char committed[CLOCK_STAMP]; /* when it was committed last; "": never */
	/* the last thing that happened to it was that it was rolled back from, or that its watch
	 * failed */
	bool left;
};
int release_versions(const struct release_route *r, struct release_version **out, size_t *n,
		     struct err *e);

/* Versions that were committed and are still on disk, the one that was active last first;
 * free(*versions). */
int release_committed(const struct release_route *r, char ***versions, size_t *n, struct err *e);

/* What the journal says of the route as a whole. */
enum release_state {
	RELEASE_STARTED, /* whatever is active has the traffic */
	/* by `stop`: the active release stays so, does not run, and has no traffic */
	RELEASE_STOPPED,
	RELEASE_REMOVED, /* by `remove`: nothing is left but the journal */
};
/* `since` ("" where the journal says nothing; may be NULL): when it became so. */
int release_state(const struct release_route *r, enum release_state *state, char since[CLOCK_STAMP],
		  struct err *e);

/* The newest operation of the journal. Whether its process still lives the holder of the route's
 * lock says (release_holder). */
struct release_operation {
	char event[24];   /* "apply", "rollback", ...; "": the journal has none */
	char version[64]; /* that it is about, or "" */
	char began[CLOCK_STAMP];
	/* what goes on, in words; NULL: nothing, or not known. Static */
	const char *phase;
	char phase_since[CLOCK_STAMP];
	char last[24]; /* the newest record's event */
	bool ended;
};
int release_operation(const struct release_route *r, struct release_operation *out, struct err *e);
