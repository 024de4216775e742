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
#include "json/json.h"
#include "tests/fake/engine.h"

#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define DIGEST "2222222222222222222222222222222222222222222222222222222222222222"
#define LAYER "3333333333333333333333333333333333333333333333333333333333333333"
#define V "/v1.41"

/* ---- where the Engine is ---- */

static const char *const names[] = {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "XDG_RUNTIME_DIR", "HOME"};

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
	int r = chdir("/") || fs_remove_tree(AT_FDCWD, *state, &e);

	free(*state);
	return r;
}

static void put(const char *path, const char *text) {
	struct err e = {0};

	assert_int_equal(fs_write(AT_FDCWD, path, text, strlen(text), 0644, &e), 0);
}

static void put_context(const char *name, const char *text) {
	char digest[SHA256_HEX];
	struct err e = {0};

	sha256_of(name, strlen(name), digest);
	char *dir CLEANUP(freep) = mem_printf("contexts/meta/%s", digest);
	char *path CLEANUP(freep) = mem_printf("%s/meta.json", dir);
	assert_int_equal(fs_mkdirs(AT_FDCWD, dir, 0755, &e), 0);
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
	{.name = "given", .host = "unix:///a/d.sock", .docker_host = "unix:///b", .want = "/a/d.sock"},
	{.name = "given as a path", .host = "/a/d.sock", .want = "/a/d.sock"},
	{.name = "DOCKER_HOST before a context", .docker_host = "unix:///b", .context = "rootless", .want = "/b"},
	{.name = "DOCKER_CONTEXT", .context = "rootless", .config = "{\"currentContext\":\"far\"}", .want = "/run/user/7/docker.sock"},
	{.name = "current context", .config = "{\"auths\":{},\"currentContext\":\"rootless\"}", .want = "/run/user/7/docker.sock"},
	{.name = "context default", .config = "{\"currentContext\":\"default\"}", .want = "/var/run/docker.sock"},
	{.name = "no current context", .config = "{}", .want = "/var/run/docker.sock"},
	{.name = "tcp",
	 .docker_host = "tcp://10.0.0.5:2376",
	 .message = "engine address 'tcp://10.0.0.5:2376' (DOCKER_HOST) is not a Unix socket: the Engine must run on this machine, "
		    "because it mounts models from this file system; set DOCKER_HOST=unix:///var/run/docker.sock"},
	{.name = "ssh context",
	 .config = "{\"currentContext\":\"far\"}",
	 .message = "engine address 'ssh://me@far' (docker context 'far') is not a Unix socket: the Engine must run on this machine, "
		    "because it mounts models from this file system; set DOCKER_HOST=unix:///var/run/docker.sock"},
	{.name = "no scheme",
	 .host = "docker.sock",
	 .message = "engine address 'docker.sock' (as configured) is not 'unix://' and an absolute path, as in unix:///var/run/docker.sock"},
	{.name = "relative",
	 .host = "unix://docker.sock",
	 .message =
		 "engine address 'unix://docker.sock' (as configured) is not 'unix://' and an absolute path, as in unix:///var/run/docker.sock"},
	{.name = "too long",
	 .host = LONG40 LONG40 LONG40,
	 .message = "engine socket '" LONG40 LONG40 LONG40 "' (as configured) has a path of 123 bytes, a socket's may have 107"},
	{.name = "unknown context",
	 .context = "gone",
	 .message = "docker context 'gone' has no address in './contexts'; see 'docker context ls', or set DOCKER_HOST"},
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

static void finds_the_engine(void **state) {
	(void) state;
	put_context("rootless", "{\"Name\":\"rootless\",\"Endpoints\":{\"docker\":{\"Host\":\"unix:///run/user/7/docker.sock\"}}}");
	put_context("far", "{\"Name\":\"far\",\"Endpoints\":{\"docker\":{\"Host\":\"ssh://me@far\"}}}");
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

static void finds_a_rootless_engine(void **state) {
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

#define NOT_ENGINE " (its log says more: journalctl -u docker)"

static const struct {
	const char *name;
	struct fake_call call;
	int minor;
	const char *message;
	uint64_t quick_ms; /* 0: long enough for a busy machine */
} pings[] = {
	{"1.41", {.request = "GET /_ping", .json = "OK"}, 41, .message = ""},
	{"newer than ours", {.request = "GET /_ping", .raw = "HTTP/1.1 200 OK\r\nApi-Version: 1.55\r\nContent-Length: 2\r\n\r\nOK"}, 51, .message = ""},
	{"older than needed",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 200 OK\r\nApi-Version: 1.40\r\nContent-Length: 2\r\n\r\nOK"},
	 0,
	 .message = "the Docker Engine at 'SOCK' speaks API 1.40, 1.41 is needed: upgrade it to 20.10 or later"},
	{"no version",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
	 0,
	 .message = "what answers at 'SOCK' is not a Docker Engine: status 404 and no API version" NOT_ENGINE},
	{"odd version",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 200 OK\r\nApi-Version: 2.0\r\nContent-Length: 0\r\n\r\n"},
	 0,
	 .message = "what answers at 'SOCK' is not a Docker Engine: status 200 and no API version" NOT_ENGINE},
	{"garbage",
	 {.request = "GET /_ping", .raw = "SSH-2.0-OpenSSH_9.2p1\r\n", .then = FAKE_CLOSE},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer (answer of 'SOCK' is not HTTP); restart it (systemctl restart docker)"},
	{"closes",
	 {.request = "GET /_ping", .raw = "H", .raw_len = 0, .then = FAKE_CLOSE},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer ('SOCK' closed the connection without an answer); restart it (systemctl restart docker)"},
	{"hangs",
	 {.request = "GET /_ping", .raw = "HTTP/1.1 200 OK\r\n", .then = FAKE_HANG},
	 0,
	 .message = "the Docker Engine at 'SOCK' does not answer (no complete answer from 'SOCK' within 200 ms); restart it (systemctl restart docker)",
	 .quick_ms = 200},
};

static void opens(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, pings) {
		struct fake_engine *f = fake_engine_start(&c->call, 1);
		struct docker_options o = {.host = fake_engine_socket(f), .quick_ms = c->quick_ms ? c->quick_ms : 10000};
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
			assert_true(docker_api_at_least(d, c->minor) && !docker_api_at_least(d, c->minor + 1));
		fake_engine_stop(f, fault);
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
	assert_int_equal(e.code, ERR_UNREACHABLE);
}

#define START "; start it (systemctl start docker) or set DOCKER_HOST"
#define FORBIDDEN                                                                                                        \
	"no permission on the Docker Engine's socket 'SOCK'; run as root, or as a member of the group that owns it " \
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
	expect_closed(path, "no Docker Engine: nobody listens on 'SOCK'" START);
	(void) unlink(path);
	put(path, "a file");
	expect_closed(path, "no Docker Engine: nobody listens on 'SOCK'" START);
}

/* ---- calls and their faults ---- */

static int start_x(struct docker *d, struct err *e) {
	return docker_container_start(d, "x", e);
}

static int stop_x(struct docker *d, struct err *e) {
	return docker_container_stop(d, "x", 1500, e);
}

static int kill_x(struct docker *d, struct err *e) {
	return docker_container_kill(d, "x", "SIGUSR1", e);
}

static int remove_x(struct docker *d, struct err *e) {
	return docker_container_remove(d, "x", true, e);
}

static int remove_x_gently(struct docker *d, struct err *e) {
	return docker_container_remove(d, "x", false, e);
}

static int inspect_x(struct docker *d, struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found = true;

	if (docker_container_inspect(d, "x", &found, &c, e))
		return -1;
	return found;
}

static int create_x(struct docker *d, struct err *e) {
	struct docker_container_spec s = {.name = "x", .image = "sha256:" DIGEST};
	bool taken = false;
	char id[65];

	return docker_container_create(d, &s, &taken, id, e) ? -1 : taken;
}

static int restart_x(struct docker *d, struct err *e) {
	return docker_container_set_restart(d, "x", "unless-stopped", e);
}

static int rename_x(struct docker *d, struct err *e) {
	bool taken = false;

	return docker_container_rename(d, "x", "y", &taken, e) ? -1 : taken;
}

static int list_mine(struct docker *d, struct err *e) {
	const char *const labels[] = {"llmdeploy.route=a", "b", NULL};
	struct docker_containers l CLEANUP(docker_containers_done) = {0};

	return docker_container_list(d, labels, &l, e) ? -1 : (int) l.n;
}

static int untag_i(struct docker *d, struct err *e) {
	bool in_use = false;

	return docker_image_remove(d, "llmdeploy/a:b", false, &in_use, e) ? -1 : in_use;
}

static int tag_i(struct docker *d, struct err *e) {
	return docker_image_tag(d, "sha256:" DIGEST, "llmdeploy/a", "b", e);
}

static int wait_x(struct docker *d, struct err *e) {
	bool ended = false;
	int64_t status = 0;

	if (docker_container_wait(d, "x", DOCKER_NOT_RUNNING, 1000, &ended, &status, e))
		return -1;
	return ended ? (int) status : 1000;
}

static int make_net(struct docker *d, struct err *e) {
	struct json *labels CLEANUP(json_freep) = json_object();
	bool taken = false;

	json_set_str(labels, "k", "v");
	return docker_network_create(d, "n", true, labels, &taken, e) ? -1 : taken;
}

static int drop_net(struct docker *d, struct err *e) {
	return docker_network_remove(d, "n", e);
}

#define INSPECT_X                        \
	{                                \
		.request = "GET " V "/containers/x/json", .json = "{\"Id\":\"x\"}" \
	}
#define NOT_THERE(what)                                                       \
	{                                                                     \
		.request = what, .status = 404, .json = "{\"message\":\"no\"}" \
	}

static const struct {
	const char *name;
	struct fake_call calls[4];
	int (*act)(struct docker *d, struct err *e);
	int result; /* what act returns: -1, or a small number */
	enum err_code code;
	const char *message;
	uint64_t slow_ms; /* 0: long enough for a busy machine */
} rows[] = {
	{"start", {{.request = "POST " V "/containers/x/start", .status = 204}}, start_x, 0, 0, .message = ""},
	{"start what runs", {{.request = "POST " V "/containers/x/start", .status = 304}}, start_x, 0, 0, .message = ""},
	{"start: 500",
	 {{.request = "POST " V "/containers/x/start", .status = 500, .json = "{\"message\":\"could not select device driver \\\"nvidia\\\"\\n\"}"}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: start container 'x': 500 Internal Server Error: could not select device driver \"nvidia\""},
	{"start: 500 without a reason",
	 {{.request = "POST " V "/containers/x/start", .status = 500}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: start container 'x': 500 Internal Server Error: no reason given"},
	{"start: 500 in plain text",
	 {{.request = "POST " V "/containers/x/start", .status = 503, .json = "try\x01 later\r\n"}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: start container 'x': 503 Service Unavailable: try  later"},
	{"start: hangs",
	 {{.request = "POST " V "/containers/x/start", .raw = "", .then = FAKE_HANG}},
	 start_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "engine: start container 'x': no complete answer from 'SOCK' within 200 ms",
	 .slow_ms = 200},
	{"stop", {{.request = "POST " V "/containers/x/stop?t=2", .status = 204}}, stop_x, 0, 0, .message = ""},
	{"stop what is absent", {NOT_THERE("POST " V "/containers/x/stop?t=2")}, stop_x, 0, 0, .message = ""},
	{"stop waits for the grace", {{.request = "POST " V "/containers/x/stop?t=2", .status = 204, .delay_ms = 400}}, stop_x, 0, 0, .message = "", .slow_ms = 300},
	{"kill", {{.request = "POST " V "/containers/x/kill?signal=SIGUSR1", .status = 204}}, kill_x, 0, 0, .message = ""},
	{"kill what is stopped", {{.request = "POST " V "/containers/x/kill?signal=SIGUSR1", .status = 409}}, kill_x, 0, 0, .message = ""},
	{"remove", {{.request = "DELETE " V "/containers/x?v=1&force=1", .status = 204}}, remove_x, 0, 0, .message = ""},
	{"remove what is absent", {NOT_THERE("DELETE " V "/containers/x?v=1&force=1")}, remove_x, 0, 0, .message = ""},
	{"remove in progress",
	 {{.request = "DELETE " V "/containers/x?v=1&force=1", .status = 409, .json = "{\"message\":\"in progress\"}"},
	  INSPECT_X,
	  NOT_THERE("GET " V "/containers/x/json")},
	 remove_x,
	 0,
	 0,
	 .message = ""},
	{"remove what runs",
	 {{.request = "DELETE " V "/containers/x?v=1", .status = 409, .json = "{\"message\":\"it runs\"}"}},
	 remove_x_gently,
	 -1,
	 ERR_SYS,
	 .message = "engine: remove container 'x': 409 Conflict: it runs"},
	{"inspect", {INSPECT_X}, inspect_x, 1, 0, .message = ""},
	{"inspect in single bytes", {{.request = "GET " V "/containers/x/json", .json = "{\"Id\":\"x\"}", .piece = 1}}, inspect_x, 1, 0, .message = ""},
	{"inspect what is absent", {NOT_THERE("GET " V "/containers/x/json")}, inspect_x, 0, 0, .message = ""},
	{"inspect: truncated JSON",
	 {{.request = "GET " V "/containers/x/json", .json = "{\"Id\":\"x"}},
	 inspect_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: inspect container 'x': 200 with an answer that cannot be read: not JSON at byte 7"},
	{"inspect: cut by a length",
	 {{.request = "GET " V "/containers/x/json",
	   .raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":\"x\"}",
	   .then = FAKE_CLOSE}},
	 inspect_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "engine: inspect container 'x': 'SOCK' closed the connection before the end of its answer"},
	{"inspect: cut in a chunk",
	 {{.request = "GET " V "/containers/x/json",
	   .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"Id\":",
	   .then = FAKE_RESET}},
	 inspect_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "engine: inspect container 'x': 'SOCK' closed the connection before the end of its answer"},
	{"inspect: garbage",
	 {{.request = "GET " V "/containers/x/json", .json = "<html>"}},
	 inspect_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: inspect container 'x': 200 with an answer that cannot be read: not JSON at byte 0"},
	{"create: name taken",
	 {{.request = "POST " V "/containers/create?name=x", .body = "*", .status = 409, .json = "{\"message\":\"in use\"}"}},
	 create_x,
	 1,
	 0,
	 .message = ""},
	{"create: no such image",
	 {{.request = "POST " V "/containers/create?name=x", .body = "*", .status = 404, .json = "{\"message\":\"No such image: sha256:22\"}"}},
	 create_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: create container 'x': 404 Not Found: No such image: sha256:22"},
	{"create: no id",
	 {{.request = "POST " V "/containers/create?name=x", .body = "*", .status = 201, .json = "{}"}},
	 create_x,
	 -1,
	 ERR_SYS,
	 .message = "engine: create container 'x': the answer has no id"},
	{"restart policy",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "{\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0}}",
	   .json = "{\"Warnings\":null}"}},
	 restart_x,
	 0,
	 0,
	 .message = ""},
	{"rename", {{.request = "POST " V "/containers/x/rename?name=y", .status = 204}}, rename_x, 0, 0, .message = ""},
	{"rename to a taken name", {{.request = "POST " V "/containers/x/rename?name=y", .status = 409}}, rename_x, 1, 0, .message = ""},
	{"list",
	 {{.request = "GET " V "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22llmdeploy.route%3Da%22%2C%22b%22%5D%7D",
	   .json = "[{\"Id\":\"x\",\"Names\":[\"/a\"]},{\"Id\":\"y\",\"Names\":null}]"}},
	 list_mine,
	 2,
	 0,
	 .message = ""},
	{"remove image", {{.request = "DELETE " V "/images/llmdeploy/a:b", .json = "[{\"Untagged\":\"a:b\"}]"}}, untag_i, 0, 0, .message = ""},
	{"remove image in use", {{.request = "DELETE " V "/images/llmdeploy/a:b", .status = 409}}, untag_i, 1, 0, .message = ""},
	{"remove absent image", {NOT_THERE("DELETE " V "/images/llmdeploy/a:b")}, untag_i, 0, 0, .message = ""},
	{"tag image",
	 {{.request = "POST " V "/images/sha256:" DIGEST "/tag?repo=llmdeploy%2Fa&tag=b", .status = 201}},
	 tag_i,
	 0,
	 0,
	 .message = ""},
	{"wait", {{.request = "POST " V "/containers/x/wait?condition=not-running", .json = "{\"StatusCode\":137}"}}, wait_x, 137, 0, .message = ""},
	{"wait in vain",
	 {{.request = "POST " V "/containers/x/wait?condition=not-running", .raw = "HTTP/1.1 200 OK\r\n\r\n", .then = FAKE_HANG}},
	 wait_x,
	 1000,
	 0,
	 .message = ""},
	{"wait for what is absent", {NOT_THERE("POST " V "/containers/x/wait?condition=not-running")}, wait_x, -1, 0, .message = ""},
	{"wait, and the Engine goes",
	 {{.request = "POST " V "/containers/x/wait?condition=not-running", .raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", .then = FAKE_CLOSE}},
	 wait_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "engine: wait for container 'x': 'SOCK' closed the connection before the end of its answer"},
	{"create network",
	 {{.request = "POST " V "/networks/create",
	   .body = "{\"Name\":\"n\",\"Driver\":\"bridge\",\"CheckDuplicate\":true,\"Internal\":true,\"Labels\":{\"k\":\"v\"}}",
	   .status = 201,
	   .json = "{\"Id\":\"" ID "\"}"}},
	 make_net,
	 0,
	 0,
	 .message = ""},
	{"create network: taken", {{.request = "POST " V "/networks/create", .body = "*", .status = 409}}, make_net, 1, 0, .message = ""},
	{"remove network", {{.request = "DELETE " V "/networks/n", .status = 204}}, drop_net, 0, 0, .message = ""},
	{"remove absent network", {NOT_THERE("DELETE " V "/networks/n")}, drop_net, 0, 0, .message = ""},
	{"remove network in use",
	 {{.request = "DELETE " V "/networks/n", .status = 403, .json = "{\"message\":\"network n has active endpoints\"}"}},
	 drop_net,
	 -1,
	 ERR_SYS,
	 .message = "engine: remove network 'n': 403 Forbidden: network n has active endpoints"},
};

static void calls_and_faults(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, rows) {
		struct fake_call all[5] = {FAKE_PING};
		size_t n = 1;
		for (; n < 5 && c->calls[n - 1].request; n++)
			all[n] = c->calls[n - 1];
		struct fake_engine *f = fake_engine_start(all, n);
		struct docker_options o = {.host = fake_engine_socket(f), .quick_ms = 10000, .slow_ms = c->slow_ms ? c->slow_ms : 10000};
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct err e = {0};
		assert_int_equal(docker_open(&o, &d, &e), 0);
		int r = c->act(d, &e);
		plain_path(e.msg, o.host);
		fake_engine_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, c->result);
		assert_int_equal(e.code, c->code);
	}
}

/* ---- what comes back, and what is sent ---- */

struct stage {
	struct fake_engine *fake;
	struct docker *d;
	struct fake_call calls[6];
};

static void stage_open(struct stage *s, const char *ping, const struct fake_call *calls, size_t n) {
	struct err e = {0};

	s->calls[0] = (struct fake_call){.request = "GET /_ping", .raw = ping};
	for (size_t i = 0; i < n; i++)
		s->calls[i + 1] = calls[i];
	s->fake = fake_engine_start(s->calls, n + 1);
	struct docker_options o = {.host = fake_engine_socket(s->fake), .quick_ms = 2000};
	assert_int_equal(docker_open(&o, &s->d, &e), 0);
}

static void stage_close(struct stage *s) {
	char fault[512];

	docker_free(s->d);
	fake_engine_stop(s->fake, fault);
	assert_string_equal(fault, "");
}

#define PING_41 "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"
#define PING_45 "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 0\r\n\r\n"
#define PING_PODMAN "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 5.4.2\r\nContent-Length: 0\r\n\r\n"

static void reads_a_container(void **state) {
	const struct fake_call calls[] = {
		{.request = "GET " V "/containers/x%20%3F/json",
		 .json = "{\"Id\":\"" ID "\",\"Name\":\"/x\",\"Image\":\"sha256:" DIGEST "\",\"RestartCount\":2,"
			 "\"State\":{\"Status\":\"exited\",\"Running\":false,\"OOMKilled\":true,\"Pid\":0,\"ExitCode\":137,\"Error\":\"e\","
			 "\"StartedAt\":\"2026-11-22T17:41:05.1Z\",\"FinishedAt\":\"2026-11-22T17:41:06Z\"},"
			 "\"Config\":{\"Tty\":true,\"Labels\":{\"a.b\":\"c\"}},"
			 "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0}}}"},
		{.request = "GET " V "/containers/y/json", .json = "{\"Config\":{\"Labels\":null}}"},
	};
	struct docker_container c CLEANUP(docker_container_done) = {0}, bare CLEANUP(docker_container_done) = {0};
	struct stage s = {0};
	struct err e = {0};
	bool found = false;

	(void) state;
	stage_open(&s, PING_41, calls, 2);
	assert_int_equal(docker_container_inspect(s.d, "x ?", &found, &c, &e), 0);
	assert_true(found && !c.running && c.oom_killed && c.tty);
	assert_string_equal(c.id, ID);
	assert_string_equal(c.name, "x");
	assert_string_equal(c.image, DIGEST);
	assert_string_equal(c.state, "exited");
	assert_string_equal(c.error, "e");
	assert_string_equal(c.started_at, "2026-11-22T17:41:05.1Z");
	assert_string_equal(c.finished_at, "2026-11-22T17:41:06Z");
	assert_string_equal(c.restart, "unless-stopped");
	assert_string_equal(json_str(c.labels, "a.b"), "c");
	assert_int_equal(c.exit_code, 137);
	assert_int_equal(c.restarts, 2);
	assert_int_equal(docker_container_inspect(s.d, "y", &found, &bare, &e), 0);
	assert_string_equal(bare.id, "");
	assert_int_equal(bare.exit_code, -1);
	assert_null(bare.labels);
	stage_close(&s);
}

#define IMAGE(id, layers) "{\"Id\":\"" id "\",\"RootFS\":{\"Type\":\"layers\",\"Layers\":[" layers "]},\"Config\":{\"Labels\":{\"k\":\"v\"}}}"
#define MANIFEST "4444444444444444444444444444444444444444444444444444444444444444"
#define ABSENT_IMAGE(digest) {.request = "GET " V "/images/sha256:" digest "/json", .status = 404, .json = "{\"message\":\"no\"}"}
#define THERE(digest, layers)                                                                     \
	{                                                                                         \
		.request = "GET " V "/images/sha256:" digest "/json", .json = IMAGE("sha256:" digest, layers) \
	}

static const struct {
	const char *name;
	struct fake_call calls[2];
	size_t n;
	const char *id; /* NULL: not found */
} images[] = {
	{"classic store", {THERE(DIGEST, "\"sha256:" LAYER "\"")}, 1, DIGEST},
	{"containerd store", {ABSENT_IMAGE(DIGEST), THERE(MANIFEST, "\"sha256:" LAYER "\"")}, 2, MANIFEST},
	{"absent", {ABSENT_IMAGE(DIGEST), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"a layer more", {THERE(DIGEST, "\"sha256:" LAYER "\",\"sha256:" LAYER "\""), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"another layer", {THERE(DIGEST, "\"sha256:" DIGEST "\""), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"no layers", {THERE(DIGEST, ""), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"another id",
	 {{.request = "GET " V "/images/sha256:" DIGEST "/json", .json = IMAGE("sha256:" ID, "\"sha256:" LAYER "\"")}, ABSENT_IMAGE(MANIFEST)},
	 2,
	 NULL},
};

static void knows_both_identities(void **state) {
	const char *const layers[] = {LAYER};

	(void) state;
	EACH_CASE (c, images) {
		struct stage s = {0};
		struct err e = {0};
		char id[65] = "";
		bool found = !c->id;
		stage_open(&s, PING_41, c->calls, c->n);
		assert_int_equal(docker_image_find(s.d, DIGEST, MANIFEST, layers, 1, &found, id, &e), 0);
		stage_close(&s);
		assert_int_equal(found, c->id != NULL);
		assert_string_equal(id, c->id ? c->id : "");
	}
}

static void reads_info_networks_and_images(void **state) {
	const struct fake_call calls[] = {
		{.request = "GET " V "/info",
		 .json = "{\"ServerVersion\":\"26.1.5\",\"OperatingSystem\":\"Debian\",\"DockerRootDir\":\"/var/lib/docker\",\"Driver\":\"overlayfs\","
			 "\"DriverStatus\":[[\"driver-type\",\"io.containerd.snapshotter.v1\"]],\"CgroupDriver\":\"systemd\",\"CgroupVersion\":\"2\","
			 "\"MemTotal\":25276514304,\"NCPU\":2,\"MemoryLimit\":true,\"PidsLimit\":true,\"CDISpecDirs\":[\"/etc/cdi\"],"
			 "\"Runtimes\":{\"runc\":{},\"nvidia\":{}},\"SecurityOptions\":[\"name=seccomp\",\"name=rootless\"]}"},
		{.request = "GET " V "/networks/n",
		 .json = "{\"Id\":\"" ID "\",\"Name\":\"n\",\"Driver\":\"bridge\",\"Internal\":true,"
			 "\"IPAM\":{\"Config\":[{\"Subnet\":\"172.18.0.0/16\",\"Gateway\":\"172.18.0.1\"}]},\"Labels\":{}}"},
		{.request = "GET " V "/networks?filters=%7B%22label%22%3A%5B%22k%22%5D%7D", .json = "[{\"Name\":\"n\"}]"},
		{.request = "GET " V "/images/json?filters=%7B%22label%22%3A%5B%22k%22%5D%7D",
		 .json = "[{\"Id\":\"sha256:" DIGEST "\",\"RepoTags\":[\"a:b\"],\"Labels\":{\"k\":\"v\"},\"Size\":12}]"},
	};
	const char *const labels[] = {"k", NULL};
	struct docker_info i CLEANUP(docker_info_done) = {0};
	struct docker_network n CLEANUP(docker_network_done) = {0};
	struct docker_images l CLEANUP(docker_images_done) = {0};
	struct json *nets CLEANUP(json_freep) = NULL;
	struct stage s = {0};
	struct err e = {0};
	bool found = false;

	(void) state;
	stage_open(&s, PING_41, calls, 4);
	assert_int_equal(docker_info(s.d, &i, &e), 0);
	assert_string_equal(i.version, "26.1.5");
	assert_string_equal(i.cgroup_version, "2");
	assert_string_equal(i.root_dir, "/var/lib/docker");
	assert_true(i.rootless && i.containerd_store && i.limits_memory && i.limits_pids && i.nvidia && i.cdi);
	assert_int_equal(i.memory_bytes, 25276514304);
	assert_int_equal(docker_network_inspect(s.d, "n", &found, &n, &e), 0);
	assert_true(found && n.internal);
	assert_string_equal(n.gateway, "172.18.0.1");
	assert_int_equal(docker_network_list(s.d, labels, &nets, &e), 0);
	assert_string_equal(json_text(json_at(nets, 0)), "n");
	assert_int_equal(docker_image_list(s.d, labels, &l, &e), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.at[0].id, DIGEST);
	assert_int_equal(l.at[0].size, 12);
	stage_close(&s);
}

static struct json *parse(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	if (text)
		assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	return j;
}

#define HARDENED(devices)                                                                                              \
	"\"Devices\":[" devices "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[\"no-new-privileges\"],"                         \
	"\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}"
#define LOGS ",\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":\"3\"}}"
#define BODY(host) "{\"Image\":\"sha256:" DIGEST "\",\"Healthcheck\":{\"Test\":[\"NONE\"]},\"HostConfig\":{" host "}}"
#define MOUNT_RO(options)                                                                                         \
	"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/m\",\"Target\":\"/models/m\",\"ReadOnly\":true,\"BindOptions\":{" \
	"\"Propagation\":\"rprivate\"" options "}}],\"ReadonlyRootfs\":true,"

static const struct {
	const char *name, *ping, *gpu, *body, *message;
	bool mount;
} bodies[] = {
	{"bare", PING_41, NULL, BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS), "", false},
	{"mount, 1.41", PING_41, "", BODY(MOUNT_RO("") HARDENED("") LOGS), "", true},
	{"mount, 1.45", PING_45, "", BODY(MOUNT_RO(",\"ReadOnlyForceRecursive\":true") HARDENED("") LOGS), "", true},
	{"podman", PING_PODMAN, "", BODY(MOUNT_RO("") HARDENED("")), "", true},
	{"all GPUs", PING_41, "nvidia",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"nvidia\",\"Count\":-1}]"),
	 "", false},
	{"two GPUs", PING_41, "nvidia:0,1",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"nvidia\",\"DeviceIDs\":[\"0\",\"1\"]}]"),
	 "", false},
	{"CDI", PING_45, "nvidia.com/gpu=0",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"cdi\",\"DeviceIDs\":[\"nvidia.com/gpu=0\"]}]"),
	 "", false},
	{"CDI, too old", PING_41, "nvidia.com/gpu=0", NULL,
	 "engine: create container 'x': the Engine speaks API 1.41, and CDI device 'nvidia.com/gpu=0' needs 1.44: upgrade it to 25 or later",
	 false},
	{"unknown GPU", PING_41, "amd", NULL,
	 "engine: create container 'x': unknown GPU request 'amd': 'nvidia', 'nvidia:0,1' or a CDI name such as 'nvidia.com/gpu=0'", false},
};

static void creates_hardened_containers(void **state) {
	const struct docker_mount mount = {"/m", "/models/m", true};

	(void) state;
	EACH_CASE (c, bodies) {
		char *request CLEANUP(freep) = mem_printf("POST /v1.%s/containers/create?name=x", strstr(c->ping, "1.45") ? "45" : "41");
		struct fake_call call = {.request = request, .body = c->body, .status = 201, .json = "{\"Id\":\"" ID "\",\"Warnings\":[]}"};
		struct docker_container_spec spec = {.name = "x", .image = "sha256:" DIGEST, .gpu = c->gpu, .mounts = &mount, .n_mounts = c->mount};
		struct stage s = {0};
		struct err e = {0};
		char id[65] = "";
		bool taken = true;
		stage_open(&s, c->ping, &call, c->body != NULL);
		int r = docker_container_create(s.d, &spec, &taken, id, &e);
		stage_close(&s);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, c->body ? 0 : -1);
		assert_string_equal(id, c->body ? ID : "");
		assert_int_equal(taken, !c->body);
	}
}

static void creates_with_everything(void **state) {
	const struct fake_call call = {
		.request = "POST " V "/containers/create?name=x",
		.body = "{\"Image\":\"sha256:" DIGEST "\",\"Entrypoint\":[\"/e\",\" a\",\"\"],\"Cmd\":[],\"Env\":[\"A=b\"],\"User\":\"65532:65532\","
			"\"Labels\":{\"k\":\"v\"},\"Healthcheck\":{\"Test\":[\"NONE\"]},\"StopSignal\":\"SIGINT\",\"StopTimeout\":2,\"HostConfig\":{"
			"\"Mounts\":[],\"NetworkMode\":\"none\",\"Memory\":25276514304,\"MemorySwap\":25276514304,\"ShmSize\":67108864,"
			"\"PidsLimit\":512,\"ReadonlyRootfs\":false,\"Tmpfs\":{\"/tmp\":\"size=64m\"},\"GroupAdd\":[\"105\"],"
			"\"Devices\":[{\"PathOnHost\":\"/dev/dri/renderD128\",\"PathInContainer\":\"/dev/dri/renderD128\","
			"\"CgroupPermissions\":\"rw\"}],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[\"no-new-privileges\"],"
			"\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":0}" LOGS "}}",
		.status = 201,
		.json = "{\"Id\":\"" ID "\",\"Warnings\":null}"};
	struct json *argv CLEANUP(json_freep) = parse("[\"/e\",\" a\",\"\"]"), *env CLEANUP(json_freep) = parse("[\"A=b\"]");
	struct json *labels CLEANUP(json_freep) = parse("{\"k\":\"v\"}"), *tmpfs CLEANUP(json_freep) = parse("{\"/tmp\":\"size=64m\"}");
	struct json *groups CLEANUP(json_freep) = parse("[\"105\"]"), *devices CLEANUP(json_freep) = parse("[\"/dev/dri/renderD128\"]");
	struct docker_container_spec spec = {
		.name = "x", .image = "sha256:" DIGEST, .argv = argv, .env = env, .user = "65532:65532", .groups = groups, .labels = labels,
		.network = "none", .memory_bytes = 25276514304, .shm_bytes = 64 << 20, .pids = 512, .writable_root = true, .tmpfs = tmpfs,
		.devices = devices, .stop_signal = "SIGINT", .stop_timeout_ms = 1001, .restart = "unless-stopped"};
	struct stage s = {0};
	struct err e = {0};
	char id[65];
	bool taken = true;

	(void) state;
	stage_open(&s, PING_41, &call, 1);
	assert_int_equal(docker_container_create(s.d, &spec, &taken, id, &e), 0);
	assert_false(taken);
	stage_close(&s);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_the_engine, clean_room, leave_room),
		cmocka_unit_test_setup_teardown(finds_a_rootless_engine, clean_room, leave_room),
		cmocka_unit_test(opens),
		cmocka_unit_test_setup_teardown(says_how_to_reach_it, clean_room, leave_room),
		cmocka_unit_test(calls_and_faults),
		cmocka_unit_test(reads_a_container),
		cmocka_unit_test(knows_both_identities),
		cmocka_unit_test(reads_info_networks_and_images),
		cmocka_unit_test(creates_hardened_containers),
		cmocka_unit_test(creates_with_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
