/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

void docker_objects_done(struct docker_objects *o) {
	buf_done(&o->text);
}

static bool fail(struct docker_objects *o, const char *fault) {
	o->fault = fault;
	return false;
}

static bool take(struct docker_objects *o) {
	struct json *j CLEANUP(json_freep) = NULL;
	struct err ignored;

	if (json_parse(buf_str(&o->text), o->text.len, &j, &ignored))
		return fail(o, "an object that is not JSON");
	buf_reset(&o->text);
	o->seen++;
	o->ended = !o->each(o->ctx, j);
	return !o->ended;
}

/* Only as much of JSON as it takes to see where an object ends. */
static bool feed_char(struct docker_objects *o, char c) {
	if (!o->depth && strchr(" \t\r\n\x1e", c))
		return c || fail(o, "something that is not JSON");
	if (!o->depth && c != '{')
		return fail(o, "something that is not JSON");
	if (!buf_putc(&o->text, c))
		return fail(o, "an object larger than 1 MiB");
	if (o->quoted) {
		o->quoted = o->escaped || c != '"';
		o->escaped = !o->escaped && c == '\\';
	} else if (c == '"') {
		o->quoted = true;
	} else if (c == '{' || c == '[') {
		o->depth++;
	} else if (c == '}' || c == ']') {
		o->depth--;
	}
	return o->depth || take(o);
}

bool docker_objects_feed(void *ctx, const char *data, size_t n) {
	struct docker_objects *o = ctx;

	for (size_t i = 0; i < n && !o->fault && !o->ended; i++)
		if (!feed_char(o, data[i]))
			return false;
	return !o->fault && !o->ended;
}

const char *docker_objects_fault(const struct docker_objects *o) {
	if (o->fault)
		return o->fault;
	return o->depth && !o->ended ? "an object without its end" : NULL;
}

/* The header is whole: only known streams, and zeroes where the format has zeroes. */
static bool open_frame(struct docker_frames *f) {
	const unsigned char *h = f->head;

	f->left = (uint32_t) h[4] << 24 | (uint32_t) h[5] << 16 | (uint32_t) h[6] << 8 | h[7];
	f->bad = h[0] > 3 || h[1] || h[2] || h[3];
	if (!f->left)
		f->have = 0;
	return !f->bad;
}

static bool pass(struct docker_frames *f, int stream, const char *data, size_t n) {
	f->ended = !f->sink(f->ctx, stream, data, n);
	return !f->ended;
}

bool docker_frames_feed(void *ctx, const char *data, size_t n) {
	struct docker_frames *f = ctx;

	if (f->raw)
		return pass(f, 1, data, n);
	while (n && !f->bad && !f->ended) {
		if (f->have < sizeof f->head) {
			f->head[f->have++] = (unsigned char) *data++;
			n--;
			if (f->have == sizeof f->head && !open_frame(f))
				return false;
			continue;
		}
		size_t part = n < f->left ? n : f->left;
		/* 0 is what was typed, 3 what the Engine itself has to say. */
		if (!pass(f, f->head[0] < 2 ? 1 : 2, data, part))
			return false;
		data += part;
		n -= part;
		f->left -= (uint32_t) part;
		if (!f->left)
			f->have = 0;
	}
	return !f->bad && !f->ended;
}
