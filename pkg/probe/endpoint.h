/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct json;

/* A model server that speaks the OpenAI API: where it is, and one call to it. */
struct endpoint {
	const char *base_url;    /* "http://localhost", without a slash at the end */
	const char *unix_socket; /* path, or NULL for TCP */
	const char *model;       /* sent with every question, or NULL */
	const char *api_key;     /* sent as a bearer token, or NULL; never in a message */
};

#define ENDPOINT_ANSWER_MAX (1 << 20) /* bytes of one answer's body; more is a fault */

struct endpoint_reply {
	long status;
	struct json *body; /* NULL: not JSON */
	/* error.message of the body, else the head of the body; one printable line */
	char message[160];
	uint64_t latency_ms; /* from the call to the body's last byte */
};
void endpoint_reply_done(struct endpoint_reply *r);

/* GET, or POST of `body` as JSON when it is not NULL. An HTTP status is a result; ERR_UNREACHABLE
 * when no whole answer came within timeout_ms (> 0), ERR_INTERRUPTED after Ctrl-C. *out is written
 * on 0 only. */
int endpoint_call(const struct endpoint *ep, const char *path, const struct json *body,
		  uint64_t timeout_ms, struct endpoint_reply *out, struct err *e);

/* The text of choices.0 of a chat or a text completion; NULL where there is none. Borrowed. */
const char *endpoint_answer(const struct json *body);

/* True when `path` takes a "prompt" and not "messages". */
bool endpoint_is_raw(const char *path);
