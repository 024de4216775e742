/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "gateway/counters.h"
#include "gateway/gateway.h"
#include "haproxy/render.h"

/* Just `want` numbers between blanks. */
static int read_numbers(const char *text, uint64_t *v, size_t want, struct err *e) {
	char word[24];
	size_t n = 0;

	for (const char *p = text + strspn(text, " \n"); *p; p += strspn(p, " \n")) {
		size_t len = strcspn(p, " \n");
		bool fits = len < sizeof word && n < want;
		if (fits) {
			memcpy(word, p, len);
			word[len] = 0;
		}
		if (!fits || !text_u64(word, &v[n++]))
			return err_set(e, ERR_SYS,
				       "this version cannot read the gateway's counters: llmdeploy "
				       "gateway reload");
		p += len;
	}
	return n == want ? 0
			 : err_set(e, ERR_SYS,
				   "this version cannot read the gateway's counters: llmdeploy "
				   "gateway reload");
}

int gateway_sample_parse(const char *text, struct gateway_sample *out, struct err *e) {
	uint64_t v[5 + 2 * HAPROXY_BUCKETS];

	if (read_numbers(text, v, sizeof v / sizeof *v, e))
		return -1;
	out->began_ms = v[0];
	out->requests = v[1];
	out->errors = v[2];
	out->refused = v[3];
	out->left = v[4];
	memcpy(out->total_ms, v + 5, sizeof out->total_ms);
	memcpy(out->first_ms, v + 5 + HAPROXY_BUCKETS, sizeof out->first_ms);
	return 0;
}

int gateway_fallback_parse(const char *text, struct gateway_route_view *out, struct err *e) {
	uint64_t v[1 + 4 * GATEWAY_REASONS];

	if (read_numbers(text, v, sizeof v / sizeof *v, e))
		return -1;
	out->began_ms = v[0];
	for (size_t i = 0; i < GATEWAY_REASONS; i++)
		out->fallback_stats[i] =
			(struct gateway_fallback_stats){.requests = v[1 + 4 * i],
							.prompt_tokens = v[2 + 4 * i],
							.generated_tokens = v[3 + 4 * i],
							.estimated = v[4 + 4 * i]};
	return 0;
}

bool gateway_sample_since(const struct gateway_sample *before, const struct gateway_sample *after,
			  struct gateway_sample *out) {
	struct gateway_sample d = *after;

	if (before->began_ms != after->began_ms || before->requests > after->requests ||
	    before->errors > after->errors || before->refused > after->refused ||
	    before->left > after->left)
		return false;
	d.requests -= before->requests;
	d.errors -= before->errors;
	d.refused -= before->refused;
	d.left -= before->left;
	for (size_t i = 0; i < HAPROXY_BUCKETS; i++) {
		if (before->total_ms[i] > after->total_ms[i] ||
		    before->first_ms[i] > after->first_ms[i])
			return false;
		d.total_ms[i] -= before->total_ms[i];
		d.first_ms[i] -= before->first_ms[i];
	}
	*out = d;
	return true;
}
