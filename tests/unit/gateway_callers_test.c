/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_answers_parts.h"

/* Whose requests they were: key, session, address. What went wrong for each, and nothing that would
 * give a secret away. */
static void test_callers(void **state) {
	struct frontend d = {0};

	(void) state;
	open_door(&d);
	save_key("keys", "sk-one", "alice");
	char *keys CLEANUP(freep) = mem_printf(",\"api_keys\":\"%s/keys\"", d.p.dir);
	write_state(&d, keys, "", 1);
	proxy_start(&d.p);
	static const struct {
		const char *name, *path, *headers, *body;
	} cases[] = {
		{"by key, before the session", "/one" CHAT, BEARER "X-Session-Id: s1\r\n",
		 "{\"x\":\"fail\"}"},
		{"by key again", "/one" CHAT, BEARER, "{\"x\":\"cut\"}"},
		{"by session", "/two" CHAT, "X-Session-Id: top secret\r\n", "{}"},
		{"by session again", "/two" CHAT, "X-Session-Id: top secret\r\n",
		 "{\"x\":\"fail\"}"},
		{"by address", "/two" CHAT, "X-Session-Id: \r\n", "{}"},
		{"by address: refused", "/two" CHAT, "X-Say: 400 no\r\n", "{}"},
	};
	EACH_CASE (c, cases)
		free(ask(&d, c->path, c->headers, c->body));
	assert_true(shows(&d, "llmdeploy clients one a", "\nkey alice\t1 1 0\t2 2 0 0 "));
	assert_true(shows(&d, "llmdeploy clients two a", "\naddress 127.0.0.1\t0 0 0\t1 0 1 0 "));
	/* printf %s 'top secret' | sha256sum */
	assert_true(
		shows(&d, "llmdeploy clients two a", "\nsession 9d3b31947655\t1 0 0\t2 1 0 0 "));
	char *log CLEANUP(freep) = proxy_log(&d.p);
	assert_true(has(log, "\"caller\":\"key alice\"") &&
		    has(log, "\"caller\":\"session 9d3b31947655\"") &&
		    has(log, "\"caller\":\"address 127.0.0.1\""));
	assert_null(strstr(log, "top secret"));
	/* However many there are: those that fail stay known. */
	for (unsigned i = 0; i < 150; i++) {
		char *header CLEANUP(freep) = mem_printf("X-Session-Id: %u\r\n", i);
		free(ask(&d, "/two" CHAT, header, "{}"));
	}
	assert_true(shows(&d, "llmdeploy sample two a", " 153 1 1 0 "));
	assert_true(
		shows(&d, "llmdeploy clients two a", "\nsession 9d3b31947655\t1 0 0\t2 1 0 0 "));
	char *said CLEANUP(freep) = proxy_command(&d.p, "llmdeploy clients two a");
	unsigned lines = 0;
	for (const char *p = said; (p = strchr(p, '\t')); p = strchr(p, '\n'))
		lines++;
	assert_int_equal(lines, 64);
	end(&d);
}

/* A request that its client gave up on: late where it had waited longer than the limit, else no
 * sample at all. */
