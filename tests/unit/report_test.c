/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/progress_view.h"
#include "report/report.h"
#include "report/sanitize.h"
#include "report_fixture.h"
#include "json/json.h"

static const struct {
	const char *name, *text;
	size_t len; /* 0: its length */
	const char *clean;
	size_t width;
} texts[] = {
	{"plain", "hello", 0, "hello", 5},
	{"umlaut", "gr\xc3\xbc\xc3\x9f", 0, "gr\xc3\xbc\xc3\x9f", 4},
	{"wide", "\xe6\x97\xa5\xe6\x9c\xac", 0, "\xe6\x97\xa5\xe6\x9c\xac", 4},
	{"combining", "e\xcc\x81", 0, "e\xcc\x81", 1},
	{"emoji", "\xf0\x9f\x9a\x80", 0, "\xf0\x9f\x9a\x80", 2},
	{"clear the screen", "\x1b[2J\x1b]0;title\a", 0, "\\x1b[2J\\x1b]0;title\\x07", 23},
	{"eight-bit control",
	 "\xc2\x9b"
	 "31m",
	 0, "\\x9b31m", 7},
	{"lines", "a\nb\r\tc", 0, "a\\nb\\r\\tc", 9},
	{"NUL", "a\0b", 3, "a\\x00b", 6},
	{"direction",
	 "\xe2\x80\xae"
	 "evil",
	 0, "\\u202eevil", 10},
	{"invisible",
	 "a\xe2\x80\x8b"
	 "b",
	 0, "a\\u200bb", 8},
	{"tag characters", "\xf3\xa0\x80\x81", 0, "\\ue0001", 7},
	{"broken UTF-8", "\xff\xc3(", 0, "\\xff\\xc3(", 9},
	{"cut UTF-8", "\xe6\x97", 0, "\\xe6\\x97", 8},
	{"overlong", "\xc0\xaf", 0, "\\xc0\\xaf", 8},
	{"surrogate", "\xed\xa0\x80", 0, "\\xed\\xa0\\x80", 12},
	{"password", "get https://u:p@host/x", 0, "get https://***@host/x", 22},
	{"token as user", "https://s3cr3t@host", 0, "https://***@host", 16},
	{"at in a path", "https://host/a@b", 0, "https://host/a@b", 16},
	{"reference", "hf://org/repo@0123", 0, "hf://org/repo@0123", 18},
	{"bearer", "Authorization: Bearer abcdefgh123", 0, "Authorization: Bearer ***", 25},
	{"the word bearer", "bearer of news", 0, "bearer of news", 14},
	{"model hub token", "token hf_abcdefghijklmnopqrst.", 0, "token hf_***", 12},
	{"word with hf_", "my_hf_abcdefghijklmnopqrstuv", 0, "my_***", 0},
};

static void texts_are_made_safe(void **state) {
	(void) state;
	EACH_CASE (c, texts) {
		struct buf out CLEANUP(buf_done) = BUF_INIT(1000);

		sanitize_clean(c->text, c->len ? c->len : strlen(c->text), &out);
		if (c->width)
			assert_string_equal(buf_str(&out), c->clean);
		else
			assert_string_equal(buf_str(&out), c->text);
		if (c->width)
			assert_int_equal(sanitize_width(buf_str(&out)), c->width);
	}
}

static const struct {
	const char *name, *text;
	size_t columns;
	const char *cut;
} cuts[] = {
	{"fits", "abc", 3, "abc"},
	{"too long", "abcd", 3, "ab\xe2\x80\xa6"},
	{"one column", "abcd", 1, "\xe2\x80\xa6"},
	{"none", "abcd", 0, ""},
	{"not within a character", "\xc3\xbc\xc3\xbc\xc3\xbc", 2, "\xc3\xbc\xe2\x80\xa6"},
	{"wide does not fit", "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5", 4,
	 "\xe6\x97\xa5\xe2\x80\xa6"},
};

static void texts_are_cut(void **state) {
	(void) state;
	EACH_CASE (c, cuts) {
		struct buf out CLEANUP(buf_done) = BUF_INIT(1000);

		sanitize_cut(c->text, c->columns, &out);
		assert_string_equal(buf_str(&out), c->cut);
		assert_true(sanitize_width(buf_str(&out)) <= c->columns);
	}
}

