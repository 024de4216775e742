/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"

struct err;
struct json;
struct root;

/* What stands on disk of a route (design.md, "On disk"), and nothing about how it gets there:
 *
 *     routes/ROUTE/journal, journal.N        (pkg/journal)
 *     routes/ROUTE/lock                      kernel lock, with its holder's name in it
 *     routes/ROUTE/releases/VERSION/         release.lock.json  manifest.yaml  evidence/N.json
 *     routes/ROUTE/attempts/N/               reason.json  evidence.json  engine.log
 *                                                         release.lock.json  manifest.yaml
 *     routes/ROUTE/active -> releases/VERSION
 *
 * A release appears whole or not at all (assembled in `releases/.VERSION.tmp-PID`, synced, renamed)
 * and is never edited; only evidence is added. No link below the root is followed but `active`,
 * whose text is checked. */

struct release_route {
	int fd;
	char *name;
	char *where;   /* "routes/NAME", for messages and for journal_open */
	int file_lock; /* -1, or the descriptor that holds the lock */
};

#define RELEASE_ROUTE_INIT \
	{ .fd = -1, .file_lock = -1 }

/* ERR_USAGE: not a route's name, or (without `create`) no such route, with the nearest. */
int release_route_open(const struct root *root, const char *name, bool create,
		       struct release_route *out, struct err *e);
void release_route_done(struct release_route *r); /* and gives up its lock */
/* One writer a route. ERR_BUSY names the holder, or says that the route was purged meanwhile. Every
 * function below that changes something wants it held. */
int release_route_lock(struct release_route *r, const char *command, uint64_t wait_ms,
		       struct err *e);
/* Who holds it, as root_holder says it: "eva@host pid 4711: apply r17.yaml, since ..."; *holder
 * NULL: nobody. Takes nothing. free(*holder). */
int release_holder(const struct release_route *r, char **holder, struct err *e);
/* The route's directory, with its journal and all that is in it: gone at once (renamed aside), then
 * its files. Wants its lock, which ends with `r`. What a killed process left of that is removed by
 * release_routes_clean. */
int release_route_purge(const struct root *root, const struct release_route *r, struct err *e);
int release_routes_clean(const struct root *root, struct err *e);
/* Names of all routes of a root, sorted; free(*names). What is not a directory with a route's name
 * is not one. */
int release_routes(const struct root *root, char ***names, size_t *n, struct err *e);
/* Versions on disk, sorted bytewise; free(*names). */
int release_list(const struct release_route *r, char ***names, size_t *n, struct err *e);

/* One release, read and checked: it is complete, and its lockfile is the one that its newest
 * evidence was sealed for. */
struct release {
	char *version;
	char *lockfile; /* the bytes of release.lock.json, NUL-terminated */
	size_t lockfile_len;
	char digest[SHA256_HEX]; /* of these bytes */
	char id[13];             /* head of the digest: names its directory under run/ */
	unsigned evidence;       /* number of the newest */
	struct json *proof;      /* its content */
};

#define RELEASE_INIT \
	{ .version = NULL }

/* ERR_USAGE: no such version, with the nearest. ERR_INTEGRITY: incomplete, or not what was
 * proved. */
int release_read(const struct release_route *r, const char *version, struct release *out,
		 struct err *e);
void release_done(struct release *r);

/* *exists: whether `version` is on disk, with just this lockfile. With another one: ERR_SPEC, both
 * digests. */
int release_compare(const struct release_route *r, const char *version, const char *lockfile,
		    size_t n, bool *exists, struct err *e);

struct release_sealed {
	unsigned number;         /* evidence/NUMBER.json */
	char sha256[SHA256_HEX]; /* of its bytes: put it into the journal, that seals it */
};

/* Keep a proved release: the lockfile's bytes, the manifest's text (NULL: applied from a lockfile),
 * and the evidence (an object), to which "lock" (the digest) and "number" are added. Where the same
 * release is there already, only the evidence is added. ERR_SPEC as release_compare. */
int release_put(const struct release_route *r, const char *version, const char *lockfile, size_t n,
		const char *manifest, const struct json *evidence, struct release_sealed *out,
		struct err *e);
/* Gone at once (renamed aside), then its files. The active one is refused (ERR_USAGE); absent is
 * fine. */
int release_remove(const struct release_route *r, const char *version, struct err *e);

/* The version that `active` names, checked as release_read does; NULL when there is no link.
 * free(*version). ERR_INTEGRITY: a link that is not "releases/VERSION", or leads to nothing
 * whole. */
int release_active(const struct release_route *r, char **version, struct err *e);
/* What the link says, unchecked but for its shape: for what only shows it. */
int release_active_name(const struct release_route *r, char **version, struct err *e);
/* Make a checked release the active one: rename over the link, sync the directory. NULL: none is
 * active. */
int release_flip(const struct release_route *r, const char *version, struct err *e);

/* releases/VERSION/pinned: gc leaves this release alone; the file has the reason. *reason (yours)
 * NULL: it is not pinned, or not there. */
int release_pin(const struct release_route *r, const char *version, const char *reason,
		struct err *e);
/* absent is fine */
int release_unpin(const struct release_route *r, const char *version, struct err *e);
int release_pinned(const struct release_route *r, const char *version, char **reason,
		   struct err *e);
/* The versions that are pinned, in no order; free(*versions). */
int release_pins(const struct release_route *r, char ***versions, size_t *n, struct err *e);

/* A try that came to nothing, kept for the question why. Members may be NULL. */
struct release_attempt {
	const struct json *reason; /* {"version","lock","reason",...}: as the caller likes */
	const struct json *evidence;
	const char *runtime_log; /* its tail */
	const char *lockfile;
	size_t lockfile_len;
	const char *manifest;
};

#define RELEASE_ATTEMPTS_KEPT 20

/* attempts/N, N one more than ever before on disk; then all but the newest 20 are removed. */
int release_attempt_put(const struct release_route *r, const struct release_attempt *a,
			unsigned *number, struct err *e);
/* Numbers of the attempts on disk, ascending; free(*numbers). */
int release_attempts(const struct release_route *r, unsigned **numbers, size_t *n, struct err *e);

/* Remove what a killed process left unfinished in this route's directories; *removed counts. */
int release_clean(const struct release_route *r, size_t *removed, struct err *e);
