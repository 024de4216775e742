/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"

#define CRC_LEN 8
#define PREV_LEN 64

void chain_start(struct chain *c) {
	c->seq = 0;
	memset(c->prev, '0', PREV_LEN);
	c->prev[PREV_LEN] = 0;
}

void chain_step(struct chain *c, const char *line, size_t n) {
	c->seq++;
	sha256_of(line, n, c->prev);
}

/* Digits as this module writes them, so that each record has one spelling. */
static bool is_hex(const char *s, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	return true;
}

bool frame_split(const char *line, size_t n, struct frame *out) {
	char crc[CRC_LEN + 1];

	if (n < FRAME_HEAD + 2 || !is_hex(line, CRC_LEN) || line[CRC_LEN] != ' ')
		return false;
	if (!is_hex(line + CRC_LEN + 1, PREV_LEN) || line[FRAME_HEAD - 1] != ' ')
		return false;
	(void) snprintf(crc, sizeof crc, "%08x", crc32c(line + CRC_LEN + 1, n - CRC_LEN - 1));
	if (memcmp(line, crc, CRC_LEN) != 0)
		return false;
	*out = (struct frame){line + CRC_LEN + 1, line + FRAME_HEAD, n - FRAME_HEAD};
	return true;
}

int frame_record(const struct frame *f, uint64_t seq, struct json **body,
		 struct journal_record *out, struct err *e) {
	struct json *j CLEANUP(json_freep) = NULL;
	struct err inner = {0};
	int64_t have;

	if (json_parse(f->json, f->json_len, &j, &inner))
		return err_set(e, ERR_INTEGRITY, "has no readable content: %.200s", inner.msg);
	if (!json_int(j, "v", &have))
		return err_set(e, ERR_INTEGRITY, "has no format number");
	if (have != 1)
		return err_set(e, ERR_SYS,
			       "has format %lld, this program knows 1: use a newer llmdeploy",
			       (long long) have);
	if (!json_int(j, "seq", &have) || have <= 0 || (seq && (uint64_t) have != seq) ||
	    !json_str(j, "time"))
		return err_set(e, ERR_INTEGRITY,
			       "is not number %llu: records were removed or added",
			       (unsigned long long) seq);
	out->seq = (uint64_t) have;
	out->time = json_str(j, "time");
	out->event = json_str(j, "event") ? json_str(j, "event") : "";
	out->body = j;
	*body = STEAL(j);
	return 0;
}

int frame_format(const struct json *body, const struct chain *c, struct buf *out, struct err *e) {
	struct buf rest CLEANUP(buf_done) = BUF_INIT(JOURNAL_RECORD_MAX - CRC_LEN - 2);

	(void) buf_printf(&rest, "%s ", c->prev);
	if (json_canonical(body, &rest, e))
		return err_wrap(e, "journal record");
	(void) buf_printf(out, "%08x %s\n", crc32c(rest.data, rest.len), rest.data);
	return 0;
}

/* Whether a whole record hides behind damage: then the damage is no torn end. */
static bool hides_record(const char *s, size_t n) {
	struct frame f;

	for (size_t i = 1; i + FRAME_HEAD < n; i++)
		if (s[i + CRC_LEN] == ' ' && s[i + FRAME_HEAD] == '{' &&
		    frame_split(s + i, n - i, &f))
			return true;
	return false;
}

size_t frames_torn(const char *data, size_t n) {
	struct frame f;

	if (!n)
		return 0;
	const char *last = memrchr(data, '\n', n - 1);
	size_t begin = last ? (size_t) (last - data) + 1 : 0;
	if (data[n - 1] != '\n')
		return n - begin;
	size_t len = n - begin - 1;
	return frame_split(data + begin, len, &f) || hides_record(data + begin, len) ? 0
										     : n - begin;
}

static int bad(const struct frames *f, size_t number, struct err *e, const char *what) {
	return err_set(e, ERR_INTEGRITY, "record %zu of '%s' %s", number, f->file, what);
}

/* Check one line against the chain and show it to the visitor. */
static int read_line(const struct frames *f, size_t number, const char *line, size_t n, bool last,
		     struct chain *c, struct err *e) {
	struct json *body CLEANUP(json_freep) = NULL;
	struct journal_record r;
	struct frame parts;

	if (!frame_split(line, n, &parts))
		return bad(f, number, e, "is damaged: its checksum does not match");
	if (memcmp(parts.prev, c->prev, PREV_LEN) != 0)
		return bad(f, number, e,
			   "does not continue the record before it: the chain is broken");
	chain_step(c, line, n + 1);
	if (f->quick && !last)
		return 0;
	if (frame_record(&parts, c->seq, &body, &r, e)) {
		struct err inner = *e;
		return err_set(e, inner.code, "record %zu of '%s' %.400s", number, f->file,
			       inner.msg);
	}
	return f->quick || !f->visit ? 0 : f->visit(f->ctx, &r, e);
}

int frames_read(const struct frames *f, struct chain *c, size_t *whole, struct err *e) {
	size_t end = f->n - (f->newest ? frames_torn(f->data, f->n) : 0), number = 1;

	for (size_t at = 0; at < end; number++) {
		const char *line = f->data + at, *newline = memchr(line, '\n', end - at);
		if (!newline)
			return bad(f, number, e, "has no end");
		size_t n = (size_t) (newline - line);
		int r = read_line(f, number, line, n, at + n + 1 == end, c, e);
		if (r)
			return r;
		at += n + 1;
	}
	*whole = end;
	return 0;
}
