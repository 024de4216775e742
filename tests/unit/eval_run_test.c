/* SPDX-License-Identifier: Apache-2.0 */
#include "eval_parts.h"

#define BAD(asserts) ONE(asserts)
static const struct {
	const char *name, *set, *msg;
} sets[] = {
	{"no name", "{\"cases\":[]}", "golden set without a name"},
	{"no cases", SET(""), "golden set 't': no cases"},
	{"twice",
	 SET(CASE("x", "", "{\"kind\":\"json\"}") "," CASE("x", "", "{\"kind\":\"json\"}")),
	 "golden set 't': two cases are 'x'"},
	{"no assertion", ONE(""),
	 "golden set 't': case 'x': no assertion: every answer would pass"},
	{"unknown kind", BAD("{\"kind\":\"similar\"}"),
	 "golden set 't': case 'x': assertion 1: unknown kind 'similar'"},
	{"no values", BAD("{\"kind\":\"contains\",\"values\":[]}"),
	 "golden set 't': case 'x': assertion 1: contains: no values to look for"},
	{"an empty value",
	 BAD("{\"kind\":\"json\"},{\"kind\":\"contains_any\",\"values\":[\"a\",\"\"]}"),
	 "golden set 't': case 'x': assertion 2: contains_any: 'values' has an empty text, which "
	 "is in every answer"},
	{"regex syntax", BAD("{\"kind\":\"regex\",\"values\":[\"a(b\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: pattern 'a(b': missing closing parenthesis "
	 "at character 4"},
	{"a regex that matches everything", BAD("{\"kind\":\"regex\",\"values\":[\".*\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '.*' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: .+", BAD("{\"kind\":\"regex\",\"values\":[\".+\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '.+' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: \\S", BAD("{\"kind\":\"regex\",\"values\":[\"\\\\S\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '\\S' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: \\w", BAD("{\"kind\":\"regex\",\"values\":[\"\\\\w\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '\\w' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: (?i)[a-z]",
	 BAD("{\"kind\":\"regex\",\"values\":[\"(?i)[a-z]\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '(?i)[a-z]' matches every answer: it "
	 "decides nothing"},
	{"a regex that matches everything: [\\s\\S]+",
	 BAD("{\"kind\":\"regex\",\"values\":[\"[\\\\s\\\\S]+\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '[\\s\\S]+' matches every answer: it "
	 "decides nothing"},
	{"a regex that matches everything: (?s)^.*$",
	 BAD("{\"kind\":\"regex\",\"values\":[\"(?s)^.*$\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '(?s)^.*$' matches every answer: it "
	 "decides nothing"},
	{"a regex that matches everything: x*", BAD("{\"kind\":\"regex\",\"values\":[\"x*\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: 'x*' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: (?=.)",
	 BAD("{\"kind\":\"regex\",\"values\":[\"(?=.)\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '(?=.)' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: \\b", BAD("{\"kind\":\"regex\",\"values\":[\"\\\\b\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '\\b' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: [^\\x00]",
	 BAD("{\"kind\":\"regex\",\"values\":[\"[^\\\\x00]\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '[^\\x00]' matches every answer: it "
	 "decides nothing"},
	{"a regex that matches everything: .|\\n",
	 BAD("{\"kind\":\"regex\",\"values\":[\".|\\\\n\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '.|\\n' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: (a|)", BAD("{\"kind\":\"regex\",\"values\":[\"(a|)\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '(a|)' matches every answer: it decides "
	 "nothing"},
	{"a regex that matches everything: .{2,}",
	 BAD("{\"kind\":\"regex\",\"values\":[\".{2,}\"]}"),
	 "golden set 't': case 'x': assertion 1: regex: '.{2,}' matches every answer: it decides "
	 "nothing"},
	{"a letter that is everywhere", BAD("{\"kind\":\"contains\",\"values\":[\"e\"]}"),
	 "golden set 't': case 'x': assertion 1: contains: 'e' matches every answer: it decides "
	 "nothing"},
	{"vowels", BAD("{\"kind\":\"contains_any\",\"values\":[\"a\",\"e\",\"i\",\"o\",\"u\"]}"),
	 "golden set 't': case 'x': assertion 1: contains_any: 'a' matches every answer: it "
	 "decides nothing"},
	{"a blank", BAD("{\"kind\":\"contains\",\"values\":[\" \"]}"),
	 "golden set 't': case 'x': assertion 1: contains: 'values' has an empty text, which is in "
	 "every answer"},
	{"a space that cannot be seen",
	 BAD("{\"kind\":\"not_contains\",\"values\":[\"\xe2\x80\x8b\"]}"),
	 "golden set 't': case 'x': assertion 1: not_contains: 'values' has an empty text, which "
	 "is in every answer"},
	{"an abstention by a letter",
	 BAD("{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[\"e\"]}"),
	 "golden set 't': case 'x': assertion 1: abstain: 'e' matches every answer: it decides "
	 "nothing"},
	{"the form of a sentence", BAD("{\"kind\":\"regex\",\"values\":[\"^[A-Z].*[.]$\"]}"),
	 "golden set 't': case 'x': sentences that have nothing in common all pass it (\"My cousin "
	 "lost his umbrella on Tuesday.\"): it decides nothing"},
	{"the length of an answer",
	 BAD("{\"kind\":\"regex\",\"values\":[\"(?s)^.{1,600}$\"]},{\"kind\":\"not_contains\","
	     "\"values\":[\"vault\"]}"),
	 "golden set 't': case 'x': sentences that have nothing in common all pass it (\"My cousin "
	 "lost his umbrella on Tuesday.\"): it decides nothing"},
	{"a not_regex that matches everything",
	 BAD("{\"kind\":\"json\"},{\"kind\":\"not_regex\",\"values\":[\".\"]}"),
	 "golden set 't': case 'x': assertion 2: not_regex: '.' matches every answer: it can never "
	 "pass"},
	{"a citation pattern without a group",
	 BAD("{\"kind\":\"citations\",\"pattern\":\"RB-1\",\"required\":[],\"allowed\":[]}"),
	 "golden set 't': case 'x': assertion 1: citations: pattern 'RB-1' must have one group, "
	 "around the id"},
	{"required and not allowed", BAD(CITES("\"required\":[\"A-1\"],\"allowed\":[]")),
	 "golden set 't': case 'x': assertion 1: citations: 'A-1' is required and not allowed: it "
	 "can never pass"},
	{"min over max", BAD(CITES("\"required\":[],\"allowed\":[],\"min\":2,\"max\":1")),
	 "golden set 't': case 'x': assertion 1: citations: at most 1 ids allowed, more asked for: "
	 "it can never pass"},
	{"abstain how", BAD("{\"kind\":\"abstain\",\"mode\":\"maybe\",\"phrases\":[\"x\"]}"),
	 "golden set 't': case 'x': assertion 1: abstain: 'mode' is neither 'required' nor "
	 "'forbidden'"},
	{"abstain by nothing", BAD("{\"kind\":\"abstain\",\"mode\":\"required\",\"phrases\":[]}"),
	 "golden set 't': case 'x': assertion 1: abstain: no phrases that mark an abstention"},
	{"abstain by a blank",
	 BAD("{\"kind\":\"abstain\",\"mode\":\"forbidden\",\"phrases\":[\" \"]}"),
	 "golden set 't': case 'x': assertion 1: abstain: 'phrases' has an empty text, which is in "
	 "every answer"},
	{"a wish to be cut", BAD("{\"kind\":\"finish_reason\",\"values\":[\"length\"]}"),
	 "golden set 't': case 'x': assertion 1: finish_reason: 'length' can never pass: a cut "
	 "answer is invalid"},
	{"no limit", BAD("{\"kind\":\"latency_ms\"}"),
	 "golden set 't': case 'x': assertion 1: latency_ms: no limit in milliseconds"},
	{"two questions", SET(CASE("x", "\"prompt\":\"p\",", "{\"kind\":\"json\"}")),
	 "golden set 't': case 'x': either 'messages' or 'prompt' must be there"},
	{"no question",
	 "{\"name\":\"t\",\"cases\":[{\"id\":\"x\",\"severity\":\"blocker\",\"messages\":[]}]}",
	 "golden set 't': case 'x': 'messages' is empty"},
	{"no severity", "{\"name\":\"t\",\"cases\":[{\"id\":\"x\"}]}",
	 "golden set 't': case 'x': 'severity' is none of blocker, major, info"},
	{"no attempts",
	 "{\"name\":\"t\",\"cases\":[{\"id\":\"x\",\"severity\":\"blocker\",\"prompt\":\"p\",\"max_"
	 "tokens\":9,\"seed\":1,\"attempts\":0}]}",
	 "golden set 't': case 'x': 'attempts' is 0, not from 1 to 100"},
	{"nothing can fail it",
	 "{\"name\":\"t\",\"cases\":[{\"id\":\"x\",\"severity\":\"info\",\"prompt\":\"p\",\"max_"
	 "tokens\":9,\"seed\":1,\"attempts\":1,"
	 "\"timeout_ms\":1,\"assert\":[{\"kind\":\"json\"}]}]}",
	 "golden set 't': no case is a blocker: nothing in it can fail the gate"},
};

static void refused(void **state) {
	(void) state;
	EACH_CASE (c, sets) {
		struct json *golden CLEANUP(json_freep) = parse(c->set);
		struct err e = {0};

		assert_int_equal(eval_check(golden, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_string_equal(e.msg, c->msg);
	}
}

/* What is sent: decoding is pinned. */
static void question(void **state) {
	(void) state;
	static const struct fake_answer answer = {.text = "{}"};
	static const struct fake_script script = {.answers = &answer, .n_answers = 1};
	struct json *golden CLEANUP(json_freep) = parse(ONE("{\"kind\":\"json\"}"));
	struct eval_options opt = {0};
	struct eval_result *r CLEANUP(eval_result_freep) = NULL;
	struct err e = {0};
	char path[100];

	socket_path(path);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, &script);
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = path,
			      .model = "route"};
	assert_int_equal(eval_run(golden, &ep, &opt, NULL, &r, &e), 0);
	char *asked CLEANUP(freep) = model_server_last_question(s);
	assert_string_equal(asked,
			    "{\"model\":\"route\",\"messages\":[{\"role\":\"user\",\"content\":"
			    "\"ask x\"}],\"max_tokens\":96,\"temperature\":0,"
			    "\"top_k\":1,\"top_p\":1,\"min_p\":0,\"seed\":42,\"cache_prompt\":"
			    "false,\"stream\":false}");
	assert_int_equal(model_server_questions(s), 1);
}

#define JSON_CASE(id, severity, attempts)                                       \
	"{\"id\":\"" id "\",\"severity\":\"" severity "\",\"prompt\":\"ask " id \
	"\",\"max_tokens\":9,\"seed\":1,"                                       \
	"\"timeout_ms\":5000,\"attempts\":" attempts ",\"assert\":[{\"kind\":\"json\"}]}"

static const struct fake_answer mixed[] = {
	{.asks = "ask good", .text = "{}"},
	{.asks = "ask bad", .text = "no"},
	{.asks = "ask cut", .text = "{", .finish = "length"},
	{.asks = "ask slow", .text = "{}", .delay_ms = 120},
	{.asks = "ask gone", .fault = FAKE_CLOSE},
};

static const struct {
	const char *name, *set;
	struct eval_options opt;
	const char *msg; /* of eval_gate; "" passes */
} gates[] = {
	{"all good", SET(JSON_CASE("good", "blocker", "2")), {0}, ""},
	{"a major one may fail",
	 SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("bad", "major", "1")),
	 {0},
	 ""},
	{"a blocker may not",
	 SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("bad", "blocker", "1")),
	 {0},
	 "golden set 't': 1 of 2 blockers failed: bad"},
	{"nor may anything be invalid",
	 SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("cut", "info", "1")),
	 {0},
	 "golden set 't': 1 of 2 cases gave no whole answer: cut"},
	{"nor unasked",
	 SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("gone", "info", "1")),
	 {0},
	 "golden set 't': 1 of 2 cases could not be asked: gone"},
	{"the slowest counts",
	 SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("slow", "blocker", "1")),
	 {.latency_p95_ms = 1},
	 NULL},
	{"no answer, no latency",
	 SET(JSON_CASE("gone", "blocker", "1")),
	 {.latency_p95_ms = 1000},
	 "golden set 't': 1 of 1 cases could not be asked: gone; no latency was measured"},
};

static void decided(void **state) {
	(void) state;
	EACH_CASE (c, gates) {
		static const struct fake_script script = {.answers = mixed, .n_answers = 5};
		struct err e = {0};
		struct eval_result *r CLEANUP(eval_result_freep) = ask(c->set, &script, &c->opt);

		assert_int_equal(eval_gate(r, &e), c->msg && !*c->msg ? 0 : -1);
		if (c->msg)
			assert_string_equal(e.msg, c->msg);
		else
			assert_memory_equal(e.msg, "golden set 't': latency max of 2 samples is 1",
					    45);
		assert_int_equal(r->passed, !e.code);
		assert_true(!e.code || e.code == ERR_GATE);
	}
}

/* Ranks computed with exact arithmetic: evals facts of the field, 59, 100, 200, 300. */
static void order_statistics(void **state) {
	(void) state;
	static const size_t rank[][2] = {{0, 0},   {1, 0},    {20, 0},    {58, 0},
					 {59, 59}, {100, 99}, {200, 196}, {300, 292}};

	for (size_t i = 0; i < sizeof rank / sizeof *rank; i++)
		assert_int_equal(eval_p95_rank(rank[i][0]), rank[i][1]);
}

/* Nobody is there: three silent calls are enough, and the rest still counts. */
static void gives_up(void **state) {
	(void) state;
	static const struct fake_answer closing = {.fault = FAKE_CLOSE};
	static const struct fake_script script = {.answers = &closing, .n_answers = 1};
	struct eval_options opt = {0};
	struct eval_result *r CLEANUP(eval_result_freep) =
		ask(SET(JSON_CASE("a", "blocker",
				  "2") "," JSON_CASE("b", "blocker",
						     "2") "," JSON_CASE("c", "blocker", "9")),
		    &script, &opt);
	const struct eval_case *cases = r->phases[0].cases;

	assert_int_equal(r->phases[0].n_cases, 3);
	assert_int_equal(r->phases[0].totals[EVAL_ERROR], 3);
	assert_string_equal(cases[1].attempts[1].failures[0].got,
			    "not asked: the three calls before it got no answer");
	assert_string_equal(cases[2].attempts[8].failures[0].got,
			    "not asked: the three calls before it got no answer");
	assert_int_equal(r->latency.samples, 0);
}

static void stops_in_time(void **state) {
	(void) state;
	static const struct fake_answer slow = {.text = "{}", .delay_ms = 80};
	static const struct fake_script script = {.answers = &slow, .n_answers = 1};
	struct eval_options opt = {.deadline_ms = 200};
	struct eval_result *r CLEANUP(eval_result_freep) = ask(SET(JSON_CASE("a", "blocker", "50")),
							       &script, &opt);
	const struct eval_case *c = &r->phases[0].cases[0];

	assert_int_equal(c->attempts[0].verdict, EVAL_PASS);
	assert_int_equal(c->verdict, EVAL_ERROR);
	assert_string_equal(c->attempts[49].failures[0].got,
			    "not asked: the time for the whole set was over");
	assert_in_range(c->latency_ms, 70, 5000);
}

static void evidence(void **state) {
	(void) state;
	static const struct fake_script script = {.answers = mixed,
						  .n_answers = 5,
						  .model = "incident"};
	struct eval_options opt = {.latency_p95_ms = 60000};
	struct eval_result *r CLEANUP(eval_result_freep) =
		ask(SET(JSON_CASE("good", "blocker", "1") "," JSON_CASE("bad", "blocker", "1")),
		    &script, &opt);
	struct json *j CLEANUP(json_freep) = eval_evidence(r);
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	assert_int_equal(json_canonical(j, &b, &e), 0);
	assert_string_equal(json_str(j, "model"), "incident");
	assert_string_equal(json_str(j, "fingerprint"), "fake-1");
	assert_int_equal(strlen(json_text(json_path(j, "golden.sha256"))), 64);
	assert_string_equal(json_text(json_path(j, "phases.0.cases.0.verdict")), "PASS");
	assert_string_equal(json_text(json_path(j, "phases.0.cases.0.attempts.0.answer")), "{}");
	assert_string_equal(json_text(json_path(j, "phases.0.cases.1.attempts.0.failures.0.got")),
			    "no");
	assert_int_equal(json_int_or(json_path(j, "phases.0.cases.0.attempts.0.usage"),
				     "prompt_tokens", 0),
			 120);
	assert_null(json_path(j, "phases.0.cases.0.attempts.0.usage.cached_tokens"));
	assert_int_equal(json_int_or(json_path(j, "phases.0.totals"), "FAIL", 9), 1);
	assert_string_equal(json_text(json_path(j, "latency.statistic")), "max");
	assert_false(json_true(json_get(j, "gate"), "passed"));
	assert_string_equal(json_text(json_path(j, "gate.reasons.0")),
			    "1 of 2 blockers failed: bad");
}

static void interrupted(void **state) {
	(void) state;
	struct json *golden CLEANUP(json_freep) = parse(ONE("{\"kind\":\"json\"}"));
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = "/nowhere/engine.sock"};
	struct eval_result *r = NULL;
	struct eval_options opt = {0};
	struct err e = {0};

	interrupt_install();
	(void) raise(SIGINT);
	assert_int_equal(eval_run(golden, &ep, &opt, NULL, &r, &e), -1);
	interrupt_clear();
	assert_int_equal(e.code, ERR_INTERRUPTED);
	assert_null(r);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),  cmocka_unit_test(question),
		cmocka_unit_test(decided),  cmocka_unit_test(order_statistics),
		cmocka_unit_test(gives_up), cmocka_unit_test(stops_in_time),
		cmocka_unit_test(evidence), cmocka_unit_test(interrupted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
