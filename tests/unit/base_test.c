/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

static const struct {
	const char *name, *text;
	bool ok;
	uint64_t bytes;
} sizes[] = {
	{"decimal", "24GB", true, 24000000000},
	{"binary", "16GiB", true, 17179869184},
	{"fraction that is whole", "1.5kB", true, 1500},
	{"fraction that is not", "0.3B", false, 0},
	{"no unit", "24", false, 0},
	{"wrong case", "24gb", false, 0},
	{"blank", "24 GB", false, 0},
	{"negative", "-1GB", false, 0},
	{"overflow", "18446744073709551616B", false, 0},
	{"overflow by unit", "18446744073709551615KiB", false, 0},
	{"empty", "", false, 0},
};

static const struct {
	const char *name, *text;
	bool ok;
	uint64_t ms;
} durations[] = {
	{"milliseconds", "1500ms", true, 1500},
	{"seconds", "60s", true, 60000},
	{"minutes", "10m", true, 600000},
	{"hours", "2h", true, 7200000},
	{"half a second", "0.5s", true, 500},
	{"half a millisecond", "0.5ms", false, 0},
	{"no unit", "60", false, 0},
	{"unknown unit", "3d", false, 0},
};

static const struct {
	const char *name, *text;
	bool is_name;
} names[] = {
	{"plain", "incident-q4-r17", true},
	{"dots", "v1.2_3", true},
	{"one letter", "a", true},
	{"upper case", "R17", false},
	{"leading dash", "-a", false},
	{"slash", "a/b", false},
	{"empty", "", false},
	{"parent", "..", false},
	{"63", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true},
	{"64", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};

static const struct {
	const char *name, *typo, *nearest;
} typos[] = {
	{"swapped", "modle", "model"},
	{"missing", "runtme", "runtime"},
	{"extra", "routee", "route"},
	{"far", "quux", NULL},
};

static const struct {
	const char *name, *bytes;
	size_t n;
	bool ok;
} encodings[] = {
	{"ascii", "abc", 3, true},
	{"two bytes", "\xc3\xa9", 2, true},
	{"four bytes", "\xf0\x9f\x98\x80", 4, true},
	{"overlong", "\xc0\xaf", 2, false},
	{"surrogate", "\xed\xa0\x80", 3, false},
	{"cut", "\xe2\x82", 2, false},
	{"beyond", "\xf4\x90\x80\x80", 4, false},
	{"lone continuation", "\x80", 1, false},
};

static void texts(void **state) {
	static const char *const keys[] = {"model", "runtime", "route", "rollout"};

	(void) state;
	EACH_CASE (c, sizes) {
		uint64_t v = 0;
		assert_int_equal(text_bytes(c->text, &v), c->ok);
		assert_int_equal(v, c->bytes);
	}
	EACH_CASE (c, durations) {
		uint64_t v = 0;
		assert_int_equal(text_duration_ms(c->text, &v), c->ok);
		assert_int_equal(v, c->ms);
	}
	EACH_CASE (c, names)
		assert_int_equal(text_is_name(c->text), c->is_name);
	EACH_CASE (c, typos) {
		const char *n = text_nearest(c->typo, keys, 4);
		assert_string_equal(n ? n : "none", c->nearest ? c->nearest : "none");
	}
	EACH_CASE (c, encodings)
		assert_int_equal(text_is_utf8(c->bytes, c->n), c->ok);
}

static const struct {
	const char *name;
	uint64_t value;
	const char *bytes, *ms;
} formats[] = {
	{"zero", 0, "0 B", "0 ms"},
	{"below a thousand", 999, "999 B", "999 ms"},
	{"thousands", 1240, "1.2 kB", "1.24 s"},
	{"the model", 98362432, "98.4 MB", "1639 m 22 s"},
	{"giga", 24000000000, "24.0 GB", "400000 m 00 s"},
};

static void formatting(void **state) {
	char out[TEXT_BYTES];

	(void) state;
	EACH_CASE (c, formats) {
		text_format_bytes(c->value, out);
		assert_string_equal(out, c->bytes);
		text_format_ms(c->value, out);
		assert_string_equal(out, c->ms);
	}
}

static void buffers(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(8);

	(void) state;
	assert_string_equal(buf_str(&b), "");
	assert_true(buf_puts(&b, "1234"));
	assert_true(buf_printf(&b, "%d", 5678));
	assert_false(buf_putc(&b, '9'));
	assert_true(b.cut);
	assert_string_equal(buf_str(&b), "12345678");
	buf_reset(&b);
	assert_false(b.cut);
	assert_false(buf_puts(&b, "123456789"));
	assert_int_equal(b.len, 0);
}

static void diagnostics(void **state) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(diagnostics_result(&c, &e), 0);
	diagnostics_add(&c, (struct pos){"a.yaml", 9, 1}, "late");
	assert_int_equal(diagnostics_result(&c, &e), -1);
	assert_string_equal(e.msg, "a.yaml:9:1: late");
	diagnostics_add(&c, (struct pos){"b.yaml", 1, 1}, "other file");
	diagnostics_add(&c, (struct pos){"a.yaml", 2, 7}, "early");
	diagnostics_add(&c, (struct pos){"a.yaml", 2, 3}, "earlier");
	assert_int_equal(diagnostics_result(&c, &e), -1);
	assert_string_equal(e.msg, "4 problems in 'a.yaml'");
	assert_int_equal(e.code, ERR_SPEC);
	assert_string_equal(c.at[0].message, "earlier");
	assert_string_equal(c.at[1].message, "early");
	assert_string_equal(c.at[2].message, "late");
	assert_string_equal(c.at[3].message, "other file");
}

