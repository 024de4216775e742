/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"
#include "model/model.h"
#include "model/tensor_totals.h"

/* llama_ftype of llama.cpp, as general.file_type says it. */
static const char *const file_types[] = {
	[0] = "F32",      [1] = "F16",      [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
	[8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
	[13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
	[18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
	[23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL", [26] = "IQ3_S",  [27] = "IQ3_M",
	[28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",  [32] = "BF16",
	[36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4",  [39] = "NVFP4",
};

static void put(char *out, size_t size, const char *text) {
	(void) snprintf(out, size, "%s", text ? text : "");
}

/* --- tensors --- */

/* The layer of "blk.N.rest", with its rest; -1 where it belongs to none. */
static long layer_of(const char *name, const char **rest) {
	char *end;

	if (strncmp(name, "blk.", 4) || name[4] < '0' || name[4] > '9')
		return -1;
	long n = strtol(name + 4, &end, 10);

	*rest = end;
	return *end == '.' && n < MODEL_MAX_LAYERS ? n : -1;
}

static void take_role(const struct gguf_tensor *t, struct model_facts *m) {
	const char *rest = "";
	long layer = layer_of(t->name, &rest);

	if (!strncmp(t->name, "token_embd.", 11))
		m->token_embedding_bytes += t->bytes;
	else if (!strncmp(t->name, "output.", 7))
		m->output_bytes += t->bytes;
	else if (!strncmp(t->name, "per_layer_token_embd.", 21))
		m->per_layer_embedding_bytes += t->bytes;
	else if (layer >= (long) m->n_layers)
		m->nextn_bytes += t->bytes;
	else if (layer >= 0 && strstr(rest, "_exps.")) {
		m->expert_bytes += t->bytes;
		m->layers[layer].has_experts = true;
		/* Some architectures do not look at the key of the experts' width: the tensor has
		 * it. */
		if (!strncmp(rest, ".ffn_down_exps.weight", 21) && t->dims[0] <= 1 << 24)
			m->layers[layer].feed_forward = (uint32_t) t->dims[0];
	}
}

/* Names of encoders that are built into one file by other programs. */
static bool is_encoder(const char *name) {
	static const char *const heads[] = {"v.",           "mm.",       "a.",      "clip.",
					    "vision_",      "audio_",    "visual.", "model.vision",
					    "model.visual", "resampler."};

	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		if (!strncmp(name, heads[i], strlen(heads[i])))
			return true;
	return false;
}

static int by_name(const void *a, const void *b) {
	return strcmp(((const struct model_tensor *) a)->name,
		      ((const struct model_tensor *) b)->name);
}

/* What adapters are held against. */
static void keep_tensors(const struct gguf *g, struct model_facts *m) {
	m->tensor_list = mem_zalloc(g->n_tensors + 1, sizeof *m->tensor_list);
	for (size_t i = 0; i < g->n_tensors; i++)
		m->tensor_list[i] = (struct model_tensor){mem_strdup(g->tensors[i].name),
							  {g->tensors[i].dims[0],
							   g->tensors[i].dims[1]}};
	m->n_tensor_list = g->n_tensors;
	qsort(m->tensor_list, m->n_tensor_list, sizeof *m->tensor_list, by_name);
}

/* layers: all that the file says, those that predict further tokens, too. */
static void find_stranger(const struct gguf *g, struct model_facts *m, uint64_t layers) {
	const char *rest;

	for (size_t i = 0; i < g->n_tensors && !m->stranger[0]; i++)
		if (is_encoder(g->tensors[i].name) ||
		    layer_of(g->tensors[i].name, &rest) >= (long) layers)
			put(m->stranger, sizeof m->stranger, g->tensors[i].name);
}

static int take_tensors(const struct gguf *g, struct model_facts *m, struct err *e) {
	for (size_t i = 0; i < g->n_tensors; i++) {
		const struct gguf_tensor *t = &g->tensors[i];

		if (tensor_totals_add(m, t->type, t->bytes, t->elements))
			return err_set(e, ERR_INTEGRITY, "'%s' has tensors larger than any file",
				       g->name);
		if (!model_is_adapter(m))
			take_role(t, m);
	}
	m->file_bytes += g->file_bytes;
	m->files++;
	return 0;
}

/* --- the architecture's numbers --- */

static int take_sizes(const struct gguf *g, struct model_facts *m, uint64_t *nextn, struct err *e) {
	uint64_t vocabulary, layers;
	const struct {
		const char *key;
		uint64_t *out;
		uint64_t most;
	} keys[] = {
		{"embedding_length", &m->embedding_length, 1 << 24},
		{"context_length", &m->context_length, (uint64_t) 1 << 40},
		{"vocab_size", &vocabulary, (uint64_t) 1 << 32},
		{"block_count", &layers, UINT64_MAX},
		{"nextn_predict_layers", nextn, UINT64_MAX},
		{"rope.dimension_count", &m->rope_dimension, 1 << 24},
		{"expert_count", &m->experts, 1 << 24},
		{"expert_used_count", &m->experts_used, 1 << 24},
		{"expert_shared_count", &m->experts_shared, 1 << 24},
		{"expert_feed_forward_length", &m->expert_feed_forward, 1 << 24},
	};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (gguf_own_number(g, m, keys[i].key, 0, keys[i].out, e))
			return -1;
		if (*keys[i].out > keys[i].most)
			return err_set(e, ERR_INTEGRITY,
				       "'%s' says '%s.%s' with a value out of range", g->name,
				       m->architecture, keys[i].key);
	}
	if (layers > MODEL_MAX_LAYERS)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says '%s.block_count' with %llu layers, the limit is %d",
			       g->name, m->architecture, (unsigned long long) layers,
			       MODEL_MAX_LAYERS);
	if (*nextn > layers)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says %llu layers that predict further tokens and has %llu",
			       g->name, (unsigned long long) *nextn, (unsigned long long) layers);
	m->n_layers = (size_t) (layers - *nextn);
	m->vocabulary = gguf_count(g, "tokenizer.ggml.tokens");
	if (!m->vocabulary)
		m->vocabulary = vocabulary;
	return 0;
}

/* What a file is, where it says so by its type, by its architecture, or by having no tensors at
 * all; the first part of a split model may have none. */
static const char *kind_of(const struct gguf *g, const char *architecture) {
	const char *type = gguf_text(g, "general.type");
	struct gguf_numbers parts = {0};
	struct err ignored = {0};

	if (type && !strcmp(type, "imatrix"))
		return "imatrix";
	if (architecture && !strcmp(architecture, "controlvector"))
		return "control vector";
	if (architecture && !strcmp(architecture, "clip"))
		return "mmproj";
	if (type && *type && strcmp(type, "model") != 0)
		return type;
	if (gguf_numbers(g, "split.count", &parts, &ignored))
		return "model";
	return g->n_tensors || parts.set ? "model" : "vocabulary";
}

static int take_names(const struct gguf *g, struct model_facts *m, struct err *e) {
	const char *architecture = gguf_text(g, "general.architecture"),
		   *kind = kind_of(g, architecture);
	uint64_t type, count, part;

	if (gguf_number(g, "split.count", 0, &count, e) ||
	    gguf_number(g, "split.no", 0, &part, e))
		return -1;
	if (part)
		return err_set(e, ERR_SPEC,
			       "'%s' is part %llu of %llu of a split model: name its first part",
			       g->name, (unsigned long long) part + 1, (unsigned long long) count);
	if (!strcmp(kind, "imatrix") && !architecture)
		architecture = "";
	else if (!architecture || !*architecture || strlen(architecture) >= sizeof m->architecture)
		return err_set(e, ERR_INTEGRITY, "'%s' does not say 'general.architecture'",
			       g->name);
	if (gguf_number(g, "general.file_type", UINT64_MAX, &type, e))
		return -1;
	put(m->format, sizeof m->format, "gguf");
	put(m->architecture, sizeof m->architecture, architecture);
	put(m->kind, sizeof m->kind, kind);
	put(m->name, sizeof m->name, gguf_text(g, "general.name"));
	put(m->adapter_type, sizeof m->adapter_type, gguf_text(g, "adapter.type"));
	if (type < sizeof file_types / sizeof *file_types)
		put(m->quantization, sizeof m->quantization, file_types[type]);
	m->split_files = count;
	return 0;
}

static int check_experts(const struct gguf *g, struct model_facts *m, struct err *e) {
	if (m->experts_used > m->experts)
		return err_set(e, ERR_INTEGRITY, "'%s' uses %llu experts at once and has %llu",
			       g->name, (unsigned long long) m->experts_used,
			       (unsigned long long) m->experts);
	return 0;
}

static int all(struct gguf *const *parts, size_t n, struct model_facts *m, struct err *e) {
	uint64_t nextn = 0;

	if (take_names(parts[0], m, e))
		return -1;
	if ((!model_is_other(m) || !strcmp(m->kind, "vocabulary")) &&
	    (take_sizes(parts[0], m, &nextn, e) ||
	     gguf_layers(parts[0], m, nextn, e)))
		return -1;
	if (n == 1)
		keep_tensors(parts[0], m);
	for (size_t i = 0; i < n && !model_is_adapter(m) && !model_is_other(m); i++)
		find_stranger(parts[i], m, m->n_layers + nextn);
	for (size_t i = 0; i < n; i++)
		if (take_tensors(parts[i], m, e))
			return -1;
	if (!m->quantization[0])
		put(m->quantization, sizeof m->quantization, tensor_totals_largest(m));
	return check_experts(parts[0], m, e);
}

int gguf_facts(struct gguf *const *parts, size_t n, struct model_facts *out, struct err *e) {
	struct model_facts m CLEANUP(model_facts_done) = {0};

	if (all(parts, n, &m, e))
		return -1;
	*out = m;
	m = (struct model_facts){0};
	return 0;
}
