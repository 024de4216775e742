/* SPDX-License-Identifier: Apache-2.0 */
#include "capacity/capacity.h"
#include "size_parts.h"

/* KV cache and states of real models for one sequence and batches of 512, f16, MiB; 8K, 32K, 128K
 * and 256K of context (0: longer than the model's). Full layers first, then those with a window. */
static const struct {
	const char *name;
	uint32_t full, kv_full, head_full, windows, kv_swa, head_swa, window, shared, states, inner,
		groups;
	uint64_t sequences;
	double mib[4];
} models[] = {
	{"Gemma 4 E2B", 3, 1, 512, 12, 1, 256, 512, 20, 0, 0, 0, 1, {60, 204, 780, 0}},
	{"Gemma 4 E4B", 4, 2, 512, 20, 2, 256, 512, 18, 0, 0, 0, 1, {168, 552, 2088, 0}},
	{"Gemma 4 12B", 8, 1, 512, 40, 8, 256, 1024, 0, 0, 0, 0, 1, {608, 992, 2528, 4576}},
	{"Gemma 4 26B-A4B", 5, 2, 512, 25, 8, 256, 1024, 0, 0, 0, 0, 1, {460, 940, 2860, 5420}},
	{"Gemma 4 31B", 10, 4, 512, 50, 16, 256, 1024, 0, 0, 0, 0, 1, {1840, 3760, 11440, 21680}},
	{"Qwen3.6-35B-A3B",
	 10,
	 2,
	 256,
	 0,
	 0,
	 0,
	 0,
	 0,
	 30,
	 4096,
	 16,
	 1,
	 {222.8, 702.8, 2622.8, 5182.8}},
	{"Qwen3.6-27B",
	 16,
	 4,
	 256,
	 0,
	 0,
	 0,
	 0,
	 0,
	 48,
	 6144,
	 16,
	 1,
	 {661.6, 2197.6, 8341.6, 16533.6}},
	{"Qwen3.6-27B, 4 sequences: 598.5 MiB of states",
	 16,
	 4,
	 256,
	 0,
	 0,
	 0,
	 0,
	 0,
	 48,
	 6144,
	 16,
	 4,
	 {2646.5, 8790.5, 33366.5, 66134.5}},
};

static void model_layers_of(struct toy *t, size_t n, const struct model_layer *l) {
	for (size_t i = 0; i < n; i++)
		t->layers[t->m.n_layers++] = *l;
}

static void size_models(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	EACH_CASE (c, models) {
		struct toy t = {.m = {.layers = t.layers,
				      .embedding_length = 2048,
				      .sliding_window = c->window,
				      .conv_kernel = 4,
				      .inner_size = c->inner,
				      .state_size = c->inner ? 128 : 0,
				      .group_count = c->groups}};
		struct model_layer full = {.kv_heads = c->kv_full,
					   .key_length = c->head_full,
					   .value_length = c->head_full},
				   shared = full;
		struct err e = {0};

		shared.shares_kv = true;
		model_layers_of(&t, c->full, &full);
		model_layers_of(&t, c->windows,
				&(struct model_layer){.kind = MODEL_WINDOW,
						      .kv_heads = c->kv_swa,
						      .key_length = c->head_swa,
						      .value_length = c->head_swa});
		model_layers_of(&t, c->states,
				&(struct model_layer){.kind = MODEL_RECURRENT, .has_state = true});
		model_layers_of(&t, c->shared, &shared);
		for (size_t i = 0; i < 4; i++) {
			struct size_load load = {.context_tokens = (uint64_t) 8192
							 << (i < 3 ? 2 * i : 5),
						 .sequences = c->sequences,
						 .kv_cache = "f16",
						 .batch_tokens = 512};
			struct size_budget b = {0};
			assert_int_equal(size_compute(&t.m, &rt->memory, &load, &b, &e), 0);
			double off = (double) (b.kv_cache + b.recurrent) / MIB - c->mib[i];
			if (c->mib[i] > 0 && (off > 0.05 || off < -0.05))
				fail_msg("%.2f MiB more than %.1f", off, c->mib[i]);
		}
	}
}

/* np=4 with one pool: PAD(4 x 1024 + 512, 256) = 4608 cells for the windows of Gemma 4 12B;
 * without, 1536 for each sequence. */
static void size_one_pool(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct toy t = {
		.m = {.layers = t.layers, .embedding_length = 3840, .sliding_window = 1024}};
	struct size_load load = {.context_tokens = 8192,
				 .sequences = 4,
				 .kv_cache = "f16",
				 .batch_tokens = 512};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	model_layers_of(&t, 40,
			&(struct model_layer){.kind = MODEL_WINDOW,
					      .kv_heads = 8,
					      .key_length = 256,
					      .value_length = 256});
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

	(void) snprintf(text, sizeof text, "%.*f",
			strchr(want, '.') ? (int) strlen(strchr(want, '.') + 1) : 0,
			(double) bytes / 1e9);
	assert_string_equal(text, want);
}

