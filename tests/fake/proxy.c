/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fake/proxy.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "gateway/state.h"
#include "haproxy/render.h"

static void die(const char *what) {
	(void) fprintf(stderr, "proxy: %s\n", what);
	abort();
}

static const char *program(void) {
	return getenv("HAPROXY") ? getenv("HAPROXY") : "haproxy";
}

void proxy_init(struct proxy *p) {
	struct err e;

	(void) strcpy(p->dir, "/tmp/llmdeploy-gateway-XXXXXX");
	if (!mkdtemp(p->dir) || chdir(p->dir) || fs_mkdirs(EFFECT_NONE, AT_FDCWD, "g", 0700, &e))
		die("no folder");
	p->pid = 0;
	p->log = open("g/log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void proxy_write(struct proxy *p, const char *state) {
	const struct haproxy_paths paths = {.run = "run",
					    .gateway = "g",
					    .host = "",
					    .missing = p->missing};
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct haproxy_texts t CLEANUP(haproxy_texts_done) = {0};
	struct err e = {0};

	if (gateway_state_parse(state, strlen(state), &s, &e) ||
	    haproxy_render(gateway_state_routes(s), &paths, &t, &e))
		die(e.msg);
	for (size_t i = 0; i < HAPROXY_TEXTS; i++) {
		char *path CLEANUP(freep) = mem_printf("%s/g/%s", p->dir, t.files[i].name);
		if (fs_write(EFFECT_NONE, AT_FDCWD, path, t.files[i].bytes, t.files[i].n, 0600, &e))
			die(e.msg);
	}
	char *line CLEANUP(freep) =
		mem_printf("out=$(%s -C %s -c -f g/haproxy.cfg 2>&1 | grep -E 'ALERT|WARNING'); "
			   "[ -z \"$out\" ] || { echo \"$out\" >&2; exit 1; }",
			   program(), p->dir);
	if (system(line))
		die("the configuration is not what HAProxy wants");
}

static int connected(const struct proxy *p, const char *name) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 1};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* one that is about to end may not answer */
	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s/g/%s", p->dir, name);
	if (connect(fd, (struct sockaddr *) &a, sizeof a)) {
		(void) close(fd);
		return -1;
	}
	return fd;
}

static char *said_by(struct proxy *p, const char *socket_name, const char *line) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char piece[4096];
	ssize_t n;
	int fd CLEANUP(closep) = connected(p, socket_name);

	if (fd < 0 || write(fd, line, strlen(line)) < 0 || write(fd, "\n", 1) < 0)
		return mem_strdup("");
	while ((n = read(fd, piece, sizeof piece)) > 0)
		(void) buf_add(&out, piece, (size_t) n);
	return out.len ? buf_steal(&out) : mem_strdup("");
}

char *proxy_command(struct proxy *p, const char *line) {
	return said_by(p, "admin.sock", line);
}

static unsigned process_now(struct proxy *p) {
	char *text CLEANUP(freep) = proxy_command(p, "show info");
	const char *at = strstr(text, "\nPid: ");

	return at ? (unsigned) strtoul(at + 6, NULL, 10) : 0;
}

/* Another process than `before` answers, and the master is ready for signals: told something
 * earlier, it dies of it. */
static void await(struct proxy *p, unsigned before) {
	for (int i = 0; i < 1000; i++) {
		unsigned now = process_now(p);
		char *master CLEANUP(freep) = said_by(p, "master.sock", "show proc");
		if (now && now != before && strstr(master, "worker"))
			return;
		(void) usleep(10000);
	}
	die("HAProxy does not come up");
}

void proxy_start(struct proxy *p) {
	p->pid = fork();
	if (!p->pid) {
		/* a test that fails leaves nothing behind */
		(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void) dup2(p->log, STDOUT_FILENO);
		(void) dup2(p->log, STDERR_FILENO);
		(void) execlp(program(), "haproxy", "-W", "-db", "-C", p->dir, "-S",
			      "unix@g/master.sock", "-f", "g/haproxy.cfg", (char *) NULL);
		_exit(127);
	}
	await(p, 0);
}

void proxy_reload(struct proxy *p) {
	unsigned before = process_now(p);

	(void) kill(p->pid, SIGUSR2);
	await(p, before);
}

void proxy_stop(struct proxy *p) {
	if (p->pid <= 0)
		return;
	(void) kill(p->pid, SIGTERM);
	(void) waitpid(p->pid, NULL, 0);
	p->pid = 0;
}

void proxy_done(struct proxy *p) {
	struct err e;

	proxy_stop(p);
	(void) close(p->log);
	(void) chdir("/");
	(void) fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->dir, &e);
}

static char *content(const char *path) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(64 << 20);
	struct err e = {0};

	if (fs_read(AT_FDCWD, path, &out, &e))
		die(e.msg);
	return out.len ? buf_steal(&out) : mem_strdup("");
}

char *proxy_log(struct proxy *p) {
	char *path CLEANUP(freep) = mem_printf("%s/g/log", p->dir);

	return content(path);
}

unsigned proxy_port(void) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int fd CLEANUP(closep) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *) &a, sizeof a) ||
	    getsockname(fd, (struct sockaddr *) &a, &n))
		die("no port");
	return ntohs(a.sin_port);
}

char *proxy_ask(struct proxy *p, const char *words) {
	char *line CLEANUP(freep) = mem_printf("cd %s && : >head && : >body && curl -s -m 10 -D "
					       "head -o body -w '%%{http_code}' %s",
					       p->dir, words);
	char *head_path CLEANUP(freep) = mem_printf("%s/head", p->dir),
			*body_path CLEANUP(freep) = mem_printf("%s/body", p->dir);
	char status[8] = "";
	FILE *f = popen(line, "re");

	if (!f || !fgets(status, sizeof status, f))
		die("no curl");
	(void) pclose(f);
	char *head CLEANUP(freep) = content(head_path), *body CLEANUP(freep) = content(body_path);
	return mem_printf("%s\n%s\n%s", status, head, body);
}