/* One story, told in each mode. */
static void tell_story(struct fixture *p) {
	const struct progress *g = &p->r.progress;

	progress_step(g, "fetch model");
	progress_bytes(g, "fetch model", 10000000, 100000000);
	now += 2000;
	progress_bytes(g, "fetch model", 50000000, 100000000);
	now += 50;
	progress_bytes(g, "fetch model", 51000000, 100000000);
	now += 9000;
	progress_bytes(g, "fetch model", 99000000, 100000000);
	progress_done(g, "fetch model", "100.0 MB");
	progress_note(g, "image", "there already");
	progress_warn(g, "clock", "jumped");
	progress_step(g, "golden set");
	progress_bytes(g, "other\n", 5000, 0);
	now += 10000;
	progress_bytes(g, "other\n", 25000, 0);
	progress_case(g,
		      &(struct progress_case){.id = "rollback-status",
					      .verdict = "PASS",
					      .severity = "blocker",
					      .passed = true,
					      .latency_ms = 412,
					      .number = 1,
					      .total = 2,
					      .widest = 15});
	now += 250;
	progress_step(g, "switch");
	now += 1;
	progress_done(g, "switch", NULL);
	progress_done(g, "commit", "r1");
	progress_step(g, "drain");
}

static void story_plain(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	tell_story(&p);
	end(&p,
	    "      fetch model  99 %  8.1 MB/s  124 ms left  99.0 MB of 100 MB\n"
	    "ok    fetch model  11.05 s  100.0 MB\n"
	    "      image: there already\n"
	    "      other\\n  2.0 kB/s  25.0 kB\n"
	    "      rollback-status  blocker   PASS        412 ms\n"
	    "..    golden set  10.25 s\n"
	    "ok    switch  1 ms\n"
	    "ok    commit  0 ms  r1\n"
	    "..    drain  0 ms\n",
	    "llmdeploy: warning: clock: jumped\n");
}

static void story_on_a_terminal(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_TERMINAL, true, 80);
	tell_story(&p);
	end(&p,
	    M "..    fetch model" M "..    fetch model  [########        ]  50 %  20.0 MB/s  2.50 "
	      "s left  50.0 MB o\xe2\x80\xa6" M
	      "..    fetch model  [############### ]  99 %  8.1 MB/s  124 ms left  99.0 MB "
	      "of\xe2\x80\xa6" M "\033[32mok\033[0m    fetch model  11.05 s  100.0 MB\n"
	      "      image: there already\n" M "..    golden set" M
	      "..    golden set  other\\n  2.0 kB/s  25.0 kB" M
	      "      \033[1mcase             severity  verdict    latency\033[0m\n"
	      "      rollback-status  blocker   \033[32mPASS\033[0m        412 ms\n" M
	      "..    golden set  1 of 2" M "\033[2m..\033[0m    golden set  10.25 s\n" M
	      "..    switch" M "\033[32mok\033[0m    switch  1 ms\n"
	      "\033[32mok\033[0m    commit  0 ms  r1\n" M "..    drain" M
	      "\033[2m..\033[0m    drain  0 ms\n",
	    "\033[33mllmdeploy: warning: \033[0mclock: jumped\n");
}

static void story_as_events(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_JSON, false, 0);
	tell_story(&p);
	end(&p,
	    "{\"event\":\"step\",\"ms\":0,\"what\":\"fetch model\"}\n"
	    "{\"event\":\"bytes\",\"ms\":2000,\"what\":\"fetch "
	    "model\",\"done\":50000000,\"total\":100000000,\"bytes_per_s\":20000000}\n"
	    "{\"event\":\"bytes\",\"ms\":11050,\"what\":\"fetch "
	    "model\",\"done\":99000000,\"total\":100000000,\"bytes_per_s\":8054298}\n"
	    "{\"event\":\"done\",\"ms\":11050,\"what\":\"fetch model\",\"detail\":\"100.0 "
	    "MB\",\"took_ms\":11050}\n"
	    "{\"event\":\"note\",\"ms\":11050,\"what\":\"image: there already\"}\n"
	    "{\"event\":\"warning\",\"ms\":11050,\"message\":\"clock: jumped\"}\n"
	    "{\"event\":\"step\",\"ms\":11050,\"what\":\"golden set\"}\n"
	    "{\"event\":\"bytes\",\"ms\":21050,\"what\":\"other\\n\",\"done\":25000,\"total\":0,"
	    "\"bytes_per_s\":2000}\n"
	    "{\"event\":\"case\",\"ms\":21050,\"id\":\"rollback-status\",\"verdict\":\"PASS\"}\n"
	    "{\"event\":\"left\",\"ms\":21300,\"what\":\"golden set\",\"took_ms\":10250}\n"
	    "{\"event\":\"step\",\"ms\":21300,\"what\":\"switch\"}\n"
	    "{\"event\":\"done\",\"ms\":21301,\"what\":\"switch\",\"took_ms\":1}\n"
	    "{\"event\":\"done\",\"ms\":21301,\"what\":\"commit\",\"detail\":\"r1\",\"took_ms\":0}"
	    "\n"
	    "{\"event\":\"step\",\"ms\":21301,\"what\":\"drain\"}\n"
	    "{\"event\":\"left\",\"ms\":21301,\"what\":\"drain\",\"took_ms\":0}\n",
	    "llmdeploy: warning: clock: jumped\n");
}

