/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What a model writes before its answer, for itself: <think>...</think> and its kin (docs/golden.md
 * lists them). It is no answer.
 *
 * Takes it out of `text`; *out is yours to free. False: it never ends, so that nobody knows where
 * the answer begins; *out is then not written. An end without a beginning ends what is before it:
 * many templates write the beginning into the prompt. */
bool eval_without_reasoning(const char *text, char **out);

/* Does the text speak of reasoning's own marks? An assertion on those looks at the whole of what
 * came. */
bool eval_names_reasoning(const char *text);
