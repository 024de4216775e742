/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/httpd.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum { CONNECTIONS_MAX = 64, REQUEST_MAX = 64 << 20 };

struct httpd_conn {
	struct httpd *s;
	pthread_t thread;
	int fd;
	unsigned number;
	bool lingers; /* it answered before it had the body */
	bool done;    /* its place may be taken again; under the server's lock */
};

struct httpd {
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	struct httpd_conn conns[CONNECTIONS_MAX];
	unsigned n_places, n_conns, n_requests;
	bool stopping;
	/* Set before the thread begins. */
	int fd;
	unsigned port;
	char *socket_path;
	httpd_handler handler;
	void *ctx;
};

static void must(bool ok) {
	if (!ok) {
		perror("httpd");
		abort();
	}
}

bool httpd_send(struct httpd_conn *c, const void *data, size_t n) {
	for (const char *p = data; n;) {
		ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
		if (w <= 0)
			return false;
		p += w;
		n -= (size_t) w;
	}
	return true;
}

bool httpd_puts(struct httpd_conn *c, const char *text) {
	return httpd_send(c, text, strlen(text));
}

bool httpd_reply(struct httpd_conn *c, int status, const char *headers, const void *body,
		 size_t n) {
	char *head CLEANUP(
		freep) = mem_printf("HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n%s\r\n", status,
				    n, headers);

	return httpd_puts(c, head) && httpd_send(c, body, n);
}

bool httpd_hang(struct httpd_conn *c) {
	char junk[256];

	while (recv(c->fd, junk, sizeof junk, 0) > 0)
		;
	return false;
}

bool httpd_reset(struct httpd_conn *c) {
	struct sockaddr none = {.sa_family = AF_UNSPEC};

	(void) connect(c->fd, &none, sizeof none);
	return false;
}

char *httpd_header(const struct httpd_request *q, const char *name) {
	size_t n = strlen(name);

	for (const char *line = q->head; *line; line += strcspn(line, "\n") + 1)
		if (!strncasecmp(line, name, n) && line[n] == ':') {
			const char *value = line + n + 1 + strspn(line + n + 1, " ");
			return mem_strndup(value, strcspn(value, "\r\n"));
		}
	return mem_strdup("");
}

/* Until `b` has n bytes, or with n 0 until the empty line; false when the client has gone. */
static bool fill(struct httpd_conn *c, struct buf *b, size_t n) {
	char piece[65536];

	while (n ? b->len < n : !strstr(buf_str(b), "\r\n\r\n")) {
		ssize_t got = recv(c->fd, piece, sizeof piece, 0);
		if (got <= 0 || !buf_add(b, piece, (size_t) got))
			return false;
	}
	return true;
}

