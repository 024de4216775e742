/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "probe/excerpt.h"
#include "probe/probe.h"
#include "tests/fake/model_server.h"
#include "json/json.h"

#define RULE                                                                                      \
	"{\"readiness\":{\"path\":\"/"                                                            \
	"health\",\"ready\":{\"status\":200,\"json\":{\"status\":\"ok\"}},"                       \
	"\"loading\":{\"status\":[503]}},"                                                        \
	"\"identity\":{\"path\":\"/v1/models\",\"json\":{\"data.0.id\":\"incident-assistant\"}}," \
	"\"warmup\":{\"path\":\"/v1/chat/completions\",\"max_tokens\":1}}"
#define LOADING \
	{ 503, "{\"error\":{\"code\":503,\"message\":\"Loading model\"}}" }
#define READY \
	{ 200, "{\"status\":\"ok\"}" }
#define END \
	{ 0, NULL }

static struct json *parse(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e))
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void socket_path(char out[100]) {
	(void) snprintf(out, 100, "/tmp/llmdeploy-test-%d.sock", (int) getpid());
}

/* What a watch says: alive for `lives` looks, then dead with `last_words`; the log moves while
 * `moves`. */
struct keeper {
	int looks, lives;
	const char *last_words;
	bool moves, unknown;
	uint64_t counter;
};

static int keeper_alive(void *ctx, bool *alive, struct buf *detail, struct err *e) {
	struct keeper *k = ctx;

	if (k->unknown)
		return err_set(e, ERR_UNREACHABLE, "the Engine does not answer");
	*alive = k->looks++ < k->lives;
	if (!*alive && k->last_words)
		(void) buf_puts(detail, k->last_words);
	return 0;
}

static uint64_t keeper_log(void *ctx) {
	struct keeper *k = ctx;

	return k->moves ? ++k->counter : 7;
}

static const struct fake_health loading_then_ready[] = {LOADING, LOADING, READY, END};
static const struct fake_health never_ready[] = {LOADING, END};
static const struct fake_health broken_first[] = {{500, "{}"}, {404, "no"}, {0, ""}, READY, END};
static const struct fake_health wrong_body[] = {{200, "{\"status\":\"loading model\"}"}, END};
static const struct fake_health everything_ok[] = {{200, "<html>welcome</html>"}, END};
static const struct fake_answer token[] = {{.text = "Hello", .finish = "length"}};
static const struct fake_answer spaces[] = {{.text = "", .finish = "length"}};
static const struct fake_answer failing[] = {{.status = 500, .text = "out of memory"}};
static const struct fake_answer bare[] = {{.fault = FAKE_BARE}};
static const struct fake_answer closing[] = {{.fault = FAKE_CLOSE}};

#define SCRIPT(h, a) \
	{ .health = (h), .answers = (a), .n_answers = 1, .model = "incident-assistant" }

