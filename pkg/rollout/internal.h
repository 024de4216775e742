/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/gateway.h"
#include "instance/instance.h"
#include "lockfile/lockfile.h"
#include "release/event.h"
#include "release/history.h"
#include "rollout/rollout.h"
#include "rollout/traffic_gate.h"

struct buf;

/* ---- admission (admission.c) ---- */

struct admission {
	uint64_t memory; /* of this machine, bytes: the smaller of its memory and the limit of its control groups */
	bool fits;
};
/* Does what the lockfile plans, and beside_bytes more, fit into this machine less the lockfile's reserve? */
int admission_fits(const struct lockfile *l, uint64_t beside_bytes, struct admission *out, struct err *e);

/* ---- journal (record.c) ---- */

struct json *record_new(enum event event, const struct lockfile *l);
/* Appends and frees the record. */
int record_put(struct rollout_session *s, struct json *record, struct err *e);
/* The record that begins an operation: who, where, with which tool. */
int record_begin(struct rollout_session *s, enum event event, const struct lockfile *l, const char *from, struct err *e);
/* The same, for a reason that someone gave. */
int record_begin_for(struct rollout_session *s, enum event event, const struct lockfile *l, const char *from, const char *reason, struct err *e);
/* How the journal stands: the newest record that says something of an operation, and what recovery must know of that one. */
struct record_state {
	struct json *last; /* NULL: none */
	enum event event;  /* of it */
	int attempts;	     /* recoveries that were begun since and did not end */
	bool stopped_active; /* strategy recreate: the active release was stopped for it */
};
int record_state_read(struct rollout_session *s, struct record_state *out, struct err *e);
void record_state_done(struct record_state *st);
/* The version that the newest switch made active; *version NULL: none. Not *known: the journal does not say. free(*version). */
int record_active(const struct release_route *r, bool *known, char **version, struct err *e);
/* Does the journal know of a switch to it? */
int record_was_active(const struct release_route *r, const char *version, bool *was, struct err *e);
/* Was it ever committed? Then it is immutable, and a rollback may go to it. */
int rollout_committed(const struct rollout_session *s, const char *version, bool *is, struct err *e);

/* ---- the gateway (traffic.c): without one, each of these is done at once ---- */

bool traffic_has_gateway(const struct rollout *ctx); /* there is a gateway between clients and releases */
/* The whole gateway's configuration with this release active is accepted by the HAProxy that will load it (gateway_accepts); nothing is changed. */
int traffic_accepts(const struct rollout *ctx, const struct lockfile *l, bool is_new, struct err *e);
/* The release has a slot, in maintenance where it is new. */
int traffic_assign_slot(const struct rollout *ctx, const struct lockfile *l, struct err *e);
/* All new requests to `to` (seated), or NULL: to no release. Tried a bounded number of times. */
int traffic_shift(const struct rollout *ctx, const char *route, const struct lockfile *to, struct err *e);
/* What a release that gets nothing new has in flight ends, at most so long, and is then cut; recorded. Only `route`, `version` and
 * `id` of the lock are read. ERR_INTERRUPTED leaves it draining. */
int traffic_drain(struct rollout_session *s, const struct lockfile *l, uint64_t for_ms, struct err *e);
/* A canary gets nothing any more, and is drained. */
int traffic_stop_canary(struct rollout_session *s, const struct lockfile *l, struct err *e);
/* Is this the state that HAProxy itself has the server in ("UP", "DOWN 1/2", "MAINT", "DRAIN")? Its health is another matter. */
bool traffic_has(const struct gateway_server *sv, const char *want);
/* What the gateway should do with a route while no operation is on its way: the active release is ready, `beside` (or NULL) has the
 * other slot in maintenance, nobody else has one. Repaired where it is not so. */
struct traffic_desired {
	const struct lockfile *active, *beside;
};
int traffic_reconcile(struct rollout_session *s, const struct traffic_desired *d, uint64_t drain_ms, struct err *e);

/* gateway/state that is damaged or missing is created again from the links `active` of all routes (mend.c). */
int recover_gateway_state(struct rollout_session *s, struct err *e);