static void test_late(void **state) {
	static const struct {
		const char *name, *limits, *body;
		unsigned ms;
		const char *expect; /* requests, errors, refused, left */
	} cases[] = {
		{"no limit", "0 0 0", "{\"x\":\"hang\"}", 150, " 0 0 0 1 "},
		{"before the limit of the first byte", "5000 0 0", "{\"x\":\"hang\"}", 150,
		 " 0 0 0 2 "},
		{"after it", "100 0 0", "{\"x\":\"hang\"}", 200, " 1 1 0 2 "},
		{"before the limit at the release", "0 5000 0", "{\"x\":\"hang\"}", 150,
		 " 1 1 0 3 "},
		{"after it", "0 100 0", "{\"x\":\"hang\"}", 200, " 2 2 0 3 "},
		{"in an answer, before its limit", "50 50 5000", "{\"x\":\"long\"}", 300,
		 " 2 2 0 4 "},
		{"in an answer, after it", "0 0 100", "{\"x\":\"long\"}", 300, " 3 3 0 4 "},
		{"in an answer, without one", "100 100 0", "{\"x\":\"long\"}", 300, " 3 3 0 5 "},
		{"in an answer of 500", "0 0 0", "{\"x\":\"long fail\"}", 300, " 4 4 0 5 "},
	};
	struct frontend d = {0};
	char piece[512];

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE (c, cases) {
		char *line CLEANUP(freep) = mem_printf("llmdeploy sample one a %s", c->limits);
		free(proxy_command(&d.p, line));
		char *text CLEANUP(freep) = upstream_post("/one" CHAT, "", c->body);
		int fd = upstream_send(d.port, text);
		assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
		if (strstr(c->body, "long\"")) /* its first byte has come */
			assert_true(read(fd, piece, sizeof piece) > 0);
		clock_sleep_ms(c->ms);
		(void) close(fd);
		assert_true(shows(&d, line, c->expect) &&
			    shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,0,"));
	}
	/* In the queue: by the first limit alone, and counted for the release that it waited
	 * for. */
	char *hang CLEANUP(freep) = upstream_post("/one" CHAT, "", "{\"x\":\"hang\"}");
	int busy CLEANUP(closep) = upstream_send(d.port, hang);
	assert_true(busy >= 0);
	assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
	for (unsigned i = 0; i < 2; i++) {
		const char *line = i ? "llmdeploy sample one a 100 0 0"
				     : "llmdeploy sample one a 0 100 0";
		free(proxy_command(&d.p, line));
		int waiting = upstream_send(d.port, hang);
		assert_true(shows(&d, "show stat r:one 2 -1", "r:one,BACKEND,1,"));
		clock_sleep_ms(200);
		(void) close(waiting);
		assert_true(shows(&d, line, i ? " 5 5 0 6 " : " 4 4 0 6 "));
	}
	assert_true(shows(&d, "llmdeploy clients one a", "\naddress 127.0.0.1\t1 0 4\t5 5 0 6 "));
	end(&d);
}

/* Fifty at once, which do as they are told: all of them are answered. */
static void test_crowd(void **state) {
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"queue\":{\"length\":16,\"timeout_ms\":60000}", "", 4);
	char *line CLEANUP(freep) = mem_printf(
		"python3 - %u <<'END'\n"
		"import sys, threading, time, urllib.request, urllib.error\n"
		"told, tries = [], []\n"
		"def client():\n"
		"    for attempt in range(10):\n"
		"        try:\n"
		"            q = urllib.request.Request('http://127.0.0.1:' + sys.argv[1] + "
		"'/one" CHAT "', b'{\"x\":\"late\"}')\n"
		"            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(q, "
		"timeout=60).read()\n"
		"            tries.append(attempt + 1)\n"
		"            return\n"
		"        except urllib.error.HTTPError as e:\n"
		"            assert e.code == 429\n"
		"            told.append(int(e.headers['Retry-After']))\n"
		"            time.sleep(told[-1])\n"
		"all = [threading.Thread(target=client) for _ in range(50)]\n"
		"[t.start() for t in all]; [t.join() for t in all]\n"
		"print('told', sorted(told), 'most tries', max(tries), 'with more than three', "
		"sum(t > 3 for t in tries))\n"
		"sys.exit(len(tries) != 50)\n"
		"END\n",
		d.port);
	assert_int_equal(system(line), 0);
	end(&d);
}

/* Scripts of pages: those of the route's list, and no others; what browsers ask first is answered
 * at the gateway. */
#define ORIGIN(o) "Origin: " o "\r\n"
#define PREFLIGHT                                                                                \
	"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, " \
	"x-stainless-os\r\n"
static const struct {
	/* the origin that is let in, or NULL */
	const char *name, *method, *path, *headers, *status, *origin;
} cors_cases[] = {
	{"asked first", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example") PREFLIGHT, "204",
	 "https://a.example"},
	{"asked first, the other", "OPTIONS", "/one" CHAT,
	 ORIGIN("http://localhost:3000") PREFLIGHT, "204", "http://localhost:3000"},
	{"asked first, without a route", "OPTIONS", CHAT, ORIGIN("https://a.example") PREFLIGHT,
	 "204", "https://a.example"},
	{"asked first, for models", "OPTIONS", "/v1/models", ORIGIN("https://a.example") PREFLIGHT,
	 "204", "https://a.example"},
	{"another origin", "OPTIONS", "/one" CHAT, ORIGIN("https://b.example") PREFLIGHT, "405",
	 NULL},
	{"another port", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example:8443") PREFLIGHT, "405",
	 NULL},
	{"another scheme", "OPTIONS", "/one" CHAT, ORIGIN("http://a.example") PREFLIGHT, "405",
	 NULL},
	{"a route without", "OPTIONS", "/two" CHAT, ORIGIN("https://a.example") PREFLIGHT, "405",
	 NULL},
	{"no origin", "OPTIONS", "/one" CHAT, PREFLIGHT, "405", NULL},
	{"OPTIONS without a question", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example"), "405",
	 "https://a.example"},
	{"an answer", "POST", "/one" CHAT, ORIGIN("https://a.example"), "200", "https://a.example"},
	{"to another origin", "POST", "/one" CHAT, ORIGIN("https://b.example"), "200", NULL},
	{"of the route without", "POST", "/two" CHAT, ORIGIN("https://a.example"), "200", NULL},
	{"an error of the runtime", "POST", "/one" CHAT,
	 ORIGIN("https://a.example") "X-Say: 500 x\r\n", "500", "https://a.example"},
	{"an error of the gateway", "POST", "/one" CHAT, ORIGIN("https://a.example") "X-Bad: 1\r\n",
	 "400", "https://a.example"},
	{"models", "GET", "/v1/models", ORIGIN("https://a.example"), "200", "https://a.example"},
	{"a model", "GET", "/one/v1/models/one", ORIGIN("https://a.example"), "200",
	 "https://a.example"},
	{"a model of the route without", "GET", "/two/v1/models/two", ORIGIN("https://a.example"),
	 "200", NULL},
	{"the runtime's page", "GET", "/one/v1/models", ORIGIN("https://a.example"), "200",
	 "https://a.example"},
};

