/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_done(struct buf *b) {
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){.cap = b->cap};
}

void buf_reset(struct buf *b) {
	b->len = 0;
	b->cut = false;
	if (b->data)
		b->data[0] = 0;
}

bool buf_add(struct buf *b, const void *data, size_t n) {
	if (n > b->cap - b->len) {
		b->cut = true;
		return false;
	}
	if (b->len + n + 1 > b->size) {
		b->size = (b->len + n + 1) * 2;
		b->data = mem_grow(b->data, b->size, 1);
	}
	if (n)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = 0;
	return true;
}

bool buf_puts(struct buf *b, const char *s) {
	return buf_add(b, s, strlen(s));
}

bool buf_putc(struct buf *b, char c) {
	return buf_add(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...) {
	char *s CLEANUP(freep) = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		b->cut = true;
		return false;
	}
	return buf_add(b, s, (size_t) n);
}

const char *buf_str(const struct buf *b) {
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b) {
	char *s = b->data ? b->data : mem_strdup("");

	*b = (struct buf){.cap = b->cap};
	return s;
}
