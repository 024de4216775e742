/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "eval/assertion.h"

struct err;
struct json;

/* A golden set, compiled: every field checked, every assertion ready to judge. */
struct eval_question {
	const char *id;
	enum eval_severity severity;
	const struct json *messages; /* or */
	const char *prompt;
	int64_t max_tokens, seed, attempts;
	uint64_t timeout_ms;
	struct eval_assertion *asserts;
	size_t n_asserts;
};

struct eval_golden_set {
	const char *name;
	char sha256[65]; /* of the canonical JSON */
	struct eval_question *questions;
	size_t n;
	struct json *tree; /* a copy: what is borrowed above is from here or from the arena */
	struct arena *arena;
};

int eval_golden_set_new(const struct json *golden, struct eval_golden_set **out, struct err *e);
void eval_golden_set_free(struct eval_golden_set *s);
void eval_golden_set_freep(struct eval_golden_set **s);
