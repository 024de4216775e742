#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "report/report.h"

struct buf;
struct json;

/* What the files of this folder share. */

struct report_state {
	uint64_t started_ms;
	char *step; /* the open one; NULL: none */
	uint64_t step_ms;
	bool moving; /* there is a line without an end on the terminal */
	char *complaint; /* the last one shown */
	struct meter { /* of the bytes that are going on */
		char *what;
		uint64_t first_ms, first_done; /* where the average begins */
		uint64_t shown_ms;
	} meter;
};

/* A finished line: clean text, a newline added; the line that moves makes room. To r->out, or r->err if `to_err`. */
void state_line(struct report *r, bool to_err, const char *line);
/* Replace the line that moves; terminal only. */
void state_move(struct report *r, const char *line);
void state_clear(struct report *r);
/* One event, with its time; `event` is the call's. */
void state_event(struct report *r, const char *name, struct json *event);
/* Show the open step as `word` and forget it. */
void state_close_step(struct report *r, const char *word, const char *detail);
/* The text in colour (an SGR number), where there is colour. */
void state_colored(const struct report *r, const char *sgr, const char *text, struct buf *out);
/* Clean form of a text; yours to free. NULL gives "". */
char *state_clean(const char *s);
uint64_t state_now(const struct report *r);
