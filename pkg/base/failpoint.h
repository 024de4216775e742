/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

/* Effects, and what a test makes of them.
 *
 * Every effect that a process of ours has on the world outside of its memory has a name, in the one
 * table below, and every step of it (a create, a write, a sync, a rename, a request) is a
 * failpoint, where a test can kill the process or make the step fail. Failpoints are always
 * compiled in, so that what is tested is what ships; without LLMDEPLOY_FAULT a failpoint costs one
 * comparison. The low functions that do the steps (fs/step.h, http_do) take the name of their
 * caller's effect; nothing else may call the system for them (make lint).
 *
 *     LLMDEPLOY_FAULT=NAME:before:kill        SIGKILL of this process before each step of the
 *                                             effect (so: the first)
 *                     NAME:after:kill         when the step is done
 *                     NAME:during:kill        of a write: when half of it is written; else as
 *                                             before
 *                     NAME:during:ENOSPC      the step is not done, or half of it is written, and
 *                                             fails; EIO, EACCES too
 *                     NAME:during:500         the other side refuses, and did nothing
 *                     NAME:during:timeout     it does it, and its answer does not come
 *                     NAME:during:reset       it does it (a streamed body breaks in its middle),
 *                                             and the connection breaks
 *                     NAME:during:gone        nobody listens
 *     followed by :N (the N-th step alone) or :N+ (from the N-th on); without it, every one.
 *         NAME may be `any`. Several
 *     plans are separated by commas, eight at most. `log:FD` writes "NAME before" and "NAME
 *         after" lines to this
 *     descriptor: what an operation does, in order, is what a harness then goes through.
 *
 * A harness expands the table too: an array that is filled by designated rows [EFFECT_X], and a
 * reference row_##id for each, do not compile when a row is missing. */

/* What may happen to an effect, besides a kill before and after. */
#define FAULTS_FILE (1U << FAULT_KILL | 1U << FAULT_ENOSPC | 1U << FAULT_EIO | 1U << FAULT_EACCES)
#define FAULTS_HTTP (1U << FAULT_500 | 1U << FAULT_TIMEOUT | 1U << FAULT_RESET | 1U << FAULT_GONE)
#define FAULTS_SOCKET (1U << FAULT_TIMEOUT | 1U << FAULT_RESET | 1U << FAULT_GONE)

