/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_live_parts.h"

/* Sentence 2: tokens arrive one by one, not in bursts. */
static void test_stream(void **state) {
	struct live l = {0};
	char piece[4096];
	unsigned arrivals = 0;
	ssize_t n;

	(void) state;
	begin(&l, "local", "", "maint", 0);
	char *text CLEANUP(freep) = upstream_post(CHAT, "", "{\"x\":\"stream\"}");
	uint64_t began = clock_mono_ms(), first = 0;
	int fd CLEANUP(closep) = upstream_send(l.port, text);
	while ((n = read(fd, piece, sizeof piece)) > 0) {
		first = first ? first : clock_mono_ms() - began;
		arrivals++;
	}
	assert_true(arrivals >= 9); /* bursts of 200 ms would be three */
	assert_true(first < 200);
	end(&l);
}

/* Sentence 2: a client that hangs up frees its place at once, at the engine too: before the first
 * token, in a stream, in the queue. */
static void test_hang_up(void **state) {
	static const struct {
		const char *name, *body;
	} cases[] = {{"before the first token", "{\"x\":\"hang\"}"},
		     {"in a stream", "{\"x\":\"stream\"}"}};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	EACH_CASE (c, cases) {
		char *text CLEANUP(freep) = upstream_post(CHAT, "", c->body);
		int fd = upstream_send(l.port, text), waiting = 0;
		assert_true(shows(&l, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
		waiting = upstream_send(l.port, text);
		assert_true(shows(&l, "show stat r:one 2 -1", "r:one,BACKEND,1,"));
		(void) close(waiting);
		assert_true(shows(&l, "show stat r:one 2 -1", "r:one,BACKEND,0,"));
		uint64_t began = clock_mono_ms();
		(void) close(fd);
		assert_true(shows(&l, "show stat r:one 4 -1", "r:one,a,0,0,0,"));
		assert_true(clock_mono_ms() - began < 300);
	}
	for (int i = 0; i < 100 && !l.a.gone; i++)
		clock_sleep_ms(10);
	assert_int_equal(l.a.gone, 1); /* the engine saw it go; what only waited never reached it */
	end(&l);
}
#define SHARE "X-LLMDeploy-Share: yes\r\n"

/* Sentence 5: who may leave, and when. `left`: the body as the hosted model got it, or NULL where
 * nothing may arrive there. */
static const struct fallback_row {
	const char *name, *privacy, *when, *headers, *body;
	const char *status, *mark, *left;
} fallback_rows[] = {
	{"local, up", "local", "up", SHARE, "{\"model\":\"one-large\"}", "200",
	 "\r\nx-llmdeploy-answered-by: active", NULL},
	{"local, down", "local", "down", SHARE, "{\"model\":\"one-large\"}", "503",
	 "\r\nretry-after: ", NULL},
	{"local, full", "local", "full", SHARE, "{\"model\":\"one-large\"}", "429",
	 "\r\nretry-after: ", NULL},
	{"hybrid, up", "hybrid", "up", "", "{\"model\":\"one\"}", "200",
	 "\r\nx-llmdeploy-release: r1", NULL},
	{"hybrid, up, marked", "hybrid", "up", SHARE, "{\"model\":\"one\"}", "200",
	 "\r\nx-llmdeploy-answered-by: active", NULL},
	{"hybrid, up, asked for", "hybrid", "up", "", "{\"messages\":[],\"model\":\"one-large\"}",
	 "200", MARKED "asked", "{\"messages\":[],\"model\":\"big\"}"},
	{"hybrid, down, unmarked", "hybrid", "down", "", "{\"model\":\"one\"}", "503",
	 "\r\nretry-after: ", NULL},
	{"hybrid, down, marked", "hybrid", "down", SHARE, "{\"model\":\"one\"}", "200",
	 MARKED "down", "{\"model\":\"big\"}"},
	{"hybrid, full, unmarked", "hybrid", "full", "", "{\"model\":\"one\"}", "429",
	 "\r\nretry-after: ", NULL},
	{"hybrid, full, marked", "hybrid", "full", SHARE, "{\"model\":\"one\"}", "200",
	 MARKED "queue", "{\"model\":\"big\"}"},
	{"hybrid, our own mark", "hybrid", "down", "X-LLMDeploy-Leave: one\r\n",
	 "{\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, marked with no", "hybrid", "down", "X-LLMDeploy-Share: no\r\n",
	 "{\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for within", "hybrid", "down", "",
	 "{\"x\":{\"model\":\"one-large\"},\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for in a text", "hybrid", "down", "",
	 "{\"x\":\"\\\"model\\\":\\\"one-large\\\"\",\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for and not", "hybrid", "down", "",
	 "{\"model\":\"one-large\",\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for in disguise", "hybrid", "down", "", "{\"mod\\u0065l\":\"one-large\"}",
	 "503", "", NULL},
	{"hybrid, no JSON", "hybrid", "down", "", "\"model\":\"one-large\"}", "400", "", NULL},
	{"hybrid, cut JSON", "hybrid", "down", "", "{\"model\":\"one-large\"", "400", "", NULL},
	{"hybrid, marked, no JSON", "hybrid", "down", SHARE, "not JSON", "400", "", NULL},
	{"hybrid, marked, no model", "hybrid", "down", SHARE, "{\"messages\":[]}", "200",
	 MARKED "down", "{\"model\":\"big\",\"messages\":[]}"},
	{"hybrid, marked, nothing", "hybrid", "down", SHARE, " { } ", "200", MARKED "down",
	 " {\"model\":\"big\" } "},
	{"any, up", "any", "up", "", "{\"model\":\"one\"}", "200",
	 "\r\nx-llmdeploy-answered-by: active", NULL},
	{"any, down", "any", "down", "", "{\"model\":\"one\"}", "200", MARKED "down",
	 "{\"model\":\"big\"}"},
	{"any, full", "any", "full", "", "{\"model\":\"one\"}", "200", MARKED "queue",
	 "{\"model\":\"big\"}"},
	{"any, asked for", "any", "up", "", "{\"model\":\"one-large\"}", "200", MARKED "asked",
	 "{\"model\":\"big\"}"},
};

/* Bring the route into the row's situation; the descriptors of what fills it are left to be
 * closed. */
static void arrange(struct live *l, const char *when, int fds[2]) {
	char *text CLEANUP(freep) = upstream_post(CHAT, "", "{\"x\":\"hang\"}");

	if (!strcmp(when, "down"))
		command(l, "set server r:one/a state maint");
	if (strcmp(when, "full") != 0)
		return;
	fds[0] = upstream_send(l->port, text);
	assert_true(shows(l, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
	fds[1] = upstream_send(l->port, text);
	assert_true(shows(l, "show stat r:one 2 -1", "r:one,BACKEND,1,"));
}

static void rearrange(struct live *l, const char *when, const int fds[2]) {
	if (!strcmp(when, "down"))
		command(l, "set server r:one/a state ready");
	if (strcmp(when, "full") != 0)
		return;
	(void) close(fds[1]);
	(void) close(fds[0]);
	assert_true(shows(l, "show stat r:one 4 -1", "r:one,a,0,0,0,"));
}

static void one_fallback(struct live *l, const struct fallback_row *c) {
	unsigned before = l->hosted.questions;
	int fds[2] = {-1, -1};

	arrange(l, c->when, fds);
	char *came CLEANUP(freep) = ask(l, CHAT, c->headers, c->body);
	assert_true(strlen(came) > 12 && !strncmp(came + 9, c->status, 3));
	assert_true(has(came, c->mark));
	assert_int_equal(l->hosted.questions - before, c->left != NULL);
	char *left CLEANUP(freep) = upstream_last(&l->hosted);
	if (c->left) {
		const char *body = strrchr(left, '\n') + 1;
		assert_string_equal(body, c->left);
		assert_true(!strncmp(left, "/base" CHAT "\n", strlen("/base" CHAT "\n")));
		assert_null(strstr(left, "llmdeploy"));
		assert_true(has(left, "\r\nhost: 127.0.0.1:") && !strstr(left, "gateway"));
	}
	rearrange(l, c->when, fds);
}

static void test_lanes(void **state) {
	static const char *const privacies[] = {"local", "hybrid", "any"};

	(void) state;
	for (size_t i = 0; i < 3; i++) {
		struct live l = {0};
		begin(&l, privacies[i],
		      i ? FALLBACK("") ",\"queue\":{\"length\":1,\"timeout_ms\":5000}"
			: ",\"queue\":{\"length\":1,\"timeout_ms\":5000}",
		      "maint", 0);
		EACH_CASE (c, fallback_rows)
			if (!strcmp(c->privacy, privacies[i]))
				one_fallback(&l, c);
		/* one of each reason: requests, tokens, and one whose tokens are estimated */
		if (!strcmp(privacies[i], "any"))
			assert_true(
				shows(&l, "llmdeploy fallback one", " 1 4 3 1 1 4 3 1 1 6 3 1\n"));
		end(&l);
	}
}

/* Sentence 5: with privacy local there is nothing that could lead away, not even in the text. */
static void test_local_text(void **state) {
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	if (!system("grep -E 'server out|server hosted|lane:|frontend out|^lane' g/haproxy.cfg "
		    "g/llmdeploy.conf"))
		fail();
	end(&l);
}

/* Sentence 5: the engine dies; the next allowed question is answered elsewhere in under 50 ms, and
 * traffic returns by itself. */
static void test_crash(void **state) {
	uint64_t best = UINT64_MAX;
	struct live l = {0};
	bool back;

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	char *warm CLEANUP(freep) = ask(&l, CHAT, "", "{}");
	assert_true(has(warm, "{\"from\":\"A\"}"));
	for (int try = 0; try < 3; try++) { /* the best of three: others may want the processor */
		upstream_stop(&l.a);
		uint64_t began = clock_mono_us();
		char *came CLEANUP(freep) = ask(&l, CHAT, "", "{}");
		uint64_t took = clock_mono_us() - began;
		print_message("answered elsewhere after %llu us\n", (unsigned long long) took);
		assert_true(has(came, MARKED "down") && has(came, "{\"from\":\"H\"}"));
		best = took < best ? took : best;
		upstream_start(&l.a, "A", "run/one/a.sock");
		back = false;
		for (int i = 0; i < 300 && !back; i++) {
			char *now CLEANUP(freep) = ask(&l, CHAT, "", "{}");
			back = strstr(now, "{\"from\":\"A\"}") != NULL;
			assert_true(strstr(now, "HTTP/1.1 200") != NULL);
			clock_sleep_ms(10);
		}
		assert_true(back);
	}
	assert_true(best < 50000);
	end(&l);
}

/* Sentence 5: a body of any size, whole or in chunks, arrives elsewhere byte for byte but for its
 * model's name. */
static void test_large_bodies(void **state) {
	static const struct {
		const char *name, *before, *after;
		size_t fill;
		const char *words, *status;
	} cases[] = {
		{"the model first", "{\"model\":\"one\",\"x\":\"", "\"}", 3000000, "", "200"},
		{"the model last", "{\"x\":\"", "\",\"model\":\"one\"}", 200000, "", "200"},
		{"the model last, too far", "{\"x\":\"", "\",\"model\":\"one\"}", 400000, "",
		 "503"},
		{"in chunks", "{\"x\":\"", "\",\"model\":\"one\"}", 30000,
		 "-H 'Transfer-Encoding: chunked'", "200"},
		{"in chunks without end", "{\"x\":\"", "\",\"model\":\"one\"}", 300000,
		 "-H 'Transfer-Encoding: chunked'", "411"},
		{"HTTP/2", "{\"x\":\"", "\",\"model\":\"one\"}", 100000, "--http2-prior-knowledge",
		 "200"},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	command(&l, "set server r:one/a state maint");
	EACH_CASE (c, cases) {
		char *make CLEANUP(
			freep) = mem_printf("{ printf '%%s' '%s'; head -c %zu /dev/zero | tr '\\0' "
					    "'x'; printf '%%s' '%s'; } >question",
					    c->before, c->fill, c->after);
		char *words CLEANUP(freep) =
			mem_printf("%s -H Expect: --data-binary @question http://127.0.0.1:%u" CHAT,
				   c->words, l.port);
		unsigned before = l.hosted.questions;
		assert_int_equal(system(make), 0);
		char *came CLEANUP(freep) = proxy_ask(&l.p, words);
		assert_true(!strncmp(came, c->status, 3));
		assert_int_equal(l.hosted.questions - before, !strcmp(c->status, "200"));
		if (strcmp(c->status, "200") != 0)
			continue;
		char *left CLEANUP(freep) = upstream_last(&l.hosted);
		const char *body = strrchr(left, '\n') + 1;
		/* "one" and "big" are as long */
		assert_int_equal(strlen(body), strlen(c->before) + c->fill + strlen(c->after));
		assert_non_null(strstr(body, "\"model\":\"big\""));
	}
	end(&l);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream), cmocka_unit_test(test_hang_up),
		cmocka_unit_test(test_lanes),  cmocka_unit_test(test_local_text),
		cmocka_unit_test(test_crash),  cmocka_unit_test(test_large_bodies),
	};
	return cmocka_run_group_tests_name("gateway live", tests, NULL, NULL);
}
