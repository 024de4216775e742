/* SPDX-License-Identifier: Apache-2.0 */
#include "capacity/capacity.h"
#include "size_parts.h"

#define LLAMA SHAPE(8, 1024, 2816, 16, 4, 64, 4096)
#define GEMMA3 \
	{ 12, 1152, 6912, 4, 1, 256, 8192, .interval = 6, .window = 512 }
#define GEMMA4                                                                                 \
	{                                                                                      \
		15, 768, 3072, 8, 1, 512, 8192, .interval = 5, .window = 512, .head_swa = 256, \
						.shared = 5, .per_layer = 128                  \
	}
#define QWEN3MOE \
	{ 6, 1024, 0, 16, 2, 128, 4096, .experts_used = 4, .expert_width = 384 }
#define DEEPSEEK2                                                                      \
	{                                                                              \
		6, 1024, 2816, 16, 1, 0, 4096, .experts_used = 4, .expert_width = 384, \
					       .latent = 512, .rotated = 64            \
	}
#define QWEN35MOE                                                                        \
	{                                                                                \
		8, 1024, 0, 8, 2, 256, 4096, .architecture = "qwen35moe", .interval = 4, \
					     .experts_used = 4, .expert_width = 256,     \
					     .inner = 2048, .state = 128, .groups = 8    \
	}
#define QWEN35                                                                           \
	{                                                                                \
		8, 1024, 2816, 8, 2, 256, 4096, .architecture = "qwen35", .interval = 4, \
						.inner = 2048, .state = 128, .groups = 8 \
	}

/* Against the log of llama-server 1:0.7.0+dfsg-2 on a CPU (--log-verbosity 4), MiB as it prints
 * them: SmolLM2-135M, and generated models of other shapes. KV and state equal what is printed; the
 * compute buffer is off by so many percent at most. */
