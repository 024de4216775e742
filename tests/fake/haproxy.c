/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/haproxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

struct fake_haproxy {
	const struct fake_line *lines;
	size_t n, done;
	int listener, stop[2];
	pthread_t thread;
	char *path;
	char fault[512];
};

/* Waits for the peer, or for the end of the test (false). */
static int wait_for(const struct fake_haproxy *f, int fd) {
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = f->stop[0], .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return !p[1].revents;
}

static size_t read_all(const struct fake_haproxy *f, int fd, char *out, size_t size) {
	size_t n = 0;
	ssize_t got;

	while (n < size - 1 && wait_for(f, fd) && (got = read(fd, out + n, size - 1 - n)) > 0)
		n += (size_t) got;
	out[n] = 0;
	return n;
}

static void answer(struct fake_haproxy *f, int fd, const struct fake_line *l) {
	const struct linger hard = {.l_onoff = 1, .l_linger = 0};

	for (size_t i = 0; l->answer && i < (l->times ? l->times : 1); i++)
		if (send(fd, l->answer, strlen(l->answer), MSG_NOSIGNAL) < 0)
			break;
	if (l->then == LINE_HANG) {
		struct pollfd p[2] = {{.fd = fd, .events = 0},
				      {.fd = f->stop[0], .events = POLLIN}};
		while (poll(p, 2, -1) < 0 && errno == EINTR)
			;
	}
	if (l->then == LINE_RESET)
		(void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

static void serve(struct fake_haproxy *f, int fd) {
	char got[65536];
	size_t n = read_all(f, fd, got, sizeof got);
	const struct fake_line *l = &f->lines[f->done];

	if (f->done == f->n)
		(void) snprintf(f->fault, sizeof f->fault, "one line too many: '%.200s'", got);
	else if (!n || got[n - 1] != '\n' || strlen(l->line) != n - 1 ||
		 memcmp(got, l->line, n - 1) != 0)
		(void) snprintf(f->fault, sizeof f->fault,
				"line %zu: wanted '%.200s', came '%.200s'", f->done + 1, l->line,
				got);
	else {
		f->done++;
		answer(f, fd, l);
	}
}

static void *run(void *ctx) {
	struct fake_haproxy *f = ctx;

	while (!*f->fault && wait_for(f, f->listener)) {
		int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			serve(f, fd);
			(void) close(fd);
		}
	}
	return NULL;
}

struct fake_haproxy *fake_haproxy_start(const char *dir, const char *name,
					const struct fake_line *lines, size_t n) {
	struct fake_haproxy *f = mem_zalloc(1, sizeof *f);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	f->lines = lines;
	f->n = n;
	f->path = mem_printf("%s/%s", dir, name);
	(void) unlink(f->path);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", fd, name);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || f->listener < 0 || bind(f->listener, (struct sockaddr *) &at, sizeof at) ||
	    listen(f->listener, 16) || pipe(f->stop) || pthread_create(&f->thread, NULL, run, f))
		abort();
	(void) close(fd);
	return f;
}

void fake_haproxy_stop(struct fake_haproxy *f, char out[512]) {
	(void) close(f->stop[1]);
	(void) pthread_join(f->thread, NULL);
	(void) unlink(f->path);
	if (!*f->fault && f->done < f->n)
		(void) snprintf(f->fault, sizeof f->fault, "never asked: '%.200s'",
				f->lines[f->done].line);
	memcpy(out, f->fault, 512);
	(void) close(f->listener);
	(void) close(f->stop[0]);
	free(f->path);
	free(f);
}
