/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_live_parts.h"

static char *read_rest(int fd) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char piece[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0)
		(void) buf_add(&out, piece, (size_t) n);
	return out.len ? buf_steal(&out) : mem_strdup("");
}

/* Sentence 5: what came from elsewhere is summed up with its tokens; what nobody said is estimated,
 * and marked. */
static void test_tokens(void **state) {
	static const struct {
		const char *name, *body;
		unsigned prompt, generated, estimated;
	} cases[] = {
		{"as chat/completions says it", "{\"x\":\"usage\"}", 100, 20, 0},
		{"as /v1/responses says it", "{\"x\":\"spent\"}", 100, 20, 0},
		{"a stream that says it last", "{\"x\":\"stream usage\"}", 100, 20, 0},
		{"a stream that does not", "{\"x\":\"stream\"}", 4, 10, 1},
		{"a stream that is cut", "{\"x\":\"cut usage\"}", 5, 3, 1},
		{"an answer that does not", "{\"x\":\"0123456789\"}", 5, 3, 1},
		{"an error is nothing", "{\"x\":\"fail\"}", 0, 0, 0},
	};
	unsigned prompt = 0, generated = 0, estimated = 0, n = 0;
	struct live l = {0};

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	command(&l, "set server r:one/a state maint");
	EACH_CASE (c, cases) {
		char *came CLEANUP(freep) = ask(&l, CHAT, "", c->body);
		assert_true(strstr(came, MARKED "down") != NULL);
		prompt += c->prompt;
		generated += c->generated;
		estimated += c->estimated;
		char *line CLEANUP(freep) = mem_printf(" %u %u %u %u 0 0 0 0 0 0 0 0\n", ++n,
						       prompt, generated, estimated);
		assert_true(shows(&l, "llmdeploy fallback one", line));
	}
	end(&l);
}

/* An answer of 500 from elsewhere that its client hung up in is an error, and one of 200 is
 * none. */
static void test_given_up(void **state) {
	static const struct {
		const char *name, *body, *first, *count;
	} cases[] = {
		{"of 200", "{\"x\":\"long\"}", "HTTP/1.1 200", "reason=\"down\",code=\"2xx\"} 0\n"},
		{"of 500", "{\"x\":\"long fail\"}", "HTTP/1.1 500",
		 "reason=\"down\",code=\"5xx\"} 1\n"},
	};
	char piece[512];
	struct live l = {0};

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	command(&l, "set server r:one/a state maint");
	EACH_CASE (c, cases) {
		char *text CLEANUP(freep) = upstream_post(CHAT, "", c->body);
		int fd = upstream_send(l.port, text);
		ssize_t n = read(fd, piece, sizeof piece);
		assert_true(n > 12 && !memcmp(piece, c->first, 12));
		(void) close(fd);
		char *line CLEANUP(freep) = mem_printf("\nllmdeploy_errors_total{route=\"one\","
						       "release=\"-\",answered_by=\"fallback\",%s",
						       c->count);
		char *page CLEANUP(freep) = NULL;
		for (int i = 0; i < 300 && !(page && strstr(page, line)); i++) {
			free(page);
			clock_sleep_ms(10);
			page = upstream_ask(l.metrics, "GET /metrics HTTP/1.0\r\n\r\n");
		}
		if (!strstr(page, line))
			fail_msg("there is no '%s' in:\n%s", line, page);
	}
	end(&l);
}

/* Sentence 4: the share of the clients, the same clients every time, and never a server that is not
 * wanted. */
static unsigned answered_by_b(struct live *l, const char *header, const char *value, unsigned n,
			      bool each) {
	unsigned b = 0;

	for (unsigned i = 0; i < n; i++) {
		char *line CLEANUP(freep) = mem_printf("%s: %s%u\r\n", header, value, each ? i : 7);
		char *came CLEANUP(freep) = ask(l, CHAT, line, "{}");
		b += strstr(came, "{\"from\":\"B\"}") != NULL;
		if (strstr(came, "{\"from\":\"B\"}"))
			assert_non_null(strstr(came,
					       "\r\nx-llmdeploy-answered-by: "
					       "canary\r\nx-llmdeploy-release: r2\r\n"));
		else
			assert_non_null(strstr(came,
					       "\r\nx-llmdeploy-answered-by: "
					       "active\r\nx-llmdeploy-release: r1\r\n"));
	}
	return b;
}

