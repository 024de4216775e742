#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "size/size.h"

#define MIB 1048576.0

/* Memory facts of runtimes/llama.cpp/runtime.yaml, read from there. */
static struct runtime *llama(void) {
	struct complaints c CLEANUP(complaints_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	assert_int_equal(runtime_load("runtimes/llama.cpp", &rt, &c, &e), 0);
	return rt;
}

/* A llama-like model by its widths. */
struct shape {
	size_t layers;
	uint64_t embedding;
	uint32_t feed_forward, heads, kv_heads, head;
	uint64_t vocabulary;
};

struct toy {
	struct model_facts m;
	struct model_layer layers[30];
};

static struct model_facts *toy_of(struct toy *t, const struct shape *s) {
	memset(t, 0, sizeof *t);
	t->m = (struct model_facts){.tensor_bytes = 1, .layers = t->layers, .n_layers = s->layers, .embedding_length = s->embedding,
				    .vocabulary = s->vocabulary};
	for (size_t i = 0; i < s->layers; i++)
		t->layers[i] = (struct model_layer){.heads = s->heads, .kv_heads = s->kv_heads, .key_length = s->head, .value_length = s->head,
						    .feed_forward = s->feed_forward};
	return &t->m;
}

#define SHAPE(...) {__VA_ARGS__}

#define SMOL SHAPE(30, 576, 1536, 9, 3, 64, 49152)

/* Against the log of llama-server 1:0.7.0+dfsg-2 on a CPU (--log-verbosity 4), MiB as it prints them: SmolLM2-135M, and
 * generated models of other shapes. `exact`: the compute buffer equals; else it is an upper bound. */
static const struct {
	const char *name;
	struct shape model;
	uint64_t context, sequences;
	const char *kv_cache;
	uint64_t batch;
	double kv_mib, compute_mib, output_mib;
	bool exact;
} logs[] = {
	{"SmolLM2, 2048 x 4", SMOL, 2048, 4, "f16", 512, 180.00, 16.64, 0.75, true},
	{"SmolLM2, 2048 x 1", SMOL, 2048, 1, "f16", 512, 45.00, 16.64, 0.19, true},
	{"SmolLM2, 8192 x 4", SMOL, 8192, 4, "f16", 512, 720.00, 22.64, 0.75, true},
	{"SmolLM2, 8192 x 1", SMOL, 8192, 1, "f16", 512, 180.00, 22.64, 0.19, true},
	{"SmolLM2, 333 x 3, rounded to 512 each", SMOL, 333, 3, "f16", 512, 33.75, 15.17, 0.56, false},
	{"SmolLM2, 512 x 16", SMOL, 512, 16, "f16", 512, 180.00, 15.14, 3.00, true},
	{"SmolLM2, batch of 256", SMOL, 2048, 4, "f16", 256, 180.00, 8.32, 0.75, true},
	{"SmolLM2, batch of 1024", SMOL, 2048, 4, "f16", 1024, 180.00, 33.29, 0.75, true},
	{"SmolLM2, q8_0", SMOL, 2048, 4, "q8_0", 512, 95.62, 16.67, 0.75, false},
	{"llama 1024/4096", SHAPE(4, 1024, 4096, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 36.02, 0.75, true},
	{"llama 2048/5632", SHAPE(4, 2048, 5632, 32, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 55.02, 0.75, true},
	{"llama 1024/512, no GQA", SHAPE(4, 1024, 512, 16, 16, 64, 49152), 2048, 4, "f16", 512, 128.00, 18.02, 0.75, true},
	{"llama 1024/256, wide query", SHAPE(4, 1024, 256, 16, 2, 128, 49152), 2048, 4, "f16", 512, 32.00, 20.02, 0.75, true},
	{"llama 1024/256, GQA", SHAPE(4, 1024, 256, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 14.02, 0.75, true},
	{"llama 1024/256, narrow heads", SHAPE(4, 1024, 256, 8, 8, 64, 49152), 2048, 4, "f16", 512, 64.00, 13.02, 0.75, false},
	{"llama 1024/256, no GQA", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "f16", 512, 128.00, 16.02, 0.75, false},
	{"llama 1024/256, no GQA, q4_0", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "q4_0", 512, 36.00, 16.05, 0.75, false},
	{"qwen3 1024/3072", SHAPE(4, 1024, 3072, 16, 8, 128, 49152), 2048, 4, "f16", 512, 128.00, 30.02, 0.75, false},
};

static void near(double bytes, double mib) {
	double off = bytes / MIB - mib;

	if (off > 0.006 || off < -0.006)
		fail_msg("%.3f MiB in place of %.2f", bytes / MIB, mib);
}

static void size_logs(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, logs) {
		struct size_load load = {.context_tokens = c->context, .sequences = c->sequences, .kv_cache = c->kv_cache, .batch_tokens = c->batch};
		struct size_budget b = {0};
		struct toy t;
		struct err e = {0};

		assert_int_equal(size_compute(toy_of(&t, &c->model), &rt->memory, &load, &b, &e), 0);
		near((double) b.kv_cache, c->kv_mib);
		near((double) b.output, c->output_mib);
		if (c->exact)
			near((double) b.compute, c->compute_mib);
		/* Not less than the log by more than its 0.03 MiB for other types, not more by 15 %. */
		assert_true((double) b.compute / MIB > c->compute_mib - 0.04);
		assert_true((double) b.compute / MIB < c->compute_mib * 1.16);
		assert_int_equal(b.planned, b.weights + b.adapters + b.kv_cache + b.compute + b.output + b.overhead);
		assert_int_equal(b.host, b.planned);
	}
}

/* The process itself, SmolLM2 with one adapter after long answers: 42 MiB for one sequence, 47 MiB for four. */
static void size_overhead(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	static const struct shape smol = SMOL;
	struct toy t;
	struct model_facts *m = toy_of(&t, &smol);
	struct size_load load = {.context_tokens = 2048, .sequences = 4, .kv_cache = "f16", .batch_tokens = 512, .adapters = 4884480};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	m->tensor_bytes = 96576768;
	assert_int_equal(size_compute(m, &rt->memory, &load, &b, &e), 0);
	assert_int_equal(b.overhead >> 20, 52);
	/* Resident at its end: 341.3 MiB, of which 1.8 MiB are the model's own header. */
	assert_true(b.planned > (uint64_t) (341.3 * MIB) && b.planned < (uint64_t) (341.3 * 1.05 * MIB));
}

/* Where the weights are on a device, the host keeps the mapped files, the output and the process. */
static void size_device(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	static const struct shape smol = SMOL;
	struct toy t;
	struct model_facts *m = toy_of(&t, &smol);
	struct size_load load = {.context_tokens = 2048, .sequences = 4, .kv_cache = "f16", .batch_tokens = 512,
				 .on_device = true, .device_overhead = 457 << 20};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	m->tensor_bytes = 96576768;
	assert_int_equal(size_compute(m, &rt->memory, &load, &b, &e), 0);
	assert_int_equal(b.overhead, 457 << 20);
	assert_int_equal(b.host, b.weights + b.output + (52 << 20));
	assert_int_equal(b.planned, b.weights + b.kv_cache + b.compute + b.output + b.overhead);
}

/* KV bytes of one token in all layers, and of worked examples. */
static const struct {
	const char *name, *type;
	uint64_t kv_heads_sum, head, tokens, bytes;
} caches[] = {
	{"textbook: 40 layers, 2 KV heads of 256, 8192 x 4", "f16", 80, 256, 8192 * 4, 2684354560},
	{"Qwen3.6-27B, 16 full layers, 262144: 16384 MiB", "f16", 64, 256, 262144, (uint64_t) 16384 << 20},
	{"Qwen3.6-35B-A3B, 10 full layers: 20480 a token", "f16", 20, 256, 1, 20480},
	{"SmolLM2, one token", "f16", 90, 64, 1, 23040},
	{"q8_0 is 0.53125 of f16", "q8_0", 90, 64, 1, 12240},
	{"q4_0", "q4_0", 90, 64, 1, 6480},
	{"iq4_nl", "iq4_nl", 90, 64, 1, 6480},
	{"f32", "f32", 90, 64, 1, 46080},
};

static void size_caches(void **state) {
	(void) state;
	EACH_CASE(c, caches) {
		uint64_t bytes = 0;

		assert_true(size_kv_bytes(c->type, c->kv_heads_sum * c->head, &bytes));
		assert_int_equal(2 * bytes * c->tokens, c->bytes);
	}
	uint64_t bytes;

	assert_false(size_kv_bytes("q3_0", 1, &bytes));
	assert_false(size_kv_bytes("f32", UINT64_MAX, &bytes));
	assert_true(size_kv_bytes("q8_0", 33, &bytes));
	assert_int_equal(bytes, 68);
}

/* Qwen3.6-27B: 48 recurrent layers, 4 sequences: 598.50 MiB, as LM Studio's log has it. */
static void size_recurrent(void **state) {
	struct model_facts m = {.conv_kernel = 4, .inner_size = 6144, .group_count = 16, .state_size = 128};
	uint64_t bytes = 0;

	(void) state;
	assert_true(size_recurrent_bytes(&m, &bytes));
	near((double) (bytes * 48 * 4), 598.50);
}

static const struct {
	const char *name;
	struct shape model;
	uint64_t context, sequences, adapters;
	const char *kv_cache;
	enum err_code code;
	const char *msg;
} refused[] = {
	{"no layers", {.embedding = 64}, 256, 1, 0, "f16", ERR_SPEC,
	 "the model does not say its layers, width and heads, so its KV cache cannot be sized"},
	{"unknown type", SMOL, 256, 1, 0, "q3_0", ERR_SPEC, "'q3_0' is no type of a KV cache"},
	{"endless context", SMOL, UINT64_MAX, 1, 0, "f16", ERR_NOFIT, "the memory that this asks for is no number of 64 bits"},
	{"endless cache", SMOL, UINT64_MAX / 2, 1, 0, "f16", ERR_NOFIT, "the memory that this asks for is no number of 64 bits"},
	{"endless sequences", SMOL, 256, UINT64_MAX, 0, "f16", ERR_NOFIT, "the memory that this asks for is no number of 64 bits"},
	{"endless adapters", SMOL, 256, 1, UINT64_MAX, "f16", ERR_NOFIT, "the memory that this asks for is no number of 64 bits"},
};

static void size_refused(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, refused) {
		struct size_load load = {.context_tokens = c->context, .sequences = c->sequences, .kv_cache = c->kv_cache,
					 .batch_tokens = 512, .adapters = c->adapters};
		struct size_budget b = {0};
		struct toy t;
		struct err e = {0};

		assert_int_equal(size_compute(toy_of(&t, &c->model), &rt->memory, &load, &b, &e), -1);
		assert_int_equal(e.code, c->code);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(b.planned, 0);
	}
}

static const struct {
	const char *name;
	uint64_t capacity;
	unsigned reserve_percent;
	uint64_t planned;
	bool admits;
} devices[] = {
	{"textbook: 7.6 + 5.0 + 2.0 GB of 19.2 GB", 24000000000, 20, 7600000000 + 5000000000 + 2000000000, true},
	{"textbook: 4.4 + 8.6 + 2.0 GB of 19.2 GB", 24000000000, 20, 4400000000 + 8600000000 + 2000000000, true},
	{"to the byte", 24000000000, 20, 19200000000, true},
	{"one byte over", 24000000000, 20, 19200000001, false},
	{"no reserve", 10, 0, 10, true},
	{"the reserve is rounded up", 11, 20, 9, false},
	{"largest device", UINT64_MAX, 20, UINT64_MAX, false},
	{"largest reserve", 100, 90, 10, true},
};

static void size_devices(void **state) {
	(void) state;
	EACH_CASE(c, devices)
		assert_int_equal(size_admits(c->capacity, c->reserve_percent, c->planned), c->admits);
}

static void size_limits(void **state) {
	(void) state;
	assert_int_equal(size_limit(100 << 20, 20), 120 << 20);
	assert_int_equal(size_limit((100 << 20) + 1, 20), 121 << 20);
	assert_int_equal(size_limit(0, 20), 0);
	assert_int_equal(size_limit(UINT64_MAX, 20), UINT64_MAX - ((1 << 20) - 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_logs),	  cmocka_unit_test(size_overhead), cmocka_unit_test(size_device),
		cmocka_unit_test(size_caches),	  cmocka_unit_test(size_recurrent), cmocka_unit_test(size_refused),
		cmocka_unit_test(size_devices),	  cmocka_unit_test(size_limits),
	};

	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
