/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "tests/fake/docker.h"
#include "json/json.h"

#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define DIGEST "2222222222222222222222222222222222222222222222222222222222222222"
#define V "/v1.41"

/* The socket's path differs from run to run. */
static void plain_path(char *message, const char *socket) {
	char *at = strstr(message, socket);

	if (!at)
		return;
	memmove(at + 4, at + strlen(socket), strlen(at + strlen(socket)) + 1);
	memcpy(at, "SOCK", 4);
}

/* ---- calls and their faults ---- */

static int start_x(struct docker *d, struct err *e) {
	return docker_container_start(d, "x", e);
}

static int stop_x(struct docker *d, struct err *e) {
	return docker_container_stop(d, "x", 1500, e);
}

static int stop_x_later(struct docker *d, struct err *e) {
	return docker_container_stop_begin(d, "x", 1500, e);
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

static int memory_x(struct docker *d, struct err *e) {
	uint64_t bytes = 1;

	return docker_container_memory(d, "x", &bytes, e) ? -1 : (int) bytes;
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
	return docker_container_set_restart(d, "x", DOCKER_RESTART_KEEP, e);
}

static int restart_no_x(struct docker *d, struct err *e) {
	return docker_container_set_restart(d, "x", "no", e);
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

static int wait_x(struct docker *d, struct err *e) {
	bool ended = false;
	int64_t status = 0;

	if (docker_container_wait(d, "x", DOCKER_NOT_RUNNING, 1000, &ended, &status, e))
		return -1;
	return ended ? (int) status : 1000;
}

static int drop_net(struct docker *d, struct err *e) {
	return docker_network_remove(d, "n", e);
}

#define MEMORY_X "GET " V "/containers/x/stats?stream=0&one-shot=1"
#define INSPECT_X \
	{ .request = "GET " V "/containers/x/json", .json = "{\"Id\":\"x\",\"State\":{}}" }
#define NOT_THERE(what) \
	{ .request = what, .status = 404, .json = "{\"message\":\"no\"}" }

static const struct {
	const char *name;
	struct fake_call calls[4];
	int (*act)(struct docker *d, struct err *e);
	int result; /* what act returns: -1, or a small number */
	enum err_code code;
	const char *message;
	uint64_t slow_ms; /* 0: long enough for a busy machine */
} rows[] = {
	{"start",
	 {{.request = "POST " V "/containers/x/start", .status = 204}},
	 start_x,
	 0,
	 0,
	 .message = ""},
	{"start what runs",
	 {{.request = "POST " V "/containers/x/start", .status = 304}},
	 start_x,
	 0,
	 0,
	 .message = ""},
	{"start: 500",
	 {{.request = "POST " V "/containers/x/start",
	   .status = 500,
	   .json = "{\"message\":\"could not select device driver \\\"nvidia\\\"\\n\"}"}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: start container 'x': 500 Internal Server Error: could not select "
		    "device driver \"nvidia\""},
	{"start: 500 without a reason",
	 {{.request = "POST " V "/containers/x/start", .status = 500}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: start container 'x': 500 Internal Server Error: no reason given"},
	{"start: 500 in plain text",
	 {{.request = "POST " V "/containers/x/start", .status = 503, .json = "try\x01 later\r\n"}},
	 start_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: start container 'x': 503 Service Unavailable: try  later"},
	{"start: hangs",
	 {{.request = "POST " V "/containers/x/start", .raw = "", .then = FAKE_HANG}},
	 start_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "docker: start container 'x': no complete answer from 'SOCK' within 200 ms; if "
		    "Docker is only slow, raise engine_timeout in config.yaml",
	 .slow_ms = 200},
	{"stop",
	 {{.request = "POST " V "/containers/x/stop?t=2", .status = 204}},
	 stop_x,
	 0,
	 0,
	 .message = ""},
	{"stop what is absent",
	 {NOT_THERE("POST " V "/containers/x/stop?t=2")},
	 stop_x,
	 0,
	 0,
	 .message = ""},
	{"stop waits for the grace",
	 {{.request = "POST " V "/containers/x/stop?t=2", .status = 204, .delay_ms = 400}},
	 stop_x,
	 0,
	 0,
	 .message = "",
	 .slow_ms = 300},
	{"stop, not waited for",
	 {{.request = "POST " V "/containers/x/stop?t=2", .status = 204, .delay_ms = 300}},
	 stop_x_later,
	 0,
	 0,
	 .message = ""},
	{"stop, answered at once",
	 {{.request = "POST " V "/containers/x/stop?t=2", .status = 204}},
	 stop_x_later,
	 0,
	 0,
	 .message = ""},
	{"kill",
	 {{.request = "POST " V "/containers/x/kill?signal=SIGUSR1", .status = 204}},
	 kill_x,
	 0,
	 0,
	 .message = ""},
	{"kill what is stopped",
	 {{.request = "POST " V "/containers/x/kill?signal=SIGUSR1", .status = 409}},
	 kill_x,
	 0,
	 0,
	 .message = ""},
	{"remove",
	 {{.request = "DELETE " V "/containers/x?v=1&force=1", .status = 204}},
	 remove_x,
	 0,
	 0,
	 .message = ""},
	{"remove what is absent",
	 {NOT_THERE("DELETE " V "/containers/x?v=1&force=1")},
	 remove_x,
	 0,
	 0,
	 .message = ""},
	{"remove in progress",
	 {{.request = "DELETE " V "/containers/x?v=1&force=1",
	   .status = 409,
	   .json = "{\"message\":\"in progress\"}"},
	  INSPECT_X,
	  NOT_THERE("GET " V "/containers/x/json")},
	 remove_x,
	 0,
	 0,
	 .message = ""},
	{"remove what runs",
	 {{.request = "DELETE " V "/containers/x?v=1",
	   .status = 409,
	   .json = "{\"message\":\"it runs\"}"}},
	 remove_x_gently,
	 -1,
	 ERR_SYS,
	 .message = "docker: remove container 'x': 409 Conflict: it runs"},
	{"memory, cgroup v1",
	 {{.request = MEMORY_X,
	   .json = "{\"memory_stats\":{\"usage\":900,\"stats\":{\"total_inactive_file\":200}}}"}},
	 memory_x,
	 700,
	 0,
	 .message = ""},
	{"memory, cgroup v2",
	 {{.request = MEMORY_X,
	   .json = "{\"memory_stats\":{\"usage\":900,\"stats\":{\"inactive_file\":100}}}"}},
	 memory_x,
	 800,
	 0,
	 .message = ""},
	{"memory that nobody counts",
	 {{.request = MEMORY_X, .json = "{\"memory_stats\":{}}"}},
	 memory_x,
	 0,
	 0,
	 .message = ""},
	{"memory of what is absent", {NOT_THERE(MEMORY_X)}, memory_x, 0, 0, .message = ""},
	{"inspect", {INSPECT_X}, inspect_x, 1, 0, .message = ""},
	{"inspect in single bytes",
	 {{.request = "GET " V "/containers/x/json",
	   .json = "{\"Id\":\"x\",\"State\":{}}",
	   .piece = 1}},
	 inspect_x,
	 1,
	 0,
	 .message = ""},
	{"inspect what is absent",
	 {NOT_THERE("GET " V "/containers/x/json")},
	 inspect_x,
	 0,
	 0,
	 .message = ""},
	{"inspect: truncated JSON",
	 {{.request = "GET " V "/containers/x/json", .json = "{\"Id\":\"x"}},
	 inspect_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: inspect container 'x': 200 with an answer that cannot be read: not "
		    "JSON at byte 6: a text without its closing quote"},
	{"inspect: cut by a length",
	 {{.request = "GET " V "/containers/x/json",
	   .raw = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"Id\":\"x\"}",
	   .then = FAKE_CLOSE}},
	 inspect_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "docker: inspect container 'x': 'SOCK' closed the connection before the end of "
		    "its answer"},
	{"inspect: cut in a chunk",
	 {{.request = "GET " V "/containers/x/json",
	   .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"Id\":",
	   .then = FAKE_RESET}},
	 inspect_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "docker: inspect container 'x': 'SOCK' closed the connection before the end of "
		    "its answer"},
	{"inspect: garbage",
	 {{.request = "GET " V "/containers/x/json", .json = "<html>"}},
	 inspect_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: inspect container 'x': 200 with an answer that cannot be read: not "
		    "JSON at byte 0"},
	{"create: name taken",
	 {{.request = "POST " V "/containers/create?name=x",
	   .body = "*",
	   .status = 409,
	   .json = "{\"message\":\"in use\"}"}},
	 create_x,
	 1,
	 0,
	 .message = ""},
	{"create: no such image",
	 {{.request = "POST " V "/containers/create?name=x",
	   .body = "*",
	   .status = 404,
	   .json = "{\"message\":\"No such image: sha256:22\"}"}},
	 create_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: create container 'x': 404 Not Found: No such image: sha256:22"},
	{"create: no id",
	 {{.request = "POST " V "/containers/create?name=x",
	   .body = "*",
	   .status = 201,
	   .json = "{}"}},
	 create_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: create container 'x': the answer has no id"},
	{"restart policy",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "{\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0}}",
	   .json = "{\"Warnings\":null}"}},
	 restart_x,
	 0,
	 0,
	 .message = ""},
	{"restart policy of what is not there",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .status = 404,
	   .json = "{\"message\":\"No such container: x\"}"}},
	 restart_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: set the restart policy of 'x': 404 Not Found: No such container: x"},
	{"restart policy of what is just dying",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .status = 500,
	   .json = "{\"message\":\"Cannot update container x: cannot update a stopped "
		   "container\"}"},
	  {.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .json = "{\"Warnings\":null}"}},
	 restart_x,
	 0,
	 0,
	 .message = ""},
	{"restart policy of what is just dying: its shim has ended",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .status = 500,
	   .json = "{\"message\":\"Cannot update container x: ttrpc: closed: unknown\"}"},
	  {.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .json = "{\"Warnings\":null}"}},
	 restart_x,
	 0,
	 0,
	 .message = ""},
	{"restart policy of what is just dying: runc finds it ended",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .status = 500,
	   .json = "{\"message\":\"Cannot update container x: runc did not terminate successfully: "
		   "exit status 1: container not running : unknown\"}"},
	  {.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .json = "{\"Warnings\":null}"}},
	 restart_x,
	 0,
	 0,
	 .message = ""},
	{"restart policy, another failure",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "*",
	   .status = 500,
	   .json = "{\"message\":\"no\"}"}},
	 restart_x,
	 -1,
	 ERR_SYS,
	 .message = "docker: set the restart policy of 'x': 500 Internal Server Error: no"},
	{"no restart policy of what is not there",
	 {{.request = "POST " V "/containers/x/update",
	   .body = "{\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}}",
	   .status = 404}},
	 restart_no_x,
	 0,
	 0,
	 .message = ""},
	{"rename",
	 {{.request = "POST " V "/containers/x/rename?name=y", .status = 204}},
	 rename_x,
	 0,
	 0,
	 .message = ""},
	{"rename to a taken name",
	 {{.request = "POST " V "/containers/x/rename?name=y", .status = 409}},
	 rename_x,
	 1,
	 0,
	 .message = ""},
	{"list",
	 {{.request = "GET " V "/containers/"
		      "json?all=1&filters=%7B%22label%22%3A%5B%22llmdeploy.route%3Da%22%"
		      "2C%22b%22%5D%7D",
	   .json = "[{\"Id\":\"x\",\"Names\":[\"/a\"]},{\"Id\":\"y\",\"Names\":null}]"}},
	 list_mine,
	 2,
	 0,
	 .message = ""},
	{"remove image",
	 {{.request = "DELETE " V "/images/llmdeploy/a:b", .json = "[{\"Untagged\":\"a:b\"}]"}},
	 untag_i,
	 0,
	 0,
	 .message = ""},
	{"remove image in use",
	 {{.request = "DELETE " V "/images/llmdeploy/a:b", .status = 409}},
	 untag_i,
	 1,
	 0,
	 .message = ""},
	{"remove absent image",
	 {NOT_THERE("DELETE " V "/images/llmdeploy/a:b")},
	 untag_i,
	 0,
	 0,
	 .message = ""},
	{"wait",
	 {{.request = "POST " V "/containers/x/wait?condition=not-running",
	   .json = "{\"StatusCode\":137}"}},
	 wait_x,
	 137,
	 0,
	 .message = ""},
	{"wait in vain",
	 {{.request = "POST " V "/containers/x/wait?condition=not-running",
	   .raw = "HTTP/1.1 200 OK\r\n\r\n",
	   .then = FAKE_HANG}},
	 wait_x,
	 1000,
	 0,
	 .message = ""},
	{"wait for what is absent",
	 {NOT_THERE("POST " V "/containers/x/wait?condition=not-running")},
	 wait_x,
	 -1,
	 0,
	 .message = ""},
	{"wait, and the Engine goes",
	 {{.request = "POST " V "/containers/x/wait?condition=not-running",
	   .raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
	   .then = FAKE_CLOSE}},
	 wait_x,
	 -1,
	 ERR_UNREACHABLE,
	 .message = "docker: wait for container 'x': 'SOCK' closed the connection before the end "
		    "of its answer"},
	{"remove network",
	 {{.request = "DELETE " V "/networks/n", .status = 204}},
	 drop_net,
	 0,
	 0,
	 .message = ""},
	{"remove absent network",
	 {NOT_THERE("DELETE " V "/networks/n")},
	 drop_net,
	 0,
	 0,
	 .message = ""},
	{"remove network in use",
	 {{.request = "DELETE " V "/networks/n",
	   .status = 403,
	   .json = "{\"message\":\"network n has active endpoints\"}"}},
	 drop_net,
	 -1,
	 ERR_SYS,
	 .message = "docker: remove network 'n': 403 Forbidden: network n has active endpoints"},
};

static void calls_and_faults(void **state) {
	char fault[512];

	(void) state;
	EACH_CASE (c, rows) {
		struct fake_call all[5] = {FAKE_PING};
		size_t n = 1;
		for (; n < 5 && c->calls[n - 1].request; n++)
			all[n] = c->calls[n - 1];
		struct fake_docker *f = fake_docker_start(all, n);
		struct docker_options o = {.host = fake_docker_socket(f),
					   .quick_ms = 10000,
					   .slow_ms = c->slow_ms ? c->slow_ms : 10000};
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct err e = {0};
		assert_int_equal(docker_open(&o, &d, &e), 0);
		int r = c->act(d, &e);
		plain_path(e.msg, o.host);
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, c->result);
		assert_int_equal(e.code, c->code);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
