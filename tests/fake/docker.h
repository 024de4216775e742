/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A Docker Engine that speaks from a transcript: for each request that must come, in this order,
 * what it answers, byte by byte if need be. It listens on a Unix socket of its own, in a thread.
 * The first request that is not the expected one, and an expected one that never came, is a
 * fault. */
struct fake_call {
	const char *request; /* "POST /v1.41/containers/x/start"; a last '*' stands for anything */
	const char *body;    /* exactly this; NULL: none; "*": anything; "*text*": has text in it */
	int status;          /* of the answer; 0 is 200 */
	const char *json;    /* its body; sent with its length and Api-Version: 1.41 */
	/* instead of both: the bytes of the whole answer, `raw_len` or up to NUL */
	const char *raw;
	size_t raw_len;
	size_t piece;      /* send so many bytes at a time, with a breath between; 0: at once */
	unsigned delay_ms; /* before the answer */
	bool unread;       /* answer without reading the request's body, then close */
	/* after the answer's last byte */
	enum { FAKE_KEEP, FAKE_CLOSE, FAKE_RESET, FAKE_HANG } then;
};

/* The first of every transcript. */
#define FAKE_PING \
	{ .request = "GET /_ping", .json = "OK" }

struct fake_docker;
struct fake_docker *fake_docker_start(const struct fake_call *calls, size_t n);
const char *fake_docker_socket(const struct fake_docker *f);
/* Ends it and frees it. "" or what was wrong, into out. */
void fake_docker_stop(struct fake_docker *f, char out[512]);
