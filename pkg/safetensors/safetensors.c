/* SPDX-License-Identifier: Apache-2.0 */
#include "safetensors/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"

#define MUL __builtin_mul_overflow

static const struct dtype {
	const char *name, *shown;
	unsigned bits;
} dtypes[] = {
	{"BOOL", "bool", 8},
	{"U8", "u8", 8},
	{"I8", "i8", 8},
	{"F4", "f4", 4},
	{"F6_E2M3", "f6_e2m3", 6},
	{"F6_E3M2", "f6_e3m2", 6},
	{"F8_E8M0", "f8_e8m0", 8},
	{"F8_E5M2", "f8_e5m2", 8},
	{"F8_E4M3", "f8_e4m3", 8},
	{"F8_E4M3FNUZ", "f8_e4m3fnuz", 8},
	{"F8_E5M2FNUZ", "f8_e5m2fnuz", 8},
	{"I16", "i16", 16},
	{"U16", "u16", 16},
	{"F16", "f16", 16},
	{"BF16", "bf16", 16},
	{"I32", "i32", 32},
	{"U32", "u32", 32},
	{"F32", "f32", 32},
	{"C64", "c64", 64},
	{"F64", "f64", 64},
	{"I64", "i64", 64},
	{"U64", "u64", 64},
};

/* The public part first: safetensors_free is given its address. */
struct header {
	struct safetensors s;
	struct arena *arena;
	struct json *tree; /* holds the names */
	const char *name;
	struct err *e;
};

static int bad(struct header *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int bad(struct header *h, const char *fmt, ...) {
	char what[400];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return err_set(h->e, ERR_INTEGRITY, "'%s' %s", h->name, what);
}

static uint64_t length_of(const unsigned char *head) {
	uint64_t n = 0;

	for (size_t i = 8; i-- > 0;)
		n = n << 8 | head[i];
	return n;
}

bool safetensors_is(const unsigned char *head, size_t n, uint64_t file_bytes) {
	return n > 8 && head[8] == '{' && length_of(head) >= 2 &&
		length_of(head) <= SAFETENSORS_MAX_HEADER && file_bytes > 8;
}

/* --- one tensor --- */

static int take_shape(struct header *h, struct safetensors_tensor *t, const struct json *shape,
		      const struct dtype *d) {
	uint64_t bits;

	if (!json_is_array(shape) || json_count(shape) > SAFETENSORS_MAX_DIMS)
		return bad(h, "has a tensor '%.200s' without a shape of at most %d dimensions",
			   t->name, SAFETENSORS_MAX_DIMS);
	t->elements = 1;
	for (const struct json *v = json_first(shape); v; v = json_next(v)) {
		double n = json_value(v);

		if (!json_is_number(v) || n < 0 || n > 0x1p52 || n != (double) (uint64_t) n)
			return bad(h,
				   "has a tensor '%.200s' with a dimension that is no whole number",
				   t->name);
		t->shape[t->n_dims++] = (uint64_t) n;
		if (MUL(t->elements, (uint64_t) n, &t->elements))
			return bad(h, "has a tensor '%.200s' larger than any file", t->name);
	}
	if (MUL(t->elements, (uint64_t) d->bits, &bits) || bits / 8 > INT64_MAX)
		return bad(h, "has a tensor '%.200s' larger than any file", t->name);
	if (bits % 8)
		return bad(h, "has a tensor '%.200s' of half a byte", t->name);
	t->bytes = bits / 8;
	return 0;
}

static bool offset_at(const struct json *list, size_t i, uint64_t *out) {
	const struct json *v = json_at(list, i);
	double n = json_value(v);

	if (!json_is_number(v) || n < 0 || n > 0x1p52 || n != (double) (uint64_t) n)
		return false;
	*out = (uint64_t) n;
	return true;
}

static int take_tensor(struct header *h, const struct json *o, struct safetensors_tensor *t) {
	const char *dtype = json_str(o, "dtype");
	const struct json *offsets = json_get(o, "data_offsets");
	const struct dtype *d = NULL;
	uint64_t end = 0;

	t->name = json_key(o);
	if (!*t->name || !json_is_object(o) || !dtype)
		return bad(h, "has a tensor '%.200s' without dtype", t->name);
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes && !d; i++)
		if (!strcmp(dtypes[i].name, dtype))
			d = &dtypes[i];
	if (!d)
		return bad(h, "has a tensor '%.200s' of the unknown type '%.40s'", t->name, dtype);
	t->dtype = d->shown;
	if (take_shape(h, t, json_get(o, "shape"), d))
		return -1;
	if (json_count(offsets) != 2 || !offset_at(offsets, 0, &t->offset) ||
	    !offset_at(offsets, 1, &end) || end < t->offset)
		return bad(h, "has a tensor '%.200s' without data_offsets", t->name);
	if (end - t->offset != t->bytes)
		return bad(h, "has a tensor '%.200s' of %llu bytes, its shape makes %llu", t->name,
			   (unsigned long long) (end - t->offset), (unsigned long long) t->bytes);
	return 0;
}

