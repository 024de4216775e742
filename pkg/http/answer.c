/* SPDX-License-Identifier: Apache-2.0 */
/* What comes back: status, headers, body. */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/internal.h"

enum {
	HEADERS_MAX = 256 << 10, /* all headers of one request, redirects included */
	BODY_DEFAULT = 1 << 20,
	ERROR_BODY = 64 << 10,
	CONNECT_DEFAULT_MS = 30000,
};

void http_response_done(struct http_response *r) {
	buf_done(&r->body);
}

void http_response_reset(struct http_response *r, size_t cap) {
	buf_done(&r->body);
	*r = (struct http_response){.body = BUF_INIT(cap),
				    .content_length = -1,
				    .range_from = -1,
				    .range_total = -1};
}

uint64_t http_connect_ms(const struct http_request *q) {
	return q->connect_timeout_ms ? q->connect_timeout_ms : CONNECT_DEFAULT_MS;
}

size_t http_body_limit(const struct http_request *q, bool success) {
	if (q->sink)
		return success ? q->max_body : ERROR_BODY;
	return q->max_body ? q->max_body : BODY_DEFAULT;
}

static bool is_success(const struct http_response *r) {
	return r->status >= 200 && r->status < 300;
}

static void touch(struct transfer *t) {
	t->last_us = clock_mono_us();
	t->sent = true;
}

/* A new status line: what the answer before it (100, a redirect) said is over, but for the name
 * that huggingface.co gives a file only where it redirects. */
static void new_answer(struct transfer *t, const char *line) {
	struct http_response *r = t->r;
	char linked[sizeof r->linked_etag], redirected[sizeof r->redirected];
	const char *code = strchr(line, ' ');

	memcpy(linked, r->linked_etag, sizeof linked);
	memcpy(redirected, r->redirected, sizeof redirected);
	http_response_reset(r, r->body.cap);
	memcpy(r->linked_etag, linked, sizeof linked);
	memcpy(r->redirected, redirected, sizeof redirected);
	r->status = code ? strtol(code, NULL, 10) : 0;
	r->first_byte_us = clock_mono_us() - t->start_us;
	t->headers_end = false;
	t->came_bytes = 0;
}

static void keep_number(const char *value, int64_t *out) {
	uint64_t n;

	if (text_u64(value, &n) && n <= INT64_MAX)
		*out = (int64_t) n;
}

/* RateLimit of huggingface.co: `"api";r=0;t=55`, t seconds until requests are answered again. */
static void keep_reset(struct http_response *r, const char *value) {
	const char *t = strstr(value, "t=");
	uint64_t seconds = t ? strtoull(t + 2, NULL, 10) : 0;

	if (r->status == 429 && !r->retry_after_ms && seconds <= 86400)
		r->retry_after_ms = seconds * 1000;
}

/* "bytes 10-99/100"; for 100 a star where the whole size is not known (RFC 9110, 14.4). */
static void keep_range(struct http_response *r, const char *value) {
	char *copy CLEANUP(freep) = mem_strdup(value);
	char *from = copy + 6, *dash = strchr(copy, '-'), *slash = strchr(copy, '/');

	if (strncasecmp(copy, "bytes ", 6) || !dash || !slash || dash > slash)
		return;
	*dash = 0;
	keep_number(from, &r->range_from);
	keep_number(slash + 1, &r->range_total);
}

static void keep_header(struct http_response *r, const char *name, const char *value) {
	const struct {
		const char *name;
		char *to;
		size_t size;
	} texts[] = {
		{"content-type", r->content_type, sizeof r->content_type},
		{"etag", r->etag, sizeof r->etag},
		{"x-linked-etag", r->linked_etag, sizeof r->linked_etag},
		{"api-version", r->api_version, sizeof r->api_version},
		{"last-modified", r->last_modified, sizeof r->last_modified},
		{"content-encoding", r->encoding, sizeof r->encoding},
		{"link", r->link, sizeof r->link},
		{"x-error-code", r->error_code, sizeof r->error_code},
		{"x-error-message", r->error_message, sizeof r->error_message},
	};
	int64_t seconds = 0;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (!strcasecmp(name, texts[i].name))
			(void) snprintf(texts[i].to, texts[i].size, "%s", value);
	if (!strcasecmp(name, "content-length"))
		keep_number(value, &r->content_length);
	if (!strcasecmp(name, "content-range"))
		keep_range(r, value);
	if (!strcasecmp(name, "location") && r->status >= 300 && r->status < 400)
		(void) snprintf(r->redirected, sizeof r->redirected, "%s", value);
	if (!strcasecmp(name, "ratelimit"))
		keep_reset(r, value);
	if (!strcasecmp(name, "retry-after")) {
		keep_number(value, &seconds);
		r->retry_after_ms = seconds < 86400 ? (uint64_t) seconds * 1000 : 86400000;
	}
}

