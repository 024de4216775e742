/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "spec/golden.h"
#include "json/json.h"

#define HEAD "apiVersion: llmdeploy/v1\nkind: GoldenSet\nname: g\n"
#define OK "assert: [{contains: x}]"
#define PHRASES                                                                                   \
	"[\"I don't know\",\"I do not know\",\"sources do not say\",\"sources don't say\",\"not " \
	"in the sources\","                                                                       \
	"\"INSUFFICIENT_EVIDENCE\"]"

static int enter_directory(void **state) {
	char *dir = strdup("/tmp/golden_test.XXXXXX");
	struct err e = {0};

	if (!mkdtemp(dir) || chdir(dir) || fs_mkdirs(EFFECT_NONE, AT_FDCWD, "d", 0755, &e))
		return -1;
	*state = dir;
	return fs_write(EFFECT_NONE, AT_FDCWD, "d/rb.md", "one\n  two\r\n\nthree\n", 18, 0644,
			&e) ||
		fs_write(EFFECT_NONE, AT_FDCWD, "empty", "", 0, 0644, &e);
}

static int leave_directory(void **state) {
	struct err e = {0};
	int failed = fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return failed;
}

static void show(struct diagnostics *c, struct buf *out) {
	diagnostics_sort(c);
	for (size_t i = 0; i < c->n; i++)
		(void) buf_printf(out, "%s%d:%d: %s", i ? "\n" : "", c->at[i].line, c->at[i].col,
				  c->at[i].message);
}

static void test_whole(void **state) {
	static const char text[] = HEAD
		"system: Be short.\n"
		"sources: {RB-1: First., RB-2: {file: d/rb.md}}\n"
		"defaults: {max_tokens: 9, seed: 1, timeout: 2s, attempts: 3, abstain: {phrases: "
		"[no idea]}}\n"
		"cases:\n"
		"  - {id: a, context: [RB-1, RB-2], question: Q?, assert: [{contains: x}, "
		"{citations: {required: [RB-1], max: 1}}]}\n"
		"  - {id: b, severity: info, prompt: P, seed: 7, max_tokens: 8, timeout: 9ms, "
		"attempts: 1, assert: [json: true]}\n"
		"  - id: c\n"
		"    system: Other.\n"
		"    context: [RB-1]\n"
		"    messages: [{role: user, content: u1}, {role: assistant, content: a1}, {role: "
		"user, content: u2}]\n"
		"    assert: [{abstain: required}, {latency: 2s}, {finish_reason: stop}]\n";
	static const char want[] =
		"{\"name\":\"g\",\"system\":\"Be "
		"short.\",\"sources\":{\"RB-1\":\"First.\",\"RB-2\":\"one two three\"},\"cases\":["
		"{\"id\":\"a\",\"severity\":\"blocker\",\"messages\":[{\"role\":\"system\","
		"\"content\":\"Be short.\"},"
		"{\"role\":\"user\",\"content\":\"[RB-1] First.\\n[RB-2] one two "
		"three\\n\\nQ?\"}],\"context\":[\"RB-1\",\"RB-2\"],"
		"\"max_tokens\":9,\"seed\":1,\"timeout_ms\":2000,\"attempts\":3,\"assert\":[{"
		"\"kind\":\"contains\",\"values\":[\"x\"]},"
		"{\"kind\":\"citations\",\"pattern\":\"\\\\[([A-Z]+-[0-9]+)\\\\]\",\"required\":["
		"\"RB-1\"],\"allowed\":[\"RB-1\",\"RB-2\"],"
		"\"max\":1}]},"
		"{\"id\":\"b\",\"severity\":\"info\",\"prompt\":\"P\",\"context\":[],\"max_"
		"tokens\":8,\"seed\":7,\"timeout_ms\":9,"
		"\"attempts\":1,\"assert\":[{\"kind\":\"json\"}]},"
		"{\"id\":\"c\",\"severity\":\"blocker\",\"messages\":[{\"role\":\"system\","
		"\"content\":\"Other.\"},"
		"{\"role\":\"user\",\"content\":\"u1\"},{\"role\":\"assistant\",\"content\":\"a1\"}"
		","
		"{\"role\":\"user\",\"content\":\"[RB-1] "
		"First.\\n\\nu2\"}],\"context\":[\"RB-1\"],\"max_tokens\":9,\"seed\":1,"
		"\"timeout_ms\":2000,\"attempts\":3,\"assert\":[{\"kind\":\"abstain\",\"mode\":"
		"\"required\",\"phrases\":[\"no idea\"]},"
		"{\"kind\":\"latency_ms\",\"max\":2000},{\"kind\":\"finish_reason\",\"values\":["
		"\"stop\"]}]}]}";
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct json *set CLEANUP(json_freep) = NULL;
	struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16),
		       canonical CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	(void) state;
	if (golden_parse("g.yaml", ".", text, strlen(text), &set, &c, &e))
		fail_msg("%s", e.msg);
	json_print(set, &got);
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(json_canonical(set, &canonical, &e), 0);
}

