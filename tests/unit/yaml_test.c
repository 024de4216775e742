/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "yaml/yaml.h"

/* A tree as one line: {key: value} [item] text "quoted" ~ */
static void show(const struct yaml_node *n, struct buf *out) {
	bool plain = false;
	const char *s = yaml_scalar(n, &plain);

	if (s)
		(void) buf_printf(out, plain ? "%s" : "\"%s\"", s);
	else if (yaml_kind(n) == YAML_NULL)
		(void) buf_putc(out, '~');
	else
		(void) buf_putc(out, yaml_kind(n) == YAML_SEQUENCE ? '[' : '{');
	for (size_t i = 0; i < yaml_count(n); i++) {
		(void) buf_puts(out, i ? ", " : "");
		if (yaml_kind(n) == YAML_MAPPING) {
			show(yaml_key(n, i), out);
			(void) buf_puts(out, ": ");
		}
		show(yaml_kind(n) == YAML_MAPPING ? yaml_value(n, i) : yaml_item(n, i), out);
	}
	if (!s && yaml_kind(n) != YAML_NULL)
		(void) buf_putc(out, yaml_kind(n) == YAML_SEQUENCE ? ']' : '}');
}

static void show_diagnostics(struct diagnostics *c, struct buf *out) {
	diagnostics_sort(c);
	for (size_t i = 0; i < c->n; i++)
		(void) buf_printf(out, "%s%s:%d:%d: %s", i ? "\n" : "", c->at[i].file,
				  c->at[i].line, c->at[i].col, c->at[i].message);
}

