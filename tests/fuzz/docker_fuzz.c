/* SPDX-License-Identifier: Apache-2.0 */
/* The Engine's streams: the first byte says in pieces of what size the rest arrives. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "docker/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take_object(void *ctx, const struct json *j) {
	size_t *count = ctx;

	(*count)++;
	return json_is_object(j);
}

static bool take_bytes(void *ctx, int stream, const char *data, size_t n) {
	size_t *count = ctx;

	*count += n;
	return (stream == 1 || stream == 2) && n && data;
}

static void feed(bool (*sink)(void *ctx, const char *data, size_t n), void *ctx, const char *text,
		 size_t n, size_t piece) {
	for (size_t at = 0; at < n; at += piece)
		if (!sink(ctx, text + at, n - at < piece ? n - at : piece))
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct docker_objects o = DOCKER_OBJECTS;
	size_t objects = 0, bytes = 0;
	struct docker_frames f = {.sink = take_bytes, .ctx = &bytes};

	if (!size)
		return 0;
	size_t piece = data[0] ? data[0] : 256;
	const char *text = (const char *) data + 1;
	o.each = take_object;
	o.ctx = &objects;
	feed(docker_objects_feed, &o, text, size - 1, piece);
	feed(docker_frames_feed, &f, text, size - 1, piece);
	if (o.seen != objects || bytes > size || (o.fault && o.ended))
		abort();
	docker_objects_done(&o);
	return 0;
}
