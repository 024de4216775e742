/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "tests/fake/docker.h"

/* ---- where the Engine is ---- */

static const char *const names[] = {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG",
				    "XDG_RUNTIME_DIR", "HOME"};

static int clean_room(void **state) {
	char dir[] = "/tmp/llmdeploy-docker-XXXXXX";

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void) unsetenv(names[i]);
	if (!mkdtemp(dir))
		return -1;
	*state = mem_strdup(dir);
	return chdir(dir);
}

static int leave_room(void **state) {
	struct err e = {0};
	int r = chdir("/") || fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return r;
}

static void put(const char *path, const char *text) {
	struct err e = {0};

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0644, &e), 0);
}

static void put_context(const char *name, const char *text) {
	char digest[SHA256_HEX];
	struct err e = {0};

	sha256_of(name, strlen(name), digest);
	char *dir CLEANUP(freep) = mem_printf("contexts/meta/%s", digest);
	char *path CLEANUP(freep) = mem_printf("%s/meta.json", dir);
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, dir, 0755, &e), 0);
	put(path, text);
}

static int listen_at(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(strlen(path) < sizeof a.sun_path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	assert_return_code(bind(fd, (struct sockaddr *) &a, sizeof a), 0);
	assert_return_code(listen(fd, 1), 0);
	return fd;
}

#define LONG40 "/0123456789012345678901234567890123456789"

static const struct {
	const char *name, *host, *docker_host, *context, *config, *want, *message;
} addresses[] = {
	{.name = "default", .want = "/var/run/docker.sock"},
	{.name = "given",
	 .host = "unix:///a/d.sock",
	 .docker_host = "unix:///b",
	 .want = "/a/d.sock"},
	{.name = "given as a path", .host = "/a/d.sock", .want = "/a/d.sock"},
	{.name = "DOCKER_HOST before a context",
	 .docker_host = "unix:///b",
	 .context = "rootless",
	 .want = "/b"},
	{.name = "DOCKER_CONTEXT",
	 .context = "rootless",
	 .config = "{\"currentContext\":\"far\"}",
	 .want = "/run/user/7/docker.sock"},
	{.name = "current context",
	 .config = "{\"auths\":{},\"currentContext\":\"rootless\"}",
	 .want = "/run/user/7/docker.sock"},
	{.name = "context default",
	 .config = "{\"currentContext\":\"default\"}",
	 .want = "/var/run/docker.sock"},
	{.name = "an empty config", .config = "", .want = "/var/run/docker.sock"},
	{.name = "a config of blanks", .config = " \n\t\r\n", .want = "/var/run/docker.sock"},
	{.name = "no current context", .config = "{}", .want = "/var/run/docker.sock"},
	{.name = "tcp",
	 .docker_host = "tcp://10.0.0.5:2376",
	 .message = "Docker address 'tcp://10.0.0.5:2376' (DOCKER_HOST) is not a Unix socket: "
		    "Docker must run on this machine, "
		    "because it mounts models from this file system; set "
		    "DOCKER_HOST=unix:///var/run/docker.sock"},
	{.name = "ssh context",
	 .config = "{\"currentContext\":\"far\"}",
	 .message = "Docker address 'ssh://me@far' (docker context 'far') is not a Unix socket: "
		    "Docker must run on this machine, "
		    "because it mounts models from this file system; set "
		    "DOCKER_HOST=unix:///var/run/docker.sock"},
	{.name = "no scheme",
	 .host = "docker.sock",
	 .message = "Docker address 'docker.sock' (as configured) is not 'unix://' and an absolute "
		    "path, as in unix:///var/run/docker.sock"},
	{.name = "relative",
	 .host = "unix://docker.sock",
	 .message = "Docker address 'unix://docker.sock' (as configured) is not 'unix://' and an "
		    "absolute path, as in unix:///var/run/docker.sock"},
	{.name = "too long",
	 .host = LONG40 LONG40 LONG40,
	 .message = "Docker socket '" LONG40 LONG40 LONG40
		    "' (as configured) has a path of 123 bytes, a socket's may have 107"},
	{.name = "unknown context",
	 .context = "gone",
	 .message = "docker context 'gone' has no address in './contexts'; see 'docker context "
		    "ls', or set DOCKER_HOST"},
	{.name = "broken config",
	 .config = "{\"currentContext\":",
	 .message = "docker's configuration './config.json': not JSON at byte 18"},
};

static void set_or_not(const char *name, const char *value) {
	if (value)
		(void) setenv(name, value, 1);
	else
		(void) unsetenv(name);
}

static void finds_docker(void **state) {
	(void) state;
	put_context("rootless",
		    "{\"Name\":\"rootless\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///run/user/"
		    "7/docker.sock\"}}}");
	put_context("far",
		    "{\"Name\":\"far\",\"Endpoints\":{\"docker\":{\"Host\":\"ssh://me@far\"}}}");
	set_or_not("DOCKER_CONFIG", ".");
	EACH_CASE (c, addresses) {
		struct err e = {0};
		char *path CLEANUP(freep) = NULL;
		set_or_not("DOCKER_HOST", c->docker_host);
		set_or_not("DOCKER_CONTEXT", c->context);
		(void) unlink("config.json");
		if (c->config)
			put("config.json", c->config);
		int r = docker_find_host(c->host, &path, &e);
		assert_string_equal(e.msg, c->message ? c->message : "");
		assert_int_equal(r, c->message ? -1 : 0);
		if (c->want)
			assert_string_equal(path, c->want);
	}
}

static void finds_a_rootless_docker(void **state) {
	struct err e = {0};
	char *path CLEANUP(freep) = NULL, *again CLEANUP(freep) = NULL;
	char *socket CLEANUP(freep) = mem_printf("%s/docker.sock", (const char *) *state);
	int fd = listen_at(socket);

	set_or_not("XDG_RUNTIME_DIR", *state);
	assert_int_equal(docker_find_host(NULL, &path, &e), 0);
	assert_string_equal(path, socket);
	(void) close(fd);
	(void) unlink(socket);
	assert_int_equal(docker_find_host(NULL, &again, &e), 0);
	assert_string_equal(again, "/var/run/docker.sock");
}

/* ---- opening it ---- */

/* The socket's path differs from run to run. */
static void plain_path(char *message, const char *socket) {
	char *at = strstr(message, socket);

	if (!at)
		return;
	memmove(at + 4, at + strlen(socket), strlen(at + strlen(socket)) + 1);
	memcpy(at, "SOCK", 4);
}

#define PODMAN(version)                                                        \
	"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: " version \
	"\r\nContent-Length: 2\r\n\r\nOK"
#define NOT_DOCKER " (its log says more: journalctl -u docker)"

static const struct {
	const char *name;
	struct fake_call call;
	int minor;
	const char *message;
	uint64_t quick_ms; /* 0: long enough for a busy machine */
} pings[] = {
	{"1.41", {.request = "GET /_ping", .json = "OK"}, 41, .message = ""},
	{"newer than ours",
	 {.request = "GET /_ping",
	  .raw = "HTTP/1.1 200 OK\r\nApi-Version: 1.55\r\nContent-Length: 2\r\n\r\nOK"},
	 51,
	 .message = ""},
	{"older than needed",
	 {.request = "GET /_ping",
	  .raw = "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK"},
	 0,
	 .message = "the Docker Engine at 'SOCK' has API 1.40, 1.41 is needed: upgrade it to 20.10 "
		    "or later"},
	{"Podman", {.request = "GET /_ping", .raw = PODMAN("5.8.6")}, 41, .message = ""},
	{"Podman 5.1", {.request = "GET /_ping", .raw = PODMAN("5.1.0")}, 41, .message = ""},
	{"Podman 10", {.request = "GET /_ping", .raw = PODMAN("10.0.1-dev")}, 41, .message = ""},
	{"Podman 5.0",
	 {.request = "GET /_ping", .raw = PODMAN("5.0.3")},
	 0,
	 .message = "Podman 5.0.3 at 'SOCK' cannot change the restart policy of a container, which "
		    "a switch needs: upgrade it to 5.1 or later"},
	{"Podman 4",
	 {.request = "GET /_ping", .raw = PODMAN("4.3.1")},
	 0,
	 .message = "Podman 4.3.1 at 'SOCK' cannot change the restart policy of a container, which "
		    "a switch needs: upgrade it to 5.1 or later"},
	{"no version",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
	 0,
	 .message = "the server at 'SOCK' is not a Docker Engine: status 404 and no API "
		    "version" NOT_DOCKER},
	{"odd version",
	 {.request = "GET /_ping",
	  .raw = "HTTP/1.1 200 OK\r\nApi-Version: 2.0\r\nContent-Length: 0\r\n\r\n"},
	 0,
	 .message = "the server at 'SOCK' is not a Docker Engine: status 200 and no API "
		    "version" NOT_DOCKER},
	{"garbage",
	 {.request = "GET /_ping", .raw = "SSH-2.0-OpenSSH_9.2p1\r\n", .then = FAKE_CLOSE},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer (answer of 'SOCK' is not HTTP); "
		    "restart it (systemctl restart docker)"},
	{"closes",
	 {.request = "GET /_ping", .raw = "H", .raw_len = 0, .then = FAKE_CLOSE},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer ('SOCK' closed the connection "
		    "without an answer); restart it (systemctl restart docker)"},
	{"hangs",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 200 OK\r\n", .then = FAKE_HANG},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer (no complete answer from 'SOCK' "
		    "within 200 ms); restart it (systemctl restart docker)",
	 .quick_ms = 200},
};

static void assert_absent(struct docker *d, const char *name) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err e = {0};
	bool found = true;

	assert_int_equal(docker_container_inspect(d, name, &found, &c, &e), 0);
	assert_false(found);
}

/* A version is agreed on, which the next request shows. */
static void opens(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, pings) {
		char next[64];
		struct fake_call calls[2] = {
			c->call, {.request = next, .status = 404, .json = "{\"message\":\"no\"}"}};
		(void) snprintf(next, sizeof next, "GET /v1.%d/containers/x/json", c->minor);
		struct fake_docker *f = fake_docker_start(calls, *c->message ? 1 : 2);
		struct docker_options o = {.host = fake_docker_socket(f),
					   .quick_ms = c->quick_ms ? c->quick_ms : 10000};
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct err e = {0};
		int r = docker_open(&o, &d, &e);
		plain_path(e.msg, o.host);
		plain_path(e.msg, o.host);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, *c->message ? -1 : 0);
		if (r)
			assert_int_equal(e.code, ERR_UNREACHABLE);
		else
			assert_absent(d, "x");
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
	}
}

