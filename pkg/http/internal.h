/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

#define HTTP_SOCKET_PATH 108 /* bytes of sun_path, with the NUL */

/* A multi handle, though there is one transfer at a time: our loop keeps the deadlines
 * to the millisecond and sees an interrupt at once, and the connections stay with it. The easy
 * handle is new for each request: after a failure curl leaves its buffers in the old one, and then
 * refuses options about them. */
struct http {
	CURLM *multi;
	CURL *easy; /* during a request */
	int connect_errno;
	bool hung_up;
	char fault[CURL_ERROR_SIZE];
};

/* Why we ended a transfer ourselves. */
enum stop {
	STOP_NOT,
	STOP_BY_CALLER,
	STOP_TOO_LARGE,
	STOP_HEADERS,
	STOP_TOTAL,
	STOP_STALL,
	STOP_INTERRUPT,
	STOP_HUNG_UP,
};

/* One request under way. */
struct transfer {
	const struct http_request *q;
	struct http_response *r;
	uint64_t start_us, last_us; /* of the last byte in either direction */
	uint64_t body_bytes;        /* of a 2xx answer */
	size_t header_bytes;
	bool sent;           /* the connection stands: something was sent or came */
	uint64_t bytes_in;   /* all headers and bodies */
	bool headers_end;    /* of the last answer */
	uint64_t came_bytes; /* of its body, whatever its status */
	bool begun;
	/* Of a streamed request. */
	int fd;                /* its socket; else -1 */
	bool paused;           /* the upload, so that what has come is read */
	uint64_t paused_bytes; /* bytes_in when it was paused last */
	bool cut_short;        /* the answer is over: no more body */
	enum stop stop;
};

/* libcurl's callbacks; `ctx` is the transfer. */
size_t http_on_header(char *data, size_t one, size_t n, void *ctx);
size_t http_on_body(char *data, size_t one, size_t n, void *ctx);
size_t http_on_read(char *data, size_t one, size_t n, void *ctx);
int http_on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose);

size_t http_body_limit(const struct http_request *q, bool success);
void http_response_reset(struct http_response *r, size_t cap);
/* The last answer is known to be whole, or its status says enough. */
bool http_answered(const struct transfer *t);
uint64_t http_connect_ms(const struct http_request *q);

/* http_do without its failpoints. */
int http_exchange(struct http *h, const struct http_request *q, struct http_response *r,
		  struct err *e);

/* Who is asked, for messages: the socket's path or "host[:port]"; yours. */
char *http_who(const struct http_request *q);
int http_check_address(const char *url, struct err *e);

/* File of trusted certificates that the environment names, or "". */
const char *http_bundle(void);

/* All return -1. */
int http_path_too_long(struct http *h, const char *path, struct err *e);
int http_stopped(const struct transfer *t, const char *who, struct err *e);
int http_failed(struct http *h, const struct transfer *t, CURLcode rc, const char *who,
		struct err *e);