static void say_all(struct fixture *p) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct json *result CLEANUP(json_freep) = json_object();
	static const char text[] = "one\n\ttwo \x1b[1m\nhttps://u:p@h/\n";
	struct err e = {ERR_GATE, "gate failed: 2 of 20 cases; see\nattempts/3"};

	report_line(&p->r, "route %s is %d", "chat", 7);
	report_text(&p->r, text, strlen(text));
	report_warning(&p->r, "low on %s", "disk");
	diagnostics_add(&c, (struct pos){"m.yaml", 3, 5}, "unknown key '%s'", "modle");
	diagnostics_add(&c, (struct pos){"m.yaml", 9, 1}, "second");
	report_diagnostics(&p->r, &c);
	progress_step(&p->r.progress, "prove");
	now += 1500;
	report_error(&p->r, &e);
	json_set_str(result, "url", "https://u:p@h/\x1b");
	json_set_int(result, "n", 1);
	report_result(&p->r, result);
}

static void saying_plain(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	say_all(&p);
	end(&p,
	    "route chat is 7\n"
	    "one\n\ttwo \\x1b[1m\nhttps://***@h/\n"
	    "FAIL  prove  1.50 s\n",
	    "llmdeploy: warning: low on disk\n"
	    "m.yaml:3:5: unknown key 'modle'\n"
	    "m.yaml:9:1: second\n"
	    "llmdeploy: gate failed: 2 of 20 cases; see\\nattempts/3\n");
}

static void saying_as_events(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_JSON, false, 0);
	say_all(&p);
	end(&p,
	    "{\"event\":\"note\",\"ms\":0,\"what\":\"route chat is 7\"}\n"
	    "{\"event\":\"text\",\"ms\":0,\"text\":\"one\\n\\ttwo \\\\x1b[1m\\nhttps://***@h/\"}\n"
	    "{\"event\":\"warning\",\"ms\":0,\"message\":\"low on disk\"}\n"
	    "{\"event\":\"complaint\",\"ms\":0,\"file\":\"m.yaml\",\"line\":3,\"column\":5,"
	    "\"message\":\"unknown key 'modle'\"}\n"
	    "{\"event\":\"complaint\",\"ms\":0,\"file\":\"m.yaml\",\"line\":9,\"column\":1,"
	    "\"message\":\"second\"}\n"
	    "{\"event\":\"step\",\"ms\":0,\"what\":\"prove\"}\n"
	    "{\"event\":\"failed\",\"ms\":1500,\"what\":\"prove\",\"took_ms\":1500}\n"
	    "{\"event\":\"error\",\"ms\":1500,\"code\":\"gate\",\"status\":6,\"message\":\"gate "
	    "failed: 2 of 20 cases; see\\\\nattempts/3\"}\n"
	    "{\"url\":\"https://***@h/\\u001b\",\"n\":1}\n",
	    "llmdeploy: warning: low on disk\n"
	    "m.yaml:3:5: unknown key 'modle'\n"
	    "m.yaml:9:1: second\n"
	    "llmdeploy: gate failed: 2 of 20 cases; see\\nattempts/3\n");
}

