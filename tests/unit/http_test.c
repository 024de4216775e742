/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "http/http.h"
#include "tests/fake/httpd.h"

/* What the handler saw last; read when the request is over. */
struct seen {
	char method[16], auth[64], type[64], expect[64], host[64];
	size_t body_len;
	unsigned connection;
};

struct bench {
	struct httpd *tcp, *other, *local;
	struct seen seen;
	char socket[64], dir[40];
};

static void keep(const struct httpd_request *q, const char *name, char *to, size_t size) {
	char *value CLEANUP(freep) = httpd_header(q, name);

	(void) snprintf(to, size, "%s", value);
}

static void look(struct bench *b, const struct httpd_request *q) {
	(void) snprintf(b->seen.method, sizeof b->seen.method, "%s", q->method);
	keep(q, "Authorization", b->seen.auth, sizeof b->seen.auth);
	keep(q, "Content-Type", b->seen.type, sizeof b->seen.type);
	keep(q, "Expect", b->seen.expect, sizeof b->seen.expect);
	keep(q, "Host", b->seen.host, sizeof b->seen.host);
	b->seen.body_len = q->body_len;
	b->seen.connection = q->connection;
}

static bool big(struct httpd_conn *c, size_t n) {
	char *body CLEANUP(freep) = mem_zalloc(n, 1);

	memset(body, 'x', n);
	return httpd_reply(c, 200, "", body, n);
}

static bool many_headers(struct httpd_conn *c) {
	char line[1024];

	memset(line, 'h', sizeof line);
	(void) memcpy(line, "X-Much: ", 8);
	(void) memcpy(line + sizeof line - 3, "\r\n", 3);
	if (!httpd_puts(c, "HTTP/1.1 200 OK\r\n"))
		return false;
	for (int i = 0; i < 300; i++)
		if (!httpd_puts(c, line))
			return false;
	return httpd_puts(c, "\r\n");
}

static bool redirect(struct bench *b, struct httpd_conn *c, const char *path) {
	char *away CLEANUP(freep) = NULL;

	if (!strcmp(path, "/elsewhere")) {
		away = mem_printf("Location: http://localhost:%u/ok\r\nX-Linked-Etag: \"linked\"\r\n", httpd_port(b->other));
		return httpd_reply(c, 302, away, "moved", 5);
	}
	return httpd_reply(c, 302, !strcmp(path, "/there") ? "Location: /ok\r\n" : !strcmp(path, "/loop") ? "Location: /loop\r\n" : "Location: ftp://x/\r\n",
			   "moved", 5);
}

static const char fine[] = "Content-Type: text/plain; charset=utf-8\r\nETag: \"abc\"\r\nApi-Version: 1.41\r\n"
			   "Last-Modified: Sun, 22 Nov 2026 17:41:05 GMT\r\nX-Other: one\r\n";