#define SESSION "X-Session-Id", "s"
#define KEY "Authorization", "Bearer k"

static void test_canary(void **state) {
	static const struct {
		const char *name, *commands, *header, *value;
		bool each;
		unsigned low, high; /* of 300 */
	} cases[] = {
		{"nobody", "set map g/canary.map one/b 0", SESSION, true, 0, 0},
		{"ten, by header", "set map g/canary.map one/b 10", SESSION, true, 15, 50},
		{"fifty, by header", "set map g/canary.map one/b 50", SESSION, true, 120, 180},
		{"fifty, by key", "set map g/canary.map one/b 50", KEY, true, 120, 180},
		{"fifty, by chance", "set map g/canary.map one/b 50", "X-Other", "", true, 110,
		 190},
		{"everybody", "set map g/canary.map one/b 100", SESSION, true, 300, 300},
		{"not wanted", "set server r:one/b state maint", SESSION, true, 0, 0},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "canary", 0);
	EACH_CASE (c, cases) {
		command(&l, c->commands);
		unsigned b = answered_by_b(&l, c->header, c->value, 300, c->each);
		print_message("    %u of 300\n", b);
		assert_true(b >= c->low && b <= c->high);
	}
	command(&l, "set server r:one/b state drain; set map g/canary.map one/b 50");
	for (unsigned i = 0; i < 20; i++) { /* one client always has one answer */
		char *value CLEANUP(freep) = mem_printf("client-%u-", i);
		unsigned n = answered_by_b(&l, "X-Session-Id", value, 5, false);
		assert_true(n == 0 || n == 5);
	}
	end(&l);
}

/* A canary that dies is not missed: its clients are answered by the active release. A restart knows
 * it as a canary. */
static void test_canary_dies(void **state) {
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "canary", 100);
	assert_int_equal(answered_by_b(&l, SESSION, 5, true), 5);
	upstream_stop(&l.b);
	assert_int_equal(answered_by_b(&l, SESSION, 5, true), 0);
	end(&l);
}

/* Sentence 2: no default cuts what goes on. Every time limit of the configuration is here, with
 * what it is for; a new one wants a row. */
static void test_limits(void **state) {
	static const char *const limits[] = {
		/* of silence, not of an answer: test_long */
		"timeout client 1h",
		"timeout server 1h",
		"timeout connect 1s",
		"timeout server 3s", /* the ring of the counters */
		/* until someone listens: a socket here, a host elsewhere */
		"timeout connect 2s",
		"timeout connect 5s",
		"timeout http-request 30s", /* of a request's headers */
		/* between two requests; of a health check */
		"timeout http-keep-alive 60s",
		"timeout check 10s",
		"timeout queue 60000ms", /* gateway.queue.timeout */
		/* of a process that a reload left */
		"hard-stop-after 1h",
		"stats timeout 1m",
		"tune.lua.session-timeout 0",
		"tcp-request inspect-delay 20d",
		"tcp-request inspect-delay 60s",
	};
	struct live l = {0};
	char *line = NULL;
	size_t room = 0, seen = 0;

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	FILE *f = fopen("g/haproxy.cfg", "r");
	assert_non_null(f);
	while (getline(&line, &room, f) > 0) {
		char *at = strstr(line, "wait-for-body time 60s") ? NULL
			: strstr(line, "timeout ")                ? line
			: strstr(line, "-after ")                 ? line
								  : strstr(line, "-delay ");
		bool known = !at || *line != '\t' || strstr(line, "http-after-") ||
			strstr(line, "string '");
		for (size_t i = 0; !known && i < sizeof limits / sizeof *limits; i++)
			known = !strcmp(line + 1, limits[i]) ||
				!strncmp(line + 1, limits[i], strlen(line) - 2);
		if (!known)
			fail_msg("a limit that nobody thought of: %s", line);
		seen += at != NULL;
	}
	assert_true(seen > 10);
	free(line);
	(void) fclose(f);
	end(&l);
}

