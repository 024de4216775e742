#include "size/size.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "model/model.h"
#include "runtime/runtime.h"

#define MUL __builtin_mul_overflow
#define ADD __builtin_add_overflow

#define MIB ((uint64_t) 1 << 20)

/* ggml's block formats: `block` numbers in `bytes` bytes. */
static const struct {
	const char *name;
	uint64_t block, bytes;
} kv_types[] = {
	{"f32", 1, 4},	  {"f16", 1, 2},   {"bf16", 1, 2},  {"q8_0", 32, 34}, {"q5_1", 32, 24}, {"fp8_e4m3", 1, 1}, {"fp8_e5m2", 1, 1},
	{"q5_0", 32, 22}, {"q4_1", 32, 20}, {"q4_0", 32, 18}, {"iq4_nl", 32, 18},
};

bool size_kv_bytes(const char *type, uint64_t n, uint64_t *bytes) {
	for (size_t i = 0; i < sizeof kv_types / sizeof *kv_types; i++)
		if (!strcmp(type, kv_types[i].name))
			return !MUL(n / kv_types[i].block + (n % kv_types[i].block > 0), kv_types[i].bytes, bytes);
	return false;
}

bool size_recurrent_bytes(const struct model_facts *m, uint64_t *bytes) {
	uint64_t conv, state, width = m->conv_kernel ? m->conv_kernel - 1 : 0;

	if (MUL(2 * m->group_count, m->state_size, &conv) || ADD(conv, m->inner_size, &conv) || MUL(conv, width, &conv) ||
	    MUL(m->state_size, m->inner_size, &state) || ADD(state, conv, &state) || MUL(state, (uint64_t) 4, bytes))
		return false;
	return true;
}

static int overflow(struct err *e) {
	return err_set(e, ERR_NOFIT, "the memory that this asks for is no number of 64 bits");
}

/* Cells of one sequence: its context, as the engine rounds it. */
static bool cells_of(const struct runtime_memory *rt, const struct size_load *load, uint64_t *cells) {
	uint64_t rounded;

	if (ADD(load->context_tokens, rt->context_multiple - 1, &rounded))
		return false;
	*cells = rounded / rt->context_multiple * rt->context_multiple;
	return true;
}

static bool add_product(uint64_t a, uint64_t b, uint64_t *sum) {
	uint64_t p;

	return !MUL(a, b, &p) && !ADD(*sum, p, sum);
}

/* Keys and values of one token in all layers, in numbers. */
static bool widths_of(const struct model_facts *m, uint64_t *keys, uint64_t *values) {
	*keys = *values = 0;
	for (size_t i = 0; i < m->n_layers; i++)
		if (!add_product(m->layers[i].kv_heads, m->layers[i].key_length, keys) ||
		    !add_product(m->layers[i].kv_heads, m->layers[i].value_length, values))
			return false;
	return true;
}

/* KV heads of all layers x (key + value) x cells x sequences, by the type of the cache; and recurrent state. */
static int kv_cache(const struct model_facts *m, const struct size_load *load, uint64_t cells, uint64_t *out,
		    struct err *e) {
	uint64_t keys, values, k_bytes, v_bytes, all, state;

	if (!widths_of(m, &keys, &values))
		return overflow(e);
	if (!size_kv_bytes(load->kv_cache, 1, &k_bytes))
		return err_set(e, ERR_SPEC, "'%.40s' is no type of a KV cache", load->kv_cache);
	if (!size_kv_bytes(load->kv_cache, keys, &k_bytes) || !size_kv_bytes(load->kv_cache, values, &v_bytes) ||
	    ADD(k_bytes, v_bytes, &all) || MUL(all, cells, &all) || !size_recurrent_bytes(m, &state) ||
	    MUL(state, (uint64_t) m->n_layers, &state) || ADD(all, state, &all) || MUL(all, load->sequences, &all))
		return overflow(e);
	*out = all;
	return 0;
}

