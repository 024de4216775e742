/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "spec/spec.h"

/* The sections of a manifest that only a plan reads: candidates, machines, traffic, cost. */

#define SHA "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
#define HEAD "apiVersion: llmdeploy/v1\nroute: r\nversion: v\n"
#define GOOD HEAD "model: {source: m.gguf, sha256: " SHA "}\n"
#define TRAFFIC "traffic: {requests_per_month: 500000}\n"

static char *made_file(const char *text) {
	char *path = mem_printf("/tmp/planning-%ld.yaml", (long) getpid());
	struct err e = {0};

	if (fs_write(EFFECT_NONE, AT_FDCWD, path, text, strlen(text), 0644, &e))
		fail_msg("%s", e.msg);
	return path;
}

static int load(const char *text, struct spec **out, struct diagnostics *c, struct err *e) {
	char *path CLEANUP(freep) = made_file(text);
	int r = spec_load(path, out, c, e);

	(void) unlink(path);
	return r;
}

static const struct {
	const char *name, *text, *diagnostics;
} faults[] = {
	{"a model of nothing", HEAD "model: {}\n",
	 "4:8: 'model.source' is missing\n4:8: 'model.sha256' is missing\n"},
	{"a source without digest", HEAD "model: {source: m}\n",
	 "4:8: 'model.sha256' is missing\n"},
	{"a source without digest beside a card", HEAD "model: {source: m, card: c}\n",
	 "4:17: 'model.source' without 'model.sha256': a file needs both\n"},
	{"a digest without source beside a card", HEAD "model: {card: c, sha256: " SHA "}\n",
	 "4:26: 'model.sha256' without 'model.source': a file needs both\n"},
	{"a source beside candidates",
	 HEAD "model: {source: m, candidates: [{name: a, bytes: 1GB}]}\n",
	 "4:17: 'model.source' beside 'model.candidates' in line 4: remove one of them\n"},
	{"no candidate", HEAD "model: {candidates: []}\n", "4:21: 'model.candidates' is empty\n"},
	{"a candidate of no size", HEAD "model: {candidates: [{name: a}]}\n",
	 "4:22: 'model.candidates[0]' has no size: set source and sha256, or bytes, or card\n"},
	{"a candidate with half a file",
	 HEAD "model: {candidates: [{name: a, source: m, bytes: 1GB}]}\n",
	 "4:40: 'model.candidates[0].source' without 'model.candidates[0].sha256': a file needs "
	 "both\n"},
	{"a candidate from nowhere",
	 HEAD "model: {candidates: [{name: a, source: 's3://b', sha256: " SHA "}]}\n",
	 "4:40: 's3://b' in 'model.candidates[0].source' has a scheme that is not known, use "
	 "hf://, https://, file:, url_file: or url_env:\n"},
	{"a candidate twice",
	 HEAD "model: {candidates: [{name: a, bytes: 1GB}, {name: b, bytes: 1GB}, {name: a, bytes: "
	      "2GB}]}\n",
	 "4:75: 'a' occurs twice in 'model.candidates', in line 4 too\n"},
	{"a quality above 1", HEAD "model: {candidates: [{name: a, bytes: 1GB, quality: 93.2}]}\n",
	 "4:53: '93.2' in 'model.candidates[0].quality' is too large, the maximum is 1\n"},
	{"a quality of seven decimals",
	 HEAD "model: {candidates: [{name: a, bytes: 1GB, quality: 0.1234567}]}\n",
	 "4:53: '0.1234567' in 'model.candidates[0].quality' has more than six decimals\n"},
	{"a least quality of nothing",
	 HEAD "model: {source: m, sha256: " SHA ", quality_min: 0.9}\n",
	 "4:107: 'model.quality_min' without 'model.candidates': it applies to candidates only\n"},
	{"a machine twice",
	 GOOD "resources: {machines: [{name: a, memory: 1GB}, {name: a, memory: 2GB}]}\n",
	 "5:55: 'a' occurs twice in 'resources.machines', in line 5 too\n"},
	{"machines beside a device",
	 GOOD "resources: {device: {memory: 24GB}, machines: [{name: a, memory: 1GB}]}\n",
	 "5:21: 'resources.device' beside 'resources.machines' in line 5: remove one of them\n"},
	{"a machine without memory", GOOD "resources: {machines: [{name: a}]}\n",
	 "5:24: 'resources.machines[0].memory' is missing\n"},
	{"a cost without traffic", GOOD "cost: {hosted: {per_1k_requests: 1.80}}\n",
	 "5:7: 'cost' without 'traffic': there are no requests to compute with\n"},
	{"a cost without a hosted price", GOOD TRAFFIC "cost: {hardware: 720}\n",
	 "6:7: 'cost.hosted' is missing\n"},
	{"no price", GOOD TRAFFIC "cost: {hosted: {}}\n",
	 "6:16: 'cost.hosted' has no price: give per_1k_requests, or the prices of a million "
	 "tokens\n"},
	{"two kinds of prices",
	 GOOD TRAFFIC "cost: {hosted: {per_1k_requests: 1, input_per_million_tokens: 1}}\n",
	 "6:16: 'cost.hosted' has two kinds of prices: give per_1k_requests, or the prices of a "
	 "million tokens\n"},
	{"money of seven decimals",
	 GOOD TRAFFIC "cost: {power: 0.0000001, hosted: {per_1k_requests: 0.0000001}}\n",
	 "6:15: '0.0000001' in 'cost.power' has more than six decimals\n"
	 "6:52: '0.0000001' in 'cost.hosted.per_1k_requests' has more than six decimals\n"},
	{"money with a currency",
	 GOOD TRAFFIC "cost: {power: 60 EUR, hosted: {per_1k_requests: 1}}\n",
	 "6:15: '60 EUR' in 'cost.power' is not a decimal number, write digits with a point, like "
	 "0.5\n"},
	{"traffic without requests", GOOD "traffic: {peak_users: 3}\n",
	 "5:10: 'traffic.requests_per_month' is missing\n"},
	{"an unknown pattern", GOOD "traffic: {requests_per_month: 1, pattern: bursts}\n",
	 "5:43: 'bursts' in 'traffic.pattern' is not known, did you mean 'bursty'?\n"},
};

