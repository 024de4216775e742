/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What http_test.c and http_connection_test.c share. */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "http/http.h"
#include "tests/fake/httpd.h"

/* What the handler saw last; read when the request is over. */
struct seen {
	char method[16], auth[64], type[64], expect[64], host[64];
	size_t body_len;
	unsigned connection;
};

struct bench {
	struct httpd *tcp, *other, *local;
	struct seen seen;
	char socket[64], dir[40];
};

static void keep(const struct httpd_request *q, const char *name, char *to, size_t size) {
	char *value CLEANUP(freep) = httpd_header(q, name);

	(void) snprintf(to, size, "%s", value);
}

static void look(struct bench *b, const struct httpd_request *q) {
	(void) snprintf(b->seen.method, sizeof b->seen.method, "%s", q->method);
	keep(q, "Authorization", b->seen.auth, sizeof b->seen.auth);
	keep(q, "Content-Type", b->seen.type, sizeof b->seen.type);
	keep(q, "Expect", b->seen.expect, sizeof b->seen.expect);
	keep(q, "Host", b->seen.host, sizeof b->seen.host);
	b->seen.body_len = q->body_len;
	b->seen.connection = q->connection;
}

static bool big(struct httpd_conn *c, size_t n) {
	char *body CLEANUP(freep) = mem_zalloc(n, 1);

	memset(body, 'x', n);
	return httpd_reply(c, 200, "", body, n);
}

static bool many_headers(struct httpd_conn *c) {
	char line[1024];

	memset(line, 'h', sizeof line);
	(void) memcpy(line, "X-Much: ", 8);
	(void) memcpy(line + sizeof line - 3, "\r\n", 3);
	if (!httpd_puts(c, "HTTP/1.1 200 OK\r\n"))
		return false;
	for (int i = 0; i < 300; i++)
		if (!httpd_puts(c, line))
			return false;
	return httpd_puts(c, "\r\n");
}

static bool redirect(struct bench *b, struct httpd_conn *c, const char *path) {
	char *away CLEANUP(freep) = NULL;

	if (!strcmp(path, "/elsewhere")) {
		away = mem_printf(
			"Location: http://localhost:%u/ok\r\nX-Linked-Etag: \"linked\"\r\n",
			httpd_port(b->other));
		return httpd_reply(c, 302, away, "moved", 5);
	}
	return httpd_reply(c, 302,
			   !strcmp(path, "/there")          ? "Location: /ok\r\n"
				   : !strcmp(path, "/loop") ? "Location: /loop\r\n"
							    : "Location: ftp://x/\r\n",
			   "moved", 5);
}

static const char fine[] =
	"Content-Type: text/plain; charset=utf-8\r\nETag: \"abc\"\r\nApi-Version: 1.41\r\n"
	"Last-Modified: Sun, 22 Nov 2026 17:41:05 GMT\r\nX-Other: one\r\n";

/* Answers that come early, or are none. */
static bool answer_badly(struct bench *b, struct httpd_conn *c, const char *path) {
	if (!strcmp(path, "/early-500"))
		return httpd_reply(c, 500, "Connection: close\r\n", "no room", 7) && false;
	if (!strcmp(path, "/early-200"))
		return httpd_reply(c, 200, "Connection: close\r\n", "not a tar", 9) && false;
	if (!strcmp(path, "/early-chunks"))
		return httpd_puts(c,
				  "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: "
				  "chunked\r\n\r\n"
				  "3\r\nnot\r\n6\r\n a tar\r\n0\r\n\r\n") &&
			false;
	if (!strcmp(path, "/early-half"))
		return httpd_puts(c,
				  "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: "
				  "chunked\r\n\r\n3\r\nnot\r\n") &&
			false;
	if (!strcmp(path, "/reset"))
		return httpd_reset(c);
	if (!strcmp(path, "/garbage"))
		return httpd_puts(c, "220 ready to transfer files\r\n") && false;
	if (!strcmp(path, "/number"))
		return httpd_puts(c, "HTTP/1.1 x OK\r\n\r\n") && false;
	if (!strcmp(path, "/headers"))
		return many_headers(c);
	if (!strcmp(path, "/there") || !strcmp(path, "/loop") || !strcmp(path, "/ftp") ||
	    !strcmp(path, "/elsewhere"))
		return redirect(b, c, path);
	return false; /* closes without a word */
}

static bool answer(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	struct bench *b = ctx;
	const char *path = q->path;

	look(b, q);
	if (!strcmp(path, "/ok"))
		return httpd_reply(c, 200, fine, "hello", strcmp(q->method, "HEAD") ? 5 : 0);
	if (!strcmp(path, "/echo"))
		return httpd_reply(c, 201, "", q->body, q->body_len);
	if (!strcmp(path, "/404"))
		return httpd_reply(c, 404, "", "no such page", 12);
	if (!strcmp(path, "/429"))
		return httpd_reply(c, 429, "Retry-After: 7\r\n", "", 0);
	if (!strcmp(path, "/range"))
		return httpd_reply(c, 206, "Content-Range: bytes 3-4/5\r\n", "lo", 2);
	if (!strcmp(path, "/big"))
		return big(c, 3 << 20);
	if (!strcmp(path, "/chunked"))
		return httpd_puts(c,
				  "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				  "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	if (!strcmp(path, "/continue"))
		return httpd_puts(c, "HTTP/1.1 103 Early Hints\r\nETag: \"no\"\r\n\r\n") &&
			httpd_reply(c, 200, "", "after", 5);
	if (!strcmp(path, "/hang"))
		return httpd_hang(c);
	if (!strcmp(path, "/stall"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin") &&
			httpd_hang(c);
	if (!strcmp(path, "/cut"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin") &&
			false;
	if (!strcmp(path, "/cutchunk"))
		return httpd_puts(c,
				  "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				  "chunked\r\n\r\n5\r\nbegin\r\n") &&
			false;
	return answer_badly(b, c, path);
}

static void no_proxies(void) {
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					    "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void) unsetenv(names[i]);
}

static int start(void **state) {
	struct bench *b = mem_zalloc(1, sizeof *b);

	no_proxies();
	(void) strcpy(b->dir, "/tmp/llmdeploy-http-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	(void) snprintf(b->socket, sizeof b->socket, "%s/s", b->dir);
	b->tcp = httpd_start(NULL, answer, b);
	b->other = httpd_start(NULL, answer, b);
	b->local = httpd_start(b->socket, answer, b);
	*state = b;
	return 0;
}

static int stop(void **state) {
	struct bench *b = *state;

	httpd_stop(b->tcp);
	httpd_stop(b->other);
	httpd_stop(b->local);
	int r = rmdir(b->dir);
	free(b);
	return r;
}

struct headers {
	unsigned n;
	char other[32];
};
