/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "tests/fake/proxy.h"
#include "tests/fake/upstream.h"

/* What clients meet at the frontend, before two routes that share it: paths, keys, TLS, limits, the
 * queue; and what is counted and logged. */
struct frontend {
	struct proxy p;
	struct upstream one, two;
	unsigned port, metrics;
};

#define CHAT "/v1/chat/completions"
#define SLOT(id, version, want)                                                          \
	"{\"generated_tokens\":\"fake:generated_total\",\"id\":\"" id                    \
	"\",\"metrics\":\"/metrics\","                                                   \
	"\"prompt_tokens\":\"fake:prompt_total\",\"sequences\":1,\"version\":\"" version \
	"\",\"want\":\"" want "\"}"
#define NOBODY                                                                            \
	"{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":\"\"," \
	"\"sequences\":0,\"version\":\"\",\"want\":\"maint\"}"
#define ROUTE                                                                                   \
	"{\"a\":%s,\"b\":" NOBODY ",\"canary_percent\":0,\"gateway\":{\"listen\":\"127.0.0.1:%" \
	"u\",\"metrics\":\"127.0.0.1:%u\","                                                     \
	"\"privacy\":\"local\"%s},\"name\":\"%s\",\"since\":%d}"

/* A member's text may have one %s, for the folder. */
static char *placed(const struct frontend *d, const char *members) {
	const char *at = strstr(members, "%s");

	return at ? mem_printf("%.*s%s%s", (int) (at - members), members, d->p.dir, at + 2)
		  : mem_strdup(members);
}

/* The second route came first. */
static void write_state(struct frontend *d, const char *door_one, const char *door_two) {
	char *more_one CLEANUP(freep) = placed(d, door_one),
		       *more_two CLEANUP(freep) = placed(d, door_two);
	char *one CLEANUP(freep) = mem_printf(ROUTE, SLOT("aaaaaaaaaaaa", "r1", "ready"), d->port,
					      d->metrics, more_one, "one", 2);
	char *two CLEANUP(freep) = mem_printf(ROUTE, SLOT("cccccccccccc", "v7", "ready"), d->port,
					      d->metrics, more_two, "two", 1);
	char *state CLEANUP(freep) = mem_printf(
		"{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[%s,%s]}", one,
		two);

	proxy_write(&d->p, state);
}

static void open_door(struct frontend *d) {
	proxy_init(&d->p);
	if (system("mkdir -p run/one run/two"))
		fail();
	upstream_start(&d->one, "ONE", "run/one/a.sock");
	upstream_start(&d->two, "TWO", "run/two/a.sock");
	d->port = proxy_port();
	d->metrics = proxy_port();
}

static void begin(struct frontend *d, const char *door_one, const char *door_two) {
	open_door(d);
	write_state(d, door_one, door_two);
	proxy_start(&d->p);
}

static void end(struct frontend *d) {
	upstream_stop(&d->one);
	upstream_stop(&d->two);
	proxy_done(&d->p);
}

static char *ask(struct frontend *d, const char *path, const char *headers, const char *body) {
	char *text CLEANUP(freep) = upstream_post(path, headers, body);

	return upstream_ask(d->port, text);
}

static bool has(const char *text, const char *part) {
	if (strstr(text, part))
		return true;
	print_message("there is no '%s' in:\n%s\n", part, text);
	return false;
}

static bool shows(struct frontend *d, const char *line, const char *text) {
	for (int i = 0; i < 500; i++) {
		char *said CLEANUP(freep) = proxy_command(&d->p, line);
		if (strstr(said, text))
			return true;
		clock_sleep_ms(10);
	}
	return false;
}

static void save(const char *path, const char *text) {
	struct err e = {0};

	if (fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0600, &e))
		fail_msg("%s", e.msg);
}

/* Which paths and methods pass, who answers where two routes share an address, and the errors that
 * clients can read. */
