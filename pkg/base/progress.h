#pragma once

#include <stdint.h>

/* How modules tell what they are doing; only cmd/ decides what a person sees.
 * A NULL `struct progress *` is allowed everywhere. Events are borrowed for the call. */
enum progress_kind {
	PROGRESS_STEP, /* a step begins: `what` names it ("verify model") */
	PROGRESS_BYTES, /* `done` of `total` bytes (0: unknown) of `what` */
	PROGRESS_DONE, /* the step named `what` ended well; `detail` may say with what */
	PROGRESS_NOTE, /* something worth a line: `what`, and `detail` if not NULL */
	PROGRESS_CASE, /* one golden case ended: `what` is its id, `detail` its verdict */
	PROGRESS_WARN, /* something that the operator should know and may have to act on */
};

struct progress_event {
	enum progress_kind kind;
	const char *what, *detail;
	uint64_t done, total;
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
void progress_case(const struct progress *p, const char *id, const char *verdict);