static int compute(const struct model_facts *m, const struct runtime_memory *rt, const struct size_load *load, uint64_t cells,
		   uint64_t *out, struct err *e) {
	struct model_layer l = model_widest(m);
	uint64_t query = (uint64_t) l.heads * l.key_length, kv = (uint64_t) l.kv_heads * l.key_length, widest = 0, bytes = rt->token_bytes;

	for (size_t i = 0; i < rt->n_sums; i++) {
		uint64_t n = 0;

		if (!add_product(rt->sums[i].embedding, m->embedding_length, &n) ||
		    !add_product(rt->sums[i].feed_forward, l.feed_forward, &n) ||
		    !add_product(rt->sums[i].query, query, &n) || !add_product(rt->sums[i].kv, kv, &n))
			return overflow(e);
		widest = n > widest ? n : widest;
	}
	/* A window has a mask of its own. */
	if (!add_product(widest, 4, &bytes) || !add_product(rt->cell_bytes * (m->sliding_window ? 2 : 1), cells, &bytes) ||
	    MUL(bytes, load->batch_tokens, &bytes))
		return overflow(e);
	*out = bytes;
	return 0;
}

static int small_parts(const struct model_facts *m, const struct runtime_memory *rt, const struct size_load *load,
		       struct size_budget *b, struct err *e) {
	uint64_t output = 0, overhead = rt->overhead_base;

	if (MUL(load->sequences, m->vocabulary, &output) || MUL(output, rt->output_bytes, &output) ||
	    !add_product(rt->overhead_sequence, load->sequences, &overhead) ||
	    !add_product(rt->overhead_vocabulary, m->vocabulary, &overhead))
		return overflow(e);
	b->output = output;
	b->overhead = overhead;
	return 0;
}

/* On a device: what is there counts, and the host keeps the mapped files, the output and the process. */
static int totals(const struct size_load *load, struct size_budget *b, struct err *e) {
	uint64_t host = b->output, all = host;

	if (ADD(host, b->overhead, &host) || ADD(host, b->weights, &host) || ADD(host, b->adapters, &host))
		return overflow(e);
	if (load->on_device)
		b->overhead = load->device_overhead;
	if (ADD(all, b->overhead, &all) || ADD(all, b->weights, &all) || ADD(all, b->adapters, &all) ||
	    ADD(all, b->kv_cache, &all) || ADD(all, b->compute, &all))
		return overflow(e);
	b->planned = all;
	b->host = load->on_device ? host : all;
	return 0;
}

static bool shares(const struct model_facts *m) {
	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].shares_kv)
			return true;
	return false;
}

int size_compute(const struct model_facts *m, const struct runtime_memory *rt, const struct size_load *load,
		 struct size_budget *out, struct err *e) {
	struct size_budget b = {.weights = m->tensor_bytes, .adapters = load->adapters};
	uint64_t cells;

	assert(load->context_tokens && load->sequences && load->batch_tokens && rt->context_multiple);
	b.recurrent_as_full = m->inner_size > 0;
	b.latent_as_full = m->kv_lora_rank > 0;
	b.window_as_full = m->sliding_window > 0 || shares(m);
	if (!m->n_layers || !m->embedding_length || (!model_widest(m).kv_heads && !b.recurrent_as_full))
		return err_set(e, ERR_SPEC, "the model does not say its layers, width and heads, so its KV cache cannot be sized");
	if (!cells_of(rt, load, &cells))
		return overflow(e);
	if (kv_cache(m, load, cells, &b.kv_cache, e) || compute(m, rt, load, cells, &b.compute, e) ||
	    small_parts(m, rt, load, &b, e) || totals(load, &b, e))
		return -1;
	*out = b;
	return 0;
}

uint64_t size_usable(uint64_t capacity, unsigned reserve_percent) {
	assert(reserve_percent <= 90);
	/* Rounded up, so that a byte of doubt goes to the reserve; divided first, so that it cannot overflow. */
	return capacity - (capacity / 100 * reserve_percent + (capacity % 100 * reserve_percent + 99) / 100);
}

bool size_admits(uint64_t capacity, unsigned reserve_percent, uint64_t planned) {
	return planned <= size_usable(capacity, reserve_percent);
}

uint64_t size_limit(uint64_t host, unsigned reserve_percent) {
	uint64_t reserve = host / 100 * reserve_percent + (host % 100 * reserve_percent + 99) / 100, all;

	if (ADD(host, reserve, &all) || ADD(all, MIB - 1, &all))
		return UINT64_MAX / MIB * MIB;
	return all / MIB * MIB;
}
