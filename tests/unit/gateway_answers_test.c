/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_answers_parts.h"

static char *get(struct frontend *d, const char *path, const char *headers) {
	char *text CLEANUP(
		freep) = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n",
				    path, headers);

	return upstream_ask(d->port, text);
}

/* An error as a client's library reads it. */
static bool is_error(const char *came, const char *status, const char *code, const char *param,
		     const char *message) {
	char *first CLEANUP(freep) = mem_printf("HTTP/1.1 %s ", status);
	char *tail CLEANUP(freep) = mem_printf("\"param\":%s,\"code\":\"%s\"}}", param, code);
	char *head CLEANUP(freep) = mem_printf("\r\n\r\n{\"error\":{\"message\":\"%s\",\"type\":\"",
					       message);

	return has(came, first) && has(came, head) && has(came, tail) &&
		has(came, "\r\ncontent-type: application/json\r\n");
}

/* What no runtime takes is refused before it takes a place, and is nobody's error. */
static const struct {
	const char *name, *path, *body, *code, *param, *message; /* code NULL: it passes */
} requests[] = {
	{"nothing", CHAT, "", "invalid_json", "null", "the body is not valid JSON"},
	{"cut JSON", CHAT, "{\"messages\":", "invalid_json", "null", "the body is not valid JSON"},
	{"two values", CHAT, "{} {}", "invalid_json", "null", "the body is not valid JSON"},
	{"a comma too many", CHAT, "{\"a\":1,}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"single quotes", CHAT, "{'a':1}", "invalid_json", "null", "the body is not valid JSON"},
	{"a newline in a text", CHAT, "{\"a\":\"x\ny\"}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"a bad escape", CHAT, "{\"a\":\"\\x\"}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"half an escape", CHAT, "{\"a\":\"\\u12\"}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"a number with a zero before it", CHAT, "{\"a\":01}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"NaN", CHAT, "{\"a\":NaN}", "invalid_json", "null", "the body is not valid JSON"},
	{"a number that ends in a point", CHAT, "{\"a\":1.}", "invalid_json", "null",
	 "the body is not valid JSON"},
	{"a list", CHAT, "[]", "invalid_json", "null", "the body must be a JSON object"},
	{"a text", CHAT, "\"x\"", "invalid_json", "null", "the body must be a JSON object"},
	{"messages as a text", CHAT, "{\"messages\":\"hi\"}", "invalid_type", "\"messages\"",
	 "'messages' is a text, and must be a list"},
	{"a message as a number", CHAT, "{\"messages\":[1]}", "invalid_type", "\"messages[0]\"",
	 "'messages[0]' is a number, and must be an object"},
	{"a message as null", CHAT, "{\"messages\":[null]}", "invalid_type", "\"messages[0]\"",
	 "'messages[0]' is null, and must be an object"},
	{"a role as a number", CHAT,
	 "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":1}]}", "invalid_type",
	 "\"messages[1].role\"", "'messages[1].role' is a number, and must be a text"},
	{"a content as an object", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":{}}]}",
	 "invalid_type", "\"messages[0].content\"",
	 "'messages[0].content' is an object, and must be a text or a list"},
	{"a part as a text", CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[\"x\"]}]}",
	 "invalid_type", "\"messages[0].content[0]\"",
	 "'messages[0].content[0]' is a text, and must be an object"},
	{"a temperature in words", CHAT, "{\"temperature\":\"hot\"}", "invalid_type",
	 "\"temperature\"", "'temperature' is a text, and must be a number"},
	{"a stream in words", CHAT, "{\"stream\":\"yes\"}", "invalid_type", "\"stream\"",
	 "'stream' is a text, and must be true or false"},
	{"max_tokens as a list", "/v1/completions", "{\"max_tokens\":[1]}", "invalid_type",
	 "\"max_tokens\"", "'max_tokens' is a list, and must be a number"},
	{"tools as a number", CHAT, "{\"tools\":5}", "invalid_type", "\"tools\"",
	 "'tools' is a number, and must be a list"},
	{"a tool as a text", CHAT, "{\"tools\":[\"x\"]}", "invalid_type", "\"tools[0]\"",
	 "'tools[0]' is a text, and must be an object"},
	{"a model as a number", CHAT, "{\"model\":5}", "invalid_type", "\"model\"",
	 "'model' is a number, and must be a text"},
	{"a prompt as an object", "/v1/completions", "{\"prompt\":{}}", "invalid_type",
	 "\"prompt\"", "'prompt' is an object, and must be a text or a list"},
	{"an input as a number", "/v1/embeddings", "{\"input\":5}", "invalid_type", "\"input\"",
	 "'input' is a number, and must be a text or a list"},
	{"all of it", CHAT,
	 "{\"model\":\"one\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
	 "\"text\":\"\\u00e4\\\"\"}]},{\"role\":\"assistant\","
	 "\"content\":null,\"tool_calls\":[]}],\"temperature\":1.5e-1,\"max_tokens\":null,\"stop\":"
	 "[\"x\"],\"stream\":false,\"tools\":[{\"type\":\"function\","
	 "\"function\":{\"name\":\"f\"}}],\"seed\":-1}",
	 NULL, NULL, NULL},
	{"a field that nobody knows", CHAT, " { \"top_k\" : [ 1 , { } ] } ", NULL, NULL, NULL},
	{"tools as /v1/responses has them", "/v1/responses",
	 "{\"input\":[],\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}", NULL, NULL, NULL},
	{"a prompt of tokens", "/v1/completions", "{\"prompt\":[1,2,-3,0]}", NULL, NULL, NULL},
};

static void test_requests(void **state) {
	unsigned passed = 0;
	struct frontend d = {0};

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE (c, requests) {
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
	/* Deep nesting ends somewhere; a body that does not fit in the buffer is the runtime's to
	 * judge. */
	static const char *const makes[] = {
		"{ printf '{\"a\":'; head -c 300 /dev/zero | tr '\\0' '['; head -c 300 /dev/zero | "
		"tr '\\0' ']'; printf '}'; } >question",
		"{ printf '{\"a\":\"'; head -c 400000 /dev/zero | tr '\\0' x; printf '\",}'; } "
		">question"};
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(system(makes[i]), 0);
		char *words CLEANUP(freep) = mem_printf(
			"-H Expect: --data-binary @question http://127.0.0.1:%u/one" CHAT, d.port);
		char *came CLEANUP(freep) = proxy_ask(&d.p, words);
		assert_true(has(came, i ? "200\n" : "400\n"));
	}
	end(&d);
}

/* What the runtimes say, word for word where it was seen, and what the client is told. `fault`: it
 * is the release's. */
#define OPENAI(message, kind, code) \
	"{\"error\":{\"message\":\"" message "\",\"type\":\"" kind "\",\"code\":" code "}}"
static const struct {
	const char *name, *path, *say;
	const char *status, *code, *param, *message;
	bool fault;
} sayings[] = {
	{"llama.cpp: embeddings", "/v1/embeddings",
	 "501 " OPENAI("This server does not support embeddings. Start it with `--embeddings`",
		       "not_supported_error", "501"),
	 "404", "unsupported", "null",
	 "this model does not offer /v1/embeddings here; GET /v1/models lists what is served, and "
	 "/v1/chat/completions asks it",
	 false},
	{"llama.cpp: an image", CHAT,
	 "500 " OPENAI("image input is not supported - hint: if this is unexpected, you may need "
		       "to provide the mmproj",
		       "server_error", "500"),
	 "400", "unsupported", "\"messages\"",
	 "this model takes text only: leave out images, audio, video and files", false},
	{"llama.cpp: audio", CHAT,
	 "500 " OPENAI("audio input is not supported - hint: if this is unexpected, you may need "
		       "to provide the mmproj",
		       "server_error", "500"),
	 "400", "unsupported", "\"messages\"",
	 "this model takes text only: leave out images, audio, video and files", false},
	{"llama.cpp: too long", CHAT,
	 "400 {\"error\":{\"code\":400,\"message\":\"request (4031 tokens) exceeds the available "
	 "context size (512 tokens), try increasing it\","
	 "\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":4031,\"n_ctx\":512}}",
	 "400", "context_length_exceeded", "\"messages\"",
	 "the prompt has 4031 tokens, and this model's context 512: shorten it", false},
	{"llama.cpp: a message", CHAT,
	 "500 " OPENAI("Failed to parse messages: [json.exception.type_error.302] type must be "
		       "string, but is number",
		       "server_error", "500"),
	 "400", "invalid_value", "null",
	 "Failed to parse messages: type must be string, but is number", false},
	{"llama.cpp: a tool", CHAT,
	 "500 " OPENAI("Failed to parse tools: Missing tool function: "
		       "{\\\"type\\\":\\\"function\\\"}; tools = [\\n  {\\n",
		       "server_error", "500"),
	 "400", "invalid_value", "null",
	 "Failed to parse tools: Missing tool function: {\\\"type\\\":\\\"function\\\"}", false},
	{"llama.cpp: a field", CHAT,
	 "400 " OPENAI("Field 'n': Value must be between 1 <= value <= 1, but got 3",
		       "invalid_request_error", "400"),
	 "400", "bad_request", "null",
	 "Field 'n': Value must be between 1 <= value <= 1, but got 3", false},
	{"llama.cpp: a grammar", CHAT,
	 "400 " OPENAI("Failed to initialize samplers: failed to parse grammar",
		       "invalid_request_error", "400"),
	 "400", "invalid_value", "null", "Failed to initialize samplers: failed to parse grammar",
	 false},
	{"llama.cpp: itself", CHAT, "500 " OPENAI("Compute error.", "server_error", "500"), "500",
	 "internal_error", "null", "the model server failed at this request", true},
	{"llama.cpp: while it loads", CHAT,
	 "503 " OPENAI("Loading model", "unavailable_error", "503"), "503", "unavailable", "null",
	 "the model server cannot answer now: try again", true},
	{"vLLM: too long", CHAT,
	 "400 {\"object\":\"error\",\"message\":\"This model's maximum context length is 4096 "
	 "tokens. However, you requested 9000 tokens\","
	 "\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
	 "400", "context_length_exceeded", "\"messages\"",
	 "the prompt, with the answer that is asked for, is longer than this model's context: "
	 "shorten it",
	 false},
	{"vLLM: tools", CHAT,
	 "400 " OPENAI("\\\"auto\\\" tool choice requires --enable-auto-tool-choice and "
		       "--tool-call-parser to be set",
		       "BadRequestError", "400"),
	 "400", "unsupported", "\"tools\"",
	 "this model does not call tools as it is served here: leave out 'tools' and 'tool_choice'",
	 false},
	{"vLLM: embeddings", "/v1/embeddings",
	 "400 " OPENAI("The model does not support Embeddings API", "BadRequestError", "400"),
	 "404", "unsupported", "null",
	 "this model does not offer /v1/embeddings here; GET /v1/models lists what is served, and "
	 "/v1/chat/completions asks it",
	 false},
	{"vLLM: a path that it lacks", "/v1/responses", "404 {\"detail\":\"Not Found\"}", "404",
	 "unsupported", "null",
	 "this model does not offer /v1/responses here; GET /v1/models lists what is served, and "
	 "/v1/chat/completions asks it",
	 false},
	{"vLLM: images", CHAT,
	 "400 " OPENAI("At most 0 image(s) may be provided in one prompt.", "BadRequestError",
		       "400"),
	 "400", "unsupported", "\"messages\"",
	 "this model takes text only: leave out images, audio, video and files", false},
	{"vLLM: another model", CHAT,
	 "404 " OPENAI("The model `gpt-4o` does not exist.", "NotFoundError", "404"), "404",
	 "model_not_found", "\"model\"",
	 "no such model here: GET /v1/models lists those that there are", false},
	{"SGLang: too long", CHAT,
	 "400 {\"object\":\"error\",\"message\":\"The input (9000 tokens) is longer than the "
	 "model's context length (4096 tokens).\",\"code\":400}",
	 "400", "context_length_exceeded", "\"messages\"",
	 "the prompt, with the answer that is asked for, is longer than this model's context: "
	 "shorten it",
	 false},
	{"Ollama: tools", CHAT,
	 "400 {\"error\":\"registry.ollama.ai/library/x does not support tools\"}", "400",
	 "unsupported", "\"tools\"",
	 "this model does not call tools as it is served here: leave out 'tools' and 'tool_choice'",
	 false},
	{"a code that is a text stays", CHAT,
	 "400 " OPENAI("too hot", "invalid_request_error", "\"integer_above_max_value\""), "400",
	 "integer_above_max_value", "null", "too hot", false},
	{"422", CHAT, "422 {\"detail\":\"temperature: too hot\"}", "400", "bad_request", "null",
	 "temperature: too hot", false},
	{"words about flags", CHAT,
	 "400 " OPENAI("no: start it with --jinja", "invalid_request_error", "400"), "400",
	 "bad_request", "null", "the request cannot be answered as it is", false},
	{"no JSON", CHAT, "500 <html>Internal Server Error</html>", "500", "internal_error", "null",
	 "the model server failed at this request", true},
	{"nothing at all", CHAT, "400 ", "400", "bad_request", "null",
	 "the request cannot be answered as it is", false},
	{"full", CHAT, "429 " OPENAI("The request queue is full.", "rate_limit", "429"), "429",
	 "rate_limit_exceeded", "null", "The request queue is full.", false},
};

static void test_sayings(void **state) {
	struct frontend d = {0};
	unsigned faults = 0, n = 0;

	(void) state;
	begin(&d, "", "", 1);
	EACH_CASE (c, sayings) {
		char *path CLEANUP(freep) = mem_printf("/one%s", c->path),
			   *say CLEANUP(freep) = mem_printf("X-Say: %s\r\n", c->say);
		char *came CLEANUP(freep) = ask(&d, path, say, "{}");
		assert_true(is_error(came, c->status, c->code, c->param, c->message));
		assert_true(has(came, "\r\nx-llmdeploy-release: r1\r\n"));
		assert_true((strstr(came, "\r\nretry-after: ") != NULL) ==
			    (*c->status == '5' ? !strcmp(c->status, "503")
					       : !strcmp(c->status, "429")));
		faults += c->fault;
		n++;
	}
	/* Of these the watch sees the release's failures alone. */
	char *count CLEANUP(freep) = mem_printf(" %u %u %u 0 ", faults, faults, n - faults);
	assert_true(shows(&d, "llmdeploy sample one a", count));
	char *words CLEANUP(freep) = mem_printf("http://127.0.0.1:%u/metrics", d.metrics);
	char *page CLEANUP(freep) = proxy_ask(&d.p, words);
	char *errors CLEANUP(
		freep) = mem_printf("\nllmdeploy_errors_total{route=\"one\",release=\"r1\","
				    "answered_by=\"active\",reason=\"-\",code=\"5xx\"} %u\n",
				    faults);
	assert_true(has(page, errors));
	assert_true(has(page,
			"\nllmdeploy_errors_total{route=\"one\",release=\"r1\",answered_by="
			"\"active\",reason=\"-\",code=\"4xx\"} 0\n"));
	end(&d);
}

#define MODEL(name) "{\"id\":\"" name "\",\"object\":\"model\",\"created\":"

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
		/* so many of the two routes ask for keys; 3, 4: the first, or both, for keys of a
		 * file that is missing */
		int locked;
		const char *path, *headers, *expect, *not ;
	} cases[] = {
		{"all of them", 0, "/v1/models", "", "{\"object\":\"list\",\"data\":[" MODEL("one"),
		 "x"},
		{"the second, too", 0, "/v1/models", "", "," MODEL("two"), "x"},
		{"one of them", 0, "/v1/models/two", "", "\r\n\r\n" MODEL("two"), "one"},
		{"in disguise", 0, "/v1/models/%74wo", "", "\r\n\r\n" MODEL("two"), "one"},
		{"none of them", 0, "/v1/models/gpt-4o", "",
		 "\"param\":\"model\",\"code\":\"model_not_found\"}}", "gpt"},
		{"none of them, its status", 0, "/v1/models/gpt-4o", "", "HTTP/1.1 404", "gpt"},
		{"of a route", 0, "/two/v1/models/two", "", "\r\n\r\n" MODEL("two"), "one"},
		{"another's of a route", 0, "/two/v1/models/one", "", "HTTP/1.1 404", "\"one\""},
		{"without a key: what asks for none", 1, "/v1/models", "", "[" MODEL("two"),
		 "\"one\""},
		{"without a key: not found", 1, "/v1/models/one", "", "HTTP/1.1 404", "\"one\""},
		{"with the key", 1, "/v1/models", BEARER, "[" MODEL("one"), "x"},
		{"with the key, one of them", 1, "/v1/models/one", BEARER, "\r\n\r\n" MODEL("one"),
		 "two"},
		{"all are locked", 2, "/v1/models", "", "HTTP/1.1 401", "\"one\""},
		{"all are locked, in words", 2, "/v1/models/one", "Authorization: Bearer x\r\n",
		 "\"code\":\"invalid_api_key\"}}", "\"one\""},
		{"keys that cannot be loaded: nobody's", 3, "/v1/models", "", "[" MODEL("two"),
		 "\"one\""},
		{"keys that cannot be loaded, all of them", 4, "/v1/models", BEARER, "HTTP/1.1 503",
		 "\"one\""},
		{"keys that cannot be loaded: not found", 3, "/v1/models/one", BEARER,
		 "HTTP/1.1 404", "\"one\""},
		{"the runtime's own page", 0, "/one/v1/models", "", "\r\n\r\nONE", "created"},
	};
	int locked = -1;
	EACH_CASE (c, cases) {
		if (c->locked != locked) {
			proxy_stop(&d.p);
			d.p.missing = c->locked > 2 ? missing : NULL;
			write_state(&d, c->locked ? keys : "",
				    c->locked == 2 || c->locked == 4 ? keys : "", 1);
			proxy_start(&d.p);
			locked = c->locked;
		}
		char *came CLEANUP(freep) = get(&d, c->path, c->headers);
		assert_true(has(came, c->expect));
		assert_null(strstr(strstr(came, "\r\n\r\n"), c->not ));
	}
	end(&d);
}

int main(int argc, char **argv) {
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_sayings),
		cmocka_unit_test(test_models),
	};
	return cmocka_run_group_tests_name("gateway answers", tests, NULL, NULL);
}
