/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/progress_view.h"
#include "report/sanitize.h"
#include "json/json.h"

#define MOVE_EVERY_MS 100   /* terminal */
#define EVENT_EVERY_MS 1000 /* json */
#define LINE_EVERY_MS 10000 /* plain */
#define BAR 16
#define INDENT "      " /* under the name of a step */

static void tell(void *ctx, const struct progress_event *ev);

static size_t width_of(FILE *out) {
	const char *columns = getenv("COLUMNS");
	struct winsize w;
	uint64_t n;

	if (!ioctl(fileno(out), TIOCGWINSZ, &w) && w.ws_col >= 20)
		return w.ws_col;
	return columns && text_u64(columns, &n) && n >= 20 && n <= 1000 ? (size_t) n : 80;
}

static void mutex_init(pthread_mutex_t *m) {
	pthread_mutexattr_t kind;

	(void) pthread_mutexattr_init(&kind);
	(void) pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
	(void) pthread_mutex_init(m, &kind);
	(void) pthread_mutexattr_destroy(&kind);
}

void report_init(struct report *r, FILE *out, FILE *err, bool json) {
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	bool terminal = fileno(out) >= 0 && isatty(fileno(out)) && term &&
		strcmp(term, "dumb") != 0;

	*r = (struct report){.out = out, .err = err, .now_ms = clock_mono_ms};
	r->mode = json ? REPORT_JSON : terminal ? REPORT_TERMINAL : REPORT_PLAIN;
	r->color = r->mode == REPORT_TERMINAL && !(no_color && no_color[0]);
	r->width = r->mode == REPORT_TERMINAL ? width_of(out) : 0;
	r->progress = (struct progress){tell, r};
	r->view = mem_zalloc(1, sizeof *r->view);
	r->view->started_ms = r->now_ms();
	r->view->wraps_err = r->mode == REPORT_TERMINAL && fileno(err) >= 0 && isatty(fileno(err));
	mutex_init(&r->view->mutex);
	(void) pthread_cond_init(&r->view->ended, NULL);
}

void report_done(struct report *r) {
	if (!r->view)
		return;
	view_end_pulse(r);
	view_close_step(r, "..", NULL);
	view_clear(r);
	(void) pthread_cond_destroy(&r->view->ended);
	(void) pthread_mutex_destroy(&r->view->mutex);
	free(r->view->diagnostic);
	free(r->view->rest);
	free(r->view->waits);
	free(r->view->meter.what);
	free(r->view);
	r->view = NULL;
}

static void on_step(struct report *r, const struct progress_event *ev) {
	view_close_step(r, "..", NULL);
	r->view->step = mem_strdup(ev->what);
	r->view->step_ms = view_now(r);
	if (r->mode == REPORT_TERMINAL)
		view_show_step(r, NULL);
	if (r->mode != REPORT_JSON)
		return;
	struct json *event CLEANUP(json_freep) = json_object();
	json_set_str(event, "what", ev->what);
	view_event(r, "step", event);
}

/* A step that nobody began takes no time. */
static void on_done(struct report *r, const struct progress_event *ev) {
	if (!r->view->step || strcmp(r->view->step, ev->what) != 0) {
		view_close_step(r, "..", NULL);
		r->view->step = mem_strdup(ev->what);
		r->view->step_ms = view_now(r);
	}
	view_close_step(r, "ok", ev->detail);
}

/* A new transfer begins its own average; one that is resumed counts from where it was. */
static struct meter *meter_for(struct report *r, const struct progress_event *ev) {
	struct meter *m = &r->view->meter;

	if (!m->what || strcmp(m->what, ev->what) != 0 || ev->done < m->first_done) {
		free(m->what);
		*m = (struct meter){.what = mem_strdup(ev->what),
				    .first_ms = view_now(r),
				    .first_done = ev->done,
				    .shown_ms = view_now(r)};
	}
	return m;
}

static uint64_t rate_of(const struct meter *m, uint64_t now, uint64_t done) {
	uint64_t ms = now - m->first_ms;

	return ms ? (uint64_t) ((double) (done - m->first_done) * 1000.0 / (double) ms) : 0;
}

/* "[########        ]  50 %  20.0 MB/s  2.50 s left  50.0 MB of 100 MB": what can be missed last,
 * where a narrow terminal cuts. */
