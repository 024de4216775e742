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
#define LAYER "3333333333333333333333333333333333333333333333333333333333333333"
#define V "/v1.41"

/* ---- what comes back, and what is sent ---- */

struct stage {
	struct fake_docker *fake;
	struct docker *d;
	struct fake_call calls[6];
};

static void stage_open(struct stage *s, const char *ping, const struct fake_call *calls, size_t n) {
	struct err e = {0};

	s->calls[0] = (struct fake_call){.request = "GET /_ping", .raw = ping};
	for (size_t i = 0; i < n; i++)
		s->calls[i + 1] = calls[i];
	s->fake = fake_docker_start(s->calls, n + 1);
	struct docker_options o = {.host = fake_docker_socket(s->fake), .quick_ms = 2000};
	assert_int_equal(docker_open(&o, &s->d, &e), 0);
}

static void stage_close(struct stage *s) {
	char fault[512];

	docker_free(s->d);
	fake_docker_stop(s->fake, fault);
	assert_string_equal(fault, "");
}

#define PING_41 "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n"
#define PING_45 "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 0\r\n\r\n"
#define PING_PODMAN                                                                             \
	"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 5.4.2\r\nContent-Length: " \
	"0\r\n\r\n"

static void reads_a_container(void **state) {
	const struct fake_call calls[] = {
		{.request = "GET " V "/containers/x%20%3F/json",
		 .json = "{\"Id\":\"" ID "\",\"Name\":\"/x\",\"Image\":\"sha256:" DIGEST
			 "\",\"RestartCount\":2,"
			 "\"State\":{\"Status\":\"exited\",\"Running\":false,\"OOMKilled\":true,"
			 "\"Pid\":0,\"ExitCode\":137,\"Error\":\"e\","
			 "\"StartedAt\":\"2026-11-22T17:41:05.1Z\",\"FinishedAt\":\"2026-11-22T17:"
			 "41:06Z\"},"
			 "\"Config\":{\"Tty\":true,\"Labels\":{\"a.b\":\"c\"}},"
			 "\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"unless-stopped\","
			 "\"MaximumRetryCount\":0}}}"},
		{.request = "GET " V "/containers/y/json",
		 .json = "{\"Id\":\"y\",\"State\":{},\"Config\":{\"Labels\":null}}"},
	};
	struct docker_container c CLEANUP(docker_container_done) = {0},
				  bare CLEANUP(docker_container_done) = {0};
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
	assert_string_equal(bare.name, "");
	assert_int_equal(bare.exit_code, -1);
	assert_null(bare.labels);
	stage_close(&s);
}

#define IMAGE(id, layers)                                                        \
	"{\"Id\":\"" id "\",\"RootFS\":{\"Type\":\"layers\",\"Layers\":[" layers \
	"]},\"Config\":{\"Labels\":{\"k\":\"v\"}}}"
#define MANIFEST "4444444444444444444444444444444444444444444444444444444444444444"
#define ABSENT_IMAGE(digest)                                                         \
	{                                                                            \
		.request = "GET " V "/images/sha256:" digest "/json", .status = 404, \
		.json = "{\"message\":\"no\"}"                                       \
	}
#define THERE(digest, layers)                                         \
	{                                                             \
		.request = "GET " V "/images/sha256:" digest "/json", \
		.json = IMAGE("sha256:" digest, layers)               \
	}