/* X(id, name, what it is, faults). In the order of an apply, by what it touches. */
#define FAILPOINTS(X)                                                                              \
	X(EFFECT_ROOT_DIR, "root.dir", "a directory of the root is made", FAULTS_FILE)             \
	X(EFFECT_ROOT_ID, "root.id", "the root's name is written, once", FAULTS_FILE)              \
	X(EFFECT_LOCK_WRITE, "lock.write",                                                         \
	  "the file of a lock is made, and its holder named in it", FAULTS_FILE)                   \
	X(EFFECT_JOURNAL_APPEND, "journal.append", "a record is written at the journal's end",     \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_JOURNAL_SYNC, "journal.sync", "a record is made durable", FAULTS_FILE)            \
	X(EFFECT_JOURNAL_ROTATE, "journal.rotate", "a full journal is renamed, or a new one made", \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_JOURNAL_CUT, "journal.cut", "a torn or unfinished record is cut off",             \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_STORE_DIR, "store.dir", "a directory of the store is made", FAULTS_FILE)          \
	X(EFFECT_STORE_WRITE, "store.write", "bytes of an object are written aside", FAULTS_FILE)  \
	X(EFFECT_STORE_SYNC, "store.sync", "an object is made durable and read-only", FAULTS_FILE) \
	X(EFFECT_STORE_RENAME, "store.rename", "an object gets its name", FAULTS_FILE)             \
	X(EFFECT_STORE_RECEIPT, "store.receipt",                                                   \
	  "a receipt of a verification is written or dropped", FAULTS_FILE)                        \
	X(EFFECT_STORE_NOTE, "store.note", "a note is written or dropped", FAULTS_FILE)            \
	X(EFFECT_STORE_REMOVE, "store.remove", "an object is removed", FAULTS_FILE)                \
	X(EFFECT_STORE_CLEAN, "store.clean", "an unfinished file of the store is removed",         \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_MODEL_PULL, "model.pull", "a model or an adapter is downloaded", FAULTS_HTTP)     \
	X(EFFECT_PACKAGE_FETCH, "package.fetch", "a package or an index is downloaded",            \
	  FAULTS_HTTP)                                                                             \
	X(EFFECT_RUNTIME_LOCK, "runtime.lock", "a packages.lock is written", FAULTS_FILE)          \
	X(EFFECT_HOST_NOTE, "host.note", "what was measured of this machine is written",           \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_OUTPUT, "output.write", "a file that the user named is written", FAULTS_FILE)     \
	X(EFFECT_IMAGE_LOAD, "image.load", "an image goes into the Engine", FAULTS_HTTP)           \
	X(EFFECT_IMAGE_REMOVE, "image.remove", "an image leaves the Engine", FAULTS_HTTP)          \
	X(EFFECT_CONTAINER_CREATE, "container.create", "a container is made", FAULTS_HTTP)         \
	X(EFFECT_CONTAINER_START, "container.start", "a container is started", FAULTS_HTTP)        \
	X(EFFECT_CONTAINER_STOP, "container.stop", "a container is stopped", FAULTS_HTTP)          \
	X(EFFECT_CONTAINER_KILL, "container.kill", "a container gets a signal", FAULTS_HTTP)       \
	X(EFFECT_CONTAINER_REMOVE, "container.remove", "a container is removed", FAULTS_HTTP)      \
	X(EFFECT_CONTAINER_UPDATE, "container.update", "a container's restart policy is set",      \
	  FAULTS_HTTP)                                                                             \
	X(EFFECT_CONTAINER_RENAME, "container.rename", "a container gets another name",            \
	  FAULTS_HTTP)                                                                             \
	X(EFFECT_NETWORK_REMOVE, "network.remove", "a network is removed", FAULTS_HTTP)            \
	X(EFFECT_RUN_DIR, "run.dir", "the directory of an engine's socket is made", FAULTS_FILE)   \
	X(EFFECT_RUN_REMOVE, "run.remove", "the directory of an engine's socket is removed",       \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_QUESTION, "engine.question",                                                      \
	  "an engine is asked: a golden question, or for one token", FAULTS_HTTP)                  \
	X(EFFECT_ROUTE_DIR, "route.dir", "a directory of a route is made", FAULTS_FILE)            \
	X(EFFECT_ROUTE_REMOVE, "route.remove", "the directory of a route is removed", FAULTS_FILE) \
	X(EFFECT_RELEASE_PUT, "release.put", "a proved release is kept", FAULTS_FILE)              \
	X(EFFECT_RELEASE_EVIDENCE, "release.evidence",                                             \
	  "a release that was proved again gets new evidence", FAULTS_FILE)                        \
	X(EFFECT_RELEASE_FLIP, "release.flip", "the link `active` is turned", FAULTS_FILE)         \
	X(EFFECT_RELEASE_REMOVE, "release.remove", "a release is removed", FAULTS_FILE)            \
	X(EFFECT_RELEASE_ATTEMPT, "release.attempt",                                               \
	  "a try that came to nothing is kept, an old one dropped", FAULTS_FILE)                   \
	X(EFFECT_RELEASE_CLEAN, "release.clean", "an unfinished file of a route is removed",       \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_GATEWAY_STATE, "gateway.state", "the gateway's state is written", FAULTS_FILE)    \
	X(EFFECT_GATEWAY_CONFIG, "gateway.config", "the gateway's configuration is written",       \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_GATEWAY_LINK, "gateway.link", "a server's link to a release's socket is turned",  \
	  FAULTS_FILE)                                                                             \
	X(EFFECT_GATEWAY_SOCKET, "gateway.socket",                                                 \
	  "the gateway gets a command that changes something", FAULTS_SOCKET)                      \
	X(EFFECT_GATEWAY_CHECK, "gateway.check",                                                   \
	  "HAProxy is asked what it thinks of a configuration", FAULTS_FILE)                       \
	X(EFFECT_GATEWAY_RELOAD, "gateway.reload",                                                 \
	  "the gateway is started, ended, or takes a new configuration",                           \
	  FAULTS_FILE | FAULTS_SOCKET)

enum effect {
	EFFECT_NONE, /* of no interest: tests, pipes, and what only looks */
#define X(id, name, what, faults) id,
	FAILPOINTS(X)
#undef X
		EFFECT_COUNT
};

#define FAILPOINT_FAULTS(X)         \
	X(FAULT_KILL, "kill")       \
	X(FAULT_ENOSPC, "ENOSPC")   \
	X(FAULT_EIO, "EIO")         \
	X(FAULT_EACCES, "EACCES")   \
	X(FAULT_500, "500")         \
	X(FAULT_TIMEOUT, "timeout") \
	X(FAULT_RESET, "reset")     \
	X(FAULT_GONE, "gone")

enum fault {
	FAULT_NONE,
#define X(id, name) id,
	FAILPOINT_FAULTS(X)
#undef X
		FAULT_COUNT
};

/* The plan, once, before anything else; `text` is $LLMDEPLOY_FAULT, NULL: none. ERR_USAGE says what
 * is wrong with it. */
int failpoint_install(const char *text, struct err *e);

/* One step begins: does not return where it is planned to die here. What shall happen to it
 * instead, mostly FAULT_NONE. */
enum fault failpoint_begin(enum effect as);
/* It is done: does not return where it is planned to die here. Returns `result`; errno stays. */
int failpoint_end(enum effect as, int result);
/* failpoint_begin for a step that is a system call: 0, or -1 with errno. */
int failpoint_begin_call(enum effect as);
void failpoint_kill(void); /* SIGKILL; does not return */

const char *failpoint_name(enum effect as); /* "none" for EFFECT_NONE */
bool failpoint_applies(enum effect as, enum fault f);
