/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/gguf_family.h"
#include "../fake/safetensors_file.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"

/* What the tests of models have in common. Their state is a folder of their own. */

static inline char *path_in(void **state, const char *name) {
	return mem_printf("%s/%s", (const char *) *state, name);
}

static inline int setup(void **state) {
	char template[] = "/tmp/model_test.XXXXXX";

	*state = mem_strdup(mkdtemp(template));
	return 0;
}

static inline int teardown(void **state) {
	char *command CLEANUP(freep) = mem_printf("rm -rf '%s'", (const char *) *state);

	free(*state);
	*state = NULL;
	return system(command);
}

/* One letter a layer: F full, W window, R recurrent, N none, B both; lower case shares another's
 * cells. */
static inline char letter(const struct model_layer *l) {
	static const char letters[] = {[MODEL_ATTENTION] = 'F',
				       [MODEL_WINDOW] = 'W',
				       [MODEL_RECURRENT] = 'R',
				       [MODEL_NONE] = 'N'};
	char c = l->has_state && l->kind != MODEL_RECURRENT ? 'B' : letters[l->kind];

	return l->shares_kv ? (char) (c | 0x20) : c;
}

/* Numbers that one token keeps in the caches of all layers that have cells: what the engine's KV
 * cache is proportional to. */
static inline uint64_t cached(const struct model_facts *m, enum model_layer_kind kind) {
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].kind == kind && !m->layers[i].shares_kv)
			n += (uint64_t) m->layers[i].kv_heads *
				(m->layers[i].key_length + m->layers[i].value_length);
	return n;
}

static inline struct model_facts facts_of(const char *path) {
	struct model_facts m = {0};
	struct err e = {0};
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);

	if (model_read(fd, path, &m, &e))
		fail_msg("%s", e.msg);
	return m;
}

static inline void write_split(void **state, const char *family, unsigned n) {
	const struct gguf_family *f = gguf_family_find(family);
	struct gguf_file *file CLEANUP(gguf_file_freep) = gguf_family_file(f, &f->shape);
	char *prefix CLEANUP(freep) = path_in(state, "s");

	assert_int_equal(gguf_file_write_split(file, prefix, n, false), 0);
}

static inline char *with_folder(const char *text, const char *folder) {
	const char *at = strstr(text, "{}");

	return at ? mem_printf("%.*s%s%s", (int) (at - text), text, folder, at + 2)
		  : mem_strdup(text);
}

static inline void write_text(void **state, const char *name, const char *text) {
	char *path CLEANUP(freep) = path_in(state, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void remove_file(void **state, const char *name) {
	char *path CLEANUP(freep) = path_in(state, name);

	(void) unlink(path);
}

static inline void write_tensors(void **state, const char *name, const char *const *tensors,
				 size_t n, const char *dtype) {
	struct safetensors_file *f CLEANUP(safetensors_file_freep) = safetensors_file_new();
	char *path CLEANUP(freep) = path_in(state, name);

	for (size_t i = 0; i < n; i++)
		safetensors_file_tensor(f, tensors[i], dtype, 64, 4);
	assert_int_equal(safetensors_file_write(f, path), 0);
}

#define HEADS                                                                               \
	"\"num_attention_heads\":4,\"hidden_size\":256,\"vocab_size\":1000,\"max_position_" \
	"embeddings\":4096"

#define MOE_CONFIG                                                                         \
	"{\"architectures\":[\"MixtralForCausalLM\"],\"num_hidden_layers\":2,\"num_local_" \
	"experts\":4,\"num_experts_per_tok\":2,\"moe_intermediate_size\":96,"              \
	"\"tie_word_embeddings\":false," HEADS "}"

/* 64 x 4 numbers each. */
__attribute__((
	unused)) static const char *const shard_1[] = {"model.embed_tokens.weight",
						       "model.layers.0.self_attn.q_proj.weight",
						       "model.layers.0.mlp.experts.0.w1.weight"};
__attribute__((unused)) static const char *const shard_2[] = {
	"model.layers.1.mlp.experts.3.w1.weight",
	"model.layers.1.mlp.shared_experts.w1.weight",
	"lm_head.weight",
	"model.layers.2.mlp.experts.0.w1.weight",
	"visual.blocks.1.mlp.experts.weight",
	"mtp.fc.weight"};

static inline void write_shards(void **state, const char *index) {
	write_text(state, "config.json", MOE_CONFIG);
	write_tensors(state, "a.safetensors", shard_1, 3, "BF16");
	write_tensors(state, "b.safetensors", shard_2, 6, "BF16");
	write_text(state, "model.safetensors.index.json", index);
}

#define INDEX(last)                                                                             \
	"{\"metadata\":{},\"weight_map\":{\"model.embed_tokens.weight\":\"a.safetensors\","     \
	"\"model.layers.0.self_attn.q_proj.weight\":\"a.safetensors\","                         \
	"\"model.layers.0.mlp.experts.0.w1.weight\":\"a.safetensors\",\"model.layers.1.mlp."    \
	"experts.3.w1.weight\":\"b.safetensors\","                                              \
	"\"model.layers.1.mlp.shared_experts.w1.weight\":\"b.safetensors\",\"lm_head.weight\":" \
	"\"b.safetensors\","                                                                    \
	"\"model.layers.2.mlp.experts.0.w1.weight\":\"b.safetensors\",\"visual.blocks.1.mlp."   \
	"experts.weight\":\"b.safetensors\"," last "}}"
