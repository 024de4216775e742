/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/assertion.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "eval/normalize.h"
#include "eval/pattern.h"
#include "eval/reasoning.h"
#include "probe/excerpt.h"
#include "json/json.h"

struct eval_kind {
	const char *name;
	int (*compile)(const struct json *row, struct arena *arena, struct eval_assertion *a,
		       struct err *e);
	void (*check)(const struct eval_assertion *a, const struct eval_answer *answer,
		      struct eval_findings *out);
	enum { SEEKS, FORBIDS, EITHER, ASIDE } sense; /* EITHER: abstain, citations */
};

/* Findings */

void eval_find(struct eval_findings *out, const char *assertion, const char *expected,
	       const char *got) {
	char shown[2][EVAL_SHOWN];

	if (out->n == sizeof out->at / sizeof *out->at)
		return;
	out->at[out->n++] = (struct eval_failure){
		.assertion = arena_strdup(out->arena, assertion),
		.expected = arena_strdup(out->arena,
					 probe_excerpt(expected, strlen(expected), shown[0],
						       EVAL_SHOWN)),
		.got = arena_strdup(out->arena,
				    probe_excerpt(got, strlen(got), shown[1], EVAL_SHOWN)),
	};
}

static void list(struct buf *b, const struct eval_strings *s, const char *quote,
		 const char *between) {
	for (size_t i = 0; i < s->n; i++)
		(void) buf_printf(b, "%s%s%.100s%s", i ? between : "", quote, s->at[i], quote);
}

/* "VERB "a" BETWEEN "b"" against the answer. */
static void find_values(const struct eval_assertion *a, const char *verb,
			const struct eval_strings *values, const char *between,
			const struct eval_answer *answer, struct eval_findings *out) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	(void) buf_puts(&b, verb);
	list(&b, values, "\"", between);
	eval_find(out, a->kind->name, buf_str(&b), answer->text);
}

/* Compiling */

/* Nothing is left of it as it is compared: blanks, zero-width spaces. Emphasis marks are looked for
 * as they are. */
static bool is_empty(const char *s) {
	char *words CLEANUP(freep) = eval_normalize(s, strlen(s), EVAL_PLAIN);

	return !*words;
}

static int strings(const struct json *row, const char *key, struct arena *arena,
		   struct eval_strings *out, struct err *e) {
	const struct json *j = json_get(row, key);
	size_t n = json_count(j);

	if (j && !json_is_array(j))
		return err_set(e, ERR_SPEC, "'%s' is not a list", key);
	out->at = arena_zalloc(arena, n + 1, sizeof *out->at);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_text(json_at(j, i));
		if (!s || is_empty(s))
			return err_set(e, ERR_SPEC,
				       "'%s' has an empty text, which is in every answer", key);
		if (strlen(s) > EVAL_ANSWER_MAX)
			return err_set(e, ERR_SPEC,
				       "'%s' has a text of more than %d KiB, which is in no answer",
				       key, EVAL_ANSWER_MAX >> 10);
		out->at[i] = arena_strdup(arena, s);
	}
	out->n = n;
	return 0;
}

static int compile_values(const struct json *row, struct arena *arena, struct eval_assertion *a,
			  struct err *e) {
	if (strings(row, "values", arena, &a->values, e))
		return -1;
	if (!a->values.n)
		return err_set(e, ERR_SPEC, "no values to look for");
	return 0;
}

static int compile_finish(const struct json *row, struct arena *arena, struct eval_assertion *a,
			  struct err *e) {
	if (compile_values(row, arena, a, e))
		return -1;
	for (size_t i = 0; i < a->values.n; i++)
		if (!strcmp(a->values.at[i], "length"))
			return err_set(e, ERR_SPEC,
				       "'length' can never pass: a cut answer is invalid");
	return 0;
}

static int compile_pattern(const char *text, struct eval_assertion *a, struct err *e) {
	if (!text || !*text)
		return err_set(e, ERR_SPEC, "no pattern");
	if (eval_pattern_new(text, &a->pattern, e))
		return err_wrap(e, "pattern '%.100s'", text);
	return 0;
}

static int compile_regex(const struct json *row, struct arena *arena, struct eval_assertion *a,
			 struct err *e) {
	if (compile_values(row, arena, a, e))
		return -1;
	return compile_pattern(a->values.at[0], a, e);
}

static int compile_nothing(const struct json *row, struct arena *arena, struct eval_assertion *a,
			   struct err *e) {
	(void) row;
	(void) arena;
	(void) a;
	(void) e;
	return 0;
}

static bool among(const struct eval_strings *s, const char *text, size_t n) {
	for (size_t i = 0; i < s->n; i++)
		if (strlen(s->at[i]) == n && !memcmp(s->at[i], text, n))
			return true;
	return false;
}