static void test_asserts(void **state) {
	static const struct {
		const char *name, *text, *json;
	} cases[] = {
		{"contains", "contains: a", "{\"kind\":\"contains\",\"values\":[\"a\"]}"},
		{"contains a number", "contains: 14",
		 "{\"kind\":\"contains\",\"values\":[\"14\"]}"},
		{"contains_any", "contains_any: [a, b]",
		 "{\"kind\":\"contains_any\",\"values\":[\"a\",\"b\"]}"},
		{"contains_all", "contains_all: [a, b]",
		 "{\"kind\":\"contains_all\",\"values\":[\"a\",\"b\"]}"},
		{"not_contains", "not_contains: [a, b]",
		 "{\"kind\":\"not_contains\",\"values\":[\"a\",\"b\"]}"},
		{"not_contains one", "not_contains: a",
		 "{\"kind\":\"not_contains\",\"values\":[\"a\"]}"},
		{"equals", "equals: a b", "{\"kind\":\"equals\",\"values\":[\"a b\"]}"},
		{"regex", "regex: 'a\\d'", "{\"kind\":\"regex\",\"values\":[\"a\\\\d\"]}"},
		{"not_regex", "not_regex: a", "{\"kind\":\"not_regex\",\"values\":[\"a\"]}"},
		{"json", "json: true", "{\"kind\":\"json\"}"},
		{"citations as given",
		 "citations: {pattern: '<(\\w+)>', required: [a], allowed: [a, b], min: 1, max: 2}",
		 "{\"kind\":\"citations\",\"pattern\":\"<(\\\\w+)>\",\"required\":[\"a\"],"
		 "\"allowed\":[\"a\",\"b\"],\"min\":1,\"max\":2}"},
		{"citations by default", "citations: {}",
		 "{\"kind\":\"citations\",\"pattern\":\"\\\\[([A-Z]+-[0-9]+)\\\\]\",\"required\":[]"
		 ",\"allowed\":[\"S-1\"]}"},
		{"no citations", "citations: {allowed: [], max: 0}",
		 "{\"kind\":\"citations\",\"pattern\":\"\\\\[([A-Z]+-[0-9]+)\\\\]\",\"required\":[]"
		 ",\"allowed\":[],\"max\":0}"},
		{"abstain", "abstain: forbidden",
		 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":" PHRASES "}"},
		{"latency", "latency: 20s", "{\"kind\":\"latency_ms\",\"max\":20000}"},
		{"latency_ms", "latency_ms: 20", "{\"kind\":\"latency_ms\",\"max\":20}"},
		{"finish_reason", "finish_reason: [stop, tool_calls]",
		 "{\"kind\":\"finish_reason\",\"values\":[\"stop\",\"tool_calls\"]}"},
	};

	(void) state;
	EACH_CASE (k, cases) {
		char *text CLEANUP(freep) =
			mem_printf(HEAD "sources: {S-1: t}\ncases: [{id: a, context: [S-1], "
					"question: q, assert: [{contains: x}, {%s}]}]\n",
				   k->text);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct json *set CLEANUP(json_freep) = NULL;
		struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};
		if (golden_parse("g", ".", text, strlen(text), &set, &c, &e))
			fail_msg("%s", e.msg);
		json_print(json_path(set, "cases.0.assert.1"), &got);
		assert_string_equal(buf_str(&got), k->json);
	}
}

