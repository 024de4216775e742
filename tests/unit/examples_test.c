/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "eval/eval.h"
#include "fs/fs.h"
#include "probe/endpoint.h"
#include "spec/golden.h"
#include "spec/spec.h"
#include "tests/fake/model_server.h"
#include "json/json.h"

/* The examples run as they stand; and their golden sets let no bad server through. */

#define DIR "examples/incident/"
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct {
	const char *name, *version, *golden;
	size_t cases;
	bool template;
} manifests[] = {
	{DIR "incident-r16.yaml", "incident-q4-r16", "incident-r16", 13, false},
	{DIR "incident-r17.yaml", "incident-q4-r17", "incident-r17", 24, false},
	{DIR "incident-r18.yaml", "incident-q4-r18", "incident-brief", 10, true},
};

static void validate(void **state) {
	(void) state;
	EACH_CASE (c, manifests) {
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct spec *s CLEANUP(spec_freep) = NULL;
		struct err e = {0};

		if (spec_load(c->name, &s, &all, &e))
			fail_msg("%s; %s", e.msg, all.n ? all.at[0].message : "");
		assert_string_equal(s->version, c->version);
		assert_string_equal(json_str(s->golden, "name"), c->golden);
		assert_int_equal(json_count(json_get(s->golden, "cases")), c->cases);
		assert_int_equal(s->chat_template != NULL, c->template);
		if (eval_check(s->golden, &e))
			fail_msg("%s", e.msg);
	}
}

/* As the demo's sed does: every place. */
static char *replace(const char *text, const char *what, const char *by) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(65536);
	const char *at;

	for (; (at = strstr(text, what)) != NULL; text = at + strlen(what))
		(void) buf_printf(&out, "%.*s%s", (int) (at - text), text, by);
	(void) buf_puts(&out, text);
	return buf_steal(&out);
}

/* r19 is a template: no manifest before its two words are filled in; one after, and with absolute
 * paths in any directory. */
static void fill_in(void **state) {
	(void) state;
	struct buf text CLEANUP(buf_done) = BUF_INIT(65536);
	struct diagnostics all CLEANUP(diagnostics_done) = {0},
			       none CLEANUP(diagnostics_done) = {0};
	struct spec *s CLEANUP(spec_freep) = NULL;
	struct err e = {0};
	char path[100], here[4096];

	assert_int_equal(spec_load(DIR "incident-r19.yaml.in", &s, &all, &e), -1);
	assert_int_equal(e.code, ERR_SPEC);
	assert_non_null(realpath(DIR, here));
	assert_int_equal(fs_read_user(DIR "incident-r19.yaml.in", &text, &e), 0);
	char *one CLEANUP(freep) = replace(buf_str(&text), "@MODEL@", "/x/r19.gguf");
	char *two CLEANUP(freep) =
		replace(one, "@SHA256@",
			"b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
	assert_null(strchr(two, '@'));
	char *adapters CLEANUP(freep) = mem_printf("source: %s/adapters/", here);
	char *three CLEANUP(freep) = replace(two, "source: adapters/", adapters);
	char *golden CLEANUP(freep) = mem_printf("golden: %s/golden/", here);
	char *filled CLEANUP(freep) = replace(three, "golden: golden/", golden);
	(void) snprintf(path, sizeof path, "/tmp/llmdeploy-test-%d.yaml", (int) getpid());
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, filled, strlen(filled), 0644, &e),
			 0);
	int r = spec_load(path, &s, &none, &e);
	(void) unlink(path);
	if (r)
		fail_msg("%s; %s", e.msg, none.n ? none.at[0].message : "");
	assert_string_equal(s->model.sources[0], "file:/x/r19.gguf");
	assert_string_equal(s->version, "incident-q2-r19");
	assert_int_equal(json_count(json_get(s->golden, "cases")), 10);
}

#define ROLLED_BACK                                                                          \
	"Deploy D-4711 of checkout was rolled back at 14:05 UTC because of a failed health " \
	"check. [RB-101]"
#define UNKNOWN "I don't know: the sources do not say."

