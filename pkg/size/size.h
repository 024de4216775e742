/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct model_facts;
struct runtime;
struct runtime_memory;

/* Memory that a deployment needs, and whether a device admits it. Pure arithmetic: no files, no
 * network, no clock. Bytes throughout. The formulas and their sources are in docs/memory.md. */

/* What the runtime said of a load: caches and states, and compute buffers. */
struct size_measured {
	uint64_t caches, compute;
};

/* What is asked of the model. */
struct size_load {
	uint64_t context_tokens; /* of one sequence, > 0 */
	uint64_t sequences;      /* > 0 */
	const char *kv_cache;    /* "f16", "q8_0", ... */
	uint64_t batch_tokens;   /* computed at once; > 0 */
	uint64_t adapters;       /* tensors of all adapters together */
	/* what the runtime itself says of this load; NULL: nobody asked */
	const struct size_measured *measured;
	/* weights, KV cache and compute buffers are in a device's memory */
	bool on_device;
	uint64_t device_overhead;
};

/* planned is what must fit: the device's memory, or the host's where nothing is on a device. It is
 * the sum of weights, adapters, kv_cache, recurrent, compute, output, overhead, fragmentation and
 * uncertain. host is what the container takes of the host's memory; on a device that is all mapped
 * files, the output buffer and the process. */
struct size_budget {
	uint64_t weights, adapters;
	uint64_t kv_cache; /* kv_full + kv_window */
	/* layers that see the whole context, and those with a sliding window */
	uint64_t kv_full, kv_window;
	uint64_t recurrent; /* states of a fixed size */
	uint64_t compute;   /* activations of a prefill batch, and its masks */
	uint64_t output;    /* logits; with the host where a device computes: 0 then */
	uint64_t overhead, fragmentation;
	/* caches, states and compute once more, of a model whose memory is not known exactly and
	 * was not measured */
	uint64_t uncertain;
	uint64_t planned, host;
	/* tables that are read by row and stay with the host, of a load on a device */
	uint64_t host_weights;
};

/* ERR_NOFIT if a sum or product overflows; ERR_SPEC if the KV cache's type is unknown, or the model
 * does not say its layers and heads. */
int size_compute(const struct model_facts *model, const struct runtime_memory *rt,
		 const struct size_load *load, struct size_budget *out, struct err *e);

/* What a runtime makes of a device that it takes a fraction of (RUNTIME_PAGED_*): pages for the KV
 * cache of whatever sequences come. A runtime of another kind takes what it needs: false, and *out
 * is untouched. */
struct size_pages {
	uint64_t taken;         /* of the device, from its start */
	uint64_t kv;            /* of that, pages: whole tokens of all layers */
	bool holds_load;        /* the budget's KV cache and states fit into them */
	unsigned least_percent; /* the fraction that would just hold them; above 100: none does */
};
bool size_paged(const struct runtime_memory *rt, const struct size_budget *b, uint64_t capacity,
		struct size_pages *out);

/* Bytes of n numbers of a KV cache of this type, in whole blocks. False: unknown type, or it
 * overflows. */
bool size_kv_bytes(const char *type, uint64_t n, uint64_t *bytes);

/* Recurrent state of one sequence in one layer, always f32: 4 x ((conv - 1) x (inner + 2 x groups x
 * state) + state x inner), or what the model says its state is. */
bool size_recurrent_bytes(const struct model_facts *model, uint64_t *bytes);

/* What a checkpoint with zeros gains: nothing in bytes and nothing in time, unless the runtime's
 * definition says that it executes the pattern. `words`, for people, says which; empty for a dense
 * checkpoint. True: its zeros are skipped. */
bool size_sparsity(const struct model_facts *model, const struct runtime *rt, char *words,
		   size_t size);
