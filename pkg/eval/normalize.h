/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Text as people read it, for comparisons; docs/golden.md has it in words.
 *
 * NFKC, without what Unicode calls ignorable (joiners, soft hyphens, marks of direction); every
 * apostrophe and single quote is ', every double one ", every hyphen, dash and minus -, every space
 * a blank; blanks and line breaks in a row are one blank, at the ends none; a backslash before one
 * of the emphasis marks * _ ` ~ goes. */
enum eval_normalize {
	EVAL_PLAIN = 0,
	EVAL_FOLD = 1,  /* capitals do not matter (Unicode case folding) */
	EVAL_LINES = 2, /* line breaks stay, one for several */
	EVAL_GAPS = 4,  /* a zero-width space is a blank, and not nothing */
	/* without the emphasis marks at the borders of words, and double ones inside */
	EVAL_EMPHASIS = 8,
	EVAL_BARE = 16, /* without any emphasis mark */
	EVAL_ENDS = 32, /* blanks at an end are one blank, and not none */
};
char *eval_normalize(const char *s, size_t n, unsigned how); /* yours to free */

/* Nothing but blanks, what cannot be seen, and emphasis marks. */
bool eval_is_blank(const char *s, size_t n);

/* How a text is looked for. A blank at its border stands for the border of a word: " 5 minutes" is
 * not in "15 minutes". What is looked for with emphasis marks of its own ("**", "*.log") is looked
 * for with them. */
struct eval_search {
	bool fold;  /* as EVAL_FOLD */
	bool whole; /* it is all of the answer */
	/* it must not be there: however it is disguised, by marks inside of words as well */
	bool forbidden;
};
bool eval_says(const char *answer, size_t n, const char *text, const struct eval_search *how);
