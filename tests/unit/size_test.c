/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
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
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	assert_int_equal(runtime_load("runtimes/llama.cpp", &rt, &c, &e), 0);
	return rt;
}

/* A model by its widths. */
struct shape {
	size_t layers;
	uint64_t embedding;
	uint32_t feed_forward, heads, kv_heads, head;
	uint64_t vocabulary;
	/* Beyond the plain ones: a window in all layers but each `interval`-th, whose heads are `head_swa` wide; layers of the end without a
	 * cache of their own; a recurrent state in their place; experts; latents. */
	const char *architecture;
	uint32_t interval, window, head_swa, kv_swa, shared, per_layer;
	uint32_t experts_used, expert_width;
	uint32_t latent, rotated;
	uint32_t inner, state, groups;
};

struct toy {
	struct model_facts m;
	struct model_layer layers[64];
};

static void toy_layer(struct toy *t, const struct shape *s, size_t i) {
	bool other = s->interval && (i + 1) % s->interval;
	struct model_layer *l = &t->layers[i];

	*l = (struct model_layer){.heads = s->heads, .kv_heads = s->kv_heads, .key_length = s->head, .value_length = s->head,
				  .feed_forward = s->feed_forward};
	if (s->experts_used && (!s->latent || i)) {
		l->has_experts = true;
		l->feed_forward = s->expert_width;
	}
	if (s->latent) {
		l->key_length = s->latent + s->rotated;
		l->value_length = 0;
	}
	l->shares_kv = i >= s->layers - s->shared;
	if (other && s->window) {
		l->kind = MODEL_WINDOW;
		l->key_length = l->value_length = s->head_swa ? s->head_swa : s->head;
		l->kv_heads = s->kv_swa ? s->kv_swa : s->kv_heads;
	} else if (other && s->inner) {
		*l = (struct model_layer){.kind = MODEL_RECURRENT, .has_state = true, .has_experts = l->has_experts, .feed_forward = l->feed_forward};
	}
}

static struct model_facts *toy_of(struct toy *t, const struct shape *s) {
	memset(t, 0, sizeof *t);
	t->m = (struct model_facts){.tensor_bytes = 1, .layers = t->layers, .n_layers = s->layers, .embedding_length = s->embedding,
				    .vocabulary = s->vocabulary, .sliding_window = s->window, .experts_used = s->experts_used,
				    .kv_lora_rank = s->latent, .rope_dimension = s->rotated, .inner_size = s->inner, .state_size = s->state,
				    .group_count = s->groups, .conv_kernel = s->inner ? 4 : 0};
	(void) snprintf(t->m.architecture, sizeof t->m.architecture, "%s", s->architecture ? s->architecture : "other");
	if (s->per_layer) {
		t->m.token_embedding_bytes = s->embedding;
		t->m.per_layer_embedding_bytes = (uint64_t) s->per_layer * s->layers;
	}
	for (size_t i = 0; i < s->layers; i++)
		toy_layer(t, s, i);
	return &t->m;
}

#define SHAPE(...) {__VA_ARGS__, .architecture = "llama"}

#define SMOL SHAPE(30, 576, 1536, 9, 3, 64, 49152)
#define LLAMA SHAPE(8, 1024, 2816, 16, 4, 64, 4096)
#define GEMMA3 {12, 1152, 6912, 4, 1, 256, 8192, .interval = 6, .window = 512}
#define GEMMA4 {15, 768, 3072, 8, 1, 512, 8192, .interval = 5, .window = 512, .head_swa = 256, .shared = 5, .per_layer = 128}
#define QWEN3MOE {6, 1024, 0, 16, 2, 128, 4096, .experts_used = 4, .expert_width = 384}
#define DEEPSEEK2 {6, 1024, 2816, 16, 1, 0, 4096, .experts_used = 4, .expert_width = 384, .latent = 512, .rotated = 64}
#define QWEN35MOE {8, 1024, 0, 8, 2, 256, 4096, .architecture = "qwen35moe", .interval = 4, .experts_used = 4, .expert_width = 256, \
	.inner = 2048, .state = 128, .groups = 8}
#define QWEN35 {8, 1024, 2816, 8, 2, 256, 4096, .architecture = "qwen35", .interval = 4, .inner = 2048, .state = 128, .groups = 8}

