/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
	if (!ok)
		abort();
}

/* What a server sends, as libcurl hands it to us: a line a call, then the body. */
static void answer(const char *data, size_t size, bool sink_free) {
	struct http_request q = {.url = "http://h/", .max_body = sink_free ? 0 : 16};
	struct http_response r = {0};
	struct transfer t = {.q = &q, .r = &r};

	http_response_reset(&r, http_body_limit(&q, true));
	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t n = end ? (size_t) (end - data) + 1 : size;
		char *line = mem_strndup(data, n);
		size_t taken = http_on_header(line, 1, n, &t);
		must(taken == n || t.stop == STOP_HEADERS);
		free(line);
		data += n;
		size -= n;
		if (n <= 2)
			break;
	}
	if (size)
		(void) http_on_body((char *) (uintptr_t) data, 1, size, &t);
	must(r.body.len <= http_body_limit(&q, true) && r.range_from >= -1 && r.range_total >= -1 &&
	     r.content_length >= -1 && r.retry_after_ms <= 86400000);
	must(strlen(r.content_type) < sizeof r.content_type && strlen(r.etag) < sizeof r.etag);
	http_response_done(&r);
}

/* No secret of an address is shown: what stands before its last '@' and after its first '?' or
 * '#'. */
static void address(const char *url) {
	char *shown CLEANUP(freep) = http_shown(url);
	struct err e;

	(void) http_is_loopback(url);
	if (!http_check_address(url, &e))
		must(!strpbrk(shown, "?#"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text CLEANUP(freep) = mem_strndup((const char *) data, size);

	answer((const char *) data, size, false);
	answer((const char *) data, size, true);
	address(text);
	return 0;
}
