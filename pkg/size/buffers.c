/* SPDX-License-Identifier: Apache-2.0 */
#include "size/internal.h"

#include <string.h>

#include "base/err.h"
#include "model/model.h"
#include "runtime/runtime.h"

#define MUL __builtin_mul_overflow
#define ADD __builtin_add_overflow

/* What the widths of a sum are in this model; numbers. */
struct widths {
	uint64_t of[RUNTIME_WIDTHS];
};

static uint64_t larger(uint64_t a, uint64_t b) {
	return a > b ? a : b;
}

/* All layers' rows of the per-layer table together. The file says its bytes alone, so the rows of
 * the token table tell the width. */
static uint64_t per_layer_width(const struct model_facts *m) {
	return m->token_embedding_bytes
		? (uint64_t) ((__uint128_t) m->per_layer_embedding_bytes * m->embedding_length /
			      m->token_embedding_bytes)
		: 0;
}

/* Tensors of the allocator's graph that go where an earlier one was need no room of their own: an
 * inner tensor of the experts that is no wider than the embedding, and their output where two inner
 * ones are wider. */
static void expert_widths(const struct model_facts *m, uint64_t one, struct widths *w) {
	uint64_t inner = one * m->experts_used, output = m->embedding_length * m->experts_used;

	w->of[RUNTIME_WIDTH_EXPERTS_INNER] = inner > m->embedding_length ? inner : 0;
	w->of[RUNTIME_WIDTH_EXPERTS_OUTPUT] = 2 * inner < output ? output : 0;
}

static struct widths widths_of(const struct model_facts *m) {
	struct widths w = {.of = {[RUNTIME_WIDTH_EMBEDDING] = m->embedding_length,
				  [RUNTIME_WIDTH_PER_LAYER] = per_layer_width(m)}};
	uint64_t dense = 0, expert = 0, heads = 0;

	for (size_t i = 0; i < m->n_layers; i++) {
		const struct model_layer *l = &m->layers[i];
		uint64_t *ff = l->has_experts ? &expert : &dense;

		*ff = larger(*ff, l->feed_forward);
		heads = larger(heads, l->heads);
		w.of[RUNTIME_WIDTH_QUERY] = larger(w.of[RUNTIME_WIDTH_QUERY],
						   (uint64_t) l->heads * l->key_length);
		w.of[RUNTIME_WIDTH_KV] = larger(w.of[RUNTIME_WIDTH_KV],
						(uint64_t) l->kv_heads * l->key_length);
	}
	w.of[RUNTIME_WIDTH_INNER] = m->inner_size;
	w.of[RUNTIME_WIDTH_INDEX_QUERY] = m->indexer_query;
	w.of[RUNTIME_WIDTH_FEED_FORWARD] = dense ? dense : expert;
	w.of[RUNTIME_WIDTH_ROTATED] = m->kv_lora_rank ? heads * m->rope_dimension : 0;
	w.of[RUNTIME_WIDTH_CONVOLUTION] = m->inner_size
		? m->inner_size + 2 * m->group_count * m->state_size
		: 0;
	if (expert)
		expert_widths(m, expert, &w);
	return w;
}

static bool sum_bytes(const struct runtime_sum *sum, const struct widths *w,
		      const struct runtime_memory *rt, uint64_t batch, uint64_t states,
		      uint64_t *out) {
	uint64_t n = 0;

	for (size_t i = 0; i < RUNTIME_WIDTHS; i++)
		if (!size_add_product(sum->times[i], w->of[i], &n))
			return false;
	if (MUL(n, rt->number_bytes, &n) || MUL(n, batch, &n))
		return false;
	*out = n;
	return size_add_product(sum->states, states, out);
}

/* The sums of the architecture's family, else those of all. */
static const struct runtime_family *family_of(const struct runtime_memory *rt,
					      const char *architecture) {
	for (size_t i = 0; i < rt->n_families; i++)
		for (size_t k = 0; k < rt->families[i].n_architectures; k++)
			if (!strcmp(rt->families[i].architectures[k], architecture))
				return &rt->families[i];
	return &rt->common;
}

/* A quantized cache is rotated by Hadamard matrices: keys by one of the largest power of two that
 * divides a head, values by one of 64. Full layers and those with a window have a cache each.
 * Latents are not rotated. */
static uint64_t rotation(const struct model_facts *m, const char *kv_cache) {
	uint32_t heads[MODEL_WINDOW + 1] = {0};
	uint64_t bytes = 0;

	if ((kv_cache[0] != 'q' && kv_cache[0] != 'i') || m->kv_lora_rank)
		return 0;
	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].kind <= MODEL_WINDOW)
			heads[m->layers[i].kind] = m->layers[i].key_length;
	for (size_t i = 0; i <= MODEL_WINDOW; i++) {
		uint64_t n = heads[i] & (~heads[i] + 1);
		bytes += n >= 64 ? (n * n + 64 * 64) * 4 : 0;
	}
	return bytes;
}

/* The lists of selected tokens of all layers are there at once; none is longer than the context. */
static uint64_t selected(const struct model_facts *m, const struct size_cells *cells) {
	return m->n_layers *
		(m->indexer_selected < cells->full ? m->indexer_selected : cells->full);
}

static int compute(const struct model_facts *m, const struct runtime_memory *rt,
		   const struct size_load *load, const struct size_cells *cells,
		   struct size_budget *b, struct err *e) {
	const struct runtime_family *family = family_of(rt, m->architecture);
	struct widths w = widths_of(m);
	uint64_t widest = 0, states, one, mask, tokens = rt->token_bytes,
		 cell_bytes = family->cell_bytes ? family->cell_bytes : rt->cell_bytes;
	uint64_t rotated = rt->rotates_quantized ? rotation(m, load->kv_cache) : 0;

	w.of[RUNTIME_WIDTH_SELECTED] = selected(m, cells);
	if (!size_recurrent_bytes(m, &states) || MUL(states, load->sequences, &states))
		return size_overflow(e);
	for (size_t i = 0; i < family->n_sums; i++) {
		if (!sum_bytes(&family->sums[i], &w, rt, cells->batch, states, &one))
			return size_overflow(e);
		widest = larger(widest, one);
	}
	if (ADD(cells->full, cells->window, &mask) ||
	    !size_add_product(mask, cell_bytes, &tokens) || MUL(tokens, cells->batch, &tokens) ||
	    ADD(widest, tokens, &widest) || ADD(widest, rotated, &widest))
		return size_overflow(e);
	b->compute = widest;
	return 0;
}

int size_buffers(const struct model_facts *m, const struct runtime_memory *rt,
		 const struct size_load *load, const struct size_cells *cells,
		 struct size_budget *b, struct err *e) {
	uint64_t output = 0, overhead = rt->overhead_base;

	if (MUL(load->sequences, m->vocabulary, &output) ||
	    MUL(output, rt->output_bytes, &output) ||
	    !size_add_product(rt->overhead_sequence, load->sequences, &overhead) ||
	    !size_add_product(rt->overhead_vocabulary, m->vocabulary, &overhead))
		return size_overflow(e);
	b->output = output;
	b->overhead = overhead;
	return compute(m, rt, load, cells, b, e);
}
