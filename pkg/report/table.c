/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/progress_view.h"
#include "report/sanitize.h"

#define GAP 2
#define LEAST_WRAPPED 16 /* a narrower column is not wrapped */

/* A cell of a table, and how it is shown. */
struct cell {
	char *text; /* clean */
	const char *sgr;
};

static size_t total_of(const size_t *widths, size_t n) {
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += widths[i] + (i ? GAP : 0);
	return total;
}

/* Take columns away from the widest that may shrink, until all fit. */
static void squeeze(const struct report_column *columns, size_t *widths, size_t n, size_t width) {
	while (width && total_of(widths, n) > width) {
		size_t widest = n;
		for (size_t i = 0; i < n; i++)
			if (columns[i].fewest && widths[i] > columns[i].fewest &&
			    (widest == n || widths[i] > widths[widest]))
				widest = i;
		if (widest == n)
			return;
		widths[widest]--;
	}
}

static void add_cell(const struct report *r, const struct report_column *column,
		     const struct cell *c, size_t width, bool last, struct buf *line) {
	struct buf cut CLEANUP(buf_done) = BUF_INIT(1 << 20);

	sanitize_cut(c->text, width, &cut);
	size_t used = sanitize_width(buf_str(&cut));
	int blank = used < width ? (int) (width - used) : 0;
	if (column->right)
		(void) buf_printf(line, "%*s", blank, "");
	if (c->sgr)
		view_colored(r, c->sgr, buf_str(&cut), line);
	else
		(void) buf_puts(line, buf_str(&cut));
	if (!last)
		(void) buf_printf(line, "%*s", (column->right ? 0 : blank) + GAP, "");
}

static void end_row(struct report *r, struct buf *line) {
	while (line->len && line->data[line->len - 1] == ' ')
		line->data[--line->len] = 0;
	view_line(r, false, buf_str(line));
	buf_reset(line);
}

/* The last column is wrapped where it has the room for words; the others are cut. */
static void add_row(struct report *r, const struct report_column *columns, const size_t *widths,
		    size_t n, const struct cell *row) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(1 << 20);
	const struct report_column *last = &columns[n - 1];
	const char *rest = row[n - 1].text;
	size_t width = widths[n - 1];

	for (size_t i = 0; i + 1 < n; i++)
		add_cell(r, &columns[i], &row[i], widths[i], false, &line);
	while (!last->right && width >= LEAST_WRAPPED && sanitize_width(rest) > width) {
		size_t fits = sanitize_fit(rest, width);
		(void) buf_add(&line, rest, fits);
		end_row(r, &line);
		rest += fits + strspn(rest + fits, " ");
		(void) buf_printf(&line, "%*s", (int) (total_of(widths, n) - width), "");
	}
	const struct cell end = {(char *) (uintptr_t) rest, row[n - 1].sgr};
	add_cell(r, last, &end, width, true, &line);
	end_row(r, &line);
}

/* Widths that all rows agree on; the heading is row 0. */
static size_t *measure(const struct report *r, const struct report_column *columns, size_t n,
		       const struct cell *cells, size_t n_rows) {
	size_t *widths = mem_zalloc(n, sizeof *widths);

	for (size_t i = 0; i < n * n_rows; i++)
		if (sanitize_width(cells[i].text) > widths[i % n])
			widths[i % n] = sanitize_width(cells[i].text);
	squeeze(columns, widths, n, r->width);
	return widths;
}

static void cells_free(struct cell *cells, size_t n) {
	for (size_t i = 0; i < n; i++)
		free(cells[i].text);
	free(cells);
}

void report_table(struct report *r, const struct report_column *columns, size_t n_columns,
		  const char *const *cells, size_t n_rows) {
	size_t n = n_columns * (n_rows + 1);

	struct progress_view *held CLEANUP(view_release) = view_hold(r);

	(void) held;
	if (r->mode == REPORT_JSON || !n_columns)
		return;
	struct cell *all = mem_zalloc(n, sizeof *all);
	for (size_t i = 0; i < n; i++)
		all[i] = i < n_columns ? (struct cell){view_clean(columns[i].title), "1"}
				       : (struct cell){view_clean(cells[i - n_columns]), NULL};
	size_t *widths CLEANUP(freep) = measure(r, columns, n_columns, all, n_rows + 1);
	for (size_t i = 0; i <= n_rows; i++)
		add_row(r, columns, widths, n_columns, all + i * n_columns);
	cells_free(all, n);
}

/* One line of a pair's value, its other parts under the first where it is wrapped. */
static void pair_line(struct report *r, const char *key, size_t key_width, const char *text,
		      bool exact) {
	bool wraps = !exact && r->width > key_width + 2 + LEAST_WRAPPED;
	size_t columns = wraps ? r->width - key_width - 2 : SIZE_MAX;

	do {
		size_t fits = sanitize_fit(text, columns);
		char *line CLEANUP(freep) = mem_printf("%-*s  %.*s", (int) key_width, key,
						       (int) fits, text);
		for (size_t end = strlen(line); end && line[end - 1] == ' '; end--)
			line[end - 1] = 0;
		view_line(r, false, line);
		text += fits + strspn(text + fits, " ");
		key = "";
	} while (*text);
}

static void pair(struct report *r, const struct report_pair *p, size_t key_width) {
	const char *s = p->value, *key = p->key;
	bool command = false;

	while (s) {
		size_t n = strcspn(s, "\n");
		char *raw CLEANUP(freep) = mem_strndup(s, n),
			  *clean CLEANUP(freep) = view_clean(raw);
		bool goes_on = n && s[n - 1] == '\\';
		pair_line(r, key, key_width, clean, command || goes_on);
		command = goes_on;
		key = "";
		s = s[n] && s[n + 1] ? s + n + 1 : NULL;
	}
}

void report_pairs(struct report *r, const struct report_pair *pairs, size_t n) {
	struct progress_view *held CLEANUP(view_release) = view_hold(r);
	size_t widest = 0;

	(void) held;
	if (r->mode == REPORT_JSON)
		return;
	for (size_t i = 0; i < n; i++)
		if (pairs[i].value && strlen(pairs[i].key) > widest)
			widest = strlen(pairs[i].key);
	for (size_t i = 0; i < n; i++)
		if (pairs[i].value)
			pair(r, &pairs[i], widest);
}
