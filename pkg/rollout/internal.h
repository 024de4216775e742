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

/* ---- the candidate's container (container.c) ---- */

/* The image is in the Engine, loaded from the store where it was not; `id` is what to create from. */
int container_image(const struct rollout *x, const struct lock *l, char id[65], struct err *e);
/* Container of this lock is there and was started; made where absent, replaced where it is another's. *made: it was not there before. */
int container_start(const struct rollout *x, const struct lock *l, bool *made, struct err *e);
/* Gone, with its run directory. Absent is fine. */
int container_remove(const struct rollout *x, const struct lock *l, struct err *e);
int container_stop(const struct rollout *x, const struct lock *l, struct err *e);
int container_is_running(const struct rollout *x, const struct lock *l, bool *running, struct err *e);
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
/* Readiness, identity, one token. ERR_GATE with the container's last words. */
int prove_ready(const struct rollout *x, const struct lock *l, uint64_t *ready_ms, struct err *e);
/* Golden set. *evidence is set whenever questions were asked, passed or not. */
int prove_answers(const struct rollout *x, const struct lock *l, struct json **evidence, struct err *e);

/* ---- switch (switch.c) ---- */

enum switch_op { SWITCH_APPLY, SWITCH_ROLLBACK, SWITCH_REVERT };
const char *switch_name(enum switch_op op);
/* From what is active to `to` (NULL: to none). Journalled, finished once begun; deferred signals. */
int switch_to(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, uint64_t watch_ms, struct err *e);
/* The second half, also for recovery: link, `flipped`. */
int switch_finish(struct rollout_session *s, const struct lock *to, const char *to_version, const char *from, enum switch_op op,
		  int64_t watch_until_ms, struct err *e);
/* Probation. 0: it held. ERR_REVERTED: it did not, and `from` is active again. ERR_INTERRUPTED: likewise, by Ctrl-C. */
int switch_watch(struct rollout_session *s, const struct lock *l, const char *from, int64_t until_unix_ms, struct err *e);
/* COMMITTED; the release before is kept warm or stopped, older ones are stopped. */
int switch_commit(struct rollout_session *s, const struct lock *l, const char *from, enum switch_op op, bool *warm, struct err *e);

/* ---- recovery (recover.c) ---- */
int recover_route(struct rollout_session *s, struct err *e);