static const struct {
	const char *name;
	struct fake_script script;
	struct keeper keeper;
	uint64_t startup_ms, stall_ms;
	enum err_code code;
	const char *msg; /* "" for ready; "SOCKET" stands for the path */
} starts[] = {
	{"ready at once", SCRIPT(NULL, token), {.lives = 99}, 5000, 0, ERR_OK, ""},
	{"503, then ready", SCRIPT(loading_then_ready, token), {.lives = 99}, 5000, 0, ERR_OK, ""},
	{"other faults, then ready",
	 SCRIPT(broken_first, token),
	 {.lives = 99},
	 5000,
	 0,
	 ERR_OK,
	 ""},
	{"no socket for a while",
	 {.answers = token, .n_answers = 1, .model = "incident-assistant", .refuse_ms = 150},
	 {.lives = 99},
	 5000,
	 0,
	 ERR_OK,
	 ""},
	{"always loading",
	 SCRIPT(never_ready, token),
	 {.lives = 999, .moves = true},
	 300,
	 100,
	 ERR_GATE,
	 "not ready after 300 ms: last answer was 503 'Loading model'"},
	{"a log that stands still",
	 SCRIPT(never_ready, token),
	 {.lives = 999},
	 60000,
	 150,
	 ERR_GATE,
	 "no progress for 150 ms: neither log nor answer changed, last answer was 503 'Loading "
	 "model'"},
	{"200 that says loading",
	 SCRIPT(wrong_body, token),
	 {.lives = 999},
	 1000,
	 0,
	 ERR_GATE,
	 "not ready after 1 s: last answer was 200, but status is 'loading model', not 'ok'"},
	{"200 for everything",
	 SCRIPT(everything_ok, token),
	 {.lives = 999},
	 200,
	 0,
	 ERR_GATE,
	 "not ready after 200 ms: last answer was 200, but status is missing, not 'ok'"},
	{"dies while it loads",
	 SCRIPT(never_ready, token),
	 {.lives = 3, .last_words = "exit status 1\nerror: failed to load model\n"},
	 60000,
	 0,
	 ERR_GATE,
	 "the instance died while starting: exit status 1 error: failed to load model"},
	{"dies without a word",
	 SCRIPT(never_ready, token),
	 {.lives = 0},
	 60000,
	 0,
	 ERR_GATE,
	 "the instance died while starting"},
	{"nobody knows whether it lives",
	 SCRIPT(NULL, token),
	 {.unknown = true},
	 60000,
	 0,
	 ERR_UNREACHABLE,
	 "cannot tell whether the instance is alive: the Engine does not answer"},
	{"someone else",
	 {.answers = token, .n_answers = 1, .model = "other"},
	 {.lives = 99},
	 5000,
	 0,
	 ERR_GATE,
	 "the instance does not serve this release: data.0.id is 'other', not "
	 "'incident-assistant'"},
	{"no token",
	 SCRIPT(NULL, spaces),
	 {.lives = 99},
	 5000,
	 0,
	 ERR_GATE,
	 "no token came: /v1/chat/completions answered 200 with nothing in it"},
	{"no choices",
	 SCRIPT(NULL, bare),
	 {.lives = 99},
	 5000,
	 0,
	 ERR_GATE,
	 "no token came: /v1/chat/completions answered 200 with nothing in it"},
	{"a token that fails",
	 SCRIPT(NULL, failing),
	 {.lives = 99},
	 5000,
	 0,
	 ERR_GATE,
	 "no token came: /v1/chat/completions answered 500 'out of memory'"},
	{"dies at its first token",
	 SCRIPT(NULL, closing),
	 {.lives = 1, .last_words = "signal 11"},
	 5000,
	 0,
	 ERR_GATE,
	 "the instance died while making its first token: signal 11"},
};

static void ready(void **state) {
	(void) state;
	EACH_CASE (c, starts) {
		char path[100];
		struct json *rule CLEANUP(json_freep) = parse(RULE);
		struct keeper keeper = c->keeper;
		struct probe_watch w = {keeper_alive, keeper_log, &keeper};
		struct probe_limits limits = {c->startup_ms, c->stall_ms};
		struct probe_result r = {.polls = 777};
		struct err e = {0};

		socket_path(path);
		struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path,
											&c->script);
		assert_non_null(s);
		struct endpoint ep = {.base_url = "http://localhost",
				      .unix_socket = path,
				      .model = "incident-assistant"};
		int got = probe_ready(rule, &ep, &limits, &w, NULL, &r, &e);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, c->code);
		assert_int_equal(got, *c->msg ? -1 : 0);
		if (*c->msg)
			assert_int_equal(r.polls, 777);
		else
			assert_in_range(r.polls, 1, 99);
	}
}

static void nobody_there(void **state) {
	(void) state;
	struct json *rule CLEANUP(json_freep) = parse(RULE);
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = "/nowhere/engine.sock"};
	struct probe_limits limits = {100, 0};
	struct probe_result r;
	struct err e = {0};

	assert_int_equal(probe_ready(rule, &ep, &limits, NULL, NULL, &r, &e), -1);
	assert_int_equal(e.code, ERR_GATE);
	assert_string_equal(e.msg,
			    "not ready after 100 ms: last answer was none: cannot reach "
			    "'/nowhere/engine.sock': No such file or directory");
}

static const struct {
	const char *name, *rule, *msg;
} rules[] = {
	{"all of it", RULE, ""},
	{"no warmup", "{}", "probes.warmup.path is missing: no token, no proof"},
	{"ready when anything comes",
	 "{\"warmup\":{\"path\":\"/x\"},\"readiness\":{\"path\":\"/health\",\"ready\":{}}}",
	 "probes.readiness.ready asks for neither a status nor a value: it could not fail"},
	{"no path", "{\"warmup\":{\"path\":\"/x\"},\"readiness\":{\"ready\":{\"status\":200}}}",
	 "probes.readiness.path is missing"},
	{"an identity of nothing",
	 "{\"warmup\":{\"path\":\"/x\"},\"identity\":{\"path\":\"/v1/models\",\"json\":{}}}",
	 "probes.identity asks for no value: it could not fail"},
};

