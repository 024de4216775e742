/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "lockfile/lockfile.h"
#include "memory_estimate/memory_estimate.h"
#include "runtime/runtime.h"
#include "tests/fake/docker.h"
#include "json/json.h"

#define MIB 1048576

/* The patterns of runtimes/llama.cpp/runtime.yaml, read from there. */
static struct runtime *llama(void) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	assert_int_equal(runtime_load("runtimes/llama.cpp", &rt, &c, &e), 0);
	return rt;
}

#define T "0.01.330.084 I "

/* MiB x 100, as the log has them. */
static const struct {
	const char *name, *log;
	size_t lines;
	uint64_t weights, adapters, kv, recurrent, compute, output;
} logs[] = {
	{"the demo's model with its adapter: the compute buffer is reserved twice",
	 T "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB\n" T
	   "llama_adapter_lora_init_impl: CPU_Mapped LoRA buffer size =     4.66 MiB\n" T
	   "llama_context:        CPU  output buffer size =     0.38 MiB\n" T
	   "llama_kv_cache:        CPU KV buffer size =    90.00 MiB\n" T
	   "sched_reserve:        CPU compute buffer size =    16.64 MiB\n" T
	   "sched_reserve:        CPU compute buffer size =    16.64 MiB\n",
	 6, 9210, 466, 9000, 0, 1664, 38},
	{"full layers and a window: two caches on one device",
	 T "llama_kv_cache:        CPU KV buffer size =    16.00 MiB\n" T
	   "llama_kv_cache:        CPU KV buffer size =    20.00 MiB\n",
	 2, 0, 0, 3600, 0, 0, 0},
	{"weights in several buffers",
	 T "load_tensors:   CPU_Mapped model buffer size =     2.25 MiB\n" T
	   "load_tensors:   CPU_REPACK model buffer size =    50.62 MiB\n",
	 2, 5287, 0, 0, 0, 0, 0},
	{"a GPU and the host",
	 T "load_tensors:        CUDA0 model buffer size =   852.89 MiB\n" T
	   "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB\n" T
	   "llama_context:  CUDA_Host  output buffer size =     0.50 MiB\n" T
	   "sched_reserve:      CUDA0 compute buffer size =   300.00 MiB\n" T
	   "sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB\n" T
	   "sched_reserve:      CUDA0 compute buffer size =   310.00 MiB\n" T
	   "llama_memory_recurrent:      CUDA0 RS buffer size =   598.50 MiB\n",
	 7, 95289, 0, 0, 59850, 33000, 50},
	{"nothing that is a buffer", T "llama_context: n_ctx = 4096\n", 0, 0, 0, 0, 0, 0, 0},
	{"an empty log", "", 0, 0, 0, 0, 0, 0, 0},
	{"another unit", T "llama_kv_cache:        CPU KV buffer size =    16.00 GiB\n", 0, 0, 0, 0,
	 0, 0, 0},
	{"no number", T "llama_kv_cache:        CPU KV buffer size =    1.2.3 MiB\n", 0, 0, 0, 0, 0,
	 0, 0},
	{"out of range", T "llama_kv_cache:        CPU KV buffer size =    99999999999.00 MiB\n", 0,
	 0, 0, 0, 0, 0, 0},
	{"the last line is cut",
	 T "llama_kv_cache:        CPU KV buffer size =    16.00 MiB\n" T
	   "llama_kv_cache:     CPU KV buffer si",
	 1, 0, 0, 1600, 0, 0, 0},
};

static void near(uint64_t bytes, uint64_t hundredths) {
	double want = (double) hundredths / 100 * MIB, off = (double) bytes - want;

	if (off > 2 || off < -2)
		fail_msg("%llu bytes in place of %.0f", (unsigned long long) bytes, want);
}

static void memory_estimate_reads_buffers(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, logs) {
		struct memory_estimate_buffers b;
		struct err e = {0};

		assert_int_equal(memory_estimate_buffers(rt->logs, c->log, strlen(c->log), &b, &e),
				 0);
		assert_int_equal(b.lines, c->lines);
		near(b.weights, c->weights);
		near(b.adapters, c->adapters);
		near(b.kv, c->kv);
		near(b.recurrent, c->recurrent);
		near(b.compute, c->compute);
		near(b.output, c->output);
	}
}

