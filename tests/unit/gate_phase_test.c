/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "eval/eval.h"
#include "lockfile/lockfile.h"
#include "rollout/gate_phase.h"
#include "rollout/rollout.h"
#include "json/json.h"

/* The gate's phases: which of them a lockfile has, what their evidence says, and where it goes. */

static struct json *parsed(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e))
		fail_msg("%s", e.msg);
	return j;
}

static const struct {
	const char *name, *evidence;
	enum err_code code;
	const char *message;
} verdicts[] = {
	{"passed", "{\"golden\":{\"name\":\"g\"},\"gate\":{\"passed\":true,\"reasons\":[]}}",
	 ERR_OK, ""},
	{"failed, for two reasons",
	 "{\"golden\":{\"name\":\"g\"},\"gate\":{\"passed\":false,\"reasons\":[\"1 of 2 blockers "
	 "failed: a\",\"too slow\"]}}",
	 ERR_GATE, "golden set 'g': 1 of 2 blockers failed: a; too slow"},
	{"failed, for no reason",
	 "{\"golden\":{\"name\":\"g\"},\"gate\":{\"passed\":false,\"reasons\":[]}}", ERR_GATE,
	 "golden set 'g': its evidence has no verdict"},
	{"no verdict", "{\"golden\":{\"name\":\"g\"}}", ERR_GATE,
	 "golden set 'g': its evidence has no verdict"},
	{"nothing", "{}", ERR_GATE, "golden set '': its evidence has no verdict"},
	{"a word instead of a truth",
	 "{\"golden\":{\"name\":\"g\"},\"gate\":{\"passed\":\"true\"}}", ERR_GATE,
	 "golden set 'g': its evidence has no verdict"},
};

static void golden_verdicts(void **state) {
	(void) state;
	EACH_CASE (c, verdicts) {
		struct json *evidence CLEANUP(json_freep) = parsed(c->evidence);
		struct err e = {0};

		assert_int_equal(gate_golden.verdict(evidence, &e), c->code ? -1 : 0);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, c->code);
	}
	struct err e = {0};
	assert_int_equal(gate_golden.verdict(NULL, &e), -1);
}

/* The verdict by the evidence and the one by the result are the same. */
static void result_and_evidence_agree(void **state) {
	static const struct {
		const char *name;
		bool passed;
		const char *reasons[2];
		size_t n;
	} table[] = {{"passed", true, {NULL}, 0},
		     {"one reason", false, {"no cases were asked"}, 1},
		     {"two reasons",
		      false,
		      {"1 of 1 blockers failed: a", "no latency was measured"},
		      2}};

	(void) state;
	EACH_CASE (c, table) {
		const char *reasons[2] = {c->reasons[0], c->reasons[1]};
		struct eval_result r = {.golden = "g",
					.latency = {.statistic = "max"},
					.passed = c->passed,
					.reasons = reasons,
					.n_reasons = c->n};
		struct json *evidence CLEANUP(json_freep) = eval_evidence(&r);
		struct err a = {0}, b = {0};

		assert_int_equal(eval_gate(&r, &a), c->passed ? 0 : -1);
		assert_int_equal(eval_gate_of(evidence, &b), c->passed ? 0 : -1);
		assert_string_equal(a.msg, b.msg);
		for (size_t i = 0; i < c->n; i++)
			assert_non_null(strstr(a.msg, c->reasons[i]));
	}
}

static void phases_of_a_lockfile(void **state) {
	struct json *golden CLEANUP(json_freep) = parsed("{\"name\":\"g\"}");
	const struct lockfile asked = {.golden = golden}, skipped = {.eval_skip = "a reason"};
	const struct rollout ctx = {0};
	struct gate_run run = {.evidence = {golden}};
	struct err e = {0};

	(void) state;
	assert_true(gate_phases_apply(&asked));
	assert_false(gate_phases_apply(&skipped));
	/* No phase: nothing is run, and nothing was seen. */
	assert_int_equal(gate_phases_run(&ctx, &skipped, &run, &e), 0);
	assert_null(gate_run_last(&run));
}

static void evidence_is_kept_by_name(void **state) {
	struct gate_run run CLEANUP(gate_run_done) = {.evidence = {parsed("{\"name\":\"g\"}")}};
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct buf text CLEANUP(buf_done) = BUF_INIT(200);

	(void) state;
	gate_run_add(&run, evidence);
	json_print(evidence, &text);
	assert_string_equal(buf_str(&text), "{\"golden\":{\"name\":\"g\"}}");
	assert_ptr_equal(gate_run_last(&run), run.evidence[0]);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_verdicts),
		cmocka_unit_test(result_and_evidence_agree),
		cmocka_unit_test(phases_of_a_lockfile),
		cmocka_unit_test(evidence_is_kept_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