/* ---- one device, one release (room.c) ---- */

bool recreate_needed(struct rollout_session *s, const struct lockfile *a, const struct lockfile *b);
/* The active release loses its traffic, is drained and stopped, so that `next` can start. */
int recreate_begin(struct rollout_session *s, const struct lockfile *next, const struct lockfile *active, struct err *e);
/* Its inner part, without the records. */
int recreate_stop(struct rollout_session *s, const struct lockfile *old, uint64_t drain_ms, struct err *e);
/* After `next` came to nothing: what `active` names is started, proved ready, and gets its traffic back. */
int recreate_restore(struct rollout_session *s, struct err *e);

/* ---- canary (canary.c) ---- */

/* Growing shares of the clients for a proved candidate. 0: every step passed. ERR_GATE: one did not. ERR_HELD: no verdict. After
 * -1 its share is the caller's to take away (traffic_stop_canary). */
int canary_run(struct rollout_session *s, const struct lockfile *l, const struct lockfile *active, struct err *e);

/* ---- held candidates (hold.c) ---- */

/* The lockfile of the one that is held; ERR_USAGE: nothing is. */
int held_lockfile(struct rollout_session *s, struct lockfile **l, struct err *e);
int held_record(struct rollout_session *s, const struct lockfile *l, const char *reason, struct err *e);
/* Whoever is held is aborted, for `why`; nobody is fine. */
int held_abort(struct rollout_session *s, const char *why, struct err *e);

/* ---- switch (switch.c) ---- */

/* From `from` (a version or "") to `to` (NULL: to none). *begun: the intent is in the journal, so only recovery may end it
 * now; the error says so. Signals wait meanwhile. */
int switch_to(struct rollout_session *s, const struct lockfile *to, const char *from, enum switch_op op, int64_t watch_until_ms, bool *begun,
	      struct err *e);
/* The same; and where HAProxy does not come up with what it had accepted, back at once: ERR_REVERTED. */
int switch_or_back(struct rollout_session *s, const struct lockfile *to, const char *from, enum switch_op op, int64_t watch_until_ms, bool *begun,
		   struct err *e);
/* From now on the Engine brings it back by itself. One that was restarted before it knew that has ended it: then it is started, and answers, before
 * anybody is sent to it. */
int switch_keep(const struct rollout *ctx, const struct lockfile *to, struct err *e);
/* The second half, also for recovery: gateway, link, `flipped`. */
int switch_finish(struct rollout_session *s, const struct lockfile *to, const char *from, enum switch_op op, int64_t watch_until_ms,
		  struct err *e);
/* It ended with `cause`: the error, and what recovery may do about it. Always -1. */
int switch_stuck(const struct rollout_session *s, const struct lockfile *to, const struct err *cause, struct err *e);
/* switch_to, watch, commit. Fills what of *out it knows. */
int switch_over(struct rollout_session *s, const struct lockfile *l, const char *from, bool *begun, struct rollout_result *out, struct err *e);
/* COMMITTED, then drain and tidy. *warm: the release that a rollback would go to still runs. */
struct switch_end {
	const struct lockfile *l;
	const char *from;
	enum switch_op op;
	const struct json *traffic; /* what the watch saw, or NULL */
};
int switch_commit(struct rollout_session *s, const struct switch_end *c, bool *warm, struct err *e);

/* ---- watch, and the switch back (watch.c) ---- */

/* Probation. 0: it held; *traffic (yours) is what clients saw, where there is a gateway. ERR_REVERTED: it did not, and `from` is
 * active again. ERR_INTERRUPTED: likewise, by Ctrl-C. */
int switch_watch(struct rollout_session *s, const struct lockfile *l, const char *from, int64_t until_unix_ms, struct json **traffic, struct err *e);
/* From `l` back to `from`, which is started and proved first. Always -1: ERR_REVERTED, or ERR_INTERRUPTED where that was the
 * cause; when it could not be done ERR_RECOVERY or ERR_UNREACHABLE. */
