/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lockfile/lockfile.h"
#include "probe/endpoint.h"
#include "release/run.h"

struct buf;
struct docker;
struct docker_container;
struct docker_containers;
struct docker_mount;
struct err;
struct json;
struct memory_estimate;
struct progress;
struct root;
struct store;

/* One running copy of a release's runtime: its image in place, created, started, stopped, asked
 * whether it is ready, and what it said. It knows no journal, no gateway and no other release. */

/* What an instance is started with; all borrowed. */
struct instance_ctx {
	const struct root *root;
	struct store *store;
	struct docker *docker;
	const struct progress *progress;
	/* where the manifest came from: {"commit","dirty","remote"}, or NULL */
	const struct json *origin;
};

#define INSTANCE_LABEL_ROOT "llmdeploy.root"
#define INSTANCE_LABEL_ROUTE "llmdeploy.route"
#define INSTANCE_LABEL_VERSION "llmdeploy.version"
#define INSTANCE_LABEL_LOCK "llmdeploy.lock"

/* ---- the container ---- */

/* The image is in the Engine, loaded from the store where it was not; `id` is what to create
 * from. */
int instance_image(const struct instance_ctx *ctx, const struct lockfile *l, char id[65],
		   struct err *e);
/* Container of this lock is there and was started; made where absent, replaced where it is
 * another's. What did not run before has no restart policy until the switch: a candidate that dies
 * stays dead. */
int instance_start(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* Gone, with its run directory. Absent is fine. */
int instance_remove(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* Its restart policy is "no" first: what was stopped on purpose stays so when Docker starts
 * again. */
int instance_stop(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* From now on the Engine brings it back by itself. */
int instance_is_kept(const struct instance_ctx *ctx, const struct lockfile *l, bool *kept,
		     struct err *e);
int instance_keep(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* Stopped, and not waited for. */
int instance_stop_begin(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* It runs, and is not between a death and the Engine's next try. */
int instance_is_running(const struct instance_ctx *ctx, const struct lockfile *l, bool *running,
			struct err *e);
/* Started after this time of a journal's record (NULL: no). */
bool instance_started_after(const struct docker_container *c, const char *time);
/* Was it someone who started the release's container after this time (restart.c), and not its
 * restart policy? The Engine's events say so, which it forgets with its own restart, and but for
 * the newest 256: where they do not say, it was. */
bool instance_started_by_hand(const struct instance_ctx *ctx, const struct lockfile *l,
			      const struct docker_container *c, const char *time);
/* Was a stop of this life of it asked of the Engine: by someone, or by its own shutdown, in which
 * it still answers? */
bool instance_was_stopped(const struct instance_ctx *ctx, const struct lockfile *l,
			  const struct docker_container *c);
/* The i-th artifact is a file that was made after the container was started (false where the file
 * system keeps no birth). */
bool instance_is_stale(const struct instance_ctx *ctx, const struct lockfile *l, size_t i,
		       const struct docker_container *c);
/* How often the Engine brought it back since it was started. */
int instance_restarts(const struct instance_ctx *ctx, const struct lockfile *l, int64_t *restarts,
		      struct err *e);
/* Last lines of its log, never a failure. */
void instance_log(const struct instance_ctx *ctx, const struct lockfile *l, struct buf *out);
/* Labels that root, route, version and lock give. */
struct json *instance_labels(const struct instance_ctx *ctx, const struct lockfile *l);
/* What to create the container with; `labels` and `mounts` (of n_artifacts + 1) are the
 * caller's. */
int instance_mounts(const struct instance_ctx *ctx, const struct lockfile *l, const char *run,
		    struct docker_mount *mounts, struct err *e);
/* Frees the texts of n mounts that instance_mounts made, or half made, and the block itself. */
void instance_mounts_done(struct docker_mount *mounts, size_t n);

/* ---- readiness ---- */

struct instance_endpoint {
	struct release_socket socket;
	struct endpoint endpoint;
};
int instance_endpoint_open(const struct instance_ctx *ctx, const struct lockfile *l,
			   struct instance_endpoint *out, struct err *e);
void instance_endpoint_done(struct instance_endpoint *en);
/* Readiness, identity, one token. ERR_GATE with the container's last log lines. `ready_ms` may be
 * NULL. */
int instance_await_ready(const struct instance_ctx *ctx, const struct lockfile *l,
			 uint64_t *ready_ms, struct err *e);
/* Starts it, waits until it is ready, and sets the restart policy with which it survives a restart
 * of Docker. */
int instance_start_kept(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);
/* It did not answer, says *e. That it died explains failed answers better than they do; that Docker
 * went, better than that. Always -1. */
int instance_explain(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e);

/* "2026-11-22T17:41:05.123456789Z", as the Engine writes it; 0 where it is not. */
int64_t instance_stamp_ms(const char *stamp);

/* Is it running, and does its readiness rule hold? One look. */
int instance_is_ready(const struct instance_ctx *ctx, const struct lockfile *l, bool *alive,
		      struct err *e);
/* The second half of it, for who knows that its container runs: does the readiness rule hold? */
int instance_answers(const struct instance_ctx *ctx, const struct lockfile *l, bool *answers,
		     struct err *e);
/* The Engine's containers of a route (NULL: of the root), asked for once by a report on many
 * releases; docker_containers_done. Among them the one that bears the name of a release's; *ours:
 * it was made from this lock. NULL: none. */
int instance_list(const struct instance_ctx *ctx, const char *route, struct docker_containers *out,
		  struct err *e);
const struct docker_container_entry *instance_among(const struct instance_ctx *ctx,
						    const struct lockfile *l,
						    const struct docker_containers *all,
						    bool *ours);
/* The name of a release's container: "llmdeploy-ROOT-ROUTE-ID"; yours. */
char *instance_name(const struct root *root, const struct lockfile *l);

/* ---- memory ---- */

/* {"predicted", "measured", "drift_permille", "resident_bytes"}: what the engine's log says that it
 * took, beside the plan; with a "warning" where it says nothing that is understood. NULL: the
 * runtime definition names no pattern. Yours. */
struct json *instance_memory(const struct instance_ctx *ctx, const struct lockfile *l);
/* The engine's own estimate for this lock (pkg/memory_estimate), asked of its image before anything
 * runs: the image is loaded where the Engine has it not, model and adapters are mounted from the
 * store. timeout_ms 0: 30 s. */
int instance_estimate(const struct instance_ctx *ctx, const struct lockfile *l, uint64_t timeout_ms,
		      struct memory_estimate *out, struct err *e);