static void expect_closed(const char *socket, const char *message) {
	struct docker_options o = {.host = socket};
	struct docker *d = NULL;
	struct err e = {0};

	assert_int_equal(docker_open(&o, &d, &e), -1);
	plain_path(e.msg, socket);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code,
			 strncmp(message, "permission denied", 17) ? ERR_UNREACHABLE : ERR_SYS);
}

#define START "; start it (systemctl start docker) or set DOCKER_HOST"
#define FORBIDDEN                                                                               \
	"permission denied: the Docker Engine's socket 'SOCK'; run as root, or as a member of " \
	"the group that owns it "                                                               \
	"(usermod -aG docker USER)"

static void says_how_to_reach_it(void **state) {
	char *path CLEANUP(freep) = mem_printf("%s/d.sock", (const char *) *state);
	uid_t me = geteuid();
	int fd;

	expect_closed(path, "no Docker Engine: there is no socket 'SOCK'" START);
	fd = listen_at(path);
	assert_return_code(chmod(path, 0), 0);
	assert_return_code(me ? 0 : chmod(*state, 0755), 0);
	if (!me)
		assert_return_code(seteuid(65534), 0); /* root may do anything */
	expect_closed(path, FORBIDDEN);
	assert_return_code(seteuid(me), 0);
	assert_return_code(chmod(path, 0700), 0);
	(void) close(fd);
	expect_closed(path, "no Docker Engine: no process listens on 'SOCK'" START);
	(void) unlink(path);
	put(path, "a file");
	expect_closed(path, "no Docker Engine: no process listens on 'SOCK'" START);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_docker, clean_room, leave_room),
		cmocka_unit_test_setup_teardown(finds_a_rootless_docker, clean_room, leave_room),
		cmocka_unit_test(opens),
		cmocka_unit_test_setup_teardown(says_how_to_reach_it, clean_room, leave_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