static bool answer(void *ctx, struct httpd_conn *c, const struct httpd_request *q) {
	struct bench *b = ctx;
	const char *path = q->path;

	look(b, q);
	if (!strcmp(path, "/ok"))
		return httpd_reply(c, 200, fine, "hello", strcmp(q->method, "HEAD") ? 5 : 0);
	if (!strcmp(path, "/echo"))
		return httpd_reply(c, 201, "", q->body, q->body_len);
	if (!strcmp(path, "/404"))
		return httpd_reply(c, 404, "", "no such page", 12);
	if (!strcmp(path, "/429"))
		return httpd_reply(c, 429, "Retry-After: 7\r\n", "", 0);
	if (!strcmp(path, "/range"))
		return httpd_reply(c, 206, "Content-Range: bytes 3-4/5\r\n", "lo", 2);
	if (!strcmp(path, "/big"))
		return big(c, 3 << 20);
	if (!strcmp(path, "/chunked"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	if (!strcmp(path, "/continue"))
		return httpd_puts(c, "HTTP/1.1 103 Early Hints\r\nETag: \"no\"\r\n\r\n") && httpd_reply(c, 200, "", "after", 5);
	if (!strcmp(path, "/hang"))
		return httpd_hang(c);
	if (!strcmp(path, "/stall"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin") && httpd_hang(c);
	if (!strcmp(path, "/cut"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegin") && false;
	if (!strcmp(path, "/cutchunk"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n") && false;
	if (!strcmp(path, "/early-500"))
		return httpd_reply(c, 500, "Connection: close\r\n", "no room", 7) && false;
	if (!strcmp(path, "/early-200"))
		return httpd_reply(c, 200, "Connection: close\r\n", "not a tar", 9) && false;
	if (!strcmp(path, "/early-chunks"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
				     "3\r\nnot\r\n6\r\n a tar\r\n0\r\n\r\n") && false;
	if (!strcmp(path, "/early-half"))
		return httpd_puts(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnot\r\n") && false;
	if (!strcmp(path, "/reset"))
		return httpd_reset(c);
	if (!strcmp(path, "/garbage"))
		return httpd_puts(c, "220 ready to transfer files\r\n") && false;
	if (!strcmp(path, "/number"))
		return httpd_puts(c, "HTTP/1.1 x OK\r\n\r\n") && false;
	if (!strcmp(path, "/headers"))
		return many_headers(c);
	if (!strcmp(path, "/there") || !strcmp(path, "/loop") || !strcmp(path, "/ftp") || !strcmp(path, "/elsewhere"))
		return redirect(b, c, path);
	return false; /* closes without a word */
}

static void no_proxies(void) {
	static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void) unsetenv(names[i]);
}

static int start(void **state) {
	struct bench *b = mem_zalloc(1, sizeof *b);

	no_proxies();
	(void) strcpy(b->dir, "/tmp/llmdeploy-http-XXXXXX");
	if (!mkdtemp(b->dir))
		return -1;
	(void) snprintf(b->socket, sizeof b->socket, "%s/s", b->dir);
	b->tcp = httpd_start(NULL, answer, b);
	b->other = httpd_start(NULL, answer, b);
	b->local = httpd_start(b->socket, answer, b);
	*state = b;
	return 0;
}

static int stop(void **state) {
	struct bench *b = *state;

	httpd_stop(b->tcp);
	httpd_stop(b->other);
	httpd_stop(b->local);
	int r = rmdir(b->dir);
	free(b);
	return r;
}

/* In what a test expects, '@' stands for the server's name in messages. */
static char *fill_in(const char *text, const char *name) {
	const char *at = strchr(text, '@');

	return at ? mem_printf("%.*s%s%s", (int) (at - text), text, name, at + 1) : mem_strdup(text);
}

static const struct {
	const char *name, *method, *path, *body;
	bool follow, sink;
	uint64_t total_ms, stall_ms;
	size_t max_body;
	long status;	     /* 0: an error */
	const char *expect;  /* body, or message */
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
	{"its body is not the sink's", NULL, "/404", NULL, .sink = true, .status = 404, .expect = "no such page"},
	{"and is cut, silently", NULL, "/404", NULL, .max_body = 7, .status = 404, .expect = "no such"},
	{"redirect not followed", NULL, "/there", NULL, .status = 302, .expect = "moved"},
	{"redirect", NULL, "/there", NULL, .follow = true, .status = 200, .expect = "hello"},
	{"redirects for ever", NULL, "/loop", NULL, .follow = true, .expect = "'@' redirects more than 10 times"},
	{"redirect to ftp", NULL, "/ftp", NULL, .follow = true, .expect = "'@' redirects to an address that is not http or https"},
	{"too large", NULL, "/big", NULL, .expect = "answer of '@' is larger than 1048576 bytes"},
	{"too large for the caller", NULL, "/ok", NULL, .max_body = 4, .expect = "answer of '@' is larger than 4 bytes"},
	{"just large enough", NULL, "/ok", NULL, .max_body = 5, .status = 200, .expect = "hello"},
	{"too large for a sink", NULL, "/ok", NULL, .sink = true, .max_body = 4, .expect = "answer of '@' is larger than 4 bytes"},
	{"hang", NULL, "/hang", NULL, .total_ms = 150, .expect = "no complete answer from '@' within 150 ms"},
	{"hang, by the stall", NULL, "/hang", NULL, .stall_ms = 150, .expect = "no byte to or from '@' for 150 ms"},
	{"stall", NULL, "/stall", NULL, .stall_ms = 150, .expect = "no byte to or from '@' for 150 ms"},
	{"cut", NULL, "/cut", NULL, .expect = "'@' closed the connection before the end of its answer"},
	{"cut in chunks", NULL, "/cutchunk", NULL, .expect = "'@' closed the connection before the end of its answer"},
	{"nothing", NULL, "/nothing", NULL, .expect = "'@' closed the connection without an answer"},
	{"not HTTP", NULL, "/garbage", NULL, .expect = "answer of '@' is not HTTP"},
	{"no status", NULL, "/number", NULL, .expect = "answer of '@' is not HTTP"},
	{"headers without end", NULL, "/headers", NULL, .expect = "answer of '@' has too many headers"},
};

static bool gather(void *ctx, const char *data, size_t n) {
	return buf_add(ctx, data, n);
}

/* Every row on a TCP port and on a Unix socket, with one handle each: a failure must not spoil the next. */
static void all_answers(struct bench *b, bool local) {
	struct http *h CLEANUP(http_freep) = http_new();
	char *base CLEANUP(freep) = local ? mem_strdup("http://engine") : mem_printf("http://127.0.0.1:%u", httpd_port(b->tcp));

	EACH_CASE(c, answers) {
		char *url CLEANUP(freep) = mem_printf("%s%s", base, c->path);
		char *expect CLEANUP(freep) = fill_in(c->expect, local ? b->socket : base + strlen("http://"));
		struct buf sunk CLEANUP(buf_done) = BUF_INIT(100);
		struct http_response r CLEANUP(http_response_done) = {0};
		struct err e = {0};
		struct http_request q = {
			.method = c->method, .url = url, .unix_socket = local ? b->socket : NULL, .follow = c->follow,
			.body = c->body, .body_len = c->body ? strlen(c->body) : 0, .max_body = c->max_body,
			.total_timeout_ms = c->total_ms, .stall_timeout_ms = c->stall_ms,
			.sink = c->sink ? gather : NULL, .sink_ctx = &sunk};
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

struct headers {
	unsigned n;
	char other[32];
};

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
	struct http_request q = {.url = "http://engine/ok", .unix_socket = b->socket, .on_header = count, .header_ctx = &all};

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

/* Whoever redirects us does not learn the token of the first host, and the name that it gave stays. */
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
	struct http_request q = {.method = "POST", .url = "http://engine/echo", .unix_socket = b->socket, .read = feed,
				 .read_ctx = &f, .headers = headers, .n_headers = 1, .max_body = 6 << 20};
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

	EACH_CASE(c, cases) {
		struct http_response r CLEANUP(http_response_done) = {0};
		struct feed f = {200 << 20, false};
		struct http_request q = {.method = "POST", .url = c->url, .unix_socket = b->socket, .read = feed, .read_ctx = &f};
		struct err e = {0};
		int result = http_do(h, &q, &r, &e);
		assert_string_equal(e.msg, "");
		assert_int_equal(result, 0);
		assert_int_equal(r.status, c->status);
		assert_string_equal(buf_str(&r.body), c->body);
	}
	struct http_response r CLEANUP(http_response_done) = {0};
	struct feed f = {200 << 20, false};
	struct http_request q = {.method = "POST", .url = "http://engine/early-half", .unix_socket = b->socket, .read = feed,
				 .read_ctx = &f};
	struct err e = {0};
	char *expect CLEANUP(freep) = mem_printf("'%s' closed the connection before the end of its answer", b->socket);
	assert_int_equal(http_do(h, &q, &r, &e), -1);
	assert_string_equal(e.msg, expect);
}

static void a_reset_connection(void **state) {
	struct bench *b = *state;
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/reset", httpd_port(b->tcp));
	char *expect CLEANUP(freep) = mem_printf("exchange with '127.0.0.1:%u' failed: Recv failure: Connection reset by peer",
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
	struct http_request q = {.url = "http://engine/big", .unix_socket = b->socket, .sink = one_piece, .sink_ctx = &seen};
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
	assert_int_equal(httpd_requests(b->tcp), before + 1); /* the whole address is its path, which it does not know */
	assert_string_equal(b->seen.host, "no.such.invalid");
	q = (struct http_request){.url = "http://engine/ok", .unix_socket = b->socket};
	assert_int_equal(http_do(h, &q, &r, &e), 0);
	(void) unsetenv("http_proxy");
	assert_string_equal(buf_str(&r.body), "hello");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_tcp),
		cmocka_unit_test(over_unix_socket),
		cmocka_unit_test_setup_teardown(headers_are_kept, start, stop),
		cmocka_unit_test(a_connection_is_used_again),
		cmocka_unit_test(a_token_stays_with_its_host),
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
