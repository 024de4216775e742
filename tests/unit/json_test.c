/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

static const struct {
	const char *name, *text, *canonical, *msg;
} texts[] = {
	{"keys are sorted", "{\"b\":1,\"a\":[true,null]}", "{\"a\":[true,null],\"b\":1}", ""},
	{"UTF-16 order (RFC 8785, 3.2.3)",
	 "{\"\xef\xac\xb3\":1,\"\xf0\x9f\x98\x80\":2,\"\xe2\x82\xac\":3}",
	 "{\"\xe2\x82\xac\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}", ""},
	{"escapes", "\"\\u000f\\n\\\"\\u20ac/\"", "\"\\u000f\\n\\\"\xe2\x82\xac/\"", ""},
	{"negative zero", "-0", "0", ""},
	{"large whole number", "9007199254740992", "9007199254740992", ""},
	{"fraction", "0.5", NULL, "canonical JSON takes whole numbers only, got 0.5"},
	{"empty", "", NULL, "not JSON at byte 0"},
	{"cut", "{\"a\":", NULL, "not JSON at byte 5"},
	{"two values", "1 2", NULL, "not JSON at byte 2"},
	{"twice", "{\"a\":1,\"a\":2}", NULL, "JSON with the key 'a' twice"},
	{"a NUL in a text", "\"a\\u0000b\"", NULL, "not JSON at byte 2: a NUL in a text"},
	{"a line break in a text", "{\"a\":\"x\ny\"}", NULL,
	 "not JSON at byte 7: a control character in a text, which must be escaped"},
	{"a tab in a key", "{\"a\tb\":1}", NULL,
	 "not JSON at byte 3: a control character in a text, which must be escaped"},
	{"DEL may be in a text", "\"\x7f\"", "\"\x7f\"", ""},
	{"an open text", "[\"a", NULL, "not JSON at byte 1: a text without its closing quote"},
	{"an escape of C", "\"\\x41\"", NULL,
	 "not JSON at byte 1: a backslash before something that needs none"},
	{"three digits", "\"\\u12g4\"", NULL,
	 "not JSON at byte 1: a \\u without four hexadecimal digits"},
	{"a pair", "\"\\ud83d\\uDE00\"", "\"\xf0\x9f\x98\x80\"", ""},
	{"the first half of a pair", "\"\\ud83d\"", NULL,
	 "not JSON at byte 1: half of a surrogate pair"},
	{"the second half of a pair", "\"\\ude00x\"", NULL,
	 "not JSON at byte 1: half of a surrogate pair"},
	{"a pair the wrong way round", "\"\\ude00\\ud83d\"", NULL,
	 "not JSON at byte 1: half of a surrogate pair"},
	{"a leading zero", "[01]", NULL, "not JSON at byte 1: a number that begins with 0"},
	{"a negative one", "-01", NULL, "not JSON at byte 0: a number that begins with 0"},
	{"a point without digits", "1.", NULL,
	 "not JSON at byte 2: a number without digits behind its point"},
	{"digits without a one before the point", ".5", NULL, "not JSON at byte 0"},
	{"an exponent without digits", "1e+", NULL,
	 "not JSON at byte 3: a number without digits in its exponent"},
	{"a plus", "+1", NULL, "not JSON at byte 0"},
	{"hexadecimal", "0x10", NULL, "not JSON at byte 1"},
	{"a number of 80 digits",
	 "10000000000000000000000000000000000000000000000000000000000000000000000000000000", NULL,
	 "canonical JSON takes whole numbers only, got 1e+79"},
	{"a number that is too large", "1e400", NULL,
	 "not JSON at byte 0: a number beyond what a double can hold"},
	{"what Python writes", "[NaN]", NULL, "not JSON at byte 1"},
	{"a comma at the end", "[1,]", NULL, "not JSON at byte 3"},
	{"a key without quotes", "{a:1}", NULL, "not JSON at byte 1"},
	{"single quotes", "['a']", NULL, "not JSON at byte 1"},
	{"a comment", "1 // one", NULL, "not JSON at byte 2"},
	{"a byte order mark", "\xef\xbb\xbf{}", NULL, "not JSON at byte 0: a byte order mark"},
	{"a vertical tab is no blank", "\v1", NULL, "not JSON at byte 0"},
	{"a no-break space is no blank",
	 "\xc2\xa0"
	 "1",
	 NULL, "not JSON at byte 0"},
	{"the same key, once escaped", "{\"a\":1,\"\\u0061\":2}", NULL,
	 "JSON with the key 'a' twice"},
	{"no NUL, but a backslash", "\"\\\\u0000\"", "\"\\\\u0000\"", ""},
	{"not UTF-8", "\"\xff\"", NULL, "JSON that is not UTF-8 text"},
};