static const struct {
	const char *name, *words, *expect;
} paths[] = {
	{"by the model's name", "-d '{\"model\":\"one\"}' @" CHAT, "{\"from\":\"ONE\"}"},
	{"by the other's", "-d '{\"messages\":[],\"model\":\"two\"}' @/v1/completions",
	 "{\"from\":\"TWO\"}"},
	{"no name: who was first", "-d '{\"input\":\"x\"}' @/v1/embeddings", "{\"from\":\"TWO\"}"},
	{"a name that nobody has", "-d '{\"model\":\"gpt-4o\"}' @" CHAT, "404\n"},
	{"in words", "-d '{\"model\":\"gpt-4o\"}' @" CHAT,
	 "{\"error\":{\"message\":\"the model \\\"gpt-4o\\\" is not served here: GET /v1/models "
	 "lists those that are\",\"type\":\"invalid_request_error\","
	 "\"param\":\"model\",\"code\":\"model_not_found\"}}"},
	{"a name of no route, with a route in the path", "-d '{\"model\":\"gpt-4o\"}' @/one" CHAT,
	 "{\"from\":\"ONE\"}"},
	{"by the path", "-d '{\"model\":\"two\"}' @/one/v1/responses", "{\"from\":\"ONE\"}"},
	{"HTTP/2", "--http2-prior-knowledge -d '{\"model\":\"one\"}' @" CHAT, "{\"from\":\"ONE\"}"},
	{"models", "@/one/v1/models", "ONE"},
	{"health", "@/health", "200\n"},
	{"slots", "@/slots", "404\n"},
	{"slots of a route", "@/one/slots", "404\n"},
	{"props", "@/one/props", "404\n"},
	{"lora", "-d '[]' @/lora-adapters", "404\n"},
	{"metrics of the engine", "@/one/metrics", "404\n"},
	{"up and down", "--path-as-is @/v1/../slots", "404\n"},
	{"a path behind a path", "--path-as-is @" CHAT "/../../../slots", "404\n"},
	{"in disguise", "--path-as-is @/v1/%2e%2e/slots", "404\n"},
	{"a route that is not there", "-d '{}' @/three" CHAT, "404\n"},
	{"the error of it", "@/nothing",
	 "{\"error\":{\"message\":\"no such path: /v1/chat/completions, "},
	{"a question that is none", "@" CHAT, "405\n"},
	{"models that are asked", "-d x @/v1/models", "405\n"},
	{"deleted", "-X DELETE @/v1/models", "405\n"},
};

static void test_paths(void **state) {
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "");
	EACH_CASE (c, paths) {
		const char *at = strchr(c->words, '@');
		char *words CLEANUP(freep) = mem_printf("%.*s http://127.0.0.1:%u%s",
							(int) (at - c->words), c->words, d.port,
							at + 1);
		char *came CLEANUP(freep) = proxy_ask(&d.p, words);
		assert_true(has(came, c->expect));
	}
	/* On a shared address a request that hides its model's name is not answered by just
	 * anybody. */
	assert_int_equal(system("{ printf '{\"x\":\"'; head -c 300000 /dev/zero | tr '\\0' x; "
				"printf '\",\"model\":\"one\"}'; } >long"),
			 0);
	char *words CLEANUP(freep) =
		mem_printf("-H Expect: --data-binary @long http://127.0.0.1:%u" CHAT, d.port);
	char *came CLEANUP(freep) = proxy_ask(&d.p, words);
	assert_true(
		!strncmp(came, "400\n", 4) &&
		has(came,
		    "no model name in the first 224 KiB of the request: call /ROUTE/v1/... here"));
	end(&d);
}

/* Keys: none, wrong, right, rotated while it runs; the engine sees none of it, and neither does the
 * log. */