/* `text` follows HEAD, and so begins in line 4. */
static const struct {
	const char *name, *text, *diagnostics;
} faults[] = {
	{"no cases", "cases: []\n", "4:8: golden set 'g' has no cases"},
	{"no key for cases", "", "1:1: golden set 'g' has no cases"},
	{"no value for cases", "cases:\n", "4:1: 'cases' has no value"},
	{"an unknown key", "casess: []\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:1: unknown key 'casess', known here: apiVersion, kind, name, system, sources, defaults "
	 "or cases"},
	{"chance", "defaults: {temperature: 0.7}\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:25: 'defaults.temperature' must be 0: the gate decodes greedily"},
	{"one id for two cases",
	 "cases:\n- {id: a, question: q, " OK "}\n- {id: b, question: q, " OK
	 "}\n- {id: a, question: q, " OK "}\n",
	 "7:8: duplicate case 'a', the first is in line 5"},
	{"no question", "cases: [{id: a, " OK "}]\n",
	 "4:9: a case needs exactly one of 'question', 'messages' and 'prompt', this one has none"},
	{"two questions", "cases: [{id: a, question: q, prompt: p, " OK "}]\n",
	 "4:9: a case needs exactly one of 'question', 'messages' and 'prompt', this one has "
	 "several"},
	{"messages that ask nothing",
	 "cases: [{id: a, messages: [{role: system, content: c}], " OK "}]\n",
	 "4:27: 'messages' has no message with role user, so there is no question"},
	{"a role that is none",
	 "cases: [{id: a, messages: [{role: usr, content: c}, {role: user, content: c}], " OK
	 "}]\n",
	 "4:35: 'usr' in 'cases[0].messages[0].role' is not known, did you mean 'user'?"},
	{"sources for a prompt",
	 "sources: {S-1: t}\ncases: [{id: a, prompt: p, context: [S-1], " OK "}]\n",
	 "5:37: 'context' beside 'prompt': a raw prompt is sent as it is, write the sources into "
	 "it"},
	{"an unknown source",
	 "sources: {S-1: t}\ncases: [{id: a, question: q, context: [S-1, S-2], " OK "}]\n",
	 "5:45: no source 'S-2' in 'sources'"},
	{"a source that cannot be cited",
	 "sources: {'a]b': t}\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:11: 'a]b' is not the id of a source: letters, digits, '.', '_' and '-', at most 64"},
	{"a source that is not there",
	 "sources: {S-1: {file: no.md}}\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:23: 'sources.S-1.file': cannot open 'no.md': No such file or directory"},
	{"an empty source",
	 "sources: {S-1: {file: empty}}\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:23: 'empty' in 'sources.S-1.file' is an empty file"},
	{"no assertion", "cases: [{id: a, question: q}]\n", "4:9: 'cases[0].assert' is missing"},
	{"an empty list of assertions", "cases: [{id: a, question: q, assert: []}]\n",
	 "4:38: 'cases[0].assert' is empty"},
	{"an unknown assertion", "cases: [{id: a, question: q, assert: [{contain: x}]}]\n",
	 "4:40: unknown key 'contain', did you mean 'contains'?"},
	{"two assertions in one",
	 "cases: [{id: a, question: q, assert: [{contains: x, regex: y}]}]\n",
	 "4:39: 'cases[0].assert[0]' must have exactly one key, it has 2"},
	{"text for an assertion", "cases: [{id: a, question: q, assert: [contains]}]\n",
	 "4:39: 'cases[0].assert[0]' must be a mapping, not 'contains'"},
	{"an empty text block as question, and keys behind it",
	 "cases:\n- id: a\n  question: |\n\n  severity: info\n  " OK "\n- {id: b, question: q, " OK
	 "}\n",
	 "6:13: 'cases[0].question' is empty"},
	{"nothing to look for", "cases: [{id: a, question: q, assert: [{contains: ''}]}]\n",
	 "4:50: 'cases[0].assert[0].contains' is empty"},
	{"nothing that a wrong answer fails",
	 "cases: [{id: a, question: q, assert: [{not_contains: x}, {not_regex: x}, {abstain: "
	 "forbidden}, {latency: 1s}, "
	 "{finish_reason: stop}, {citations: {}}]}]\n",
	 "4:38: no assertion here fails for a wrong answer: add contains, equals, regex, json, "
	 "citations or abstain: required"},
	{"json: false", "cases: [{id: a, question: q, assert: [{json: false}]}]\n",
	 "4:46: 'json' can only be true"},
	{"an end that is a cut",
	 "cases: [{id: a, question: q, assert: [{contains: x}, {finish_reason: length}]}]\n",
	 "4:70: 'length' can never pass: a cut answer is no answer"},
	{"a citation that may not be",
	 "sources: {S-1: t}\ncases: [{id: a, question: q, context: [S-1], assert: [{citations: "
	 "{required: [S-2]}}]}]\n",
	 "5:79: 'S-2' is required but not allowed: it is neither in 'allowed' nor in the case's "
	 "'context'"},
	{"a citation that is not found",
	 "sources: {s1: t}\ncases: [{id: a, question: q, context: [s1], assert: [{citations: "
	 "{required: [s1]}}]}]\n",
	 "5:78: 's1' is not found by the pattern for [RB-101] (capitals, a dash, digits): give a "
	 "'pattern'"},
	{"more citations than may be",
	 "cases: [{id: a, question: q, assert: [{citations: {required: [S-1, S-2], allowed: [S-1, "
	 "S-2], max: 1}}]}]\n",
	 "4:100: 'max' is less than the number of required citations: this can never pass"},
	{"least and most",
	 "cases: [{id: a, question: q, assert: [{citations: {min: 2, max: 1}}]}]\n",
	 "4:65: 'max' is less than the number of required citations: this can never pass"},
	{"no blocker",
	 "cases:\n- {id: a, severity: info, question: q, " OK
	 "}\n- {id: b, severity: major, question: q, " OK "}\n",
	 "5:1: no case is a blocker, so this set cannot reject a release"},
	{"a duration for the wrong key",
	 "defaults: {max_tokens: 10s}\ncases: [{id: a, question: q, " OK "}]\n",
	 "4:24: '10s' in 'defaults.max_tokens' is not a whole number, write decimal digits only, "
	 "like 4096"},
	{"several",
	 "system: ''\ncases: [{id: A, question: q, context: [S], " OK ", colour: red}]\n",
	 "4:9: 'system' is empty\n"
	 "5:14: 'A' in 'cases[0].id' is not a name: lower-case letters, digits, '.', '_' and '-', "
	 "at most 63, a letter or digit first\n"
	 "5:40: no source 'S' in 'sources'\n"
	 "5:69: unknown key 'colour', known here: id, severity, context, system, question, "
	 "messages, prompt, max_tokens, seed, timeout, "
	 "attempts or assert"},
};