static void one_diagnostic_is_said_once(void **state) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	diagnostics_add(&c, (struct pos){"m.yaml", 3, 5}, "unknown key 'modle'");
	assert_int_equal(diagnostics_result(&c, &e), -1);
	report_diagnostics(&p.r, &c);
	report_error(&p.r, &e);
	end(&p, "", "m.yaml:3:5: unknown key 'modle'\n");
}

static void tables(void **state) {
	static const struct report_column columns[] = {{"version", false, 6},
						       {"size", true, 0},
						       {"what it is", false, 8}};
	static const char *const cells[] = {
		"r1",
		"12 MB",
		"first",
		"incident-q4-r17",
		"1.2 GB",
		"gr\xc3\xbc\xc3\x9f\x1b[0m",
		"r3",
		NULL,
		"a long text of many words",
	};
	static const char *const notes[] = {
		"12 MB", "a note of so many words that three lines of them are not too many",
		"1.2 GB", "short"};
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	report_table(&p.r, columns, 3, cells, 3);
	end(&p,
	    "version            size  what it is\n"
	    "r1                12 MB  first\n"
	    "incident-q4-r17  1.2 GB  gr\xc3\xbc\xc3\x9f\\x1b[0m\n"
	    "r3                       a long text of many words\n",
	    "");
	begin(&p, REPORT_TERMINAL, true, 34);
	report_table(&p.r, columns, 3, cells, 3);
	end(&p,
	    "\033[1mversion\033[0m         \033[1msize\033[0m  \033[1mwhat it is\033[0m\n"
	    "r1             12 MB  first\n"
	    "incident-q4\xe2\x80\xa6  1.2 GB  gr\xc3\xbc\xc3\x9f\\x1b[0m\n"
	    "r3                    a long text\xe2\x80\xa6\n",
	    "");
	/* The last column is wrapped where there is room for words. */
	begin(&p, REPORT_TERMINAL, false, 36);
	report_table(&p.r, columns + 1, 2, notes, 2);
	end(&p,
	    "  size  what it is\n"
	    " 12 MB  a note of so many words that\n"
	    "        three lines of them are not\n"
	    "        too many\n"
	    "1.2 GB  short\n",
	    "");
	begin(&p, REPORT_TERMINAL, false, 20);
	report_table(&p.r, columns, 3, cells, 1);
	end(&p, "versi\xe2\x80\xa6   size  what it\xe2\x80\xa6\nr1      12 MB  first\n", "");
	begin(&p, REPORT_JSON, false, 0);
	report_table(&p.r, columns, 3, cells, 3);
	end(&p, "", "");
}

static void pairs(void **state) {
	static const struct report_pair all[] = {{"route", "chat"},
						 {"active since", "now"},
						 {"left out", NULL},
						 {"note", "two\nlines\x07\n"},
						 {"empty", ""}};
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	report_pairs(&p.r, all, 5);
	end(&p,
	    "route         chat\n"
	    "active since  now\n"
	    "note          two\n"
	    "              lines\\x07\n"
	    "empty\n",
	    "");
}

static const struct {
	const char *name, *term, *no_color, *columns;
	bool terminal, json;
	enum report_mode mode;
	bool color;
	size_t width;
} modes[] = {
	{"terminal", "xterm", NULL, NULL, true, false, REPORT_TERMINAL, true, 80},
	{"width from the environment", "xterm", NULL, "132", true, false, REPORT_TERMINAL, true,
	 132},
	{"nonsense as width", "xterm", NULL, "3", true, false, REPORT_TERMINAL, true, 80},
	{"no colour", "xterm", "1", NULL, true, false, REPORT_TERMINAL, false, 80},
	{"NO_COLOR is empty", "xterm", "", NULL, true, false, REPORT_TERMINAL, true, 80},
	{"dumb", "dumb", NULL, NULL, true, false, REPORT_PLAIN, false, 0},
	{"no TERM", NULL, NULL, NULL, true, false, REPORT_PLAIN, false, 0},
	{"file", "xterm", NULL, NULL, false, false, REPORT_PLAIN, false, 0},
	{"json on a terminal", "xterm", NULL, NULL, true, true, REPORT_JSON, false, 0},
};