int switch_back(struct rollout_session *s, const struct lockfile *l, const char *from, const struct err *cause, struct err *e);
/* Its last part: `bad` is drained and dropped, `rolled_back`. */
int switch_back_end(struct rollout_session *s, const struct lockfile *bad, const char *to, const struct err *cause, struct err *e);

/* One look at a release that has traffic: whether it answers, and whether the Engine had to bring it back. ERR_REVERTED: neither.
 * Another failure is of the Engine, and says nothing of the release: ERR_UNREACHABLE with `outage` where it was restarted. */
enum { WATCH_EVERY_MS = 250, WATCH_FAILURES = 4 };
struct watch_state {
	const char *name; /* "watch" */
	bool looked;
	int failures;
	int64_t restarts; /* when it began */
	unsigned outages;
	bool outage;
};
int watch_look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p, struct err *e);
/* What its clients saw since the last look. */
int watch_count(struct rollout_session *s, const struct lockfile *l, struct traffic_gate_meter *m, struct err *e);

/* ---- a breach that one client alone causes (breach.c) ---- */

enum { BREACH_EXCUSED = 8, BREACH_ASKED = 8 };
/* A client whose requests are set aside: the golden questions passed. Its numbers are of that moment. */
struct breach_client {
	char name[128];
	uint64_t requests, errors, failed, cut, late;
	unsigned asked;
	struct gateway_sample seen, past; /* up to now; by a gateway's process before the one that counts */
};
/* Zeroed, it is new; breach_done. */
struct breach {
	struct gateway_clients before;
	struct breach_client excused[BREACH_EXCUSED];
	size_t n_excused;
};
void breach_done(struct breach *b); /* for CLEANUP */
/* When a request that its client gave up on was late: by the gates, else by eval.latency_p95, else three times the slowest golden answer. */
void breach_late_limits(const struct rollout_session *s, const struct lockfile *l, const struct lockfile_gates *g, struct gateway_late_limits *out);
/* Notes what each client had so far; before the first count of what is judged. */
void breach_begin(struct rollout_session *s, const struct lockfile *l, struct breach *b);
/* What is judged: as for traffic_gate_judge. */
struct breach_case {
	const struct lockfile_gates *gates;
	const struct gateway_sample *sum, *beside;
	const struct gateway_late_limits *patience;
	uint64_t least;
};
/* Is a gate broken, and does that stand? `reason` says why, with whose requests those were where it was one client's. -1: it could not be asked, or
 * was interrupted. */
int breach_check(struct rollout_session *s, const struct lockfile *l, struct breach *b, const struct breach_case *c, bool *stands, char reason[TRAFFIC_GATE_REASON],
		 struct err *e);
/* The sum without those that were set aside: as of the last check; and as of `now`. */
struct gateway_sample breach_judged(const struct breach *b, const struct gateway_sample *sum);
struct gateway_sample breach_rest(struct breach *b, const struct gateway_clients *now, const struct gateway_sample *sum);
/* Does one client alone break it? With what it saw. */
bool breach_of_one(struct breach *b, const struct gateway_clients *now, const struct breach_case *c, struct gateway_client *out);
/* The most ms that a golden answer may take to set `one` aside: gates.p95; the limit for what clients gave up on late; and each time that is
 * over its gate in `sum` and was measured of nobody else's request. 0: any. */
uint64_t breach_limit(const struct breach_case *c, const struct gateway_sample *sum, const struct gateway_client *one);
/* The golden questions, asked of the release through the gateway; latency_ms 0: however long they take. ERR_GATE: it fails, or there are none. */
int breach_golden(struct rollout_session *s, const struct lockfile *l, uint64_t latency_ms, struct err *e);
/* "8 of 9 requests of client 'key x' failed (...)"; yours. */
char *breach_words(const struct gateway_client *c);
/* Those that were set aside, for the journal; NULL: none. Yours. */
struct json *breach_json(const struct breach *b);

/* A candidate that is none any more: reason, evidence and log are kept as an attempt; its container goes, and so does the release,
 * unless it was ever committed: then the release stays and its container is stopped if it did not run before. */
struct dropped {
	const struct lockfile *lockfile;
	const struct err *cause;
	const struct json *evidence; /* or NULL */
	const char *manifest;	     /* or NULL */
	bool was_running;
};
int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt, struct err *e);

