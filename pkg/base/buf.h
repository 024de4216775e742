/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A growing byte buffer that is born with a cap. Bytes past the cap are not
 * stored and the buffer is marked `cut`; it never aborts on hostile input.
 * The content is always followed by a NUL that is not counted in len.
 *
 *     struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
 */
struct buf {
	char *data; /* never NULL after the first append; use buf_str() */
	size_t len, size, cap;
	bool cut; /* something did not fit */
};

#define BUF_INIT(limit) \
	{ .cap = (limit) }

void buf_done(struct buf *b);
void buf_reset(struct buf *b); /* empty again, memory kept */
/* False if the bytes did not all fit; then none of them is stored and b->cut is set. */
bool buf_add(struct buf *b, const void *data, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_str(const struct buf *b); /* "" when empty; borrowed */
char *buf_steal(struct buf *b);           /* yours to free(); b is empty again */