static void test_cors(void **state) {
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"cors\":[\"https://a.example\",\"http://localhost:3000\"]", "", 1);
	EACH_CASE (c, cors_cases) {
		const char *body = strcmp(c->method, "POST") != 0 ? ""
			: strstr(c->headers, "X-Bad")             ? "{"
								  : "{}";
		char *text CLEANUP(freep) = mem_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: "
						       "close\r\n%sContent-Length: %zu\r\n\r\n%s",
						       c->method, c->path, c->headers, strlen(body),
						       body);
		char *came CLEANUP(freep) = upstream_ask(d.port, text);
		char *first CLEANUP(freep) = mem_printf("HTTP/1.1 %s ", c->status);
		char *let CLEANUP(freep) = mem_printf("\r\naccess-control-allow-origin: %s\r\n",
						      c->origin ? c->origin : "");
		assert_true(has(came, first));
		assert_true(c->origin ? has(came, let) : !strstr(came, "\r\naccess-control-"));
		assert_true(has(came, "\r\nvary: origin\r\n"));
		if (!strcmp(c->status, "204"))
			assert_true(has(came, "\r\naccess-control-allow-methods: GET, POST\r\n") &&
				    has(came,
					"\r\naccess-control-allow-headers: authorization, "
					"content-type, *\r\n"));
	}
	assert_int_equal(d.one.questions, 3);
	/* Any origin; and without a list what a runtime lets in by itself is taken back. */
	static const char *const frontends[] = {",\"cors\":[\"*\"]", ""};
	for (size_t i = 0; i < 2; i++) {
		proxy_stop(&d.p);
		write_state(&d, frontends[i], "", 1);
		proxy_start(&d.p);
		char *came CLEANUP(freep) = ask(&d, "/one" CHAT, ORIGIN("https://x.example"), "{}");
		assert_true(has(came, "HTTP/1.1 200"));
		assert_true(
			i ? !strstr(came, "\r\naccess-control-")
			  : has(came, "\r\naccess-control-allow-origin: https://x.example\r\n"));
	}
	end(&d);
}

static unsigned retry_after(const char *came) {
	const char *at = strstr(came, "\r\nretry-after: ");

	if (!at)
		fail_msg("no Retry-After in:\n%s", came);
	return (unsigned) strtoul(at + 15, NULL, 10);
}

/* Who is sent away is told when a place is free, behind the queue and behind those that were sent
 * away before; where no release is up, soon. */
static void test_retry(void **state) {
	int busy[20];
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"queue\":{\"length\":16,\"timeout_ms\":60000}", "", 4);
	for (unsigned i = 0; i < 3; i++) /* an answer takes 300 ms, or more on a busy machine */
		free(ask(&d, "/one" CHAT, "", "{\"x\":\"late\"}"));
	char *hang CLEANUP(freep) = upstream_post("/one" CHAT, "", "{\"x\":\"hang\"}");
	for (unsigned i = 0; i < 20; i++)
		busy[i] = upstream_send(d.port, hang);
	assert_true(shows(&d, "show stat r:one 2 -1", "r:one,BACKEND,16,"));
	unsigned first = 0, last = 0;
	for (unsigned i = 0; i < 400; i++) {
		char *came CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
		assert_true(has(came, "HTTP/1.1 429"));
		last = retry_after(came);
		first = i ? first : last;
		/* of its turn; after a minute any half of it */
		unsigned least = (18 + i) * 300 / 4 / 1000;
		assert_true(last >= 1 && last <= 60 && last >= (least > 30 ? 30 : least));
	}
	assert_true(first < 60 && last >= 29 && last > first);
	for (unsigned i = 0; i < 20; i++)
		(void) close(busy[i]);
	assert_true(shows(&d, "show stat r:one 2 -1", "r:one,BACKEND,0,"));
	free(proxy_command(&d.p, "set server r:one/a state maint"));
	unsigned seen = 0;
	for (unsigned i = 0; i < 30; i++) {
		char *came CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
		unsigned seconds = retry_after(came);
		assert_true(seconds >= 2 && seconds <= 5);
		seen |= 1u << seconds;
	}
	assert_true(seen & (seen - 1)); /* not all at the same time */
	end(&d);
}

int main(int argc, char **argv) {
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_callers), cmocka_unit_test(test_late),
		cmocka_unit_test(test_retry),   cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_cors),
	};
	return cmocka_run_group_tests_name("gateway answers", tests, NULL, NULL);
}
