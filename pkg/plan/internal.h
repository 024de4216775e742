#pragma once

#include "plan/plan.h"

struct arena;
struct runtime_extra;

/* The plan in the making, shared by this folder's files. */
struct planner {
	struct plan plan; /* first: plan_free is given its address */
	const struct plan_input *in;
	struct arena *arena;
	struct complaints *c;
	const char **notes;
	size_t cap_notes;
	struct json *trees[3]; /* owned: budget, probes, logs */
	const struct json **extra_values; /* for each extra of the runtime: what the manifest gives it, or NULL */
	uint64_t batch_tokens;
};

void plan_complain(struct planner *p, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
void plan_note(struct planner *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* args.c: reads extra_args into extra_values and batch_tokens, with complaints; then writes argv and environment. */
void plan_extras(struct planner *p);
void plan_argv(struct planner *p);

/* admit.c: sizes the load and decides. */
int plan_budget(struct planner *p, struct err *e);
int plan_admit(struct planner *p, struct err *e);
