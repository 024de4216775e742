/* SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/sanitize.h"

/* What is shown while something takes long: golden cases as they end, what a start waits for, and
 * that nobody waits without a word. */

static const struct progress_case cases[] = {
	{.id = "rollback-status",
	 .verdict = "PASS",
	 .severity = "blocker",
	 .passed = true,
	 .latency_ms = 412,
	 .number = 1,
	 .total = 4,
	 .widest = 15},
	{.id = "paging",
	 .verdict = "FAIL",
	 .severity = "blocker",
	 .latency_ms = 1200,
	 .expected = "contains \"RB-101\"",
	 .got = "The window is\n\n\x1b[2Jnot known, as it occurs in none of the sources that were "
		"given.\n",
	 .number = 2,
	 .total = 4,
	 .widest = 15},
	{.id = "empty",
	 .verdict = "INVALID",
	 .severity = "major",
	 .expected = "an answer",
	 .number = 3,
	 .total = 4,
	 .widest = 15},
	{.id = "long",
	 .verdict = "FAIL",
	 .latency_ms = 5,
	 .expected = "x",
	 .got = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14",
	 .number = 4,
	 .total = 4,
	 .widest = 15},
};

/* What did not pass has what was expected and what came under it, wrapped. */
static void golden_cases(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	for (size_t i = 0; i < 4; i++)
		progress_case(&p.r.progress, &cases[i]);
	end(&p,
	    "      rollback-status  blocker   PASS        412 ms\n"
	    "      paging           blocker   FAIL        1.20 s\n"
	    "          expected  contains \"RB-101\"\n"
	    "          got       The window is\n"
	    "\n"
	    "                    \\x1b[2Jnot known, as it occurs in none of the sources that were "
	    "given.\n"
	    "      empty            major     INVALID          -\n"
	    "          expected  an answer\n"
	    "          got       (nothing)\n"
	    "      long                       FAIL          5 ms\n"
	    "          expected  x\n"
	    "          got       1\n"
	    "                    2\n"
	    "                    3\n"
	    "                    4\n"
	    "                    5\n"
	    "                    6\n"
	    "                    7\n"
	    "                    8\n"
	    "                    9\n"
	    "                    10\n"
	    "                    11\n"
	    "                    12\n"
	    "                    (more of it is in the evidence)\n",
	    "");
	begin(&p, REPORT_TERMINAL, true, 60);
	progress_case(&p.r.progress, &cases[0]);
	progress_case(&p.r.progress, &cases[1]);
	end(&p,
	    "      \033[1mcase             severity  verdict    latency\033[0m\n"
	    "      rollback-status  blocker   \033[32mPASS\033[0m        412 ms\n"
	    "      paging           blocker   \033[31mFAIL\033[0m        1.20 s\n"
	    "          expected  contains \"RB-101\"\n"
	    "          got       The window is\n"
	    "\n"
	    "                    \\x1b[2Jnot known, as it occurs in none\n"
	    "                    of the sources that were given.\n",
	    "");
}

static const struct {
	const char *name, *text;
	size_t columns, fits;
} fits[] = {
	{"all of it", "one two", 7, 7},
	{"at a blank", "one two", 6, 3},
	{"the blank itself is beyond", "one two", 3, 3},
	{"a word that is too long", "incident-assistant", 8, 8},
	{"no blank in the second half", "a incident-assistant", 12, 12},
	{"at least one character", "\xe6\x97\xa5\xe6\x9c\xac", 1, 3},
	{"wide characters", "\xe6\x97\xa5\xe6\x9c\xac", 3, 3},
	{"nothing", "", 5, 0},
};

static void texts_are_wrapped(void **state) {
	(void) state;
	EACH_CASE (c, fits)
		assert_int_equal(sanitize_fit(c->text, c->columns), c->fits);
}

static void long_messages_are_wrapped_on_a_terminal(void **state) {
	static const struct report_pair all[] = {
		{"note", "a value of more words than fit"},
		{"try", "curl http://127.0.0.1:8080/v1 \\\n  -d 'Hello'"}};
	struct err e = {ERR_GATE, "candidate 'r18' did not pass: 3 of 20 failed"};
	struct fixture p;

	(void) state;
	begin(&p, REPORT_TERMINAL, true, 30);
	p.r.view->wraps_err = true;
	report_line(&p.r, "a line of more words than fit in there");
	progress_note(&p.r.progress, "a note", "of more words than fit in there");
	report_pairs(&p.r, all, 2);
	report_warning(&p.r, "something");
	report_error(&p.r, &e);
	end(&p,
	    "a line of more words than fit\n  in there\n"
	    "      a note: of more words\n        than fit in there\n"
	    "note  a value of more words\n      than fit\n"
	    "try   curl http://127.0.0.1:8080/v1 \\\n        -d 'Hello'\n",
	    "\033[33mllmdeploy: warning: \033[0msomething\n"
	    "\033[31mllmdeploy: \033[0mcandidate 'r18' did\n  not pass: 3 of 20 failed\n");
	begin(&p, REPORT_PLAIN, false, 0);
	report_line(&p.r, "a line of more words than fit in there");
	end(&p, "a line of more words than fit in there\n", "");
}

/* A start: what it waits for is said once, the seconds are counted; what the engine answered is for
 * machines. */
