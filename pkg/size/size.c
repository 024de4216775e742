/* SPDX-License-Identifier: Apache-2.0 */
#include "size/size.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "capacity/capacity.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "size/internal.h"

#define MUL __builtin_mul_overflow
#define ADD __builtin_add_overflow

int size_overflow(struct err *e) {
	return err_set(e, ERR_NOFIT, "the memory that this asks for is no number of 64 bits");
}

bool size_add_product(uint64_t a, uint64_t b, uint64_t *sum) {
	uint64_t p;

	return !MUL(a, b, &p) && !ADD(*sum, p, sum);
}

bool size_round_up(uint64_t n, uint64_t multiple, uint64_t *out) {
	uint64_t up;

	if (ADD(n, multiple - 1, &up))
		return false;
	*out = up / multiple * multiple;
	return true;
}

/* Tables that are read by row stay with the host; a tied token table is on the device a second
 * time, as the output. */
static void weights(const struct model_facts *m, const struct runtime_memory *rt,
		    const struct size_load *load, struct size_budget *b) {
	uint64_t rows = m->token_embedding_bytes + m->per_layer_embedding_bytes;

	b->weights = m->tensor_bytes;
	if (!load->on_device || !rt->host_embeddings || rows > m->tensor_bytes)
		return;
	b->host_weights = rows;
	b->weights -= m->output_bytes ? rows : m->per_layer_embedding_bytes;
}

static bool sum(const uint64_t *parts, size_t n, uint64_t *out) {
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		if (ADD(all, parts[i], &all))
			return false;
	*out = all;
	return true;
}

/* On a device: what is there counts, and the host keeps the mapped files, the output and the
 * process. */
static int totals(const struct model_facts *m, const struct runtime_memory *rt,
		  const struct size_load *load, struct size_budget *b, struct err *e) {
	const uint64_t host[] = {m->tensor_bytes, b->adapters, b->output, b->overhead},
		       lost[] = {b->kv_cache, b->recurrent, b->compute};
	uint64_t on_host;

	if (!sum(host, 4, &on_host) || !sum(lost, 3, &b->fragmentation))
		return size_overflow(e);
	b->uncertain = m->unsure[0] && !load->measured ? b->fragmentation : 0;
	b->fragmentation = capacity_percent(b->fragmentation, rt->fragmentation_percent);
	if (load->on_device) {
		b->overhead = load->device_overhead;
		b->output = 0;
	}
	const uint64_t all[] = {b->weights, b->adapters, b->kv_cache,      b->recurrent, b->compute,
				b->output,  b->overhead, b->fragmentation, b->uncertain};
	if (!sum(all, 9, &b->planned))
		return size_overflow(e);
	b->host = load->on_device && rt->model != RUNTIME_UNIFIED ? on_host : b->planned;
	return 0;
}

static bool has_cache(const struct model_facts *m) {
	uint64_t state;

	return model_widest(m).kv_heads || (size_recurrent_bytes(m, &state) && state);
}

int size_compute(const struct model_facts *m, const struct runtime_memory *rt,
		 const struct size_load *load, struct size_budget *out, struct err *e) {
	struct size_budget b = {.adapters = load->adapters};
	struct size_cells cells;

	assert(load->context_tokens && load->sequences && load->batch_tokens &&
	       rt->context_multiple && rt->window_multiple && rt->block_tokens && rt->number_bytes);
	if (!m->n_layers || !m->embedding_length || (!has_cache(m) && !m->unsure[0]))
		return err_set(e, ERR_SPEC,
			       "the model does not say its layers, width and heads, so its KV "
			       "cache cannot be sized");
	weights(m, rt, load, &b);
	if (size_cells(m, rt, load, &cells, e) ||
	    size_caches(m, load, &cells, &b, e) ||
	    size_buffers(m, rt, load, &cells, &b, e))
		return -1;
	if (load->measured) {
		b.kv_cache = b.kv_full = load->measured->caches;
		b.kv_window = b.recurrent = 0;
		b.compute = load->measured->compute;
	}
	if (totals(m, rt, load, &b, e))
		return -1;
	*out = b;
	return 0;
}

/* The fraction of `of` that is `n`, rounded up. */
static unsigned percent_up(uint64_t n, uint64_t of) {
	__uint128_t p = of ? ((__uint128_t) n * 100 + of - 1) / of : 1000;

	return p > 1000 ? 1000 : (unsigned) p;
}

bool size_paged(const struct runtime_memory *rt, const struct size_budget *b, uint64_t capacity,
		struct size_pages *out) {
	bool of_total = rt->model == RUNTIME_PAGED_OF_TOTAL;
	uint64_t cache = b->kv_cache + b->recurrent, fixed = b->planned - cache,
		 rest = capacity > fixed ? capacity - fixed : 0;
	struct size_pages p = {0};

	if (!of_total && rt->model != RUNTIME_PAGED_OF_FREE)
		return false;
	p.taken = capacity_usable(capacity, 100 - rt->fraction_percent);
	if (of_total) {
		p.kv = p.taken > fixed ? p.taken - fixed : 0;
	} else {
		p.kv = capacity_usable(rest, 100 - rt->fraction_percent);
		p.taken = fixed + p.kv;
	}
	p.holds_load = fixed <= capacity && p.kv >= cache;
	p.least_percent = of_total ? percent_up(b->planned, capacity) : percent_up(cache, rest);
	*out = p;
	return true;
}

bool size_sparsity(const struct model_facts *m, const struct runtime *rt, char *words,
		   size_t size) {
	words[0] = '\0';
	if (!m->sparsity[0])
		return false;
	for (size_t i = 0; i < rt->n_sparsity; i++)
		if (!strcmp(rt->sparsity[i], m->sparsity)) {
			(void) snprintf(words, size,
					"the checkpoint is %s sparse, and %s skips that work",
					m->sparsity, rt->name);
			return true;
		}
	(void) snprintf(words, size,
			"the checkpoint is %s sparse, and %s computes with its zeros: it counts as "
			"dense, in bytes and in time",
			m->sparsity, rt->name);
	return false;
}
