/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/progress.h"

struct diagnostics;
struct err;
struct json;

/* All that a person or a pipeline sees. Three modes:
 *
 * terminal  steps with the time they took, one line that moves for what is going on, tables cut to
 * the width plain     the same lines without colour or movement, for a pipe or a log; nothing is
 * cut json      one event a line, {"event":"step",...}, and at the end the command's result as one
 * object
 *
 * Everything goes to `out`, but errors, warnings and diagnostics to `err`; in json mode those are
 * events on `out` as well. Whatever text comes in, control characters, broken UTF-8 and direction
 * marks leave escaped, so that a model's answer cannot speak to the terminal; and what has
 * the form of a secret (user and password of a URL, "Bearer ...", "hf_...") leaves as "***". */
enum report_mode { REPORT_TERMINAL, REPORT_PLAIN, REPORT_JSON };

struct report {
	enum report_mode mode;
	bool color;
	size_t width;             /* columns; 0: do not cut */
	struct progress progress; /* &r.progress is for the modules */
	uint64_t (*now_ms)(void); /* monotonic */
	FILE *out, *err;
	struct progress_view *view;
};

/* `json`: the user said --json. Else a terminal if `out` is one and TERM is not "dumb". Colour: a
 * terminal, and NO_COLOR is not set. The report must not move while modules hold its progress. */
void report_init(struct report *r, FILE *out, FILE *err, bool json);
/* Clears the line that moves; a step that is still open is shown as it is. The streams stay
 * open. */
void report_done(struct report *r);

/* From here on nobody who looks is left without a word: a terminal's line counts the seconds of the
 * open step, a pipe gets a line after 20 s of silence, json an event
 * {"event":"waiting","what":...,"took_ms":...}. By a thread, until report_done. */
void report_pulse(struct report *r);
/* What the thread does each second. */
void report_beat(struct report *r);

/* An empty screen; terminal only. */
void report_clear(struct report *r);

/* One line, or one {"event":"note","what":...}. */
void report_line(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Many lines as they are (an answer, a log, a file), each made safe to show; one
 * {"event":"text","text":...}. */
void report_text(struct report *r, const char *text, size_t n);
/* "llmdeploy: warning: ..." */
void report_warning(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "file:line:col: message", all of them, in their order. */
void report_diagnostics(struct report *r, const struct diagnostics *c);
/* "llmdeploy: ...": once, at the end. The open step is shown as failed. What was just said as a
 * diagnostic is not said again. */
void report_error(struct report *r, const struct err *e);
/* The command's result, json mode only: one line, as it is. */
void report_result(struct report *r, const struct json *result);

/* Rows under a heading; on a terminal the last column is wrapped, the others are cut, where they do
 * not fit. In json mode nothing: the result is what counts there. */
struct report_column {
	const char *title;
	bool right;    /* numbers */
	size_t fewest; /* never cut below this; 0: never cut */
};

/* `cells`: rows one after the other; NULL is empty. */
void report_table(struct report *r, const struct report_column *columns, size_t n_columns,
		  const char *const *cells, size_t n_rows);

/* A picture of a budget: one bar, a letter of each part for its share, and under it what the
 * letters mean. Terminal only: a pipe has the table. Where the parts are more than `whole`, the bar
 * is as long as they are, and a mark stands where `whole` ends. */
struct report_part {
	const char *name; /* its first letter, in capitals, is drawn unless `mark` is given */
	char mark;        /* 0: the letter */
	const char *sgr;  /* colour, where there is colour */
	uint64_t size;
};

void report_budget(struct report *r, const struct report_part *parts, size_t n, uint64_t whole);

struct report_pair {
	/* value NULL: the pair is left out; of several lines: each under the first. A command of
	 * several lines (each but the last ends in a backslash) is never wrapped. */
	const char *key, *value;
};

void report_pairs(struct report *r, const struct report_pair *pairs, size_t n);