static const struct {
	const char *name;
	struct fake_call calls[2];
	size_t n;
	const char *id; /* NULL: not found */
} images[] = {
	{"classic store", {THERE(DIGEST, "\"sha256:" LAYER "\"")}, 1, DIGEST},
	{"containerd store",
	 {ABSENT_IMAGE(DIGEST), THERE(MANIFEST, "\"sha256:" LAYER "\"")},
	 2,
	 MANIFEST},
	{"absent", {ABSENT_IMAGE(DIGEST), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"a layer more",
	 {THERE(DIGEST, "\"sha256:" LAYER "\",\"sha256:" LAYER "\""), ABSENT_IMAGE(MANIFEST)},
	 2,
	 NULL},
	{"another layer",
	 {THERE(DIGEST, "\"sha256:" DIGEST "\""), ABSENT_IMAGE(MANIFEST)},
	 2,
	 NULL},
	{"no layers", {THERE(DIGEST, ""), ABSENT_IMAGE(MANIFEST)}, 2, NULL},
	{"another id",
	 {{.request = "GET " V "/images/sha256:" DIGEST "/json",
	   .json = IMAGE("sha256:" ID, "\"sha256:" LAYER "\"")},
	  ABSENT_IMAGE(MANIFEST)},
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
		assert_int_equal(docker_image_find(s.d, DIGEST, MANIFEST, layers, 1, &found, id,
						   &e),
				 0);
		stage_close(&s);
		assert_int_equal(found, c->id != NULL);
		assert_string_equal(id, c->id ? c->id : "");
	}
}

static void reads_info_networks_and_images(void **state) {
	const struct fake_call calls[] = {
		{.request = "GET " V "/info",
		 .json = "{\"ServerVersion\":\"26.1.5\",\"OperatingSystem\":\"Debian\","
			 "\"DockerRootDir\":\"/var/lib/docker\",\"Driver\":\"overlayfs\","
			 "\"DriverStatus\":[[\"driver-type\",\"io.containerd.snapshotter.v1\"]],"
			 "\"CgroupDriver\":\"systemd\",\"CgroupVersion\":\"2\","
			 "\"MemTotal\":25276514304,\"NCPU\":2,\"MemoryLimit\":true,\"PidsLimit\":"
			 "true,\"CDISpecDirs\":[\"/etc/cdi\"],"
			 "\"Runtimes\":{\"runc\":{},\"nvidia\":{}},\"SecurityOptions\":[\"name="
			 "seccomp\",\"name=rootless\"]}"},
		{.request = "GET " V "/networks?filters=%7B%22label%22%3A%5B%22k%22%5D%7D",
		 .json = "[{\"Name\":\"n\"}]"},
		{.request = "GET " V "/images/json?filters=%7B%22label%22%3A%5B%22k%22%5D%7D",
		 .json = "[{\"Id\":\"sha256:" DIGEST
			 "\",\"RepoTags\":[\"a:b\"],\"Labels\":{\"k\":\"v\"},\"Size\":12}]"},
	};
	const char *const labels[] = {"k", NULL};
	struct docker_info i CLEANUP(docker_info_done) = {0};
	struct docker_images l CLEANUP(docker_images_done) = {0};
	struct json *nets CLEANUP(json_freep) = NULL;
	struct stage s = {0};
	struct err e = {0};

	(void) state;
	stage_open(&s, PING_41, calls, 3);
	assert_int_equal(docker_info(s.d, &i, &e), 0);
	assert_string_equal(i.version, "26.1.5");
	assert_string_equal(i.cgroup_version, "2");
	assert_string_equal(i.root_dir, "/var/lib/docker");
	assert_true(i.rootless && i.containerd_store && i.limits_memory && i.limits_pids &&
		    i.nvidia && i.cdi);
	assert_int_equal(i.memory_bytes, 25276514304);
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

#define HARDENED(devices)                                                                          \
	"\"Devices\":[" devices "],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":[\"no-new-privileges\"]," \
	"\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0}"
#define LOGS                                                                                    \
	",\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":\"10m\",\"max-file\":" \
	"\"3\"}}"
#define BODY(host)                    \
	"{\"Image\":\"sha256:" DIGEST \
	"\",\"Healthcheck\":{\"Test\":[\"NONE\"]},\"HostConfig\":{" host "}}"
#define MOUNT_RO(options)                                                          \
	"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/etc\",\"Target\":\"/models/" \
	"m\",\"ReadOnly\":true,\"BindOptions\":{"                                  \
	"\"Propagation\":\"rprivate\"" options "}}],\"ReadonlyRootfs\":true,"

static const struct {
	const char *name, *ping, *gpu, *body, *message;
	bool mount;
} bodies[] = {
	{"bare", PING_41, NULL, BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS),
	 "", false},
	{"mount, 1.41", PING_41, "", BODY(MOUNT_RO("") HARDENED("") LOGS), "", true},
	{"mount, 1.45", PING_45, "",
	 BODY(MOUNT_RO(",\"ReadOnlyForceRecursive\":true") HARDENED("") LOGS), "", true},
	{"podman", PING_PODMAN, "",
	 BODY(MOUNT_RO("") HARDENED(
		 "") ",\"LogConfig\":{\"Type\":\"k8s-file\",\"Config\":{\"max-size\":\"10m\"}}"),
	 "", true},
	{"all GPUs", PING_41, "nvidia",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"nvidia\",\"Count\":-"
	      "1}]"),
	 "", false},
	{"two GPUs", PING_41, "nvidia:0,1",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"nvidia\","
	      "\"DeviceIDs\":[\"0\",\"1\"]}]"),
	 "", false},
	{"CDI", PING_45, "nvidia.com/gpu=0",
	 BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS
	      ",\"DeviceRequests\":[{\"Capabilities\":[[\"gpu\"]],\"Driver\":\"cdi\",\"DeviceIDs\":"
	      "[\"nvidia.com/gpu=0\"]}]"),
	 "", false},
	{"CDI, too old", PING_41, "nvidia.com/gpu=0", NULL,
	 "docker: create container 'x': Docker has API 1.41, and CDI device 'nvidia.com/gpu=0' "
	 "needs 1.44: upgrade it to 25 or later",
	 false},
	{"unknown GPU", PING_41, "amd", NULL,
	 "docker: create container 'x': unknown GPU request 'amd': 'nvidia', 'nvidia:0,1' or a CDI "
	 "name such as 'nvidia.com/gpu=0'",
	 false},
};