size_t http_on_header(char *data, size_t one, size_t n, void *ctx) {
	struct transfer *t = ctx;

	(void) one;
	touch(t);
	t->header_bytes += n;
	t->bytes_in += n;
	if (t->header_bytes > HEADERS_MAX) {
		t->stop = STOP_HEADERS;
		return 0;
	}
	char *line CLEANUP(freep) = mem_strndup(data, n);
	for (size_t end = strlen(line); end && strchr("\r\n \t", line[end - 1]);)
		line[--end] = 0;
	char *colon = strchr(line, ':');
	t->headers_end = t->headers_end || !*line;
	if (text_starts(line, "HTTP/")) {
		new_answer(t, line);
	} else if (colon) {
		*colon = 0;
		const char *value = colon + 1 + strspn(colon + 1, " \t");
		keep_header(t->r, line, value);
		if (t->q->on_header)
			t->q->on_header(t->q->header_ctx, line, value);
	}
	return n;
}

static bool to_sink(struct transfer *t, const char *data, size_t n) {
	const struct http_request *q = t->q;

	if (!t->begun && q->begin && !q->begin(q->sink_ctx, t->r))
		return false;
	t->begun = true;
	return q->sink(q->sink_ctx, data, n);
}

size_t http_on_body(char *data, size_t one, size_t n, void *ctx) {
	struct transfer *t = ctx;
	bool success = is_success(t->r);
	size_t limit = http_body_limit(t->q, success);

	(void) one;
	touch(t);
	t->came_bytes += n;
	t->bytes_in += n;
	if (!success) {
		size_t room = limit - t->r->body.len;
		(void) buf_add(&t->r->body, data, n < room ? n : room);
		return n;
	}
	t->body_bytes += n;
	if (limit && t->body_bytes > limit)
		t->stop = STOP_TOO_LARGE;
	else if (!t->q->sink)
		(void) buf_add(&t->r->body, data, n);
	else if (!to_sink(t, data, n))
		t->stop = STOP_BY_CALLER;
	return t->stop ? CURL_WRITEFUNC_ERROR : n;
}

bool http_answered(const struct transfer *t) {
	const struct http_response *r = t->r;

	if (!t->headers_end || r->status < 200)
		return false;
	return t->cut_short || !is_success(r) ||
		(r->content_length >= 0 && t->came_bytes >= (uint64_t) r->content_length);
}

int http_on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose) {
	struct transfer *t = ctx;

	(void) purpose;
	t->fd = fd;
	return CURL_SOCKOPT_OK;
}

/* A server may say what is wrong with an upload before it has all of it, and hang up. Sending on
 * would fail, and curl would drop the answer that lies there: so what has come is read first. */
static bool something_came(const struct transfer *t) {
	struct pollfd p = {.fd = t->fd, .events = POLLIN};

	return t->fd >= 0 && poll(&p, 1, 0) == 1 && p.revents & (POLLIN | POLLHUP);
}

/* The connection ended, and all that came over it was read. */
static bool is_over(const struct transfer *t) {
	char c;

	return recv(t->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

size_t http_on_read(char *data, size_t one, size_t n, void *ctx) {
	struct transfer *t = ctx;

	if (something_came(t)) {
		/* Nothing will ever come of it; curl would go on waiting for more of the body. */
		if (is_over(t) && !(t->headers_end && t->r->status >= 200)) {
			t->stop = STOP_HUNG_UP;
			return CURL_READFUNC_ABORT;
		}
		/* What curl leaves lying there is the end of the connection, after the answer's
		 * end. */
		if (t->paused_bytes == t->bytes_in && t->headers_end && t->r->status >= 200) {
			t->cut_short = true;
			return 0;
		}
		if (t->paused_bytes != t->bytes_in || !t->bytes_in) {
			t->paused_bytes = t->bytes_in;
			t->paused = true;
			return CURL_READFUNC_PAUSE;
		}
	}
	ssize_t got = t->q->read(t->q->read_ctx, data, one * n);
	touch(t);
	if (got >= 0)
		return (size_t) got;
	t->stop = STOP_BY_CALLER;
	return CURL_READFUNC_ABORT;
}
