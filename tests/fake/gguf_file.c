/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
	VALUE_U16 = 2,
	VALUE_U32 = 4,
	VALUE_I32 = 5,
	VALUE_F32 = 6,
	VALUE_BOOL = 7,
	VALUE_STRING = 8,
	VALUE_ARRAY = 9
};
enum { ALIGNMENT = 32 };

static const struct {
	uint32_t id, block, bytes;
} types[GGUF_FILE_TYPES] = {
	[GGUF_FILE_F32] = {0, 1, 4},    [GGUF_FILE_F16] = {1, 1, 2},
	[GGUF_FILE_Q4_0] = {2, 32, 18}, [GGUF_FILE_Q8_0] = {8, 32, 34},
	[GGUF_FILE_BF16] = {30, 1, 2},
};

struct tensor {
	char name[96];
	enum gguf_file_type type;
	unsigned n_dims;
	uint64_t dims[4], bytes;
};

struct gguf_file {
	char architecture[64];
	struct buf pairs;
	uint64_t n_pairs;
	struct tensor *tensors;
	size_t n, cap;
};

struct gguf_file *gguf_file_new(const char *architecture) {
	struct gguf_file *f = mem_zalloc(1, sizeof *f);

	f->pairs = (struct buf) BUF_INIT((size_t) 256 << 20);
	(void) snprintf(f->architecture, sizeof f->architecture, "%s", architecture);
	gguf_file_text(f, "general.architecture", architecture);
	return f;
}

void gguf_file_free(struct gguf_file *f) {
	if (!f)
		return;
	buf_done(&f->pairs);
	free(f->tensors);
	free(f);
}

void gguf_file_freep(struct gguf_file **f) {
	gguf_file_free(*f);
}

/* --- metadata --- */

static void num(struct buf *b, uint64_t v, size_t n) {
	for (size_t i = 0; i < n; i++)
		(void) buf_putc(b, (char) (v >> (8 * i)));
}

static void str(struct buf *b, const char *s) {
	num(b, strlen(s), 8);
	(void) buf_puts(b, s);
}

static void real(struct buf *b, float v) {
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	num(b, bits, 4);
}

static void head(struct gguf_file *f, const char *key, uint32_t type) {
	str(&f->pairs, key);
	num(&f->pairs, type, 4);
	f->n_pairs++;
}

static void list_head(struct gguf_file *f, const char *key, uint32_t type, size_t n) {
	head(f, key, VALUE_ARRAY);
	num(&f->pairs, type, 4);
	num(&f->pairs, n, 8);
}

void gguf_file_text(struct gguf_file *f, const char *key, const char *text) {
	head(f, key, VALUE_STRING);
	str(&f->pairs, text);
}

void gguf_file_u32(struct gguf_file *f, const char *key, uint32_t v) {
	head(f, key, VALUE_U32);
	num(&f->pairs, v, 4);
}

void gguf_file_u16(struct gguf_file *f, const char *key, uint16_t v) {
	head(f, key, VALUE_U16);
	num(&f->pairs, v, 2);
}

void gguf_file_f32(struct gguf_file *f, const char *key, float v) {
	head(f, key, VALUE_F32);
	real(&f->pairs, v);
}

void gguf_file_bool(struct gguf_file *f, const char *key, bool v) {
	head(f, key, VALUE_BOOL);
	num(&f->pairs, v, 1);
}

void gguf_file_i32s(struct gguf_file *f, const char *key, const int32_t *list, size_t n) {
	list_head(f, key, VALUE_I32, n);
	for (size_t i = 0; i < n; i++)
		num(&f->pairs, (uint32_t) list[i], 4);
}

void gguf_file_bools(struct gguf_file *f, const char *key, const bool *list, size_t n) {
	list_head(f, key, VALUE_BOOL, n);
	for (size_t i = 0; i < n; i++)
		num(&f->pairs, list[i], 1);
}

void gguf_file_own(struct gguf_file *f, const char *key, uint32_t v) {
	char *whole CLEANUP(freep) = mem_printf("%s.%s", f->architecture, key);

	gguf_file_u32(f, whole, v);
}

