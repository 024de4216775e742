/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "eval/golden_set.h"

struct endpoint_reply;

/* What an answer is worth. Strings of *out live in the arena.
 *
 * INVALID comes before every assertion: no JSON, no text, a blank text, a text of more than 64 KiB,
 * an end by anything but a natural one (what the case's own finish_reason assertion names is
 * natural too). */
void eval_verdict_of(const struct eval_question *q, const struct endpoint_reply *reply,
		     struct arena *arena, struct eval_attempt *out);

/* An attempt that has no answer: ERROR, with the reason. */
void eval_verdict_missing(const char *why, struct arena *arena, struct eval_attempt *out);
