#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever the bytes: an answer or one error, and facts that add up. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct gguf_facts f = {0};
	struct err e = {0};
	uint64_t bytes = 0, tensors = 0;
	int fd CLEANUP(closep) = memfd_create("gguf", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t) size)
		return 0;
	if (gguf_read(fd, "fuzz", &f, &e)) {
		if (e.code != ERR_SPEC && e.code != ERR_INTEGRITY)
			abort();
		return 0;
	}
	for (size_t i = 0; i < f.n_types; i++) {
		bytes += f.types[i].bytes;
		tensors += f.types[i].tensors;
	}
	if (e.code || bytes != f.tensor_bytes || tensors != f.tensors || bytes > size || f.layers > GGUF_MAX_LAYERS)
		abort();
	return 0;
}
