#pragma once

#include <stddef.h>

#include "base/err.h"

/* What is wrong with a file that a user wrote: all of it, in the order of the
 * file. Checkers add; cmd/ prints each on a line of its own and exits 3.
 *
 *     struct complaints c CLEANUP(complaints_done) = {0};
 */
struct complaint {
	char *file;
	int line, col;
	char *message;
};

struct complaints {
	struct complaint *at;
	size_t n, cap;
};

void complaints_done(struct complaints *c);
void complaints_add(struct complaints *c, struct pos at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Stable sort by file in order of first appearance, then line and column. */
void complaints_sort(struct complaints *c);
/* 0 if there is none, else ERR_SPEC: one complaint whole, or "N problems in 'FILE'". */
int complaints_result(struct complaints *c, struct err *e);
