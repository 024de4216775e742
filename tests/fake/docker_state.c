/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/docker_state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/fake/httpd.h"

enum { CONTAINERS = 8 };

struct one {
	struct docker_state_container c;
	bool gone;
};

struct docker_state {
	char dir[40], socket[64];
	struct httpd *http;
	pthread_mutex_t mutex;
	struct one at[CONTAINERS];
	size_t n;
	struct buf done;
	const char *image;
};

static bool reply(struct httpd_conn *c, int status, const char *json) {
	return httpd_reply(c, status, "Api-Version: 1.41\r\nContent-Type: application/json\r\n",
			   json, strlen(json));
}

static void note(struct docker_state *d, const char *what, const char *of) {
	(void) buf_printf(&d->done, "%s%s%s%s", d->done.len ? ", " : "", what, *of ? " " : "", of);
}

static bool list(struct docker_state *d, struct httpd_conn *c) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	for (size_t i = 0; i < d->n; i++)
		if (!d->at[i].gone)
			(void) buf_printf(
				&b,
				"%s{\"Id\":\"%s\",\"Names\":[\"/"
				"%s\"],\"ImageID\":\"sha256:x\",\"State\":\"%s\",\"Labels\":%s}",
				b.len ? "," : "", d->at[i].c.name, d->at[i].c.name,
				d->at[i].c.running ? "running" : "exited", d->at[i].c.labels);
	char *text CLEANUP(freep) = mem_printf("[%s]", buf_str(&b));
	return reply(c, 200, text);
}

static bool inspect(const struct docker_state_container *x, struct httpd_conn *c) {
	char *text CLEANUP(freep) =
		mem_printf("{\"Id\":\"%s\",\"Name\":\"/"
			   "%s\",\"Image\":\"sha256:x\",\"State\":{\"Status\":\"%s\",\"Running\":%"
			   "s,\"ExitCode\":%d,"
			   "\"StartedAt\":\"2026-01-01T00:00:00Z\"},\"HostConfig\":{"
			   "\"RestartPolicy\":{\"Name\":\"%s\"}},\"Config\":{\"Labels\":%s}}",
			   x->name, x->name, x->running ? "running" : "exited",
			   x->running ? "true" : "false", x->running ? 0 : 1, x->restart,
			   x->labels);

	return reply(c, 200, text);
}

/* What follows the name in the path. */
static bool act(struct docker_state *d, struct one *x, const char *verb,
		const struct httpd_request *q, struct httpd_conn *c) {
	if (!strcmp(verb, "/json"))
		return inspect(&x->c, c);
	if (text_starts(verb, "/logs"))
		return reply(c, 200, "");
	if (!strcmp(q->method, "DELETE")) {
		x->gone = true;
		note(d, "remove", x->c.shown);
	} else if (!strcmp(verb, "/start")) {
		x->c.running = !x->c.dies;
		note(d, "start", x->c.shown);
	} else if (text_starts(verb, "/stop")) {
		x->c.running = false;
		note(d, "stop", x->c.shown);
	} else if (!strcmp(verb, "/update")) {
		x->c.restart = strstr(q->body, "always") ? "always" : "no";
		note(d, strcmp(x->c.restart, "no") ? "keep" : "let", x->c.shown);
		return reply(c, 200, "{}");
	} else {
		note(d, q->path, "is not understood");
	}
	return reply(c, 204, "");
}

static bool one_container(struct docker_state *d, const char *rest, const struct httpd_request *q,
			  struct httpd_conn *c) {
	for (size_t i = 0; i < d->n; i++) {
		size_t n = strlen(d->at[i].c.name);
		if (!d->at[i].gone && !strncmp(rest, d->at[i].c.name, n) && strchr("/?", rest[n]))
			return act(d, &d->at[i], rest + n, q, c);
	}
	return reply(c, 404, "{\"message\":\"no such container\"}");
}

static bool answer(struct docker_state *d, struct httpd_conn *c, const struct httpd_request *q) {
	/* "/v1.41/containers/..." */
	const char *path = text_starts(q->path, "/v1.") ? strchr(q->path + 1, '/') : q->path;

	if (!strcmp(path, "/_ping"))
		return reply(c, 200, "OK");
	if (text_starts(path, "/containers/json"))
		return list(d, c);
	if (text_starts(path, "/containers/"))
		return one_container(d, path + strlen("/containers/"), q, c);
	/* Of whatever died it is known that it did so by itself. */
	if (text_starts(path, "/events"))
		return reply(c, 200,
			     "{\"Type\":\"container\",\"Action\":\"start\"}\n{\"Type\":"
			     "\"container\",\"Action\":\"die\"}\n");
	if (text_starts(path, "/images/json"))
		return reply(c, 200, "[]");
	if (text_starts(path, "/images/sha256:"))
		return d->image ? reply(c, 200, d->image)
				: reply(c, 404, "{\"message\":\"no such image\"}");
	note(d, q->path, "is not understood");
	return reply(c, 501, "{\"message\":\"not understood\"}");
}

static bool handle(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	struct docker_state *d = ctx;

	(void) pthread_mutex_lock(&d->mutex);
	bool more = answer(d, c, q);
	(void) pthread_mutex_unlock(&d->mutex);
	return more;
}

struct docker_state *docker_state_start(void) {
	struct docker_state *d = mem_zalloc(1, sizeof *d);

	d->done = (struct buf) BUF_INIT(1 << 16);
	(void) strcpy(d->dir, "/tmp/fake-docker-XXXXXX");
	if (!mkdtemp(d->dir) || pthread_mutex_init(&d->mutex, NULL))
		abort();
	(void) snprintf(d->socket, sizeof d->socket, "%s/docker.sock", d->dir);
	d->http = httpd_start(d->socket, handle, d);
	return d;
}

void docker_state_stop(struct docker_state *d) {
	if (!d)
		return;
	httpd_stop(d->http);
	(void) unlink(d->socket);
	(void) rmdir(d->dir);
	(void) pthread_mutex_destroy(&d->mutex);
	buf_done(&d->done);
	free(d);
}

void docker_state_stopp(struct docker_state **d) {
	docker_state_stop(*d);
}

const char *docker_state_socket(const struct docker_state *d) {
	return d->socket;
}

void docker_state_image(struct docker_state *d, const char *json) {
	d->image = json;
}

void docker_state_add(struct docker_state *d, const struct docker_state_container *c) {
	if (d->n == CONTAINERS)
		abort();
	d->at[d->n++].c = *c;
}

char *docker_state_done(struct docker_state *d) {
	(void) pthread_mutex_lock(&d->mutex);
	char *done = mem_strdup(buf_str(&d->done));
	(void) pthread_mutex_unlock(&d->mutex);
	return done;
}
