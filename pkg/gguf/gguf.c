/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/gguf.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gguf/header.h"
#include "gguf/types.h"

#define MUL __builtin_mul_overflow

/* Elements and bytes of a tensor from its dimensions and type. */
static int tensor_size(struct reader *r, struct gguf_tensor *t, const struct tensor_type *type) {
	uint64_t n;

	if (t->dims[0] % type->block)
		return reader_bad(r,
				  "has a tensor '%s' whose rows of %llu are no multiple of %u, the "
				  "block of %s",
				  t->name, (unsigned long long) t->dims[0], type->block,
				  type->name);
	if (MUL(t->dims[0], t->dims[1], &n) || MUL(n, t->dims[2], &n) ||
	    MUL(n, t->dims[3], &t->elements) ||
	    MUL(t->elements / type->block, (uint64_t) type->bytes, &t->bytes) ||
	    t->bytes > INT64_MAX)
		return reader_bad(r, "has a tensor '%s' larger than any file", t->name);
	return 0;
}

static int read_tensor_head(struct header *h, struct gguf_tensor *t) {
	size_t n;
	const char *s = reader_string(h->r, 255, "tensor name", &n);

	if (!s)
		return -1;
	if (!n || !text_is_utf8(s, n) || memchr(s, 0, n))
		return reader_bad(h->r, "has a tensor name that is empty or not UTF-8");
	char *name = arena_zalloc(h->arena, n + 1, 1);

	memcpy(name, s, n);
	t->name = name;
	uint32_t n_dims = reader_u32(h->r);

	if (n_dims > 4)
		return reader_bad(h->r, "has a tensor '%s' of %u dimensions, the limit is 4", name,
				  n_dims);
	for (uint32_t i = 0; i < 4; i++)
		t->dims[i] = i < n_dims ? reader_u64(h->r) : 1;
	return h->r->failed ? -1 : 0;
}

/* *end: where the data of the tensors so far ends, from the start of all data. */
static int read_tensor(struct header *h, struct gguf_tensor *t, uint64_t *end) {
	if (read_tensor_head(h, t))
		return -1;
	uint32_t id = reader_u32(h->r);
	const struct tensor_type *type = tensor_type_find(id);

	t->offset = reader_u64(h->r);
	if (h->r->failed)
		return -1;
	if (!type)
		return reader_bad(h->r, "has a tensor '%s' of the unknown type %u", t->name, id);
	t->type = type->name;
	if (tensor_size(h->r, t, type))
		return -1;
	uint64_t begin = (*end + h->g.alignment - 1) / h->g.alignment * h->g.alignment;

	if (t->offset != begin)
		return reader_bad(h->r, "has a tensor '%s' at offset %llu, where %llu was expected",
				  t->name, (unsigned long long) t->offset,
				  (unsigned long long) begin);
	/* Two numbers below 2^63; the sum is held below 2^62 for those to come. */
	if (t->bytes + begin > (uint64_t) 1 << 62)
		return reader_bad(h->r, "has tensors larger than any file");
	*end = begin + t->bytes;
	h->g.tensor_bytes += t->bytes;
	return 0;
}

static int by_name(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int check_names(struct header *h) {
	const char **names CLEANUP(freep) = mem_zalloc(h->g.n_tensors + 1, sizeof *names);

	for (size_t i = 0; i < h->g.n_tensors; i++)
		names[i] = h->g.tensors[i].name;
	qsort(names, h->g.n_tensors, sizeof *names, by_name);
	for (size_t i = 1; i < h->g.n_tensors; i++)
		if (!strcmp(names[i - 1], names[i]))
			return reader_bad(h->r, "has a tensor '%s' twice", names[i]);
	return 0;
}

static int read_tensors(struct header *h) {
	uint64_t end = 0;

	h->g.tensors = arena_zalloc(h->arena, h->g.n_tensors + 1, sizeof *h->g.tensors);
	for (size_t i = 0; i < h->g.n_tensors; i++)
		if (read_tensor(h, &h->g.tensors[i], &end))
			return -1;
	h->g.data_offset = (h->r->at + h->g.alignment - 1) / h->g.alignment * h->g.alignment;
	if (h->g.n_tensors && h->g.data_offset + end > h->g.file_bytes)
		return reader_bad(h->r,
				  "is cut off: tensor data ends at byte %llu, the file has %llu",
				  (unsigned long long) (h->g.data_offset + end),
				  (unsigned long long) h->g.file_bytes);
	return check_names(h);
}

static int read_version(struct header *h) {
	struct reader *r = h->r;
	const unsigned char *magic = r->from->size >= 8 ? reader_take(r, 4) : NULL;

	if (r->failed)
		return -1;
	if (!magic || memcmp(magic, "GGUF", 4) != 0)
		return err_set(r->e, ERR_SPEC, "'%s' is not a GGUF file", r->from->name);
	h->g.version = reader_u32(r);
	if (r->failed)
		return -1;
	if (h->g.version && !(h->g.version & 0xffff))
		return err_set(r->e, ERR_SPEC, "'%s' is a GGUF file for big-endian machines",
			       r->from->name);
	if (h->g.version != 2 && h->g.version != 3)
		return err_set(r->e, ERR_SPEC,
			       "'%s' has GGUF version %u; the runtime reads 2 and 3", r->from->name,
			       h->g.version);
	return 0;
}

static int read_counts(struct header *h) {
	uint64_t size = h->r->from->size, tensors = reader_u64(h->r);

	h->g.pairs = reader_u64(h->r);
	if (h->r->failed)
		return -1;
	/* The shortest tensor entry has 25 bytes, the shortest pair 14. */
	if (tensors > size / 25 || h->g.pairs > size / 14)
		return reader_bad(h->r,
				  "promises %llu tensors and %llu metadata values, more than %llu "
				  "bytes can hold",
				  (unsigned long long) tensors, (unsigned long long) h->g.pairs,
				  (unsigned long long) size);
	if (tensors > GGUF_MAX_TENSORS || h->g.pairs > GGUF_MAX_PAIRS)
		return reader_bad(
			h->r, "has %llu tensors and %llu metadata values, the limit is %d of each",
			(unsigned long long) tensors, (unsigned long long) h->g.pairs,
			GGUF_MAX_TENSORS);
	h->g.n_tensors = (size_t) tensors;
	return 0;
}

void gguf_free(struct gguf *g) {
	struct header *h = (struct header *) g;

	if (!h)
		return;
	arena_free(h->arena);
	free(h);
}

void gguf_freep(struct gguf **g) {
	gguf_free(*g);
}

int gguf_open(const struct bytes *from, struct gguf **out, struct err *e) {
	struct reader *r CLEANUP(freep) = mem_zalloc(1, sizeof *r);
	struct header *h = mem_zalloc(1, sizeof *h);

	r->from = from;
	r->e = e;
	h->r = r;
	h->arena = arena_new();
	h->g.name = from->name;
	h->g.file_bytes = from->size;
	if (read_version(h) || read_counts(h) || header_metadata(h) || read_tensors(h)) {
		gguf_free(&h->g);
		return -1;
	}
	h->r = NULL;
	*out = &h->g;
	return 0;
}
