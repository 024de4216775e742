/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "safetensors/safetensors.h"

#define ONE(dtype, shape, from, to)                                                                \
	"{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to "]" \
	"}"                                                                                        \
	"}"

/* `data` bytes follow the header. */
static const struct {
	const char *name, *header;
	uint64_t data, length; /* length: what the file says of its header; 0: the truth */
	enum err_code code;
	const char *msg;
} files[] = {
	{"one tensor", ONE("F32", "[2,3]", 0, 24), 24, 0, ERR_OK, ""},
	{"padded with blanks", ONE("BF16", "[3]", 0, 6) "   ", 6, 0, ERR_OK, ""},
	{"a scalar", ONE("I64", "[]", 0, 8), 8, 0, ERR_OK, ""},
	{"no numbers at all", ONE("F32", "[0,4]", 0, 0), 0, 0, ERR_OK, ""},
	{"two in any order",
	 "{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]},\"a\":{\"dtype\":\"U8\","
	 "\"shape\":[4],\"data_offsets\":[0,4]}}",
	 8, 0, ERR_OK, ""},
	{"metadata", "{\"__metadata__\":{\"format\":\"pt\"}}", 0, 0, ERR_OK, ""},
	{"four bits", ONE("F4", "[2,4]", 0, 4), 4, 0, ERR_OK, ""},
	{"half a byte", ONE("F4", "[3]", 0, 1), 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' of half a byte"},
	{"a web page", "<!DOCTYPE html>", 9, 0, ERR_SPEC, "'x' is not a safetensors file"},
	{"an endless header", "{}", 8, UINT64_MAX, ERR_SPEC, "'x' is not a safetensors file"},
	{"a header past the end", "{\"a\":1}", 0, 5000, ERR_INTEGRITY,
	 "'x' is cut off: its header ends at byte 5008, the file has 15"},
	{"no JSON", "{\"w\":", 0, 0, ERR_INTEGRITY,
	 "'x' has a header that is no JSON object of tensors: not JSON at byte 5"},
	{"deep nesting",
	 "{\"w\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	 0, 0, ERR_INTEGRITY,
	 "'x' has a header that is no JSON object of tensors: JSON nested more than 100 deep"},
	{"not UTF-8", "{\"\xff\":1}", 0, 0, ERR_INTEGRITY,
	 "'x' has a header that is no JSON object of tensors: JSON that is not UTF-8 text"},
	{"a name twice", "{\"w\":{},\"w\":{}}", 0, 0, ERR_INTEGRITY,
	 "'x' has a header that is no JSON object of tensors: JSON with the key 'w' twice"},
	{"no dtype", "{\"w\":{\"shape\":[1]}}", 0, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' without dtype"},
	{"unknown dtype", ONE("F7", "[1]", 0, 1), 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' of the unknown type 'F7'"},
	{"no shape", "{\"w\":{\"dtype\":\"U8\",\"data_offsets\":[0,1]}}", 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' without a shape of at most 8 dimensions"},
	{"nine dimensions", ONE("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1), 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' without a shape of at most 8 dimensions"},
	{"half a row", ONE("U8", "[1.5]", 0, 1), 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' with a dimension that is no whole number"},
	{"negative", ONE("U8", "[-1]", 0, 1), 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' with a dimension that is no whole number"},
	{"2^100 numbers", ONE("U8", "[1125899906842624,1125899906842624]", 0, 1), 1, 0,
	 ERR_INTEGRITY, "'x' has a tensor 'w' larger than any file"},
	{"no offsets", "{\"w\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' without data_offsets"},
	{"backwards", ONE("U8", "[1]", 2, 1), 2, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' without data_offsets"},
	{"other than its shape", ONE("F16", "[4]", 0, 4), 4, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' of 4 bytes, its shape makes 8"},
	{"a hole", ONE("U8", "[4]", 4, 8), 8, 0, ERR_INTEGRITY,
	 "'x' has a tensor 'w' at offset 4, where 0 was expected"},
	{"an overlap",
	 "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"U8\","
	 "\"shape\":[4],\"data_offsets\":[2,6]}}",
	 6, 0, ERR_INTEGRITY, "'x' has a tensor 'b' at offset 2, where 4 was expected"},
	{"cut off", ONE("U8", "[4]", 0, 4), 3, 0, ERR_INTEGRITY,
	 "'x' is cut off: tensor data ends at byte 65, the file has 64"},
	{"too long", ONE("U8", "[4]", 0, 4), 6, 0, ERR_INTEGRITY,
	 "'x' has 2 bytes behind its last tensor"},
};

static int file_of(const char *header, uint64_t length, uint64_t data) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
	uint64_t n = length ? length : strlen(header);
	int fd = memfd_create("safetensors", MFD_CLOEXEC);

	for (size_t i = 0; i < 8; i++)
		(void) buf_putc(&b, (char) (n >> (8 * i)));
	(void) buf_puts(&b, header);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	assert_int_equal(ftruncate(fd, (off_t) (b.len + data)), 0);
	return fd;
}

static void safetensors_files(void **state) {
	(void) state;
	EACH_CASE (c, files) {
		struct safetensors *s CLEANUP(safetensors_freep) = NULL;
		struct bytes from;
		struct err e = {0};
		int fd CLEANUP(closep) = file_of(c->header, c->length, c->data);

		assert_int_equal(fs_bytes(&fd, "x", &from, &e), 0);
		int r = safetensors_open(&from, &s, &e);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r, c->code ? -1 : 0);
		assert_int_equal(s == NULL, !!c->code);
		if (s)
			assert_int_equal(s->tensor_bytes, c->data);
	}
}

static void safetensors_table(void **state) {
	struct safetensors *s CLEANUP(safetensors_freep) = NULL;
	struct bytes from;
	struct err e = {0};
	int fd CLEANUP(closep) = file_of(ONE("BF16", "[2,3]", 0, 12), 0, 12);

	(void) state;
	assert_int_equal(fs_bytes(&fd, "x", &from, &e), 0);
	assert_int_equal(safetensors_open(&from, &s, &e), 0);
	assert_int_equal(s->n_tensors, 1);
	assert_string_equal(s->tensors[0].name, "w");
	assert_string_equal(s->tensors[0].dtype, "bf16");
	assert_int_equal(s->tensors[0].n_dims, 2);
	assert_int_equal(s->tensors[0].shape[1], 3);
	assert_int_equal(s->tensors[0].elements, 6);
	assert_int_equal(s->tensors[0].bytes, 12);
	assert_int_equal(s->data_offset, s->file_bytes - 12);
}

/* Every cut of a good file is an error. */
static void safetensors_cuts(void **state) {
	int whole CLEANUP(closep) = file_of(ONE("U8", "[4]", 0, 4), 0, 4);
	off_t size = lseek(whole, 0, SEEK_END);

	(void) state;
	for (off_t n = 0; n < size; n++) {
		struct safetensors *s CLEANUP(safetensors_freep) = NULL;
		struct bytes from;
		struct err e = {0};

		assert_int_equal(fs_bytes(&whole, "x", &from, &e), 0);
		from.size = (uint64_t) n;
		assert_int_equal(safetensors_open(&from, &s, &e), -1);
		assert_true(e.code == ERR_INTEGRITY || e.code == ERR_SPEC);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(safetensors_files),
		cmocka_unit_test(safetensors_table),
		cmocka_unit_test(safetensors_cuts),
	};

	return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
