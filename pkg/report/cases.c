/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/progress_view.h"
#include "report/sanitize.h"
#include "json/json.h"

/* Golden cases, each as soon as it has ended: on a terminal the rows of one table, in a pipe a line
 * for each. */

enum {
	ID_LEAST = 12,
	ID_MOST = 40,
	SEVERITY = 8,
	VERDICT = 7,
	LATENCY = 9,
	PIPE_WIDTH = 100,
	TEXT_LINES = 12
};
#define UNDER "          " /* expected and got, under a row */

static size_t id_width(const struct report *r, const struct progress_case *c) {
	size_t rest = 6 + 2 + SEVERITY + 2 + VERDICT + 2 + LATENCY, most = ID_MOST;

	if (r->width > rest + ID_LEAST && r->width - rest < most)
		most = r->width - rest;
	return c->widest < ID_LEAST ? ID_LEAST : c->widest > most ? most : c->widest;
}

static void add_padded(const char *text, size_t width, struct buf *line) {
	struct buf cut CLEANUP(buf_done) = BUF_INIT(4096);

	sanitize_cut(text, width, &cut);
	(void) buf_printf(line, "%s%*s", buf_str(&cut),
			  (int) (width - sanitize_width(buf_str(&cut))), "");
}

static void heading(struct report *r, size_t id) {
	struct buf title CLEANUP(buf_done) = BUF_INIT(4096),
			 line CLEANUP(buf_done) = BUF_INIT(4096);

	(void) buf_printf(&title, "%-*s  %-*s  %-*s  %*s", (int) id, "case", SEVERITY, "severity",
			  VERDICT, "verdict", LATENCY, "latency");
	(void) buf_puts(&line, "      ");
	view_colored(r, "1", buf_str(&title), &line);
	view_line(r, false, buf_str(&line));
}

static void row(struct report *r, const struct progress_case *c, size_t width) {
	char *id CLEANUP(freep) = view_clean(c->id),
		 *verdict CLEANUP(freep) = view_clean(c->verdict);
	struct buf line CLEANUP(buf_done) = BUF_INIT(1 << 16);
	char took[TEXT_BYTES] = "-";

	if (c->latency_ms)
		text_format_ms(c->latency_ms, took);
	(void) buf_puts(&line, "      ");
	add_padded(id, width, &line);
	(void) buf_printf(&line, "  %-*s  ", SEVERITY, c->severity ? c->severity : "");
	view_colored(r, c->passed ? "32" : "31", verdict, &line);
	(void) buf_printf(&line, "%*s  %*s",
			  sanitize_width(verdict) < VERDICT
				  ? (int) (VERDICT - sanitize_width(verdict))
				  : 0,
			  "", LATENCY, took);
	view_line(r, false, buf_str(&line));
}

/* A text that came from a model, under the row of its case. */
static void text_under(struct report *r, const char *key, const char *text) {
	size_t columns = (r->width ? r->width : PIPE_WIDTH) - strlen(UNDER) - 10, shown = 0;
	const char *s = text && *text ? text : "(nothing)";

	while (s && shown < TEXT_LINES) {
		size_t n = strcspn(s, "\n");
		char *raw CLEANUP(freep) = mem_strndup(s, n),
			  *clean CLEANUP(freep) = view_clean(raw);
		const char *part = clean;
		do {
			size_t fits = sanitize_fit(part, columns);
			char *line CLEANUP(freep) = mem_printf(UNDER "%-8s  %.*s", shown ? "" : key,
							       (int) fits, part);
			for (size_t end = strlen(line); end && line[end - 1] == ' '; end--)
				line[end - 1] = 0;
			view_line(r, false, line);
			part += fits + strspn(part + fits, " ");
		} while (*part && ++shown < TEXT_LINES);
		shown++;
		s = s[n] && s[n + 1] ? s + n + 1 : NULL;
		if (shown >= TEXT_LINES && (s || *part))
			view_line(r, false, UNDER "          (more of it is in the evidence)");
	}
}

static void show_case(struct report *r, const struct progress_case *c) {
	size_t width = id_width(r, c);

	if (c->number <= 1 && r->mode == REPORT_TERMINAL)
		heading(r, width);
	row(r, c, width);
	if (c->passed)
		return;
	text_under(r, "expected", c->expected);
	text_under(r, "got", c->got);
}

void view_case(struct report *r, const struct progress_case *c) {
	if (r->mode == REPORT_JSON) {
		struct json *event CLEANUP(json_freep) = json_object();
		json_set_str(event, "id", c->id);
		json_set_str(event, "verdict", c->verdict);
		view_event(r, "case", event);
		return;
	}
	show_case(r, c);
	if (r->mode != REPORT_TERMINAL || !r->view->step)
		return;
	free(r->view->rest);
	r->view->rest = mem_printf("%zu of %zu", c->number, c->total);
	view_show_step(r, r->view->rest);
}
