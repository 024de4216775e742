/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct err;

/* The header of a GGUF file (version 2 or 3, little-endian): its metadata and its table of tensors,
 * and nothing behind them, so that a 70 GB model answers in milliseconds. What the numbers mean for
 * an architecture is pkg/model's affair. The format is docs/gguf.md of ggml; the rules on offsets
 * are those of the runtime's own loader (each tensor begins where the one before ends, padded).
 *
 * The file is foreign: every count, length and offset is bounded by what the file can
 * hold before anything is allocated, and no sum wraps. */

#define GGUF_MAX_PAIRS 65536
#define GGUF_MAX_TENSORS 65536
#define GGUF_MAX_LIST 4096 /* numbers of an array that are kept; of a longer one only the count */
#define GGUF_MAX_TEXT 512  /* bytes of a text that are kept */
#define GGUF_MAX_TYPES 64

struct gguf_tensor {
	const char *name; /* not empty, UTF-8, at most 255 bytes */
	const char *type; /* "q4_1"; static */
	uint64_t dims[4]; /* 1 where there are fewer */
	uint64_t elements, bytes;
	uint64_t offset; /* from the start of the tensor data */
};

struct gguf {
	const char *name; /* of the file, for messages; borrowed from the source */
	uint32_t version;
	uint64_t file_bytes, data_offset, alignment;
	uint64_t pairs;
	struct gguf_tensor *tensors; /* in the order of the file; no name twice */
	size_t n_tensors;
	uint64_t tensor_bytes; /* all tensors, without the padding between them */
};

/* ERR_SPEC: not a GGUF file, or a version or byte order that the runtimes do not read.
 * ERR_INTEGRITY: a header that contradicts itself, or a file that ends too early: "'x' is cut off:
 * tensor data ends at byte N, the file has M". Of the source itself: what its read says. */
int gguf_open(const struct bytes *from, struct gguf **out, struct err *e);
void gguf_free(struct gguf *g);
void gguf_freep(struct gguf **g); /* for CLEANUP */

/* --- metadata --- */

/* Text of a key, cut to GGUF_MAX_TEXT; NULL: absent, no text, or not UTF-8. Borrowed. */
const char *gguf_text(const struct gguf *g, const char *key);
/* How many values: 1 of a plain one, the length of an array; 0: absent. */
uint64_t gguf_count(const struct gguf *g, const char *key);

/* Whole numbers of a key, one or an array (true and false are 1 and 0). */
struct gguf_numbers {
	bool set, array;
	uint64_t count;    /* of an array */
	const int64_t *at; /* NULL where the array is longer than GGUF_MAX_LIST; borrowed */
};
/* ERR_INTEGRITY: it is there and is no whole number, or one out of range (2^40; a size of 2^31
 * layers is no model). */
int gguf_numbers(const struct gguf *g, const char *key, struct gguf_numbers *out, struct err *e);
/* One number that is not negative; `otherwise` where it is absent. Of an array the largest. */
int gguf_number(const struct gguf *g, const char *key, uint64_t otherwise, uint64_t *out,
		struct err *e);
