/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/progress_view.h"

enum { BAR_MIN = 20, BAR_MAX = 72, FRAME = 2 };

static char mark_of(const struct report_part *p) {
	return p->mark ? p->mark : (char) toupper((unsigned char) *p->name);
}

static uint64_t sum_of(const struct report_part *parts, size_t n) {
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += parts[i].size;
	return sum;
}

/* Where the share `at` of `all` lies on a bar of so many cells. */
static size_t cell_of(uint64_t at, uint64_t all, size_t cells) {
	return all ? (size_t) ((double) at / (double) all * (double) cells + 0.5) : 0;
}

/* "[WWWWWWKKC....|..]" */
static void draw(const struct report *r, const struct report_part *parts, size_t n, uint64_t whole,
		 size_t cells, struct buf *line) {
	uint64_t sum = sum_of(parts, n), all = sum > whole ? sum : whole, at = 0;
	size_t end = sum > whole ? cell_of(whole, all, cells) : cells + 1, from = 0;

	(void) buf_putc(line, '[');
	for (size_t i = 0; i < n; i++) {
		char letters[BAR_MAX + 1];
		size_t to = cell_of(at += parts[i].size, all, cells), len = 0;
		for (; from < to; from++)
			letters[len++] = from == end ? '|' : mark_of(&parts[i]);
		letters[len] = 0;
		view_colored(r, parts[i].sgr, letters, line);
	}
	(void) buf_printf(line, "%*s]", (int) (cells - from), "");
}

static void legend(struct report *r, const struct report_part *parts, size_t n) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(4096);
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		char size[TEXT_BYTES], mark[2] = {mark_of(&parts[i]), 0};
		if (!parts[i].size)
			continue;
		text_format_bytes(parts[i].size, size);
		size_t wide = strlen(parts[i].name) + strlen(size) + 5;
		if (used && used + wide > r->width) {
			view_line(r, false, buf_str(&line));
			buf_reset(&line);
			used = 0;
		}
		(void) buf_puts(&line, used ? "  " : " ");
		view_colored(r, parts[i].sgr, mark, &line);
		(void) buf_printf(&line, " %s %s", parts[i].name, size);
		used += wide;
	}
	if (used)
		view_line(r, false, buf_str(&line));
}

void report_budget(struct report *r, const struct report_part *parts, size_t n, uint64_t whole) {
	size_t cells = r->width > BAR_MAX + FRAME ? BAR_MAX
		: r->width > BAR_MIN + FRAME      ? r->width - FRAME
						  : BAR_MIN;
	struct buf line CLEANUP(buf_done) = BUF_INIT(4096);

	if (r->mode != REPORT_TERMINAL || !n)
		return;
	draw(r, parts, n, whole, cells, &line);
	view_line(r, false, buf_str(&line));
	legend(r, parts, n);
}
