/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct err;

/* A bounded little-endian reader. Its error sticks: after the first fault every read
 * gives 0 and *e keeps that fault, so that a run of reads is checked once, at its end. */
struct reader {
	const struct bytes *from;
	uint64_t at;                 /* the next byte */
	uint64_t have_from, have_to; /* what `bytes` holds */
	struct err *e;
	bool failed;
	unsigned char bytes[1 << 16];
};

#define READER_MAX_HEADER ((uint64_t) 128 << 20)

/* The next n bytes, n <= sizeof bytes, or NULL. Borrowed until the next read. */
const unsigned char *reader_take(struct reader *r, size_t n);
void reader_skip(struct reader *r, uint64_t n);
/* Step over `count` strings. */
void reader_skip_strings(struct reader *r, uint64_t count);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* A number of n = 1, 2, 4 or 8 bytes. */
uint64_t reader_uint(struct reader *r, size_t n);
/* A string of at most `max` bytes (not more than sizeof bytes); *n its length. Not
 * NUL-terminated. */
const char *reader_string(struct reader *r, size_t max, const char *what, size_t *n);
/* ERR_INTEGRITY with the file's name before it; returns -1 and makes the fault stick. */
int reader_bad(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