static void set(const char *name, const char *value) {
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void mode_is_found(void **state) {
	int controller CLEANUP(closep) = posix_openpt(O_RDWR | O_NOCTTY);
	char name[64];

	(void) state;
	assert_true(controller >= 0 && !grantpt(controller) && !unlockpt(controller));
	assert_int_equal(ptsname_r(controller, name, sizeof name), 0);
	EACH_CASE (c, modes) {
		struct report r;
		FILE *out = fopen(c->terminal ? name : "/dev/null", "r+e");

		assert_non_null(out);
		set("TERM", c->term);
		set("NO_COLOR", c->no_color);
		set("COLUMNS", c->columns);
		report_init(&r, out, stderr, c->json);
		assert_int_equal(r.mode, c->mode);
		assert_int_equal(r.color, c->color);
		assert_int_equal(r.width, c->width);
		report_done(&r);
		assert_int_equal(fclose(out), 0);
	}
}

#define GB UINT64_C(1000000000)

static const struct {
	const char *name;
	enum report_mode mode;
	bool color;
	size_t width;
	uint64_t weights, cache, free, reserve, whole;
	const char *out;
} budgets[] = {
	{"a terminal", REPORT_TERMINAL, false, 42, 50 * GB, 25 * GB, 5 * GB, 20 * GB, 100 * GB,
	 "[WWWWWWWWWWWWWWWWWWWWKKKKKKKKKK..RRRRRRRR]\n W weights 50.0 GB  K KV cache 25.0 GB\n . "
	 "free 5.0 GB  R reserve 20.0 GB\n"},
	{"colour", REPORT_TERMINAL, true, 42, 50 * GB, 25 * GB, 5 * GB, 20 * GB, 100 * GB,
	 "[\033[34mWWWWWWWWWWWWWWWWWWWW\033[0m\033[32mKKKKKKKKKK\033[0m\033[2m..\033[0m\033["
	 "2mRRRRRRRR\033[0m]\n"
	 " \033[34mW\033[0m weights 50.0 GB  \033[32mK\033[0m KV cache 25.0 GB\n \033[2m.\033[0m "
	 "free 5.0 GB  \033[2mR\033[0m reserve 20.0 GB\n"},
	{"too much: a mark where the device ends", REPORT_TERMINAL, false, 42, 150 * GB, 50 * GB, 0,
	 0, 100 * GB,
	 "[WWWWWWWWWWWWWWWWWWWW|WWWWWWWWWKKKKKKKKKK]\n W weights 150 GB  K KV cache 50.0 GB\n"},
	{"a wide terminal has a bar of 72", REPORT_TERMINAL, false, 300, 50 * GB, 50 * GB, 0, 0,
	 100 * GB,
	 "[WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK]\n W weights "
	 "50.0 GB  K KV cache 50.0 GB\n"},
	{"a narrow one has twenty", REPORT_TERMINAL, false, 21, 50 * GB, 50 * GB, 0, 0, 100 * GB,
	 "[WWWWWWWWWWKKKKKKKKKK]\n W weights 50.0 GB\n K KV cache 50.0 GB\n"},
	{"nothing is known", REPORT_TERMINAL, false, 21, 0, 0, 0, 0, 0, "[                    ]\n"},
	{"a pipe", REPORT_PLAIN, false, 0, 50 * GB, 25 * GB, 5 * GB, 20 * GB, 100 * GB, ""},
	{"json", REPORT_JSON, false, 0, 50 * GB, 25 * GB, 5 * GB, 20 * GB, 100 * GB, ""},
};

static void report_pictures(void **state) {
	(void) state;
	EACH_CASE (k, budgets) {
		const struct report_part parts[] = {{"weights", 'W', "34", k->weights},
						    {"KV cache", 0, "32", k->cache},
						    {"free", '.', "2", k->free},
						    {"reserve", 'R', "2", k->reserve}};
		struct fixture p;

		begin(&p, k->mode, k->color, k->width);
		report_budget(&p.r, parts, 4, k->whole);
		end(&p, k->out, "");
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_pictures),
		cmocka_unit_test(texts_are_made_safe),
		cmocka_unit_test(texts_are_cut),
		cmocka_unit_test(story_plain),
		cmocka_unit_test(story_on_a_terminal),
		cmocka_unit_test(story_as_events),
		cmocka_unit_test(saying_plain),
		cmocka_unit_test(saying_as_events),
		cmocka_unit_test(one_diagnostic_is_said_once),
		cmocka_unit_test(tables),
		cmocka_unit_test(pairs),
		cmocka_unit_test(mode_is_found),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