static void size_textbook(void **state) {
	static const struct shape eight_b = SHAPE(32, 4096, 14336, 32, 8, 128, 1),
				  hybrid = SHAPE(40, 2048, 6144, 16, 2, 256, 1);
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct size_load load = {.context_tokens = 8192,
				 .sequences = 2,
				 .kv_cache = "f16",
				 .batch_tokens = 512};
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
	gb(capacity_usable(24000000000, 20), "19.2");
	assert_true(capacity_admits(24000000000, 20, 14600000000));
}

/* Embedding tables that are read by row stay with the host; a tied one is on the device, too. GB as
 * in facts of Gemma 4 E2B. */
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
	EACH_CASE (c, splits) {
		static const struct shape smol = SMOL;
		struct size_load load = {.context_tokens = 256,
					 .sequences = 1,
					 .kv_cache = "f16",
					 .batch_tokens = 512,
					 .on_device = true};
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
	{"of all: 24 GB x 0.92, 14 of weights and buffers", RUNTIME_PAGED_OF_TOTAL, 92, 24000,
	 14000, 4000, 22080, 8080, true, 75},
	{"of all: pages too few", RUNTIME_PAGED_OF_TOTAL, 50, 24000, 11000, 4000, 12000, 1000,
	 false, 63},
	{"of all: weights alone too large", RUNTIME_PAGED_OF_TOTAL, 92, 24000, 30000, 4000, 22080,
	 0, false, 142},
	{"of what is free: (24 - 14) x 0.90", RUNTIME_PAGED_OF_FREE, 90, 24000, 14000, 4000, 23000,
	 9000, true, 40},
	{"of what is free: nothing is", RUNTIME_PAGED_OF_FREE, 90, 24000, 24000, 4000, 24000, 0,
	 false, 1000},
};

static void size_pages(void **state) {
	(void) state;
	EACH_CASE (c, paged) {
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
	assert_false(size_paged(&(struct runtime_memory){.model = RUNTIME_LLAMA_CPP},
				&(struct size_budget){0}, 1, &p));
	assert_int_equal(p.kv, 7);
}

/* Pages of 16 tokens: contexts are rounded to them, windows may begin and end inside of one (vLLM's
 * SlidingWindowSpec). */
static void size_page_cells(void **state) {
	struct runtime_memory rt = {.model = RUNTIME_PAGED_OF_TOTAL,
				    .block_tokens = 16,
				    .context_multiple = 1,
				    .window_multiple = 1,
				    .number_bytes = 2};
	struct toy t = {.m = {.layers = t.layers, .embedding_length = 64, .sliding_window = 100}};
	struct size_load load = {.context_tokens = 1001,
				 .sequences = 3,
				 .kv_cache = "fp8_e4m3",
				 .batch_tokens = 50,
				 .on_device = true};
	struct size_budget b = {0};
	struct err e = {0};

	(void) state;
	model_layers_of(&t, 1,
			&(struct model_layer){.kv_heads = 1, .key_length = 4, .value_length = 4});
	model_layers_of(&t, 1,
			&(struct model_layer){.kind = MODEL_WINDOW,
					      .kv_heads = 1,
					      .key_length = 4,
					      .value_length = 4});
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
	struct size_load load = {.context_tokens = 256,
				 .sequences = 1,
				 .kv_cache = "f16",
				 .batch_tokens = 512,
				 .on_device = true};
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
	 "the checkpoint is unstructured 50 % sparse, and toy computes with its zeros: it counts "
	 "as dense, in bytes and in time"},
	{"2:4, dense runtime", "2:4", NULL, false,
	 "the checkpoint is 2:4 sparse, and toy computes with its zeros: it counts as dense, in "
	 "bytes and in time"},
	{"2:4, runtime skips another pattern", "2:4", "1:4", false,
	 "the checkpoint is 2:4 sparse, and toy computes with its zeros: it counts as dense, in "
	 "bytes and in time"},
	{"2:4, runtime skips it", "2:4", "2:4", true,
	 "the checkpoint is 2:4 sparse, and toy skips that work"},
};

static void size_sparse(void **state) {
	(void) state;
	EACH_CASE (c, sparse) {
		struct model_facts m = {0};
		struct runtime rt = {.name = "toy",
				     .sparsity = &c->executes,
				     .n_sparsity = c->executes ? 1 : 0};
		char words[160];

		(void) snprintf(m.sparsity, sizeof m.sparsity, "%s", c->sparsity);
		assert_int_equal(size_sparsity(&m, &rt, words, sizeof words), c->skipped);
		assert_string_equal(words, c->words);
		char ms[16];
		(void) snprintf(ms, sizeof ms, "%.1f", 42.0 * (c->skipped ? 0.5 : 1));
		assert_string_equal(ms, c->skipped ? "21.0" : "42.0");
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_models),   cmocka_unit_test(size_one_pool),
		cmocka_unit_test(size_textbook), cmocka_unit_test(size_splits),
		cmocka_unit_test(size_pages),    cmocka_unit_test(size_page_cells),
		cmocka_unit_test(size_unified),  cmocka_unit_test(size_sparse),
	};
	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