static void canonical(void **state) {
	(void) state;
	EACH_CASE (c, texts) {
		struct json *j CLEANUP(json_freep) = NULL;
		struct buf b CLEANUP(buf_done) = BUF_INIT(1000);
		struct err e = {0};

		int r = json_parse(c->text, strlen(c->text), &j, &e) || json_canonical(j, &b, &e);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(!!r, !c->canonical);
		if (c->canonical)
			assert_string_equal(buf_str(&b), c->canonical);
	}
}

static void raw_nul(void **state) {
	static const char text[] = "[1]\0[2]";
	struct json *j CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	assert_int_equal(json_parse(text, sizeof text - 1, &j, &e), -1);
	assert_string_equal(e.msg, "not JSON at byte 3");
}

static const struct {
	const char *name, *text, *python, *grammar;
} readers[] = {
	{"Infinity", "{\"time_step_limit\":[0.0,Infinity]}", "{\"time_step_limit\":[0,null]}",
	 "not JSON at byte 24"},
	{"all three", "[NaN,-Infinity,Infinity,-0]", "[null,null,null,-0]", "not JSON at byte 1"},
	{"in other letters", "[nan]", "not JSON at byte 1", "not JSON at byte 1"},
	{"a large number", "1e400", "null", ""},
	{"half a pair", "\"\\ud83dx\"", "\"\xef\xbf\xbdx\"",
	 "not JSON at byte 1: half of a surrogate pair"},
	{"NUL", "\"\\u0000\"", "\"\xef\xbf\xbd\"", ""},
	{"a line break in a text", "\"\n\"",
	 "not JSON at byte 1: a control character in a text, which must be escaped",
	 "not JSON at byte 1: a control character in a text, which must be escaped"},
	{"a key twice", "{\"a\":1,\"a\":2}", "JSON with the key 'a' twice",
	 "JSON with the key 'a' twice"},
};

/* What Python writes, and what the grammar says. */
static void other_readers(void **state) {
	(void) state;
	EACH_CASE (c, readers) {
		struct json *j CLEANUP(json_freep) = NULL;
		struct buf b CLEANUP(buf_done) = BUF_INIT(1000);
		struct err e = {0}, grammar = {0};

		if (json_parse_python(c->text, strlen(c->text), &j, &e))
			(void) buf_puts(&b, e.msg);
		else
			json_print(j, &b);
		assert_string_equal(buf_str(&b), c->python);
		assert_int_equal(json_check(c->text, strlen(c->text), &grammar),
				 *c->grammar ? -1 : 0);
		assert_string_equal(grammar.msg, c->grammar);
	}
}

static void deep(void **state) {
	struct json *j CLEANUP(json_freep) = NULL;
	struct err e = {0};
	char bomb[100000];

	(void) state;
	memset(bomb, '[', sizeof bomb);
	assert_int_equal(json_parse(bomb, sizeof bomb, &j, &e), -1);
	assert_string_equal(e.msg, "JSON nested more than 100 deep");
	assert_int_equal(json_parse(NULL, 0, &j, &e), -1); /* an empty file has no text */
	assert_string_equal(e.msg, "not JSON at byte 0");
}

static void trees(void **state) {
	struct json *j CLEANUP(json_freep) = json_object();
	struct buf b CLEANUP(buf_done) = BUF_INIT(1000);
	int64_t v = 0;

	(void) state;
	json_set_str(j, "name", "x");
	json_set_str(j, "absent", NULL);
	json_set_int(j, "n", 3);
	json_set_int(j, "n", 4);
	json_set(j, "list", json_array());
	json_push_str(json_get(j, "list"), "a");
	json_push(json_get(j, "list"), json_number(0.1));
	assert_string_equal(json_text(json_path(j, "list.0")), "a");
	assert_null(json_path(j, "list.2"));
	assert_null(json_path(j, "name.x"));
	assert_true(json_int(j, "n", &v));
	assert_int_equal(v, 4);
	assert_false(json_int(j, "name", &v));
	assert_null(json_str(NULL, "x"));
	json_print(j, &b);
	assert_string_equal(buf_str(&b), "{\"name\":\"x\",\"n\":4,\"list\":[\"a\",0.1]}");
	buf_reset(&b);
	json_print_pretty(json_get(j, "list"), &b);
	assert_string_equal(buf_str(&b), "[\n  \"a\",\n  0.1\n]");
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(canonical), cmocka_unit_test(raw_nul),
					   cmocka_unit_test(other_readers), cmocka_unit_test(deep),
					   cmocka_unit_test(trees)};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