static const struct {
	const char *name, *log;
	size_t n;
	const char *device;                      /* the last */
	uint64_t total, model, context, compute; /* MiB */
} rows[] = {
	{"a processor",
	 T "common_memory_breakdown_print: | memory breakdown [MiB] | total   free    self   model "
	   "  context   compute    unaccounted |\n" T
	   "common_memory_breakdown_print: |   - Host               |                  288 =    92 "
	   "+     180 +      16                |\n",
	 1, "Host", 288, 92, 180, 16},
	{"weights in another form",
	 T "x: |   - Host               |                   62 =     2 +      32 +      28         "
	   "       |\n" T "x: |   - CPU_REPACK         |                   50 =    50 +       0 +  "
	   "     0                |\n",
	 2, "CPU_REPACK", 112, 50, 0, 0},
	{"a GPU",
	 T "x: |   - CUDA0 (RTX 4090)   | 24080 = 22000 + (1868 =  1500 +     200 +     168) +     "
	   "    212 |\n" T "x: |   - Host               |                  144 =   100 +       0 + "
	   "     44                |\n",
	 2, "Host", 2012, 100, 0, 44},
	{"nothing", T "llama_context: n_ctx = 4096\n", 0, "", 0, 0, 0, 0},
};

static void memory_estimate_reads_rows(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, rows) {
		struct memory_estimate o;
		struct err e = {0};

		assert_int_equal(memory_estimate_rows(rt->logs, c->log, strlen(c->log), &o, &e), 0);
		assert_int_equal(o.n, c->n);
		assert_int_equal(o.total, c->total * MIB);
		if (!c->n)
			continue;
		assert_string_equal(o.devices[o.n - 1].name, c->device);
		assert_int_equal(o.devices[o.n - 1].model, c->model * MIB);
		assert_int_equal(o.devices[o.n - 1].context, c->context * MIB);
		assert_int_equal(o.devices[o.n - 1].compute, c->compute * MIB);
	}
}

static const struct {
	const char *name, *logs, *message;
} faults[] = {
	{"no pattern", "{}", "the pattern '' of the lock's logs needs 3 groups"},
	{"too few groups", "{\"buffers\":\"(a)(b)\"}",
	 "the pattern '(a)(b)' of the lock's logs needs 3 groups"},
	{"no regular expression", "{\"buffers\":\"(a\"}",
	 "the pattern '(a' of the lock's logs: missing closing parenthesis at character 3"},
};

