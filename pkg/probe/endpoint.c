/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/endpoint.h"

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/http.h"
#include "probe/excerpt.h"
#include "json/json.h"

void endpoint_reply_done(struct endpoint_reply *r) {
	if (!r)
		return;
	json_free(r->body);
	*r = (struct endpoint_reply){0};
}

static void read_reply(const struct http_response *r, struct endpoint_reply *out) {
	const char *said = NULL;
	struct err ignored;

	*out = (struct endpoint_reply){.status = r->status, .latency_ms = r->total_us / 1000};
	/* A body that is no JSON is the caller's to judge: a health page may be plain text. */
	if (r->body.len && json_parse(buf_str(&r->body), r->body.len, &out->body, &ignored))
		out->body = NULL;
	said = json_text(json_path(out->body, "error.message"));
	if (!said)
		said = json_text(json_get(out->body, "error"));
	if (said)
		(void) probe_excerpt(said, strlen(said), out->message, sizeof out->message);
	else
		(void) probe_excerpt(buf_str(&r->body), r->body.len, out->message,
				     sizeof out->message);
}

int endpoint_call(const struct endpoint *ep, const char *path, const struct json *body,
		  uint64_t timeout_ms, struct endpoint_reply *out, struct err *e) {
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(4 << 20);
	char *url CLEANUP(freep) = mem_printf("%s%s", ep->base_url, path);
	char *bearer CLEANUP(freep) = ep->api_key
		? mem_printf("Authorization: Bearer %s", ep->api_key)
		: NULL;
	const char *headers[2];
	struct http_request q = {.url = url,
				 .unix_socket = ep->unix_socket,
				 .headers = headers,
				 .connect_timeout_ms = timeout_ms,
				 .total_timeout_ms = timeout_ms,
				 .max_body = ENDPOINT_ANSWER_MAX};

	assert(timeout_ms > 0);
	if (bearer)
		headers[q.n_headers++] = bearer;
	if (body) {
		json_print(body, &text);
		if (text.cut)
			return err_set(e, ERR_SYS, "a question of more than %d MiB", 4);
		headers[q.n_headers++] = "Content-Type: application/json";
		q.method = "POST";
		q.effect = EFFECT_QUESTION;
		q.body = buf_str(&text);
		q.body_len = text.len;
	}
	if (http_do(h, &q, &r, e))
		return -1;
	read_reply(&r, out);
	return 0;
}

const char *endpoint_answer(const struct json *body) {
	const struct json *choice = json_path(body, "choices.0");
	const char *text = json_text(json_path(choice, "message.content"));

	return text ? text : json_str(choice, "text");
}

bool endpoint_is_raw(const char *path) {
	return text_ends(path, "/completions") && !text_ends(path, "/chat/completions");
}
