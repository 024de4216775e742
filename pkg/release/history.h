#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

struct err;
struct json;
struct release;
struct release_route;

/* What the journal of a route says, as people and commands want it. */

struct history_item {
	uint64_t seq;
	const char *time;    /* "2026-11-22T17:41:05Z" */
	const char *event;   /* "apply", "ready", "committed", ... */
	const char *version; /* of the record, else of the operation that it belongs to; or "" */
	const char *lock;    /* digest; likewise */
	const char *by;	     /* who began the operation; or "" */
	const char *detail;  /* reason, from -> to, commit: one line, or "" */
	uint64_t duration_ms; /* since the operation began; the record's own "duration_ms" where it has one */
	bool begins, ends;    /* an operation: the item that ends it says how it came out */
	struct json *record;  /* all of it, of the history; NULL unless it was asked for */
};

/* Oldest first; goes in one history_free. */
struct history {
	struct history_item *items;
	size_t n;
};

/* Does an event begin an operation, or end one? */
bool history_begins(const char *event);
bool history_ends(const char *event);

/* The newest `limit` records (0: all), no older than `since` (a time as above; NULL: all), each with all that it says where `records`. Cost
 * grows with what is asked for, not with the journal. */
int history_load(const struct release_route *r, const char *since, size_t limit, bool records, struct history **out,
		 struct err *e);
void history_free(struct history *h);
void history_freep(struct history **h); /* for CLEANUP */

/* When the newest record of this event was written, among the newest `among`; *time "" when none of these is one. */
int history_newest(const struct release_route *r, const char *event, size_t among, char time[CLOCK_STAMP], struct err *e);

/* Where a rollback goes, read and checked. `named` NULL: the newest committed release that was active before and
 * was not itself rolled back from; else that version, if it was ever committed. A rollback to a release that was applied
 * later than the one it leaves goes forward again, which discredits neither. ERR_USAGE: there is none
 * to go to, and why. ERR_INTEGRITY: it is damaged; name another. */
int release_rollback_target(const struct release_route *r, const char *named, struct release *out, struct err *e);
/* The way forward again after a rollback: the next committed release on disk after the active one, in the order in which they were
 * last applied. *version NULL: the active release is the newest, or none is active. free(*version). */
int release_forward(const struct release_route *r, char **version, struct err *e);

/* Versions that were committed and are still on disk, the one that was active last first; free(*versions). */
int release_committed(const struct release_route *r, char ***versions, size_t *n, struct err *e);
