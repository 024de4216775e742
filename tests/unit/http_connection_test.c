/* SPDX-License-Identifier: Apache-2.0 */
#include "http_parts.h"

struct feed {
	size_t left;
	bool fail;
};

static ssize_t feed(void *ctx, char *buf, size_t n) {
	struct feed *f = ctx;

	if (!f->left)
		return f->fail ? -1 : 0;
	n = n < f->left ? n : f->left;
	memset(buf, 'y', n);
	f->left -= n;
	return (ssize_t) n;
}

static void a_body_is_streamed(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	const char *const headers[] = {"Content-Type: application/x-tar"};
	struct feed f = {5 << 20, false};
	struct http_request q = {.method = "POST",
				 .url = "http://engine/echo",
				 .unix_socket = b->socket,
				 .read = feed,
				 .read_ctx = &f,
				 .headers = headers,
				 .n_headers = 1,
				 .max_body = 6 << 20};
	struct err e = {0};

	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_int_equal(r.status, 201);
	assert_int_equal(r.body.len, 5 << 20);
	assert_string_equal(b->seen.method, "POST");
	assert_string_equal(b->seen.type, "application/x-tar");
	assert_string_equal(b->seen.expect, "");
	f = (struct feed){100, true};
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_true(r.aborted);
	f = (struct feed){10, false};
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_false(r.aborted);
	assert_string_equal(buf_str(&r.body), "yyyyyyyyyy");
}

/* The Engine says what is wrong with an image before it has read all of it. */
static void an_early_answer(void **state) {
	static const struct {
		const char *name, *url;
		long status;
		const char *body;
	} cases[] = {
		{"refused", "http://engine/early-500", 500, "no room"},
		{"in a 200", "http://engine/early-200", 200, "not a tar"},
		{"in chunks", "http://engine/early-chunks", 200, "not a tar"},
	};
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();

	EACH_CASE (c, cases) {
		struct http_response r CLEANUP(http_response_done) = {0};
		struct feed f = {200 << 20, false};
		struct http_request q = {.method = "POST",
					 .url = c->url,
					 .unix_socket = b->socket,
					 .read = feed,
					 .read_ctx = &f};
		struct err e = {0};
		int result = http_do(h, &q, &r, &e);
		assert_string_equal(e.msg, "");
		assert_int_equal(result, 0);
		assert_int_equal(r.status, c->status);
		assert_string_equal(buf_str(&r.body), c->body);
	}
	struct http_response r CLEANUP(http_response_done) = {0};
	struct feed f = {200 << 20, false};
	struct http_request q = {.method = "POST",
				 .url = "http://engine/early-half",
				 .unix_socket = b->socket,
				 .read = feed,
				 .read_ctx = &f};
	struct err e = {0};
	char *expect CLEANUP(freep) =
		mem_printf("'%s' closed the connection before the end of its answer", b->socket);
	assert_int_equal(http_do(h, &q, &r, &e), -1);
	assert_string_equal(e.msg, expect);
}

static void a_reset_connection(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/reset", httpd_port(b->tcp));
	char *expect CLEANUP(freep) = mem_printf(
		"exchange with '127.0.0.1:%u' failed: Recv failure: Connection reset by peer",
		httpd_port(b->tcp));
	struct http_request q = {.url = url};
	struct err e = {0};

	assert_int_equal(http_do(h, &q, &r, &e), -1);
	assert_string_equal(e.msg, expect);
}

static bool refuse(void *ctx, const struct http_response *r) {
	*(long *) ctx = r->status;
	return false;
}

static bool one_piece(void *ctx, const char *data, size_t n) {
	(void) data;
	*(long *) ctx += (long) n;
	return false;
}

static void a_sink_may_stop(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	long seen = 0;
	struct http_request q = {.url = "http://engine/big",
				 .unix_socket = b->socket,
				 .sink = one_piece,
				 .sink_ctx = &seen};
	struct err e = {0};

	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_true(r.aborted);
	assert_true(seen > 0 && seen < 3 << 20);
	q.begin = refuse;
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_true(r.aborted);
	assert_int_equal(seen, 200);
}

static void *press_ctrl_c(void *arg) {
	(void) arg;
	clock_sleep_ms(100);
	(void) kill(getpid(), SIGINT);
	return NULL;
}

static void ctrl_c_is_seen(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	struct http_request q = {.url = "http://engine/hang", .unix_socket = b->socket};
	struct err e = {0};
	pthread_t thread;

	interrupt_install();
	uint64_t start_ms = clock_mono_ms();
	assert_int_equal(pthread_create(&thread, NULL, press_ctrl_c, NULL), 0);
	assert_int_equal(http_do(h, &q, &r, &e), -1);
	(void) pthread_join(thread, NULL);
	interrupt_clear();
	assert_string_equal(e.msg, "interrupted");
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_true(clock_mono_ms() - start_ms < 10000);
}

/* /proc/self/fd/N/s: for a root whose own path is too long. */
static void a_socket_beneath_a_descriptor(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	char path[64];
	struct http_request q = {.url = "http://engine/ok", .unix_socket = path};
	struct err e = {0};
	int fd CLEANUP(closep) = -1;

	fd = open(b->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	(void) snprintf(path, sizeof path, "/proc/self/fd/%d/s", fd);
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	assert_string_equal(buf_str(&r.body), "hello");
}

/* As curl: for hosts, never for a socket. */
static void a_proxy_is_asked(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	char *proxy CLEANUP(freep) = mem_printf("http://127.0.0.1:%u", httpd_port(b->tcp));
	struct http_request q = {.url = "http://no.such.invalid/404"};
	unsigned before = httpd_requests(b->tcp);
	struct err e = {0};

	(void) setenv("http_proxy", proxy, 1);
	assert_int_equal(http_do(h, &q, &r, &e), -1);
	assert_string_equal(e.msg, "'no.such.invalid' closed the connection without an answer");
	/* the whole address is its path, which it does not know */
	assert_int_equal(httpd_requests(b->tcp), before + 1);
	assert_string_equal(b->seen.host, "no.such.invalid");
	q = (struct http_request){.url = "http://engine/ok", .unix_socket = b->socket};
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	(void) unsetenv("http_proxy");
	assert_string_equal(buf_str(&r.body), "hello");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_is_streamed),
		cmocka_unit_test(an_early_answer),
		cmocka_unit_test(a_reset_connection),
		cmocka_unit_test(a_sink_may_stop),
		cmocka_unit_test(ctrl_c_is_seen),
		cmocka_unit_test(a_socket_beneath_a_descriptor),
		cmocka_unit_test(a_proxy_is_asked),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
