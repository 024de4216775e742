/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failpoint.h"

struct buf;
struct err;

/* HAProxy's runtime socket (management.txt, 9.3): one line to the master process, one answer.
 * Inside pkg/gateway.
 *
 * A connection is made for each line, closed for writing after it, and read to its end: an answer
 * is whole when it ends with an empty line. Sockets are named beneath an open directory, so that
 * their paths are short however long the root's is. Bounded in time (SOCKET_TIMEOUT_MS) and in size
 * (the buffer's cap). */

#define SOCKET_TIMEOUT_MS 3000
#define SOCKET_MAX_WORKERS 64
#define SOCKET_MASTER "master.sock"         /* of the process that serves */
#define SOCKET_MASTER_OLD "master.old.sock" /* of one that was taken over from, while it finishes */

/* *listening false (and 0): nobody listens there. ERR_UNREACHABLE: no answer in time, half of one,
 * or the connection broke. ERR_SYS: the answer is larger than the buffer's cap. `as`: EFFECT_NONE
 * for what only looks. */
int socket_ask(enum effect as, int dir, const char *name, const char *line, struct buf *out,
	       bool *listening, struct err *e);

/* The worker processes, those that only finish after a reload or an upgrade included. */
struct socket_worker {
	int pid;            /* as its master knows it: in a container, one of its own numbers */
	bool finishing;     /* takes no new connections */
	const char *socket; /* static text */
};

struct socket_workers {
	struct socket_worker at[SOCKET_MAX_WORKERS];
	size_t n, serving; /* of these, not finishing */
	bool running;      /* a master answers on SOCKET_MASTER */
	/* reloads of this master that came to nothing, since the last that did not */
	unsigned failed;
	char version[32];
};

/* ERR_SYS: what came is no list of processes. Not running is no fault. */
int socket_workers(int dir, struct socket_workers *out, struct err *e);
/* The commands of `line` (parted by "; ") to one worker. *gone: it ended meanwhile, `out` is then
 * empty. */
int socket_worker_ask(enum effect as, int dir, const struct socket_worker *w, const char *line,
		      struct buf *out, bool *gone, struct err *e);
/* Commands that answer nothing when they are done, to each worker: those that serve first. A worker
 * that vanishes is no failure, nor one that only finishes and does not know the route any more.
 * ERR_SYS has HAProxy's words. */
int socket_send(int dir, const struct socket_workers *all, const char *line, struct err *e);

/* The i-th line of a CSV answer ("show stat"), cut at commas in place: columns by the names of its
 * first line. */
struct socket_table {
	char *text; /* is cut up */
	char *next;
	char *names[128], *fields[128];
	size_t n_names, n_fields;
};
/* ERR_SYS: it does not begin with a line of names. `text` must outlive the table. */
int socket_table_begin(struct socket_table *t, char *text, struct err *e);
bool socket_table_row(struct socket_table *t); /* false: no more */
/* "" where there is none */
const char *socket_table_text(const struct socket_table *t, const char *name);
uint64_t socket_table_number(const struct socket_table *t, const char *name);
