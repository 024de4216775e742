/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

enum {
	COMMAND_CAP = 1 << 20,
	ANSWER_CAP = 4 << 20,
	FINISHING_MS = 250,
	HALF_MS = 300,
	AGAIN_MS = 10
};

static int broken(const char *name, const char *why, struct err *e) {
	return err_set(e, ERR_UNREACHABLE,
		       "the gateway's socket 'gateway/%s': %s; see llmdeploy gateway status", name,
		       why);
}

static bool nobody_listens(int error) {
	return error == ENOENT || error == ECONNREFUSED || error == ENOTSOCK;
}

/* A path of a socket has 107 bytes: through the descriptor it is short. */
static int dial(int dir, const char *name, int *out, struct err *e) {
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd CLEANUP(closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*out = -1;
	if (fd < 0)
		return err_sys(e, "cannot make a socket");
	(void) snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/%s", dir, name);
	if (!connect(fd, (struct sockaddr *) &to, sizeof to)) {
		*out = fd;
		fd = -1;
		return 0;
	}
	/* A full queue of a HAProxy that hangs shows as EAGAIN. */
	return nobody_listens(errno)
		? 0
		: broken(name,
			 errno == EAGAIN ? "too many connections are waiting" : strerror(errno), e);
}

static int await(int fd, short events, uint64_t until, const char *name, struct err *e) {
	for (;;) {
		uint64_t now = clock_mono_ms();
		struct pollfd p = {.fd = fd, .events = events};
		int n = now < until ? poll(&p, 1, (int) (until - now)) : 0;

		if (n > 0)
			return 0;
		if (!n)
			return broken(name, "no answer in time", e);
		if (errno != EINTR)
			return broken(name, strerror(errno), e);
	}
}

static int send_line(int fd, const char *line, uint64_t until, const char *name, struct err *e) {
	char *text CLEANUP(freep) = mem_printf("%s\n", line);
	size_t n = strlen(text), at = 0;

	while (at < n) {
		ssize_t sent = send(fd, text + at, n - at, MSG_NOSIGNAL);
		if (sent > 0)
			at += (size_t) sent;
		else if (errno != EAGAIN && errno != EINTR)
			return broken(name, strerror(errno), e);
		else if (await(fd, POLLOUT, until, name, e))
			return -1;
	}
	return shutdown(fd, SHUT_WR) ? broken(name, strerror(errno), e) : 0;
}

static int receive(int fd, uint64_t until, const char *name, struct buf *out, struct err *e) {
	char part[16384];
	ssize_t n;

	while ((n = recv(fd, part, sizeof part, 0))) {
		if (n > 0 && !buf_add(out, part, (size_t) n))
			return err_set(e, ERR_SYS,
				       "the gateway's socket 'gateway/%s': the answer is larger "
				       "than %zu bytes",
				       name, out->cap);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return broken(name, strerror(errno), e);
		if (n < 0 && await(fd, POLLIN, until, name, e))
			return -1;
	}
	return 0;
}

static int converse(int fd, const char *name, const char *line, uint64_t timeout_ms,
		    struct buf *out, struct err *e) {
	uint64_t until = clock_mono_ms() + timeout_ms;

	if (send_line(fd, line, until, name, e) ||
	    receive(fd, until, name, out, e))
		return -1;
	return 0;
}

static int ask_within(enum effect as, int dir, const char *name, const char *line,
		      uint64_t timeout_ms, struct buf *out, bool *listening, struct err *e) {
	enum fault planned = failpoint_begin(as);
	int fd CLEANUP(closep) = -1;

	*listening = false;
	buf_reset(out);
	if (planned == FAULT_GONE)
		return failpoint_end(as, 0);
	if (dial(dir, name, &fd, e))
		return -1;
	if (fd < 0)
		return failpoint_end(as, 0);
	*listening = true;
	if (converse(fd, name, line, timeout_ms, out, e))
		return -1;
	if (planned == FAULT_TIMEOUT || planned == FAULT_RESET)
		return broken(name,
			      planned == FAULT_TIMEOUT ? "no answer in time" : strerror(ECONNRESET),
			      e);
	return failpoint_end(as, 0);
}

int socket_ask(enum effect as, int dir, const char *name, const char *line, struct buf *out,
	       bool *listening, struct err *e) {
	return ask_within(as, dir, name, line, SOCKET_TIMEOUT_MS, out, listening, e);
}

/* An answer that is whole ends with an empty line; of a master that knows no such worker, with a
 * full one. */
static bool is_whole(const struct buf *b) {
	return b->len && b->data[b->len - 1] == '\n' &&
		(b->len == 1 || b->data[b->len - 2] == '\n');
}

static bool names_no_worker(const struct buf *b) {
	return strstr(buf_str(b), "Can't find the target PID") == buf_str(b);
}

/* "# old workers" begins the part of those that finish; "8590 worker 0 0d00h00m01s 3.2.26-1" is
 * one. */
static int read_process(const char *line, const char *socket, bool *finishing,
			struct socket_workers *out) {
	const char *end = line + strlen(line), *version;
	char kind[16];
	int pid;

	if (*line == '#') {
		if (!strncmp(line, "# ", 2))
			*finishing = !strcmp(line, "# old workers");
		return 0;
	}
	if (sscanf(line, "%d %15s", &pid, kind) != 2 || pid < 1)
		return -1;
	while (end > line && end[-1] == ' ')
		end--;
	for (version = end; version > line && version[-1] != ' ';)
		version--;
	if (!strcmp(kind, "master") && !strcmp(socket, SOCKET_MASTER)) {
		const char *failed = strstr(line, "[failed: ");
		(void) snprintf(out->version, sizeof out->version, "%.*s", (int) (end - version),
				version);
		out->failed = failed ? (unsigned) strtoul(failed + strlen("[failed: "), NULL, 10)
				     : 0;
	}
	if (strcmp(kind, "worker") || out->n == SOCKET_MAX_WORKERS)
		return 0;
	bool old = *finishing || strcmp(socket, SOCKET_MASTER) != 0;
	out->at[out->n++] = (struct socket_worker){pid, old, socket};
	out->serving += !old;
	return 0;
}

static int read_processes(struct buf *text, const char *socket, struct socket_workers *out,
			  struct err *e) {
	char *all CLEANUP(freep) = mem_strdup(buf_str(text)), *save = NULL;
	bool finishing = false;

	if (strncmp(all, "#<PID>", 6) || !is_whole(text))
		return err_set(e, ERR_SYS,
			       "the gateway's socket 'gateway/%s' does not answer like HAProxy's "
			       "master: '%.60s'",
			       socket, strtok_r(all, "\n", &save) ? all : "");
	for (char *line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (read_process(line, socket, &finishing, out))
			return err_set(e, ERR_SYS,
				       "the gateway's socket 'gateway/%s' lists a process '%.60s'",
				       socket, line);
	return 0;
}

int socket_workers(int dir, struct socket_workers *out, struct err *e) {
	static const char *const sockets[] = {SOCKET_MASTER, SOCKET_MASTER_OLD};
	struct buf text CLEANUP(buf_done) = BUF_INIT(COMMAND_CAP);
	struct socket_workers found = {0};

	for (size_t i = 0; i < 2; i++) {
		bool listening;
		if (socket_ask(EFFECT_NONE, dir, sockets[i], "show proc", &text, &listening, e))
			return -1;
		if (listening && read_processes(&text, sockets[i], &found, e))
			return -1;
		found.running = found.running || (listening && !i);
	}
	*out = found;
	return 0;
}

static bool is_drain(const char *command, size_t n) {
	static const char end[] = " state drain";

	return n > sizeof end && !memcmp(command + n - (sizeof end - 1), end, sizeof end - 1);
}

/* "a; b" to "@!PID a; @!PID b": a prefix stands for one command only. A worker that finishes is not
 * told to drain: what waits there in a queue would wait for the next request to come, and none
 * comes. It ends on the release that it was meant for, and a drain counts it. */
static void address(const struct socket_worker *w, const char *line, struct buf *out) {
	while (*line) {
		size_t n = strstr(line, "; ") ? (size_t) (strstr(line, "; ") - line) : strlen(line);
		if (!w->finishing || !is_drain(line, n))
			(void) buf_printf(out, "%s@!%d %.*s", out->len ? "; " : "", w->pid, (int) n,
					  line);
		line += n + (line[n] ? 2 : 0);
	}
}

static int is_listed(int dir, const struct socket_worker *w, bool *listed, struct err *e) {
	struct socket_workers now;

	*listed = false;
	if (socket_workers(dir, &now, e))
		return -1;
	for (size_t i = 0; i < now.n; i++)
		*listed = *listed ||
			(now.at[i].pid == w->pid && !strcmp(now.at[i].socket, w->socket));
	return 0;
}

/* Once. Neither whole nor *gone: half an answer, or none in time, is ERR_UNREACHABLE. */
static int ask_once(enum effect as, int dir, const struct socket_worker *w, const char *command,
		    uint64_t timeout_ms, struct buf *out, bool *gone, bool *half, struct err *e) {
	bool listening, listed;
	struct err why = {0};

	int status = ask_within(as, dir, w->socket, command, timeout_ms, out, &listening, &why);
	*gone = !status && (!listening || names_no_worker(out));
	*half = !status && !*gone && !is_whole(out);
	if (!status && !*half)
		return 0;
	if (status && (!w->finishing || why.code != ERR_UNREACHABLE))
		return err_set(e, why.code, "%s", why.msg);
	/* It ended in the middle of the answer, or someone else answers there. */
	if (is_listed(dir, w, &listed, e))
		return -1;
	*gone = !listed;
	return *gone     ? 0
		: status ? err_set(e, why.code, "%s", why.msg)
			 : broken(w->socket, "half an answer", e);
}

/* One that finishes may end at any moment. Its master takes a moment to notice, and forgets whoever
 * waited for the rest of an answer (HAProxy 3.2): it is not waited for long, and asked again. A
 * master that executes itself again breaks off what it passes on: who only looks asks again,
 * too. */
static int ask_worker(enum effect as, int dir, const struct socket_worker *w, const char *command,
		      struct buf *out, bool *gone, struct err *e) {
	uint64_t until = clock_mono_ms() + (w->finishing ? 2 * SOCKET_TIMEOUT_MS : HALF_MS);
	uint64_t timeout_ms = w->finishing ? FINISHING_MS : SOCKET_TIMEOUT_MS;
	struct err why = {0};
	bool half;

	while (ask_once(as, dir, w, command, timeout_ms, out, gone, &half, &why)) {
		bool again = w->finishing || (half && as == EFFECT_NONE);
		if (!again || why.code != ERR_UNREACHABLE || clock_mono_ms() >= until)
			return err_set(e, why.code, "%s", why.msg);
		clock_sleep_ms(AGAIN_MS);
		timeout_ms *= 2;
	}
	return 0;
}

int socket_worker_ask(enum effect as, int dir, const struct socket_worker *w, const char *line,
		      struct buf *out, bool *gone, struct err *e) {
	struct buf command CLEANUP(buf_done) = BUF_INIT(COMMAND_CAP);

	address(w, line, &command);
	*gone = false;
	buf_reset(out);
	if (!command.len)
		return 0;
	if (ask_worker(as, dir, w, buf_str(&command), out, gone, e))
		return -1;
	if (*gone)
		buf_reset(out);
	return 0;
}

/* What a process says that was made before the route came, or after it went. */
static bool is_unknown_there(const char *said) {
	static const char *const words[] = {"No such", "Proxy is disabled", "Unknown map",
					    "Can't find", "entry not found"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (!strncmp(said, words[i], strlen(words[i])))
			return true;
	return false;
}

int socket_send(int dir, const struct socket_workers *all, const char *line, struct err *e) {
	struct buf answer CLEANUP(buf_done) = BUF_INIT(ANSWER_CAP);
	bool gone;

	for (size_t i = 0; i < 2 * all->n && *line; i++) {
		const struct socket_worker *w = &all->at[i % all->n];
		if (w->finishing != (i >= all->n))
			continue;
		if (socket_worker_ask(EFFECT_GATEWAY_SOCKET, dir, w, line, &answer, &gone, e))
			return -1;
		/* One that only finishes may end in between; one that serves would go on doing what
		 * it did. */
		if (gone && !w->finishing)
			return err_set(e, ERR_UNREACHABLE,
				       "the gateway stopped answering on its socket during '%.80s'",
				       line);
		const char *said = buf_str(&answer) + strspn(buf_str(&answer), "\r\n ");
		if (*said && !(w->finishing && is_unknown_there(said)))
			return err_set(e, ERR_SYS, "HAProxy refused '%.160s': %.*s", line,
				       (int) strcspn(said, "\r\n"), said);
	}
	return 0;
}

static size_t cut(char *line, char **fields, size_t max) {
	size_t n = 0;

	for (char *at = line; at && n < max; n++) {
		fields[n] = strsep(&at, ",");
	}
	return n;
}

static char *next_line(struct socket_table *t) {
	char *line = t->next;

	if (!line || !*line)
		return NULL;
	t->next = strchr(line, '\n');
	if (t->next)
		*t->next++ = 0;
	return *line ? line : NULL;
}

int socket_table_begin(struct socket_table *t, char *text, struct err *e) {
	*t = (struct socket_table){.text = text, .next = text};
	char *line = next_line(t);

	if (!line || strncmp(line, "# ", 2))
		return err_set(e, ERR_SYS, "HAProxy's table has no header line: '%.60s'",
			       line ? line : "");
	t->n_names = cut(line + 2, t->names, sizeof t->names / sizeof *t->names);
	return 0;
}

bool socket_table_row(struct socket_table *t) {
	char *line = next_line(t);

	if (line)
		t->n_fields = cut(line, t->fields, sizeof t->fields / sizeof *t->fields);
	return line;
}

const char *socket_table_text(const struct socket_table *t, const char *name) {
	for (size_t i = 0; i < t->n_names && i < t->n_fields; i++)
		if (!strcmp(t->names[i], name))
			return t->fields[i];
	return "";
}

uint64_t socket_table_number(const struct socket_table *t, const char *name) {
	unsigned long long n = 0;

	return sscanf(socket_table_text(t, name), "%llu", &n) == 1 ? n : 0;
}