static void test_keys(void **state) {
	struct frontend d = {0};
	char hash[SHA256_HEX];

	(void) state;
	open_door(&d);
	sha256_of("sk-first", 8, hash);
	char *line CLEANUP(freep) = mem_printf("# clients\n%s team-a\n", hash);
	save("keys", line);
	write_state(&d, ",\"api_keys\":\"%s/keys\"", "");
	proxy_start(&d.p);
	const struct {
		const char *name, *path, *headers, *expect;
	} cases[] = {
		{"none", "/one" CHAT, "", "HTTP/1.1 401"},
		{"none, in words", "/one" CHAT, "",
		 "{\"error\":{\"message\":\"no valid API key: send Authorization: Bearer KEY\""},
		{"wrong", "/one" CHAT, "Authorization: Bearer sk-second\r\n", "HTTP/1.1 401"},
		{"the hash itself", "/one" CHAT, "Authorization: Bearer HASH\r\n", "HTTP/1.1 401"},
		{"another scheme", "/one" CHAT, "Authorization: Basic sk-first\r\n",
		 "HTTP/1.1 401"},
		{"right", "/one" CHAT,
		 "Authorization: Bearer sk-first\r\nCookie: c=1\r\nX-Api-Key: x\r\n",
		 "{\"from\":\"ONE\"}"},
		{"a route without keys", "/two" CHAT, "", "{\"from\":\"TWO\"}"},
	};
	EACH_CASE (c, cases) {
		char *came CLEANUP(freep) = ask(&d, c->path, c->headers, "{}");
		assert_true(has(came, c->expect));
	}
	char *last CLEANUP(freep) = upstream_last(&d.one);
	assert_null(strcasestr(last, "authorization"));
	assert_null(strcasestr(last, "cookie"));
	assert_null(strcasestr(last, "x-api-key"));
	assert_int_equal(d.one.questions, 1);

	sha256_of("sk-second", 9, hash);
	char *turn CLEANUP(freep) = mem_printf("clear map %s/keys; add map %s/keys %s team-b",
					       d.p.dir, d.p.dir, hash);
	free(proxy_command(&d.p, turn));
	char *old CLEANUP(freep) = ask(&d, "/one" CHAT, "Authorization: Bearer sk-first\r\n", "{}");
	char *now CLEANUP(freep) = ask(&d, "/one" CHAT, "Authorization: Bearer sk-second\r\n",
				       "{}");
	assert_true(has(old, "HTTP/1.1 401") && has(now, "{\"from\":\"ONE\"}"));
	char *health CLEANUP(freep) =
		upstream_ask(d.port,
			     "GET /one/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	assert_true(has(health, "HTTP/1.1 200"));
	char *log CLEANUP(freep) = proxy_log(&d.p);
	assert_true(has(log, "\"client\":\"team-a\"") && has(log, "\"client\":\"team-b\""));
	assert_null(strstr(log, "sk-"));
	end(&d);
}

static void certificate(const char *name) {
	char *line CLEANUP(freep) = mem_printf("openssl req -x509 -newkey rsa:2048 -nodes -keyout "
					       "key.pem -out cert.pem -days 2 -subj /CN=%s "
					       "-addext subjectAltName=DNS:localhost 2>/dev/null "
					       "&& cat cert.pem key.pem >door.pem",
					       name);

	assert_int_equal(system(line), 0);
}

/* TLS with HTTP/1.1 and 2; another certificate is taken up by a reload, and a stream that runs is
 * not cut by it. */
static void test_tls(void **state) {
	struct frontend d = {0};

	(void) state;
	open_door(&d);
	certificate("first");
	write_state(&d, ",\"tls\":{\"certificate\":\"%s/door.pem\"}",
		    ",\"tls\":{\"certificate\":\"%s/door.pem\"}");
	proxy_start(&d.p);
	const struct {
		const char *name, *words, *expect;
	} cases[] = {
		{"HTTP/1.1", "--http1.1 --cacert cert.pem -w '%{http_code}%{http_version}'",
		 "2001.1\n"},
		{"HTTP/2", "--cacert cert.pem -w '%{http_code}%{http_version}'", "2002\n"},
		{"nobody's certificate", "--http1.1", "000\n"},
		{"an old version", "--tls-max 1.1 --cacert cert.pem", "000\n"},
	};
	EACH_CASE (c, cases) {
		char *words CLEANUP(
			freep) = mem_printf("%s -d '{\"model\":\"one\"}' https://localhost:%u" CHAT,
					    c->words, d.port);
		char *came CLEANUP(freep) = proxy_ask(&d.p, words);
		assert_true(has(came, c->expect));
	}
	char *stream CLEANUP(freep) =
		mem_printf("curl -sN -m 5 --cacert cert.pem -d '{\"x\":\"stream\"}' "
			   "https://localhost:%u/one" CHAT " -o streamed & cp cert.pem old.pem; "
			   "sleep 0.1",
			   d.port);
	assert_int_equal(system(stream), 0);
	certificate("second");
	proxy_reload(&d.p);
	char *words CLEANUP(freep) =
		mem_printf("--cacert cert.pem -d '{\"model\":\"one\"}' https://localhost:%u" CHAT,
			   d.port);
	char *came CLEANUP(freep) = proxy_ask(&d.p, words);
	assert_true(!strncmp(came, "200", 3));
	for (int i = 0; i < 300 && system("[ $(grep -c data: streamed) = 10 ]"); i++)
		clock_sleep_ms(10);
	assert_int_equal(system("[ $(grep -c data: streamed) = 10 ]"), 0);
	end(&d);
}

/* Bodies: as large as may be, one byte more, and one that does not say its size. */
static void test_body_limit(void **state) {
	static const struct {
		const char *name, *words, *status;
		unsigned bytes;
	} cases[] = {
		{"as large as may be", "-H Expect:", "200", 5000},
		{"one byte more", "-H Expect:", "413", 5001},
		{"much more", "-H 'Expect: 100-continue'", "413", 5000000},
		{"in chunks", "-H 'Transfer-Encoding: chunked'", "200", 5000},
		{"in chunks, more", "-H 'Transfer-Encoding: chunked'", "413", 5001},
		{"HTTP/2, more", "--http2-prior-knowledge", "413", 5001},
	};
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"max_body_bytes\":5000", "");
	EACH_CASE (c, cases) {
		char *make CLEANUP(freep) = mem_printf("{ printf '{\"x\":\"'; head -c %u /dev/zero "
						       "| tr '\\0' x; printf '\"}'; } >question",
						       c->bytes - 8);
		assert_int_equal(system(make), 0);
		char *words CLEANUP(freep) =
			mem_printf("%s --data-binary @question http://127.0.0.1:%u/one" CHAT,
				   c->words, d.port);
		unsigned before = d.one.questions;
		char *came CLEANUP(freep) = proxy_ask(&d.p, words);
		if (strncmp(came, c->status, 3) != 0)
			fail_msg("%s", came);
		assert_int_equal(d.one.questions - before, !strcmp(c->status, "200"));
	}
	end(&d);
}

