/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/reader.h"

#include <assert.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

int reader_bad(struct reader *r, const char *fmt, ...) {
	char what[400];
	va_list ap;

	if (r->failed)
		return -1;
	va_start(ap, fmt);
	(void) vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	r->failed = true;
	return err_set(r->e, ERR_INTEGRITY, "'%s' %s", r->from->name, what);
}

/* False, and the fault set, unless n more bytes lie in the file and in the limit of a header. */
static bool within(struct reader *r, uint64_t n) {
	if (r->failed)
		return false;
	if (n > r->from->size - r->at)
		return !reader_bad(
			r, "is cut off: its header goes on past the end of the file at byte %llu",
			(unsigned long long) r->from->size);
	if (n > READER_MAX_HEADER - r->at)
		return !reader_bad(r, "has a header of more than %llu bytes",
				   (unsigned long long) READER_MAX_HEADER);
	return true;
}

/* As much as fits from the next byte on: 64 KiB, or what is left of the file. */
static bool fill(struct reader *r) {
	uint64_t left = r->from->size - r->at;
	size_t n = left < sizeof r->bytes ? (size_t) left : sizeof r->bytes;

	r->have_from = r->have_to = r->at;
	if (r->from->read(r->from->ctx, r->at, r->bytes, n, r->e)) {
		r->failed = true;
		(void) err_wrap(r->e, "'%s'", r->from->name);
		return false;
	}
	r->have_to += n;
	return true;
}

const unsigned char *reader_take(struct reader *r, size_t n) {
	assert(n <= sizeof r->bytes);
	if (!within(r, n))
		return NULL;
	if ((r->at < r->have_from || r->at + n > r->have_to) && !fill(r))
		return NULL;
	const unsigned char *p = r->bytes + (r->at - r->have_from);

	r->at += n;
	return p;
}

void reader_skip(struct reader *r, uint64_t n) {
	if (within(r, n))
		r->at += n;
}

/* Hundreds of thousands of tokens: within the buffer no more than a length and a step each. */
void reader_skip_strings(struct reader *r, uint64_t count) {
	while (count && !r->failed) {
		uint64_t n;

		if (r->at < r->have_from || r->at + 8 > r->have_to) {
			reader_skip(r, reader_u64(r));
			count--;
			continue;
		}
		memcpy(&n, r->bytes + (r->at - r->have_from), sizeof n);
		n = le64toh(n);
		if (n > r->have_to - r->at - 8) {
			reader_skip(r, reader_u64(r));
		} else {
			r->at += 8 + n;
		}
		count--;
	}
}

uint64_t reader_uint(struct reader *r, size_t n) {
	const unsigned char *p = reader_take(r, n);
	uint64_t v = 0;

	for (size_t i = n; p && i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

uint32_t reader_u32(struct reader *r) {
	return (uint32_t) reader_uint(r, 4);
}

uint64_t reader_u64(struct reader *r) {
	return reader_uint(r, 8);
}

const char *reader_string(struct reader *r, size_t max, const char *what, size_t *n) {
	uint64_t len = reader_u64(r);

	*n = 0;
	if (r->failed)
		return NULL;
	if (len > max) {
		(void) reader_bad(r, "has a %s of %llu bytes, the limit is %zu", what,
				  (unsigned long long) len, max);
		return NULL;
	}
	const char *s = (const char *) reader_take(r, (size_t) len);

	*n = s ? (size_t) len : 0;
	return s;
}
