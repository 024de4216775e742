/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What size_test.c and size_pages_test.c share. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "size/size.h"

#define MIB 1048576.0

/* Memory facts of runtimes/llama.cpp/runtime.yaml, read from there. */
static struct runtime *llama(void) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	assert_int_equal(runtime_load("runtimes/llama.cpp", &rt, &c, &e), 0);
	return rt;
}

/* A model by its widths. */
struct shape {
	size_t layers;
	uint64_t embedding;
	uint32_t feed_forward, heads, kv_heads, head;
	uint64_t vocabulary;
	/* Beyond the plain ones: a window in all layers but each `interval`-th, whose heads are
	 * `head_swa` wide; layers of the end without a cache of their own; a recurrent state in
	 * their place; experts; latents. */
	const char *architecture;
	uint32_t interval, window, head_swa, kv_swa, shared, per_layer;
	uint32_t experts_used, expert_width;
	uint32_t latent, rotated;
	uint32_t inner, state, groups;
};

struct toy {
	struct model_facts m;
	struct model_layer layers[64];
};

static void toy_layer(struct toy *t, const struct shape *s, size_t i) {
	bool other = s->interval && (i + 1) % s->interval;
	struct model_layer *l = &t->layers[i];

	*l = (struct model_layer){.heads = s->heads,
				  .kv_heads = s->kv_heads,
				  .key_length = s->head,
				  .value_length = s->head,
				  .feed_forward = s->feed_forward};
	if (s->experts_used && (!s->latent || i)) {
		l->has_experts = true;
		l->feed_forward = s->expert_width;
	}
	if (s->latent) {
		l->key_length = s->latent + s->rotated;
		l->value_length = 0;
	}
	l->shares_kv = i >= s->layers - s->shared;
	if (other && s->window) {
		l->kind = MODEL_WINDOW;
		l->key_length = l->value_length = s->head_swa ? s->head_swa : s->head;
		l->kv_heads = s->kv_swa ? s->kv_swa : s->kv_heads;
	} else if (other && s->inner) {
		*l = (struct model_layer){.kind = MODEL_RECURRENT,
					  .has_state = true,
					  .has_experts = l->has_experts,
					  .feed_forward = l->feed_forward};
	}
}

static struct model_facts *toy_of(struct toy *t, const struct shape *s) {
	memset(t, 0, sizeof *t);
	t->m = (struct model_facts){.tensor_bytes = 1,
				    .layers = t->layers,
				    .n_layers = s->layers,
				    .embedding_length = s->embedding,
				    .vocabulary = s->vocabulary,
				    .sliding_window = s->window,
				    .experts_used = s->experts_used,
				    .kv_lora_rank = s->latent,
				    .rope_dimension = s->rotated,
				    .inner_size = s->inner,
				    .state_size = s->state,
				    .group_count = s->groups,
				    .conv_kernel = s->inner ? 4 : 0};
	(void) snprintf(t->m.architecture, sizeof t->m.architecture, "%s",
			s->architecture ? s->architecture : "other");
	if (s->per_layer) {
		t->m.token_embedding_bytes = s->embedding;
		t->m.per_layer_embedding_bytes = (uint64_t) s->per_layer * s->layers;
	}
	for (size_t i = 0; i < s->layers; i++)
		toy_layer(t, s, i);
	return &t->m;
}

#define SHAPE(...) \
	{ __VA_ARGS__, .architecture = "llama" }

#define SMOL SHAPE(30, 576, 1536, 9, 3, 64, 49152)

static void near(double bytes, double mib) {
	double off = bytes / MIB - mib;

	if (off > 0.006 || off < -0.006)
		fail_msg("%.3f MiB in place of %.2f", bytes / MIB, mib);
}
