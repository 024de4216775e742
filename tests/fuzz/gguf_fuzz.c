#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int from_memory(void *ctx, uint64_t at, void *out, size_t n, struct err *e) {
	(void) e;
	memcpy(out, (const uint8_t *) ctx + at, n);
	return 0;
}

/* Whatever the bytes: an answer or one error, and tensors that lie in the file and apart from each other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct bytes from = {.name = "fuzz", .size = size, .read = from_memory, .ctx = (void *) (uintptr_t) data};
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	struct err e = {0};
	uint64_t bytes = 0, end = 0;

	if (gguf_open(&from, &g, &e)) {
		if (e.code != ERR_SPEC && e.code != ERR_INTEGRITY)
			abort();
		return 0;
	}
	for (size_t i = 0; i < g->n_tensors; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		if (t->offset < end || g->data_offset + t->offset + t->bytes > size || !*t->name)
			abort();
		end = t->offset + t->bytes;
		bytes += t->bytes;
	}
	if (e.code || bytes != g->tensor_bytes)
		abort();
	return 0;
}