static void tell_start(struct fixture *p) {
	const struct progress *g = &p->r.progress;

	progress_step(g, "wait until ready");
	progress_state(g, "starting",
		       "the instance's answer: none: cannot reach '/run/engine.sock'");
	now += 900;
	report_beat(&p->r);
	now += 2000;
	report_beat(&p->r);
	progress_state(g, "starting", "the instance's answer: 404 'not found'");
	progress_state(g, "loading the model", "the instance's answer: 503 'Loading model'");
	for (int i = 0; i < 45; i++) {
		now += 1000;
		if (i % 15 == 14)
			report_beat(&p->r);
	}
	progress_done(g, "wait until ready", NULL);
}

static void a_start(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	tell_start(&p);
	end(&p,
	    "      starting\n      loading the model\n      loading the model (30 s)\nok    wait "
	    "until ready  47.90 s\n",
	    "");
	begin(&p, REPORT_TERMINAL, false, 80);
	tell_start(&p);
	end(&p,
	    M "..    wait until ready" M "..    wait until ready  starting" M
	      "..    wait until ready  starting (2 s)" M
	      "..    wait until ready  loading the model" M
	      "..    wait until ready  loading the model (15 s)" M
	      "..    wait until ready  loading the model (30 s)" M
	      "..    wait until ready  loading the model (45 s)" M
	      "ok    wait until ready  47.90 s\n",
	    "");
	begin(&p, REPORT_JSON, false, 0);
	tell_start(&p);
	end(&p,
	    "{\"event\":\"step\",\"ms\":0,\"what\":\"wait until ready\"}\n"
	    "{\"event\":\"note\",\"ms\":0,\"what\":\"the instance's answer: none: cannot reach "
	    "'/run/engine.sock'\"}\n"
	    "{\"event\":\"note\",\"ms\":2900,\"what\":\"the instance's answer: 404 'not found'\"}\n"
	    "{\"event\":\"note\",\"ms\":2900,\"what\":\"the instance's answer: 503 'Loading "
	    "model'\"}\n"
	    "{\"event\":\"waiting\",\"ms\":32900,\"what\":\"wait until ready\",\"took_ms\":32900}\n"
	    "{\"event\":\"done\",\"ms\":47900,\"what\":\"wait until ready\",\"took_ms\":47900}\n",
	    "");
}

/* F21: whatever goes on, and however long: never 30 s without a line. */
static void a_pipe_is_never_silent_for_30_s(void **state) {
	size_t before = 0;
	uint64_t said;
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	progress_step(&p.r.progress, "watch");
	said = now;
	for (int i = 0; i < 300; i++) {
		now += 1000;
		if (i == 150)
			progress_done(&p.r.progress, "watch", NULL);
		report_beat(&p.r);
		(void) fflush(p.out);
		if (p.out_len != before)
			said = now;
		before = p.out_len;
		assert_true(now - said < 30000);
	}
	assert_non_null(strstr(p.out_text,
			       "      watch (20 s)\n      watch (40 s)\n      watch (1 m 00 s)\n"));
	assert_non_null(strstr(
		p.out_text,
		"ok    watch  2 m 31 s\n      still working (20 s)\n      still working (40 s)\n"));
	report_done(&p.r);
	(void) fclose(p.out);
	(void) fclose(p.err);
	free(p.out_text);
	free(p.err_text);
}

/* With its thread: it beats by itself and ends with the report. */
static void the_pulse_beats(void **state) {
	struct fixture p;

	(void) state;
	begin(&p, REPORT_TERMINAL, false, 80);
	p.r.now_ms = clock_mono_ms;
	p.r.view->started_ms = clock_mono_ms();
	report_pulse(&p.r);
	progress_step(&p.r.progress, "watch");
	bool seen = false;
	for (int i = 0; i < 200 && !seen; i++) {
		clock_sleep_ms(50);
		struct progress_view *held CLEANUP(view_release) = view_hold(&p.r);
		(void) held;
		(void) fflush(p.out);
		seen = strstr(p.out_text, "..    watch  ") != NULL;
	}
	assert_true(seen);
	report_done(&p.r);
	(void) fclose(p.out);
	(void) fclose(p.err);
	free(p.out_text);
	free(p.err_text);
}

/* F19: what was stopped did not fail. */
static void a_stop_is_no_failure(void **state) {
	struct err e = {ERR_INTERRUPTED, "interrupted; 'r1' is untouched"};
	struct fixture p;

	(void) state;
	begin(&p, REPORT_PLAIN, false, 0);
	progress_step(&p.r.progress, "golden questions");
	now += 1500;
	report_error(&p.r, &e);
	end(&p, "stop  golden questions  1.50 s\n", "llmdeploy: interrupted; 'r1' is untouched\n");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_cases),
		cmocka_unit_test(texts_are_wrapped),
		cmocka_unit_test(long_messages_are_wrapped_on_a_terminal),
		cmocka_unit_test(a_start),
		cmocka_unit_test(a_pipe_is_never_silent_for_30_s),
		cmocka_unit_test(the_pulse_beats),
		cmocka_unit_test(a_stop_is_no_failure),
	};

	return cmocka_run_group_tests_name("report_wait", tests, NULL, NULL);
}
