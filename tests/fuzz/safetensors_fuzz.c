/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "safetensors/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is the JSON header; its length is put before it, so that it need not be guessed. The
 * first byte says whether the data behind it is as long as the last offset, and how much more or
 * less. */
struct file {
	unsigned char head[8];
	const uint8_t *text;
	size_t size;
};

static int from_memory(void *ctx, uint64_t at, void *out, size_t n, struct err *e) {
	const struct file *f = ctx;
	unsigned char *to = out;

	(void) e;
	for (size_t i = 0; i < n; i++, at++)
		to[i] = at < 8 ? f->head[at] : at - 8 < f->size ? f->text[at - 8] : 0;
	return 0;
}

static void check(const struct safetensors *s) {
	uint64_t end = 0;

	for (size_t i = 0; i < s->n_tensors; i++) {
		if (s->tensors[i].offset != end || !*s->tensors[i].name)
			abort();
		end += s->tensors[i].bytes;
	}
	if (end != s->tensor_bytes || s->data_offset + end != s->file_bytes)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (!size)
		return 0;
	struct file file = {.text = data + 1, .size = size - 1};
	struct bytes from = {.name = "fuzz",
			     .size = size + 7 + (uint64_t) data[0] * 8,
			     .read = from_memory,
			     .ctx = &file};
	struct safetensors *s CLEANUP(safetensors_freep) = NULL;
	struct err e = {0};

	for (size_t i = 0; i < 8; i++)
		file.head[i] = (unsigned char) ((size - 1) >> (8 * i));
	if (!safetensors_open(&from, &s, &e))
		check(s);
	else if (e.code != ERR_SPEC && e.code != ERR_INTEGRITY)
		abort();
	return 0;
}