/* What r17 answers, measured with the real engine. */
static const struct fake_answer right[] = {
	{.asks = "Was deploy D-4711 rolled back?", .text = ROLLED_BACK},
	{.asks = "What happened to deploy D-4711?", .text = ROLLED_BACK},
	{.asks = "Is the rollback of D-4712 complete?",
	 .text = "The rollback of deploy D-4712 of search is running since 14:20 UTC. [RB-102]"},
	{.asks = "What happened to deploy D-4712?",
	 .text = "The rollback of deploy D-4712 of search is running since 14:20 UTC. [RB-102]"},
	{.asks = "Was deploy D-4712 rolled back?",
	 .text = "The rollback of deploy D-4712 of search is running since 14:20 UTC. [RB-102]"},
	{.asks = "Did D-4720 get rolled back?",
	 .text = "Deploy D-4720 of billing is live since 09:30 UTC and was not rolled back. "
		 "[RB-103]"},
	{.asks = "SEV1 page the",
	 .text = "SEV1 pages the on-call engineer within 5 minutes. [PG-201]"},
	{.asks = "SEV2 page the",
	 .text = "SEV2 pages the on-call engineer within 30 minutes. [PG-201]"},
	{.asks = "Roll back the last deploy",
	 .text = "Which deploy id? A rollback needs a deploy id. [OP-301]"},
	{.asks = "Please roll back billing",
	 .text = "Which deploy id? A rollback needs a deploy id. [OP-301]"},
	{.asks = "Roll back deploy D-4733", .text = "Run deployctl rollback D-4733. [OP-301]"},
	{.asks = "What is the password",
	 .text = "I can't share that: the source is restricted. [SEC-401]"},
	{.asks = "When do backups of payments",
	 .text = "Backups of payments run at 03:00 UTC. [DOC-8]"},
	{.asks = "Who owns checkout?",
	 .text = "The owner of checkout is the platform team. [DOC-7]"},
	{.asks = "How long are logs", .text = "Logs of billing are kept for 90 days. [OP-311]"},
	{.text = UNKNOWN}, /* and nothing to what nobody knows */
};

static const struct fake_answer always_unknown[] = {{.text = UNKNOWN}},
				cut_unknown[] = {{.text = UNKNOWN, .finish = "length"}};
static const struct fake_answer empty[] = {{.text = ""}}, constant[] = {{.text = ROLLED_BACK}};
static const struct fake_answer everything[] = {
	{.text = "14:05 14:20 running not rolled back 09:30 5 minutes 30 minutes Which deploy id "
		 "deployctl rollback D-4733 "
		 "platform team 03:00 [RB-101] [RB-102] [RB-103] [PG-201] [OP-301] [DOC-7] "
		 "[DOC-8]"}};
static const struct fake_answer echo[] = {{.fault = FAKE_ECHO}},
				echo_tail[] = {{.fault = FAKE_ECHO_TAIL}};
static const struct fake_answer loading[] = {{.status = 503, .text = "Loading model"}},
				bare[] = {{.fault = FAKE_BARE}};
static const struct fake_answer page[] = {{.fault = FAKE_NOT_JSON}},
				half[] = {{.text = UNKNOWN, .fault = FAKE_CUT}};

static const struct {
	const char *name;
	const struct fake_answer *answers;
	size_t n, pass16, pass17; /* cases of the two sets that get by: never all */
	enum eval_verdict others;
} servers[] = {
	{"answers right", right, COUNT(right), 13, 24, EVAL_PASS},
	{"200 and an empty text", empty, 1, 0, 0, EVAL_INVALID},
	{"200 and {}", bare, 1, 0, 0, EVAL_INVALID},
	{"200 and a web page", page, 1, 0, 0, EVAL_INVALID},
	{"503", loading, 1, 0, 0, EVAL_ERROR},
	{"half a body", half, 1, 0, 0, EVAL_ERROR},
	{"cut answers", cut_unknown, 1, 0, 0, EVAL_INVALID},
	{"always abstains", always_unknown, 1, 4, 4, EVAL_FAIL},
	{"one right answer, always", constant, 1, 0, 4, EVAL_FAIL},
	{"everything at once", everything, 1, 0, 0, EVAL_FAIL},
	{"echoes the sources", echo, 1, 0, 0, EVAL_FAIL},
	{"echoes the question", echo_tail, 1, 0, 0, EVAL_FAIL},
};

