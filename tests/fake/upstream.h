/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

struct httpd;

/* A model server as a gateway sees it, on a Unix socket or a port; what it does is in the
 * question's text:
 *
 *     "stream"   tokens as server-sent events, one every 40 ms, ten of them
 *     "long"     the same, sixty of them
 *     "cut"      the same, and the connection is closed after the third
 *     "hang"     no byte, until the client goes
 *     "half"     the connection is closed without a byte
 *     "late"     an answer after 300 ms
 *     "fail"     500; with "long" as slowly
 *
 *     "usage"    and so many tokens, 100 and 20: as chat/completions says it, in a stream by a last
 *                event, which comes in two pieces
 *     "spent"    the same as /v1/responses says it
 *
 * A header "X-Say: 501 TEXT" is answered with this status and text; and everything else is answered
 * at once with its name. /health is 200 while `well`, else 503; /metrics has two counters. */
struct upstream {
	const char *name;
	struct httpd *server;
	atomic_bool well;
	atomic_uint questions, gone; /* POSTs; clients that went while it hung */
	pthread_mutex_t lock;
	char *last; /* the last POST: its path, head and body */
};

/* NULL: a port */
void upstream_start(struct upstream *u, const char *name, const char *socket_path);
void upstream_stop(struct upstream *u);
unsigned upstream_port(const struct upstream *u);
char *upstream_last(struct upstream *u); /* a copy, "" before the first; yours to free() */

/* What a client gets that sends this text to a port of this machine and reads to the end, at most
 * 10 seconds; yours to free(). */
char *upstream_ask(unsigned port, const char *text);
/* A connection that has sent the text. */
int upstream_send(unsigned port, const char *text);
/* POST PATH with these header lines ("X: y\r\n") and this body, Connection: close; yours to
 * free(). */
char *upstream_post(const char *path, const char *headers, const char *body);
