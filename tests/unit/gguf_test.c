/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "gguf/gguf.h"
#include "model/model.h"

enum { U16 = 2, U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STR = 8, ARR = 9, U64 = 10 };

/* Little-endian pieces of a header. */
static void num(struct buf *b, uint64_t v, size_t n) {
	for (size_t i = 0; i < n; i++)
		(void) buf_putc(b, (char) (v >> (8 * i)));
}

static void str(struct buf *b, const char *s) {
	num(b, strlen(s), 8);
	(void) buf_puts(b, s);
}

static void head(struct buf *b, uint32_t version, uint64_t tensors, uint64_t pairs) {
	(void) buf_puts(b, "GGUF");
	num(b, version, 4);
	num(b, tensors, 8);
	num(b, pairs, 8);
}

static void pair(struct buf *b, const char *key, uint32_t type, uint64_t v, size_t n) {
	str(b, key);
	num(b, type, 4);
	num(b, v, n);
}

static void text(struct buf *b, const char *key, const char *value) {
	str(b, key);
	num(b, STR, 4);
	str(b, value);
}

static void tensor(struct buf *b, const char *name, uint32_t type, uint64_t offset, uint64_t d0,
		   uint64_t d1) {
	str(b, name);
	num(b, 2, 4);
	num(b, d0, 8);
	num(b, d1, 8);
	num(b, type, 4);
	num(b, offset, 8);
}

static void pad(struct buf *b, size_t to, size_t more) {
	while (b->len % to)
		(void) buf_putc(b, 0);
	while (more--)
		(void) buf_putc(b, 'x');
}

/* Two layers with a list of KV heads, a q4_1 and an f32 tensor, the numbers before the
 * architecture. */
static void good(struct buf *b) {
	head(b, 3, 2, 11);
	pair(b, "toy.block_count", U32, 2, 4);
	text(b, "general.architecture", "toy");
	text(b, "general.name", "Toy");
	pair(b, "toy.embedding_length", U32, 64, 4);
	pair(b, "other.embedding_length", U32, 9999, 4);
	pair(b, "toy.attention.head_count", U32, 4, 4);
	str(b, "toy.attention.head_count_kv");
	num(b, ARR, 4), num(b, I32, 4), num(b, 2, 8), num(b, 1, 4), num(b, 2, 4);
	pair(b, "toy.context_length", U64, 4096, 8);
	pair(b, "toy.feed_forward_length", U32, 128, 4);
	str(b, "tokenizer.ggml.tokens");
	num(b, ARR, 4), num(b, STR, 4), num(b, 3, 8), str(b, "a"), str(b, "bc"), str(b, "");
	pair(b, "toy.rope.freq_base", F32, 0, 4);
	tensor(b, "w", 3, 0, 64, 3);
	tensor(b, "n", 0, 128, 5, 1);
	pad(b, 32, 128 + 20);
}

static void adapter(struct buf *b) {
	head(b, 2, 1, 3);
	text(b, "general.type", "adapter");
	text(b, "general.architecture", "llama");
	text(b, "adapter.type", "lora");
	tensor(b, "blk.0.attn_q.weight.lora_a", 1, 0, 8, 2);
	pad(b, 32, 32);
}

static void truncated(struct buf *b) {
	good(b);
	b->len--;
}

static void cut_header(struct buf *b) {
	good(b);
	b->len = 200;
}

static void cut_after_magic(struct buf *b) {
	(void) buf_puts(b, "GGUF\3\0");
}

static void text_file(struct buf *b) {
	(void) buf_puts(b, "<!DOCTYPE html> not found");
}

static void version_1(struct buf *b) {
	head(b, 1, 0, 0);
}

static void big_endian(struct buf *b) {
	head(b, 0x03000000, 0, 0);
}

static void many_tensors(struct buf *b) {
	head(b, 3, UINT64_MAX, 1);
}

static void no_architecture(struct buf *b) {
	head(b, 3, 0, 1);
	pair(b, "toy.block_count", U32, 2, 4);
}

static void one_pair(struct buf *b, const char *key, uint32_t type, uint64_t v, size_t n) {
	head(b, 3, 0, 2);
	text(b, "general.architecture", "toy");
	pair(b, key, type, v, n);
	pad(b, 64, 64);
}

static void twice(struct buf *b) {
	head(b, 3, 0, 3);
	text(b, "general.architecture", "toy");
	pair(b, "toy.block_count", U32, 2, 4);
	pair(b, "toy.block_count", U32, 2, 4);
	pad(b, 32, 0);
}

