/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/table_internal.h"

#define MAX_BYTES ((int64_t) 1 << 46)

#define WIDTH(name) {.key = name, .type = SCHEMA_INT, .fallback = "0", .max = 1000, .doc = "Times this width of the model."}

static const struct schema_field sum_fields[] = {
	WIDTH("embedding"), WIDTH("feed_forward"), WIDTH("query"), WIDTH("kv"), WIDTH("rotated"), WIDTH("experts_inner"),
	WIDTH("experts_output"), WIDTH("per_layer"), WIDTH("convolution"), WIDTH("inner"), WIDTH("index_query"), WIDTH("selected"),
	{.key = "states", .type = SCHEMA_INT, .fallback = "0", .max = 1000, .doc = "Times the states of one recurrent layer, once a batch."},
	{0},
};
static const struct schema_field sum = {.type = SCHEMA_OBJECT, .fields = sum_fields};
static const struct schema_field family_fields[] = {
	{.key = "architectures", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .min = 1, .max = 64, .doc = "As the model's file names them."},
	{.key = "sums", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &sum, .min = 1, .max = 8, .doc = "In place of the common ones."},
	{.key = "cell_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1024, .doc = "In place of the common ones; 0: those."},
	{0},
};
static const struct schema_field family = {.type = SCHEMA_OBJECT, .fields = family_fields};
static const struct schema_field compute_fields[] = {
	{.key = "sums", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &sum, .min = 1, .max = 8, .doc = "Numbers a token of a batch; the largest counts."},
	{.key = "families", .type = SCHEMA_LIST, .fallback = "[]", .element = &family, .max = 8, .doc = "Architectures with sums of their own."},
	{.key = "cell_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1024, .doc = "Bytes for each token of a batch and of a context."},
	{.key = "token_bytes", .type = SCHEMA_INT, .fallback = "0", .max = 1 << 20, .doc = "Bytes for each token of a batch."},
	{.key = "number_bytes", .type = SCHEMA_INT, .fallback = "4", .min = 1, .max = 8, .doc = "Bytes of a number of the sums."},
	{0},
};
static const struct schema_field overhead_fields[] = {
	{.key = "base", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Of the process."},
	{.key = "sequence", .type = SCHEMA_BYTES, .fallback = "0B", .max = MAX_BYTES, .doc = "Of each sequence."},
	{.key = "vocabulary_entry", .type = SCHEMA_BYTES, .fallback = "0B", .max = 1 << 20, .doc = "Of each entry of the vocabulary."},
	{0},
};
static const char *const memory_models[] = {"llama_cpp", "paged_fraction_of_total", "paged_fraction_of_free", "unified", NULL};
const struct schema_field runtime_memory_fields[] = {
	{.key = "model", .type = SCHEMA_ENUM, .fallback = "llama_cpp", .choices = memory_models,
	 .doc = "How the engine takes memory: as much as it needs (llama_cpp, unified), or a fraction of the device, with the KV cache in pages."},
	{.key = "fraction", .type = SCHEMA_FRACTION, .fallback = "0.90", .min = 1, .max = 100,
	 .doc = "What an engine with pages takes: of the device, or of what the weights leave free."},
	{.key = "block_tokens", .type = SCHEMA_INT, .fallback = "16", .min = 1, .max = 65536, .doc = "Tokens of a page."},
	{.key = "fragmentation", .type = SCHEMA_FRACTION, .fallback = "0", .max = 100, .doc = "Memory lost between allocations, of KV cache and buffers."},
	{.key = "one_pool", .type = SCHEMA_BOOL, .fallback = "false", .doc = "Whether all sequences share one pool of cells."},
	{.key = "window_multiple", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 65536, .doc = "Tokens that the cells of a sliding window are rounded up to."},
	{.key = "rotates_quantized", .type = SCHEMA_BOOL, .fallback = "false",
	 .doc = "Whether a quantized KV cache needs a rotation matrix for keys and one for values."},
	{.key = "host_embeddings", .type = SCHEMA_BOOL, .fallback = "false",
	 .doc = "Whether the embedding tables that are read by row stay with the host when a device computes."},
	{.key = "context_multiple", .type = SCHEMA_INT, .fallback = "1", .min = 1, .max = 65536, .doc = "Tokens that a context is rounded up to."},
	{.key = "batch_tokens", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = 1 << 20, .doc = "Tokens of a batch that is computed at once."},
	{.key = "batch_args", .type = SCHEMA_LIST, .fallback = "[]", .max = 8, .doc = "Extra arguments that change it."},
	{.key = "compute", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = compute_fields, .doc = "The compute buffer."},
	{.key = "output_bytes", .type = SCHEMA_INT, .fallback = "4", .max = 1024, .doc = "Bytes for each sequence and entry of the vocabulary."},
	{.key = "overhead", .type = SCHEMA_OBJECT, .fields = overhead_fields, .doc = "Memory of the process beside all that."},
	{0},
};

const struct schema_field runtime_sparsity_fields[] = {
	{.key = "executes", .type = SCHEMA_LIST, .fallback = "[]", .max = 16, .doc = "Patterns whose zeros it skips (2:4); every other checkpoint counts as dense."},
	{0},
};
