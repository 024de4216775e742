/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/buf.h"
#include "base/failpoint.h"
#include "docker/docker.h"
#include "http/http.h"
#include "json/json.h"

/* What the files of this folder share. */

struct docker {
	struct http *http;
	char *socket;
	int minor; /* speaks API 1.minor */
	bool podman;
	char podman_version[32];
	struct docker_nature nature;
	uint64_t quick_ms, slow_ms, load_ms, back_ms;
	unsigned outages, outages_at_start;
	bool given_up; /* it was waited for in vain: not again, until it answers */
	const struct progress *progress;
};

/* One request. `results` are the statuses, besides 2xx and 304, that the caller takes as an answer;
 * ends with 0. */
struct call {
	const char *verb, *object; /* for messages: "create container", "x" (or NULL) */
	const char *method;        /* NULL: GET */
	const char *path;          /* what follows "/v1.41", already escaped */
	enum effect effect;        /* wanted by every method but GET, unless it only waits */
	const struct json *body;   /* or NULL */
	uint64_t deadline_ms;
	const int *results;
	bool wants_json; /* a 2xx without a JSON body is a failure */
	bool again;      /* may be asked twice, as GET may */
};

/* The longest text of Docker's in a message. */
enum { DOCKER_WORDS = 256 };
/* On one line; of a longer one the beginning, which says what failed, and the end, which says
 * why. */
void docker_words(const char *text, char out[static DOCKER_WORDS]);

struct answer {
	long status;
	struct json *json;       /* of a 2xx, NULL when not asked for */
	char said[DOCKER_WORDS]; /* the Engine's message of another status, one line */
};

/* CLEANUP(docker_answer_done) */
void docker_answer_done(struct answer *a);
int docker_call(struct docker *d, const struct call *c, struct answer *a, struct err *e);
/* The same with a sink for a 2xx body; `q` carries sink, begin, read and timeouts, the rest is
 * filled in. The response is `r`. A call that reached its own deadline is a failure; the caller may
 * look at the clock. */
int docker_stream(struct docker *d, const struct call *c, struct http_request *q,
		  struct http_response *r, struct err *e);
/* Did the failure come from a deadline of so long? An Engine that is gone fails sooner. For calls
 * that wait, that is the answer "not yet". */
bool docker_ran_out(const struct err *failure, uint64_t begun_ms, uint64_t deadline_ms);
int docker_pass(const struct err *failure, struct err *e); /* copies; -1 */
/* ERR_SYS: a 2xx that cannot be what was asked for ("a container"); -1. */
int docker_misshapen(const struct call *c, const char *what, struct err *e);
/* The longest answer of those that go to a sink. */
enum { DOCKER_LOG_MAX = 64 << 20, DOCKER_ANSWER_MAX = 4 << 20 };
/* What the failure of a call says, for a status that is no result. */
int docker_refused(const struct call *c, const struct http_response *r, struct err *e);

/* "/containers/" NAME "/start": NAME is escaped. Yours. */
char *docker_path(const char *before, const char *name, const char *after);
/* Appends "?key=value" or "&key=value", the value escaped. */
void docker_query(char **path, const char *key, const char *value);
void docker_query_int(char **path, const char *key, int64_t value);
/* "filters" with the labels, if there are any. */
void docker_query_labels(char **path, const char *const *labels);

/* Text at a json_path, "" when absent. */
const char *docker_text(const struct json *j, const char *path);
/* Without "sha256:". */
const char *docker_digest(const char *id);
/* Are these the Engine's words for a full disk? Then what to do goes with them. */
const char *docker_way_out(const char *words);
/* Each is an object with a text under this key. */
bool docker_all_have(const struct json *list, const char *key);
/* As an object, or NULL: the Engine writes null for an empty one. */
const struct json *docker_object(const struct json *j, const char *path);

/* A stream of JSON objects that arrive in pieces: newlines, record separators or nothing between
 * them.
 */
struct docker_objects {
	struct buf text;
	unsigned depth;
	bool quoted, escaped;
	size_t seen;
	const char *fault; /* NULL, or what is wrong with the stream */
	bool (*each)(void *ctx, const struct json *object); /* false ends it */
	void *ctx;
	bool ended; /* by each */
};
#define DOCKER_OBJECTS \
	{ .text = BUF_INIT(1 << 20) }
void docker_objects_done(struct docker_objects *o);
/* A sink of http: ctx is a struct docker_objects. */
bool docker_objects_feed(void *ctx, const char *data, size_t n);
/* At the end of the stream: what is wrong with it, or NULL. */
const char *docker_objects_fault(const struct docker_objects *o);

/* The Engine's log stream: frames of an 8-byte header (stream, 0, 0, 0, length as a big-endian
 * 32-bit number) and data, split anywhere. */
struct docker_frames {
	unsigned char head[8];
	unsigned have; /* bytes of head */
	uint32_t left; /* bytes of data still to come */
	bool raw;      /* a terminal: no frames */
	bool (*sink)(void *ctx, int stream, const char *data, size_t n);
	void *ctx;
	bool bad, ended;
};
bool docker_frames_feed(void *ctx, const char *data, size_t n);