static void creates_hardened_containers(void **state) {
	const struct docker_mount mount = {"/etc", "/models/m", true};

	(void) state;
	EACH_CASE (c, bodies) {
		char *request CLEANUP(freep) = mem_printf("POST /v1.%s/containers/create?name=x",
							  strstr(c->ping, "1.45") ? "45" : "41");
		struct fake_call call = {.request = request,
					 .body = c->body,
					 .status = 201,
					 .json = "{\"Id\":\"" ID "\",\"Warnings\":[]}"};
		struct docker_container_spec spec = {.name = "x",
						     .image = "sha256:" DIGEST,
						     .gpu = c->gpu,
						     .mounts = &mount,
						     .n_mounts = c->mount};
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

/* ---- other kinds of Docker ---- */

#define INFO(options, limits)                                                   \
	{                                                                       \
		.request = "GET " V "/info",                                    \
		.json = "{\"ServerVersion\":\"28.5.2\",\"MemoryLimit\":" limits \
			",\"SecurityOptions\":[" options "]}"                   \
	}

static const struct {
	const char *name;
	struct fake_call info;
	const char *user, *userns;
	bool rootless, limits;
} natures[] = {
	{"of root", INFO("\"name=seccomp,profile=builtin\"", "true"), "65532:65532", "", false,
	 true},
	{"no options", INFO("", "true"), "65532:65532", "", false, true},
	{"rootless", INFO("\"name=seccomp\",\"name=rootless\"", "true"), "0:0", "", true, true},
	{"rootless with cgroup v1", INFO("\"name=rootless\"", "false"), "0:0", "", true, false},
	{"userns-remap", INFO("\"name=seccomp,profile=builtin\",\"name=userns\"", "true"),
	 "65532:65532", ",\"UsernsMode\":\"host\"", false, true},
	{"another option that begins like it", INFO("\"name=rootlessness\"", "true"), "65532:65532",
	 "", false, true},
};

static void makes_containers_as_docker_is(void **state) {
	(void) state;
	EACH_CASE (c, natures) {
		char *body CLEANUP(freep) = mem_printf(
			BODY("\"Mounts\":[],\"ReadonlyRootfs\":true," HARDENED("") LOGS "%s"),
			c->userns);
		const struct fake_call calls[] = {c->info,
						  {.request = "POST " V "/containers/create?name=x",
						   .body = body,
						   .status = 201,
						   .json = "{\"Id\":\"" ID "\",\"Warnings\":[]}"}};
		struct docker_container_spec spec = {.name = "x", .image = "sha256:" DIGEST};
		const struct docker_nature *nature;
		struct stage s = {0};
		struct err e = {0};
		char id[65];
		bool taken;
		stage_open(&s, PING_41, calls, 2);
		assert_int_equal(docker_learn(s.d, &nature, &e), 0);
		assert_int_equal(docker_learn(s.d, &nature, &e), 0); /* asked once */
		char *user CLEANUP(freep) = docker_user(s.d, 65532);
		assert_string_equal(user, c->user);
		assert_int_equal(nature->rootless, c->rootless);
		assert_int_equal(nature->limits_memory, c->limits);
		assert_int_equal(docker_container_create(s.d, &spec, &taken, id, &e), 0);
		stage_close(&s);
	}
}

static const struct {
	const char *name, *ping, *source;
	struct fake_call call;
	size_t n;
	bool taken, want_image;
	const char *message;
} failures[] = {
	{"a name that is taken",
	 PING_41,
	 NULL,
	 {.status = 409, .json = "{\"message\":\"Conflict\"}"},
	 1,
	 true,
	 false,
	 ""},
	{"a name that is taken, Podman",
	 PING_PODMAN,
	 NULL,
	 {.status = 500,
	  .json = "{\"message\":\"container create: creating container storage: the container name "
		  "\\\"x\\\" is already in use by b9\"}"},
	 1,
	 true,
	 false,
	 ""},
	{"another failure of Podman",
	 PING_PODMAN,
	 NULL,
	 {.status = 500, .json = "{\"message\":\"no such thing\"}"},
	 1,
	 false,
	 true,
	 "docker: create container 'x': 500 Internal Server Error: no such thing"},
	{"a source that is not there, Podman",
	 PING_PODMAN,
	 "/nonexistent/m",
	 {0},
	 0,
	 false,
	 false,
	 "docker: create container 'x': bind source path does not exist: /nonexistent/m"},
	{"an image without a layer",
	 PING_41,
	 NULL,
	 {.status = 500, .json = "{\"message\":\"content digest sha256:" DIGEST ": not found\"}"},
	 1,
	 false,
	 true,
	 "docker: create container 'x': 500 Internal Server Error: content digest sha256:" DIGEST
	 ": not found"},
	{"a full disk",
	 PING_41,
	 NULL,
	 {.status = 500, .json = "{\"message\":\"mkdir /x: no space left on device\"}"},
	 1,
	 false,
	 false,
	 "docker: create container 'x': 500 Internal Server Error: mkdir /x: no space left on "
	 "device; free space where Docker keeps its data (docker system df), "
	 "then run the command again"},
	{"a bad request",
	 PING_41,
	 NULL,
	 {.status = 400, .json = "{\"message\":\"invalid mount\"}"},
	 1,
	 false,
	 false,
	 "docker: create container 'x': 400 Bad Request: invalid mount"},
};

static void tells_failures_of_create_apart(void **state) {
	(void) state;
	EACH_CASE (c, failures) {
		struct docker_mount mount = {c->source, "/m", true};
		struct docker_container_spec spec = {.name = "x",
						     .image = "sha256:" DIGEST,
						     .mounts = &mount,
						     .n_mounts = c->source != NULL};
		struct fake_call call = c->call;
		struct stage s = {0};
		struct err e = {0};
		char id[65];
		bool taken = false;
		call.request = "POST " V "/containers/create?name=x";
		call.body = "*";
		stage_open(&s, c->ping, &call, c->n);
		int r = docker_container_create(s.d, &spec, &taken, id, &e);
		stage_close(&s);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(r, *c->message ? -1 : 0);
		assert_int_equal(taken, c->taken);
		assert_int_equal(docker_create_may_want_image(&e), c->want_image);
	}
}

static void counts_no_memory_where_none_is_counted(void **state) {
	const struct fake_call calls[] = {INFO("\"name=rootless\"", "false")};
	struct stage s = {0};
	struct err e = {0};
	uint64_t bytes = 7;

	(void) state;
	stage_open(&s, PING_41, calls, 1);
	assert_int_equal(docker_learn(s.d, NULL, &e), 0);
	assert_int_equal(docker_container_memory(s.d, "x", &bytes, &e), 0);
	assert_int_equal(bytes, 0);
	stage_close(&s);
}

static void creates_with_everything(void **state) {
	const struct fake_call call = {
		.request = "POST " V "/containers/create?name=x",
		.body = "{\"Image\":\"sha256:" DIGEST "\",\"Entrypoint\":[\"/e\",\" "
			"a\",\"\"],\"Cmd\":[],\"Env\":[\"A=b\"],\"User\":\"65532:65532\","
			"\"Labels\":{\"k\":\"v\"},\"Healthcheck\":{\"Test\":[\"NONE\"]},"
			"\"StopSignal\":\"SIGINT\",\"StopTimeout\":2,\"HostConfig\":{"
			"\"Mounts\":[],\"NetworkMode\":\"none\",\"Memory\":25276514304,"
			"\"MemorySwap\":25276514304,\"ShmSize\":67108864,"
			"\"PidsLimit\":512,\"ReadonlyRootfs\":false,\"Tmpfs\":{\"/"
			"tmp\":\"size=64m\"},\"GroupAdd\":[\"105\"],"
			"\"Devices\":[{\"PathOnHost\":\"/dev/dri/"
			"renderD128\",\"PathInContainer\":\"/dev/dri/renderD128\","
			"\"CgroupPermissions\":\"rw\"}],\"CapDrop\":[\"ALL\"],\"SecurityOpt\":["
			"\"no-new-privileges\"],"
			"\"RestartPolicy\":{\"Name\":\"unless-stopped\",\"MaximumRetryCount\":"
			"0}" LOGS "}}",
		.status = 201,
		.json = "{\"Id\":\"" ID "\",\"Warnings\":null}"};
	struct json *argv CLEANUP(json_freep) = parse("[\"/e\",\" a\",\"\"]"),
			  *env CLEANUP(json_freep) = parse("[\"A=b\"]");
	struct json *labels CLEANUP(json_freep) = parse("{\"k\":\"v\"}"),
			    *tmpfs CLEANUP(json_freep) = parse("{\"/tmp\":\"size=64m\"}");
	struct json *groups CLEANUP(json_freep) = parse("[\"105\"]"),
			    *devices CLEANUP(json_freep) = parse("[\"/dev/dri/renderD128\"]");
	struct docker_container_spec spec = {.name = "x",
					     .image = "sha256:" DIGEST,
					     .argv = argv,
					     .env = env,
					     .user = "65532:65532",
					     .groups = groups,
					     .labels = labels,
					     .network = "none",
					     .memory_bytes = 25276514304,
					     .shm_bytes = 64 << 20,
					     .pids = 512,
					     .writable_root = true,
					     .tmpfs = tmpfs,
					     .devices = devices,
					     .stop_signal = "SIGINT",
					     .stop_timeout_ms = 1001,
					     .restart = "unless-stopped"};
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
		cmocka_unit_test(reads_a_container),
		cmocka_unit_test(knows_both_identities),
		cmocka_unit_test(reads_info_networks_and_images),
		cmocka_unit_test(creates_hardened_containers),
		cmocka_unit_test(makes_containers_as_docker_is),
		cmocka_unit_test(tells_failures_of_create_apart),
		cmocka_unit_test(counts_no_memory_where_none_is_counted),
		cmocka_unit_test(creates_with_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