static void negative(struct buf *b) {
	one_pair(b, "toy.block_count", I32, 0xffffffff, 4);
}

static void real_number(struct buf *b) {
	one_pair(b, "toy.block_count", F32, 2, 4);
}

static void huge_number(struct buf *b) {
	one_pair(b, "toy.context_length", U64, UINT64_MAX, 8);
}

static void huge_layers(struct buf *b) {
	one_pair(b, "toy.block_count", U32, 5000, 4);
}

static void odd_type(struct buf *b) {
	one_pair(b, "x", 13, 0, 4);
}

static void long_key(struct buf *b) {
	head(b, 3, 0, 1);
	num(b, UINT64_MAX, 8);
	pad(b, 64, 0);
}

static void dirty_key(struct buf *b) {
	one_pair(b, "toy.\xff", U32, 0, 4);
}

static void long_string(struct buf *b) {
	head(b, 3, 0, 1);
	str(b, "general.license");
	num(b, STR, 4), num(b, UINT64_MAX - 7, 8);
	pad(b, 64, 0);
}

static void long_array(struct buf *b) {
	head(b, 3, 0, 1);
	str(b, "a"), num(b, ARR, 4), num(b, U64, 4), num(b, UINT64_MAX / 2, 8);
	pad(b, 64, 0);
}

static void nested(struct buf *b) {
	head(b, 3, 0, 1);
	str(b, "a"), num(b, ARR, 4), num(b, ARR, 4), num(b, 1, 8);
	pad(b, 64, 0);
}

static void few_heads(struct buf *b) {
	head(b, 3, 0, 3);
	text(b, "general.architecture", "toy");
	pair(b, "toy.block_count", U32, 3, 4);
	str(b, "toy.attention.head_count_kv");
	num(b, ARR, 4), num(b, I32, 4), num(b, 2, 8), num(b, 1, 4), num(b, 2, 4);
	pad(b, 32, 0);
}

static void bad_alignment(struct buf *b) {
	one_pair(b, "general.alignment", U32, 48, 4);
}

static void one_tensor(struct buf *b, uint32_t type, uint64_t offset, uint64_t d0, uint64_t d1) {
	head(b, 3, 1, 1);
	text(b, "general.architecture", "toy");
	tensor(b, "w", type, offset, d0, d1);
	pad(b, 32, 64);
}

static void gap(struct buf *b) {
	one_tensor(b, 0, 32, 4, 1);
}

static void overflowing(struct buf *b) {
	one_tensor(b, 0, 0, (uint64_t) 1 << 40, (uint64_t) 1 << 40);
}

static void ragged(struct buf *b) {
	one_tensor(b, 12, 0, 100, 1);
}

static void odd_tensor(struct buf *b) {
	one_tensor(b, 31, 0, 32, 1);
}

static void same_name(struct buf *b) {
	head(b, 3, 2, 1);
	text(b, "general.architecture", "toy");
	tensor(b, "w", 0, 0, 8, 1);
	tensor(b, "w", 0, 32, 8, 1);
	pad(b, 32, 64);
}

static void five_dimensions(struct buf *b) {
	head(b, 3, 1, 1);
	text(b, "general.architecture", "toy");
	str(b, "w"), num(b, 5, 4);
	pad(b, 128, 0);
}

#define PAST "'toy.gguf' is cut off: its header goes on past the end of the file at byte "