/* Ids as they are compared. */
static void as_words(struct eval_strings *s, struct arena *arena) {
	for (size_t i = 0; i < s->n; i++) {
		char *words CLEANUP(freep) = eval_normalize(s->at[i], strlen(s->at[i]),
							    EVAL_EMPHASIS);
		s->at[i] = arena_strdup(arena, words);
	}
}

static int compile_citations(const struct json *row, struct arena *arena, struct eval_assertion *a,
			     struct err *e) {
	a->min = json_int_or(row, "min", -1);
	a->max = json_int_or(row, "max", -1);
	if (strings(row, "required", arena, &a->required, e) ||
	    strings(row, "allowed", arena, &a->allowed, e) ||
	    compile_pattern(json_str(row, "pattern"), a, e))
		return -1;
	if (eval_pattern_groups(a->pattern) != 1)
		return err_set(e, ERR_SPEC, "pattern '%.100s' must have one group, around the id",
			       json_str(row, "pattern"));
	if (a->max >= 0 && (a->min > a->max || (int64_t) a->required.n > a->max))
		return err_set(e, ERR_SPEC,
			       "at most %lld ids allowed, more asked for: it can never pass",
			       (long long) a->max);
	as_words(&a->required, arena);
	as_words(&a->allowed, arena);
	for (size_t i = 0; i < a->required.n; i++)
		if (!among(&a->allowed, a->required.at[i], strlen(a->required.at[i])))
			return err_set(e, ERR_SPEC,
				       "'%.60s' is required and not allowed: it can never pass",
				       a->required.at[i]);
	return 0;
}

static int compile_abstain(const struct json *row, struct arena *arena, struct eval_assertion *a,
			   struct err *e) {
	const char *mode = json_str(row, "mode");

	if (!mode || (strcmp(mode, "required") != 0 && strcmp(mode, "forbidden") != 0))
		return err_set(e, ERR_SPEC, "'mode' is neither 'required' nor 'forbidden'");
	a->wanted = !strcmp(mode, "required");
	if (strings(row, "phrases", arena, &a->values, e))
		return -1;
	if (!a->values.n)
		return err_set(e, ERR_SPEC, "no phrases that mark an abstention");
	return 0;
}

static int compile_latency(const struct json *row, struct arena *arena, struct eval_assertion *a,
			   struct err *e) {
	(void) arena;
	a->max = json_int_or(row, "max", 0);
	return a->max > 0 ? 0 : err_set(e, ERR_SPEC, "no limit in milliseconds");
}

/* Judging */

/* What is looked at for `text`: an assertion about reasoning's marks would find none in what is
 * left without them. */
static const char *looked_at(const struct eval_answer *answer, const char *text) {
	return answer->whole && eval_names_reasoning(text) ? answer->whole : answer->text;
}

static bool says(const struct eval_answer *answer, const char *text,
		 const struct eval_search *how) {
	const char *in = looked_at(answer, text);

	return eval_says(in, strlen(in), text, how);
}

static void check_all(const struct eval_assertion *a, const struct eval_answer *answer,
		      struct eval_findings *out) {
	struct eval_strings missing = {.at = arena_zalloc(out->arena, a->values.n, sizeof(char *))};

	for (size_t i = 0; i < a->values.n; i++)
		if (!says(answer, a->values.at[i], &(struct eval_search){0}))
			missing.at[missing.n++] = a->values.at[i];
	if (missing.n)
		find_values(a, "contains ", &missing, " and ", answer, out);
}

static void check_any(const struct eval_assertion *a, const struct eval_answer *answer,
		      struct eval_findings *out) {
	for (size_t i = 0; i < a->values.n; i++)
		if (says(answer, a->values.at[i], &(struct eval_search){0}))
			return;
	find_values(a, "contains ", &a->values, " or ", answer, out);
}

static void check_none(const struct eval_assertion *a, const struct eval_answer *answer,
		       struct eval_findings *out) {
	struct eval_strings found = {.at = arena_zalloc(out->arena, a->values.n, sizeof(char *))};

	for (size_t i = 0; i < a->values.n; i++)
		if (says(answer, a->values.at[i], &(struct eval_search){.forbidden = true}))
			found.at[found.n++] = a->values.at[i];
	if (found.n)
		find_values(a, "does not contain ", &found, " or ", answer, out);
}

static void check_equals(const struct eval_assertion *a, const struct eval_answer *answer,
			 struct eval_findings *out) {
	for (size_t i = 0; i < a->values.n; i++)
		if (says(answer, a->values.at[i],
			 &(struct eval_search){.fold = true, .whole = true}))
			return;
	find_values(a, "equals ", &a->values, " or ", answer, out);
}

static void find_pattern(const struct eval_assertion *a, const char *verb, const char *got,
			 struct eval_findings *out) {
	char expected[EVAL_SHOWN];

	(void) snprintf(expected, sizeof expected, "%s /%.200s/", verb, a->values.at[0]);
	eval_find(out, a->kind->name, expected, got);
}