static void planning_faults(void **state) {
	(void) state;
	EACH_CASE (f, faults) {
		struct spec *s CLEANUP(spec_freep) = NULL;
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};

		assert_int_equal(load(f->text, &s, &c, &e), -1);
		for (size_t i = 0; i < c.n; i++)
			(void) buf_printf(&said, "%d:%d: %s\n", c.at[i].line, c.at[i].col,
					  c.at[i].message);
		assert_string_equal(buf_str(&said), f->diagnostics);
		assert_int_equal(e.code, ERR_SPEC);
	}
}

static const char whole[] = HEAD
	"model:\n  quality_min: 0.90\n  candidates:\n    - {name: fp16, bytes: 16.0GB, quality: "
	"0.932}\n"
	"    - {name: q4, source: 'https://h/q4.gguf', sha256: " SHA ", card: c}\n"
	"requirements: {latency: asynchronous, latency_p95: 100ms}\n"
	"resources:\n  machines:\n    - {name: rack, memory: 24GB, bandwidth: 400GB/s, backend: "
	"cuda, devices: 2, latency_p95: 72ms}\n"
	"    - {name: big, memory: 64GB}\n"
	"traffic: {requests_per_month: 500000, prompt_tokens: 600, output_tokens: 120, peak_users: "
	"12, pattern: bursty}\n"
	"cost: {currency: EUR, hardware: 420, power: 60.5, staff: 200, maintenance: 39.5, hosted: "
	"{per_1k_requests: 1.80}}\n";

static void planning_whole(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	(void) state;
	if (load(whole, &s, &c, &e))
		fail_msg("%s", e.msg);
	assert_null(s->model.sha256);
	assert_int_equal(s->model.n_sources, 0);
	assert_int_equal(s->n_candidates, 2);
	assert_string_equal(s->candidates[0].name, "fp16");
	assert_int_equal(s->candidates[0].bytes, 16000000000);
	assert_true(s->candidates[0].rated);
	assert_int_equal(s->candidates[0].quality, 932000);
	assert_false(s->candidates[1].rated);
	assert_string_equal(s->candidates[1].artifact.sources[0], "https://h/q4.gguf");
	assert_string_equal(s->candidates[1].artifact.sha256, SHA);
	assert_string_equal(s->candidates[1].card, "c");
	assert_int_equal(s->quality_min, 900000);
	assert_true(s->asynchronous);
	assert_int_equal(s->needed_p95_ms, 100);
	assert_int_equal(s->n_machines, 2);
	assert_int_equal(s->machines[0].memory, 24000000000);
	assert_int_equal(s->machines[0].bandwidth, 400000000000);
	assert_int_equal(s->machines[0].devices, 2);
	assert_int_equal(s->machines[0].latency_p95_ms, 72);
	assert_string_equal(s->machines[0].backend, "cuda");
	assert_string_equal(s->machines[1].backend, "auto");
	assert_int_equal(s->machines[1].devices, 1);
	assert_true(s->traffic.said && s->traffic.bursty);
	assert_int_equal(s->traffic.requests, 500000);
	assert_int_equal(s->traffic.prompt_tokens, 600);
	assert_int_equal(s->traffic.output_tokens, 120);
	assert_int_equal(s->traffic.peak_users, 12);
	assert_true(s->cost.said);
	assert_string_equal(s->cost.currency, "EUR");
	assert_int_equal(s->cost.hardware + s->cost.power + s->cost.staff + s->cost.maintenance,
			 720000000);
	assert_int_equal(s->cost.power, 60500000);
	assert_int_equal(s->cost.per_1k_requests, 1800000);
	assert_int_equal(s->cost.input_per_million, 0);
}

