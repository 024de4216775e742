/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How modules tell what they are doing; only cmd/ decides what a person sees.
 * A NULL `struct progress *` is allowed everywhere. Events are borrowed for the call. */
enum progress_kind {
	PROGRESS_STEP,  /* a step begins: `what` names it ("verify model") */
	PROGRESS_BYTES, /* `done` of `total` bytes (0: unknown) of `what` */
	PROGRESS_DONE,  /* the step named `what` ended well; `detail` may say with what */
	PROGRESS_NOTE,  /* something worth a line: `what`, and `detail` if not NULL */
	PROGRESS_CASE,  /* one golden case ended: `one` */
	PROGRESS_WARN,  /* something that the operator should know and may have to act on */
	/* what the open step waits for now: `what` ("loading the model"); `detail`: how that is
	 * known, for machines */
	PROGRESS_STATE,
};

/* A golden case that ended, with its place in the set. */
struct progress_case {
	const char *id, *verdict; /* "PASS", "FAIL", ... */
	const char *severity;     /* or NULL */
	bool passed;
	uint64_t latency_ms;        /* 0: no answer came */
	const char *expected, *got; /* of one that did not pass; any text, or NULL */
	/* number: from 1; widest: bytes of the longest id of the set */
	size_t number, total, widest;
};

struct progress_event {
	enum progress_kind kind;
	const char *what, *detail;
	uint64_t done, total;
	const struct progress_case *one;
};

struct progress {
	void (*tell)(void *ctx, const struct progress_event *ev);
	void *ctx;
};

void progress_step(const struct progress *p, const char *what);
void progress_bytes(const struct progress *p, const char *what, uint64_t done, uint64_t total);
void progress_done(const struct progress *p, const char *what, const char *detail);
void progress_note(const struct progress *p, const char *what, const char *detail);
void progress_warn(const struct progress *p, const char *what, const char *detail);
void progress_case(const struct progress *p, const struct progress_case *one);
void progress_state(const struct progress *p, const char *what, const char *detail);
