/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void model_facts_done(struct model_facts *m) {
	if (!m)
		return;
	free(m->layers);
	for (size_t i = 0; i < m->n_tensor_list; i++)
		free(m->tensor_list[i].name);
	free(m->tensor_list);
	*m = (struct model_facts){0};
}

bool model_is_adapter(const struct model_facts *m) {
	return !strcmp(m->kind, "adapter");
}

const char *model_is_other(const struct model_facts *m) {
	static const struct {
		const char *kind, *is;
	} others[] = {
		{"mmproj",
		 "an encoder of images or sound (mmproj), without the language model that it "
		 "belongs to: name that model's own file"},
		{"control vector",
		 "a control vector, which moves the answers of a model: name the model's own file"},
		{"imatrix",
		 "an importance matrix (imatrix), which llama-quantize reads: name the model's own "
		 "file"},
		{"vocabulary",
		 "a vocabulary alone, without any tensor: name the file with the weights"},
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (!strcmp(m->kind, others[i].kind))
			return others[i].is;
	return NULL;
}

static int by_name(const void *a, const void *b) {
	return strcmp(((const struct model_tensor *) a)->name,
		      ((const struct model_tensor *) b)->name);
}

const struct model_tensor *model_tensor_find(const struct model_facts *m, const char *name) {
	char *wanted CLEANUP(freep) = mem_strdup(name);
	struct model_tensor key = {.name = wanted};

	return m->n_tensor_list
		? bsearch(&key, m->tensor_list, m->n_tensor_list, sizeof key, by_name)
		: NULL;
}

static uint32_t larger(uint32_t a, uint32_t b) {
	return a > b ? a : b;
}

struct model_layer model_widest(const struct model_facts *m) {
	struct model_layer w = {0};

	for (size_t i = 0; i < m->n_layers; i++) {
		const struct model_layer *l = &m->layers[i];
		w.heads = larger(w.heads, l->heads);
		w.kv_heads = larger(w.kv_heads, l->kv_heads);
		w.key_length = larger(w.key_length, l->key_length);
		w.value_length = larger(w.value_length, l->value_length);
		w.feed_forward = larger(w.feed_forward, l->feed_forward);
	}
	return w;
}

size_t model_layers(const struct model_facts *m, enum model_layer_kind kind) {
	size_t n = 0;

	for (size_t i = 0; i < m->n_layers; i++)
		n += m->layers[i].kind == kind;
	return n;
}

uint64_t model_state_numbers(const struct model_facts *m) {
	__uint128_t conv = m->conv_kernel ? m->conv_kernel - 1 : 0, all;

	all = conv * (m->inner_size + (__uint128_t) 2 * m->group_count * m->state_size) +
		(__uint128_t) m->state_size * m->inner_size;
	return all < UINT64_MAX ? (uint64_t) all : UINT64_MAX;
}

static uint64_t share(uint64_t bytes, uint64_t part, uint64_t of) {
	return of ? (uint64_t) ((__uint128_t) bytes * part / of) : 0;
}

uint64_t model_active_bytes(const struct model_facts *m) {
	uint64_t unread = m->per_layer_embedding_bytes + m->nextn_bytes;

	if (m->output_bytes)
		unread += m->token_embedding_bytes;
	if (m->experts_used < m->experts)
		unread += m->expert_bytes - share(m->expert_bytes, m->experts_used, m->experts);
	return unread < m->tensor_bytes ? m->tensor_bytes - unread : 0;
}