static const struct {
	const char *name, *text, *tree, *diagnostics;
} trees[] = {
	{"block", "a: 1\nb:\n  - x\n  - y: z\n", "{a: 1, b: [x, {y: z}]}", ""},
	{"flow", "{a: [1, 2], b: {}}", "{a: [1, 2], b: {}}", ""},
	{"quotes", "a: '1'\nb: \"x\\ty\"\n", "{a: \"1\", b: \"x\ty\"}", ""},
	{"quotes in quotes", "a: 'it''s ''''x''''''y'''\n", "{a: \"it's ''x'''y'\"}", ""},
	{"twenty quotes in quotes",
	 "a: 'a''b''c''d''e''f''g''h''i''j''k''l''m''n''o''p''q''r''s''t'\n",
	 "{a: \"a'b'c'd'e'f'g'h'i'j'k'l'm'n'o'p'q'r's't\"}", ""},
	{"lines in quotes",
	 "a: 'one  \n  two\n\n  three\r\n  '\nb: '\n\n\n  '\nc: ''\nd: \"x \\\n  y\"\n",
	 "{a: \"one two\nthree \", b: \"\n\n\", c: \"\", d: \"x y\"}", ""},
	{"quotes behind a mark",
	 "\xef\xbb\xbf"
	 "a: '\xe2\x82\xac''x'\n",
	 "{a: \"\xe2\x82\xac'x\"}", ""},
	{"many escapes", "a: \"\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\\t\"\n",
	 "{a: \"\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\t\"}", ""},
	{"folded block", "a: >-\n  one\n  two\n\n  three\n", "{a: \"one two\nthree\"}", ""},
	{"literal block", "a: |\n  one\n  two\n", "{a: \"one\ntwo\n\"}", ""},
	{"nothing in its spellings", "a:\nb: ~\nc: null\nd: 'null'\ne: ''\n",
	 "{a: ~, b: ~, c: ~, d: \"null\", e: \"\"}", ""},
	{"comment only at the end", "a: b # c\n# d\n", "{a: b}", ""},
	{"byte order mark",
	 "\xef\xbb\xbf"
	 "a: b\n",
	 "{a: b}", ""},
	{"explicit start and end", "---\na: b\n...\n", "{a: b}", ""},
	{"line ends of Windows", "a: b\r\nc: d\r\n", "{a: b, c: d}", ""},
	{"UTF-8", "a: \xe2\x82\xac\n", "{a: \xe2\x82\xac}", ""},
	{"a scalar is a document", "hello", "hello", ""},
	{"the same key twice", "a: 1\nb: 2\na: 3\n'b': 4\na: 5\n", "{a: 1, b: 2}",
	 "f:3:1: duplicate key 'a', the first is in line 1\n"
	 "f:4:1: duplicate key 'b', the first is in line 2\n"
	 "f:5:1: duplicate key 'a', the first is in line 1"},
	{"the same key twice, deeper", "m: {x: 1, y: 2, x: 3}", "{m: {x: 1, y: 2}}",
	 "f:1:17: duplicate key 'x', the first is in line 1"},
	{"merge key", "a: 1\n<<: {b: 2}\n", "{a: 1}",
	 "f:2:1: merge keys ('<<') are not supported, write the keys out"},
	{"empty", "", NULL, "f:1:1: empty file"},
	{"only blanks and comments", "# x\n\n  \n", NULL, "f:1:1: empty file"},
	{"only a start", "---\n", NULL, "f:1:1: empty file"},
	{"two documents", "a: 1\n---\nb: 2\n", NULL,
	 "f:2:1: a second document begins here, one file holds one document only"},
	{"anchor", "a: &x 1\n", NULL,
	 "f:1:4: anchors and aliases are not supported, write the value out"},
	{"anchor on a mapping", "a: &x\n  b: 1\n", NULL,
	 "f:1:4: anchors and aliases are not supported, write the value out"},
	{"alias", "a: *x\n", NULL,
	 "f:1:4: anchors and aliases are not supported, write the value out"},
	{"tag", "a: !!int 3\n", NULL,
	 "f:1:4: tags like !!str are not supported, use quotes for text"},
	{"tag on a list", "a: !x [1]\n", NULL,
	 "f:1:4: tags like !!str are not supported, use quotes for text"},
	{"directive", "# x\n%YAML 1.2\n---\na: 1\n", NULL,
	 "f:2:1: directives (%YAML, %TAG) are not supported"},
	{"a list as key", "? [a]\n: b\n", NULL, "f:1:3: a key must be text"},
	{"nothing as key", "a: 1\n~: b\n", NULL, "f:2:1: a key must be text"},
	{"tab", "a:\n\tb: 1\n", NULL, "f:2:1: not YAML: a tab cannot indent, use blanks"},
	{"open bracket", "a: [b\n", NULL,
	 "f:2:1: not YAML: expected ',' or ']' in the list (it begins in line 1)"},
	{"open quotes", "a: \"x\n", NULL, "f:1:4: not YAML: these quotes are not closed"},
	{"two colons", "a: b: c\n", NULL,
	 "f:1:5: not YAML: a ': ' cannot stand here, look at the indentation or use quotes"},
	{"reserved character", "a: @x\n", NULL,
	 "f:1:4: not YAML: a text that begins with '@', '`' or '%' needs quotes"},
	{"a list in a mapping", "a: b\n- c\n", NULL,
	 "f:2:1: not YAML: expected a key of the mapping, look at the indentation and the quotes "
	 "(it begins in line 1)"},
	{"a list in brackets that ends twice", "a: {b: c}}\n", NULL,
	 "f:1:10: not YAML: expected a key of the mapping, look at the indentation and the quotes"},
	{"a line before the first key's column", " a: b\nc: d\n", NULL,
	 "f:2:1: not YAML: this belongs to nothing before it, look at the indentation"},
	{"a list behind a key", "a: - b\n", NULL,
	 "f:1:4: not YAML: a list cannot begin here, use a line of its own, or quotes"},
	{"a list that becomes a mapping", "- a\nb: c\n", NULL,
	 "f:2:1: not YAML: expected '- ' of the list, look at the indentation (it begins in line "
	 "1)"},
	{"an open brace", "{a: b\n", NULL,
	 "f:2:1: not YAML: expected ',' or '}' in the mapping (it begins in line 1)"},
	{"a comma for a value", "a: [,]\n", NULL, "f:1:5: not YAML: expected a value here"},
	{"single quotes that stay open", "a: b\nc: 'x\n", NULL,
	 "f:2:4: not YAML: these quotes are not closed"},
	{"a star", "a: **b**\n", NULL,
	 "f:1:5: not YAML: a text that begins with '&' or '*' needs quotes"},
	{"an escape of other languages", "a: \"\\d\"\n", NULL,
	 "f:1:5: not YAML: an escape that YAML does not have, write \\\\ for a backslash"},
	{"half of a pair", "a: \"\\ud800\"\n", NULL,
	 "f:1:7: not YAML: an escape that is no character (half of a surrogate pair)"},
	{"a block of no depth", "a: |0\n  x\n", NULL,
	 "f:1:5: not YAML: the indentation of a text block is 1 to 9"},
	{"a colon in brackets", "a: [:x]\n", NULL,
	 "f:1:5: not YAML: inside brackets a text with a ':' at its begin or end needs quotes"},
	{"a colon before a bracket", "a: [x:]\n", NULL,
	 "f:1:6: not YAML: inside brackets a text with a ':' at its begin or end needs quotes"},
	{"a tab before a comment", "a: b\t# c\n", NULL,
	 "f:1:5: a tab outside of quotes: use blanks, or \"\\t\" in a text"},
	{"a tab for a blank", "\xc3\xa9: [\tb]\n", NULL,
	 "f:1:5: a tab outside of quotes: use blanks, or \"\\t\" in a text"},
	{"a tab behind a block's mark", "a: |2 \t\n  x\n", NULL,
	 "f:1:7: a tab outside of quotes: use blanks, or \"\\t\" in a text"},
	{"a tab first in a block", "a: |\n  \tx\n", NULL,
	 "f:2:3: not YAML: a text block cannot begin with a tab, use blanks or double quotes"},
	{"tabs where they may be", "# \t\na: 'x\ty'  # \t\nb: |\n  x\ty\n",
	 "{a: \"x\ty\", b: \"x\ty\n\"}", ""},
	{"a comment at a block's mark", "a: |# c\n  x\n", NULL,
	 "f:1:5: a comment directly behind the mark of a text block: put a blank before it"},
	{"a block is the file", "|\n x\n", NULL, "f:1:1: one text block is the whole file"},
	{"a separator of Unicode", "a: 1\nb: x\xe2\x80\xa8y\n", NULL,
	 "f:2:5: a line separator of Unicode (U+2028): write \"\\u2028\" in double quotes"},
	{"the same by escape", "a: \"\\u2028\"\n", "{a: \"\xe2\x80\xa8\"}", ""},
	{"a mark in the middle",
	 "a: \xef\xbb\xbf"
	 "b\n",
	 NULL,
	 "f:1:4: a byte order mark inside the file (U+FEFF): write \"\\ufeff\" in double quotes"},
	{"a control character", "a: \x07\n", NULL,
	 "f:1:4: a control character (U+0007): write \"\\u0007\" in double quotes"},
	{"DEL", "a: b\x7f\n", NULL,
	 "f:1:5: a control character (U+007F): write \"\\u007f\" in double quotes"},
	{"an empty block before a key", "question: |\n\nseverity: info\n",
	 "{question: \"\", severity: info}", ""},
	{"the same, deeper", "eval:\n  skip: |\n\n  latency_p95: 10s\n",
	 "{eval: {skip: \"\", latency_p95: 10s}}", ""},
	{"the same, kept", "a: |+\n\n\nb: c\n", "{a: \"\n\n\", b: c}", ""},
	{"an empty folded block in a list", "- >\n\n- x\n", "[\"\", x]", ""},
	{"folded, an empty line before a deeper one", "a: >\n  one\n\n   two\n  three\n",
	 "{a: \"one\n\n two\nthree\n\"}", ""},
	{"folded, deeper lines in a row", "a: >\n  one\n   two\n   three\n\n  four\n  five\n",
	 "{a: \"one\n two\n three\n\nfour five\n\"}", ""},
	{"folded, empty lines at both ends",
	 "a: >\n\n  one\n\n\nb: >-\n\n  one\n\nc: >+\n  one\n\n",
	 "{a: \"\none\n\", b: \"\none\", c: \"one\n\n\"}", ""},
	{"indentation by number", "a: |2\n    x\n  y\nb: >1-\n   x\n y\n",
	 "{a: \"  x\ny\n\", b: \"  x\ny\"}", ""},
	{"an escaped backslash, then an escaped line break", "a: \"x\\\\\\\n  y\"\n",
	 "{a: \"x\\y\"}", ""},
	{"an escaped line break keeps the blanks before it", "a: \"x \\\n  \\ y\"\n",
	 "{a: \"x  y\"}", ""},
	{"lines in double quotes", "a: \"one \t\n  two\n\n\n three \\\n\n  four\"\n",
	 "{a: \"one two\n\nthree \nfour\"}", ""},
	{"lines without quotes", "a: one\n  two\n\n   three  # c\nb: c\n",
	 "{a: one two\nthree, b: c}", ""},
	{"NUL by escape", "a: \"x\\0y\"\n", NULL,
	 "f:1:4: text with a character that has no place in it (NUL, or half a pair)"},
	{"Latin-1", "a: 1\nb: \xe9\n", NULL, "f:2:1: not UTF-8 text"},
	{"UTF-16",
	 "\xff\xfe"
	 "a\n",
	 NULL, "f:1:1: not UTF-8 text"},
};