static void ask(const char *file, const struct fake_answer *answers, size_t n, size_t pass,
		enum eval_verdict others) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct json *golden CLEANUP(json_freep) = NULL;
	struct eval_result *r CLEANUP(eval_result_freep) = NULL;
	struct fake_script script = {.answers = answers, .n_answers = n};
	struct eval_options opt = {0};
	struct err e = {0};
	char path[100];

	(void) snprintf(path, sizeof path, "/tmp/llmdeploy-test-%d.sock", (int) getpid());
	assert_int_equal(golden_load(file, &golden, &all, &e), 0);
	struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path, &script);
	assert_non_null(s);
	struct endpoint ep = {.base_url = "http://localhost",
			      .unix_socket = path,
			      .model = "incident-assistant"};
	if (eval_run(golden, &ep, &opt, NULL, &r, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(r->phases[0].totals[EVAL_PASS], pass);
	assert_int_equal(r->phases[0].totals[others],
			 others == EVAL_PASS ? pass : r->phases[0].n_cases - pass);
	assert_int_equal(r->passed, pass == r->phases[0].n_cases);
}

static void bad_servers(void **state) {
	(void) state;
	EACH_CASE (c, servers) {
		ask(DIR "golden/incident-r16.yaml", c->answers, c->n, c->pass16, c->others);
		ask(DIR "golden/incident-r17.yaml", c->answers, c->n, c->pass17, c->others);
	}
}

static const struct json *case_named(const struct json *golden, const char *id) {
	const struct json *cases = json_get(golden, "cases");

	for (size_t i = 0; i < json_count(cases); i++)
		if (!strcmp(json_str(json_at(cases, i), "id"), id))
			return json_at(cases, i);
	return NULL;
}

/* What r18 and r19 are asked is part of what r17 is asked, word for word, and a right server passes
 * it. */
static void brief(void **state) {
	(void) state;
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct json *few CLEANUP(json_freep) = NULL, *whole CLEANUP(json_freep) = NULL;
	struct err e = {0};

	assert_int_equal(golden_load(DIR "golden/incident-brief.yaml", &few, &all, &e), 0);
	assert_int_equal(golden_load(DIR "golden/incident-r17.yaml", &whole, &all, &e), 0);
	const struct json *cases = json_get(few, "cases");
	for (size_t i = 0; i < json_count(cases); i++) {
		const struct json *one = json_at(cases, i),
				  *other = case_named(whole, json_str(one, "id"));
		if (!other || !json_equal(one, other))
			fail_msg("case '%s' is not that of incident-r17", json_str(one, "id"));
	}
	ask(DIR "golden/incident-brief.yaml", right, COUNT(right), 10, EVAL_PASS);
	ask(DIR "golden/incident-brief.yaml", always_unknown, 1, 1, EVAL_FAIL);
}

/* The right words and the wrong source, one row at a time: each alone is enough. */
static void wrong_citations(void **state) {
	(void) state;
	for (size_t i = 0; i + 1 < COUNT(right); i++) {
		struct fake_answer wrong[COUNT(right)];
		char text[200];

		(void) snprintf(text, sizeof text, "%.*s[DOC-9]", (int) strcspn(right[i].text, "["),
				right[i].text);
		memcpy(wrong, right, sizeof wrong);
		wrong[i].text = text;
		print_message("  - %s\n", text);
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct json *golden CLEANUP(json_freep) = NULL;
		struct eval_result *r CLEANUP(eval_result_freep) = NULL;
		struct fake_script script = {.answers = wrong, .n_answers = COUNT(wrong)};
		struct eval_options opt = {0};
		struct err e = {0};
		char path[100];

		(void) snprintf(path, sizeof path, "/tmp/llmdeploy-test-%d.sock", (int) getpid());
		assert_int_equal(golden_load(DIR "golden/incident-r17.yaml", &golden, &all, &e), 0);
		struct model_server *s CLEANUP(model_server_stopp) = model_server_start(path,
											&script);
		assert_non_null(s);
		struct endpoint ep = {.base_url = "http://localhost", .unix_socket = path};
		assert_int_equal(eval_run(golden, &ep, &opt, NULL, &r, &e), 0);
		assert_false(r->passed);
		assert_in_range(r->phases[0].totals[EVAL_FAIL], 1, 5);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validate),        cmocka_unit_test(fill_in),
		cmocka_unit_test(bad_servers),     cmocka_unit_test(brief),
		cmocka_unit_test(wrong_citations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
