/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/docker.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum { CONNECTIONS = 4 };

struct fake_docker {
	const struct fake_call *calls;
	size_t n, at;
	char dir[32], path[64];
	int listener, stop; /* stop: an eventfd */
	pthread_t thread;
	char fault[512];
};

struct conn {
	struct fake_docker *f;
	int fd;
	char data[65536];
	size_t len, at;
	char request[2048]; /* "GET /path" */
	bool chunked;
	size_t length;
	struct buf body;
};

/* False: the engine is to stop. */
static bool readable(const struct fake_docker *f, int fd) {
	struct pollfd p[2] = {{.fd = f->stop, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	return poll(p, 2, -1) > 0 && !p[0].revents;
}

static int next_byte(struct conn *c) {
	if (c->at == c->len) {
		ssize_t n = readable(c->f, c->fd) ? recv(c->fd, c->data, sizeof c->data, 0) : 0;
		if (n <= 0)
			return -1;
		c->len = (size_t) n;
		c->at = 0;
	}
	return (unsigned char) c->data[c->at++];
}

/* Without its CRLF; false at the end of the connection. */
static bool read_line(struct conn *c, char *out, size_t size) {
	size_t n = 0;
	int b;

	while ((b = next_byte(c)) >= 0 && b != '\n')
		if (b != '\r' && n + 1 < size)
			out[n++] = (char) b;
	out[n] = '\0';
	return b >= 0;
}

static bool read_head(struct conn *c) {
	char line[2048];

	c->chunked = false;
	c->length = 0;
	if (!read_line(c, c->request, sizeof c->request))
		return false;
	char *version = strstr(c->request, " HTTP/1.1");
	if (version)
		*version = '\0';
	while (read_line(c, line, sizeof line) && *line) {
		if (!strncasecmp(line, "Content-Length:", 15))
			c->length = strtoul(line + 15, NULL, 10);
		c->chunked = c->chunked || !strcasecmp(line, "Transfer-Encoding: chunked");
	}
	return true;
}

static bool read_bytes(struct conn *c, size_t n) {
	for (; n; n--) {
		int b = next_byte(c);
		if (b < 0)
			return false;
		(void) buf_putc(&c->body, (char) b);
	}
	return true;
}

static bool read_body(struct conn *c) {
	char line[64];
	size_t n;

	buf_reset(&c->body);
	if (!c->chunked)
		return read_bytes(c, c->length);
	do {
		if (!read_line(c, line, sizeof line))
			return false;
		n = strtoul(line, NULL, 16);
		if (!read_bytes(c, n) || !read_line(c, line, sizeof line))
			return false;
	} while (n);
	return true;
}

static bool request_fits(const struct fake_call *want, const char *got) {
	size_t n = strlen(want->request);

	return n && want->request[n - 1] == '*' ? !strncmp(want->request, got, n - 1)
						: !strcmp(want->request, got);
}

static bool body_fits(const struct fake_call *want, const struct buf *got) {
	const char *text = want->body ? want->body : "";
	size_t n = strlen(text);

	if (want->unread || !strcmp(text, "*"))
		return true;
	if (*text != '*')
		return got->len == n && !memcmp(buf_str(got), text, n);
	char *inner CLEANUP(freep) = mem_strndup(text + 1, n - 2);
	return memmem(buf_str(got), got->len, inner, n - 2) != NULL;
}

static void breathe(unsigned ms) {
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000};

	(void) nanosleep(&t, NULL);
}

static void send_all(int fd, const char *data, size_t n, size_t piece) {
	while (n) {
		ssize_t sent = send(fd, data, piece && piece < n ? piece : n, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		data += sent;
		n -= (size_t) sent;
		if (piece)
			breathe(1);
	}
}

static void answer(int fd, const struct fake_call *call) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
	const char *json = call->json ? call->json : "";

	breathe(call->delay_ms);
	if (call->raw)
		(void) buf_add(&b, call->raw, call->raw_len ? call->raw_len : strlen(call->raw));
	else if (call->status == 204 || call->status == 304)
		(void) buf_printf(&b, "HTTP/1.1 %d X\r\n\r\n", call->status);
	else
		(void) buf_printf(&b,
				  "HTTP/1.1 %d X\r\nApi-Version: 1.41\r\nContent-Type: "
				  "application/json\r\nContent-Length: %zu\r\n\r\n%s",
				  call->status ? call->status : 200, strlen(json), json);
	send_all(fd, buf_str(&b), b.len, call->piece);
}

static void blame(struct fake_docker *f, const char *what, const char *got, const char *want) {
	if (!*f->fault)
		(void) snprintf(f->fault, sizeof f->fault,
				"call %zu: %s '%.180s', expected '%.180s'", f->at, what, got, want);
}

/* False: this connection is over. */
static bool serve_one(struct conn *c) {
	struct fake_docker *f = c->f;
	const struct linger at_once = {.l_onoff = 1};

	if (!read_head(c))
		return false;
	if (f->at >= f->n || !request_fits(&f->calls[f->at], c->request)) {
		blame(f, "got", c->request,
		      f->at < f->n ? f->calls[f->at].request : "nothing more");
		return false;
	}
	const struct fake_call *call = &f->calls[f->at];
	if (!call->unread && !read_body(c))
		return false;
	if (!body_fits(call, &c->body)) {
		blame(f, "got the body", buf_str(&c->body), call->body ? call->body : "");
		return false;
	}
	f->at++;
	answer(c->fd, call);
	if (call->then == FAKE_HANG)
		(void) readable(f, c->fd);
	if (call->then == FAKE_RESET)
		(void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	return call->then == FAKE_KEEP && !call->unread;
}

static struct conn *conn_new(struct fake_docker *f) {
	struct conn *c = mem_zalloc(1, sizeof *c);

	c->f = f;
	c->fd = accept(f->listener, NULL, NULL);
	c->body = (struct buf) BUF_INIT(64 << 20);
	return c;
}

static void conn_free(struct conn *c) {
	if (c->fd >= 0)
		(void) close(c->fd);
	buf_done(&c->body);
	free(c);
}

/* Several connections may stand open (a streamed upload has one of its own); one request at a time
 * is served. */
static void *run(void *ctx) {
	struct conn *open[CONNECTIONS] = {NULL};
	struct fake_docker *f = ctx;

	for (;;) {
		struct pollfd p[2 + CONNECTIONS] = {{.fd = f->stop, .events = POLLIN},
						    {.fd = f->listener, .events = POLLIN}};
		int free_at = -1;
		for (int i = 0; i < CONNECTIONS; i++) {
			p[2 + i] = (struct pollfd){.fd = open[i] ? open[i]->fd : -1,
						   .events = POLLIN};
			free_at = open[i] ? free_at : i;
		}
		p[1].fd = free_at < 0 ? -1 : f->listener;
		if (poll(p, 2 + CONNECTIONS, -1) <= 0 || p[0].revents)
			break;
		if (p[1].revents)
			open[free_at] = conn_new(f);
		for (int i = 0; i < CONNECTIONS; i++)
			if (p[2 + i].revents && !serve_one(open[i])) {
				conn_free(open[i]);
				open[i] = NULL;
			}
	}
	for (int i = 0; i < CONNECTIONS; i++)
		if (open[i])
			conn_free(open[i]);
	return NULL;
}

struct fake_docker *fake_docker_start(const struct fake_call *calls, size_t n) {
	struct fake_docker *f = mem_zalloc(1, sizeof *f);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	f->calls = calls;
	f->n = n;
	memcpy(f->dir, "/tmp/fake-XXXXXX", sizeof "/tmp/fake-XXXXXX");
	if (!mkdtemp(f->dir))
		abort();
	(void) snprintf(f->path, sizeof f->path, "%s/d.sock", f->dir);
	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s", f->path);
	f->stop = eventfd(0, EFD_CLOEXEC);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (f->stop < 0 || f->listener < 0 || bind(f->listener, (struct sockaddr *) &a, sizeof a) ||
	    listen(f->listener, 8) || pthread_create(&f->thread, NULL, run, f))
		abort();
	return f;
}

const char *fake_docker_socket(const struct fake_docker *f) {
	return f->path;
}

void fake_docker_stop(struct fake_docker *f, char out[512]) {
	(void) eventfd_write(f->stop, 1);
	(void) pthread_join(f->thread, NULL);
	(void) close(f->stop);
	(void) close(f->listener);
	(void) unlink(f->path);
	(void) rmdir(f->dir);
	if (f->at < f->n)
		blame(f, "then got", "nothing", f->calls[f->at].request);
	(void) snprintf(out, 512, "%s", f->fault);
	free(f);
}
