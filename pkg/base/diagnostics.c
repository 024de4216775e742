/* SPDX-License-Identifier: Apache-2.0 */
#include "base/diagnostics.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void diagnostics_done(struct diagnostics *c) {
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++) {
		free(c->at[i].file);
		free(c->at[i].message);
	}
	free(c->at);
	*c = (struct diagnostics){0};
}

void diagnostics_add(struct diagnostics *c, struct pos at, const char *fmt, ...) {
	va_list ap;
	char *text = NULL;

	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 8;
		c->at = mem_grow(c->at, c->cap, sizeof *c->at);
	}
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = mem_strdup("?");
	va_end(ap);
	c->at[c->n++] = (struct diagnostic){.file = mem_strdup(at.file ? at.file : "?"),
					    .line = at.line,
					    .col = at.col,
					    .message = text};
}

static size_t first_of(const struct diagnostics *c, const char *file) {
	size_t i = 0;

	while (strcmp(c->at[i].file, file))
		i++;
	return i;
}

static int later(const struct diagnostics *c, const struct diagnostic *a,
		 const struct diagnostic *b) {
	size_t fa = first_of(c, a->file), fb = first_of(c, b->file);

	if (fa != fb)
		return fa > fb;
	return a->line != b->line ? a->line > b->line : a->col > b->col;
}

/* Insertion: the lists are short, nearly sorted, and must stay stable. */
void diagnostics_sort(struct diagnostics *c) {
	for (size_t i = 1; i < c->n; i++) {
		struct diagnostic x = c->at[i];
		size_t j = i;
		for (; j > 0 && later(c, &c->at[j - 1], &x); j--)
			c->at[j] = c->at[j - 1];
		c->at[j] = x;
	}
}

int diagnostics_result(struct diagnostics *c, struct err *e) {
	if (!c->n)
		return 0;
	diagnostics_sort(c);
	if (c->n == 1)
		return err_at(e, (struct pos){c->at[0].file, c->at[0].line, c->at[0].col}, "%s",
			      c->at[0].message);
	return err_set(e, ERR_SPEC, "%zu problems in '%s'", c->n, c->at[0].file);
}