/* As it came, and as people read it; for what must not match also without emphasis. MATCHES where
 * one of these does. */
static enum eval_match match_any_form(const struct eval_assertion *a, const char *text,
				      bool forbidden) {
	static const unsigned forms[] = {EVAL_LINES, EVAL_LINES | EVAL_EMPHASIS,
					 EVAL_LINES | EVAL_BARE, EVAL_LINES | EVAL_GAPS};
	enum eval_match worst = eval_pattern_match(a->pattern, text, strlen(text));

	for (size_t i = 0; worst != EVAL_MATCHES && i < (forbidden ? 4 : 1); i++) {
		char *words CLEANUP(freep) = eval_normalize(text, strlen(text), forms[i]);
		enum eval_match m = eval_pattern_match(a->pattern, words, strlen(words));
		worst = m == EVAL_MATCHES_NOT ? worst : m;
	}
	return worst;
}

/* A pattern that gave up has decided nothing, and so holds for neither kind. */
static void check_pattern(const struct eval_assertion *a, const char *verb, enum eval_match wanted,
			  const struct eval_answer *answer, struct eval_findings *out) {
	const char *in = looked_at(answer, a->values.at[0]);
	enum eval_match m = match_any_form(a, in, wanted == EVAL_MATCHES_NOT);

	if (m == EVAL_GAVE_UP)
		find_pattern(a, verb, "undecided: the pattern reached its limit of steps", out);
	else if (m != wanted)
		find_pattern(a, verb, answer->text, out);
}

static void check_regex(const struct eval_assertion *a, const struct eval_answer *answer,
			struct eval_findings *out) {
	check_pattern(a, "matches", EVAL_MATCHES, answer, out);
}

static void check_not_regex(const struct eval_assertion *a, const struct eval_answer *answer,
			    struct eval_findings *out) {
	check_pattern(a, "does not match", EVAL_MATCHES_NOT, answer, out);
}

static void check_json(const struct eval_assertion *a, const struct eval_answer *answer,
		       struct eval_findings *out) {
	struct buf expected CLEANUP(buf_done) = BUF_INIT(EVAL_SHOWN);
	struct err why = {0};

	if (!json_check(answer->text, answer->len, &why))
		return;
	(void) buf_printf(&expected, "is JSON, all of it (%s)", why.msg);
	eval_find(out, a->kind->name, buf_str(&expected), answer->text);
}

/* Distinct ids in the order of their first mention. */
struct cited {
	struct arena *arena;
	struct eval_strings ids;
	size_t size;
};

static void cite(void *ctx, const char *s, size_t n) {
	struct cited *c = ctx;
	char *id CLEANUP(freep) = eval_normalize(s, n, EVAL_EMPHASIS);

	if (*id && c->ids.n < c->size && !among(&c->ids, id, strlen(id)))
		c->ids.at[c->ids.n++] = arena_strdup(c->arena, id);
}

/* In the answer as it came, and as people read it. */
static enum eval_match cite_all(const struct eval_assertion *a, const struct eval_answer *answer,
				struct cited *c) {
	char *words CLEANUP(freep) = eval_normalize(answer->text, answer->len,
						    EVAL_LINES | EVAL_EMPHASIS);

	if (eval_pattern_each(a->pattern, answer->text, answer->len, cite, c) == EVAL_GAVE_UP)
		return EVAL_GAVE_UP;
	return eval_pattern_each(a->pattern, words, strlen(words), cite, c);
}

static void find_citations(const struct eval_assertion *a, const char *expected,
			   const struct eval_strings *wanted, const struct cited *c,
			   const struct eval_answer *answer, struct eval_findings *out) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(65536), got CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) buf_puts(&b, expected);
	if (wanted)
		list(&b, wanted, "", ", ");
	(void) buf_puts(&got, c->ids.n ? "cites " : "cites nothing");
	list(&got, &c->ids, "", ", ");
	(void) buf_printf(&got, ": %s", answer->text);
	eval_find(out, a->kind->name, buf_str(&b), buf_str(&got));
}

