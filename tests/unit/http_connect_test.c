/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/http.h"

static const struct {
	const char *name, *url, *socket, *header, *expect;
	enum err_code code;
	int number;
} refused[] = {
	{"nobody listens", "http://127.0.0.1:1/x", NULL, NULL,
	 "cannot reach '127.0.0.1:1': Connection refused", ERR_UNREACHABLE, ECONNREFUSED},
	{"no such name", "http://user:secret@no.such.invalid/x?key=secret", NULL, NULL,
	 "cannot reach 'no.such.invalid': its name does not resolve", ERR_UNREACHABLE, 0},
	{"no socket", "http://engine/x", "/nonexistent/engine.sock", NULL,
	 "cannot reach '/nonexistent/engine.sock': No such file or directory", ERR_UNREACHABLE,
	 ENOENT},
	{"a plain file", "http://engine/x", "/dev/null", NULL,
	 "cannot reach '/dev/null': Connection refused", ERR_UNREACHABLE, ECONNREFUSED},
	{"a path that is too long", "http://engine/x",
	 "/a/path/that/is/longer/than/the/hundred/and/seven/bytes/that/an/address/of/a/socket/may/"
	 "have/in/this/operating/system",
	 NULL,
	 "cannot reach "
	 "'/a/path/that/is/longer/than/the/hundred/and/seven/bytes/that/an/address/of/a/socket/may/"
	 "have/in/this/operating/system': "
	 "a socket's path has 107 bytes at most",
	 ERR_UNREACHABLE, ENAMETOOLONG},
	{"another scheme", "ftp://user:secret@h/x", NULL, NULL,
	 "an address begins with 'ftp' instead of http:// or https://", ERR_USAGE, 0},
	{"no scheme", "user:secret@h/x", NULL, NULL,
	 "an address begins with 'user' instead of http:// or https://", ERR_USAGE, 0},
	{"malformed", "http://user:secret@[h/x", NULL, NULL, "an http address is malformed",
	 ERR_USAGE, 0},
	{"a line break in a header", "http://h/x", NULL, "Authorization: secret\r\nX: y",
	 "header 'Authorization' has a control character in its value", ERR_USAGE, 0},
};

static void no_connection(void **state) {
	struct http *h CLEANUP(http_freep) = http_new();

	(void) state;
	EACH_CASE (c, refused) {
		struct http_response r CLEANUP(http_response_done) = {0};
		struct http_request q = {.url = c->url,
					 .unix_socket = c->socket,
					 .headers = &c->header,
					 .n_headers = c->header ? 1 : 0};
		struct err e = {0};
		assert_int_equal(http_do(h, &q, &r, &e), -1);
		assert_string_equal(e.msg, c->expect);
		assert_int_equal(e.code, c->code);
		assert_int_equal(http_connect_errno(h), c->number);
	}
}

/* A listener whose queue is full neither takes nor refuses. */
static void no_connection_in_time(void **state) {
	struct http *h CLEANUP(http_freep) = http_new();
	struct http_response r CLEANUP(http_response_done) = {0};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	struct err e = {0};
	int queued[4], listener CLEANUP(closep) = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) state;
	assert_false(bind(listener, (struct sockaddr *) &a, n) || listen(listener, 0) ||
		     getsockname(listener, (struct sockaddr *) &a, &n));
	for (size_t i = 0; i < sizeof queued / sizeof *queued; i++) {
		queued[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void) connect(queued[i], (struct sockaddr *) &a, n);
	}
	char *url CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/", ntohs(a.sin_port));
	char *expect CLEANUP(
		freep) = mem_printf("cannot reach '127.0.0.1:%u': no connection within 100 ms",
				    ntohs(a.sin_port));
	struct http_request q = {.url = url, .connect_timeout_ms = 100};
	assert_int_equal(http_do(h, &q, &r, &e), -1);
	assert_string_equal(e.msg, expect);
	assert_int_equal(e.code, ERR_UNREACHABLE);
	for (size_t i = 0; i < sizeof queued / sizeof *queued; i++)
		(void) close(queued[i]);
}

static void what_is_shown(void **state) {
	static const struct {
		const char *name, *url, *shown;
		bool loopback;
	} cases[] = {
		{"plain", "https://h/a/b", "https://h/a/b", false},
		{"secrets", "https://u:secret@h:8443/a?token=secret#f", "https://h:8443/a", false},
		{"malformed", "https://u:secret@[h", "a malformed address", false},
		{"loopback", "http://127.0.0.1:80/x", "http://127.0.0.1:80/x", true},
		{"name", "http://localhost/", "http://localhost/", true},
		{"v6", "http://[::1]:8080/", "http://[::1]:8080/", true},
		{"looks like it", "http://127.0.0.1.example/", "http://127.0.0.1.example/", false},
		{"user looks like it", "http://localhost@example/", "http://example/", false},
	};

	(void) state;
	EACH_CASE (c, cases) {
		char *shown CLEANUP(freep) = http_shown(c->url);
		assert_string_equal(shown, c->shown);
		assert_int_equal(http_is_loopback(c->url), c->loopback);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_connection),
		cmocka_unit_test(no_connection_in_time),
		cmocka_unit_test(what_is_shown),
	};

	(void) setenv("no_proxy", "*", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
