/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* A Release file of a Debian archive (its signature already checked): what it is an index of,
 * how long it holds, and the digests of the files that belong to it.
 * https://wiki.debian.org/DebianRepository/Format */
struct release {
	char suite[64], codename[64];
	int64_t date, valid_until; /* Unix time; valid_until 0: none given */
	bool by_hash;
	const char *files; /* the lines of "SHA256:", borrowed from the text */
	size_t n_files;
};

/* ERR_INTEGRITY where a field is missing or makes no sense; `name` for messages. */
int release_parse(const char *name, const char *text, size_t n, struct release *out, struct err *e);
/* Digest and size of a file, by its path beneath dists/SUITE/. */
bool release_find(const struct release *r, const char *path, char sha256[65], uint64_t *size);