static const struct {
	const char *name;
	struct shape model;
	uint64_t context, sequences;
	const char *kv_cache;
	uint64_t batch;
	double kv_mib, window_mib, rs_mib, compute_mib, output_mib;
	double off;
} logs[] = {
	{"SmolLM2, 2048 x 4", SMOL, 2048, 4, "f16", 512, 180.00, 0, 0, 16.64, 0.75, 0},
	{"SmolLM2, 2048 x 1", SMOL, 2048, 1, "f16", 512, 45.00, 0, 0, 16.64, 0.19, 0},
	{"SmolLM2, 8192 x 4", SMOL, 8192, 4, "f16", 512, 720.00, 0, 0, 22.64, 0.75, 0},
	{"SmolLM2, 8192 x 1", SMOL, 8192, 1, "f16", 512, 180.00, 0, 0, 22.64, 0.19, 0},
	{"SmolLM2, 333 x 3, rounded to 512 each", SMOL, 333, 3, "f16", 512, 33.75, 0, 0, 15.17,
	 0.56, 0},
	{"SmolLM2, 512 x 16", SMOL, 512, 16, "f16", 512, 180.00, 0, 0, 15.14, 3.00, 0},
	{"SmolLM2, batch of 256", SMOL, 2048, 4, "f16", 256, 180.00, 0, 0, 8.32, 0.75, 0},
	{"SmolLM2, batch of 1024", SMOL, 2048, 4, "f16", 1024, 180.00, 0, 0, 33.29, 0.75, 0},
	{"SmolLM2, q8_0", SMOL, 2048, 4, "q8_0", 512, 95.62, 0, 0, 16.67, 0.75, 0},
	{"llama 1024/4096", SHAPE(4, 1024, 4096, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 0,
	 0, 36.02, 0.75, 0},
	{"llama 2048/5632", SHAPE(4, 2048, 5632, 32, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 0,
	 0, 55.02, 0.75, 0},
	{"llama 1024/256, wide query", SHAPE(4, 1024, 256, 16, 2, 128, 49152), 2048, 4, "f16", 512,
	 32.00, 0, 0, 20.02, 0.75, 0},
	{"llama 1024/256, no GQA", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "f16", 512,
	 128.00, 0, 0, 16.02, 0.75, 0},
	{"llama 1024/256, no GQA, q4_0", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "q4_0",
	 512, 36.00, 0, 0, 16.05, 0.75, 0},
	/* No model is so narrow inside: where tensors fit into gaps that others leave, the sums do
	 * not say so. */
	{"llama 1024/512, no GQA", SHAPE(4, 1024, 512, 16, 16, 64, 49152), 2048, 4, "f16", 512,
	 128.00, 0, 0, 18.02, 0.75, 12},
	{"llama 1024/256, GQA", SHAPE(4, 1024, 256, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00,
	 0, 0, 14.02, 0.75, 15},
	{"llama 1024/256, narrow heads", SHAPE(4, 1024, 256, 8, 8, 64, 49152), 2048, 4, "f16", 512,
	 64.00, 0, 0, 13.02, 0.75, 8},
	{"qwen3 1024/3072", SHAPE(4, 1024, 3072, 16, 8, 128, 49152), 2048, 4, "f16", 512, 128.00, 0,
	 0, 30.02, 0.75, 0},
	{"llama, GQA", LLAMA, 4096, 2, "f16", 512, 64.00, 0, 0, 30.52, 0.03, 0},
	{"llama, q8_0 1000 x 3", LLAMA, 1000, 3, "q8_0", 512, 12.75, 0, 0, 27.60, 0.05, 0},
	{"llama, q4_0", LLAMA, 4096, 1, "q4_0", 512, 9.00, 0, 0, 30.55, 0.02, 0},
	{"gemma3, window of 512", GEMMA3, 4096, 2, "f16", 512, 16.00, 20.00, 0, 56.78, 0.06, 0.1},
	{"gemma3, 8192 x 4", GEMMA3, 8192, 4, "f16", 512, 64.00, 40.00, 0, 60.78, 0.12, 0.1},
	{"gemma3, q8_0, context as long as the window's cells", GEMMA3, 1000, 3, "q8_0", 512, 3.19,
	 15.94, 0, 54.41, 0.09, 0.1},
	{"gemma3, q4_0", GEMMA3, 4096, 1, "q4_0", 512, 2.25, 2.81, 0, 57.31, 0.03, 0.1},
	{"gemma4, shared caches, per-layer embeddings", GEMMA4, 4096, 2, "f16", 512, 32.00, 16.00,
	 0, 38.03, 0.06, 0.1},
	{"gemma4, 8192 x 4", GEMMA4, 8192, 4, "f16", 512, 128.00, 32.00, 0, 42.03, 0.12, 0.1},
	{"gemma4, q8_0", GEMMA4, 1000, 3, "q8_0", 512, 6.38, 12.75, 0, 36.38, 0.09, 0.1},
	{"qwen3moe", QWEN3MOE, 4096, 2, "f16", 512, 48.00, 0, 0, 31.02, 0.03, 0},
	{"qwen3moe, q8_0 1000 x 3", QWEN3MOE, 1000, 3, "q8_0", 512, 9.56, 0, 0, 28.15, 0.05, 0},
	{"deepseek2, latents", DEEPSEEK2, 4096, 2, "f16", 512, 54.00, 0, 0, 54.01, 0.03, 4},
	{"deepseek2, q8_0 latents", DEEPSEEK2, 1000, 3, "q8_0", 512, 10.76, 0, 0, 51.11, 0.05, 4},
	{"deepseek2, q4_0 latents", DEEPSEEK2, 4096, 1, "q4_0", 512, 7.59, 0, 0, 54.01, 0.02, 4},
	{"qwen35moe, recurrent", QWEN35MOE, 4096, 2, "f16", 512, 32.00, 0, 12.56, 32.12, 0.03, 7},
	{"qwen35moe, 8192 x 4", QWEN35MOE, 8192, 4, "f16", 512, 128.00, 0, 25.12, 42.21, 0.06, 7},
	{"qwen35moe, q4_0", QWEN35MOE, 4096, 1, "q4_0", 512, 4.50, 0, 6.28, 31.29, 0.02, 7},
	{"qwen35, recurrent", QWEN35, 4096, 2, "f16", 512, 32.00, 0, 12.56, 32.12, 0.03, 7},
	{"qwen35, q8_0", QWEN35, 1000, 3, "q8_0", 512, 6.38, 0, 18.84, 35.50, 0.05, 7},
};

static void size_logs(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, logs) {
		struct size_load load = {.context_tokens = c->context,
					 .sequences = c->sequences,
					 .kv_cache = c->kv_cache,
					 .batch_tokens = c->batch};
		struct size_budget b = {0};
		struct toy t;
		struct err e = {0};

		assert_int_equal(size_compute(toy_of(&t, &c->model), &rt->memory, &load, &b, &e),
				 0);
		near((double) b.kv_full, c->kv_mib);
		near((double) b.kv_window, c->window_mib);
		near((double) b.recurrent, c->rs_mib);
		near((double) b.output, c->output_mib);
		double off = 100 * ((double) b.compute / MIB / c->compute_mib - 1);
		if (!c->off)
			near((double) b.compute, c->compute_mib);
		else if (off > c->off || off < -c->off)
			fail_msg("compute buffer: %.2f MiB in place of %.2f, off by %.1f %%",
				 (double) b.compute / MIB, c->compute_mib, off);
		assert_int_equal(b.planned,
				 b.weights + b.adapters + b.kv_cache + b.recurrent + b.compute +
					 b.output + b.overhead);
		assert_int_equal(b.host, b.planned);
	}
}

/* The process itself, SmolLM2 with one adapter after long answers: 42 MiB for one sequence, 47 MiB
 * for four. */
static void size_overhead(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	static const struct shape smol = SMOL;
	struct toy t;
	struct model_facts *m = toy_of(&t, &smol);
	struct size_load load = {.context_tokens = 2048,
				 .sequences = 4,
				 .kv_cache = "f16",
				 .batch_tokens = 512,
				 .adapters = 4884480};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	m->tensor_bytes = 96576768;
	assert_int_equal(size_compute(m, &rt->memory, &load, &b, &e), 0);
	assert_int_equal(b.overhead >> 20, 52);
	/* Resident at its end: 341.3 MiB, of which 1.8 MiB are the model's own header. */
	assert_true(b.planned > (uint64_t) (341.3 * MIB) &&
		    b.planned < (uint64_t) (341.3 * 1.05 * MIB));
}

/* Where the weights are on a device, the host keeps the mapped files, the output and the
 * process. */
static void size_device(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	static const struct shape smol = SMOL;
	struct toy t;
	struct model_facts *m = toy_of(&t, &smol);
	struct size_load load = {.context_tokens = 2048,
				 .sequences = 4,
				 .kv_cache = "f16",
				 .batch_tokens = 512,
				 .on_device = true,
				 .device_overhead = 457 << 20};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	m->tensor_bytes = 96576768;
	assert_int_equal(size_compute(m, &rt->memory, &load, &b, &e), 0);
	assert_int_equal(b.overhead, 457 << 20);
	assert_int_equal(b.host, b.weights + 4 * 49152 * 4 + (52 << 20));
	assert_int_equal(b.output, 0);
	assert_int_equal(b.planned, b.weights + b.kv_cache + b.compute + b.overhead);
}

/* KV bytes of one token in all layers, and of worked examples. */
static const struct {
	const char *name, *type;
	uint64_t kv_heads_sum, head, tokens, bytes;
} caches[] = {
	{"textbook: 40 layers, 2 KV heads of 256, 8192 x 4", "f16", 80, 256, 8192 * 4, 2684354560},
	{"Qwen3.6-27B, 16 full layers, 262144: 16384 MiB", "f16", 64, 256, 262144,
	 (uint64_t) 16384 << 20},
	{"Qwen3.6-35B-A3B, 10 full layers: 20480 a token", "f16", 20, 256, 1, 20480},
	{"SmolLM2, one token", "f16", 90, 64, 1, 23040},
	{"q8_0 is 0.53125 of f16", "q8_0", 90, 64, 1, 12240},
	{"q4_0", "q4_0", 90, 64, 1, 6480},
	{"iq4_nl", "iq4_nl", 90, 64, 1, 6480},
	{"f32", "f32", 90, 64, 1, 46080},
};

static void size_caches(void **state) {
	(void) state;
	EACH_CASE (c, caches) {
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
	struct model_facts m = {.conv_kernel = 4,
				.inner_size = 6144,
				.group_count = 16,
				.state_size = 128};
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
	{"no layers",
	 {.embedding = 64},
	 256,
	 1,
	 0,
	 "f16",
	 ERR_SPEC,
	 "the model does not say its layers, width and heads, so its KV cache cannot be sized"},
	{"unknown type", SMOL, 256, 1, 0, "q3_0", ERR_SPEC, "'q3_0' is no type of a KV cache"},
	{"endless context", SMOL, UINT64_MAX, 1, 0, "f16", ERR_NOFIT,
	 "the memory that this asks for is no number of 64 bits"},
	{"endless cache", SMOL, UINT64_MAX / 2, 1, 0, "f16", ERR_NOFIT,
	 "the memory that this asks for is no number of 64 bits"},
	{"endless sequences", SMOL, 256, UINT64_MAX, 0, "f16", ERR_NOFIT,
	 "the memory that this asks for is no number of 64 bits"},
	{"endless adapters", SMOL, 256, 1, UINT64_MAX, "f16", ERR_NOFIT,
	 "the memory that this asks for is no number of 64 bits"},
};

static void size_refused(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, refused) {
		struct size_load load = {.context_tokens = c->context,
					 .sequences = c->sequences,
					 .kv_cache = c->kv_cache,
					 .batch_tokens = 512,
					 .adapters = c->adapters};
		struct size_budget b = {0};
		struct toy t;
		struct err e = {0};

		assert_int_equal(size_compute(toy_of(&t, &c->model), &rt->memory, &load, &b, &e),
				 -1);
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
	{"textbook: 7.6 + 5.0 + 2.0 GB of 19.2 GB", 24000000000, 20,
	 7600000000 + 5000000000 + 2000000000, true},
	{"textbook: 4.4 + 8.6 + 2.0 GB of 19.2 GB", 24000000000, 20,
	 4400000000 + 8600000000 + 2000000000, true},
	{"to the byte", 24000000000, 20, 19200000000, true},
	{"one byte over", 24000000000, 20, 19200000001, false},
	{"no reserve", 10, 0, 10, true},
	{"the reserve is rounded up", 11, 20, 9, false},
	{"largest device", UINT64_MAX, 20, UINT64_MAX, false},
	{"largest reserve", 100, 90, 10, true},
};

static void size_devices(void **state) {
	(void) state;
	EACH_CASE (c, devices)
		assert_int_equal(capacity_admits(c->capacity, c->reserve_percent, c->planned),
				 c->admits);
}

static void size_limits(void **state) {
	(void) state;
	assert_int_equal(capacity_limit(100 << 20, 20), 120 << 20);
	assert_int_equal(capacity_limit((100 << 20) + 1, 20), 121 << 20);
	assert_int_equal(capacity_limit(0, 20), 0);
	assert_int_equal(capacity_limit(UINT64_MAX, 20), UINT64_MAX - ((1 << 20) - 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_logs),      cmocka_unit_test(size_overhead),
		cmocka_unit_test(size_device),    cmocka_unit_test(size_caches),
		cmocka_unit_test(size_recurrent), cmocka_unit_test(size_refused),
		cmocka_unit_test(size_devices),   cmocka_unit_test(size_limits),
	};
	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
