/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/progress_view.h"
#include "report/sanitize.h"
#include "json/json.h"

enum { FURTHER = 2 }; /* how much deeper a further line of a message begins */

/* One message, as an event and, or else, as a line behind `head`. */
static void say(struct report *r, bool to_err, const char *head, const char *sgr, const char *event,
		const char *key, const char *text) {
	struct progress_view *held CLEANUP(view_release) = view_hold(r);
	char *clean CLEANUP(freep) = view_clean(text);

	(void) held;
	if (r->mode == REPORT_JSON) {
		struct json *j CLEANUP(json_freep) = json_object();
		json_set_str(j, key, clean);
		view_event(r, event, j);
	}
	if (r->mode == REPORT_JSON && !to_err)
		return;
	char *indent CLEANUP(freep) = mem_printf("%*s", (int) strspn(clean, " ") + FURTHER, "");
	view_text(r, to_err, head, sgr, clean, indent);
}

__attribute__((format(printf, 1, 0))) static char *vtext(const char *fmt, va_list ap) {
	char *s = NULL;

	return vasprintf(&s, fmt, ap) < 0 ? mem_strdup("") : s;
}

void report_clear(struct report *r) {
	if (r->mode != REPORT_TERMINAL)
		return;
	(void) fputs("\033[H\033[2J", r->out);
	(void) fflush(r->out);
}

void report_line(struct report *r, const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	char *text CLEANUP(freep) = vtext(fmt, ap);
	va_end(ap);
	say(r, false, "", "0", "note", "what", text);
}

/* Tabs are harmless where nothing has to line up. */
static void add_line(const char *s, size_t n, struct buf *out) {
	for (size_t i = 0, len; i < n; i += len + 1) {
		const char *tab = memchr(s + i, '\t', n - i);
		len = tab ? (size_t) (tab - s) - i : n - i;
		sanitize_clean(s + i, len, out);
		if (tab)
			(void) buf_putc(out, '\t');
	}
}

void report_text(struct report *r, const char *text, size_t n) {
	struct buf clean CLEANUP(buf_done) = BUF_INIT(64U << 20);
	struct json *j CLEANUP(json_freep) = json_object();

	struct progress_view *held CLEANUP(view_release) = view_hold(r);

	(void) held;
	for (size_t i = 0, len; i < n; i += len + 1) {
		const char *newline = memchr(text + i, '\n', n - i);
		len = newline ? (size_t) (newline - text) - i : n - i;
		add_line(text + i, len, &clean);
		if (i + len + 1 < n)
			(void) buf_putc(&clean, '\n');
	}
	if (r->mode != REPORT_JSON) {
		view_line(r, false, buf_str(&clean));
		return;
	}
	json_set_str(j, "text", buf_str(&clean));
	view_event(r, "text", j);
}

void report_warning(struct report *r, const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	char *text CLEANUP(freep) = vtext(fmt, ap);
	va_end(ap);
	say(r, true, "llmdeploy: warning: ", "33", "warning", "message", text);
}

static void diagnostic_event(struct report *r, const struct diagnostic *c) {
	struct json *j CLEANUP(json_freep) = json_object();

	json_set_str(j, "file", c->file);
	if (c->line) {
		json_set_int(j, "line", c->line);
		json_set_int(j, "column", c->col);
	}
	json_set_str(j, "message", c->message);
	view_event(r, "complaint", j);
}

void report_diagnostics(struct report *r, const struct diagnostics *c) {
	struct progress_view *held CLEANUP(view_release) = view_hold(r);

	(void) held;
	for (size_t i = 0; i < c->n; i++) {
		const struct diagnostic *one = &c->at[i];
		char *text = mem_printf("%s:%d:%d: %s", one->file, one->line, one->col,
					one->message);
		char *clean CLEANUP(freep) = view_clean(text);

		if (r->mode == REPORT_JSON)
			diagnostic_event(r, one);
		view_text(r, true, "", "0", clean, "  ");
		free(r->view->diagnostic);
		r->view->diagnostic = text;
	}
}

static const char *name_of(enum err_code code) {
	static const char *const names[] = {
#define X(id, status, name) [id] = name,
		ERR_CODES(X)
#undef X
	};

	return names[code];
}

void report_error(struct report *r, const struct err *e) {
	struct progress_view *held CLEANUP(view_release) = view_hold(r);
	char *clean CLEANUP(freep) = view_clean(e->msg);
	const char *said = held->diagnostic;

	/* What was stopped did not fail. */
	view_close_step(r, e->code == ERR_INTERRUPTED ? "stop" : "FAIL", NULL);
	if (r->mode == REPORT_JSON) {
		struct json *j CLEANUP(json_freep) = json_object();
		json_set_str(j, "code", name_of(e->code));
		json_set_int(j, "status", err_exit_status(e->code));
		json_set_str(j, "message", clean);
		view_event(r, "error", j);
	}
	if (said && !strncmp(said, e->msg, sizeof e->msg - 1))
		return;
	view_text(r, true, "llmdeploy: ", "31", clean, "  ");
}

void report_result(struct report *r, const struct json *result) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64U << 20),
			line CLEANUP(buf_done) = BUF_INIT(128U << 20);

	struct progress_view *held CLEANUP(view_release) = view_hold(r);

	(void) held;
	if (r->mode != REPORT_JSON)
		return;
	json_print(result, &text);
	sanitize_redact(buf_str(&text), text.len, &line);
	view_line(r, false, buf_str(&line));
}
