/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "report/progress_view.h"
#include "json/json.h"

/* Design: modules report when something changes, and some of their waits are long: a watch, a
 * drain, a container that stops, an answer. None of them knows when something was last shown. So
 * one thread looks each second, and says how long the open step has taken. */

#define BEAT_MS 1000
#define STEP_QUIET_MS 3000  /* before a terminal says that something goes on without a step */
#define PIPE_QUIET_MS 20000 /* a pipe is never silent for 30 s */
#define TRANSFER_MS 5000    /* a transfer that moves says more than its time */

static char *seconds(uint64_t ms) {
	unsigned long long s = ms / 1000;

	return s < 60 ? mem_printf("%llu s", s) : mem_printf("%llu m %02llu s", s / 60, s % 60);
}

/* What is waited for: the part of a step where one is named, else the step. */
static const char *waits_for(const struct progress_view *s) {
	if (s->waits)
		return s->waits;
	return s->step ? s->step : "still working";
}

static uint64_t waited_ms(const struct report *r) {
	const struct progress_view *s = r->view;
	uint64_t since = s->waits ? s->waits_ms : s->step ? s->step_ms : s->said_ms;

	return view_now(r) - since;
}

static void beat_terminal(struct report *r) {
	const struct progress_view *s = r->view;
	uint64_t waited = waited_ms(r);

	if (waited < (s->step || s->waits ? BEAT_MS : STEP_QUIET_MS))
		return;
	if (s->meter.what && view_now(r) - s->meter.shown_ms < TRANSFER_MS)
		return;
	char *took CLEANUP(freep) = seconds(waited);
	view_show_waits(r, took);
}

static void beat_json(struct report *r) {
	struct json *event CLEANUP(json_freep) = json_object();

	json_set_str(event, "what", waits_for(r->view));
	json_set_int(event, "took_ms", (int64_t) waited_ms(r));
	view_event(r, "waiting", event);
}

static void beat_plain(struct report *r) {
	char *clean CLEANUP(freep) = view_clean(waits_for(r->view));
	char *took CLEANUP(freep) = seconds(waited_ms(r));
	char *line CLEANUP(freep) = mem_printf("      %s (%s)", clean, took);

	view_line(r, false, line);
}

void report_beat(struct report *r) {
	struct progress_view *s CLEANUP(view_release) = view_hold(r);
	uint64_t said = s->said_ms;

	if (r->mode == REPORT_TERMINAL)
		beat_terminal(r);
	else if (view_now(r) - s->shown_ms < PIPE_QUIET_MS)
		return;
	else if (r->mode == REPORT_JSON)
		beat_json(r);
	else
		beat_plain(r);
	s->said_ms = said;
}

static void *beat(void *ctx) {
	struct report *r = ctx;
	struct progress_view *s CLEANUP(view_release) = view_hold(r);

	while (!s->ends) {
		uint64_t next = clock_mono_ms() + BEAT_MS;
		struct timespec at = {(time_t) (next / 1000), (long) (next % 1000) * 1000000};
		if (pthread_cond_clockwait(&s->ended, &s->mutex, CLOCK_MONOTONIC, &at) && !s->ends)
			report_beat(r);
	}
	return NULL;
}

/* Signals are the command's own. */
void report_pulse(struct report *r) {
	sigset_t all, before;

	if (r->view->beats)
		return;
	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	r->view->beats = !pthread_create(&r->view->pulse, NULL, beat, r);
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void view_end_pulse(struct report *r) {
	struct progress_view *s = r->view;

	if (!s->beats)
		return;
	(void) pthread_mutex_lock(&s->mutex);
	s->ends = true;
	(void) pthread_cond_signal(&s->ended);
	(void) pthread_mutex_unlock(&s->mutex);
	(void) pthread_join(s->pulse, NULL);
	s->beats = false;
}
