/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rollout/rollout.h"

/* What is not as the lockfiles, the journals and the links say: found, and repaired. */

/* What runs against what the lock says. */
enum drift_kind {
	DRIFT_OTHER,     /* wants a hand */
	DRIFT_LINK,      /* `active` is not what the journal says */
	DRIFT_REPLACE,   /* the container is another than the lock's */
	DRIFT_START,     /* it is not there, does not run, or does not answer */
	DRIFT_RESTARTED, /* it was started by someone else, and answers */
	DRIFT_POLICY,    /* its restart policy */
	DRIFT_IMAGE,     /* the image is not in the Engine */
	DRIFT_ARTIFACT,  /* a model or an adapter in the store */
	DRIFT_GATEWAY,   /* what the gateway does, or its files */
	DRIFT_STOPPED,   /* it runs, or would be brought back, and the route is stopped */
	DRIFT_STRAY,     /* what belongs to no release */
};
struct drift_difference {
	enum drift_kind kind;
	char *what, *want, *have;
};
struct drift_differences {
	struct drift_difference *at;
	size_t n;
	bool broken_journal; /* one of them is the journal's: no mutating command goes on */
};
void drift_differences_done(struct drift_differences *d);
/* Of one route without its lock: the active release's container, image, mounts, argv, environment,
 * labels, hardening, restart policy, what the gateway does with it, artifacts (read again when
 * `paranoid`), containers that belong to no release, and the journal, all of it. Adds to *d. */
int drift_verify(const struct rollout *ctx, const char *route, bool paranoid,
		 struct drift_differences *d, struct err *e);
/* The root's own journal. */
int drift_verify_journal(const struct rollout *ctx, struct drift_differences *d, struct err *e);

/* Puts the route right under its lock: what the lock says is made so, in the journal from `fix` to
 * `fixed`. Clients notice nothing where the previous release can answer meanwhile (a gateway, and
 * it runs, or may run beside); else it is said that they will. What was done is in `out`; what
 * could not be done is out->why, and verify says what is left. -1: it could not even be looked
 * at. */
struct drift_repairs {
	struct drift_repaired {
		char *what, *how;
	} * at;
	size_t n;
	struct err why; /* code ERR_NONE: nothing failed */
};
void drift_repairs_done(struct drift_repairs *f);
int drift_repair(struct rollout_session *s, bool paranoid, struct drift_repairs *out,
		 struct err *e);

/* What bears the root's name and is reached by none of its routes: run/ID and run/routes/ROUTE,
 * containers, images, networks, routes of the gateway. Adds to *d; and away with it, under
 * everybody's lock, with a record in the root's journal. A release that cannot be read may reach
 * anything: then directories and images are left. */
int drift_scan_orphans(const struct rollout *ctx, struct drift_differences *d, struct err *e);
int drift_remove_orphans(const struct rollout *ctx, struct drift_repairs *out, struct err *e);

/* What stands below the root and does not belong there: kinds, owners, modes (root_layout_check).
 * `route` NULL: of all. Adds to *d. */
int drift_check_layout(const struct rollout *ctx, const char *route, struct drift_differences *d,
		       struct err *e);
