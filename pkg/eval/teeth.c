/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/teeth.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

/* Wrong answers to nearly every question, each a sentence. No word, no digit and no two characters
 * in a row are in all of them. */
static const char *const sentences[] = {
	"The moon is 384,400 km away from us, give or take.",
	"Blue whales sing, yet nobody knows why.",
	"Put two cups of flour in, stir it, bake for one hour.",
	"My cousin lost his umbrella on Tuesday.",
	"Jazz began in New Orleans.",
	"Zwei Kaffee, bitte, und ein Glas Wasser.",
	"Photosynthesis turns light into green things.",
	"Foxes sleep under hedges.",
};
#define N_SENTENCES (sizeof sentences / sizeof *sentences)

static const char lines[] = "- Violins\n- Drums\n\n  1. a kazoo, if need be\n\nthat is all";

/* Longer than a limit on an answer's length is likely to be. */
static void lengthy(struct buf *out) {
	while (out->len < 20000)
		for (size_t i = 0; i < N_SENTENCES; i++)
			(void) buf_printf(out, "%s\n", sentences[i]);
}

static bool passes(const struct eval_assertion *a, const char *text) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct eval_findings found = {.arena = arena};
	struct eval_answer answer = {.text = text,
				     .len = strlen(text),
				     .whole = text,
				     .finish_reason = "stop"};

	eval_assertion_check(a, &answer, &found);
	return !found.n;
}

/* Also on those that a rule on the form of an answer (one line, so many characters) would sort out.
 * Most end at the first sentence. */
static bool decides(const struct eval_assertion *a, bool wanted) {
	struct buf long_one CLEANUP(buf_done) = BUF_INIT(1 << 16);

	for (size_t i = 0; i < N_SENTENCES; i++)
		if (passes(a, sentences[i]) != wanted)
			return true;
	lengthy(&long_one);
	return passes(a, lines) != wanted || passes(a, buf_str(&long_one)) != wanted;
}

static int check_alone(const struct eval_assertion *a, struct err *e) {
	const char *kind = eval_assertion_kind(a), *shown = a->values.n ? a->values.at[0] : kind;

	if (eval_assertion_is_aside(a))
		return 0;
	if (eval_assertion_seeks(a) && !decides(a, true))
		return err_set(e, ERR_SPEC, "%s: '%.100s' matches every answer: it decides nothing",
			       kind, shown);
	if (!strncmp(kind, "not_", 4) && !decides(a, false))
		return err_set(e, ERR_SPEC, "%s: '%.100s' matches every answer: it can never pass",
			       kind, shown);
	return 0;
}

static bool all_pass(const struct eval_question *q, const char *text) {
	for (size_t i = 0; i < q->n_asserts; i++)
		if (!eval_assertion_is_aside(&q->asserts[i]) && !passes(&q->asserts[i], text))
			return false;
	return true;
}

int eval_has_teeth(const struct eval_question *q, struct err *e) {
	bool seeks = false;

	for (size_t i = 0; i < q->n_asserts; i++) {
		if (check_alone(&q->asserts[i], e))
			return err_wrap(e, "assertion %zu", i + 1);
		seeks = seeks || eval_assertion_seeks(&q->asserts[i]);
	}
	for (size_t i = 0; seeks && i < N_SENTENCES; i++)
		if (!all_pass(q, sentences[i]))
			return 0;
	if (!seeks) /* pkg/spec says so, with its place */
		return 0;
	return err_set(
		e, ERR_SPEC,
		"sentences that have nothing in common all pass it (\"%s\"): it decides nothing",
		sentences[3]);
}
