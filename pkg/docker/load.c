/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/internal.h"

/* Design. The archive is pushed by a writer (libarchive's way) and pulled by HTTP (libcurl's way);
 * a pipe and a thread stand between. The pipe's end is only good news if the producer says so: the
 * reader joins the thread at end of file, before it tells HTTP that the body is whole, so an
 * archive that could not be written to its end is an aborted request and never a complete one. */
struct load {
	int (*produce)(void *ctx, int fd, struct err *e);
	void *ctx;
	int in, out; /* the pipe: written by the thread, read here */
	pthread_t thread;
	bool joined;
	int result; /* of produce, once joined */
	struct err err;
	const struct progress *progress;
	const char *name;
	uint64_t sent;
	struct docker_objects objects;
	char failure[DOCKER_WORDS]; /* what the Engine reported inside a 200 */
};

static void *run(void *ctx) {
	struct load *l = ctx;

	l->result = l->produce(l->ctx, l->in, &l->err);
	(void) close(l->in);
	return NULL;
}

/* With all signals blocked: Ctrl-C is for the main thread, SIGPIPE for nobody. */
static int start_thread(struct load *l, struct err *e) {
	sigset_t all, before;
	int fds[2], failed;

	if (pipe2(fds, O_CLOEXEC))
		return err_sys(e, "cannot make a pipe");
	(void) fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches; the default does, too */
	l->out = fds[0];
	l->in = fds[1];
	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&l->thread, NULL, run, l);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed)
		return 0;
	(void) close(fds[0]);
	(void) close(fds[1]);
	errno = failed;
	return err_sys(e, "cannot start a thread");
}

static void join(struct load *l) {
	if (!l->joined)
		(void) pthread_join(l->thread, NULL);
	l->joined = true;
}

static ssize_t read_body(void *ctx, char *out, size_t n) {
	struct load *l = ctx;
	ssize_t got;

	do
		got = read(l->out, out, n);
	while (got < 0 && errno == EINTR && !interrupt_pending());
	if (got > 0) {
		l->sent += (uint64_t) got;
		progress_bytes(l->progress, l->name, l->sent, 0);
		return got;
	}
	if (got < 0)
		return -1;
	join(l);
	return l->result;
}

/* One line of the answer. Which of these an Engine uses depends on its version and its image
 * store. */
static bool note_line(void *ctx, const struct json *j) {
	struct load *l = ctx;
	const char *text = json_text(json_path(j, "errorDetail.message")),
		   *stream = json_str(j, "stream");

	text = text ? text : json_str(j, "error");
	if (!text && stream && text_starts(stream, "Error unpacking image"))
		text = stream;
	if (text && !*l->failure)
		docker_words(text, l->failure);
	return true; /* to the end: a sink that stops would close the connection */
}

static int transfer(struct docker *d, struct load *l, struct err *e) {
	static const char *const headers[] = {"Content-Type: application/x-tar"};
	struct http_response r CLEANUP(http_response_done) = {0};
	struct call c = {"load image", l->name, "POST", .path = "/images/load?quiet=1",
			 .effect = EFFECT_IMAGE_LOAD};
	struct http_request q = {.read = read_body,
				 .read_ctx = l,
				 .sink = docker_objects_feed,
				 .sink_ctx = &l->objects,
				 .headers = headers,
				 .n_headers = 1,
				 .max_body = DOCKER_ANSWER_MAX,
				 .total_timeout_ms = 12 * d->load_ms,
				 .stall_timeout_ms = d->load_ms};
	const char *fault;

	if (docker_stream(d, &c, &q, &r, e))
		return -1;
	if (r.aborted && l->joined && l->result) {
		*e = l->err;
		return -1;
	}
	if (r.aborted && interrupt_pending())
		return err_set(e, ERR_INTERRUPTED, "interrupted");
	fault = docker_objects_fault(&l->objects);
	if (!r.aborted && (r.status < 200 || r.status > 299))
		return docker_refused(&c, &r, e);
	if (*l->failure)
		return err_set(e, ERR_SYS, "docker: load image '%s': %s%s", l->name, l->failure,
			       docker_way_out(l->failure));
	if (fault || r.aborted)
		return err_set(e, ERR_SYS, "docker: load image '%s': the answer has %s", l->name,
			       fault ? fault : "no end");
	return 0;
}

int docker_image_load(struct docker *d, const char *name,
		      int (*produce)(void *ctx, int fd, struct err *e), void *ctx, struct err *e) {
	struct load l = {.produce = produce,
			 .ctx = ctx,
			 .progress = d->progress,
			 .name = name,
			 .objects = DOCKER_OBJECTS};
	int result;

	l.objects.each = note_line;
	l.objects.ctx = &l;
	if (start_thread(&l, e))
		return err_wrap(e, "docker: load image '%s'", name);
	result = transfer(d, &l, e);
	(void) close(l.out); /* a producer that still writes gets EPIPE */
	join(&l);
	docker_objects_done(&l.objects);
	return result;
}
