#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gguf/gguf.h"
#include "gguf/reader.h"

/* Numbers that the architecture declares under its own name: "llama.block_count". A number is one
 * value, or one a layer; the sum and the largest are all that sizing asks for. */
enum number_id { N_LAYERS, N_EMBEDDING, N_CONTEXT, N_VOCAB, N_FFN, N_HEADS, N_KV_HEADS, N_KEY, N_VALUE, N_WINDOW,
		 N_MLA, N_SHARED, N_CONV, N_INNER, N_STATE, N_GROUP, N_NUMBERS };

struct number {
	bool set, array;
	uint64_t count, sum, max;
};

struct header {
	struct reader *r;
	struct gguf_facts *f;
	uint64_t pairs, alignment, tokens;
	struct number numbers[N_NUMBERS];
	bool missed; /* an architecture's number stood before general.architecture */
};

/* Reads h->pairs metadata values into h->f and h->numbers. */
int header_metadata(struct header *h);
