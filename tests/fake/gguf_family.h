/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gguf_file.h"

/* Tiny models of the architecture families that are sized differently: whole files that the engine
 * loads. */
struct gguf_shape {
	uint32_t layers, embedding, heads, kv_heads, head; /* head: numbers of one */
	uint32_t feed_forward, vocabulary, context;
	uint32_t window; /* of a sliding one */
	uint32_t experts, experts_used;
	uint32_t interval;     /* every n-th layer is full attention */
	uint32_t shared;       /* layers with a shared KV cache */
	uint32_t latent, rope; /* rank of latent attention, and its rotated part */
	uint32_t inner, state, groups, rank, conv; /* of recurrent layers */
	uint32_t nextn;                            /* layers that predict further tokens */
	bool tied;                                 /* no output matrix of its own */
	enum gguf_file_type type;                  /* of the matrices */
};

struct gguf_family {
	const char *name, *what;
	struct gguf_shape shape; /* a small one */
	void (*build)(struct gguf_file *f, const struct gguf_shape *s);
	const char *architecture;
};

/* NULL where there is no such family; *n families in all. */
const struct gguf_family *gguf_family_find(const char *name);
const struct gguf_family *gguf_families(size_t *n);
/* The file of a family in a shape; yours. */
struct gguf_file *gguf_family_file(const struct gguf_family *family,
				   const struct gguf_shape *shape);