/* ---- verify (verify.c, verify_gateway.c) ---- */

void difference_add(struct rollout_differences *d, enum rollout_drift kind, const char *what, const char *want, const char *have);
int verify_route(const struct rollout *ctx, const struct release_route *r, bool paranoid, struct rollout_differences *d, struct err *e);
/* What the gateway does with the route, against the symlink; `active` NULL: none. */
int verify_gateway(struct rollout_differences *d, const struct rollout *ctx, const char *route, const struct lockfile *active, struct err *e);

/* ---- putting right (fix.c) ---- */

void repair_note(const struct rollout *ctx, struct rollout_repairs *out, const char *what, const char *how);
/* What an interrupted fix left: the active release is there and answers, or it is said that it does not. */
int repair_recover(struct rollout_session *s, struct err *e);
/* Someone started the active release's container again: recorded in the journal, once. */
int active_note_restart(struct rollout_session *s, const struct lockfile *l, bool *was, struct err *e);

/* ---- garbage (gc.c) ---- */

#define GC_BY_ITSELF "gc after an apply"
/* After the commit of an apply or a promote: what no release needs goes. A failure is a warning. A rollback collects nothing: it waits for
 * nobody's lock, and what it came from is what whoever is on call looks at next, or goes forward to again; the next commit collects it. */
void gc_after(struct rollout_session *s);
/* A collecting that was killed is done to its end. */
void gc_again(struct rollout_session *s);

/* ---- between operations (tidy.c) ---- */

/* The memory for both was planned. */
bool reconcile_fits(const struct lockfile *now, const struct lockfile *before);

struct reconciled {
	size_t removed, stopped;
	bool warm; /* the release that a rollback would go to runs, and may */
	bool announced;
};
struct reconcile_options {
	uint64_t drain_ms; /* how long requests in flight may take before their container stops */
	bool hurry;	   /* stops are told and not waited for */
	bool leave_traffic; /* the gateway's part is the caller's, afterwards */
	bool stopped;	    /* the route is being stopped: nothing runs, and no server has its traffic */
	bool announce;	    /* no record of the caller's says that anything may be stopped: `tidying` goes before the first */
};
/* The gateway does what the symlink says. Containers of no release on disk go; of the others only the active one runs, and beside it the
 * held one, or the one that a rollback would go to where the memory for both was planned. Adds to *done. */
int reconcile(struct rollout_session *s, const struct reconcile_options *how, struct reconciled *done, struct err *e);
/* The gateway's part alone. */
int reconcile_traffic(struct rollout_session *s, struct err *e);

/* ---- recovery (recover.c) ---- */
int recover_route(struct rollout_session *s, struct err *e);
/* The release that the journal's last record goes back to; NULL: it is no way back, or one to no release (lost.c). */
const char *failed_revert_target(const struct json *last);
/* A recovery failed with `cause`. Was it of a way back whose release does not come up, the operation ends with `failed`, and the release that the link
 * `active` names keeps or gets the traffic. */
int failed_revert_end(struct rollout_session *s, const struct err *cause, bool *ended, struct err *e);
/* The active release answers, started again where it did not, with its restart policy. `start_ms` may be NULL. */
int active_ensure(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms, struct err *e);

/* ---- stop, start, remove (stop.c, remove.c) ---- */

/* What its clients get while it is stopped, in words. */
const char *stop_clients_get(const struct rollout *ctx, const struct lockfile *l);
/* The route leads to no release any more, and what `l` has in flight ends. */
int stop_traffic(struct rollout_session *s, const struct lockfile *l, struct err *e);
/* After a failure or Ctrl-C in there: `l` has its traffic again, and the operation ends. Always -1. */
int stop_undone(struct rollout_session *s, const struct lockfile *l, const struct err *cause, struct err *e);
/* For recovery; *what: how it ended, static. */
int stop_again(struct rollout_session *s, const char **what, struct err *e);
int start_again(struct rollout_session *s, const char **what, struct err *e);
int remove_again(struct rollout_session *s, const char **what, struct err *e);
