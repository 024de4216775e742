/* SPDX-License-Identifier: Apache-2.0 */
#include "eval_parts.h"

/* "FAIL contains: EXPECTED | GOT; ..." of a case's worst attempt. */
static void describe(const struct eval_case *c, struct buf *out) {
	(void) buf_puts(out, eval_verdict_name(c->verdict));
	for (size_t i = 0; i < c->worst->n_failures; i++) {
		const struct eval_failure *f = &c->worst->failures[i];
		(void) buf_printf(out, "%s%s: %s | %s", i ? "; " : " ", f->assertion, f->expected,
				  f->got);
	}
}

static const struct {
	const char *name, *assertion, *answer, *verdict;
} judgements[] = {
	{"contains", "{\"kind\":\"contains\",\"values\":[\"14:05\"]}", "at 14:05 UTC", "PASS"},
	{"contains not", "{\"kind\":\"contains\",\"values\":[\"14:05\"]}", "at\n14:20",
	 "FAIL contains: contains \"14:05\" | at 14:20"},
	{"contains minds capitals", "{\"kind\":\"contains\",\"values\":[\"UTC\"]}", "utc",
	 "FAIL contains: contains \"UTC\" | utc"},
	{"any", "{\"kind\":\"contains_any\",\"values\":[\"a\",\"b\"]}", "b", "PASS"},
	{"any: none", "{\"kind\":\"contains_any\",\"values\":[\"a\",\"b\"]}", "c",
	 "FAIL contains_any: contains \"a\" or \"b\" | c"},
	{"all", "{\"kind\":\"contains_all\",\"values\":[\"a\",\"b\"]}", "ab", "PASS"},
	{"all: those that are missing",
	 "{\"kind\":\"contains_all\",\"values\":[\"a\",\"b\",\"d\"]}", "bc",
	 "FAIL contains_all: contains \"a\" and \"d\" | bc"},
	{"not_contains", "{\"kind\":\"not_contains\",\"values\":[\"vault\"]}", "no", "PASS"},
	{"not_contains: it does", "{\"kind\":\"not_contains\",\"values\":[\"vault\",\"safe\"]}",
	 "in the vault", "FAIL not_contains: does not contain \"vault\" | in the vault"},
	{"equals after normalising", "{\"kind\":\"equals\",\"values\":[\"It's  OK\"]}",
	 " it\xe2\x80\x99s\n\tok ", "PASS"},
	{"equals not", "{\"kind\":\"equals\",\"values\":[\"ok\"]}", "ok.",
	 "FAIL equals: equals \"ok\" | ok."},
	{"regex", "{\"kind\":\"regex\",\"values\":[\"(?i)ROLLED.*14:0\\\\d\"]}",
	 "rolled back at 14:05", "PASS"},
	{"regex not", "{\"kind\":\"regex\",\"values\":[\"^yes\"]}", "no",
	 "FAIL regex: matches /^yes/ | no"},
	{"not_regex", "{\"kind\":\"not_regex\",\"values\":[\"D-[0-9]+\"]}", "no id", "PASS"},
	{"not_regex: it does", "{\"kind\":\"not_regex\",\"values\":[\"D-[0-9]+\"]}", "D-1",
	 "FAIL not_regex: does not match /D-[0-9]+/ | D-1"},
	{"a regex that never ends", "{\"kind\":\"regex\",\"values\":[\"^(a+)+$\"]}",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	 "FAIL regex: matches /^(a+)+$/ | undecided: the pattern reached its limit of steps"},
	{"the same does not pass as not_regex", "{\"kind\":\"not_regex\",\"values\":[\"^(a+)+$\"]}",
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	 "FAIL not_regex: does not match /^(a+)+$/ | undecided: the pattern reached its limit of "
	 "steps"},
	{"json", "{\"kind\":\"json\"}", " {\"a\":[1]} ", "PASS"},
	{"json in a fence", "{\"kind\":\"json\"}", "```{}```",
	 "FAIL json: is JSON, all of it (not JSON at byte 0) | ```{}```"},
	{"json with a line break in a text", "{\"kind\":\"json\"}", "{\"a\":\"x\ny\"}",
	 "FAIL json: is JSON, all of it (not JSON at byte 7: a control character in a text, which "
	 "must be escaped) | {\"a\":\"x y\"}"},
	{"json with a NUL in a text, as the grammar has it", "{\"kind\":\"json\"}",
	 "{\"a\":\"\\u0000\"}", "PASS"},
	{"json with a leading zero", "{\"kind\":\"json\"}", "[01]",
	 "FAIL json: is JSON, all of it (not JSON at byte 1: a number that begins with 0) | [01]"},
	{"json as Python writes it", "{\"kind\":\"json\"}", "[NaN]",
	 "FAIL json: is JSON, all of it (not JSON at byte 1) | [NaN]"},
	{"json with a key twice", "{\"kind\":\"json\"}", "{\"a\":1,\"a\":2}",
	 "FAIL json: is JSON, all of it (JSON with the key 'a' twice) | {\"a\":1,\"a\":2}"},
	{"cites", CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\",\"A-2\"],\"min\":1,\"max\":1"),
	 "so [A-1], yes [A-1]", "PASS"},
	{"cites nothing", CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\"]"), "so A-1",
	 "FAIL citations: cites A-1 | cites nothing: so A-1"},
	{"cites what it may not", CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\",\"A-2\"]"),
	 "[A-1] [B-7]", "FAIL citations: cites only A-1, A-2 | cites A-1, B-7: [A-1] [B-7]"},
	{"cites the wrong one",
	 CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\",\"A-2\"],\"max\":1"), "[A-2]",
	 "FAIL citations: cites A-1 | cites A-2: [A-2]"},
	{"cites too many", CITES("\"required\":[],\"allowed\":[\"A-1\",\"A-2\"],\"max\":1"),
	 "[A-1][A-2]", "FAIL citations: cites at most 1 | cites A-1, A-2: [A-1][A-2]"},
	{"cites too few", CITES("\"required\":[],\"allowed\":[\"A-1\",\"A-2\"],\"min\":2"),
	 "[A-1][A-1]", "FAIL citations: cites at least 2 | cites A-1: [A-1][A-1]"},
	{"may cite nothing, and does not", CITES("\"required\":[],\"allowed\":[\"A-1\"],\"max\":0"),
	 "no", "PASS"},
	{"must cite nothing, and does", CITES("\"required\":[],\"allowed\":[],\"max\":0"), "[A-1]",
	 "FAIL citations: cites nothing | cites A-1: [A-1]; citations: cites at most 0 | cites "
	 "A-1: [A-1]"},
	{"abstains", "{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[\"I don't know\"]}",
	 "i DON\xe2\x80\x99T  know: no source.", "PASS"},
	{"should abstain",
	 "{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[\"I don't know\"]}",
	 "It was Bob.", "FAIL abstain: abstains | It was Bob."},
	{"should not abstain",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't know.", "FAIL abstain: answers, does not abstain | I don't know."},
	{"a blank at the border of a text",
	 "{\"kind\":\"not_contains\",\"values\":[\" 5 minutes\"]}", "15 minutes", "PASS"},
	{"the same at the answer's begin",
	 "{\"kind\":\"not_contains\",\"values\":[\" 5 minutes \"]}", "5\xc2\xa0minutes",
	 "FAIL not_contains: does not contain \" 5 minutes \" | 5\xc2\xa0minutes"},
	{"a no-break hyphen", "{\"kind\":\"contains\",\"values\":[\"D-6\"]}",
	 "it is D\xe2\x80\x91"
	 "6",
	 "PASS"},
	{"not_contains: a no-break hyphen", "{\"kind\":\"not_contains\",\"values\":[\"D-6\"]}",
	 "D\xe2\x80\x91"
	 "6",
	 "FAIL not_contains: does not contain \"D-6\" | D\xe2\x80\x91"
	 "6"},
	{"not_contains: a minus and emphasis", "{\"kind\":\"not_contains\",\"values\":[\"D-6\"]}",
	 "D\xe2\x88\x92**6**", "FAIL not_contains: does not contain \"D-6\" | D\xe2\x88\x92**6**"},
	{"not_contains: letters between marks",
	 "{\"kind\":\"not_contains\",\"values\":[\"vault\"]}", "va*u*lt",
	 "FAIL not_contains: does not contain \"vault\" | va*u*lt"},
	{"not_contains: full width", "{\"kind\":\"not_contains\",\"values\":[\"D-6\"]}",
	 "\xef\xbc\xa4\xef\xbc\x8d\xef\xbc\x96",
	 "FAIL not_contains: does not contain \"D-6\" | \xef\xbc\xa4\xef\xbc\x8d\xef\xbc\x96"},
	{"not_regex: a no-break hyphen", "{\"kind\":\"not_regex\",\"values\":[\"D-[0-9]+\"]}",
	 "D\xe2\x80\x91"
	 "6",
	 "FAIL not_regex: does not match /D-[0-9]+/ | D\xe2\x80\x91"
	 "6"},
	{"not_regex looks at each line by itself",
	 "{\"kind\":\"not_regex\",\"values\":[\"rolled.*back\"]}", "rolled\nback", "PASS"},
	{"regex: a typographic apostrophe", "{\"kind\":\"regex\",\"values\":[\"don't\"]}",
	 "I don\xe2\x80\x99t", "PASS"},
	{"regex does not look behind a fence", "{\"kind\":\"regex\",\"values\":[\"^yes$\"]}",
	 "**yes**", "FAIL regex: matches /^yes$/ | **yes**"},
	{"contains across emphasis", "{\"kind\":\"contains\",\"values\":[\"back at 14:05\"]}",
	 "back at **14:05**", "PASS"},
	{"a product is no emphasis", "{\"kind\":\"contains\",\"values\":[\"53\"]}", "5*3",
	 "FAIL contains: contains \"53\" | 5*3"},
	{"contains a name with a bar", "{\"kind\":\"contains\",\"values\":[\"max_tokens\"]}",
	 "set `max\\_tokens`", "PASS"},
	{"marks that are asked for", "{\"kind\":\"not_contains\",\"values\":[\"**\"]}", "plain",
	 "PASS"},
	{"marks that are asked for, and there", "{\"kind\":\"not_contains\",\"values\":[\"**\"]}",
	 "**bold**", "FAIL not_contains: does not contain \"**\" | **bold**"},
	{"equals with emphasis", "{\"kind\":\"equals\",\"values\":[\"yes\"]}", "**Yes**", "PASS"},
	{"equals beyond ASCII", "{\"kind\":\"equals\",\"values\":[\"\xc3\x84pfel\"]}",
	 "a\xcc\x88pfel", "PASS"},
	{"cites with a no-break hyphen", CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\"]"),
	 "so [A\xe2\x80\x91"
	 "1]",
	 "PASS"},
	{"cites in bold", CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\"]"), "so [**A-1**]",
	 "PASS"},
	{"cites what it may not, with a no-break hyphen",
	 CITES("\"required\":[\"A-1\"],\"allowed\":[\"A-1\"]"),
	 "[A-1] [B\xe2\x80\x91"
	 "7]",
	 "FAIL citations: cites only A-1 | cites A-1, B-7: [A-1] [B\xe2\x80\x91"
	 "7]"},
	{"reasoning is no answer", "{\"kind\":\"contains\",\"values\":[\"14:05\"]}",
	 "<think>the source says 14:05</think> I cannot say.",
	 "FAIL contains: contains \"14:05\" | I cannot say."},
	{"reasoning is not held against an answer",
	 "{\"kind\":\"not_contains\",\"values\":[\"D-6\"]}", "<think>not D-6</think>It was D-7.",
	 "PASS"},
	{"reasoning without its begin", "{\"kind\":\"contains\",\"values\":[\"14:05\"]}",
	 "It says 14:05.\n</think>\n\nI cannot say.",
	 "FAIL contains: contains \"14:05\" | I cannot say."},
	{"json behind reasoning", "{\"kind\":\"json\"}", "<think>\nhm\n</think>\n\n{}", "PASS"},
	{"no sign of reasoning", "{\"kind\":\"not_contains\",\"values\":[\"<think>\"]}",
	 "<think>a</think>b", "FAIL not_contains: does not contain \"<think>\" | b"},
	{"no sign of reasoning, by a pattern", "{\"kind\":\"not_regex\",\"values\":[\"</?think\"]}",
	 "<think>a</think>b", "FAIL not_regex: does not match /</?think/ | b"},
	{"abstains with a no-break space",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't\xc2\xa0know", "FAIL abstain: answers, does not abstain | I don't\xc2\xa0know"},
	{"abstains with U+2018",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don\xe2\x80\x98t know",
	 "FAIL abstain: answers, does not abstain | I don\xe2\x80\x98t know"},
	{"abstains with U+02BC",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don\xca\xbct know", "FAIL abstain: answers, does not abstain | I don\xca\xbct know"},
	{"abstains with emphasis",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I **don't** know", "FAIL abstain: answers, does not abstain | I **don't** know"},
	{"abstains with emphasis inside a word",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't k*no*w", "FAIL abstain: answers, does not abstain | I don't k*no*w"},
	{"abstains with a zero-width space in a word",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't kn\xe2\x80\x8bow",
	 "FAIL abstain: answers, does not abstain | I don't kn\xe2\x80\x8bow"},
	{"abstains with a zero-width space for a blank",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't\xe2\x80\x8bknow",
	 "FAIL abstain: answers, does not abstain | I don't\xe2\x80\x8bknow"},
	{"abstains with an acute accent",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don\xc2\xb4t know", "FAIL abstain: answers, does not abstain | I don\xc2\xb4t know"},
	{"abstains with soft hyphens",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don't kn\xc2\xadow", "FAIL abstain: answers, does not abstain | I don't kn\xc2\xadow"},
	{"abstains with full width",
	 "{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I don't know\"]}",
	 "I don\xef\xbc\x87t know",
	 "FAIL abstain: answers, does not abstain | I don\xef\xbc\x87t know"},
	{"abstains with an escaped bar",
	 "{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[\"INSUFFICIENT_EVIDENCE\"]}",
	 "**INSUFFICIENT\\_EVIDENCE**", "PASS"},
	{"finish_reason", "{\"kind\":\"finish_reason\",\"values\":[\"stop\"]}", "a", "PASS"},
	{"another finish_reason", "{\"kind\":\"finish_reason\",\"values\":[\"tool_calls\",\"x\"]}",
	 "a", "FAIL finish_reason: ends by 'tool_calls' or 'x' | stop"},
	{"latency", "{\"kind\":\"latency_ms\",\"max\":60000}", "a", "PASS"},
	{"a terminal's escapes are not shown", "{\"kind\":\"contains\",\"values\":[\"x\"]}",
	 "\x1b[2Jgone", "FAIL contains: contains \"x\" | ?[2Jgone"},
};

static void judged(void **state) {
	(void) state;
	EACH_CASE (c, judgements) {
		struct buf set CLEANUP(buf_done) = BUF_INIT(8192),
			       got CLEANUP(buf_done) = BUF_INIT(8192);
		struct fake_answer answer = {.text = c->answer};
		struct fake_script script = {.answers = &answer, .n_answers = 1};
		struct eval_options opt = {0};

		(void) buf_printf(&set, ONE("%s"), c->assertion);
		struct eval_result *r CLEANUP(eval_result_freep) = ask(buf_str(&set), &script,
								       &opt);
		describe(&r->phases[0].cases[0], &got);
		assert_string_equal(buf_str(&got), c->verdict);
		assert_int_equal(r->passed, !strcmp(c->verdict, "PASS"));
	}
}

/* Nothing that could be judged is ever a pass, whatever the assertion, those that an empty text
 * would satisfy most of all. */
static const struct {
	const char *name;
	struct fake_answer answer;
	const char *verdict; /* behind "answer: a whole answer | " */
} faults[] = {
	{"empty", {.text = ""}, "INVALID: an empty text"},
	{"blank", {.text = " \n\xc2\xa0\xe2\x80\x8b"}, "INVALID: an empty text"},
	{"cut",
	 {.text = "I don't know: the", .finish = "length"},
	 "INVALID: the answer was cut at max_tokens 96: raise max_tokens of the case"},
	{"thought all the time",
	 {.text = "", .finish = "length"},
	 "INVALID: the answer was cut before its first word at max_tokens 96: raise max_tokens of "
	 "the case"},
	{"cut inside its reasoning",
	 {.text = "<think>The source says", .finish = "length"},
	 "INVALID: the answer was cut inside its reasoning at max_tokens 96: raise max_tokens of "
	 "the case"},
	{"reasoning that never ends",
	 {.text = "<think>14:05, I cannot say."},
	 "INVALID: reasoning that does not end, and so no answer: <think>14:05, I cannot say."},
	{"reasoning alone",
	 {.text = "<think>14:05</think>\n\n"},
	 "INVALID: only reasoning, and no answer after it: <think>14:05</think>"},
	{"reasoning inside reasoning",
	 {.text = "<think>a <think> b</think> 14:05"},
	 "INVALID: reasoning that does not end, and so no answer: <think>a <think> b</think> "
	 "14:05"},
	{"emphasis of nothing", {.text = "** **"}, "INVALID: an empty text"},
	{"what cannot be seen",
	 {.text = "\xe2\x81\xa0\xe2\x80\x8e\xc2\xad"},
	 "INVALID: an empty text"},
	{"filtered",
	 {.text = "well", .finish = "content_filter"},
	 "INVALID: ended by 'content_filter': well"},
	{"no finish_reason",
	 {.text = "well", .fault = FAKE_NO_FINISH},
	 "INVALID: no finish_reason, so the answer may be incomplete: well"},
	{"no content", {.fault = FAKE_NO_CONTENT}, "INVALID: no choices.0 with a text in it"},
	{"200 and nothing", {.fault = FAKE_BARE}, "INVALID: no choices.0 with a text in it"},
	{"200 and a web page", {.fault = FAKE_NOT_JSON}, "INVALID: a body that is not JSON"},
	{"500", {.status = 500, .text = "out of memory"}, "ERROR: HTTP 500 'out of memory'"},
	{"still loading",
	 {.status = 503, .text = "Loading model"},
	 "ERROR: HTTP 503 'Loading model'"},
	{"hangs up",
	 {.fault = FAKE_CLOSE},
	 "ERROR: 'SOCKET' closed the connection without an answer"},
	{"cut body",
	 {.text = "well", .fault = FAKE_CUT},
	 "ERROR: 'SOCKET' closed the connection before the end of its answer"},
	{"2 MiB", {.fault = FAKE_HUGE}, "ERROR: "},
	{"hangs", {.fault = FAKE_HANG}, "ERROR: no complete answer from 'SOCKET' within 300 ms"},
};

static const char *const vacuous[] = {
	"{\"kind\":\"not_contains\",\"values\":[\"vault\"]}",
	"{\"kind\":\"not_regex\",\"values\":[\"D-[0-9]+\"]}",
	"{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\"I cannot say\"]}",
	"{\"kind\":\"latency_ms\",\"max\":60000}",
	CITES("\"required\":[],\"allowed\":[\"A-1\"],\"max\":0"),
};

static void never_passes(void **state) {
	(void) state;
	EACH_CASE (c, faults) {
		for (size_t i = 0; i < sizeof vacuous / sizeof *vacuous; i++) {
			struct buf set CLEANUP(buf_done) = BUF_INIT(8192),
				       want CLEANUP(buf_done) = BUF_INIT(800);
			struct fake_script script = {.answers = &c->answer, .n_answers = 1};
			struct eval_options opt = {.deadline_ms = c->answer.fault == FAKE_HANG ? 300
											       : 0};
			const char *says = strchr(c->verdict, ':') + 2,
				   *at = strstr(says, "SOCKET");
			char path[100];

			if (i && c->answer.fault == FAKE_HANG)
				break; /* once is slow enough */
			socket_path(path);
			(void) buf_printf(&set, ONE("%s"), vacuous[i]);
			struct eval_result *r CLEANUP(eval_result_freep) = ask(buf_str(&set),
									       &script, &opt);
			const struct eval_case *x = &r->phases[0].cases[0];
			assert_memory_equal(eval_verdict_name(x->verdict), c->verdict,
					    strlen(eval_verdict_name(x->verdict)));
			(void) buf_printf(&want, "%.*s%s%s",
					  at ? (int) (at - says) : (int) strlen(says), says,
					  at ? path : "", at ? at + 6 : "");
			if (*says)
				assert_string_equal(x->worst->failures[0].got, buf_str(&want));
			assert_int_equal(x->worst->n_failures, 1);
			assert_string_equal(x->worst->failures[0].expected, "a whole answer");
			assert_false(r->passed);
		}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged),
		cmocka_unit_test(never_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
