#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

static const struct {
	const char *name, *text, *canonical, *msg;
} texts[] = {
	{"keys are sorted", "{\"b\":1,\"a\":[true,null]}", "{\"a\":[true,null],\"b\":1}", ""},
	{"UTF-16 order (RFC 8785, 3.2.3)", "{\"\xef\xac\xb3\":1,\"\xf0\x9f\x98\x80\":2,\"\xe2\x82\xac\":3}",
		"{\"\xe2\x82\xac\":3,\"\xf0\x9f\x98\x80\":2,\"\xef\xac\xb3\":1}", ""},
	{"escapes", "\"\\u000f\\n\\\"\\u20ac/\"", "\"\\u000f\\n\\\"\xe2\x82\xac/\"", ""},
	{"negative zero", "-0", "0", ""},
	{"large whole number", "9007199254740992", "9007199254740992", ""},
	{"fraction", "0.5", NULL, "canonical JSON takes whole numbers only, got 0.5"},
	{"empty", "", NULL, "not JSON at byte 0"},
	{"cut", "{\"a\":", NULL, "not JSON at byte 5"},
	{"two values", "1 2", NULL, "not JSON at byte 2"},
	{"twice", "{\"a\":1,\"a\":2}", NULL, "JSON with the key 'a' twice"},
	{"a NUL in a text", "\"a\\u0000b\"", NULL, "JSON that is not UTF-8 text"},
	{"no NUL, but a backslash", "\"\\\\u0000\"", "\"\\\\u0000\"", ""},
	{"not UTF-8", "\"\xff\"", NULL, "JSON that is not UTF-8 text"},
};

static void canonical(void **state) {
	(void) state;
	EACH_CASE(c, texts) {
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(canonical), cmocka_unit_test(deep), cmocka_unit_test(trees)};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