static void describe(const struct progress_event *ev, uint64_t rate, bool bar, struct buf *out) {
	char done[TEXT_BYTES], total[TEXT_BYTES], speed[TEXT_BYTES], left[TEXT_BYTES];
	unsigned percent = 0;

	text_format_bytes(ev->done, done);
	text_format_bytes(ev->total, total);
	text_format_bytes(rate, speed);
	if (ev->total)
		percent = ev->done >= ev->total
			? 100
			: (unsigned) ((double) ev->done * 100.0 / (double) ev->total);
	if (ev->total && bar)
		(void) buf_printf(out, "[%-*.*s]  ", BAR, (int) (percent * BAR / 100),
				  "################");
	if (ev->total)
		(void) buf_printf(out, "%u %%  ", percent);
	if (rate)
		(void) buf_printf(out, "%s/s  ", speed);
	if (rate && ev->total > ev->done) {
		double ms = (double) (ev->total - ev->done) * 1000.0 / (double) rate;
		text_format_ms(ms < 3.6e8 ? (uint64_t) ms : 360000000, left);
		(void) buf_printf(out, "%s left  ", left);
	}
	(void) buf_printf(out, "%s%s%s", done, ev->total ? " of " : "", ev->total ? total : "");
}

static void show_bytes(struct report *r, const struct progress_event *ev, uint64_t rate) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);
	char *what CLEANUP(freep) = view_clean(ev->what);
	const char *step = r->view->step;

	describe(ev, rate, r->mode == REPORT_TERMINAL, &text);
	bool named = step && !strcmp(step, ev->what);
	if (r->mode == REPORT_TERMINAL && step) {
		char *rest CLEANUP(freep) = mem_printf("%s%s%s", named ? "" : what,
						       named ? "" : "  ", buf_str(&text));
		view_show_step(r, rest);
		return;
	}
	char *line CLEANUP(freep) = mem_printf("%s%s  %s",
					       r->mode == REPORT_TERMINAL ? "..    " : INDENT, what,
					       buf_str(&text));
	if (r->mode == REPORT_TERMINAL)
		view_move(r, line);
	else
		view_line(r, false, line);
}

static void on_bytes(struct report *r, const struct progress_event *ev) {
	static const uint64_t every[] = {[REPORT_TERMINAL] = MOVE_EVERY_MS,
					 [REPORT_PLAIN] = LINE_EVERY_MS,
					 [REPORT_JSON] = EVENT_EVERY_MS};
	struct meter *m = meter_for(r, ev);
	uint64_t now = view_now(r);

	if (now - m->shown_ms < every[r->mode])
		return;
	m->shown_ms = now;
	if (r->mode != REPORT_JSON) {
		show_bytes(r, ev, rate_of(m, now, ev->done));
		return;
	}
	struct json *event CLEANUP(json_freep) = json_object();
	json_set_str(event, "what", ev->what);
	json_set(event, "done", json_number((double) ev->done));
	json_set(event, "total", json_number((double) ev->total));
	json_set(event, "bytes_per_s", json_number((double) rate_of(m, now, ev->done)));
	view_event(r, "bytes", event);
}

static void on_note(struct report *r, const struct progress_event *ev) {
	char *text CLEANUP(freep) = mem_printf("%s%s%s", ev->what, ev->detail ? ": " : "",
					       ev->detail ? ev->detail : "");

	report_line(r, "%s%s", r->mode == REPORT_JSON ? "" : INDENT, text);
}

static void on_warn(struct report *r, const struct progress_event *ev) {
	report_warning(r, "%s%s%s", ev->what, ev->detail ? ": " : "", ev->detail ? ev->detail : "");
}

static void on_case(struct report *r, const struct progress_event *ev) {
	view_case(r, ev->one);
}

/* What a machine reads stays as it was known; a person is told what it means, once. */
static void on_state(struct report *r, const struct progress_event *ev) {
	struct progress_view *s = r->view;

	if (r->mode == REPORT_JSON) {
		report_line(r, "%s", ev->detail ? ev->detail : ev->what);
		return;
	}
	if (s->waits && !strcmp(s->waits, ev->what))
		return;
	free(s->waits);
	s->waits = mem_strdup(ev->what);
	s->waits_ms = view_now(r);
	if (r->mode == REPORT_TERMINAL)
		view_show_waits(r, NULL);
	else
		report_line(r, INDENT "%s", s->waits);
}

static void tell(void *ctx, const struct progress_event *ev) {
	static void (*const on[])(struct report *, const struct progress_event *) = {
		[PROGRESS_STEP] = on_step,   [PROGRESS_BYTES] = on_bytes, [PROGRESS_DONE] = on_done,
		[PROGRESS_NOTE] = on_note,   [PROGRESS_CASE] = on_case,   [PROGRESS_WARN] = on_warn,
		[PROGRESS_STATE] = on_state,
	};
	struct report *r = ctx;
	struct progress_view *held CLEANUP(view_release) = view_hold(r);

	(void) held;
	on[ev->kind](r, ev);
}
