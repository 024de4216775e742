/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gguf/header.h"

#define MUL __builtin_mul_overflow

/* So that no sum over layers can wrap; far above any model. */
#define LARGEST ((int64_t) 1 << 40)

static const unsigned char value_bytes[VALUE_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
static const bool is_signed[VALUE_TYPES] = {
	[VALUE_I8] = true, [VALUE_I16] = true, [VALUE_I32] = true, [VALUE_I64] = true};

static bool is_whole(unsigned type) {
	return type != VALUE_F32 && type != VALUE_F64 && type != VALUE_STRING;
}

static void take_numbers(struct header *h, struct pair *p, size_t n) {
	size_t bytes = value_bytes[p->type];

	p->numbers = arena_zalloc(h->arena, n + 1, sizeof *p->numbers);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = reader_uint(h->r, bytes);

		if (is_signed[p->type] && bytes < 8 && v >> (8 * bytes - 1))
			v |= UINT64_MAX << (8 * bytes);
		p->large |= (int64_t) v > LARGEST ||
			(!is_signed[p->type] && v > (uint64_t) LARGEST);
		p->numbers[i] = (int64_t) v;
	}
}

/* The string that the reader is at, cut; not UTF-8 is no text. */
static void take_text(struct header *h, struct pair *p) {
	uint64_t len = reader_u64(h->r);
	size_t n = len < GGUF_MAX_TEXT ? (size_t) len : GGUF_MAX_TEXT;
	const unsigned char *s = reader_take(h->r, n);

	if (!s)
		return;
	if (!memchr(s, 0, n) && text_is_utf8((const char *) s, n)) {
		char *copy = arena_zalloc(h->arena, n + 1, 1);
		memcpy(copy, s, n);
		p->text = copy;
	}
	reader_skip(h->r, len - n);
}

static int take_array(struct header *h, struct pair *p) {
	uint32_t type = reader_u32(h->r);
	uint64_t bytes;

	p->array = true;
	p->count = reader_u64(h->r);
	if (h->r->failed)
		return -1;
	if (type == VALUE_ARRAY)
		return reader_bad(h->r, "has an array of arrays in '%s', which no runtime reads",
				  p->key);
	if (type >= VALUE_TYPES)
		return reader_bad(h->r, "has an array of values of the unknown type %u in '%s'",
				  type, p->key);
	p->type = (unsigned char) type;
	if (type == VALUE_STRING)
		reader_skip_strings(h->r, p->count);
	else if (MUL(p->count, (uint64_t) value_bytes[type], &bytes))
		return reader_bad(h->r, "has an array of %llu values in '%s'",
				  (unsigned long long) p->count, p->key);
	else if (is_whole(type) && p->count <= GGUF_MAX_LIST)
		take_numbers(h, p, (size_t) p->count);
	else
		reader_skip(h->r, bytes);
	return h->r->failed ? -1 : 0;
}

static int read_value(struct header *h, struct pair *p) {
	uint32_t type = reader_u32(h->r);

	if (h->r->failed)
		return -1;
	if (type >= VALUE_TYPES)
		return reader_bad(h->r, "has a value of the unknown type %u in '%s'", type, p->key);
	if (type == VALUE_ARRAY)
		return take_array(h, p);
	p->type = (unsigned char) type;
	p->count = 1;
	if (type == VALUE_STRING)
		take_text(h, p);
	else if (is_whole(type))
		take_numbers(h, p, 1);
	else
		reader_skip(h->r, value_bytes[type]);
	return h->r->failed ? -1 : 0;
}

static int read_pair(struct header *h, struct pair *p) {
	size_t n;
	const char *s = reader_string(h->r, 65535, "metadata key", &n);

	if (!s)
		return -1;
	if (!n || memchr(s, 0, n) || !text_is_utf8(s, n))
		return reader_bad(h->r, "has a metadata key that is %s", n ? "not UTF-8" : "empty");
	char *key = arena_zalloc(h->arena, n + 1, 1);

	memcpy(key, s, n);
	p->key = key;
	return read_value(h, p);
}

static int by_key(const void *a, const void *b) {
	return strcmp(((const struct pair *) a)->key, ((const struct pair *) b)->key);
}

static int take_alignment(struct header *h) {
	uint64_t v;

	if (gguf_number(&h->g, "general.alignment", 32, &v, h->r->e)) {
		h->r->failed = true;
		return -1;
	}
	if (!v || v & (v - 1) || v > 1 << 20)
		return reader_bad(h->r,
				  "has the alignment %llu, which is no power of two up to 1048576",
				  (unsigned long long) v);
	h->g.alignment = v;
	return 0;
}

int header_metadata(struct header *h) {
	size_t n = (size_t) h->g.pairs;

	h->pairs = arena_zalloc(h->arena, n + 1, sizeof *h->pairs);
	for (size_t i = 0; i < n; i++)
		if (read_pair(h, &h->pairs[i]))
			return -1;
	qsort(h->pairs, n, sizeof *h->pairs, by_key);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(h->pairs[i - 1].key, h->pairs[i].key))
			return reader_bad(h->r, "says '%.200s' twice", h->pairs[i].key);
	return take_alignment(h);
}

/* --- what others ask --- */

static const struct pair *find(const struct gguf *g, const char *key) {
	const struct header *h = (const struct header *) g;
	struct pair wanted = {.key = key};

	return g->pairs ? bsearch(&wanted, h->pairs, (size_t) g->pairs, sizeof wanted, by_key)
			: NULL;
}

const char *gguf_text(const struct gguf *g, const char *key) {
	const struct pair *p = find(g, key);

	return p ? p->text : NULL;
}

uint64_t gguf_count(const struct gguf *g, const char *key) {
	const struct pair *p = find(g, key);

	return p ? p->count : 0;
}

int gguf_numbers(const struct gguf *g, const char *key, struct gguf_numbers *out, struct err *e) {
	const struct pair *p = find(g, key);

	if (p && !is_whole(p->type))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says '%s' with a value that is not a whole number", g->name,
			       key);
	if (p && p->large)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
			       g->name, key);
	*out = p ? (struct gguf_numbers){.set = true,
					 .array = p->array,
					 .count = p->count,
					 .at = p->numbers}
		 : (struct gguf_numbers){0};
	return 0;
}

int gguf_number(const struct gguf *g, const char *key, uint64_t otherwise, uint64_t *out,
		struct err *e) {
	struct gguf_numbers v = {0};
	uint64_t largest = 0;

	if (gguf_numbers(g, key, &v, e))
		return -1;
	if (v.set && !v.at)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with %llu values, the limit is %d",
			       g->name, key, (unsigned long long) v.count, GGUF_MAX_LIST);
	for (uint64_t i = 0; i < v.count; i++) {
		if (v.at[i] < 0)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a negative value",
				       g->name, key);
		largest = (uint64_t) v.at[i] > largest ? (uint64_t) v.at[i] : largest;
	}
	*out = v.set ? largest : otherwise;
	return 0;
}