static void check_citations(const struct eval_assertion *a, const struct eval_answer *answer,
			    struct eval_findings *out) {
	struct cited c = {.arena = out->arena,
			  .size = 1000,
			  .ids.at = arena_zalloc(out->arena, 1000, sizeof(char *))};
	struct eval_strings missing = {
		.at = arena_zalloc(out->arena, a->required.n + 1, sizeof(char *))};
	bool foreign = false;
	char bound[64];

	if (cite_all(a, answer, &c) == EVAL_GAVE_UP) {
		eval_find(out, a->kind->name, "citations that can be counted",
			  "undecided: the pattern reached its limit");
		return;
	}
	for (size_t i = 0; i < a->required.n; i++)
		if (!among(&c.ids, a->required.at[i], strlen(a->required.at[i])))
			missing.at[missing.n++] = a->required.at[i];
	for (size_t i = 0; i < c.ids.n; i++)
		foreign |= !among(&a->allowed, c.ids.at[i], strlen(c.ids.at[i]));
	if (missing.n)
		find_citations(a, "cites ", &missing, &c, answer, out);
	if (foreign)
		find_citations(a, a->allowed.n ? "cites only " : "cites nothing", &a->allowed, &c,
			       answer, out);
	(void) snprintf(bound, sizeof bound, "cites at least %lld", (long long) a->min);
	if (!missing.n && (int64_t) c.ids.n < a->min)
		find_citations(a, bound, NULL, &c, answer, out);
	(void) snprintf(bound, sizeof bound, "cites at most %lld", (long long) a->max);
	if (a->max >= 0 && (int64_t) c.ids.n > a->max)
		find_citations(a, bound, NULL, &c, answer, out);
}

static void check_abstain(const struct eval_assertion *a, const struct eval_answer *answer,
			  struct eval_findings *out) {
	const struct eval_search how = {.fold = true, .forbidden = !a->wanted};
	bool abstains = false;

	for (size_t i = 0; i < a->values.n; i++)
		abstains = abstains || eval_says(answer->text, answer->len, a->values.at[i], &how);
	if (abstains != a->wanted)
		eval_find(out, a->kind->name, a->wanted ? "abstains" : "answers, does not abstain",
			  answer->text);
}

static void check_latency(const struct eval_assertion *a, const struct eval_answer *answer,
			  struct eval_findings *out) {
	char expected[64], got[64];

	if (answer->latency_ms <= (uint64_t) a->max)
		return;
	(void) snprintf(expected, sizeof expected, "within %lld ms", (long long) a->max);
	(void) snprintf(got, sizeof got, "%llu ms", (unsigned long long) answer->latency_ms);
	eval_find(out, a->kind->name, expected, got);
}

static void check_finish(const struct eval_assertion *a, const struct eval_answer *answer,
			 struct eval_findings *out) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	if (among(&a->values, answer->finish_reason, strlen(answer->finish_reason)))
		return;
	(void) buf_puts(&b, "ends by ");
	list(&b, &a->values, "'", " or ");
	eval_find(out, a->kind->name, buf_str(&b), answer->finish_reason);
}

static const struct eval_kind kinds[] = {
	{"contains", compile_values, check_all, SEEKS},
	{"contains_all", compile_values, check_all, SEEKS},
	{"contains_any", compile_values, check_any, SEEKS},
	{"not_contains", compile_values, check_none, FORBIDS},
	{"equals", compile_values, check_equals, SEEKS},
	{"regex", compile_regex, check_regex, SEEKS},
	{"not_regex", compile_regex, check_not_regex, FORBIDS},
	{"json", compile_nothing, check_json, SEEKS},
	{"citations", compile_citations, check_citations, EITHER},
	{"abstain", compile_abstain, check_abstain, EITHER},
	{"latency_ms", compile_latency, check_latency, ASIDE},
	{"finish_reason", compile_finish, check_finish, ASIDE},
};

int eval_assertion_init(const struct json *row, struct arena *arena, struct eval_assertion *out,
			struct err *e) {
	const char *name = json_str(row, "kind");
	struct eval_assertion a = {.min = -1, .max = -1};

	for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kinds[i].name, name))
			a.kind = &kinds[i];
	if (!a.kind)
		return err_set(e, ERR_SPEC, "unknown kind '%.60s'", name ? name : "");
	if (a.kind->compile(row, arena, &a, e)) {
		eval_assertion_done(&a);
		return err_wrap(e, "%s", name);
	}
	*out = a;
	return 0;
}

void eval_assertion_done(struct eval_assertion *a) {
	eval_pattern_free(a->pattern);
	a->pattern = NULL;
}

void eval_assertion_check(const struct eval_assertion *a, const struct eval_answer *answer,
			  struct eval_findings *out) {
	a->kind->check(a, answer, out);
}

bool eval_assertion_names_end(const struct eval_assertion *list_, size_t n, const char *reason) {
	for (size_t i = 0; i < n; i++)
		if (list_[i].kind->check == check_finish &&
		    among(&list_[i].values, reason, strlen(reason)))
			return true;
	return false;
}

bool eval_assertion_seeks(const struct eval_assertion *a) {
	if (a->kind->sense != EITHER)
		return a->kind->sense == SEEKS;
	return a->wanted || a->required.n || a->min > 0;
}

bool eval_assertion_is_aside(const struct eval_assertion *a) {
	return a->kind->sense == ASIDE;
}

const char *eval_assertion_kind(const struct eval_assertion *a) {
	return a->kind->name;
}
