/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/fake/httpd.h"
#include "tests/fake/proxy.h"
#include "tests/fake/upstream.h"

/* A real HAProxy with our configuration before fake engines a and b and a fake hosted model: streams, lanes, privacy, limits. */
struct live {
	struct proxy p;
	struct upstream a, b, hosted;
	unsigned port, metrics;
};

#define CHAT "/v1/chat/completions"
#define SLOT_JSON(id, version, want) "{\"generated_tokens\":\"fake:generated_total\",\"id\":\"" id "\",\"metrics\":\"/metrics\"," \
	"\"prompt_tokens\":\"fake:prompt_total\",\"sequences\":1,\"version\":\"" version "\",\"want\":\"" want "\"}"

/* `frontend`: further members of the gateway section, with %u for the hosted model's port. */
static void write_state(struct live *l, const char *privacy, const char *frontend, const char *want_b, unsigned percent) {
	char *members CLEANUP(freep) = NULL;
	const char *at = strstr(frontend, "%u");

	if (at)
		members = mem_printf("%.*s%u%s", (int) (at - frontend), frontend, upstream_port(&l->hosted), at + 2);
	char *b CLEANUP(freep) = mem_printf("{\"generated_tokens\":\"\",\"id\":\"bbbbbbbbbbbb\",\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":1,"
					    "\"version\":\"r2\",\"want\":\"%s\"}", want_b);
	char *state CLEANUP(freep) = mem_printf(
		"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[{\"a\":" SLOT_JSON("aaaaaaaaaaaa", "r1", "ready") ",\"b\":%s,"
		"\"canary_percent\":%u,\"gateway\":{\"listen\":\"127.0.0.1:%u\",\"metrics\":\"127.0.0.1:%u\",\"privacy\":\"%s\"%s},\"name\":\"one\",\"since\":1}]}",
		b, percent, l->port, l->metrics, privacy, members ? members : frontend);
	proxy_write(&l->p, state);
}

static void begin(struct live *l, const char *privacy, const char *frontend, const char *want_b, unsigned percent) {
	proxy_init(&l->p);
	if (system("mkdir -p run/one"))
		fail();
	upstream_start(&l->a, "A", "run/one/a.sock");
	upstream_start(&l->b, "B", "run/one/b.sock");
	upstream_start(&l->hosted, "H", NULL);
	l->port = proxy_port();
	l->metrics = proxy_port();
	write_state(l, privacy, frontend, want_b, percent);
	proxy_start(&l->p);
}

static void end(struct live *l) {
	upstream_stop(&l->a);
	upstream_stop(&l->b);
	upstream_stop(&l->hosted);
	proxy_done(&l->p);
}

static char *ask(struct live *l, const char *path, const char *headers, const char *body) {
	char *text CLEANUP(freep) = upstream_post(path, headers, body);

	return upstream_ask(l->port, text);
}

static void command(struct live *l, const char *line) {
	char *said CLEANUP(freep) = proxy_command(&l->p, line);

	assert_true(said[strspn(said, "\n")] == 0); /* nothing to say */
}

static char *read_rest(int fd) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char piece[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, piece, sizeof piece)) > 0)
		(void) buf_add(&out, piece, (size_t) n);
	return out.len ? buf_steal(&out) : mem_strdup("");
}

