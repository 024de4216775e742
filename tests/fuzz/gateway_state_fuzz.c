/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "gateway/state.h"
#include "haproxy/render.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A state that is accepted prints itself again, is rendered without a line that it brought along,
 * and turns into itself by doing nothing; one that is refused says so in words. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL,
				*again CLEANUP(gateway_state_freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20),
			commands CLEANUP(buf_done) = BUF_INIT(8 << 20);
	struct haproxy_texts texts CLEANUP(haproxy_texts_done) = {0};
	const struct haproxy_paths paths = {.run = "run", .gateway = "gateway", .host = ""};
	struct err e = {0};

	if (gateway_state_parse((const char *) data, size, &s, &e)) {
		if (e.code != ERR_INTEGRITY || !*e.msg || s)
			abort();
		return 0;
	}
	gateway_state_print(s, &text);
	if (text.cut || gateway_state_parse(buf_str(&text), text.len, &again, &e))
		abort();
	if (!haproxy_commands(gateway_state_routes(s), gateway_state_routes(again), &paths,
			      &commands) ||
	    commands.len)
		abort();
	if (haproxy_render(gateway_state_routes(s), &paths, &texts, &e))
		abort();
	size_t lines = 0;
	for (const char *p = texts.files[0].bytes; (p = strchr(p, '\n')); p++)
		lines++;
	if (lines != 2 * gateway_state_count(s))
		abort();
	return 0;
}