/* The same limits, an hour being a second and a half: a long prefill and an answer longer than the
 * limit are whole; silence alone is cut. */
static void test_long(void **state) {
	static const struct {
		const char *name, *body, *status, *part;
		unsigned tokens;
	} cases[] = {
		{"a stream longer than the limit", "{\"x\":\"long\"}", "HTTP/1.1 200",
		 "\r\n0\r\n\r\n", 60},
		{"a first byte that takes its time", "{\"x\":\"late\"}", "HTTP/1.1 200",
		 "{\"from\":\"A\"}", 0},
		{"silence", "{\"x\":\"hang\"}", "HTTP/1.1 504", "gateway_timeout", 0},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	proxy_stop(&l.p);
	assert_int_equal(
		system("sed -i 's/^\ttimeout \\(client\\|server\\) 1h/\ttimeout \\1 1500ms/' "
		       "g/haproxy.cfg && [ $(grep -c 'r 1500ms\\|t 1500ms' g/haproxy.cfg) -ge 2 ]"),
		0);
	proxy_start(&l.p);
	EACH_CASE (c, cases) {
		uint64_t began = clock_mono_ms();
		char *came CLEANUP(freep) = ask(&l, CHAT, "", c->body);
		unsigned n = 0;
		for (const char *p = came; (p = strstr(p, "data:")); p++)
			n++;
		assert_true(has(came, c->status) && has(came, c->part));
		assert_int_equal(n, c->tokens);
		assert_true(!c->tokens || clock_mono_ms() - began > 2000);
	}
	end(&l);
}

/* Who answered is who the request went to, as what it went there: not what its server is when the
 * answer comes. */
static void test_labels(void **state) {
	static const struct {
		const char *name, *server, *then, *mark, *line;
	} cases[] = {
		{"its share goes", "b",
		 "set server r:one/b state drain; set map g/canary.map one/b 0",
		 "canary\r\nx-llmdeploy-release: r2\r\n",
		 "\"answered_by\":\"canary\",\"reason\":\"-\",\"release\":\"r2\",\"server\":\"b\""},
		{"it becomes the active one", "b",
		 "set server r:one/b state ready; set server r:one/a state drain; set map "
		 "g/canary.map one/b 0",
		 "canary\r\nx-llmdeploy-release: r2\r\n",
		 "\"answered_by\":\"canary\",\"reason\":\"-\",\"release\":\"r2\",\"server\":\"b\""},
		{"the active one, when another is", "a",
		 "set server r:one/b state ready; set server r:one/a state drain; set map "
		 "g/canary.map one/a 50",
		 "active\r\nx-llmdeploy-release: r1\r\n",
		 "\"answered_by\":\"active\",\"reason\":\"-\",\"release\":\"r1\",\"server\":\"a\""},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct live l = {0};
		begin(&l, "local", "", "canary", *c->server == 'b' ? 100 : 0);
		char *text CLEANUP(freep) = upstream_post(CHAT, "X-Session-Id: s\r\n",
							  "{\"x\":\"late\"}");
		char *busy CLEANUP(freep) = mem_printf("r:one,%s,0,0,1,", c->server);
		int fd CLEANUP(closep) = upstream_send(l.port, text);
		assert_true(shows(&l, "show stat r:one 4 -1", busy));
		command(&l, c->then);
		char *came CLEANUP(freep) = read_rest(fd);
		assert_true(has(came, "\r\nx-llmdeploy-answered-by: ") && has(came, c->mark));
		clock_sleep_ms(50);
		char *log CLEANUP(freep) = proxy_log(&l.p),
			  *page CLEANUP(freep) = upstream_ask(l.metrics,
							      "GET /metrics HTTP/1.0\r\n\r\n");
		char *count CLEANUP(freep) =
			mem_printf("answered_by=\"%.6s\",reason=\"-\",code=\"2xx\"} 1\n", c->mark);
		assert_true(has(log, c->line) && has(page, count));
		end(&l);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canary),   cmocka_unit_test(test_canary_dies),
		cmocka_unit_test(test_labels),   cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_limits),   cmocka_unit_test(test_long),
		cmocka_unit_test(test_given_up),
	};
	return cmocka_run_group_tests_name("gateway live", tests, NULL, NULL);
}
