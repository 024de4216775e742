/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* A model server for tests: OpenAI-like, in a thread of the test, on a Unix socket. It plays a
 * script.
 *
 * GET /health gives the rows of `health` one after the other (the last one for ever), GET
 * /v1/models the id `model`, POST /v1/chat/completions and /v1/completions the row of `answers`
 * whose `asks` is in the question, or the row with asks NULL, or else 404. Every other request is
 * 404. One request a connection; bodies up to 1 MiB. */

enum fake_fault {
	FAKE_NONE,
	FAKE_HANG,       /* never answers: until the test stops the server */
	FAKE_CLOSE,      /* closes without a byte */
	FAKE_CUT,        /* says a length, sends half of the body, closes */
	FAKE_HUGE,       /* 200 and a valid answer of 2 MiB */
	FAKE_NOT_JSON,   /* 200 and a page of HTML */
	FAKE_BARE,       /* 200 and "{}" */
	FAKE_NO_CONTENT, /* a message without content */
	FAKE_NO_FINISH,  /* an answer without finish_reason */
	FAKE_ECHO,       /* the last message of the question is the answer */
	FAKE_ECHO_TAIL,  /* its last line */
};

struct fake_health {
	int status; /* 0: the connection is closed without a byte */
	const char *body;
};

struct fake_answer {
	const char *asks;   /* substring of the request's body, or NULL for every question */
	const char *text;   /* content; NULL with a fault */
	const char *finish; /* NULL: "stop" */
	int status;         /* 0: 200; else that status, with `text` as error.message */
	enum fake_fault fault;
	unsigned delay_ms;
};

struct fake_script {
	const struct fake_health *health;  /* ends with a NULL body; NULL: 200 {"status":"ok"} */
	const struct fake_answer *answers; /* n_answers */
	size_t n_answers;
	const char *model;    /* NULL: "fake" */
	const char *want_key; /* 401 without this bearer token; NULL: none needed */
	unsigned refuse_ms;   /* binds the socket only after that long */
};

struct model_server;
/* The script is borrowed. The socket is `path`; an old one is replaced. Aborts the test when it
 * cannot start. */
struct model_server *model_server_start(const char *path, const struct fake_script *script);
void model_server_stop(struct model_server *s);
void model_server_stopp(struct model_server **s); /* for CLEANUP */

unsigned model_server_questions(struct model_server *s); /* completions asked so far */
/* The body of the last completion request; yours to free. */
char *model_server_last_question(struct model_server *s);