static void errors(void **state) {
	struct err e = {0};
	char longer[2000];

	(void) state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	assert_int_equal(err_set(&e, ERR_GATE, "'%s' failed", "x"), -1);
	assert_int_equal(err_wrap(&e, "apply"), -1);
	assert_string_equal(e.msg, "apply: 'x' failed");
	assert_int_equal(err_exit_status(e.code), 6);
	longer[400] = 0;
	(void) err_set(&e, ERR_SYS, "%s", longer);
	(void) err_wrap(&e, "apply");
	assert_int_equal(strlen(e.msg), 400 + strlen("apply: ")); /* two digests have room */
	longer[400] = 'x';
	(void) err_set(&e, ERR_SYS, "%s", longer);
	(void) err_wrap(&e, "%s", longer);
	assert_true(strlen(e.msg) < sizeof e.msg);
}

static void moments(void **state) {
	static const struct {
		const char *name;
		int64_t want; /* -1: it is none */
	} table[] = {
		{"2026-11-22", 1795305600},
		{"2026-11-22T17:41:05Z", 1795369265},
		{"2026-11-22T19:41:05+02:00", 1795369265},
		{"2026-11-22T12:11:05-05:30", 1795369265},
		{"2026-11-22t17:41:05z", 1795369265},
		{"2026-11-22T17:41:05.123Z", 1795369265},
		{"1970-01-01T00:00:00Z", 0},
		{"", -1},
		{"2026", -1},
		{"2026-11-22T", -1},
		{"2026-11-22T17:41:05", -1},
		{"2026-11-22 17:41:05Z", -1},
		{"2026-11-22T17:41Z", -1},
		{"2026-11-22T17:41:05+2:00", -1},
		{"2026-11-22T17:41:05+02:00x", -1},
		{"2026-13-22", -1},
		{"2h", -1},
		{"2026-11-22T17:41:05+25:00", -1},
	};
	(void) state;

	EACH_CASE (c, table) {
		int64_t got = -1;
		assert_int_equal(clock_parse(c->name, &got), c->want >= 0);
		assert_int_equal(got, c->want);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),   cmocka_unit_test(formatting),  cmocka_unit_test(moments),
		cmocka_unit_test(buffers), cmocka_unit_test(diagnostics), cmocka_unit_test(errors)};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
