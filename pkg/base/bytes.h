/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

/* Bytes of a known length that can be read at any place: an open file (fs_bytes), a file behind
 * HTTP, a block of memory. Readers of headers take this and nothing else, so that they do not care
 * where a model is. */
struct bytes {
	const char *name; /* for messages; borrowed */
	uint64_t size;
	/* The n bytes from `at` on, all of them or -1; the caller keeps at + n <= size. */
	int (*read)(void *ctx, uint64_t at, void *out, size_t n, struct err *e);
	void *ctx; /* borrowed */
};
