/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/failpoint.h"

struct err;

/* HTTP and HTTPS over TCP, HTTP over a Unix socket. An HTTP status is a result, never an error;
 * errors are what kept a whole answer from arriving: ERR_UNREACHABLE with the host (or the
 * socket's path) and the reason, ERR_INTERRUPTED after Ctrl-C. No message has a header's value, a
 * password or a query of a URL in it.
 *
 * From the environment, as curl reads them: http_proxy, https_proxy, all_proxy, no_proxy (not for
 * Unix sockets), CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR. Nothing else: no .netrc, no .curlrc.
 *
 *     struct http *h CLEANUP(http_freep) = http_new();
 *     struct http_response r CLEANUP(http_response_done) = {0};
 *     struct http_request q = {.url = "http://engine/v1/models", .unix_socket = path};
 *     if (http_do(h, &q, &r, e)) ...
 */

/* A handle keeps its connections open for the next request to the same address. One thread at a
 * time. An address is the socket's path as given: where "/proc/self/fd/N/x.sock" comes to mean
 * another directory, take a new handle. */
struct http;
struct http *http_new(void);
void http_free(struct http *h);
void http_freep(struct http **h); /* for CLEANUP */

struct http_response {
	long status;            /* of the last answer; 0 before one came */
	struct buf body;        /* what no sink took: see `sink` */
	char content_type[128]; /* as sent; "" when absent, cut when longer; so for all below */
	char etag[256];         /* with its quotes and W/ */
	/* X-Linked-Etag of this answer or of one that redirected here (huggingface.co: sha256) */
	char linked_etag[256];
	char api_version[32];    /* Api-Version (Docker Engine) */
	char encoding[32];       /* Content-Encoding */
	char link[1024];         /* Link */
	char error_code[64];     /* X-Error-Code (huggingface.co): "GatedRepo", "EntryNotFound" */
	char error_message[256]; /* X-Error-Message */
	/* Location of the last redirect that was followed; "" without one */
	char redirected[512];
	char last_modified[64];
	int64_t content_length;          /* -1: not said */
	int64_t range_from, range_total; /* of Content-Range "bytes FROM-TO/TOTAL"; -1: not said */
	/* Retry-After in seconds, or of a 429 the t= of RateLimit; 0: not said, or a date */
	uint64_t retry_after_ms;
	uint64_t first_byte_us; /* from the call to the status line of the last answer */
	uint64_t total_us;      /* from the call to the end of the body */
	bool aborted; /* read, begin or sink said so; the rest of the answer was dropped */
};
void http_response_done(struct http_response *r);

struct http_request {
	const char *method;      /* NULL: GET */
	const char *url;         /* http:// or https:// */
	const char *unix_socket; /* connect there instead of to the URL's host; NULL: no */
	/* CAs that its certificate is checked by; NULL or "": the environment's, else the
	 * system's */
	const char *ca_file;
	const char *const *headers; /* "Name: value", no line breaks */
	size_t n_headers;
	const void *body; /* sent with its length; NULL: none */
	size_t body_len;
	/* A body that is sent as it is read (chunked; POST and PUT): bytes, 0 at its end, -1
	 * aborts. On a connection of its own. An answer that comes before the body's end counts. */
	ssize_t (*read)(void *ctx, char *buf, size_t n);
	void *read_ctx;
	/* The body of a 2xx answer goes to `sink` in pieces; false aborts. Without a sink, and for
	 * all other statuses, it is collected in response.body. */
	bool (*sink)(void *ctx, const char *data, size_t n);
	/* Called once before the first piece, with status and headers; false aborts, NULL is
	 * fine. */
	bool (*begin)(void *ctx, const struct http_response *r);
	void *sink_ctx;
	/* Every header of every answer, redirects and trailers too, borrowed. May be NULL. */
	void (*on_header)(void *ctx, const char *name, const char *value);
	void *header_ctx;
	uint64_t connect_timeout_ms; /* 0: 30 s */
	uint64_t total_timeout_ms;   /* 0: none */
	uint64_t stall_timeout_ms;   /* no byte in either direction, once connected; 0: none */
	/* A 2xx body longer than this is an error. 0: 1 MiB where it is collected, no limit for a
	 * sink. Bodies of other statuses are cut there (or at 64 KiB with a sink), silently. */
	size_t max_body;
	uint64_t range_from; /* ask for the bytes from here on; look at status 206 and range_from */
	uint64_t range_to;   /* and no further than this one; 0: to the end */
	/* Follow up to 10 redirects, from https to https only; Authorization stays with the first
	 * host. GET and HEAD only. */
	bool follow;
	/* What it changes on the other side; EFFECT_NONE where it only looks. Its faults happen
	 * here. */
	enum effect effect;
};

/* The answer is complete, or was aborted by a callback (r->aborted). *r may come used: it is
 * emptied first. On -1 *r is empty. */
int http_do(struct http *h, const struct http_request *q, struct http_response *r, struct err *e);

/* errno of the last failed connection of this handle, 0 if it was something else: tells "no such
 * socket" (ENOENT), "nobody listens" (ECONNREFUSED) and "not allowed" (EACCES) apart. */
int http_connect_errno(const struct http *h);

/* Did the last request of this handle fail because the other side was not there, or hung up before
 * the end of its answer? As one does that is being restarted. */
bool http_hung_up(const struct http *h);

/* "https://host:port/path", without user, password, query and fragment; yours. For messages. */
char *http_shown(const char *url);

/* Is its host this machine: localhost, 127.x, ::1? */
bool http_is_loopback(const char *url);

/* ---- answers that are not what was asked for (unexpected.c) ---- */

/* The first bytes of a body that tell what it is. */
enum { HTTP_HEAD = 4096 };

/* What came in place of a file, and what to do: "an HTML page ('Sign in') came instead of the
 * file: ...". `head` is the beginning of the body, at most HTTP_HEAD bytes of it are read. False:
 * nothing that is known here, which is the usual case of other bytes; `out` is then untouched.
 * `r` may be NULL: a local file. */
bool http_unexpected(const struct http_response *r, const char *url, const void *head, size_t n,
		     struct buf *out);
/* What an answer with a status other than 2xx says, and what to do: "answered 403: no access;
 * the server says: ...". `token`: a token was sent. `ranged`: a part was asked for. */
void http_refused(const struct http_response *r, const char *url, bool token, bool ranged,
		  struct buf *out);