static void drop(struct buf *b, size_t n) {
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

/* RFC 9112, 7.1; what is read ahead stays in `in`. */
static bool read_chunks(struct httpd_conn *c, struct buf *in, struct buf *body) {
	for (;;) {
		while (!memchr(buf_str(in), '\n', in->len))
			if (!fill(c, in, in->len + 1))
				return false;
		size_t n = strtoul(in->data, NULL, 16);
		drop(in, (size_t) ((char *) memchr(in->data, '\n', in->len) - in->data) + 1);
		if (!fill(c, in, n + 2))
			return false;
		(void) buf_add(body, in->data, n);
		drop(in, n + 2);
		if (!n)
			return true;
	}
}

static bool read_body(struct httpd_conn *c, const char *head, struct buf *in, struct buf *body) {
	struct httpd_request q = {.head = head};
	char *length CLEANUP(freep) = httpd_header(&q, "Content-Length");
	char *coding CLEANUP(freep) = httpd_header(&q, "Transfer-Encoding");
	size_t n = strtoul(length, NULL, 10);

	if (!strcmp(coding, "chunked"))
		return read_chunks(c, in, body);
	if (!n)
		return true;
	if (!fill(c, in, n))
		return false;
	(void) buf_add(body, in->data, n);
	drop(in, n);
	return true;
}

/* "METHOD PATH HTTP/1.1", split in place. */
static bool split(char *line, struct httpd_request *q) {
	char *path = strchr(line, ' '), *end = path ? strchr(path + 1, ' ') : NULL;

	if (!end)
		return false;
	*path = *end = 0;
	q->method = line;
	q->path = path + 1;
	return true;
}

static bool serve_one(struct httpd_conn *c, struct buf *in) {
	struct buf body CLEANUP(buf_done) = BUF_INIT(REQUEST_MAX);
	struct httpd_request q = {.connection = c->number};

	if (!fill(c, in, 0))
		return false;
	size_t n = (size_t) (strstr(in->data, "\r\n\r\n") - in->data) + 4;
	char *line CLEANUP(freep) = mem_strndup(in->data, n - 2);
	drop(in, n);
	char *head = strstr(line, "\r\n");
	*head = 0;
	q.head = head + 2;
	if (!split(line, &q))
		return false;
	c->lingers = !strncmp(q.path, "/early", 6);
	if (!c->lingers && !read_body(c, q.head, in, &body))
		return false;
	q.body = buf_str(&body);
	q.body_len = body.len;
	(void) pthread_mutex_lock(&c->s->lock);
	q.number = ++c->s->n_requests;
	(void) pthread_mutex_unlock(&c->s->lock);
	return c->s->handler(c->s->ctx, c, &q);
}

static void *serve(void *arg) {
	struct httpd_conn *c = arg;
	struct buf in CLEANUP(buf_done) = BUF_INIT(REQUEST_MAX);

	while (serve_one(c, &in))
		;
	if (c->lingers) {
		/* As Go's server does after an early answer, so that it is not lost to a reset. */
		(void) shutdown(c->fd, SHUT_WR);
		clock_sleep_ms(500);
	}
	/* closed when its place is taken or the server stops: the number must stay ours */
	(void) shutdown(c->fd, SHUT_RDWR);
	(void) pthread_mutex_lock(&c->s->lock);
	c->done = true;
	(void) pthread_mutex_unlock(&c->s->lock);
	return NULL;
}

/* A place that nobody has any more, or the next one; NULL: all are taken. */
static struct httpd_conn *place(struct httpd *s) {
	for (unsigned i = 0; i < s->n_places; i++)
		if (s->conns[i].done) {
			(void) pthread_join(s->conns[i].thread, NULL);
			(void) close(s->conns[i].fd);
			return &s->conns[i];
		}
	return s->n_places < CONNECTIONS_MAX ? &s->conns[s->n_places++] : NULL;
}

/* Threads end when they are given a processor, which may be later than the next connection: at most
 * 10 seconds. Called with the lock; NULL where the server is stopped. */
static struct httpd_conn *wait_for_place(struct httpd *s) {
	for (int i = 0; i < 10000 && !s->stopping; i++) {
		struct httpd_conn *c = place(s);
		if (c)
			return c;
		(void) pthread_mutex_unlock(&s->lock);
		clock_sleep_ms(1);
		(void) pthread_mutex_lock(&s->lock);
	}
	must(s->stopping);
	return NULL;
}

static void *listen_loop(void *arg) {
	struct httpd *s = arg;

	for (;;) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return NULL;
		(void) pthread_mutex_lock(&s->lock);
		struct httpd_conn *c = wait_for_place(s);
		if (!c) {
			(void) close(fd);
		} else {
			*c = (struct httpd_conn){.s = s, .fd = fd, .number = ++s->n_conns};
			must(!pthread_create(&c->thread, NULL, serve, c));
		}
		(void) pthread_mutex_unlock(&s->lock);
	}
}

static void bind_unix(struct httpd *s, const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	must(strlen(path) < sizeof a.sun_path);
	(void) strcpy(a.sun_path, path);
	s->socket_path = mem_strdup(path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(s->fd >= 0 && !bind(s->fd, (struct sockaddr *) &a, sizeof a) && !listen(s->fd, 16));
}

static void bind_tcp(struct httpd *s) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;

	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(s->fd >= 0 && !bind(s->fd, (struct sockaddr *) &a, n) && !listen(s->fd, 16));
	must(!getsockname(s->fd, (struct sockaddr *) &a, &n));
	s->port = ntohs(a.sin_port);
}

struct httpd *httpd_start(const char *socket_path, httpd_handler handler, void *ctx) {
	struct httpd *s = mem_zalloc(1, sizeof *s);

	s->handler = handler;
	s->ctx = ctx;
	if (socket_path)
		bind_unix(s, socket_path);
	else
		bind_tcp(s);
	must(!pthread_mutex_init(&s->lock, NULL) &&
	     !pthread_create(&s->thread, NULL, listen_loop, s));
	return s;
}

void httpd_stop(struct httpd *s) {
	if (!s)
		return;
	(void) pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void) shutdown(s->fd, SHUT_RDWR);
	for (unsigned i = 0; i < s->n_places; i++)
		(void) shutdown(s->conns[i].fd, SHUT_RDWR);
	(void) pthread_mutex_unlock(&s->lock);
	(void) pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->n_places; i++) {
		(void) pthread_join(s->conns[i].thread, NULL);
		(void) close(s->conns[i].fd);
	}
	(void) close(s->fd);
	if (s->socket_path)
		(void) unlink(s->socket_path);
	(void) pthread_mutex_destroy(&s->lock);
	free(s->socket_path);
	free(s);
}

void httpd_stopp(struct httpd **s) {
	httpd_stop(*s);
	*s = NULL;
}

unsigned httpd_port(const struct httpd *s) {
	return s->port;
}

static unsigned locked(struct httpd *s, const unsigned *n) {
	(void) pthread_mutex_lock(&s->lock);
	unsigned copy = *n;
	(void) pthread_mutex_unlock(&s->lock);
	return copy;
}

unsigned httpd_requests(struct httpd *s) {
	return locked(s, &s->n_requests);
}

unsigned httpd_connections(struct httpd *s) {
	return locked(s, &s->n_conns);
}
