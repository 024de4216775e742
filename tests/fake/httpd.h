/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A small HTTP/1.1 server for tests, on a free port of 127.0.0.1 or on a Unix socket. Each
 * connection has a thread; the handler is called in it, once for each request, and says every byte
 * of the answer itself, so that it can say wrong ones. It gets the request with its body, but for
 * paths that begin with "/early": there it answers before it has read one. Handlers must not
 * assert: they record, the test asserts. */
struct httpd;
struct httpd_conn;

struct httpd_request {
	unsigned number;           /* from 1, over all connections */
	unsigned connection;       /* from 1 */
	const char *method, *path; /* path as sent, with its query */
	const char *head;          /* all header lines */
	const char *body;
	size_t body_len;
};

/* False closes the connection. */
typedef bool (*httpd_handler)(void *ctx, struct httpd_conn *c, const struct httpd_request *q);

/* socket_path NULL: TCP. Never fails: a test without its server has no meaning (abort). */
struct httpd *httpd_start(const char *socket_path, httpd_handler handler, void *ctx);
/* Ends every connection and thread. */
void httpd_stop(struct httpd *s);
void httpd_stopp(struct httpd **s); /* for CLEANUP */
unsigned httpd_port(const struct httpd *s);
unsigned httpd_requests(struct httpd *s); /* so far */
unsigned httpd_connections(struct httpd *s);

/* For handlers. Value of a header, or "" where there is none; yours to free(). */
char *httpd_header(const struct httpd_request *q, const char *name);
bool httpd_send(struct httpd_conn *c, const void *data, size_t n);
bool httpd_puts(struct httpd_conn *c, const char *text);
/* A whole answer with its Content-Length. `headers`: lines with \r\n, or "". */
bool httpd_reply(struct httpd_conn *c, int status, const char *headers, const void *body, size_t n);
/* Say nothing until the client goes or the server is stopped; false, to be returned. */
bool httpd_hang(struct httpd_conn *c);
bool httpd_reset(struct httpd_conn *c); /* TCP only: RST instead of an orderly end; false */
