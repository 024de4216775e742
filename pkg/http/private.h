#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

/* Why we ended a transfer ourselves. */
enum stop {
	STOP_NOT,
	STOP_BY_CALLER,
	STOP_TOO_LARGE,
	STOP_HEADERS,
	STOP_TOTAL,
	STOP_STALL,
	STOP_INTERRUPT,
};

/* One request under way. */
struct transfer {
	const struct http_request *q;
	struct http_response *r;
	uint64_t start_us, last_us; /* of the last byte in either direction */
	uint64_t body_bytes;	    /* of a 2xx answer */
	size_t header_bytes;
	bool sent; /* the connection stands: something was sent or came */
	bool begun;
	enum stop stop;
};

/* libcurl's callbacks; `ctx` is the transfer. */
size_t http_on_header(char *data, size_t one, size_t n, void *ctx);
size_t http_on_body(char *data, size_t one, size_t n, void *ctx);
size_t http_on_read(char *data, size_t one, size_t n, void *ctx);

size_t http_body_limit(const struct http_request *q, bool success);
void http_response_reset(struct http_response *r, size_t cap);
