/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"
#include "haproxy/routes.h"
#include "haproxy/socket.h"

struct buf;
struct docker;
struct err;
struct progress;
struct root;
struct store;

/* The HAProxy of a root: one process with its workers, in a container or as the installed program.
 * What it is to do is in files that lie in `dir` and in struct haproxy_routes; here it is started,
 * reloaded, asked and ended. */

struct haproxy {
	const struct root *root;
	struct store *store;
	struct docker *docker;
	const struct progress *progress;
	/* the installed one, for `host`; config.yaml, for messages */
	const char *program, *config_path;
	bool host; /* the installed program, and no container */
	int dir;   /* ROOT/gateway */
	struct haproxy_memo *memo;
};

/* What was found out in this run of the program. */
struct haproxy_memo {
	bool refused;              /* HAProxy did not come up with the configuration */
	char accepted[SHA256_HEX]; /* the digest of the last one that it accepted; "" */
};

#define HAPROXY_INSIDE "/llmdeploy" /* ROOT in the container */
#define HAPROXY_CHECK_DIR "check"   /* gateway/check: there only while HAProxy is asked */

typedef void haproxy_found(void *ctx, const char *what, const char *want, const char *have);

/* ---- the process ---- */

struct process {
	bool found; /* there is one of ours, in whatever condition */
	bool running;
	bool same; /* made from the image and with the mounts that are wanted now */
	char version[64];
};

int process_inspect(const struct haproxy *h, struct process *out, struct err *e);
/* From nothing, or instead of one that does not run. Returns before it answers. */
int process_start(const struct haproxy *h, struct err *e);
/* From now on Docker starts it again; nothing where it does not run. */
int process_keep(const struct haproxy *h, struct err *e);
/* A second one takes the listening sockets over, and becomes the one; the first finishes what it
 * has, and ends. Returns when the new one serves. */
int process_take_over(const struct haproxy *h, const char *digest, struct err *e);
/* The process that serves reads its files again; returns when it serves with this digest. */
int haproxy_reload(const struct haproxy *h, const char *digest, struct err *e);
/* Ends what has ended or was taken over from; `all`: the one that serves too. */
int process_sweep(const struct haproxy *h, bool all, struct err *e);
void process_log_tail(const struct haproxy *h, struct buf *out);
/* `haproxy -c` of gateway/check by the program, user, mounts and paths that will load it. What it
 * says goes to `said`. */
int process_check(const struct haproxy *h, bool *fine, struct buf *said, struct err *e);
/* Its restart policy, where it is not the one that process_keep sets. */
int process_drift(const struct haproxy *h, haproxy_found *found, void *ctx, struct err *e);
/* One that was killed meanwhile leaves nothing. */
int process_check_sweep(const struct haproxy *h, struct err *e);

/* ---- what it was loaded with, and why it does not come up ---- */

/* Until a process with this digest serves, alone; for at most timeout_ms. *up false: it does
 * not. */
int haproxy_await(const struct haproxy *h, const char *digest, uint64_t timeout_ms, bool *up,
		  struct err *e);
/* The same after a reload; it is over, too, with *up false, when more reloads than `failed` have
 * failed. */
int haproxy_await_reload(const struct haproxy *h, const char *digest, unsigned failed,
			 uint64_t timeout_ms, bool *up, struct err *e);
/* Does the process that serves have this digest? */
int haproxy_has(const struct haproxy *h, const struct socket_workers *all, const char *digest,
		bool *has, struct err *e);
/* "NAME: what HAProxy said last", one line with what is to be done. */
int haproxy_failed(const struct haproxy *h, const char *said, struct err *e);
/* The same of one that was asked before anything was changed: ERR_SPEC. */
int haproxy_refused(const struct haproxy *h, const char *said, struct err *e);
/* What it runs turned to what the state says, route by route, where it differs. */
int haproxy_sync(const struct haproxy *h, const struct haproxy_routes *s, struct err *e);

/* One server of one route in all workers. */
struct server_count {
	uint64_t in_flight, queued, weight;
	/* requests of the route that workers which finish have not given to a server yet: their
	 * bodies still arrive, or they are queued */
	uint64_t waiting;
	char status[32]; /* of the worker that serves: "UP", "DRAIN", "MAINT", "no check", ... */
};
int haproxy_server(const struct haproxy *h, const struct socket_workers *all, const char *route,
		   const char *server, struct server_count *out, struct err *e);

/* Nobody is connected to the workers behind this socket any more. */
int worker_reaper_is_idle(const struct haproxy *h, const char *socket, bool *idle, struct err *e);
/* Workers that were reloaded from, and have nobody left: ended. `master` is the process that they
 * are children of, as we see it. */
int worker_reaper_run(const struct haproxy *h, int master, struct err *e);