/* Against the log of llama-server 1:0.7.0+dfsg-2 on a CPU (--log-verbosity 4), MiB as it prints them: SmolLM2-135M, and
 * generated models of other shapes. KV and state equal what is printed; the compute buffer is off by so many percent at most. */
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
	{"SmolLM2, 333 x 3, rounded to 512 each", SMOL, 333, 3, "f16", 512, 33.75, 0, 0, 15.17, 0.56, 0},
	{"SmolLM2, 512 x 16", SMOL, 512, 16, "f16", 512, 180.00, 0, 0, 15.14, 3.00, 0},
	{"SmolLM2, batch of 256", SMOL, 2048, 4, "f16", 256, 180.00, 0, 0, 8.32, 0.75, 0},
	{"SmolLM2, batch of 1024", SMOL, 2048, 4, "f16", 1024, 180.00, 0, 0, 33.29, 0.75, 0},
	{"SmolLM2, q8_0", SMOL, 2048, 4, "q8_0", 512, 95.62, 0, 0, 16.67, 0.75, 0},
	{"llama 1024/4096", SHAPE(4, 1024, 4096, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 0, 0, 36.02, 0.75, 0},
	{"llama 2048/5632", SHAPE(4, 2048, 5632, 32, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 0, 0, 55.02, 0.75, 0},
	{"llama 1024/256, wide query", SHAPE(4, 1024, 256, 16, 2, 128, 49152), 2048, 4, "f16", 512, 32.00, 0, 0, 20.02, 0.75, 0},
	{"llama 1024/256, no GQA", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "f16", 512, 128.00, 0, 0, 16.02, 0.75, 0},
	{"llama 1024/256, no GQA, q4_0", SHAPE(4, 1024, 256, 16, 16, 64, 49152), 2048, 4, "q4_0", 512, 36.00, 0, 0, 16.05, 0.75, 0},
	/* No model is so narrow inside: where tensors fit into gaps that others leave, the sums do not say so. */
	{"llama 1024/512, no GQA", SHAPE(4, 1024, 512, 16, 16, 64, 49152), 2048, 4, "f16", 512, 128.00, 0, 0, 18.02, 0.75, 12},
	{"llama 1024/256, GQA", SHAPE(4, 1024, 256, 16, 4, 64, 49152), 2048, 4, "f16", 512, 32.00, 0, 0, 14.02, 0.75, 15},
	{"llama 1024/256, narrow heads", SHAPE(4, 1024, 256, 8, 8, 64, 49152), 2048, 4, "f16", 512, 64.00, 0, 0, 13.02, 0.75, 8},
	{"qwen3 1024/3072", SHAPE(4, 1024, 3072, 16, 8, 128, 49152), 2048, 4, "f16", 512, 128.00, 0, 0, 30.02, 0.75, 0},
	{"llama, GQA", LLAMA, 4096, 2, "f16", 512, 64.00, 0, 0, 30.52, 0.03, 0},
	{"llama, q8_0 1000 x 3", LLAMA, 1000, 3, "q8_0", 512, 12.75, 0, 0, 27.60, 0.05, 0},
	{"llama, q4_0", LLAMA, 4096, 1, "q4_0", 512, 9.00, 0, 0, 30.55, 0.02, 0},
	{"gemma3, window of 512", GEMMA3, 4096, 2, "f16", 512, 16.00, 20.00, 0, 56.78, 0.06, 0.1},
	{"gemma3, 8192 x 4", GEMMA3, 8192, 4, "f16", 512, 64.00, 40.00, 0, 60.78, 0.12, 0.1},
	{"gemma3, q8_0, context as long as the window's cells", GEMMA3, 1000, 3, "q8_0", 512, 3.19, 15.94, 0, 54.41, 0.09, 0.1},
	{"gemma3, q4_0", GEMMA3, 4096, 1, "q4_0", 512, 2.25, 2.81, 0, 57.31, 0.03, 0.1},
	{"gemma4, shared caches, per-layer embeddings", GEMMA4, 4096, 2, "f16", 512, 32.00, 16.00, 0, 38.03, 0.06, 0.1},
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
		near((double) b.kv_full, c->kv_mib);
		near((double) b.kv_window, c->window_mib);
		near((double) b.recurrent, c->rs_mib);
		near((double) b.output, c->output_mib);
		double off = 100 * ((double) b.compute / MIB / c->compute_mib - 1);
		if (!c->off)
			near((double) b.compute, c->compute_mib);
		else if (off > c->off || off < -c->off)
			fail_msg("compute buffer: %.2f MiB in place of %.2f, off by %.1f %%", (double) b.compute / MIB, c->compute_mib, off);
		assert_int_equal(b.planned, b.weights + b.adapters + b.kv_cache + b.recurrent + b.compute + b.output + b.overhead);
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

/* KV cache and states of real models for one sequence and batches of 512, f16, MiB; 8K, 32K, 128K and 256K of context (0: longer than the
 * model's). Full layers first, then those with a window. */
static const struct {
	const char *name;
	uint32_t full, kv_full, head_full, windows, kv_swa, head_swa, window, shared, states, inner, groups;
	uint64_t sequences;
	double mib[4];
} models[] = {
	{"Gemma 4 E2B", 3, 1, 512, 12, 1, 256, 512, 20, 0, 0, 0, 1, {60, 204, 780, 0}},
	{"Gemma 4 E4B", 4, 2, 512, 20, 2, 256, 512, 18, 0, 0, 0, 1, {168, 552, 2088, 0}},
	{"Gemma 4 12B", 8, 1, 512, 40, 8, 256, 1024, 0, 0, 0, 0, 1, {608, 992, 2528, 4576}},
	{"Gemma 4 26B-A4B", 5, 2, 512, 25, 8, 256, 1024, 0, 0, 0, 0, 1, {460, 940, 2860, 5420}},
	{"Gemma 4 31B", 10, 4, 512, 50, 16, 256, 1024, 0, 0, 0, 0, 1, {1840, 3760, 11440, 21680}},
	{"Qwen3.6-35B-A3B", 10, 2, 256, 0, 0, 0, 0, 0, 30, 4096, 16, 1, {222.8, 702.8, 2622.8, 5182.8}},
	{"Qwen3.6-27B", 16, 4, 256, 0, 0, 0, 0, 0, 48, 6144, 16, 1, {661.6, 2197.6, 8341.6, 16533.6}},
	{"Qwen3.6-27B, 4 sequences: 598.5 MiB of states", 16, 4, 256, 0, 0, 0, 0, 0, 48, 6144, 16, 4, {2646.5, 8790.5, 33366.5, 66134.5}},
};

static void model_layers_of(struct toy *t, size_t n, const struct model_layer *l) {
	for (size_t i = 0; i < n; i++)
		t->layers[t->m.n_layers++] = *l;
}

static void size_models(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, models) {
		struct toy t = {.m = {.layers = t.layers, .embedding_length = 2048, .sliding_window = c->window, .conv_kernel = 4,
				      .inner_size = c->inner, .state_size = c->inner ? 128 : 0, .group_count = c->groups}};
		struct model_layer full = {.kv_heads = c->kv_full, .key_length = c->head_full, .value_length = c->head_full}, shared = full;
		struct err e = {0};

		shared.shares_kv = true;
		model_layers_of(&t, c->full, &full);
		model_layers_of(&t, c->windows, &(struct model_layer){.kind = MODEL_WINDOW, .kv_heads = c->kv_swa, .key_length = c->head_swa,
								      .value_length = c->head_swa});
		model_layers_of(&t, c->states, &(struct model_layer){.kind = MODEL_RECURRENT, .has_state = true});
		model_layers_of(&t, c->shared, &shared);
		for (size_t i = 0; i < 4; i++) {
			struct size_load load = {.context_tokens = (uint64_t) 8192 << (i < 3 ? 2 * i : 5), .sequences = c->sequences,
						 .kv_cache = "f16", .batch_tokens = 512};
			struct size_budget b = {0};
			assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
			double off = (double) (b.kv_cache + b.recurrent) / MIB - c->mib[i];
			if (c->mib[i] > 0 && (off > 0.05 || off < -0.05))
				fail_msg("%.2f MiB more than %.1f", off, c->mib[i]);
		}
	}
}

/* np=4 with one pool: PAD(4 x 1024 + 512, 256) = 4608 cells for the windows of Gemma 4 12B; without, 1536 for each sequence. */
static void size_one_pool(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct toy t = {.m = {.layers = t.layers, .embedding_length = 3840, .sliding_window = 1024}};
	struct size_load load = {.context_tokens = 8192, .sequences = 4, .kv_cache = "f16", .batch_tokens = 512};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	model_layers_of(&t, 40, &(struct model_layer){.kind = MODEL_WINDOW, .kv_heads = 8, .key_length = 256, .value_length = 256});
	assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
	near((double) b.kv_window, 4 * 480);
	rt->memory.one_pool = true;
	assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
	near((double) b.kv_window, 1440);
	assert_int_equal(b.kv_full, 0);
}

/* The worked examples of the textbook; GB of 10^9 bytes, to the digit that it prints. */
static void gb(uint64_t bytes, const char *want) {
	char text[32];

	(void) snprintf(text, sizeof text, "%.*f", strchr(want, '.') ? (int) strlen(strchr(want, '.') + 1) : 0, (double) bytes / 1e9);
	assert_string_equal(text, want);
}

static void size_textbook(void **state) {
	static const struct shape eight_b = SHAPE(32, 4096, 14336, 32, 8, 128, 1), hybrid = SHAPE(40, 2048, 6144, 16, 2, 256, 1);
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct size_load load = {.context_tokens = 8192, .sequences = 2, .kv_cache = "f16", .batch_tokens = 512};
	struct size_budget b = {0};
	struct toy t;
	struct err e = {0};

	(void) state;
	assert_int_equal(size_compute(toy_of(&t, &eight_b), &rt->memory, &load, &b, &e), 0);
	gb(b.kv_cache, "2.15");
	load.context_tokens = 16384;
	load.sequences = 4;
	assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
	gb(b.kv_cache, "8.6");
	load.context_tokens = 8192;
	assert_int_equal(size_compute(toy_of(&t, &hybrid), &rt->memory, &load, &b, &e), 0);
	gb(b.kv_cache, "2.7");
	t.m.tensor_bytes = (uint64_t) 35000000000 * 2;
	assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
	gb(b.weights, "70.0");
	gb(b.planned - b.compute - b.output - b.overhead, "72.7");
	gb(7600000000 + 5000000000, "12.6");
	gb(size_usable(24000000000, 20), "19.2");
	assert_true(size_admits(24000000000, 20, 14600000000));
}

/* Embedding tables that are read by row stay with the host; a tied one is on the device, too. GB as in facts of Gemma 4 E2B. */
static const struct {
	const char *name;
	uint64_t tokens, output, per_layer, device, host_weights;
} splits[] = {
	{"own output", 400, 400, 0, 600, 400},
	{"tied: on the device a second time", 400, 0, 0, 1000, 400},
	{"per-layer embeddings", 100, 0, 500, 500, 600},
};

static void size_splits(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE(c, splits) {
		static const struct shape smol = SMOL;
		struct size_load load = {.context_tokens = 256, .sequences = 1, .kv_cache = "f16", .batch_tokens = 512, .on_device = true};
		struct size_budget b = {0};
		struct toy t;
		struct err e = {0};

		toy_of(&t, &smol);
		t.m.tensor_bytes = 1000;
		t.m.token_embedding_bytes = c->tokens;
		t.m.output_bytes = c->output;
		t.m.per_layer_embedding_bytes = c->per_layer;
		assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
		assert_int_equal(b.weights, c->device);
		assert_int_equal(b.host_weights, c->host_weights);
		rt->memory.host_embeddings = false;
		assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
		assert_int_equal(b.weights, 1000);
		assert_int_equal(b.host_weights, 0);
		rt->memory.host_embeddings = true;
	}
}

/* Engines that take a fraction of the device. Bytes. */
static const struct {
	const char *name;
	enum runtime_memory_model model;
	unsigned fraction;
	uint64_t capacity, fixed, cache;
	uint64_t taken, kv;
	bool holds;
	unsigned least;
} paged[] = {
	{"of all: 24 GB x 0.92, 14 of weights and buffers", RUNTIME_PAGED_OF_TOTAL, 92, 24000, 14000, 4000, 22080, 8080, true, 75},
	{"of all: pages too few", RUNTIME_PAGED_OF_TOTAL, 50, 24000, 11000, 4000, 12000, 1000, false, 63},
	{"of all: weights alone too large", RUNTIME_PAGED_OF_TOTAL, 92, 24000, 30000, 4000, 22080, 0, false, 142},
	{"of what is free: (24 - 14) x 0.90", RUNTIME_PAGED_OF_FREE, 90, 24000, 14000, 4000, 23000, 9000, true, 40},
	{"of what is free: nothing is", RUNTIME_PAGED_OF_FREE, 90, 24000, 24000, 4000, 24000, 0, false, 1000},
};

static void size_pages(void **state) {
	(void) state;
	EACH_CASE(c, paged) {
		struct runtime_memory rt = {.model = c->model, .fraction_percent = c->fraction};
		struct size_budget b = {.planned = c->fixed + c->cache, .kv_cache = c->cache};
		struct size_pages p = {0};

		assert_true(size_paged(&rt, &b, c->capacity, &p));
		assert_int_equal(p.taken, c->taken);
		assert_int_equal(p.kv, c->kv);
		assert_int_equal(p.holds_load, c->holds);
		assert_int_equal(p.least_percent, c->least);
	}
	struct size_pages p = {.kv = 7};
	assert_false(size_paged(&(struct runtime_memory){.model = RUNTIME_LLAMA_CPP}, &(struct size_budget){0}, 1, &p));
	assert_int_equal(p.kv, 7);
}

/* Pages of 16 tokens: contexts are rounded to them, windows may begin and end inside of one (vLLM's SlidingWindowSpec). */
static void size_page_cells(void **state) {
	struct runtime_memory rt = {.model = RUNTIME_PAGED_OF_TOTAL, .block_tokens = 16, .context_multiple = 1, .window_multiple = 1, .number_bytes = 2};
	struct toy t = {.m = {.layers = t.layers, .embedding_length = 64, .sliding_window = 100}};
	struct size_load load = {.context_tokens = 1001, .sequences = 3, .kv_cache = "fp8_e4m3", .batch_tokens = 50, .on_device = true};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	model_layers_of(&t, 1, &(struct model_layer){.kv_heads = 1, .key_length = 4, .value_length = 4});
	model_layers_of(&t, 1, &(struct model_layer){.kind = MODEL_WINDOW, .kv_heads = 1, .key_length = 4, .value_length = 4});
	rt.fragmentation_percent = 10;
	assert_int_equal(size_compute(&t.m, &rt, &load, &b, &e), 0);
	assert_int_equal(b.kv_full, 1008 * 3 * 8);
	assert_int_equal(b.kv_window, (160 + 16) * 3 * 8);
	assert_int_equal(b.fragmentation, (b.kv_cache + b.compute + 9) / 10);
	assert_int_equal(b.planned, 1 - 1 + b.kv_cache + b.compute + b.fragmentation);
}

/* Where processor and GPU share their memory, everything is in it once. */
static void size_unified(void **state) {
	static const struct shape smol = SMOL;
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct size_load load = {.context_tokens = 256, .sequences = 1, .kv_cache = "f16", .batch_tokens = 512, .on_device = true};
	struct size_budget b = {0};
	struct toy t;
	struct err e = {0};

	(void) state;
	rt->memory.model = RUNTIME_UNIFIED;
	rt->memory.host_embeddings = false;
	assert_int_equal(size_compute(toy_of(&t, &smol), &rt->memory, &load, &b, &e), 0);
	assert_int_equal(b.host, b.planned);
}

/* A 50 % sparse checkpoint on a dense runtime: 42.0 ms stays 42.0, and no byte is gained. */
static const struct {
	const char *name, *sparsity, *executes;
	bool skipped;
	const char *words;
} sparse[] = {
	{"dense", "", "2:4", false, ""},
	{"half of it zeros, dense runtime", "unstructured 50 %", NULL, false,
	 "the checkpoint is unstructured 50 % sparse, and toy computes with its zeros: it counts as dense, in bytes and in time"},
	{"2:4, dense runtime", "2:4", NULL, false, "the checkpoint is 2:4 sparse, and toy computes with its zeros: it counts as dense, in bytes and in time"},
	{"2:4, runtime skips another pattern", "2:4", "1:4", false,
	 "the checkpoint is 2:4 sparse, and toy computes with its zeros: it counts as dense, in bytes and in time"},
	{"2:4, runtime skips it", "2:4", "2:4", true, "the checkpoint is 2:4 sparse, and toy skips that work"},
};

static void size_sparse(void **state) {
	(void) state;
	EACH_CASE(c, sparse) {
		struct model_facts m = {0};
		struct runtime rt = {.name = "toy", .sparsity = &c->executes, .n_sparsity = c->executes ? 1 : 0};
		char words[160];

		(void) snprintf(m.sparsity, sizeof m.sparsity, "%s", c->sparsity);
		assert_int_equal(size_sparsity(&m, &rt, words, sizeof words), c->skipped);
		assert_string_equal(words, c->words);
		char ms[16];
		(void) snprintf(ms, sizeof ms, "%.1f", 42.0 * (c->skipped ? 0.5 : 1));
		assert_string_equal(ms, c->skipped ? "21.0" : "42.0");
	}
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
		cmocka_unit_test(size_models),	  cmocka_unit_test(size_one_pool), cmocka_unit_test(size_textbook),
		cmocka_unit_test(size_splits),	  cmocka_unit_test(size_pages),	   cmocka_unit_test(size_page_cells),
		cmocka_unit_test(size_unified),	  cmocka_unit_test(size_sparse),
	};

	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