static const struct {
	const char *name;
	void (*make)(struct buf *);
	enum err_code code;
	const char *msg;
} files[] = {
	{"a model", good, ERR_OK, ""},
	{"an adapter", adapter, ERR_OK, ""},
	{"last byte missing", truncated, ERR_INTEGRITY,
	 "'toy.gguf' is cut off: tensor data ends at byte 724, the file has 723"},
	{"header cut", cut_header, ERR_INTEGRITY, PAST "200"},
	{"six bytes", cut_after_magic, ERR_SPEC, "'toy.gguf' is not a GGUF file"},
	{"a web page", text_file, ERR_SPEC, "'toy.gguf' is not a GGUF file"},
	{"version 1", version_1, ERR_SPEC,
	 "'toy.gguf' has GGUF version 1; the runtime reads 2 and 3"},
	{"big-endian", big_endian, ERR_SPEC, "'toy.gguf' is a GGUF file for big-endian machines"},
	{"more tensors than bytes", many_tensors, ERR_INTEGRITY,
	 "'toy.gguf' promises 18446744073709551615 tensors and 1 metadata values, more than 24 "
	 "bytes can hold"},
	{"no architecture", no_architecture, ERR_INTEGRITY,
	 "'toy.gguf' does not say 'general.architecture'"},
	{"a number twice", twice, ERR_INTEGRITY, "'toy.gguf' says 'toy.block_count' twice"},
	{"negative", negative, ERR_INTEGRITY,
	 "'toy.gguf' says 'toy.block_count' with a negative value"},
	{"not whole", real_number, ERR_INTEGRITY,
	 "'toy.gguf' says 'toy.block_count' with a value that is not a whole number"},
	{"huge number", huge_number, ERR_INTEGRITY,
	 "'toy.gguf' says 'toy.context_length' with a value out of range"},
	{"too many layers", huge_layers, ERR_INTEGRITY,
	 "'toy.gguf' says 'toy.block_count' with 5000 layers, the limit is 4096"},
	{"unknown value type", odd_type, ERR_INTEGRITY,
	 "'toy.gguf' has a value of the unknown type 13 in 'x'"},
	{"endless key", long_key, ERR_INTEGRITY,
	 "'toy.gguf' has a metadata key of 18446744073709551615 bytes, the limit is 65535"},
	{"key not UTF-8", dirty_key, ERR_INTEGRITY,
	 "'toy.gguf' has a metadata key that is not UTF-8"},
	{"endless string", long_string, ERR_INTEGRITY, PAST "64"},
	{"endless array", long_array, ERR_INTEGRITY,
	 "'toy.gguf' has an array of 9223372036854775807 values in 'a'"},
	{"nested arrays", nested, ERR_INTEGRITY,
	 "'toy.gguf' has an array of arrays in 'a', which no runtime reads"},
	{"heads of too few layers", few_heads, ERR_INTEGRITY,
	 "'toy.gguf' says 'toy.attention.head_count_kv' for 2 layers and has 3"},
	{"alignment 48", bad_alignment, ERR_INTEGRITY,
	 "'toy.gguf' has the alignment 48, which is no power of two up to 1048576"},
	{"a gap between tensors", gap, ERR_INTEGRITY,
	 "'toy.gguf' has a tensor 'w' at offset 32, where 0 was expected"},
	{"2^80 values", overflowing, ERR_INTEGRITY,
	 "'toy.gguf' has a tensor 'w' larger than any file"},
	{"half a block", ragged, ERR_INTEGRITY,
	 "'toy.gguf' has a tensor 'w' whose rows of 100 are no multiple of 256, the block of q4_K"},
	{"withdrawn tensor type", odd_tensor, ERR_INTEGRITY,
	 "'toy.gguf' has a tensor 'w' of the unknown type 31"},
	{"a tensor twice", same_name, ERR_INTEGRITY, "'toy.gguf' has a tensor 'w' twice"},
	{"five dimensions", five_dimensions, ERR_INTEGRITY,
	 "'toy.gguf' has a tensor 'w' of 5 dimensions, the limit is 4"},
};

static int file_of(const void *data, size_t n) {
	int fd = memfd_create("gguf", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	return fd;
}

/* Through the header's reader and the one of its numbers. */
static void gguf_files(void **state) {
	(void) state;
	EACH_CASE (c, files) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
		struct model_facts m CLEANUP(model_facts_done) = {.files = 77};
		struct err e = {0};

		c->make(&b);
		int fd CLEANUP(closep) = file_of(b.data, b.len);
		int r = model_read(fd, "toy.gguf", &m, &e);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r, c->code ? -1 : 0);
		assert_int_equal(m.files == 77, !!c->code);
	}
}

static struct gguf *opened(const int *fd) {
	struct bytes from;
	struct gguf *g = NULL;
	struct err e = {0};

	assert_int_equal(fs_bytes(fd, "toy.gguf", &from, &e), 0);
	if (gguf_open(&from, &g, &e))
		fail_msg("%s", e.msg);
	return g;
}

