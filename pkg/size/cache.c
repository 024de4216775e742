/* SPDX-License-Identifier: Apache-2.0 */
#include "size/internal.h"

#include <string.h>

#include "base/err.h"
#include "model/model.h"
#include "runtime/runtime.h"

#define MUL __builtin_mul_overflow
#define ADD __builtin_add_overflow

/* ggml's block formats: `block` numbers in `bytes` bytes; and those of runtimes for GPUs. */
static const struct {
	const char *name;
	uint64_t block, bytes;
} kv_types[] = {
	{"f32", 1, 4},    {"f16", 1, 2},      {"bf16", 1, 2},     {"q8_0", 32, 34},
	{"q5_1", 32, 24}, {"fp8_e4m3", 1, 1}, {"fp8_e5m2", 1, 1}, {"q5_0", 32, 22},
	{"q4_1", 32, 20}, {"q4_0", 32, 18},   {"iq4_nl", 32, 18},
};

bool size_kv_bytes(const char *type, uint64_t n, uint64_t *bytes) {
	for (size_t i = 0; i < sizeof kv_types / sizeof *kv_types; i++)
		if (!strcmp(type, kv_types[i].name))
			return !MUL(n / kv_types[i].block + (n % kv_types[i].block > 0),
				    kv_types[i].bytes, bytes);
	return false;
}

bool size_recurrent_bytes(const struct model_facts *m, uint64_t *bytes) {
	uint64_t conv, state, width = m->conv_kernel ? m->conv_kernel - 1 : 0;

	if (m->state_numbers)
		return !MUL(m->state_numbers, (uint64_t) 4, bytes);
	if (MUL(2 * m->group_count, m->state_size, &conv) || ADD(conv, m->inner_size, &conv) ||
	    MUL(conv, width, &conv) || MUL(m->state_size, m->inner_size, &state) ||
	    ADD(state, conv, &state) || MUL(state, (uint64_t) 4, bytes))
		return false;
	return true;
}

static bool is_paged(const struct runtime_memory *rt) {
	return rt->model == RUNTIME_PAGED_OF_TOTAL || rt->model == RUNTIME_PAGED_OF_FREE;
}

/* A window keeps its tokens and those of the batch that is being computed, never more than the
 * whole context. A runtime with pages may begin and end inside of one. */
static bool window_cells(const struct model_facts *m, const struct runtime_memory *rt,
			 const struct size_load *load, uint64_t batch, struct size_cells *c) {
	uint64_t in_stream = rt->one_pool ? load->sequences : 1, n,
		 multiple = is_paged(rt) ? rt->block_tokens : rt->window_multiple;

	if (MUL(m->sliding_window, in_stream, &n) || ADD(n, batch, &n))
		return false;
	if (!size_round_up(n < c->full ? n : c->full, multiple, &c->window))
		return false;
	return !is_paged(rt) || n >= c->full || !ADD(c->window, rt->block_tokens, &c->window);
}

int size_cells(const struct model_facts *m, const struct runtime_memory *rt,
	       const struct size_load *load, struct size_cells *out, struct err *e) {
	struct size_cells c = {.streams = rt->one_pool ? 1 : load->sequences};
	uint64_t tokens = load->context_tokens, all,
		 multiple = is_paged(rt) ? rt->block_tokens : rt->context_multiple;

	if (!size_round_up(tokens, multiple, &tokens) || MUL(tokens, load->sequences, &all))
		return size_overflow(e);
	c.full = rt->one_pool ? all : tokens;
	c.batch = load->batch_tokens < all ? load->batch_tokens : all;
	if (!window_cells(m, rt, load, c.batch, &c))
		return size_overflow(e);
	/* A batch has as many tokens of each sequence. */
	if (!is_paged(rt) && !size_round_up(c.batch, load->sequences, &c.batch))
		return size_overflow(e);
	if (!model_layers(m, MODEL_WINDOW))
		c.window = 0;
	if (!model_layers(m, MODEL_ATTENTION))
		c.full = 0;
	*out = c;
	return 0;
}

/* Keys and values of one token in this layer, and the indexer's key; latent attention keeps one
 * vector for both, and model_facts says so. */
static bool token_bytes(const struct model_layer *l, const char *type, uint64_t *bytes) {
	const uint64_t numbers[] = {(uint64_t) l->kv_heads * l->key_length,
				    (uint64_t) l->kv_heads * l->value_length, l->index_length};
	uint64_t all = 0;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		uint64_t one;
		if (!size_kv_bytes(type, numbers[i], &one) || ADD(all, one, &all))
			return false;
	}
	*bytes = all;
	return true;
}

int size_caches(const struct model_facts *m, const struct size_load *load,
		const struct size_cells *cells, struct size_budget *b, struct err *e) {
	uint64_t full = 0, window = 0, states = 0, one, state;

	if (!size_kv_bytes(load->kv_cache, 1, &one))
		return err_set(e, ERR_SPEC, "'%.40s' is no type of a KV cache", load->kv_cache);
	for (size_t i = 0; i < m->n_layers; i++) {
		const struct model_layer *l = &m->layers[i];

		states += l->has_state || l->kind == MODEL_RECURRENT;
		if (l->shares_kv || (l->kind != MODEL_ATTENTION && l->kind != MODEL_WINDOW))
			continue;
		if (!token_bytes(l, load->kv_cache, &one) ||
		    ADD(l->kind == MODEL_WINDOW ? window : full, one, &one))
			return size_overflow(e);
		*(l->kind == MODEL_WINDOW ? &window : &full) = one;
	}
	if (MUL(full, cells->full, &full) || MUL(full, cells->streams, &b->kv_full) ||
	    MUL(window, cells->window, &window) || MUL(window, cells->streams, &b->kv_window) ||
	    ADD(b->kv_full, b->kv_window, &b->kv_cache))
		return size_overflow(e);
	if (!size_recurrent_bytes(m, &state) || MUL(state, states, &state) ||
	    MUL(state, load->sequences, &b->recurrent))
		return size_overflow(e);
	return 0;
}