static void checked(void **state) {
	(void) state;
	EACH_CASE (c, rules) {
		struct json *rule CLEANUP(json_freep) = parse(c->rule);
		struct err e = {0};

		assert_int_equal(probe_check(rule, &e), *c->msg ? -1 : 0);
		assert_string_equal(e.msg, c->msg);
	}
}

/* Engines without a health page: ready is when a token comes. */
static void ready_by_token(void **state) {
	(void) state;
	static const struct fake_script script = {.answers = token, .n_answers = 1};
	struct json *rule CLEANUP(json_freep) = parse(
		"{\"warmup\":{\"path\":\"/v1/completions\",\"max_tokens\":1}}");
	struct probe_limits limits = {5000, 0};
	struct probe_result r;
	struct err e = {0};
	char path[100];

	socket_path(path);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, &script);
	struct endpoint ep = {.base_url = "http://localhost", .unix_socket = path, .model = "m"};
	assert_int_equal(probe_ready(rule, &ep, &limits, NULL, NULL, &r, &e), 0);
	char *asked CLEANUP(freep) = model_server_last_question(s);
	assert_string_equal(asked,
			    "{\"model\":\"m\",\"prompt\":\"Hello\",\"max_tokens\":1,"
			    "\"temperature\":0,\"stream\":false}");
}

/* The key goes to the server, and into no message. */
static void key(void **state) {
	(void) state;
	static const struct fake_script script = {.answers = token,
						  .n_answers = 1,
						  .want_key = "s3cret"};
	struct json *rule CLEANUP(json_freep) = parse(RULE);
	struct err e = {0};
	uint64_t took = 0;
	char path[100];

	socket_path(path);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, &script);
	assert_non_null(s);
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = path,
			      .api_key = "s3cret"};
	assert_int_equal(probe_one_token(rule, &ep, 5000, &took, &e), 0);
	ep.api_key = "wr0ng";
	assert_int_equal(probe_one_token(rule, &ep, 5000, &took, &e), -1);
	assert_string_equal(e.msg,
			    "no token came: /v1/chat/completions answered 401 'Invalid API Key'");
}

static void interrupted(void **state) {
	(void) state;
	static const struct fake_script script = {.health = never_ready};
	struct json *rule CLEANUP(json_freep) = parse(RULE);
	struct probe_limits limits = {60000, 0};
	struct probe_result r;
	struct err e = {0};
	char path[100];

	socket_path(path);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, &script);
	assert_non_null(s);
	struct endpoint ep = {.base_url = "http://localhost", .unix_socket = path};
	interrupt_install();
	(void) raise(SIGTERM);
	assert_int_equal(probe_ready(rule, &ep, &limits, NULL, NULL, &r, &e), -1);
	interrupt_clear();
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_string_equal(e.msg, "interrupted");
}

static const struct {
	const char *name, *in, *out;
} excerpts[] = {
	{"as it is", "Loading model", "Loading model"},
	{"blanks and lines", "  a\r\n\tb  \n", "a b"},
	{"escape sequences", "\x1b[31mred\x1b[0m\x7f", "?[31mred?[0m?"},
	{"C1 controls",
	 "a\xc2\x9b"
	 "31m",
	 "a?31m"},
	{"turned around",
	 "a\xe2\x80\xae"
	 "b\xe2\x81\xa6"
	 "c",
	 "a?b?c"},
	{"not UTF-8", "a\xff\xc3", "a??"},
	{"just fits", "123456789012345678901234567890123456789",
	 "123456789012345678901234567890123456789"},
	{"too long", "1234567890123456789012345678901234567890",
	 "123456789012345678901234567890123456..."},
	{"cut before a character", "12345678901234567890123456789012345\xc3\xa4\xc3\xa4\xc3\xa4",
	 "12345678901234567890123456789012345..."},
};

static void excerpt(void **state) {
	(void) state;
	EACH_CASE (c, excerpts) {
		char out[40];

		assert_string_equal(probe_excerpt(c->in, strlen(c->in), out, sizeof out), c->out);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready),       cmocka_unit_test(nobody_there),
		cmocka_unit_test(checked),     cmocka_unit_test(ready_by_token),
		cmocka_unit_test(key),         cmocka_unit_test(excerpt),
		cmocka_unit_test(interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
