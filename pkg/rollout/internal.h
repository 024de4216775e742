#pragma once

#include "lock/lock.h"
#include "probe/endpoint.h"
#include "release/history.h"
#include "release/run.h"
#include "rollout/rollout.h"

struct buf;

#define ROLLOUT_LABEL_ROOT "llmdeploy.root"
#define ROLLOUT_LABEL_ROUTE "llmdeploy.route"
#define ROLLOUT_LABEL_VERSION "llmdeploy.version"
#define ROLLOUT_LABEL_LOCK "llmdeploy.lock"

/* ---- journal (record.c) ---- */

struct json *record_new(const char *event, const struct lock *l);
/* Appends and frees the record. */
int record_put(struct rollout_session *s, struct json *record, struct err *e);
/* The record that begins an operation: who, where, with which tool. */
int record_begin(struct rollout_session *s, const char *event, const struct lock *l, const char *from, struct err *e);
/* Was it ever committed? Then it is immutable, and a rollback may go to it. */
int rollout_committed(const struct rollout_session *s, const char *version, bool *is, struct err *e);

/* ---- the candidate's container (container.c) ---- */

/* The image is in the Engine, loaded from the store where it was not; `id` is what to create from. */
int container_image(const struct rollout *x, const struct lock *l, char id[65], struct err *e);
/* Container of this lock is there and was started; made where absent, replaced where it is another's. What did not run before
 * has no restart policy until the switch: a candidate that dies stays dead. */
int container_start(const struct rollout *x, const struct lock *l, struct err *e);
/* Gone, with its run directory. Absent is fine. */
int container_remove(const struct rollout *x, const struct lock *l, struct err *e);
int container_stop(const struct rollout *x, const struct lock *l, struct err *e);
/* It runs, and is not between a death and the Engine's next try. */
int container_is_running(const struct rollout *x, const struct lock *l, bool *running, struct err *e);
/* How often the Engine brought it back since it was started. */
int container_restarts(const struct rollout *x, const struct lock *l, int64_t *restarts, struct err *e);
/* Last lines of its log, never a failure. */
void container_log(const struct rollout *x, const struct lock *l, struct buf *out);
/* Labels that root, route, version and lock give. */
struct json *container_labels(const struct rollout *x, const struct lock *l);
/* What to create the container with; `labels` and `mounts` (of n_artifacts + 1) are the caller's. */
struct docker_mount;
int container_mounts(const struct rollout *x, const struct lock *l, const char *run, struct docker_mount *mounts, struct err *e);

/* ---- proof (prove.c) ---- */

struct engine {
	struct release_socket socket;
	struct endpoint endpoint;
};
int engine_open(const struct rollout *x, const struct lock *l, struct engine *out, struct err *e);
void engine_done(struct engine *en);
/* Readiness, identity, one token. ERR_GATE with the container's last words. `ready_ms` may be NULL. */
int prove_ready(const struct rollout *x, const struct lock *l, uint64_t *ready_ms, struct err *e);
/* Golden set. *evidence is set whenever questions were asked, passed or not. */
int prove_answers(const struct rollout *x, const struct lock *l, struct json **evidence, struct err *e);

/* "2026-11-22T17:41:05.123456789Z", as the Engine writes it; 0 where it is not. */
int64_t prove_unix_ms(const char *stamp);

/* ---- memory (measure.c) ---- */

/* {"predicted", "measured", "drift_permille", "resident_bytes"}: what the engine's log says that it took, beside the plan; with a
 * "warning" where it says nothing that is understood. NULL: the runtime definition names no pattern. Yours. */
struct json *measure_memory(const struct rollout *x, const struct lock *l);

/* ---- switch (switch.c) ---- */

enum switch_op { SWITCH_APPLY, SWITCH_ROLLBACK, SWITCH_REVERT };
const char *switch_name(enum switch_op op);
/* From `from` (a version or "") to `to` (NULL: to none). *begun: the intent is in the journal, so only recovery may end it
 * now; the error says so. Signals wait meanwhile. */
int switch_to(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, int64_t watch_until_ms, bool *begun,
	      struct err *e);
/* The second half, also for recovery: link, `flipped`. */
int switch_finish(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, int64_t watch_until_ms,
		  struct err *e);
/* COMMITTED, then tidy. *warm: the release that a rollback would go to still runs. */
int switch_commit(struct rollout_session *s, const struct lock *l, const char *from, enum switch_op op, bool *warm, struct err *e);

/* ---- watch, and the way back (watch.c) ---- */

/* Probation. 0: it held. ERR_REVERTED: it did not, and `from` is active again. ERR_INTERRUPTED: likewise, by Ctrl-C. */
int switch_watch(struct rollout_session *s, const struct lock *l, const char *from, int64_t until_unix_ms, struct err *e);
/* From `l` back to `from`, which is started and proved first. Always -1: ERR_REVERTED, or ERR_INTERRUPTED where that was the
 * cause; when it could not be done ERR_RECOVERY or ERR_UNREACHABLE. */
int switch_back(struct rollout_session *s, const struct lock *l, const char *from, const struct err *cause, struct err *e);
/* Its last part: `bad` is dropped, `rolled_back`. */
int switch_back_end(struct rollout_session *s, const struct lock *bad, const char *to, const struct err *cause, struct err *e);

/* A candidate that is none any more: reason, evidence and log are kept as an attempt; its container goes, and so does the release,
 * unless it was ever committed: then the release stays and its container is stopped if it did not run before. */
struct dropped {
	const struct lock *lock;
	const struct err *cause;
	const struct json *evidence; /* or NULL */
	const char *manifest;	     /* or NULL */
	bool was_running;
};
int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt, struct err *e);

/* ---- between operations (tidy.c) ---- */

struct tidied {
	size_t removed, stopped;
	bool warm; /* the release that a rollback would go to runs, and may */
};
/* Containers of no release on disk go; of the others only the active one runs, and the one that a rollback would go to where the
 * memory for both was planned. Adds to *done. */
int tidy(struct rollout_session *s, struct tidied *done, struct err *e);

/* ---- recovery (recover.c) ---- */
int recover_route(struct rollout_session *s, struct err *e);
/* The active release answers, started again where it did not, with its restart policy. `engine_ms` may be NULL. */
int active_repair(struct rollout_session *s, const struct lock *l, uint64_t *engine_ms, struct err *e);