void gguf_file_own_f32(struct gguf_file *f, const char *key, float v) {
	char *whole CLEANUP(freep) = mem_printf("%s.%s", f->architecture, key);

	gguf_file_f32(f, whole, v);
}

void gguf_file_own_i32s(struct gguf_file *f, const char *key, const int32_t *list, size_t n) {
	char *whole CLEANUP(freep) = mem_printf("%s.%s", f->architecture, key);

	gguf_file_i32s(f, whole, list, n);
}

enum { SPECIAL = 3, BYTES = 256 };

void gguf_file_tokenizer(struct gguf_file *f, uint32_t n) {
	static const char *const special[SPECIAL] = {"<unk>", "<s>", "</s>"};
	char word[32];

	if (n < SPECIAL + BYTES + 1)
		abort();
	gguf_file_text(f, "tokenizer.ggml.model", "llama");
	list_head(f, "tokenizer.ggml.tokens", VALUE_STRING, n);
	for (uint32_t i = 0; i < n; i++) {
		(void) snprintf(word, sizeof word,
				i < SPECIAL + BYTES ? "<0x%02X>" : "\xe2\x96\x81w%u", i - SPECIAL);
		str(&f->pairs, i < SPECIAL ? special[i] : word);
	}
	list_head(f, "tokenizer.ggml.scores", VALUE_F32, n);
	for (uint32_t i = 0; i < n; i++)
		real(&f->pairs, i < SPECIAL + BYTES ? 0.0F : -(float) i);
	list_head(f, "tokenizer.ggml.token_type", VALUE_I32, n);
	for (uint32_t i = 0; i < n; i++) /* unknown, control, byte, normal */
		num(&f->pairs, i == 0 ? 2 : i < SPECIAL ? 3 : i < SPECIAL + BYTES ? 6 : 1, 4);
	gguf_file_u32(f, "tokenizer.ggml.bos_token_id", 1);
	gguf_file_u32(f, "tokenizer.ggml.eos_token_id", 2);
	gguf_file_u32(f, "tokenizer.ggml.unknown_token_id", 0);
}

/* --- tensors --- */

void gguf_file_tensor(struct gguf_file *f, const char *name, enum gguf_file_type type,
		      unsigned n_dims, const uint64_t *dims) {
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 64;
		f->tensors = mem_grow(f->tensors, f->cap, sizeof *f->tensors);
	}
	struct tensor *t = &f->tensors[f->n++];

	*t = (struct tensor){.type = type,
			     .n_dims = n_dims,
			     .bytes = types[type].bytes,
			     .dims = {1, 1, 1, 1}};
	(void) snprintf(t->name, sizeof t->name, "%s", name);
	for (unsigned i = 0; i < n_dims; i++)
		t->dims[i] = dims[i];
	if (n_dims < 1 || n_dims > 4 || t->dims[0] % types[type].block)
		abort();
	t->bytes = t->dims[0] / types[type].block * types[type].bytes * t->dims[1] * t->dims[2] *
		t->dims[3];
}

size_t gguf_file_tensors(const struct gguf_file *f) {
	return f->n;
}

static uint32_t next_random(uint64_t *state) {
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t) (*state >> 16);
}

/* f16 of a number of our size (2^-14 to 2^15): cut, not rounded. */
static uint16_t half(float v) {
	uint32_t bits;

	memcpy(&bits, &v, sizeof bits);
	int exponent = (int) (bits >> 23 & 0xff) - 127 + 15;

	if (exponent <= 0)
		return (uint16_t) (bits >> 16 & 0x8000);
	return (uint16_t) ((bits >> 16 & 0x8000) | (uint32_t) exponent << 10 |
			   (bits >> 13 & 0x3ff));
}

#define SPREAD 0.04F /* numbers lie within +-0.02 */