/* One place, one that waits, the next is turned away; and who waited too long, too. The engine
 * never has more than its sequences. */
static void test_queue(void **state) {
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"queue\":{\"length\":1,\"timeout_ms\":400}", "");
	char *hang CLEANUP(freep) = upstream_post("/one" CHAT, "", "{\"x\":\"hang\"}");
	int fd = upstream_send(d.port, hang);
	assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
	uint64_t began = clock_mono_ms();
	int waiting CLEANUP(closep) = upstream_send(d.port, hang);
	assert_true(shows(&d, "show stat r:one 2 -1", "r:one,BACKEND,1,"));
	char *third CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
	assert_true(has(third, "HTTP/1.1 429") && has(third, "\r\nretry-after: ") &&
		    has(third, "\"code\":\"queue_full\""));
	char *models CLEANUP(freep) =
		upstream_ask(d.port,
			     "GET /one/v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	/* what asks no model waits for no place */
	assert_true(has(models, "HTTP/1.1 200") && has(models, "ONE"));
	char said[600] = "";
	assert_true(read(waiting, said, sizeof said - 1) > 0);
	uint64_t took = clock_mono_ms() - began;
	assert_true(has(said, "HTTP/1.1 429") && has(said, "\r\nretry-after: "));
	assert_true(took >= 380 && took < 2000);
	assert_int_equal(d.one.questions, 1);
	(void) close(fd);
	assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,0,"));
	char *again CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
	assert_true(has(again, "HTTP/1.1 200"));
	end(&d);
}

/* Nobody is there: 503 and when to come again. An engine that fails: its own answer, or 502 where
 * it has none. */
static void test_errors(void **state) {
	static const struct {
		const char *name, *body, *expect;
	} cases[] = {
		{"its own 500", "{\"x\":\"fail\"}", "HTTP/1.1 500"},
		{"no answer", "{\"x\":\"half\"}", "HTTP/1.1 502"},
		{"a cut answer", "{\"x\":\"cut\"}", "HTTP/1.1 200"},
	};
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "");
	EACH_CASE (c, cases) {
		char *came CLEANUP(freep) = ask(&d, "/one" CHAT, "", c->body);
		assert_true(has(came, c->expect));
	}
	free(proxy_command(&d.p, "set server r:one/a state maint"));
	char *came CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
	assert_true(has(came, "HTTP/1.1 503") && has(came, "\r\nretry-after: ") &&
		    has(came, "\"code\":\"unavailable\""));
	char *other CLEANUP(freep) = ask(&d, "/two" CHAT, "", "{}");
	assert_true(has(other, "{\"from\":\"TWO\"}"));
	end(&d);
}

