/* SPDX-License-Identifier: Apache-2.0 */
#include "report/progress_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/sanitize.h"
#include "json/json.h"

#define TEXT_MAX (64U << 20)

uint64_t view_now(const struct report *r) {
	return r->now_ms() - r->view->started_ms;
}

char *view_clean(const char *s) {
	struct buf b = BUF_INIT(TEXT_MAX);

	if (s)
		sanitize_clean(s, strlen(s), &b);
	return buf_steal(&b);
}

struct progress_view *view_hold(struct report *r) {
	(void) pthread_mutex_lock(&r->view->mutex);
	return r->view;
}

void view_release(struct progress_view **s) {
	(void) pthread_mutex_unlock(&(*s)->mutex);
}

void view_show_step(struct report *r, const char *rest) {
	char *step CLEANUP(freep) = view_clean(r->view->step),
		   *more CLEANUP(freep) = view_clean(rest);
	char *line CLEANUP(freep) = mem_printf("..    %s%s%s", step, more[0] ? "  " : "", more);

	view_move(r, line);
}

void view_show_waits(struct report *r, const char *took) {
	const struct progress_view *s = r->view;
	char *waits CLEANUP(freep) = view_clean(s->waits          ? s->waits
							: s->step ? ""
								  : "still working");
	char *time CLEANUP(freep) = !took ? mem_strdup("")
		: *waits                  ? mem_printf(" (%s)", took)
					  : mem_strdup(took);
	char *rest CLEANUP(freep) = mem_printf("%s%s%s%s", s->rest ? s->rest : "",
					       s->rest ? "  " : "", waits, time);

	if (s->step) {
		view_show_step(r, rest);
		return;
	}
	char *line CLEANUP(freep) = mem_printf("..    %s", rest);
	view_move(r, line);
}

void view_clear(struct report *r) {
	if (!r->view->moving)
		return;
	(void) fputs("\r\033[K", r->out);
	(void) fflush(r->out);
	r->view->moving = false;
}

void view_line(struct report *r, bool to_err, const char *line) {
	FILE *to = to_err ? r->err : r->out;

	view_clear(r);
	(void) fprintf(to, "%s\n", line);
	(void) fflush(to);
	r->view->shown_ms = r->view->said_ms = view_now(r);
}

void view_text(struct report *r, bool to_err, const char *head, const char *sgr, const char *text,
	       const char *indent) {
	bool wraps = r->mode == REPORT_TERMINAL && (!to_err || r->view->wraps_err);
	size_t width = wraps && r->width ? r->width : SIZE_MAX, first = sanitize_width(head);
	struct buf line CLEANUP(buf_done) = BUF_INIT(TEXT_MAX);

	view_colored(r, sgr, head, &line);
	for (const char *s = text;;) {
		size_t n = sanitize_fit(s, width > first ? width - first : 1);
		(void) buf_add(&line, s, n);
		view_line(r, to_err, buf_str(&line));
		s += n + strspn(s + n, " ");
		if (!*s)
			return;
		buf_reset(&line);
		(void) buf_puts(&line, indent);
		first = sanitize_width(indent);
	}
}

void view_move(struct report *r, const char *line) {
	struct buf cut CLEANUP(buf_done) = BUF_INIT(TEXT_MAX);

	sanitize_cut(line, r->width ? r->width - 1 : 79, &cut);
	(void) fprintf(r->out, "\r\033[K%s", buf_str(&cut));
	(void) fflush(r->out);
	r->view->moving = true;
}

void view_event(struct report *r, const char *name, struct json *event) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(TEXT_MAX),
			line CLEANUP(buf_done) = BUF_INIT(2UL * TEXT_MAX);
	struct json *whole CLEANUP(json_freep) = json_object();

	json_set_str(whole, "event", name);
	json_set_int(whole, "ms", (int64_t) view_now(r));
	for (struct json *c = json_first(event); c; c = json_next(c))
		json_set(whole, json_key(c), json_copy(c));
	json_print(whole, &text);
	sanitize_redact(buf_str(&text), text.len, &line);
	(void) fprintf(r->out, "%s\n", buf_str(&line));
	(void) fflush(r->out);
	r->view->shown_ms = r->view->said_ms = view_now(r);
}

void view_colored(const struct report *r, const char *sgr, const char *text, struct buf *out) {
	if (r->color && text[0])
		(void) buf_printf(out, "\033[%sm%s\033[0m", sgr, text);
	else
		(void) buf_puts(out, text);
}

/* "ok    verify model  1.24 s  detail" */
static void step_line(struct report *r, const char *word, const char *what, const uint64_t *took_ms,
		      const char *detail) {
	char *clean CLEANUP(freep) = view_clean(what), *more CLEANUP(freep) = view_clean(detail);
	struct buf line CLEANUP(buf_done) = BUF_INIT(TEXT_MAX);
	const char *sgr = !strcmp(word, "ok") ? "32" : !strcmp(word, "FAIL") ? "31" : "2";
	char took[TEXT_BYTES];

	(void) buf_printf(&line, "%*s%s", (int) (6 - strlen(word)), "", clean);
	if (took_ms) {
		text_format_ms(*took_ms, took);
		(void) buf_printf(&line, "  %s", took);
	}
	if (more[0])
		(void) buf_printf(&line, "  %s", more);
	view_text(r, false, word, sgr, buf_str(&line), "        ");
}

void view_close_step(struct report *r, const char *word, const char *detail) {
	struct progress_view *s = r->view;
	char *what CLEANUP(freep) = STEAL(s->step);

	free(STEAL(s->meter.what));
	free(STEAL(s->rest));
	free(STEAL(s->waits));
	if (!what)
		return;
	uint64_t took = view_now(r) - s->step_ms;
	if (r->mode != REPORT_JSON) {
		step_line(r, word, what, &took, detail);
		return;
	}
	struct json *event CLEANUP(json_freep) = json_object();
	json_set_str(event, "what", what);
	json_set_str(event, "detail", detail);
	json_set_int(event, "took_ms", (int64_t) took);
	view_event(r,
		   !strcmp(word, "ok")             ? "done"
			   : !strcmp(word, "FAIL") ? "failed"
						   : "left",
		   event);
}
