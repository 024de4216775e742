/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/frame.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted must be what we would write: the chain stands on the bytes. */
static int again(void *ctx, const struct journal_record *r, struct err *e) {
	(void) e;
	if (r->seq != ++*(uint64_t *) ctx || !r->time || !r->event || !json_is_object(r->body))
		abort();
	return 0;
}

/* A checksum is not guessed: give the input's lines right ones, so that what is behind them is
 * reached. */
static void frame_all(const char *text, size_t n, struct buf *out) {
	struct chain c;

	chain_start(&c);
	while (n && !out->cut) {
		const char *newline = memchr(text, '\n', n);
		size_t len = newline ? (size_t) (newline - text) : n, begin = out->len;
		struct buf rest CLEANUP(buf_done) = BUF_INIT(1 << 20);

		(void) buf_printf(&rest, "%s ", c.prev);
		(void) buf_add(&rest, text, len);
		(void) buf_printf(out, "%08x ", crc32c(rest.data, rest.len));
		(void) buf_add(out, rest.data, rest.len);
		(void) buf_putc(out, '\n');
		if (!out->cut)
			chain_step(&c, out->data + begin, out->len - begin);
		text += len + (newline != NULL);
		n -= len + (newline != NULL);
	}
}

static void scan(const char *data, size_t n, bool newest) {
	uint64_t seen = 0;
	struct chain c;
	struct err e = {0};
	size_t whole = 0;
	struct frames f = {.file = "journal",
			   .data = data,
			   .n = n,
			   .newest = newest,
			   .visit = again,
			   .ctx = &seen};

	chain_start(&c);
	if (!frames_read(&f, &c, &whole, &e) &&
	    (whole > n || c.seq != seen || frames_torn(data, n) + whole < n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct buf framed CLEANUP(buf_done) = BUF_INIT(1 << 20);

	scan((const char *) data, size, true);
	scan((const char *) data, size, false);
	frame_all((const char *) data, size, &framed);
	scan(buf_str(&framed), framed.len, true);
	return 0;
}
