/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gguf/gguf.h"
#include "gguf/reader.h"

struct arena;

enum {
	VALUE_U8,
	VALUE_I8,
	VALUE_U16,
	VALUE_I16,
	VALUE_U32,
	VALUE_I32,
	VALUE_F32,
	VALUE_BOOL,
	VALUE_STRING,
	VALUE_ARRAY,
	VALUE_U64,
	VALUE_I64,
	VALUE_F64,
	VALUE_TYPES
};

/* One value, or an array of them. */
struct pair {
	const char *key;
	unsigned char type; /* of the value, or of the array's elements; never VALUE_ARRAY */
	bool array, large;  /* large: a number beyond what this reader takes for one */
	uint64_t count;
	const char *text; /* of one string */
	int64_t *numbers; /* of integers, where they were kept */
};

/* The public part first: gguf_free is given its address. */
struct header {
	struct gguf g;
	struct reader *r; /* only while it is read */
	struct arena *arena;
	struct pair *pairs; /* sorted by key */
};

/* metadata.c: reads h->g.pairs values, sorts them and takes the alignment. */
int header_metadata(struct header *h);
