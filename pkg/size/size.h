#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct model_facts;
struct runtime_memory;

/* Memory that a deployment needs, and whether a device admits it. Pure
 * arithmetic: no files, no network, no clock. Bytes throughout. */

/* What is asked of the model. */
struct size_load {
	uint64_t context_tokens; /* of one sequence, > 0 */
	uint64_t sequences;	 /* > 0 */
	const char *kv_cache;	 /* "f16", "q8_0", ... */
	uint64_t batch_tokens;	 /* computed at once; > 0 */
	uint64_t adapters;	 /* tensors of all adapters together */
	bool on_device;		 /* weights, KV cache and compute buffers are in a device's memory */
	uint64_t device_overhead;
};

/* The parts add up to planned, which is what must fit: the device's memory, or the host's where nothing
 * is on a device. host is what the container takes of the host's memory. */
struct size_budget {
	uint64_t weights, adapters, kv_cache, compute, output, overhead;
	uint64_t planned, host;
	/* Why a part is an upper bound and not exact: sliding windows, latent attention and recurrent layers are
	 * counted as full attention. */
	bool window_as_full, latent_as_full, recurrent_as_full;
};

/* ERR_NOFIT if a sum or product overflows; ERR_SPEC if the KV cache's type is unknown, or the model does not say
 * its layers and heads. */
int size_compute(const struct model_facts *model, const struct runtime_memory *rt, const struct size_load *load,
		 struct size_budget *out, struct err *e);

/* planned <= capacity x (1 - reserve): the reserve is a part of the device, not
 * of the plan. reserve_percent is 0 to 90. */
bool size_admits(uint64_t capacity, unsigned reserve_percent, uint64_t planned);
/* What size_admits leaves of the capacity. */
uint64_t size_usable(uint64_t capacity, unsigned reserve_percent);

/* The limit of a container: host memory and the reserve on top, in whole MiB. Saturates. */
uint64_t size_limit(uint64_t host, unsigned reserve_percent);

/* Bytes of n numbers of a KV cache of this type, in whole blocks. False: unknown type, or it overflows. */
bool size_kv_bytes(const char *type, uint64_t n, uint64_t *bytes);

/* Recurrent state of one sequence in one layer, always f32: 4 x ((conv - 1) x (inner + 2 x groups x state) + state x inner). */
bool size_recurrent_bytes(const struct model_facts *model, uint64_t *bytes);
