/* SPDX-License-Identifier: Apache-2.0 */
#include "http_parts.h"

/* In what a test expects, '@' stands for the server's name in messages. */
static char *fill_in(const char *text, const char *name) {
	const char *at = strchr(text, '@');

	return at ? mem_printf("%.*s%s%s", (int) (at - text), text, name, at + 1)
		  : mem_strdup(text);
}

static const struct {
	const char *name, *method, *path, *body;
	bool follow, sink;
	uint64_t total_ms, stall_ms;
	size_t max_body;
	long status;        /* 0: an error */
	const char *expect; /* body, or message */
} answers[] = {
	{"plain", NULL, "/ok", NULL, .status = 200, .expect = "hello"},
	{"head", "HEAD", "/ok", NULL, .status = 200, .expect = ""},
	{"post", "POST", "/echo", "{\"a\":1}", .status = 201, .expect = "{\"a\":1}"},
	{"post of nothing", "POST", "/echo", NULL, .status = 201, .expect = ""},
	{"put", "PUT", "/echo", "x", .status = 201, .expect = "x"},
	{"delete", "DELETE", "/ok", NULL, .status = 200, .expect = "hello"},
	{"chunked", NULL, "/chunked", NULL, .status = 200, .expect = "abcde"},
	{"early hints", NULL, "/continue", NULL, .status = 200, .expect = "after"},
	{"a status is a result", NULL, "/404", NULL, .status = 404, .expect = "no such page"},
	{"its body is not the sink's", NULL, "/404", NULL, .sink = true, .status = 404,
	 .expect = "no such page"},
	{"and is cut, silently", NULL, "/404", NULL, .max_body = 7, .status = 404,
	 .expect = "no such"},
	{"redirect not followed", NULL, "/there", NULL, .status = 302, .expect = "moved"},
	{"redirect", NULL, "/there", NULL, .follow = true, .status = 200, .expect = "hello"},
	{"redirects for ever", NULL, "/loop", NULL, .follow = true,
	 .expect = "'@' redirects more than 10 times"},
	{"redirect to ftp", NULL, "/ftp", NULL, .follow = true,
	 .expect = "'@' redirects to an address that is not http or https"},
	{"too large", NULL, "/big", NULL, .expect = "answer of '@' is larger than 1048576 bytes"},
	{"too large for the caller", NULL, "/ok", NULL, .max_body = 4,
	 .expect = "answer of '@' is larger than 4 bytes"},
	{"just large enough", NULL, "/ok", NULL, .max_body = 5, .status = 200, .expect = "hello"},
	{"too large for a sink", NULL, "/ok", NULL, .sink = true, .max_body = 4,
	 .expect = "answer of '@' is larger than 4 bytes"},
	{"hang", NULL, "/hang", NULL, .total_ms = 150,
	 .expect = "no complete answer from '@' within 150 ms"},
	{"hang, by the stall", NULL, "/hang", NULL, .stall_ms = 150,
	 .expect = "no byte to or from '@' for 150 ms"},
	{"stall", NULL, "/stall", NULL, .stall_ms = 150,
	 .expect = "no byte to or from '@' for 150 ms"},
	{"cut", NULL, "/cut", NULL,
	 .expect = "'@' closed the connection before the end of its answer"},
	{"cut in chunks", NULL, "/cutchunk", NULL,
	 .expect = "'@' closed the connection before the end of its answer"},
	{"nothing", NULL, "/nothing", NULL,
	 .expect = "'@' closed the connection without an answer"},
	{"not HTTP", NULL, "/garbage", NULL, .expect = "answer of '@' is not HTTP"},
	{"no status", NULL, "/number", NULL, .expect = "answer of '@' is not HTTP"},
	{"headers without end", NULL, "/headers", NULL,
	 .expect = "answer of '@' has too many headers"},
};

static bool gather(void *ctx, const char *data, size_t n) {
	return buf_add(ctx, data, n);
}

/* Every row on a TCP port and on a Unix socket, with one handle each: a failure must not spoil the
 * next. */
