/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "report/report.h"

struct buf;
struct json;

/* What the files of this folder share. */

struct progress_view {
	uint64_t started_ms;
	char *step; /* the open one; NULL: none */
	uint64_t step_ms;
	char *rest;        /* what stands behind the step in the line that moves */
	char *waits;       /* what the step waits for ("loading the model"); NULL: not said */
	uint64_t waits_ms; /* since when */
	bool moving;       /* there is a line without an end on the terminal */
	char *diagnostic;  /* the last one shown */
	/* when something was last shown; when by anything but the pulse */
	uint64_t shown_ms, said_ms;
	bool wraps_err; /* errors and warnings go to the terminal, too */
	struct meter {  /* of the bytes that are going on */
		char *what;
		uint64_t first_ms, first_done; /* where the average begins */
		uint64_t shown_ms;
	} meter;
	/* Everything above, the streams too: the pulse comes from a thread of its own.
	 * Recursive. */
	pthread_mutex_t mutex;
	pthread_cond_t ended;
	pthread_t pulse;
	bool beats, ends;
};

/* Held until it goes out of scope: struct progress_view *held CLEANUP(view_release) =
 * view_hold(r); */
struct progress_view *view_hold(struct report *r);
void view_release(struct progress_view **s);

/* "..    step  rest", where the terminal's line moves. */
void view_show_step(struct report *r, const char *rest);
/* What is waited for, there, with or without a step; `took`: "12 s", or NULL. */
void view_show_waits(struct report *r, const char *took);
/* A golden case that ended. */
void view_case(struct report *r, const struct progress_case *c);
/* The thread of report_pulse, if there is one, is over. */
void view_end_pulse(struct report *r);
/* A finished line: clean text, a newline added; the line that moves is stopped first. To r->out, or
 * r->err if `to_err`. */
void view_line(struct report *r, bool to_err, const char *line);
/* Replace the line that moves; terminal only. */
void view_move(struct report *r, const char *line);
void view_clear(struct report *r);
/* One event, with its time; `event` is the call's. */
void view_event(struct report *r, const char *name, struct json *event);
/* Show the open step as `word` and forget it. */
void view_close_step(struct report *r, const char *word, const char *detail);
/* A text that may be longer than a line: wrapped where it goes to a terminal, each further line
 * behind `indent`. */
void view_text(struct report *r, bool to_err, const char *head, const char *sgr, const char *text,
	       const char *indent);
/* The text in colour (an SGR number), where there is colour. */
void view_colored(const struct report *r, const char *sgr, const char *text, struct buf *out);
/* Clean form of a text; yours to free. NULL gives "". */
char *view_clean(const char *s);
uint64_t view_now(const struct report *r);