/* One block's bytes. */
static size_t block(enum gguf_file_type type, bool one, uint64_t *state, unsigned char *out) {
	float v = one ? 1.0F : SPREAD * ((float) (next_random(state) & 0xffff) / 65536.0F - 0.5F);
	uint32_t bits;
	uint16_t h = half(type == GGUF_FILE_F16 ? v
						: SPREAD / 2 / (type == GGUF_FILE_Q8_0 ? 127 : 8));

	memcpy(&bits, &v, sizeof bits);
	switch (type) {
	case GGUF_FILE_F32: memcpy(out, &bits, 4); return 4;
	case GGUF_FILE_BF16:
		out[0] = (unsigned char) (bits >> 16);
		out[1] = (unsigned char) (bits >> 24);
		return 2;
	default:
		out[0] = (unsigned char) h;
		out[1] = (unsigned char) (h >> 8);
		for (size_t i = 2; i < types[type].bytes; i++)
			out[i] = (unsigned char) next_random(state);
		return types[type].bytes;
	}
}

static int put(FILE *out, const void *data, size_t n) {
	return fwrite(data, 1, n, out) == n ? 0 : -1;
}

static bool is_norm(const char *name) {
	size_t n = strlen(name), tail = strlen("norm.weight");

	return n >= tail && !strcmp(name + n - tail, "norm.weight");
}

static int put_data(FILE *out, const struct tensor *t) {
	uint64_t state = 0x9e3779b97f4a7c15, done = 0;
	unsigned char bytes[64];

	for (const char *c = t->name; *c; c++)
		state = state * 31 + (unsigned char) *c;
	while (done < t->bytes) {
		size_t n = block(t->type, is_norm(t->name), &state, bytes);
		if (put(out, bytes, n))
			return -1;
		done += n;
	}
	for (; done % ALIGNMENT; done++)
		if (put(out, "", 1))
			return -1;
	return 0;
}

static uint64_t padded(uint64_t n) {
	return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Tensors [from, to) of the file behind the given metadata. */
static int write_part(const struct gguf_file *f, const char *path, const struct buf *pairs,
		      uint64_t n_pairs, size_t from, size_t to, bool data) {
	struct buf b CLEANUP(buf_done) = BUF_INIT((size_t) 512 << 20);
	uint64_t offset = 0;
	FILE *out = fopen(path, "we");

	if (!out)
		return -1;
	(void) buf_puts(&b, "GGUF");
	num(&b, 3, 4), num(&b, to - from, 8), num(&b, n_pairs, 8);
	(void) buf_add(&b, pairs->data, pairs->len);
	for (size_t i = from; i < to; i++) {
		const struct tensor *t = &f->tensors[i];
		str(&b, t->name);
		num(&b, t->n_dims, 4);
		for (unsigned k = 0; k < t->n_dims; k++)
			num(&b, t->dims[k], 8);
		num(&b, types[t->type].id, 4), num(&b, offset, 8);
		offset += padded(t->bytes);
	}
	while (b.len % ALIGNMENT)
		(void) buf_putc(&b, 0);
	int bad = b.cut || put(out, b.data, b.len);

	for (size_t i = from; data && i < to && !bad; i++)
		bad = put_data(out, &f->tensors[i]);
	bad |= fflush(out) || (!data && ftruncate(fileno(out), (off_t) (b.len + offset)));
	if (fclose(out) || bad)
		return -1;
	return 0;
}

int gguf_file_write(const struct gguf_file *f, const char *path, bool data) {
	return write_part(f, path, &f->pairs, f->n_pairs, 0, f->n, data);
}

int gguf_file_write_split(const struct gguf_file *f, const char *prefix, unsigned n, bool data) {
	for (unsigned i = 0; i < n; i++) {
		struct gguf_file more = {.pairs = BUF_INIT((size_t) 256 << 20)};
		char *path CLEANUP(freep) = mem_printf("%s-%05u-of-%05u.gguf", prefix, i + 1, n);
		int32_t all = (int32_t) f->n;

		if (!i) {
			(void) buf_add(&more.pairs, f->pairs.data, f->pairs.len);
			more.n_pairs = f->n_pairs;
		}
		gguf_file_u16(&more, "split.no", (uint16_t) i);
		gguf_file_u16(&more, "split.count", (uint16_t) n);
		head(&more, "split.tensors.count", VALUE_I32);
		num(&more.pairs, (uint32_t) all, 4);
		int bad = write_part(f, path, &more.pairs, more.n_pairs, f->n * i / n,
				     f->n * (i + 1) / n, data);

		buf_done(&more.pairs);
		if (bad)
			return -1;
	}
	return 0;
}