static void all_answers(struct bench *b, bool local) {
	struct http *h CLEANUP(http_freep) = http_new();
	char *base CLEANUP(freep) = local ? mem_strdup("http://engine")
					  : mem_printf("http://127.0.0.1:%u", httpd_port(b->tcp));

	EACH_CASE (c, answers) {
		char *url CLEANUP(freep) = mem_printf("%s%s", base, c->path);
		char *expect CLEANUP(freep) = fill_in(c->expect,
						      local ? b->socket : base + strlen("http://"));
		struct buf sunk CLEANUP(buf_done) = BUF_INIT(100);
		struct http_response r CLEANUP(http_response_done) = {0};
		struct err e = {0};
		struct http_request q = {.method = c->method,
					 .url = url,
					 .unix_socket = local ? b->socket : NULL,
					 .follow = c->follow,
					 .body = c->body,
					 .body_len = c->body ? strlen(c->body) : 0,
					 .max_body = c->max_body,
					 .total_timeout_ms = c->total_ms,
					 .stall_timeout_ms = c->stall_ms,
					 .sink = c->sink ? gather : NULL,
					 .sink_ctx = &sunk};
		int result = http_do(h, &q, &r, &e);
		assert_string_equal(result ? e.msg : buf_str(&r.body), expect);
		assert_int_equal(result, c->status ? 0 : -1);
		assert_int_equal(r.status, c->status);
		assert_int_equal(e.code, c->status ? ERR_OK : ERR_UNREACHABLE);
		assert_string_equal(b->seen.expect, "");
		assert_string_equal(b->seen.type, "");
		assert_int_equal(http_connect_errno(h), 0);
		assert_int_equal(sunk.len, 0);
	}
}

static void over_tcp(void **state) {
	all_answers(*state, false);
}

static void over_unix_socket(void **state) {
	all_answers(*state, true);
}

static void count(void *ctx, const char *name, const char *value) {
	struct headers *h = ctx;

	h->n++;
	if (!strcasecmp(name, "x-other"))
		(void) snprintf(h->other, sizeof h->other, "%s", value);
}

static void headers_are_kept(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	struct headers all = {0};
	struct err e = {0};
	struct http_request q = {.url = "http://engine/ok",
				 .unix_socket = b->socket,
				 .on_header = count,
				 .header_ctx = &all};

	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_string_equal(r.content_type, "text/plain; charset=utf-8");
	assert_string_equal(r.etag, "\"abc\"");
	assert_string_equal(r.api_version, "1.41");
	assert_string_equal(r.last_modified, "Sun, 22 Nov 2026 17:41:05 GMT");
	assert_string_equal(r.linked_etag, "");
	assert_int_equal(r.content_length, 5);
	assert_int_equal(r.range_from, -1);
	assert_true(r.first_byte_us > 0 && r.first_byte_us <= r.total_us);
	assert_int_equal(all.n, 6);
	assert_string_equal(all.other, "one");
	assert_string_equal(b->seen.host, "engine");
	q.url = "http://engine/range";
	q.range_from = 3;
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_int_equal(r.range_from, 3);
	assert_int_equal(r.range_total, 5);
	assert_string_equal(r.etag, "");
	q.url = "http://engine/429";
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_int_equal(r.retry_after_ms, 7000);
	assert_int_equal(b->seen.connection, 1);
}

static void a_connection_is_used_again(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	unsigned before = httpd_connections(b->local);

	for (int i = 0; i < 5; i++) {
		struct http_response r CLEANUP(http_response_done) = {0};
		struct http_request q = {.url = "http://engine/ok", .unix_socket = b->socket};
		struct err e = {0};
		assert_int_equal(http_do(h, &q, &r, &e), 0);
	}
	assert_int_equal(httpd_connections(b->local), before + 1);
}

/* Whoever redirects us does not learn the token of the first host, and the name that it gave
 * stays. */
static void a_token_stays_with_its_host(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/elsewhere", httpd_port(b->tcp));
	const char *const headers[] = {"Authorization: Bearer secret"};
	struct http_request q = {.url = url, .headers = headers, .n_headers = 1};
	struct err e = {0};

	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_string_equal(b->seen.auth, "Bearer secret");
	q.follow = true;
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_int_equal(r.status, 200);
	assert_string_equal(b->seen.auth, "");
	assert_string_equal(r.linked_etag, "\"linked\"");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_tcp),
		cmocka_unit_test(over_unix_socket),
		cmocka_unit_test_setup_teardown(headers_are_kept, start, stop),
		cmocka_unit_test(a_connection_is_used_again),
		cmocka_unit_test(a_token_stays_with_its_host),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
