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

/* A real HAProxy with our configuration before two routes: what clients get wrong, and what a runtime says of it, in OpenAI's form. */
struct frontend {
	struct proxy p;
	struct upstream one, two;
	unsigned port, metrics;
};

#define CHAT "/v1/chat/completions"
#define SLOT(id, version, want) "{\"generated_tokens\":\"\",\"id\":\"" id "\",\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":%u,\"version\":\"" \
	version "\",\"want\":\"" want "\"}"
#define NOBODY "{\"generated_tokens\":\"\",\"id\":\"\",\"metrics\":\"\",\"prompt_tokens\":\"\",\"sequences\":0,\"version\":\"\",\"want\":\"maint\"}"
#define ROUTE "{\"a\":%s,\"b\":" NOBODY ",\"canary_percent\":0,\"gateway\":{\"listen\":\"127.0.0.1:%u\",\"metrics\":\"127.0.0.1:%u\"," \
	"\"privacy\":\"local\"%s},\"name\":\"%s\",\"since\":%d}"

static void write_state(struct frontend *d, const char *door_one, const char *door_two, unsigned sequences) {
	char *slot_one CLEANUP(freep) = mem_printf(SLOT("aaaaaaaaaaaa", "r1", "ready"), sequences);
	char *slot_two CLEANUP(freep) = mem_printf(SLOT("cccccccccccc", "v7", "ready"), sequences);
	char *one CLEANUP(freep) = mem_printf(ROUTE, slot_one, d->port, d->metrics, door_one, "one", 1);
	char *two CLEANUP(freep) = mem_printf(ROUTE, slot_two, d->port, d->metrics, door_two, "two", 2);
	char *state CLEANUP(freep) = mem_printf("{\"apiVersion\":\"llmdeploy/v1\",\"kind\":\"Gateway\",\"routes\":[%s,%s]}", one, two);

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

static void begin(struct frontend *d, const char *door_one, const char *door_two, unsigned sequences) {
	open_door(d);
	write_state(d, door_one, door_two, sequences);
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

static char *get(struct frontend *d, const char *path, const char *headers) {
	char *text CLEANUP(freep) = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path, headers);

	return upstream_ask(d->port, text);
}

static bool has(const char *text, const char *part) {
	if (strstr(text, part))
		return true;
	print_message("there is no '%s' in:\n%s\n", part, text);
	return false;
}

static bool shows(struct frontend *d, const char *line, const char *text) {
	for (int i = 0; i < 300; i++) {
		char *said CLEANUP(freep) = proxy_command(&d->p, line);
		if (strstr(said, text))
			return true;
		clock_sleep_ms(10);
	}
	char *said CLEANUP(freep) = proxy_command(&d->p, line);
	return has(said, text);
}

/* An error as a client's library reads it. */
static bool is_error(const char *came, const char *status, const char *code, const char *param, const char *message) {
	char *first CLEANUP(freep) = mem_printf("HTTP/1.1 %s ", status);
	char *tail CLEANUP(freep) = mem_printf("\"param\":%s,\"code\":\"%s\"}}", param, code);
	char *head CLEANUP(freep) = mem_printf("\r\n\r\n{\"error\":{\"message\":\"%s\",\"type\":\"", message);

	return has(came, first) && has(came, head) && has(came, tail) && has(came, "\r\ncontent-type: application/json\r\n");
}

/* What no runtime takes is refused before it takes a place, and is nobody's error. */
static const struct {
	const char *name, *path, *body, *code, *param, *message; /* code NULL: it passes */
} requests[] = {
	{"nothing", CHAT, "", "invalid_json", "null", "the body is not valid JSON"},
	{"cut JSON", CHAT, "{\"messages\":", "invalid_json", "null", "the body is not valid JSON"},
	{"two values", CHAT, "{} {}", "invalid_json", "null", "the body is not valid JSON"},
	{"a comma too many", CHAT, "{\"a\":1,}", "invalid_json", "null", "the body is not valid JSON"},
	{"single quotes", CHAT, "{'a':1}", "invalid_json", "null", "the body is not valid JSON"},
	{"a newline in a text", CHAT, "{\"a\":\"x\ny\"}", "invalid_json", "null", "the body is not valid JSON"},
	{"a bad escape", CHAT, "{\"a\":\"\\x\"}", "invalid_json", "null", "the body is not valid JSON"},
	{"half an escape", CHAT, "{\"a\":\"\\u12\"}", "invalid_json", "null", "the body is not valid JSON"},
	{"a number with a zero before it", CHAT, "{\"a\":01}", "invalid_json", "null", "the body is not valid JSON"},
	{"NaN", CHAT, "{\"a\":NaN}", "invalid_json", "null", "the body is not valid JSON"},
	{"a number that ends in a point", CHAT, "{\"a\":1.}", "invalid_json", "null", "the body is not valid JSON"},
	{"a list", CHAT, "[]", "invalid_json", "null", "the body must be a JSON object"},
	{"a text", CHAT, "\"x\"", "invalid_json", "null", "the body must be a JSON object"},
	{"messages as a text", CHAT, "{\"messages\":\"hi\"}", "invalid_type", "\"messages\"", "'messages' is a text, and must be a list"},
	{"a message as a number", CHAT, "{\"messages\":[1]}", "invalid_type", "\"messages[0]\"", "'messages[0]' is a number, and must be an object"},
	{"a message as null", CHAT, "{\"messages\":[null]}", "invalid_type", "\"messages[0]\"", "'messages[0]' is null, and must be an object"},
	{"a role as a number", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":1}]}", "invalid_type", "\"messages[1].role\"",
	 "'messages[1].role' is a number, and must be a text"},
	{"a content as an object", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":{}}]}", "invalid_type", "\"messages[0].content\"",
	 "'messages[0].content' is an object, and must be a text or a list"},
	{"a part as a text", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[\"x\"]}]}", "invalid_type", "\"messages[0].content[0]\"",
	 "'messages[0].content[0]' is a text, and must be an object"},
	{"a temperature in words", CHAT, "{\"temperature\":\"hot\"}", "invalid_type", "\"temperature\"", "'temperature' is a text, and must be a number"},
	{"a stream in words", CHAT, "{\"stream\":\"yes\"}", "invalid_type", "\"stream\"", "'stream' is a text, and must be true or false"},
	{"max_tokens as a list", "/v1/completions", "{\"max_tokens\":[1]}", "invalid_type", "\"max_tokens\"", "'max_tokens' is a list, and must be a number"},
	{"tools as a number", CHAT, "{\"tools\":5}", "invalid_type", "\"tools\"", "'tools' is a number, and must be a list"},
	{"a tool as a text", CHAT, "{\"tools\":[\"x\"]}", "invalid_type", "\"tools[0]\"", "'tools[0]' is a text, and must be an object"},
	{"a model as a number", CHAT, "{\"model\":5}", "invalid_type", "\"model\"", "'model' is a number, and must be a text"},
	{"a prompt as an object", "/v1/completions", "{\"prompt\":{}}", "invalid_type", "\"prompt\"", "'prompt' is an object, and must be a text or a list"},
	{"an input as a number", "/v1/embeddings", "{\"input\":5}", "invalid_type", "\"input\"", "'input' is a number, and must be a text or a list"},
	{"all of it", CHAT, "{\"model\":\"one\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\u00e4\\\"\"}]},{\"role\":\"assistant\","
	 "\"content\":null,\"tool_calls\":[]}],\"temperature\":1.5e-1,\"max_tokens\":null,\"stop\":[\"x\"],\"stream\":false,\"tools\":[{\"type\":\"function\","
	 "\"function\":{\"name\":\"f\"}}],\"seed\":-1}", NULL, NULL, NULL},
	{"a field that nobody knows", CHAT, " { \"top_k\" : [ 1 , { } ] } ", NULL, NULL, NULL},
	{"tools as /v1/responses has them", "/v1/responses", "{\"input\":[],\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}", NULL, NULL, NULL},
	{"a prompt of tokens", "/v1/completions", "{\"prompt\":[1,2,-3,0]}", NULL, NULL, NULL},
};

static void test_requests(void **state) {
	unsigned passed = 0;
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE(c, requests) {
		char *path CLEANUP(freep) = mem_printf("/one%s", c->path);
		char *came CLEANUP(freep) = ask(&d, path, "", c->body);
		if (c->code)
			assert_true(is_error(came, "400", c->code, c->param, c->message));
		else
			assert_true(has(came, "HTTP/1.1 200"));
		passed += !c->code;
		assert_int_equal(d.one.questions, passed);
	}
	char *count CLEANUP(freep) = mem_printf(" %u 0 0 0 ", passed);
	assert_true(shows(&d, "llmdeploy sample one a", count));
	/* Deep nesting ends somewhere; a body that does not fit in the buffer is the runtime's to judge. */
	static const char *const makes[] = {
		"{ printf '{\"a\":'; head -c 300 /dev/zero | tr '\\0' '['; head -c 300 /dev/zero | tr '\\0' ']'; printf '}'; } >question",
		"{ printf '{\"a\":\"'; head -c 400000 /dev/zero | tr '\\0' x; printf '\",}'; } >question"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(system(makes[i]), 0);
		char *words CLEANUP(freep) = mem_printf("-H Expect: --data-binary @question http://127.0.0.1:%u/one" CHAT, d.port);
		char *came CLEANUP(freep) = proxy_ask(&d.p, words);
		assert_true(has(came, i ? "200\n" : "400\n"));
	}
	end(&d);
}

/* What the runtimes say, word for word where it was seen, and what the client is told. `fault`: it is the release's. */
#define OPENAI(message, kind, code) "{\"error\":{\"message\":\"" message "\",\"type\":\"" kind "\",\"code\":" code "}}"
static const struct {
	const char *name, *path, *say;
	const char *status, *code, *param, *message;
	bool fault;
} sayings[] = {
	{"llama.cpp: embeddings", "/v1/embeddings", "501 " OPENAI("This server does not support embeddings. Start it with `--embeddings`", "not_supported_error", "501"),
	 "404", "unsupported", "null", "this model does not offer /v1/embeddings here; GET /v1/models lists what is served, and /v1/chat/completions asks it", false},
	{"llama.cpp: an image", CHAT, "500 " OPENAI("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", "server_error", "500"),
	 "400", "unsupported", "\"messages\"", "this model takes text only: leave out images, audio, video and files", false},
	{"llama.cpp: audio", CHAT, "500 " OPENAI("audio input is not supported - hint: if this is unexpected, you may need to provide the mmproj", "server_error", "500"),
	 "400", "unsupported", "\"messages\"", "this model takes text only: leave out images, audio, video and files", false},
	{"llama.cpp: too long", CHAT, "400 {\"error\":{\"code\":400,\"message\":\"request (4031 tokens) exceeds the available context size (512 tokens), try increasing it\","
	 "\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":4031,\"n_ctx\":512}}",
	 "400", "context_length_exceeded", "\"messages\"", "the prompt has 4031 tokens, and this model's context 512: shorten it", false},
	{"llama.cpp: a message", CHAT, "500 " OPENAI("Failed to parse messages: [json.exception.type_error.302] type must be string, but is number", "server_error", "500"),
	 "400", "invalid_value", "null", "Failed to parse messages: type must be string, but is number", false},
	{"llama.cpp: a tool", CHAT, "500 " OPENAI("Failed to parse tools: Missing tool function: {\\\"type\\\":\\\"function\\\"}; tools = [\\n  {\\n", "server_error", "500"),
	 "400", "invalid_value", "null", "Failed to parse tools: Missing tool function: {\\\"type\\\":\\\"function\\\"}", false},
	{"llama.cpp: a field", CHAT, "400 " OPENAI("Field 'n': Value must be between 1 <= value <= 1, but got 3", "invalid_request_error", "400"),
	 "400", "bad_request", "null", "Field 'n': Value must be between 1 <= value <= 1, but got 3", false},
	{"llama.cpp: a grammar", CHAT, "400 " OPENAI("Failed to initialize samplers: failed to parse grammar", "invalid_request_error", "400"),
	 "400", "invalid_value", "null", "Failed to initialize samplers: failed to parse grammar", false},
	{"llama.cpp: itself", CHAT, "500 " OPENAI("Compute error.", "server_error", "500"), "500", "internal_error", "null",
	 "the model server failed at this request", true},
	{"llama.cpp: while it loads", CHAT, "503 " OPENAI("Loading model", "unavailable_error", "503"), "503", "unavailable", "null",
	 "the model server cannot answer now: try again", true},
	{"vLLM: too long", CHAT, "400 {\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 tokens. However, you requested 9000 tokens\","
	 "\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
	 "400", "context_length_exceeded", "\"messages\"", "the prompt, with the answer that is asked for, is longer than this model's context: shorten it", false},
	{"vLLM: tools", CHAT, "400 " OPENAI("\\\"auto\\\" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set", "BadRequestError", "400"),
	 "400", "unsupported", "\"tools\"", "this model does not call tools as it is served here: leave out 'tools' and 'tool_choice'", false},
	{"vLLM: embeddings", "/v1/embeddings", "400 " OPENAI("The model does not support Embeddings API", "BadRequestError", "400"),
	 "404", "unsupported", "null", "this model does not offer /v1/embeddings here; GET /v1/models lists what is served, and /v1/chat/completions asks it", false},
	{"vLLM: a path that it lacks", "/v1/responses", "404 {\"detail\":\"Not Found\"}",
	 "404", "unsupported", "null", "this model does not offer /v1/responses here; GET /v1/models lists what is served, and /v1/chat/completions asks it", false},
	{"vLLM: images", CHAT, "400 " OPENAI("At most 0 image(s) may be provided in one prompt.", "BadRequestError", "400"),
	 "400", "unsupported", "\"messages\"", "this model takes text only: leave out images, audio, video and files", false},
	{"vLLM: another model", CHAT, "404 " OPENAI("The model `gpt-4o` does not exist.", "NotFoundError", "404"),
	 "404", "model_not_found", "\"model\"", "no such model here: GET /v1/models lists those that there are", false},
	{"SGLang: too long", CHAT, "400 {\"object\":\"error\",\"message\":\"The input (9000 tokens) is longer than the model's context length (4096 tokens).\",\"code\":400}",
	 "400", "context_length_exceeded", "\"messages\"", "the prompt, with the answer that is asked for, is longer than this model's context: shorten it", false},
	{"Ollama: tools", CHAT, "400 {\"error\":\"registry.ollama.ai/library/x does not support tools\"}",
	 "400", "unsupported", "\"tools\"", "this model does not call tools as it is served here: leave out 'tools' and 'tool_choice'", false},
	{"a code that is a text stays", CHAT, "400 " OPENAI("too hot", "invalid_request_error", "\"integer_above_max_value\""),
	 "400", "integer_above_max_value", "null", "too hot", false},
	{"422", CHAT, "422 {\"detail\":\"temperature: too hot\"}", "400", "bad_request", "null", "temperature: too hot", false},
	{"words about flags", CHAT, "400 " OPENAI("no: start it with --jinja", "invalid_request_error", "400"),
	 "400", "bad_request", "null", "the request cannot be answered as it stands", false},
	{"no JSON", CHAT, "500 <html>Internal Server Error</html>", "500", "internal_error", "null", "the model server failed at this request", true},
	{"nothing at all", CHAT, "400 ", "400", "bad_request", "null", "the request cannot be answered as it stands", false},
	{"full", CHAT, "429 " OPENAI("The request queue is full.", "rate_limit", "429"), "429", "rate_limit_exceeded", "null", "The request queue is full.", false},
};

static void test_sayings(void **state) {
	struct frontend d = {0};
	unsigned faults = 0, n = 0;

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE(c, sayings) {
		char *path CLEANUP(freep) = mem_printf("/one%s", c->path), *say CLEANUP(freep) = mem_printf("X-Say: %s\r\n", c->say);
		char *came CLEANUP(freep) = ask(&d, path, say, "{}");
		assert_true(is_error(came, c->status, c->code, c->param, c->message));
		assert_true(has(came, "\r\nx-llmdeploy-release: r1\r\n"));
		assert_true((strstr(came, "\r\nretry-after: ") != NULL) == (*c->status == '5' ? !strcmp(c->status, "503") : !strcmp(c->status, "429")));
		faults += c->fault;
		n++;
	}
	/* Of these the watch sees the release's failures alone. */
	char *count CLEANUP(freep) = mem_printf(" %u %u %u 0 ", faults, faults, n - faults);
	assert_true(shows(&d, "llmdeploy sample one a", count));
	char *words CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/metrics", d.metrics);
	char *page CLEANUP(freep) = proxy_ask(&d.p, words);
	char *errors CLEANUP(freep) = mem_printf("\nllmdeploy_errors_total{route=\"one\",release=\"r1\",answered_by=\"active\",reason=\"-\",code=\"5xx\"} %u\n", faults);
	assert_true(has(page, errors));
	assert_true(has(page, "\nllmdeploy_errors_total{route=\"one\",release=\"r1\",answered_by=\"active\",reason=\"-\",code=\"4xx\"} 0\n"));
	end(&d);
}

static void save_key(const char *file, const char *key, const char *name) {
	char hash[SHA256_HEX];
	struct err e = {0};

	sha256_of(key, strlen(key), hash);
	char *line CLEANUP(freep) = mem_printf("%s %s\n", hash, name);
	if (fs_write(EFFECT_NONE, AT_FDCWD, file, line, strlen(line), 0600, &e))
		fail_msg("%s", e.msg);
}

#define MODEL(name) "{\"id\":\"" name "\",\"object\":\"model\",\"created\":"
#define BEARER "Authorization: Bearer sk-one\r\n"

/* The models of an address are its routes: with keys those that the key may use. */
static void test_models(void **state) {
	struct frontend d = {0};

	(void) state;
	open_door(&d);
	save_key("keys", "sk-one", "alice");
	char *keys CLEANUP(freep) = mem_printf(",\"api_keys\":\"%s/keys\"", d.p.dir);
	char *file CLEANUP(freep) = mem_printf("%s/keys", d.p.dir);
	const char *const missing[] = {file, NULL};
	static const struct {
		const char *name;
		int locked; /* so many of the two routes ask for keys; 3, 4: the first, or both, for keys of a file that is missing */
		const char *path, *headers, *expect, *not;
	} cases[] = {
		{"all of them", 0, "/v1/models", "", "{\"object\":\"list\",\"data\":[" MODEL("one"), "x"},
		{"the second, too", 0, "/v1/models", "", "," MODEL("two"), "x"},
		{"one of them", 0, "/v1/models/two", "", "\r\n\r\n" MODEL("two"), "one"},
		{"in disguise", 0, "/v1/models/%74wo", "", "\r\n\r\n" MODEL("two"), "one"},
		{"none of them", 0, "/v1/models/gpt-4o", "", "\"param\":\"model\",\"code\":\"model_not_found\"}}", "gpt"},
		{"none of them, its status", 0, "/v1/models/gpt-4o", "", "HTTP/1.1 404", "gpt"},
		{"of a route", 0, "/two/v1/models/two", "", "\r\n\r\n" MODEL("two"), "one"},
		{"another's of a route", 0, "/two/v1/models/one", "", "HTTP/1.1 404", "\"one\""},
		{"without a key: what asks for none", 1, "/v1/models", "", "[" MODEL("two"), "\"one\""},
		{"without a key: not found", 1, "/v1/models/one", "", "HTTP/1.1 404", "\"one\""},
		{"with the key", 1, "/v1/models", BEARER, "[" MODEL("one"), "x"},
		{"with the key, one of them", 1, "/v1/models/one", BEARER, "\r\n\r\n" MODEL("one"), "two"},
		{"all are locked", 2, "/v1/models", "", "HTTP/1.1 401", "\"one\""},
		{"all are locked, in words", 2, "/v1/models/one", "Authorization: Bearer x\r\n", "\"code\":\"invalid_api_key\"}}", "\"one\""},
		{"keys that cannot be loaded: nobody's", 3, "/v1/models", "", "[" MODEL("two"), "\"one\""},
		{"keys that cannot be loaded, all of them", 4, "/v1/models", BEARER, "HTTP/1.1 503", "\"one\""},
		{"keys that cannot be loaded: not found", 3, "/v1/models/one", BEARER, "HTTP/1.1 404", "\"one\""},
		{"the runtime's own page", 0, "/one/v1/models", "", "\r\n\r\nONE", "created"},
	};
	int locked = -1;
	EACH_CASE(c, cases) {
		if (c->locked != locked) {
			proxy_stop(&d.p);
			d.p.missing = c->locked > 2 ? missing : NULL;
			write_state(&d, c->locked ? keys : "", c->locked == 2 || c->locked == 4 ? keys : "", 1);
			proxy_start(&d.p);
			locked = c->locked;
		}
		char *came CLEANUP(freep) = get(&d, c->path, c->headers);
		assert_true(has(came, c->expect));
		assert_null(strstr(strstr(came, "\r\n\r\n"), c->not));
	}
	end(&d);
}

/* Whose requests they were: key, session, address. What went wrong for each, and nothing that would give a secret away. */
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
		{"by key, before the session", "/one" CHAT, BEARER "X-Session-Id: s1\r\n", "{\"x\":\"fail\"}"},
		{"by key again", "/one" CHAT, BEARER, "{\"x\":\"cut\"}"},
		{"by session", "/two" CHAT, "X-Session-Id: top secret\r\n", "{}"},
		{"by session again", "/two" CHAT, "X-Session-Id: top secret\r\n", "{\"x\":\"fail\"}"},
		{"by address", "/two" CHAT, "X-Session-Id: \r\n", "{}"},
		{"by address: refused", "/two" CHAT, "X-Say: 400 no\r\n", "{}"},
	};
	EACH_CASE(c, cases)
		free(ask(&d, c->path, c->headers, c->body));
	assert_true(shows(&d, "llmdeploy clients one a", "\nkey alice\t1 1 0\t2 2 0 0 "));
	assert_true(shows(&d, "llmdeploy clients two a", "\naddress 127.0.0.1\t0 0 0\t1 0 1 0 "));
	assert_true(shows(&d, "llmdeploy clients two a", "\nsession 9d3b31947655\t1 0 0\t2 1 0 0 ")); /* printf %s 'top secret' | sha256sum */
	char *log CLEANUP(freep) = proxy_log(&d.p);
	assert_true(has(log, "\"caller\":\"key alice\"") && has(log, "\"caller\":\"session 9d3b31947655\"") && has(log, "\"caller\":\"address 127.0.0.1\""));
	assert_null(strstr(log, "top secret"));
	/* However many there are: those that fail stay known. */
	for (unsigned i = 0; i < 150; i++) {
		char *header CLEANUP(freep) = mem_printf("X-Session-Id: %u\r\n", i);
		free(ask(&d, "/two" CHAT, header, "{}"));
	}
	assert_true(shows(&d, "llmdeploy sample two a", " 153 1 1 0 "));
	assert_true(shows(&d, "llmdeploy clients two a", "\nsession 9d3b31947655\t1 0 0\t2 1 0 0 "));
	char *said CLEANUP(freep) = proxy_command(&d.p, "llmdeploy clients two a");
	unsigned lines = 0;
	for (const char *p = said; (p = strchr(p, '\t')); p = strchr(p, '\n'))
		lines++;
	assert_int_equal(lines, 64);
	end(&d);
}