/* --- all of them --- */

static int by_offset(const void *a, const void *b) {
	const struct safetensors_tensor *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->bytes != y->bytes ? (x->bytes < y->bytes ? -1 : 1) : strcmp(x->name, y->name);
}

static int check_tiles(struct header *h) {
	uint64_t end = 0, data = h->s.file_bytes - h->s.data_offset;

	for (size_t i = 0; i < h->s.n_tensors; i++) {
		const struct safetensors_tensor *t = &h->s.tensors[i];

		if (t->offset != end)
			return bad(h,
				   "has a tensor '%.200s' at offset %llu, where %llu was expected",
				   t->name, (unsigned long long) t->offset,
				   (unsigned long long) end);
		end += t->bytes;
	}
	if (end > data)
		return bad(h, "is cut off: tensor data ends at byte %llu, the file has %llu",
			   (unsigned long long) (h->s.data_offset + end),
			   (unsigned long long) h->s.file_bytes);
	if (end < data)
		return bad(h, "has %llu bytes behind its last tensor",
			   (unsigned long long) (data - end));
	h->s.tensor_bytes = end;
	return 0;
}

static int take_tensors(struct header *h) {
	size_t n = json_count(h->tree);

	if (n > SAFETENSORS_MAX_TENSORS)
		return bad(h, "has %zu tensors, the limit is %d", n, SAFETENSORS_MAX_TENSORS);
	h->s.tensors = arena_zalloc(h->arena, n + 1, sizeof *h->s.tensors);
	for (const struct json *o = json_first(h->tree); o; o = json_next(o)) {
		if (!strcmp(json_key(o), "__metadata__"))
			continue;
		if (take_tensor(h, o, &h->s.tensors[h->s.n_tensors]))
			return -1;
		h->s.n_tensors++;
	}
	qsort(h->s.tensors, h->s.n_tensors, sizeof *h->s.tensors, by_offset);
	return check_tiles(h);
}

static int read_header(struct header *h, const struct bytes *from) {
	unsigned char head[9];
	struct err why = {0};

	if (from->size < 10)
		return err_set(h->e, ERR_SPEC, "'%s' is not a safetensors file", h->name);
	if (from->read(from->ctx, 0, head, sizeof head, h->e))
		return err_wrap(h->e, "'%s'", h->name);
	if (!safetensors_is(head, sizeof head, from->size))
		return err_set(h->e, ERR_SPEC, "'%s' is not a safetensors file", h->name);
	uint64_t n = length_of(head);

	if (n > from->size - 8)
		return bad(h, "is cut off: its header ends at byte %llu, the file has %llu",
			   (unsigned long long) n + 8, (unsigned long long) from->size);
	char *text CLEANUP(freep) = mem_zalloc(n + 1, 1);

	if (from->read(from->ctx, 8, text, (size_t) n, h->e))
		return err_wrap(h->e, "'%s'", h->name);
	if (json_parse(text, (size_t) n, &h->tree, &why))
		return bad(h, "has a header that is no JSON object of tensors: %s", why.msg);
	if (!json_is_object(h->tree))
		return bad(h, "has a header that is no JSON object of tensors");
	h->s.file_bytes = from->size;
	h->s.data_offset = n + 8;
	return take_tensors(h);
}

int safetensors_open(const struct bytes *from, struct safetensors **out, struct err *e) {
	struct header *h = mem_zalloc(1, sizeof *h);

	h->arena = arena_new();
	h->name = from->name;
	h->e = e;
	if (read_header(h, from)) {
		safetensors_free(&h->s);
		return -1;
	}
	*out = &h->s;
	return 0;
}

void safetensors_free(struct safetensors *s) {
	struct header *h = (struct header *) s;

	if (!h)
		return;
	json_free(h->tree);
	arena_free(h->arena);
	free(h);
}

void safetensors_freep(struct safetensors **s) {
	safetensors_free(*s);
}
