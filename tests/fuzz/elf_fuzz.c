/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "image/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	/* A block of exactly that size, so that a byte too far is seen. */
	void *copy = malloc(size ? size : 1);
	struct elf elf;
	struct err e;
	size_t n = 0;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	if (!elf_read(copy, size, &elf, &e)) {
		for (size_t i = 0; i < elf.n_needed; i++)
			n += strlen(elf.needed[i]);
		n += (elf.rpath ? strlen(elf.rpath) : 0) + (elf.runpath ? strlen(elf.runpath) : 0);
		n += elf.interpreter ? strlen(elf.interpreter) : 0;
		if (n > size * (ELF_MAX_NEEDED + 3))
			abort();
	}
	free(copy);
	return 0;
}
