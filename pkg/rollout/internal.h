/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/gateway.h"
#include "instance/instance.h"
#include "lockfile/lockfile.h"
#include "release/event.h"
#include "release/history.h"
#include "rollout/active.h"
#include "rollout/journal_records.h"
#include "rollout/reconcile.h"
#include "rollout/recreate.h"
#include "rollout/rollout.h"
#include "rollout/traffic.h"
#include "rollout/traffic_gate.h"

struct buf;

/* ---- admission (admission.c) ---- */

struct admission {
	/* of this machine, bytes: the smaller of its memory and the limit of its control groups */
	uint64_t memory;
	bool fits;
};
/* Does what the lockfile plans, and beside_bytes more, fit into this machine less the lockfile's
 * reserve? */
int admission_fits(const struct lockfile *l, uint64_t beside_bytes, struct admission *out,
		   struct err *e);

/* ---- canary (canary.c) ---- */

/* Growing shares of the clients for a proved candidate. 0: every step passed. ERR_GATE: one did
 * not. ERR_HELD: no verdict. After -1 its share is the caller's to take away
 * (traffic_stop_canary). */
int canary_run(struct rollout_session *s, const struct lockfile *l, const struct lockfile *active,
	       struct err *e);

/* ---- held candidates (hold.c) ---- */

/* The lockfile of the one that is held; ERR_USAGE: nothing is. */
int held_lockfile(struct rollout_session *s, struct lockfile **l, struct err *e);
int held_record(struct rollout_session *s, const struct lockfile *l, const char *reason,
		struct err *e);
/* Whoever is held is aborted, for `why`; nobody is fine. */
int held_abort(struct rollout_session *s, const char *why, struct err *e);

/* ---- switch (switch.c) ---- */

/* From `from` (a version or "") to `to` (NULL: to none). *begun: the intent is in the journal, so
 * only recovery may end it now; the error says so. Signals wait meanwhile. */
int switch_to(struct rollout_session *s, const struct lockfile *to, const char *from,
	      enum switch_op op, int64_t watch_until_ms, bool *begun, struct err *e);
/* The same; and where HAProxy does not come up with what it had accepted, back at once:
 * ERR_REVERTED. */
int switch_or_back(struct rollout_session *s, const struct lockfile *to, const char *from,
		   enum switch_op op, int64_t watch_until_ms, bool *begun, struct err *e);
/* From now on the Engine brings it back by itself. One that was restarted before it knew that has
 * ended it: then it is started, and answers, before anybody is sent to it. */
int switch_keep(const struct rollout *ctx, const struct lockfile *to, struct err *e);
/* The second half, also for recovery: gateway, link, `flipped`. */
int switch_finish(struct rollout_session *s, const struct lockfile *to, const char *from,
		  enum switch_op op, int64_t watch_until_ms, struct err *e);
/* It ended with `cause`: the error, and what recovery may do about it. Always -1. */
int switch_stuck(const struct rollout_session *s, const struct lockfile *to,
		 const struct err *cause, struct err *e);
/* switch_to, watch, commit. Fills what of *out it knows. */
int switch_over(struct rollout_session *s, const struct lockfile *l, const char *from, bool *begun,
		struct rollout_result *out, struct err *e);
/* COMMITTED, then drain and tidy. *warm: the release that a rollback would go to still runs. */
struct switch_end {
	const struct lockfile *l;
	const char *from;
	enum switch_op op;
	const struct json *traffic; /* what the watch saw, or NULL */
};
int switch_commit(struct rollout_session *s, const struct switch_end *c, bool *warm, struct err *e);

/* ---- watch, and the switch back (watch.c) ---- */

/* Probation. 0: it held; *traffic (yours) is what clients saw, where there is a gateway.
 * ERR_REVERTED: it did not, and `from` is active again. ERR_INTERRUPTED: likewise, by Ctrl-C. */
int switch_watch(struct rollout_session *s, const struct lockfile *l, const char *from,
		 int64_t until_unix_ms, struct json **traffic, struct err *e);
/* From `l` back to `from`, which is started and proved first. Always -1: ERR_REVERTED, or
 * ERR_INTERRUPTED where that was the cause; when it could not be done ERR_RECOVERY or
 * ERR_UNREACHABLE. */
int switch_back(struct rollout_session *s, const struct lockfile *l, const char *from,
		const struct err *cause, struct err *e);
/* Its last part: `bad` is drained and dropped, `rolled_back`. */
int switch_back_end(struct rollout_session *s, const struct lockfile *bad, const char *to,
		    const struct err *cause, struct err *e);

/* One look at a release that has traffic: whether it answers, and whether the Engine had to bring
 * it back. ERR_REVERTED: neither. Another failure is of the Engine, and says nothing of the
 * release: ERR_UNREACHABLE with `outage` where it was restarted. */
enum { WATCH_EVERY_MS = 250, WATCH_FAILURES = 4 };
struct watch_state {
	const char *name; /* "watch" */
	bool looked;
	int failures;
	int64_t restarts; /* when it began */
	unsigned outages;
	bool outage;
};
int watch_look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p,
	       struct err *e);