/* A request that its client gave up on: late where it had waited longer than the limit, else no sample at all. */
static void test_late(void **state) {
	static const struct {
		const char *name, *limits, *body;
		unsigned ms;
		const char *expect; /* requests, errors, refused, left */
	} cases[] = {
		{"no limit", "0 0 0", "{\"x\":\"hang\"}", 150, " 0 0 0 1 "},
		{"before the limit of the first byte", "5000 0 0", "{\"x\":\"hang\"}", 150, " 0 0 0 2 "},
		{"after it", "100 0 0", "{\"x\":\"hang\"}", 200, " 1 1 0 2 "},
		{"before the limit at the release", "0 5000 0", "{\"x\":\"hang\"}", 150, " 1 1 0 3 "},
		{"after it", "0 100 0", "{\"x\":\"hang\"}", 200, " 2 2 0 3 "},
		{"in an answer, before its limit", "50 50 5000", "{\"x\":\"long\"}", 300, " 2 2 0 4 "},
		{"in an answer, after it", "0 0 100", "{\"x\":\"long\"}", 300, " 3 3 0 4 "},
		{"in an answer, without one", "100 100 0", "{\"x\":\"long\"}", 300, " 3 3 0 5 "},
		{"in an answer of 500", "0 0 0", "{\"x\":\"long fail\"}", 300, " 4 4 0 5 "},
	};
	struct frontend d = {0};
	char piece[512];

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE(c, cases) {
		char *line CLEANUP(freep) = mem_printf("llmdeploy sample one a %s", c->limits);
		free(proxy_command(&d.p, line));
		char *text CLEANUP(freep) = upstream_post("/one" CHAT, "", c->body);
		int fd = upstream_send(d.port, text);
		assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
		if (strstr(c->body, "long\"")) /* its first byte has come */
			assert_true(read(fd, piece, sizeof piece) > 0);
		clock_sleep_ms(c->ms);
		(void) close(fd);
		assert_true(shows(&d, line, c->expect) && shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,0,"));
	}
	/* In the queue: by the first limit alone, and counted for the release that it waited for. */
	char *hang CLEANUP(freep) = upstream_post("/one" CHAT, "", "{\"x\":\"hang\"}");
	int busy CLEANUP(closep) = upstream_send(d.port, hang);
	assert_true(busy >= 0);
	assert_true(shows(&d, "show stat r:one 4 -1", "r:one,a,0,0,1,"));
	for (unsigned i = 0; i < 2; i++) {
		const char *line = i ? "llmdeploy sample one a 100 0 0" : "llmdeploy sample one a 0 100 0";
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
	char *line CLEANUP(freep) = mem_printf("python3 - %u <<'END'\n"
		"import sys, threading, time, urllib.request, urllib.error\n"
		"told, tries = [], []\n"
		"def client():\n"
		"    for attempt in range(10):\n"
		"        try:\n"
		"            q = urllib.request.Request('http://127.0.0.1:' + sys.argv[1] + '/one" CHAT "', b'{\"x\":\"late\"}')\n"
		"            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(q, timeout=60).read()\n"
		"            tries.append(attempt + 1)\n"
		"            return\n"
		"        except urllib.error.HTTPError as e:\n"
		"            assert e.code == 429\n"
		"            told.append(int(e.headers['Retry-After']))\n"
		"            time.sleep(told[-1])\n"
		"all = [threading.Thread(target=client) for _ in range(50)]\n"
		"[t.start() for t in all]; [t.join() for t in all]\n"
		"print('told', sorted(told), 'most tries', max(tries), 'with more than three', sum(t > 3 for t in tries))\n"
		"sys.exit(len(tries) != 50)\n"
		"END\n", d.port);
	assert_int_equal(system(line), 0);
	end(&d);
}

/* Scripts of pages: those of the route's list, and no others; what browsers ask first is answered at the gateway. */
#define ORIGIN(o) "Origin: " o "\r\n"
#define PREFLIGHT "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, x-stainless-os\r\n"
static void test_cors(void **state) {
	static const struct {
		const char *name, *method, *path, *headers, *status, *origin; /* the origin that is let in, or NULL */
	} cases[] = {
		{"asked first", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example") PREFLIGHT, "204", "https://a.example"},
		{"asked first, the other", "OPTIONS", "/one" CHAT, ORIGIN("http://localhost:3000") PREFLIGHT, "204", "http://localhost:3000"},
		{"asked first, without a route", "OPTIONS", CHAT, ORIGIN("https://a.example") PREFLIGHT, "204", "https://a.example"},
		{"asked first, for models", "OPTIONS", "/v1/models", ORIGIN("https://a.example") PREFLIGHT, "204", "https://a.example"},
		{"another origin", "OPTIONS", "/one" CHAT, ORIGIN("https://b.example") PREFLIGHT, "405", NULL},
		{"another port", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example:8443") PREFLIGHT, "405", NULL},
		{"another scheme", "OPTIONS", "/one" CHAT, ORIGIN("http://a.example") PREFLIGHT, "405", NULL},
		{"a route without", "OPTIONS", "/two" CHAT, ORIGIN("https://a.example") PREFLIGHT, "405", NULL},
		{"no origin", "OPTIONS", "/one" CHAT, PREFLIGHT, "405", NULL},
		{"OPTIONS without a question", "OPTIONS", "/one" CHAT, ORIGIN("https://a.example"), "405", "https://a.example"},
		{"an answer", "POST", "/one" CHAT, ORIGIN("https://a.example"), "200", "https://a.example"},
		{"to another origin", "POST", "/one" CHAT, ORIGIN("https://b.example"), "200", NULL},
		{"of the route without", "POST", "/two" CHAT, ORIGIN("https://a.example"), "200", NULL},
		{"an error of the runtime", "POST", "/one" CHAT, ORIGIN("https://a.example") "X-Say: 500 x\r\n", "500", "https://a.example"},
		{"an error of the gateway", "POST", "/one" CHAT, ORIGIN("https://a.example") "X-Bad: 1\r\n", "400", "https://a.example"},
		{"models", "GET", "/v1/models", ORIGIN("https://a.example"), "200", "https://a.example"},
		{"a model", "GET", "/one/v1/models/one", ORIGIN("https://a.example"), "200", "https://a.example"},
		{"a model of the route without", "GET", "/two/v1/models/two", ORIGIN("https://a.example"), "200", NULL},
		{"the runtime's page", "GET", "/one/v1/models", ORIGIN("https://a.example"), "200", "https://a.example"},
	};
	struct frontend d = {0};

	(void) state;
	begin(&d, ",\"cors\":[\"https://a.example\",\"http://localhost:3000\"]", "", 1);
	EACH_CASE(c, cases) {
		const char *body = strcmp(c->method, "POST") != 0 ? "" : strstr(c->headers, "X-Bad") ? "{" : "{}";
		char *text CLEANUP(freep) = mem_printf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", c->method, c->path,
						       c->headers, strlen(body), body);
		char *came CLEANUP(freep) = upstream_ask(d.port, text);
		char *first CLEANUP(freep) = mem_printf("HTTP/1.1 %s ", c->status);
		char *let CLEANUP(freep) = mem_printf("\r\naccess-control-allow-origin: %s\r\n", c->origin ? c->origin : "");
		assert_true(has(came, first));
		assert_true(c->origin ? has(came, let) : !strstr(came, "\r\naccess-control-"));
		assert_true(has(came, "\r\nvary: origin\r\n"));
		if (!strcmp(c->status, "204"))
			assert_true(has(came, "\r\naccess-control-allow-methods: GET, POST\r\n") &&
				    has(came, "\r\naccess-control-allow-headers: authorization, content-type, *\r\n"));
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
		assert_true(i ? !strstr(came, "\r\naccess-control-") : has(came, "\r\naccess-control-allow-origin: https://x.example\r\n"));
	}
	end(&d);
}

static unsigned retry_after(const char *came) {
	const char *at = strstr(came, "\r\nretry-after: ");

	if (!at)
		fail_msg("no Retry-After in:\n%s", came);
	return (unsigned) strtoul(at + 15, NULL, 10);
}

/* Who is sent away is told when a place is free, behind the queue and behind those that were sent away before; where no release is up, soon. */
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
		unsigned least = (18 + i) * 300 / 4 / 1000; /* of its turn; after a minute any half of it */
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
		cmocka_unit_test(test_requests), cmocka_unit_test(test_sayings), cmocka_unit_test(test_models),
		cmocka_unit_test(test_callers),	 cmocka_unit_test(test_late),	 cmocka_unit_test(test_retry),	 cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_cors),
	};

	return cmocka_run_group_tests_name("gateway answers", tests, NULL, NULL);
}