/* What was asked is counted and logged: by whom it was answered, and never what it was. */
static void test_counters(void **state) {
	static const char *const page[] = {
		"\nllmdeploy_requests_total{route=\"one\",release=\"r1\",answered_by=\"active\","
		"reason=\"-\",code=\"2xx\"} 3\n",
		"\nllmdeploy_requests_total{route=\"one\",release=\"r1\",answered_by=\"active\","
		"reason=\"-\",code=\"5xx\"} 2\n",
		"\nllmdeploy_errors_total{route=\"one\",release=\"r1\",answered_by=\"active\","
		"reason=\"-\",code=\"5xx\"} 2\n",
		"\nllmdeploy_request_duration_seconds_bucket{route=\"one\",release=\"r1\",answered_"
		"by=\"active\",reason=\"-\",code=\"2xx\",le=\"+Inf\"} 3\n",
		"\nllmdeploy_first_byte_seconds_count{route=\"one\",release=\"r1\",answered_by="
		"\"active\",reason=\"-\",code=\"2xx\"} 3\n",
		"\nllmdeploy_prompt_tokens_total{route=\"one\",release=\"r1\"} 41\n",
		"\nllmdeploy_generated_tokens_total{route=\"two\",release=\"v7\"} 1.5e+02\n",
		"\nllmdeploy_queue{route=\"one\"} 0\n",
		"\nllmdeploy_in_flight{route=\"one\",release=\"r1\"} 0\n",
		"\nllmdeploy_release_info{route=\"one\",release=\"r1\",server=\"a\",state=\"up\"} "
		"1\n",
	};
	static const char *const bodies[] = {"{\"x\":\"secret words\"}", "{}",
					     "{\"x\":\"cut\"}",          "{\"x\":\"fail\"}",
					     "{\"x\":\"stream\"}",       "{\"x\":\"hang\"}"};
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "");
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char *text CLEANUP(freep) = upstream_post("/one" CHAT, "", bodies[i]);
		int fd = upstream_send(d.port, text);
		char piece[512];
		if (strstr(bodies[i], "hang"))
			clock_sleep_ms(100); /* and then it goes: no error of ours */
		else
			while (read(fd, piece, sizeof piece) > 0)
				;
		(void) close(fd);
	}
	assert_true(shows(&d, "llmdeploy sample one a", " 5 2 0 1 "));
	char *request CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/metrics", d.metrics);
	char *came CLEANUP(freep) = proxy_ask(&d.p, request);
	for (size_t i = 0; i < sizeof page / sizeof *page; i++)
		assert_true(has(came, page[i]));
	char *haproxy_page CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/metrics/haproxy",
						       d.metrics);
	char *more CLEANUP(freep) = proxy_ask(&d.p, haproxy_page);
	assert_true(has(more, "haproxy_server_sessions_total{proxy=\"r:one\",server=\"a\"} 6"));
	char *log CLEANUP(freep) = proxy_log(&d.p);
	assert_true(has(log,
			"\"route\":\"one\",\"client\":\"-\",\"method\":\"POST\",\"path\":\"" CHAT
			"\",\"status\":200,\"answered_by\":\"active\","
			"\"reason\":\"-\",\"release\":\"r1\",\"server\":\"a\",\"end\":\"SD\""));
	assert_null(strstr(log, "secret"));
	/* Every line of the access log is JSON. */
	assert_int_equal(system("grep '^{' g/log >lines && [ $(wc -l <lines) -ge 6 ] && python3 -c "
				"'import json\nfor l in open(\"lines\"): json.loads(l)'"),
			 0);
	end(&d);
}

/* A restart serves what the files say, and a reload leaves no old process behind once its requests
 * are done. */
static void test_restart(void **state) {
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "");
	proxy_stop(&d.p);
	proxy_start(&d.p);
	char *came CLEANUP(freep) = ask(&d, "/one" CHAT, "", "{}");
	assert_true(has(came, "{\"from\":\"ONE\"}"));
	char *count CLEANUP(freep) = mem_printf("[ $(pgrep -P %d | wc -l) = 1 ]", (int) d.p.pid);
	proxy_reload(&d.p);
	for (int i = 0; i < 300 && system(count); i++)
		clock_sleep_ms(10);
	assert_int_equal(system(count), 0);
	end(&d);
}

int main(int argc, char **argv) {
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),    cmocka_unit_test(test_keys),
		cmocka_unit_test(test_tls),      cmocka_unit_test(test_body_limit),
		cmocka_unit_test(test_queue),    cmocka_unit_test(test_errors),
		cmocka_unit_test(test_counters), cmocka_unit_test(test_restart),
	};

	return cmocka_run_group_tests_name("gateway door", tests, NULL, NULL);
}