static void test_faults(void **state) {
	(void) state;
	EACH_CASE (f, faults) {
		char *text CLEANUP(freep) = mem_printf(HEAD "%s", f->text);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct json *set CLEANUP(json_freep) = NULL;
		struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};
		int r = golden_parse("g.yaml", ".", text, strlen(text), &set, &c, &e);
		show(&c, &said);
		assert_string_equal(buf_str(&said), f->diagnostics);
		assert_int_equal(r, -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_null(set);
	}
}

static void test_too_large(void **state) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct json *set CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	(void) buf_puts(&text, HEAD "sources: {S-1: \"");
	for (int i = 0; i < 100000; i++)
		(void) buf_putc(&text, 'x');
	(void) buf_puts(&text, "\"}\ncases:\n");
	for (int i = 0; i < 100; i++)
		(void) buf_printf(&text, "- {id: c%d, question: q, context: [S-1], " OK "}\n", i);
	assert_int_equal(golden_parse("g.yaml", ".", text.data, text.len, &set, &c, &e), -1);
	assert_string_equal(e.msg,
			    "g.yaml:6:1: larger than 8 MiB with the sources of each question: use "
			    "fewer or shorter sources");
}

static void test_load(void **state) {
	static const char text[] = HEAD
		"sources: {S-1: {file: rb.md}}\ncases: [{id: a, context: [S-1], question: q, " OK
		"}]\n";
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct json *set CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "d/g.yaml", text, strlen(text), 0644, &e),
			 0);
	if (golden_load("d/g.yaml", &set, &c, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(json_text(json_path(set, "sources.S-1")), "one two three");
	assert_int_equal(golden_load("d/no.yaml", &set, &c, &e), -1);
	assert_int_equal(e.code, ERR_SYS);
	assert_string_equal(e.msg, "cannot open 'd/no.yaml': No such file or directory");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),  cmocka_unit_test(test_asserts),
		cmocka_unit_test(test_faults), cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests_name("golden", tests, enter_directory, leave_directory);
}