static void test_trees(void **state) {
	(void) state;
	EACH_CASE (c, trees) {
		struct yaml *y CLEANUP(yaml_freep) = NULL;
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct buf tree CLEANUP(buf_done) = BUF_INIT(4096),
				said CLEANUP(buf_done) = BUF_INIT(4096);
		struct err e = {0};
		int r = yaml_parse("f", c->text, strlen(c->text), &y, &all, &e);
		show_diagnostics(&all, &said);
		assert_string_equal(buf_str(&said), c->diagnostics);
		assert_int_equal(r, c->tree ? 0 : -1);
		assert_int_equal(e.code, c->tree ? ERR_OK : ERR_SPEC);
		assert_true(!y == !c->tree);
		if (!y)
			continue;
		show(yaml_root(y), &tree);
		assert_string_equal(buf_str(&tree), c->tree);
	}
}

static void repeat(struct buf *b, const char *s, int n) {
	while (n--)
		(void) buf_puts(b, s);
}

static void test_limits(void **state) {
	static const struct {
		const char *name, *head, *again;
		int times;
		const char *tail, *diagnostic;
	} cases[] = {
		{"64 deep", "", "[", 64,
		 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", NULL},
		{"65 deep", "", "[", 65, "", "nested more than 64 deep"},
		{"as deep as fits", "", "{a: ", 200000, "", "nested more than 64 deep"},
		{"as many as fit", "[", "a,", 99999, "]", NULL},
		{"one more", "[", "a,", 100000, "]", "more than 100,000 values in one file"},
		{"too long", "#", "x", 1 << 20, "", "larger than 1 MiB"},
		{"NUL", "a: b\n", "\xff", 1, "", "not UTF-8 text"},
	};

	(void) state;
	EACH_CASE (c, cases) {
		struct yaml *y CLEANUP(yaml_freep) = NULL;
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct buf text CLEANUP(buf_done) = BUF_INIT(2 << 20);
		struct err e = {0};
		(void) buf_puts(&text, c->head);
		repeat(&text, c->again, c->times);
		(void) buf_puts(&text, c->tail);
		int r = yaml_parse("f", text.data, text.len, &y, &all, &e);
		assert_int_equal(r, c->diagnostic ? -1 : 0);
		assert_int_equal(all.n, c->diagnostic ? 1 : 0);
		if (c->diagnostic)
			assert_string_equal(all.at[0].message, c->diagnostic);
	}
}

static void test_places(void **state) {
	static const char text[] = "a: 1\nb:\n  c: [x, {d: y}]\n  e:\n  f: |\n    text\ng: 'x'\n";
	static const struct {
		const char *name, *path;
		int line, col;
	} cases[] = {
		{"scalar", "a", 1, 4},
		{"mapping", "b", 3, 3},
		{"item", "b.c.0", 3, 7},
		{"in an item", "b.c.1.d", 3, 14},
		{"nothing: its key", "b.e", 4, 3},
		{"block: its mark", "b.f", 5, 6},
		{"quotes", "g", 7, 4},
	};
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(yaml_parse("f", text, strlen(text), &y, &all, &e), 0);
	EACH_CASE (c, cases) {
		struct pos at = yaml_pos(yaml_at(yaml_root(y), c->path));
		assert_string_equal(at.file, "f");
		assert_int_equal(at.line, c->line);
		assert_int_equal(at.col, c->col);
	}
	assert_null(yaml_at(yaml_root(y), "b.c.2"));
	assert_null(yaml_at(yaml_root(y), "b.x.d"));
	assert_null(yaml_get(NULL, "a"));
	assert_int_equal(yaml_pos(NULL).line, 0);
}

static void test_show(void **state) {
	char out[YAML_SHOWN], longer[200] = {0};

	(void) state;
	assert_string_equal(yaml_show("a\nb\x1b[1m", out), "a?b?[1m");
	memset(longer, 'x', 100);
	assert_string_equal(yaml_show(longer, out), longer);
	memset(longer, 'x', 199);
	assert_int_equal(strlen(yaml_show(longer, out)), 100);
	assert_string_equal(out + 97, "...");
	memcpy(longer + 95, "\xe2\x82\xac", 3); /* is not cut in two */
	assert_int_equal(strlen(yaml_show(longer, out)), 98);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
