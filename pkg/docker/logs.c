/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

/* "1700000000.123" */
static void query_time(char **path, const char *key, int64_t ms) {
	char *text CLEANUP(freep) = mem_printf("%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);

	docker_query(path, key, text);
}

static char *log_path(const struct docker_log *l) {
	char *path = docker_path("/containers/", l->name, "/logs?stdout=1&stderr=1");

	if (l->tail > 0)
		docker_query_int(&path, "tail", l->tail);
	if (l->since_ms > 0)
		query_time(&path, "since", l->since_ms);
	if (l->timestamps)
		docker_query(&path, "timestamps", "1");
	if (l->follow_ms)
		docker_query(&path, "follow", "1");
	return path;
}

static int read_frames(struct docker *d, const struct docker_log *l, struct docker_frames *f,
		       bool *found, struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	char *path CLEANUP(freep) = log_path(l);
	struct call c = {"read log of", l->name, .path = path};
	struct http_request q = {.sink = docker_frames_feed,
				 .sink_ctx = f,
				 .max_body = DOCKER_LOG_MAX};
	uint64_t begun = clock_mono_ms();
	struct err failure;

	q.total_timeout_ms = l->follow_ms ? l->follow_ms : d->slow_ms;
	if (docker_stream(d, &c, &q, &r, &failure)) {
		if (!l->follow_ms || !docker_ran_out(&failure, begun, l->follow_ms))
			return docker_pass(&failure, e);
		*found = true;
		return 0;
	}
	if (r.status == 404) {
		*found = false;
		return 0;
	}
	if (r.status < 200 || r.status > 299)
		return docker_refused(&c, &r, e);
	if (f->bad || (f->have && !f->ended))
		return err_set(e, ERR_SYS, "docker: read log of '%s': the answer %s", l->name,
			       f->bad ? "has a frame of no known kind" : "ends inside a frame");
	*found = true;
	return 0;
}

int docker_log_read(struct docker *d, const struct docker_log *l,
		    bool (*sink)(void *ctx, int stream, const char *data, size_t n), void *ctx,
		    bool *found, struct err *e) {
	struct docker_container seen CLEANUP(docker_container_done) = {0};
	struct docker_frames f = {.sink = sink, .ctx = ctx};
	bool there;

	/* Frames or not is a property of the container; the content type says so only from API 1.42
	 * on.
	 */
	if (docker_container_inspect(d, l->name, &there, &seen, e))
		return -1;
	if (!there) {
		*found = false;
		return 0;
	}
	f.raw = seen.tty;
	return read_frames(d, l, &f, found, e);
}

/* Keeps the end: drops from the front what does not fit. */
static bool keep_end(void *ctx, int stream, const char *data, size_t n) {
	struct buf *b = ctx;

	(void) stream;
	if (n > b->cap) {
		data += n - b->cap;
		n = b->cap;
	}
	if (b->len + n > b->cap) {
		size_t drop = b->len + n - b->cap;
		memmove(b->data, b->data + drop, b->len - drop);
		b->len -= drop;
	}
	return buf_add(b, data, n);
}

int docker_log_tail(struct docker *d, const char *name, int64_t lines, struct buf *out,
		    struct err *e) {
	struct docker_log l = {.name = name, .tail = lines};
	bool found;

	return docker_log_read(d, &l, keep_end, out, &found, e);
}

struct listener {
	bool (*sink)(void *ctx, const struct docker_event *ev);
	void *ctx;
};

static bool hear(void *ctx, const struct json *j) {
	struct listener *l = ctx;
	int64_t seconds = json_int_or(j, "time", 0);
	struct docker_event ev = {
		.raw = j,
		.type = docker_text(j, "Type"),
		.action = docker_text(j, "Action"),
		.id = docker_text(j, "Actor.ID"),
		.name = docker_text(j, "Actor.Attributes.name"),
		.time_ms = seconds * 1000,
	};
	/* timeNano is beyond 2^53, so only good to some hundred nanoseconds: enough. */
	double nano = json_value(json_get(j, "timeNano"));
	if (nano > 0 && nano < 9e18)
		ev.time_ms = (int64_t) (nano / 1e6 + 0.5);
	return l->sink(l->ctx, &ev);
}

int docker_events(struct docker *d, const char *const *labels, int64_t since_ms, int64_t until_ms,
		  bool (*sink)(void *ctx, const struct docker_event *ev), void *ctx,
		  struct err *e) {
	struct docker_objects o CLEANUP(docker_objects_done) = DOCKER_OBJECTS;
	struct http_response r CLEANUP(http_response_done) = {0};
	struct listener who = {sink, ctx};
	char *path CLEANUP(freep) = mem_strdup("/events");
	struct call c = {.verb = "read events"};
	struct http_request q = {.sink = docker_objects_feed,
				 .sink_ctx = &o,
				 .max_body = DOCKER_ANSWER_MAX};
	int64_t ahead = until_ms - clock_unix_ms();

	assert(ahead <= 86400000);
	o.each = hear;
	o.ctx = &who;
	query_time(&path, "since", since_ms);
	/* Podman leaves out the newest ones where `until` is not ahead; it can be told not to wait
	 * for more instead. */
	if (d->podman && ahead <= 0)
		docker_query(&path, "stream", "false");
	else
		query_time(&path, "until", until_ms);
	docker_query_labels(&path, labels);
	c.path = path;
	q.total_timeout_ms = d->quick_ms + (ahead > 0 ? (uint64_t) ahead : 0);
	if (docker_stream(d, &c, &q, &r, e))
		return -1;
	if (r.status < 200 || r.status > 299)
		return docker_refused(&c, &r, e);
	if (docker_objects_fault(&o))
		return err_set(e, ERR_SYS, "docker: read events: the answer has %s",
			       docker_objects_fault(&o));
	return 0;
}
