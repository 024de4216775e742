/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* What is wrong with a file that a user wrote: all of it, in the order of the
 * file. Checkers add; cmd/ prints each on a line of its own and exits 3.
 *
 *     struct diagnostics c CLEANUP(diagnostics_done) = {0};
 */
struct diagnostic {
	char *file;
	int line, col;
	char *message;
};

struct diagnostics {
	struct diagnostic *at;
	size_t n, cap;
};

void diagnostics_done(struct diagnostics *c);
void diagnostics_add(struct diagnostics *c, struct pos at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Stable sort by file in order of first appearance, then line and column. */
void diagnostics_sort(struct diagnostics *c);
/* 0 if there is none, else ERR_SPEC: one diagnostic whole, or "N problems in 'FILE'". */
int diagnostics_result(struct diagnostics *c, struct err *e);
