/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What the dynamic loader will ask of an ELF file (System V gABI, chapters 4 and 5): 64-bit,
 * little-endian, executables and shared objects; nothing outside of the given bytes is read. */
enum { ELF_MAX_NEEDED = 256 };

struct elf {
	uint16_t machine;
	bool loadable; /* an executable or shared object; the rest is empty otherwise */
	const char *needed[ELF_MAX_NEEDED]; /* all borrowed from the data */
	size_t n_needed;
	const char *rpath, *runpath, *interpreter; /* NULL: none */
};

bool elf_is(const void *data, size_t n); /* begins like one */
/* ERR_INTEGRITY with what is broken ("the dynamic section lies outside of the file"). */
int elf_read(const void *data, size_t n, struct elf *out, struct err *e);