/* What has no bytes can be planned, and never be built, pulled or applied. */
static const struct {
	const char *name, *text, *msg;
} plans[] = {
	{"a card", HEAD "model: {card: gemma-4-12b}\n",
	 ":4:15: 'model.card' is for planning only: a release needs model.source and model.sha256"},
	{"candidates", HEAD "model:\n  candidates: [{name: a, bytes: 1GB}]\n",
	 ":5:15: 'model.candidates' is a choice, and a release has one model: run 'llmdeploy "
	 "choose "},
	{"a file", GOOD, NULL},
	{"a file and a card", HEAD "model: {card: c, source: m, sha256: " SHA "}\n", NULL},
};

static void planning_is_release(void **state) {
	(void) state;
	EACH_CASE (k, plans) {
		struct spec *s CLEANUP(spec_freep) = NULL;
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct err e = {0};

		assert_int_equal(load(k->text, &s, &c, &e), 0);
		assert_int_equal(spec_is_release(s, &e), k->msg ? -1 : 0);
		assert_int_equal(e.code, k->msg ? ERR_SPEC : ERR_OK);
		if (k->msg && !strstr(e.msg, k->msg))
			fail_msg("%s", e.msg);
	}
}

/* What choose writes is the manifest that was, with one candidate in it; read again it says the
 * same. */
static void planning_written(void **state) {
	struct spec *s CLEANUP(spec_freep) = NULL, *again CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16),
			here CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	(void) state;
	assert_int_equal(load(whole, &s, &c, &e), 0);
	spec_choose(s, 1);
	assert_int_equal(spec_is_release(s, &e), 0);
	spec_write(s, "/elsewhere", &text);
	assert_string_equal(
		buf_str(&text),
		"apiVersion: \"llmdeploy/v1\"\nroute: \"r\"\nversion: \"v\"\nmodel:\n  source: "
		"[\"https://h/q4.gguf\"]\n  sha256: \"" SHA "\"\n"
		"requirements:\n  latency: \"asynchronous\"\n  latency_p95: 100ms\n"
		"resources:\n  machines: [{name: \"rack\", memory: 24000000000B, devices: 2, "
		"bandwidth: 400000000000B/s, backend: \"cuda\", latency_p95: 72ms}, "
		"{name: \"big\", memory: 64000000000B, devices: 1, backend: \"auto\"}]\n"
		"traffic:\n  requests_per_month: 500000\n  prompt_tokens: 600\n  output_tokens: "
		"120\n  peak_users: 12\n  pattern: \"bursty\"\n"
		"cost:\n  currency: \"EUR\"\n  hardware: 420.0\n  power: 60.5\n  staff: 200.0\n  "
		"maintenance: 39.5\n  hosted: {per_1k_requests: 1.8}\n");
	spec_write(s, s->dir, &here);
	assert_string_equal(buf_str(&here), buf_str(&text));
	if (load(buf_str(&text), &again, &c, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(again->model.sha256, SHA);
	assert_int_equal(again->cost.power, s->cost.power);
	assert_int_equal(again->machines[0].bandwidth, s->machines[0].bandwidth);
	assert_int_equal(again->n_candidates, 0);
}

/* Values of every kind, as a user may write them, come back the same; files of another folder get
 * absolute paths. */
static void planning_written_elsewhere(void **state) {
	static const char every[] = HEAD
		"model:\n  candidates: [{name: a, source: m.gguf, sha256: " SHA "}]\n"
		"  adapters: [{source: a.gguf, sha256: " SHA ", scale: 0.5}]\n"
		"runtime: {extra_args: {threads: 4, reasoning: 'off', \"tensor-split\": "
		"'3,1'}}\nresources: {reserve: 0.05, device: auto, admission: off}\n"
		"rollout: {watch: 90s, keep: 3}\n";
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16),
			here CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	(void) state;
	if (load(every, &s, &c, &e))
		fail_msg("%s", e.msg);
	spec_choose(s, 0);
	spec_write(s, s->dir, &here);
	assert_string_equal(buf_str(&here),
			    "apiVersion: \"llmdeploy/v1\"\nroute: \"r\"\nversion: \"v\"\nmodel:\n  "
			    "source: [\"m.gguf\"]\n  sha256: \"" SHA "\"\n"
			    "  adapters: [{source: [\"a.gguf\"], sha256: \"" SHA
			    "\", scale: 0.5}]\n"
			    "runtime:\n  extra_args: {\"threads\": 4, \"reasoning\": \"off\", "
			    "\"tensor-split\": \"3,1\"}\n"
			    "resources:\n  device: \"auto\"\n  reserve: 0.05\n  admission: "
			    "\"off\"\nrollout:\n  watch: 90000ms\n  keep: 3\n");
	spec_write(s, "/elsewhere", &text);
	char *model CLEANUP(freep) = mem_printf("source: [\"file:%s/m.gguf\"]", s->dir),
		    *adapter CLEANUP(freep) = mem_printf("source: [\"file:%s/a.gguf\"]", s->dir);
	assert_non_null(strstr(buf_str(&text), model));
	assert_non_null(strstr(buf_str(&text), adapter));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planning_faults),
		cmocka_unit_test(planning_whole),
		cmocka_unit_test(planning_is_release),
		cmocka_unit_test(planning_written),
		cmocka_unit_test(planning_written_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
