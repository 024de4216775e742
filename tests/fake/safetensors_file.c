/* SPDX-License-Identifier: Apache-2.0 */
#include "safetensors_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct safetensors_file {
	struct buf table;
	uint64_t data; /* bytes of all tensors */
};

struct safetensors_file *safetensors_file_new(void) {
	struct safetensors_file *f = mem_zalloc(1, sizeof *f);

	f->table = (struct buf) BUF_INIT((size_t) 64 << 20);
	(void) buf_puts(&f->table, "{\"__metadata__\":{\"format\":\"pt\"}");
	return f;
}

void safetensors_file_free(struct safetensors_file *f) {
	if (!f)
		return;
	buf_done(&f->table);
	free(f);
}

void safetensors_file_freep(struct safetensors_file **f) {
	safetensors_file_free(*f);
}

static uint64_t bytes_of(const char *dtype) {
	static const struct {
		const char *name;
		uint64_t bytes;
	} types[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F16", 2},
		     {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},     {"I64", 8}};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i].name, dtype))
			return types[i].bytes;
	abort();
}

void safetensors_file_tensor(struct safetensors_file *f, const char *name, const char *dtype,
			     uint64_t d0, uint64_t d1) {
	uint64_t bytes = bytes_of(dtype) * d0 * (d1 ? d1 : 1);

	(void) buf_printf(&f->table, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu", name, dtype,
			  (unsigned long long) d0);
	if (d1)
		(void) buf_printf(&f->table, ",%llu", (unsigned long long) d1);
	(void) buf_printf(&f->table, "],\"data_offsets\":[%llu,%llu]}",
			  (unsigned long long) f->data, (unsigned long long) (f->data + bytes));
	f->data += bytes;
}

int safetensors_file_write(const struct safetensors_file *f, const char *path) {
	FILE *out = fopen(path, "we");
	uint64_t state = 88172645463325252, n = f->table.len + 1;
	bool bad = !out;

	for (size_t i = 0; !bad && i < 8; i++)
		bad = fputc((int) (n >> (8 * i) & 0xff), out) == EOF;
	bad = bad || fputs(buf_str(&f->table), out) == EOF || fputc('}', out) == EOF;
	for (uint64_t i = 0; !bad && i < f->data; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		/* as halves: around 1 */
		bad = fputc(i % 2 ? 0x3c : (int) (state & 0xff), out) == EOF;
	}
	if (out && fclose(out))
		bad = true;
	return bad ? -1 : 0;
}