/* What its clients saw since the last look. */
int watch_count(struct rollout_session *s, const struct lockfile *l, struct traffic_gate_meter *m,
		struct err *e);

/* ---- a breach that one client alone causes (breach.c) ---- */

enum { BREACH_EXCUSED = 8, BREACH_ASKED = 8 };
/* A client whose requests are set aside: the golden questions passed. Its numbers are of that
 * moment. */
struct breach_client {
	char name[128];
	uint64_t requests, errors, failed, cut, late;
	unsigned asked;
	/* up to now; by a gateway's process before the one that counts */
	struct gateway_sample seen, past;
};
/* Zeroed, it is new; breach_done. */
struct breach {
	struct gateway_clients before;
	struct breach_client excused[BREACH_EXCUSED];
	size_t n_excused;
};
void breach_done(struct breach *b); /* for CLEANUP */
/* When a request that its client gave up on was late: by the gates, else by eval.latency_p95, else
 * three times the slowest golden answer. */
void breach_late_limits(const struct rollout_session *s, const struct lockfile *l,
			const struct lockfile_gates *g, struct gateway_late_limits *out);
/* Notes what each client had so far; before the first count of what is judged. */
void breach_begin(struct rollout_session *s, const struct lockfile *l, struct breach *b);
/* What is judged: as for traffic_gate_judge. */
struct breach_case {
	const struct lockfile_gates *gates;
	const struct gateway_sample *sum, *beside;
	const struct gateway_late_limits *patience;
	uint64_t least;
};
/* Is a gate broken, and does that stand? `reason` says why, with whose requests those were where it
 * was one client's. -1: it could not be asked, or was interrupted. */
int breach_check(struct rollout_session *s, const struct lockfile *l, struct breach *b,
		 const struct breach_case *c, bool *stands, char reason[TRAFFIC_GATE_REASON],
		 struct err *e);
/* The sum without those that were set aside: as of the last check; and as of `now`. */
struct gateway_sample breach_judged(const struct breach *b, const struct gateway_sample *sum);
struct gateway_sample breach_rest(struct breach *b, const struct gateway_clients *now,
				  const struct gateway_sample *sum);
/* Does one client alone break it? With what it saw. */
bool breach_of_one(struct breach *b, const struct gateway_clients *now, const struct breach_case *c,
		   struct gateway_client *out);
/* The most ms that a golden answer may take to set `one` aside: gates.p95; the limit for what
 * clients gave up on late; and each time that is over its gate in `sum` and was measured of nobody
 * else's request. 0: any. */
uint64_t breach_limit(const struct breach_case *c, const struct gateway_sample *sum,
		      const struct gateway_client *one);
/* The golden questions, asked of the release through the gateway; latency_ms 0: however long they
 * take. ERR_GATE: it fails, or there are none. */
int breach_golden(struct rollout_session *s, const struct lockfile *l, uint64_t latency_ms,
		  struct err *e);
/* "8 of 9 requests of client 'key x' failed (...)"; yours. */
char *breach_words(const struct gateway_client *c);
/* Those that were set aside, for the journal; NULL: none. Yours. */
struct json *breach_json(const struct breach *b);

/* A candidate that is none any more: reason, evidence and log are kept as an attempt; its container
 * goes, and so does the release, unless it was ever committed: then the release stays and its
 * container is stopped if it did not run before. */
struct dropped {
	const struct lockfile *lockfile;
	const struct err *cause;
	const struct json *evidence; /* or NULL */
	const char *manifest;        /* or NULL */
	bool was_running;
};
int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt,
		   struct err *e);

/* ---- recovery (recover.c) ---- */
/* gateway/state that is damaged or missing is created again from the links `active` of all routes
 * (mend.c). */
int recover_gateway_state(struct rollout_session *s, struct err *e);
int recover_route(struct rollout_session *s, struct err *e);
/* The release that the journal's last record goes back to; NULL: it is no way back, or one to no
 * release (lost.c). */
const char *failed_revert_target(const struct json *last);
/* A recovery failed with `cause`. Was it of a way back whose release does not come up, the
 * operation ends with `failed`, and the release that the link `active` names keeps or gets the
 * traffic. */
int failed_revert_end(struct rollout_session *s, const struct err *cause, bool *ended,
		      struct err *e);

/* ---- stop, start, remove (stop.c, remove.c) ---- */

/* What its clients get while it is stopped, in words. */
const char *stop_clients_get(const struct rollout *ctx, const struct lockfile *l);
/* The route leads to no release any more, and what `l` has in flight ends. */
int stop_traffic(struct rollout_session *s, const struct lockfile *l, struct err *e);
/* After a failure or Ctrl-C in there: `l` has its traffic again, and the operation ends. Always
 * -1. */
int stop_undone(struct rollout_session *s, const struct lockfile *l, const struct err *cause,
		struct err *e);
/* For recovery; *what: how it ended, static. */
int stop_again(struct rollout_session *s, const char **what, struct err *e);
int start_again(struct rollout_session *s, const char **what, struct err *e);
int remove_again(struct rollout_session *s, const char **what, struct err *e);
