/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "eval/eval.h"

struct eval_pattern;
struct json;

/* One row of a case's "assert" list, compiled; and its judgement of an answer. */

struct eval_strings {
	const char **at;
	size_t n;
};

struct eval_kind;
struct eval_assertion {
	const struct eval_kind *kind;
	struct eval_strings values;            /* texts; the phrases of abstain; finish reasons */
	struct eval_strings required, allowed; /* citations */
	struct eval_pattern *pattern;          /* owned: eval_assertion_done */
	/* citations, distinct ids; -1: no bound. latency_ms: max */
	int64_t min, max;
	bool wanted; /* abstain: required, not forbidden */
};

struct eval_answer {
	const char *text; /* without the model's reasoning; not blank, UTF-8 */
	size_t len;
	/* with it, for assertions that are about reasoning's marks; NULL: the same */
	const char *whole;
	const char *finish_reason;
	uint64_t latency_ms;
};

/* Where a judgement puts what did not hold. */
struct eval_findings {
	struct arena *arena;
	struct eval_failure at[32]; /* more are counted by nobody: one is enough to fail */
	size_t n;
};

#define EVAL_ANSWER_MAX (64 << 10) /* bytes of an answer; a longer one is invalid */
#define EVAL_SHOWN 240             /* bytes of an expectation or an answer in a finding */

/* Strings live in the arena, borrowed from it. ERR_SPEC: what is wrong with the row. On -1 *out
 * needs no done. */
int eval_assertion_init(const struct json *row, struct arena *arena, struct eval_assertion *out,
			struct err *e);
void eval_assertion_done(struct eval_assertion *a);
void eval_assertion_check(const struct eval_assertion *a, const struct eval_answer *answer,
			  struct eval_findings *out);

/* Is it of a kind that looks for something in the answer, and would fail where that is not
 * there? */
bool eval_assertion_seeks(const struct eval_assertion *a);
/* Is it about how the answer came (latency, finish_reason), and not about what it says? */
bool eval_assertion_is_aside(const struct eval_assertion *a);
const char *eval_assertion_kind(const struct eval_assertion *a);

/* Does any finish_reason assertion of the list name this reason? */
bool eval_assertion_names_end(const struct eval_assertion *list, size_t n, const char *reason);
void eval_find(struct eval_findings *out, const char *assertion, const char *expected,
	       const char *got);