/* Wait until the runtime socket says so; at most 5 seconds. */
static bool shows(struct live *l, const char *line, const char *text) {
	for (int i = 0; i < 500; i++) {
		char *said CLEANUP(freep) = proxy_command(&l->p, line);
		if (strstr(said, text))
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static bool has(const char *text, const char *part) {
	if (strstr(text, part))
		return true;
	print_message("there is no '%s' in:\n%s\n", part, text);
	return false;
}

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

/* Sentence 2: a client that hangs up frees its place at once, at the engine too: before the first token, in a stream, in the queue. */
static void test_hang_up(void **state) {
	static const struct {
		const char *name, *body;
	} cases[] = {{"before the first token", "{\"x\":\"hang\"}"}, {"in a stream", "{\"x\":\"stream\"}"}};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	EACH_CASE(c, cases) {
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

#define FALLBACK(more) ",\"fallback\":{\"url\":\"http://127.0.0.1:%u/base/v1\",\"model\":\"big\",\"shareable\":[\"one-large\"]" more "}"
#define SHARE "X-LLMDeploy-Share: yes\r\n"
#define MARKED "\r\nx-llmdeploy-answered-by: fallback; reason="

/* Sentence 5: who may leave, and when. `left`: the body as the hosted model got it, or NULL where nothing may arrive there. */
static const struct lane {
	const char *name, *privacy, *when, *headers, *body;
	const char *status, *mark, *left;
} lanes[] = {
	{"local, up", "local", "up", SHARE, "{\"model\":\"one-large\"}", "200", "\r\nx-llmdeploy-answered-by: active", NULL},
	{"local, down", "local", "down", SHARE, "{\"model\":\"one-large\"}", "503", "\r\nretry-after: ", NULL},
	{"local, full", "local", "full", SHARE, "{\"model\":\"one-large\"}", "429", "\r\nretry-after: ", NULL},
	{"hybrid, up", "hybrid", "up", "", "{\"model\":\"one\"}", "200", "\r\nx-llmdeploy-release: r1", NULL},
	{"hybrid, up, marked", "hybrid", "up", SHARE, "{\"model\":\"one\"}", "200", "\r\nx-llmdeploy-answered-by: active", NULL},
	{"hybrid, up, asked for", "hybrid", "up", "", "{\"messages\":[],\"model\":\"one-large\"}", "200", MARKED "asked",
	 "{\"messages\":[],\"model\":\"big\"}"},
	{"hybrid, down, unmarked", "hybrid", "down", "", "{\"model\":\"one\"}", "503", "\r\nretry-after: ", NULL},
	{"hybrid, down, marked", "hybrid", "down", SHARE, "{\"model\":\"one\"}", "200", MARKED "down", "{\"model\":\"big\"}"},
	{"hybrid, full, unmarked", "hybrid", "full", "", "{\"model\":\"one\"}", "429", "\r\nretry-after: ", NULL},
	{"hybrid, full, marked", "hybrid", "full", SHARE, "{\"model\":\"one\"}", "200", MARKED "queue", "{\"model\":\"big\"}"},
	{"hybrid, our own mark", "hybrid", "down", "X-LLMDeploy-Leave: one\r\n", "{\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, marked with no", "hybrid", "down", "X-LLMDeploy-Share: no\r\n", "{\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for within", "hybrid", "down", "", "{\"x\":{\"model\":\"one-large\"},\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for in a text", "hybrid", "down", "", "{\"x\":\"\\\"model\\\":\\\"one-large\\\"\",\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for and not", "hybrid", "down", "", "{\"model\":\"one-large\",\"model\":\"one\"}", "503", "", NULL},
	{"hybrid, asked for in disguise", "hybrid", "down", "", "{\"mod\\u0065l\":\"one-large\"}", "503", "", NULL},
	{"hybrid, no JSON", "hybrid", "down", "", "\"model\":\"one-large\"}", "400", "", NULL},
	{"hybrid, cut JSON", "hybrid", "down", "", "{\"model\":\"one-large\"", "400", "", NULL},
	{"hybrid, marked, no JSON", "hybrid", "down", SHARE, "not JSON", "400", "", NULL},
	{"hybrid, marked, no model", "hybrid", "down", SHARE, "{\"messages\":[]}", "200", MARKED "down", "{\"model\":\"big\",\"messages\":[]}"},
	{"hybrid, marked, nothing", "hybrid", "down", SHARE, " { } ", "200", MARKED "down", " {\"model\":\"big\" } "},
	{"any, up", "any", "up", "", "{\"model\":\"one\"}", "200", "\r\nx-llmdeploy-answered-by: active", NULL},
	{"any, down", "any", "down", "", "{\"model\":\"one\"}", "200", MARKED "down", "{\"model\":\"big\"}"},
	{"any, full", "any", "full", "", "{\"model\":\"one\"}", "200", MARKED "queue", "{\"model\":\"big\"}"},
	{"any, asked for", "any", "up", "", "{\"model\":\"one-large\"}", "200", MARKED "asked", "{\"model\":\"big\"}"},
};

/* Bring the route into the row's situation; the descriptors of what fills it are left to be closed. */
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

static void one_lane(struct live *l, const struct lane *c) {
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
		begin(&l, privacies[i], i ? FALLBACK("") ",\"queue\":{\"length\":1,\"timeout_ms\":5000}" : ",\"queue\":{\"length\":1,\"timeout_ms\":5000}",
		      "maint", 0);
		EACH_CASE(c, lanes)
			if (!strcmp(c->privacy, privacies[i]))
				one_lane(&l, c);
		if (!strcmp(privacies[i], "any")) /* one of each reason: requests, tokens, and one whose tokens are estimated */
			assert_true(shows(&l, "llmdeploy fallback one", " 1 4 3 1 1 4 3 1 1 6 3 1\n"));
		end(&l);
	}
}

/* Sentence 5: with privacy local there is nothing that could lead away, not even in the text. */
static void test_local_text(void **state) {
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	if (!system("grep -E 'server out|server hosted|lane:|frontend out|^lane' g/haproxy.cfg g/llmdeploy.conf"))
		fail();
	end(&l);
}

/* Sentence 5: the engine dies; the next allowed question is answered elsewhere in under 50 ms, and traffic returns by itself. */
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

/* Sentence 5: what came from elsewhere is summed up with its tokens; what nobody said is estimated, and marked. */
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
	EACH_CASE(c, cases) {
		char *came CLEANUP(freep) = ask(&l, CHAT, "", c->body);
		assert_true(strstr(came, MARKED "down") != NULL);
		prompt += c->prompt;
		generated += c->generated;
		estimated += c->estimated;
		char *line CLEANUP(freep) = mem_printf(" %u %u %u %u 0 0 0 0 0 0 0 0\n", ++n, prompt, generated, estimated);
		assert_true(shows(&l, "llmdeploy fallback one", line));
	}
	end(&l);
}

/* An answer of 500 from elsewhere that its client hung up in is an error, and one of 200 is none. */
static void test_given_up(void **state) {
	static const struct {
		const char *name, *body, *first, *count;
	} cases[] = {
		{"of 200", "{\"x\":\"long\"}", "HTTP/1.1 200", "reason=\"down\",code=\"2xx\"} 0\n"},
		{"of 500", "{\"x\":\"long fail\"}", "HTTP/1.1 500", "reason=\"down\",code=\"5xx\"} 1\n"},
	};
	char piece[512];
	struct live l = {0};

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	command(&l, "set server r:one/a state maint");
	EACH_CASE(c, cases) {
		char *text CLEANUP(freep) = upstream_post(CHAT, "", c->body);
		int fd = upstream_send(l.port, text);
		ssize_t n = read(fd, piece, sizeof piece);
		assert_true(n > 12 && !memcmp(piece, c->first, 12));
		(void) close(fd);
		char *line CLEANUP(freep) = mem_printf("\nllmdeploy_errors_total{route=\"one\",release=\"-\",answered_by=\"fallback\",%s", c->count);
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

/* Sentence 5: a body of any size, whole or in chunks, arrives elsewhere byte for byte but for its model's name. */
static void test_large_bodies(void **state) {
	static const struct {
		const char *name, *before, *after;
		size_t fill;
		const char *words, *status;
	} cases[] = {
		{"the model first", "{\"model\":\"one\",\"x\":\"", "\"}", 3000000, "", "200"},
		{"the model last", "{\"x\":\"", "\",\"model\":\"one\"}", 200000, "", "200"},
		{"the model last, too far", "{\"x\":\"", "\",\"model\":\"one\"}", 400000, "", "503"},
		{"in chunks", "{\"x\":\"", "\",\"model\":\"one\"}", 30000, "-H 'Transfer-Encoding: chunked'", "200"},
		{"in chunks without end", "{\"x\":\"", "\",\"model\":\"one\"}", 300000, "-H 'Transfer-Encoding: chunked'", "411"},
		{"HTTP/2", "{\"x\":\"", "\",\"model\":\"one\"}", 100000, "--http2-prior-knowledge", "200"},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	command(&l, "set server r:one/a state maint");
	EACH_CASE(c, cases) {
		char *make CLEANUP(freep) = mem_printf("{ printf '%%s' '%s'; head -c %zu /dev/zero | tr '\\0' 'x'; printf '%%s' '%s'; } >question",
						       c->before, c->fill, c->after);
		char *words CLEANUP(freep) = mem_printf("%s -H Expect: --data-binary @question http://127.0.0.1:%u" CHAT, c->words, l.port);
		unsigned before = l.hosted.questions;
		assert_int_equal(system(make), 0);
		char *came CLEANUP(freep) = proxy_ask(&l.p, words);
		assert_true(!strncmp(came, c->status, 3));
		assert_int_equal(l.hosted.questions - before, !strcmp(c->status, "200"));
		if (strcmp(c->status, "200") != 0)
			continue;
		char *left CLEANUP(freep) = upstream_last(&l.hosted);
		const char *body = strrchr(left, '\n') + 1;
		assert_int_equal(strlen(body), strlen(c->before) + c->fill + strlen(c->after)); /* "one" and "big" are as long */
		assert_non_null(strstr(body, "\"model\":\"big\""));
	}
	end(&l);
}

/* Sentence 4: the share of the clients, the same clients every time, and never a server that is not wanted. */
static unsigned answered_by_b(struct live *l, const char *header, const char *value, unsigned n, bool each) {
	unsigned b = 0;

	for (unsigned i = 0; i < n; i++) {
		char *line CLEANUP(freep) = mem_printf("%s: %s%u\r\n", header, value, each ? i : 7);
		char *came CLEANUP(freep) = ask(l, CHAT, line, "{}");
		b += strstr(came, "{\"from\":\"B\"}") != NULL;
		if (strstr(came, "{\"from\":\"B\"}"))
			assert_non_null(strstr(came, "\r\nx-llmdeploy-answered-by: canary\r\nx-llmdeploy-release: r2\r\n"));
		else
			assert_non_null(strstr(came, "\r\nx-llmdeploy-answered-by: active\r\nx-llmdeploy-release: r1\r\n"));
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
		{"fifty, by chance", "set map g/canary.map one/b 50", "X-Other", "", true, 110, 190},
		{"everybody", "set map g/canary.map one/b 100", SESSION, true, 300, 300},
		{"not wanted", "set server r:one/b state maint", SESSION, true, 0, 0},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "canary", 0);
	EACH_CASE(c, cases) {
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

/* A canary that dies is not missed: its clients are answered by the active release. A restart knows it as a canary. */
static void test_canary_dies(void **state) {
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "canary", 100);
	assert_int_equal(answered_by_b(&l, SESSION, 5, true), 5);
	upstream_stop(&l.b);
	assert_int_equal(answered_by_b(&l, SESSION, 5, true), 0);
	end(&l);
}

/* Sentence 2: no default cuts what goes on. Every time limit of the configuration is here, with what it is for; a new one wants a row. */
static void test_limits(void **state) {
	static const char *const limits[] = {
		"timeout client 1h", "timeout server 1h",	/* of silence, not of an answer: test_long */
		"timeout connect 1s", "timeout server 3s",	/* the ring of the counters */
		"timeout connect 2s", "timeout connect 5s",	/* until somebody listens: a socket here, a host elsewhere */
		"timeout http-request 30s",			/* of a request's headers */
		"timeout http-keep-alive 60s", "timeout check 10s", /* between two requests; of a health check */
		"timeout queue 60000ms",			/* gateway.queue.timeout */
		"hard-stop-after 1h",				/* of a process that a reload left */
		"stats timeout 1m", "tune.lua.session-timeout 0", "tcp-request inspect-delay 20d", "tcp-request inspect-delay 60s",
	};
	struct live l = {0};
	char *line = NULL;
	size_t room = 0, seen = 0;

	(void) state;
	begin(&l, "any", FALLBACK(""), "maint", 0);
	FILE *f = fopen("g/haproxy.cfg", "r");
	assert_non_null(f);
	while (getline(&line, &room, f) > 0) {
		char *at = strstr(line, "wait-for-body time 60s") ? NULL : strstr(line, "timeout ") ? line : strstr(line, "-after ") ? line : strstr(line, "-delay ");
		bool known = !at || *line != '\t' || strstr(line, "http-after-") || strstr(line, "string '");
		for (size_t i = 0; !known && i < sizeof limits / sizeof *limits; i++)
			known = !strcmp(line + 1, limits[i]) || !strncmp(line + 1, limits[i], strlen(line) - 2);
		if (!known)
			fail_msg("a limit that nobody thought of: %s", line);
		seen += at != NULL;
	}
	assert_true(seen > 10);
	free(line);
	(void) fclose(f);
	end(&l);
}

/* The same limits, an hour being a second and a half: a long prefill and an answer longer than the limit are whole; silence alone is cut. */
static void test_long(void **state) {
	static const struct {
		const char *name, *body, *status, *part;
		unsigned tokens;
	} cases[] = {
		{"a stream longer than the limit", "{\"x\":\"long\"}", "HTTP/1.1 200", "\r\n0\r\n\r\n", 60},
		{"a first byte that takes its time", "{\"x\":\"late\"}", "HTTP/1.1 200", "{\"from\":\"A\"}", 0},
		{"silence", "{\"x\":\"hang\"}", "HTTP/1.1 504", "gateway_timeout", 0},
	};
	struct live l = {0};

	(void) state;
	begin(&l, "local", "", "maint", 0);
	proxy_stop(&l.p);
	assert_int_equal(system("sed -i 's/^\ttimeout \\(client\\|server\\) 1h/\ttimeout \\1 1500ms/' g/haproxy.cfg && [ $(grep -c 'r 1500ms\\|t 1500ms' g/haproxy.cfg) -ge 2 ]"), 0);
	proxy_start(&l.p);
	EACH_CASE(c, cases) {
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

/* Who answered is who the request went to, as what it went there: not what its server is when the answer comes. */
static void test_labels(void **state) {
	static const struct {
		const char *name, *server, *then, *mark, *line;
	} cases[] = {
		{"its share goes", "b", "set server r:one/b state drain; set map g/canary.map one/b 0", "canary\r\nx-llmdeploy-release: r2\r\n",
		 "\"answered_by\":\"canary\",\"reason\":\"-\",\"release\":\"r2\",\"server\":\"b\""},
		{"it becomes the active one", "b", "set server r:one/b state ready; set server r:one/a state drain; set map g/canary.map one/b 0",
		 "canary\r\nx-llmdeploy-release: r2\r\n", "\"answered_by\":\"canary\",\"reason\":\"-\",\"release\":\"r2\",\"server\":\"b\""},
		{"the active one, when another is", "a", "set server r:one/b state ready; set server r:one/a state drain; set map g/canary.map one/a 50",
		 "active\r\nx-llmdeploy-release: r1\r\n", "\"answered_by\":\"active\",\"reason\":\"-\",\"release\":\"r1\",\"server\":\"a\""},
	};

	(void) state;
	EACH_CASE(c, cases) {
		struct live l = {0};
		begin(&l, "local", "", "canary", *c->server == 'b' ? 100 : 0);
		char *text CLEANUP(freep) = upstream_post(CHAT, "X-Session-Id: s\r\n", "{\"x\":\"late\"}");
		char *busy CLEANUP(freep) = mem_printf("r:one,%s,0,0,1,", c->server);
		int fd CLEANUP(closep) = upstream_send(l.port, text);
		assert_true(shows(&l, "show stat r:one 4 -1", busy));
		command(&l, c->then);
		char *came CLEANUP(freep) = read_rest(fd);
		assert_true(has(came, "\r\nx-llmdeploy-answered-by: ") && has(came, c->mark));
		clock_sleep_ms(50);
		char *log CLEANUP(freep) = proxy_log(&l.p), *page CLEANUP(freep) = upstream_ask(l.metrics, "GET /metrics HTTP/1.0\r\n\r\n");
		char *count CLEANUP(freep) = mem_printf("answered_by=\"%.6s\",reason=\"-\",code=\"2xx\"} 1\n", c->mark);
		assert_true(has(log, c->line) && has(page, count));
		end(&l);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream),	     cmocka_unit_test(test_hang_up), cmocka_unit_test(test_lanes),  cmocka_unit_test(test_local_text),
		cmocka_unit_test(test_crash),	     cmocka_unit_test(test_large_bodies), cmocka_unit_test(test_canary),
		cmocka_unit_test(test_canary_dies),  cmocka_unit_test(test_labels), cmocka_unit_test(test_tokens), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long),	     cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests_name("gateway live", tests, NULL, NULL);
}
