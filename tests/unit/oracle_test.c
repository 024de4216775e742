#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "oracle/oracle.h"
#include "runtime/runtime.h"

#define MIB 1048576

/* The patterns of runtimes/llama.cpp/runtime.yaml, read from there. */
static struct runtime *llama(void) {
	struct complaints c CLEANUP(complaints_done) = {0};
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
	 T "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB\n"
	 T "llama_adapter_lora_init_impl: CPU_Mapped LoRA buffer size =     4.66 MiB\n"
	 T "llama_context:        CPU  output buffer size =     0.38 MiB\n"
	 T "llama_kv_cache:        CPU KV buffer size =    90.00 MiB\n"
	 T "sched_reserve:        CPU compute buffer size =    16.64 MiB\n"
	 T "sched_reserve:        CPU compute buffer size =    16.64 MiB\n",
	 6, 9210, 466, 9000, 0, 1664, 38},
	{"full layers and a window: two caches on one device",
	 T "llama_kv_cache:        CPU KV buffer size =    16.00 MiB\n" T "llama_kv_cache:        CPU KV buffer size =    20.00 MiB\n", 2, 0, 0, 3600, 0, 0, 0},
	{"weights in several buffers",
	 T "load_tensors:   CPU_Mapped model buffer size =     2.25 MiB\n" T "load_tensors:   CPU_REPACK model buffer size =    50.62 MiB\n", 2, 5287, 0, 0, 0,
	 0, 0},
	{"a GPU and the host",
	 T "load_tensors:        CUDA0 model buffer size =   852.89 MiB\n" T "load_tensors:   CPU_Mapped model buffer size =   100.00 MiB\n"
	 T "llama_context:  CUDA_Host  output buffer size =     0.50 MiB\n" T "sched_reserve:      CUDA0 compute buffer size =   300.00 MiB\n"
	 T "sched_reserve:  CUDA_Host compute buffer size =    20.00 MiB\n" T "sched_reserve:      CUDA0 compute buffer size =   310.00 MiB\n"
	 T "llama_memory_recurrent:      CUDA0 RS buffer size =   598.50 MiB\n",
	 7, 95289, 0, 0, 59850, 33000, 50},
	{"nothing that is a buffer", T "llama_context: n_ctx = 4096\n", 0, 0, 0, 0, 0, 0, 0},
	{"an empty log", "", 0, 0, 0, 0, 0, 0, 0},
	{"another unit", T "llama_kv_cache:        CPU KV buffer size =    16.00 GiB\n", 0, 0, 0, 0, 0, 0, 0},
	{"no number", T "llama_kv_cache:        CPU KV buffer size =    1.2.3 MiB\n", 0, 0, 0, 0, 0, 0, 0},
	{"out of all proportion", T "llama_kv_cache:        CPU KV buffer size =    99999999999.00 MiB\n", 0, 0, 0, 0, 0, 0, 0},
	{"the last line is cut", T "llama_kv_cache:        CPU KV buffer size =    16.00 MiB\n" T "llama_kv_cache:     CPU KV buffer si", 1, 0, 0, 1600, 0, 0, 0},
};

static void near(uint64_t bytes, uint64_t hundredths) {
	double want = (double) hundredths / 100 * MIB, off = (double) bytes - want;

	if (off > 2 || off < -2)
		fail_msg("%llu bytes in place of %.0f", (unsigned long long) bytes, want);
}

static void oracle_reads_buffers(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, logs) {
		struct oracle_buffers b;
		struct err e = {0};

		assert_int_equal(oracle_buffers(rt->logs, c->log, strlen(c->log), &b, &e), 0);
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
	const char *device; /* the last */
	uint64_t total, model, context, compute; /* MiB */
} rows[] = {
	{"a processor",
	 T "common_memory_breakdown_print: | memory breakdown [MiB] | total   free    self   model   context   compute    unaccounted |\n"
	 T "common_memory_breakdown_print: |   - Host               |                  288 =    92 +     180 +      16                |\n",
	 1, "Host", 288, 92, 180, 16},
	{"weights in another form",
	 T "x: |   - Host               |                   62 =     2 +      32 +      28                |\n"
	 T "x: |   - CPU_REPACK         |                   50 =    50 +       0 +       0                |\n",
	 2, "CPU_REPACK", 112, 50, 0, 0},
	{"a GPU",
	 T "x: |   - CUDA0 (RTX 4090)   | 24080 = 22000 + (1868 =  1500 +     200 +     168) +         212 |\n"
	 T "x: |   - Host               |                  144 =   100 +       0 +      44                |\n",
	 2, "Host", 2012, 100, 0, 44},
	{"nothing", T "llama_context: n_ctx = 4096\n", 0, "", 0, 0, 0, 0},
};

static void oracle_reads_rows(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, rows) {
		struct oracle o;
		struct err e = {0};

		assert_int_equal(oracle_rows(rt->logs, c->log, strlen(c->log), &o, &e), 0);
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
	{"too few groups", "{\"buffers\":\"(a)(b)\"}", "the pattern '(a)(b)' of the lock's logs needs 3 groups"},
	{"no regular expression", "{\"buffers\":\"(a\"}", "the pattern '(a' of the lock's logs: missing closing parenthesis at character 3"},
};

static void oracle_faults(void **state) {
	(void) state;
	EACH_CASE(c, faults) {
		struct json *logs_tree CLEANUP(json_freep) = NULL;
		struct oracle_buffers b = {.lines = 7};
		struct err e = {0};

		assert_int_equal(json_parse(c->logs, strlen(c->logs), &logs_tree, &e), 0);
		assert_int_equal(oracle_buffers(logs_tree, "x", 1, &b, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(b.lines, 7);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oracle_reads_buffers),
		cmocka_unit_test(oracle_reads_rows),
		cmocka_unit_test(oracle_faults),
	};

	return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