static void memory_estimate_faults(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		struct json *logs_tree CLEANUP(json_freep) = NULL;
		struct memory_estimate_buffers b = {.lines = 7};
		struct err e = {0};

		assert_int_equal(json_parse(c->logs, strlen(c->logs), &logs_tree, &e), 0);
		assert_int_equal(memory_estimate_buffers(logs_tree, "x", 1, &b, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(b.lines, 7);
	}
}

/* ---- asking ---- */

#define V "/v1.41"
#define ID "1111111111111111111111111111111111111111111111111111111111111111"
#define CREATE                                                                   \
	{                                                                        \
		.request = "POST " V "/containers/create?name=x",                \
		.body = "*\"--model\",\"/m\",\"--fit\",\"on\"]*", .status = 201, \
		.json = "{\"Id\":\"" ID "\"}"                                    \
	}
#define START \
	{ .request = "POST " V "/containers/x/start", .status = 204 }
#define TTY                                                                     \
	{                                                                       \
		.request = "GET " V "/containers/x/json",                       \
		.json = "{\"Id\":\"x\",\"State\":{},\"Config\":{\"Tty\":true}}" \
	}
#define SAYS(query, text)                                                                      \
	{                                                                                      \
		.request = "GET " V "/containers/x/logs?stdout=1&stderr=1" query,              \
		.raw = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" text, .then = FAKE_CLOSE \
	}
#define REMOVE \
	{ .request = "DELETE " V "/containers/x?v=1&force=1", .status = 204 }
#define ROW                                                                                        \
	"x: |   - Host               |                  288 =    92 +     180 +      16          " \
	"      |\n"
#define DONE "x: fitting params to free memory took 0.15 seconds\n"

static const struct {
	const char *name;
	struct fake_call calls[8];
	size_t n;
	uint64_t total; /* MiB */
	enum err_code code;
	const char *message;
} asks[] = {
	{"an estimate",
	 {CREATE, START, TTY, SAYS("&follow=1", "loading\n" ROW DONE "more\n"), REMOVE},
	 5,
	 288,
	 ERR_OK,
	 ""},
	{"the engine ends before",
	 {CREATE, START, TTY, SAYS("&follow=1", "error loading model\n"), TTY,
	  SAYS("&tail=4", "error loading model\n"), REMOVE},
	 7,
	 0,
	 ERR_GATE,
	 "the runtime made no estimate within 1 s; last lines of its log: error loading model\n"},
	{"an estimate of another form",
	 {CREATE, START, TTY, SAYS("&follow=1", "Host 288\n" DONE), REMOVE},
	 5,
	 0,
	 ERR_GATE,
	 "the runtime's estimate does not match the pattern of its definition"},
	{"someone else asks",
	 {{.request = "POST " V "/containers/create?name=x",
	   .body = "*",
	   .status = 409,
	   .json = "{\"message\":\"in use\"}"}},
	 1,
	 0,
	 ERR_BUSY,
	 "another program is running the runtime's estimate: container 'x' exists"},
	{"it cannot be started",
	 {CREATE,
	  {.request = "POST " V "/containers/x/start",
	   .status = 500,
	   .json = "{\"message\":\"no such file\"}"},
	  REMOVE},
	 3,
	 0,
	 ERR_SYS,
	 "docker: start container 'x': 500 Internal Server Error: no such file"},
};

static struct lockfile lock_of(const struct runtime *rt, struct json *tree) {
	static const char *const argv[] = {"/usr/bin/llama-server", "--model", "/m"};
	struct json *container = json_object();

	json_set(container, "env", json_array());
	json_set(container, "devices", json_array());
	json_set(tree, "container", container);
	return (struct lockfile){.tree = tree,
				 .runtime = "llama.cpp",
				 .logs = rt->logs,
				 .argv = argv,
				 .n_argv = 3,
				 .socket = "/run/engine/engine.sock",
				 .gpu = "",
				 .stop_signal = "SIGTERM",
				 .memory_bytes = 1 << 20,
				 .pids = 16,
				 .read_only = true};
}

static void memory_estimate_asks(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, asks) {
		struct json *tree CLEANUP(json_freep) = json_object(),
				  *labels CLEANUP(json_freep) = json_object();
		struct docker *d CLEANUP(docker_freep) = NULL;
		struct lockfile l = lock_of(rt, tree);
		struct memory_estimate_ask ask = {.lockfile = &l,
						  .name = "x",
						  .image = ID,
						  .user = "65532:65532",
						  .labels = labels,
						  .timeout_ms = 1000};
		struct fake_call all[9] = {FAKE_PING};
		struct memory_estimate o = {.total = 7};
		struct err e = {0};
		char fault[512];

		memcpy(all + 1, c->calls, c->n * sizeof *all);
		struct fake_docker *f = fake_docker_start(all, c->n + 1);
		struct docker_options with = {.host = fake_docker_socket(f)};
		assert_int_equal(docker_open(&with, &d, &e), 0);
		int r = memory_estimate_ask(d, &ask, &o, &e);
		fake_docker_stop(f, fault);
		assert_string_equal(fault, "");
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r, c->code == ERR_OK ? 0 : -1);
		assert_int_equal(o.total, r ? 7 : c->total * MIB);
	}
}

static void memory_estimate_of_no_runtime(void **state) {
	struct json *logs_tree CLEANUP(json_freep) = json_object();
	struct lockfile l = {.runtime = "vllm", .logs = logs_tree};
	struct memory_estimate_ask ask = {.lockfile = &l};
	struct memory_estimate o;
	struct err e = {0};

	(void) state;
	assert_int_equal(memory_estimate_ask(NULL, &ask, &o, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_string_equal(e.msg, "runtime 'vllm' makes no estimate of its own");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_estimate_reads_buffers),
		cmocka_unit_test(memory_estimate_reads_rows),
		cmocka_unit_test(memory_estimate_faults),
		cmocka_unit_test(memory_estimate_asks),
		cmocka_unit_test(memory_estimate_of_no_runtime),
	};

	return cmocka_run_group_tests_name("memory_estimate", tests, NULL, NULL);
}
