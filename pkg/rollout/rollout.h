/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "instance/instance.h"
#include "release/release.h"

struct err;
struct gateway;
struct journal;
struct json;
struct lockfile;
struct progress;
struct root;

/* The careful mover: starts a candidate, proves it, switches to it, and back. It reads locks, never
 * manifests. Every effect is announced in the route's journal before it happens and recorded after:
 *
 *     apply  started  ready  proved  [canary_step  canary_verdict]  flip_intent  flipped  committed
 *                                                  drained
 *
 * and an operation that ends otherwise ends with `rejected`, `held`, `failed`, `interrupted`,
 * `rolled_back` or `recovered`. Before flip_intent everything is undone; between flip_intent and
 * flipped the switch is finished; in the watch a breach or Ctrl-C switches back by the same
 * function. */

/* What a rollout works with; all borrowed. */
struct rollout {
	struct instance_ctx base;
	struct gateway *gateway;    /* NULL, or one in mode none: clients follow the symlink */
	const char *command, *tool; /* for the journal: "apply r17.yaml", "llmdeploy 0.1.0" */
	uint64_t lock_wait_ms;
	/* recover, asked for by name: however often it failed before, and what is active is
	 * woken */
	bool retry_exhausted;
	/* apply, rollback, abort, stop, remove: by someone who names the route, so recovery is
	 * tried however often it failed before */
	bool asked;
	/* Called once with the evidence of each golden run, passed or not; may be NULL. */
	void (*judged)(void *ctx, const struct json *evidence);
	void *ctx;
};

/* One writer on one route, from its lock to the end. */
struct rollout_session {
	const struct rollout *ctx;
	struct release_route route;
	struct journal *journal;
	uint64_t began_ms, step_ms; /* of the operation, of its last record */
	/* the release of an apply that recovery has just switched back from; "" */
	char given_up[64];
};

/* Takes the route's lock, opens its journal, and finishes or undoes what an earlier run left.
 * `create`: a new route is made. ERR_BUSY names who holds it; ERR_RECOVERY when recovery came to
 * nothing several times. */
int rollout_begin(const struct rollout *ctx, const char *route, bool create,
		  struct rollout_session *s, struct err *e);
void rollout_end(struct rollout_session *s);

enum rollout_outcome {
	ROLLOUT_SWITCHED, /* the release is active and committed */
	/* it was active already, with this very lock; or what was asked for was so already */
	ROLLOUT_NOTHING,
	/* it was active, in a route that was stopped, and has its traffic again */
	ROLLOUT_STARTED,
};

struct rollout_result {
	enum rollout_outcome outcome;
	char from[64];      /* version that was active before; "" for none */
	uint64_t total_ms;  /* of the whole operation */
	uint64_t start_ms;  /* of these: the engine's own start */
	uint64_t eval_ms;   /* of these: the golden questions and the watch */
	uint64_t watch_ms;  /* of eval_ms: the switch and the watch */
	uint64_t canary_ms; /* of the whole: the canary's steps */
	bool previous_warm; /* the previous release still runs */
};

/* `manifest` is kept for people; NULL when applied from a lock. Failures before the switch leave
 * the active release as it was: ERR_GATE (rejected: attempts/N has the evidence), ERR_NOFIT,
 * ERR_INTEGRITY, ERR_SPEC (same version, other content), ERR_UNREACHABLE, ERR_INTERRUPTED, ERR_HELD
 * (a canary without a verdict: it waits, without traffic). ERR_REVERTED: it was active, broke in
 * its watch, and was switched back. */
int rollout_apply(struct rollout_session *s, const struct lockfile *l, const char *manifest,
		  struct rollout_result *out, struct err *e);

/* To `to`, or to the newest committed release that was active before. Asks it for one token first;
 * no network, no questions. */
int rollout_rollback(struct rollout_session *s, const char *to, struct rollout_result *out,
		     struct err *e);

/* The route has no traffic and runs nothing, until `start`, or an apply, a rollback or a promote
 * that switches: drained first. `active` stays. Clients get the fallback or 503 with Retry-After.
 * ERR_USAGE: none is active. ERR_INTERRUPTED: in the drain; it serves as before. */
int rollout_stop(struct rollout_session *s, struct rollout_result *out, struct err *e);
/* The active release of a stopped route is started, asked for one token, and gets its traffic back.
 * A failure leaves the route stopped. Where the route is not stopped: ROLLOUT_NOTHING, and an
 * active release that does not answer is started again. */
int rollout_start(struct rollout_session *s, struct rollout_result *out, struct err *e);
/* Drained, taken off the gateway; its containers, images and releases are removed. Journal and
 * attempts stay, until a purge: `purges` says in the journal that one follows. Removed already:
 * ROLLOUT_NOTHING. */
int rollout_remove(struct rollout_session *s, bool purges, struct rollout_result *out,
		   struct err *e);
/* Of a route that was removed: its journal and attempts go. Then only rollout_end may follow. */
int rollout_purge(struct rollout_session *s, struct err *e);

/* A candidate is started beside what serves, asked its golden set, and removed again: no release,
 * no record, no switch, and the route's traffic is not touched. Whatever comes, nothing of it goes
 * on running. 0: there is a verdict; -1: it could not be tried (ERR_INTERRUPTED, ERR_UNREACHABLE,
 * ERR_NOFIT). */
struct rollout_trial {
	bool passed;
	char *why;             /* not; or NULL */
	struct json *evidence; /* of the golden run; NULL where it did not come to that */
	uint64_t start_ms, eval_ms;
};
int rollout_trial_run(struct rollout_session *s, const struct lockfile *l,
		      struct rollout_trial *out, struct err *e);
void rollout_trial_done(struct rollout_trial *t);
/* End what is held: it is switched to as after its last step, or dropped. ERR_USAGE: nothing is
 * held. */
int rollout_promote(struct rollout_session *s, const char *reason, struct rollout_result *out,
		    struct err *e);
int rollout_abort(struct rollout_session *s, const char *reason, char dropped[64], struct err *e);
/* The version that is held, for who only looks; NULL: none. free(*version), free(*reason); `reason`
 * may be NULL. */
int rollout_held(const struct release_route *r, char **version, char **reason, struct err *e);

/* Lock of a release on disk, checked as release_read does. */
int rollout_lockfile_of(const struct release_route *r, const char *version, struct lockfile **out,
			struct err *e);
/* Of the active one; ERR_USAGE when none is active. */
int rollout_active_lockfile(const struct release_route *r, struct lockfile **out, struct err *e);
/* A route's journal that is broken in its middle is given up, by a human's decision: a new chain
 * begins with a record that names the old files, and takes over which versions the whole part of
 * them says were committed and were not rolled back from. Recovery is the caller's, after. */
struct rollout_journal_reset {
	char *fault;  /* what is wrong with it */
	char *active; /* as the link says; NULL: none */
	char *kept;   /* "a, b": what can be rolled back to; "" */
};
void rollout_journal_reset_done(struct rollout_journal_reset *a);
int rollout_reset_journal(const struct rollout *ctx, const char *route,
			  struct rollout_journal_reset *out, struct err *e);

/* The same of the root's own journal, which decides nothing. */
int rollout_reset_root_journal(const struct rollout *ctx, struct err *e);

/* A committed release that gc never takes, until it is unpinned. ERR_USAGE: not committed, or not
 * there; or not pinned. */
int rollout_pin(struct rollout_session *s, const char *version, const char *reason, struct err *e);
int rollout_unpin(struct rollout_session *s, const char *version, const char *reason,
		  struct err *e);
