/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "spec/pin.h"

#define HEX "3f0c000000000000000000000000000000000000000000000000000000000001"
#define OLD "ab0c000000000000000000000000000000000000000000000000000000000002"

/* Every artifact gets HEX, every source that begins with hf:// gets "hf://o/r@c/f". */
static const struct {
	const char *name, *text, *expect;
} edits[] = {
	{"replaced",
	 "model:\n  source: a.gguf # beside\n  sha256: " OLD "  # from whom\nroute: x\n",
	 "model:\n  source: a.gguf # beside\n  sha256: " HEX "  # from whom\nroute: x\n"},
	{"in quotes", "model:\n  source: 'hf://o/r@main/f'\n  sha256: \"" OLD "\"\n",
	 "model:\n  source: 'hf://o/r@c/f'\n  sha256: \"" HEX "\"\n"},
	{"missing", "model:\n  source: a.gguf   # beside\n  adapters: []\n",
	 "model:\n  source: a.gguf   # beside\n  sha256: " HEX "\n  adapters: []\n"},
	{"missing, at the end of the file", "model:\n    source: a.gguf",
	 "model:\n    source: a.gguf\n    sha256: " HEX},
	{"empty", "model:\n  source: a.gguf\n  sha256:\n",
	 "model:\n  source: a.gguf\n  sha256: " HEX "\n"},
	{"empty, with a remark", "model:\n  source: a.gguf\n  sha256:   # to come\n",
	 "model:\n  source: a.gguf\n  sha256: " HEX "   # to come\n"},
	{"null", "model: {source: a.gguf, sha256: ~}\n",
	 "model: {source: a.gguf, sha256: " HEX "}\n"},
	{"an empty text", "model: {source: a.gguf, sha256: ''}\n",
	 "model: {source: a.gguf, sha256: '" HEX "'}\n"},
	{"missing in a flow", "model: {source: hf://o/r/f, card: c}\n",
	 "model: {sha256: " HEX ", source: hf://o/r@c/f, card: c}\n"},
	{"a list of sources",
	 "model:\n  source:\n    - file:/a # one\n    - hf://o/r@v1/f\n  card: c\n",
	 "model:\n  sha256: " HEX
	 "\n  source:\n    - file:/a # one\n    - hf://o/r@c/f\n  card: c\n"},
	{"a flow of sources", "model:\n  source: [file:/a, \"hf://o/r@v1/f\"]\n",
	 "model:\n  sha256: " HEX "\n  source: [file:/a, \"hf://o/r@c/f\"]\n"},
	{"candidates and adapters",
	 "model:\n  candidates:\n    - source: hf://o/r@v/f\n      name: q4\n    - name: card\n    "
	 "  bytes: 4GB\n    - {name: q8, source: b}\n"
	 "  adapters:\n  - sha256: " OLD "\n    source: c\n",
	 "model:\n  candidates:\n    - source: hf://o/r@c/f\n      sha256: " HEX
	 "\n      name: q4\n    - name: card\n      bytes: 4GB\n"
	 "    - {name: q8, sha256: " HEX ", source: b}\n  adapters:\n  - sha256: " HEX
	 "\n    source: c\n"},
	{"line ends of another system", "model:\r\n  source: a\r\nroute: x\r\n",
	 "model:\r\n  source: a\r\n  sha256: " HEX "\r\nroute: x\r\n"},
	{"a mark at the beginning", "\xef\xbb\xbfmodel:\n  source: a\n",
	 "\xef\xbb\xbfmodel:\n  source: a\n  sha256: " HEX "\n"},
	{"characters of many bytes",
	 "model: {card: \"h\xc3\xa9\xe2\x82\xac\", source: 'hf://o/r/f', sha256: " OLD "}\n",
	 "model: {card: \"h\xc3\xa9\xe2\x82\xac\", source: 'hf://o/r@c/f', sha256: " HEX "}\n"},
	{"keys in quotes", "{\"model\": {\"source\": \"a\", \"sha256\": \"" OLD "\"}}\n",
	 "{\"model\": {\"source\": \"a\", \"sha256\": \"" HEX "\"}}\n"},
	{"a wrong digest", "model: {source: a, sha256: sha256:12}\n",
	 "model: {source: a, sha256: " HEX "}\n"},
	{"a source in the next line", "model:\n  source:\n    hf://o/r/f\n",
	 "model:\n  sha256: " HEX "\n  source:\n    hf://o/r@c/f\n"},
};

static const struct {
	const char *name, *text, *message;
} faults[] = {
	{"no source", "model: {card: c}\nroute: x\n",
	 "'/tmp/m.yaml' names no artifact by a source: there is nothing to pin"},
	{"no model", "route: x\n",
	 "'/tmp/m.yaml' names no artifact by a source: there is nothing to pin"},
	{"a block", "model:\n  source: >-\n    a\n    b\n",
	 "/tmp/m.yaml:2:11: 'model.source' cannot be edited: write it as text in one line, without "
	 "escapes"},
	{"an escape", "model:\n  source: \"a\\u0062\"\n",
	 "/tmp/m.yaml:2:11: 'model.source' cannot be edited: write it as text in one line, without "
	 "escapes"},
	{"a key without a colon", "model: {source: a, sha256}\n",
	 "/tmp/m.yaml:1:20: 'model.sha256' cannot be edited: write it as text in one line"},
	{"a mapping", "model:\n  source: {a: b}\n",
	 "/tmp/m.yaml:2:11: 'model.source' cannot be edited: write it as text in one line, without "
	 "escapes"},
};

static void edited_in_place(void **state) {
	(void) state;
	EACH_CASE (c, edits) {
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct spec_pins *p CLEANUP(spec_pins_freep) = NULL;
		struct buf out CLEANUP(buf_done) = BUF_INIT(8192);
		struct err e = {0};
		if (spec_pins_read("/tmp/m.yaml", c->text, strlen(c->text), &p, &all, &e))
			fail_msg("%s", e.msg);
		for (size_t i = 0; i < p->n; i++) {
			spec_pins_set_sha256(p, i, HEX);
			for (size_t k = 0; k < p->list[i].n_sources; k++)
				if (!strncmp(p->list[i].sources[k].text, "hf://", 5))
					spec_pins_set_source(p, i, k, "hf://o/r@c/f");
		}
		if (spec_pins_text(p, &out, &e))
			fail_msg("%s", e.msg);
		assert_string_equal(buf_str(&out), c->expect);
	}
}

static void nothing_set_changes_nothing(void **state) {
	(void) state;
	EACH_CASE (c, edits) {
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct spec_pins *p CLEANUP(spec_pins_freep) = NULL;
		struct buf out CLEANUP(buf_done) = BUF_INIT(8192);
		struct err e = {0};
		assert_int_equal(spec_pins_read("/tmp/m.yaml", c->text, strlen(c->text), &p, &all,
						&e),
				 0);
		assert_int_equal(spec_pins_text(p, &out, &e), 0);
		assert_string_equal(buf_str(&out), c->text);
	}
}

static void what_cannot_be_edited(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct spec_pins *p CLEANUP(spec_pins_freep) = NULL;
		struct err e = {0};
		assert_int_equal(spec_pins_read("/tmp/m.yaml", c->text, strlen(c->text), &p, &all,
						&e),
				 -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_string_equal(e.msg, c->message);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edited_in_place),
		cmocka_unit_test(nothing_set_changes_nothing),
		cmocka_unit_test(what_cannot_be_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
