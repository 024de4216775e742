/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/golden_set.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/crypto.h"
#include "eval/teeth.h"
#include "json/json.h"

#define CASES_MAX 1000
#define ASSERTS_MAX 64
#define ATTEMPTS_MAX 100
#define TOKENS_MAX 65536
#define TIMEOUT_MAX_MS (60 * 60 * 1000)

static int read_number(const struct json *j, const char *key, int64_t min, int64_t max,
		       int64_t *out, struct err *e) {
	int64_t v;

	if (!json_int(j, key, &v))
		return err_set(e, ERR_SPEC, "'%s' is missing, or not a whole number", key);
	if (v < min || v > max)
		return err_set(e, ERR_SPEC, "'%s' is %lld, not from %lld to %lld", key,
			       (long long) v, (long long) min, (long long) max);
	*out = v;
	return 0;
}

static int read_severity(const struct json *j, enum eval_severity *out, struct err *e) {
	const char *s = json_str(j, "severity");

	for (enum eval_severity v = EVAL_BLOCKER; s && v <= EVAL_INFO; v++)
		if (!strcmp(s, eval_severity_name(v))) {
			*out = v;
			return 0;
		}
	return err_set(e, ERR_SPEC, "'severity' is none of blocker, major, info");
}

static int read_messages(const struct json *j, struct eval_question *q, struct err *e) {
	q->messages = json_get(j, "messages");
	q->prompt = json_str(j, "prompt");
	if (!q->messages == !q->prompt)
		return err_set(e, ERR_SPEC, "either 'messages' or 'prompt' must be there");
	if (q->prompt)
		return *q->prompt ? 0 : err_set(e, ERR_SPEC, "'prompt' is empty");
	if (!json_is_array(q->messages) || !json_count(q->messages))
		return err_set(e, ERR_SPEC, "'messages' is empty");
	for (const struct json *m = json_first(q->messages); m; m = json_next(m))
		if (!json_str(m, "role") || !json_str(m, "content"))
			return err_set(e, ERR_SPEC, "a message without role and content");
	return 0;
}

static int read_asserts(const struct json *list, struct arena *arena, struct eval_question *q,
			struct err *e) {
	size_t n = json_count(list);

	if (!json_is_array(list) || !n)
		return err_set(e, ERR_SPEC, "no assertion: every answer would pass");
	if (n > ASSERTS_MAX)
		return err_set(e, ERR_SPEC, "more than %d assertions", ASSERTS_MAX);
	q->asserts = arena_zalloc(arena, n, sizeof *q->asserts);
	for (const struct json *row = json_first(list); row; row = json_next(row)) {
		if (eval_assertion_init(row, arena, &q->asserts[q->n_asserts], e))
			return err_wrap(e, "assertion %zu", q->n_asserts + 1);
		q->n_asserts++;
	}
	return 0;
}

static int read_question(const struct json *j, struct arena *arena, struct eval_question *q,
			 struct err *e) {
	int64_t timeout_ms = 0;

	if (read_severity(j, &q->severity, e) ||
	    read_messages(j, q, e) ||
	    read_number(j, "max_tokens", 1, TOKENS_MAX, &q->max_tokens, e) ||
	    read_number(j, "seed", 0, INT32_MAX, &q->seed, e) ||
	    read_number(j, "attempts", 1, ATTEMPTS_MAX, &q->attempts, e) ||
	    read_number(j, "timeout_ms", 1, TIMEOUT_MAX_MS, &timeout_ms, e) ||
	    read_asserts(json_get(j, "assert"), arena, q, e))
		return -1;
	q->timeout_ms = (uint64_t) timeout_ms;
	return 0;
}

static int read_questions(struct eval_golden_set *s, const struct json *cases, struct err *e) {
	size_t blockers = 0;

	if (!json_is_array(cases) || !json_count(cases))
		return err_set(e, ERR_SPEC, "no cases");
	if (json_count(cases) > CASES_MAX)
		return err_set(e, ERR_SPEC, "more than %d cases", CASES_MAX);
	s->questions = arena_zalloc(s->arena, json_count(cases), sizeof *s->questions);
	for (const struct json *c = json_first(cases); c; c = json_next(c)) {
		struct eval_question *q = &s->questions[s->n++];
		q->id = json_str(c, "id");
		if (!q->id || !*q->id)
			return err_set(e, ERR_SPEC, "case %zu has no id", s->n);
		for (size_t i = 0; i + 1 < s->n; i++)
			if (!strcmp(s->questions[i].id, q->id))
				return err_set(e, ERR_SPEC, "two cases are '%.60s'", q->id);
		if (read_question(c, s->arena, q, e) ||
		    eval_has_teeth(q, e))
			return err_wrap(e, "case '%.60s'", q->id);
		blockers += q->severity == EVAL_BLOCKER;
	}
	return blockers
		? 0
		: err_set(e, ERR_SPEC, "no case is a blocker: nothing in it can fail the gate");
}

int eval_golden_set_new(const struct json *golden, struct eval_golden_set **out, struct err *e) {
	struct eval_golden_set *s CLEANUP(eval_golden_set_freep) = mem_zalloc(1, sizeof *s);
	struct buf text CLEANUP(buf_done) = BUF_INIT(16 << 20);

	s->arena = arena_new();
	s->tree = json_copy(golden);
	s->name = json_str(s->tree, "name");
	if (!s->name)
		return err_set(e, ERR_SPEC, "golden set without a name");
	if (json_canonical(s->tree, &text, e) ||
	    read_questions(s, json_get(s->tree, "cases"), e)) {
		e->code = ERR_SPEC;
		return err_wrap(e, "golden set '%.60s'", s->name);
	}
	sha256_of(buf_str(&text), text.len, s->sha256);
	*out = STEAL(s);
	return 0;
}

void eval_golden_set_free(struct eval_golden_set *s) {
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->questions[i].n_asserts; k++)
			eval_assertion_done(&s->questions[i].asserts[k]);
	json_free(s->tree);
	arena_free(s->arena);
	free(s);
}

void eval_golden_set_freep(struct eval_golden_set **s) {
	eval_golden_set_free(*s);
}

int eval_check(const struct json *golden, struct err *e) {
	struct eval_golden_set *s CLEANUP(eval_golden_set_freep) = NULL;

	return eval_golden_set_new(golden, &s, e);
}