static void gguf_header(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	struct gguf_numbers n = {0};
	struct err e = {0};

	(void) state;
	good(&b);
	int fd CLEANUP(closep) = file_of(b.data, b.len);
	struct gguf *g CLEANUP(gguf_freep) = opened(&fd);

	assert_int_equal(g->version, 3);
	assert_int_equal(g->pairs, 11);
	assert_string_equal(gguf_text(g, "general.name"), "Toy");
	assert_null(gguf_text(g, "general.nam"));
	assert_null(gguf_text(g, "toy.block_count"));
	assert_int_equal(gguf_count(g, "tokenizer.ggml.tokens"), 3);
	assert_int_equal(gguf_numbers(g, "toy.attention.head_count_kv", &n, &e), 0);
	assert_true(n.set && n.array && n.count == 2 && n.at[0] == 1 && n.at[1] == 2);
	assert_int_equal(gguf_numbers(g, "absent", &n, &e), 0);
	assert_false(n.set);
	assert_int_equal(g->n_tensors, 2);
	assert_string_equal(g->tensors[0].name, "w");
	assert_string_equal(g->tensors[0].type, "q4_1");
	assert_int_equal(g->tensors[0].elements, 192);
	assert_int_equal(g->tensors[0].bytes, 120);
	assert_int_equal(g->tensors[1].offset, 128);
	assert_int_equal(g->tensor_bytes, 140);
}

static void gguf_adapter(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	(void) state;
	adapter(&b);
	int fd CLEANUP(closep) = file_of(b.data, b.len);
	assert_int_equal(model_read(fd, "toy.gguf", &m, &e), 0);
	assert_true(model_is_adapter(&m));
	assert_string_equal(m.adapter_type, "lora");
	assert_int_equal(m.tensor_bytes, 32);
	assert_int_equal(m.parameters, 16);
}

/* Every cut of a good file is an error, and none reads past it. */
static void gguf_cuts(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	(void) state;
	good(&b);
	for (size_t n = 0; n < b.len; n++) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};
		int fd CLEANUP(closep) = file_of(b.data, n);

		assert_int_equal(model_read(fd, "x", &m, &e), -1);
		assert_true(e.code == ERR_INTEGRITY || (e.code == ERR_SPEC && n < 8));
	}
}

/* A header whose metadata spans many reads, in a sparse file of 10 GB. */
static void gguf_large(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(8 << 20);
	uint64_t rows = 10000000000 / 4096;

	(void) state;
	head(&b, 3, 1, 3);
	text(&b, "general.architecture", "toy");
	str(&b, "tokenizer.ggml.tokens");
	num(&b, ARR, 4), num(&b, STR, 4), num(&b, 150000, 8);
	for (int i = 0; i < 150000; i++)
		str(&b, "a token of some length");
	str(&b, "tokenizer.ggml.token_type");
	num(&b, ARR, 4), num(&b, I32, 4), num(&b, 150000, 8);
	for (int i = 0; i < 150000; i++)
		num(&b, 1, 4);
	tensor(&b, "w", 0, 0, 1024, rows);
	pad(&b, 32, 0);
	int fd CLEANUP(closep) = file_of(b.data, b.len);
	assert_int_equal(ftruncate(fd, (off_t) (b.len + rows * 4096)), 0);
	struct gguf *g CLEANUP(gguf_freep) = opened(&fd);

	assert_int_equal(gguf_count(g, "tokenizer.ggml.tokens"), 150000);
	assert_int_equal(g->tensor_bytes, rows * 4096);
	assert_int_equal(g->data_offset, b.len);
}

static void endless_text(struct buf *b) {
	head(b, 3, 0, 1);
	str(b, "general.license");
	num(b, STR, 4), num(b, (uint64_t) 200 << 20, 8);
}

static void many(struct buf *b) {
	head(b, 3, 70000, 1);
}

/* With a hole of 1 GB behind the bytes. */
static const struct {
	const char *name;
	void (*make)(struct buf *);
	const char *msg;
} sparse[] = {
	{"a header of 200 MB", endless_text,
	 "'toy.gguf' has a header of more than 134217728 bytes"},
	{"70000 tensors", many,
	 "'toy.gguf' has 70000 tensors and 1 metadata values, the limit is 65536 of each"},
};

static void gguf_sparse(void **state) {
	(void) state;
	EACH_CASE (c, sparse) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};

		c->make(&b);
		int fd CLEANUP(closep) = file_of(b.data, b.len);
		assert_int_equal(ftruncate(fd, 1 << 30), 0);
		assert_int_equal(model_read(fd, "toy.gguf", &m, &e), -1);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, ERR_INTEGRITY);
	}
}

static void gguf_not_a_file(void **state) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};
	int fd CLEANUP(closep) = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void) state;
	assert_int_equal(model_read(fd, "/", &m, &e), -1);
	assert_string_equal(e.msg, "'/' is not a regular file");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gguf_files),      cmocka_unit_test(gguf_header),
		cmocka_unit_test(gguf_adapter),    cmocka_unit_test(gguf_cuts),
		cmocka_unit_test(gguf_large),      cmocka_unit_test(gguf_sparse),
		cmocka_unit_test(gguf_not_a_file),
	};

	return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
