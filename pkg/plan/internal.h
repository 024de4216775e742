/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "plan/plan.h"

struct arena;
struct runtime_extra;

/* The plan in the making, shared by this folder's files. */
struct planner {
	struct plan plan; /* first: plan_free is given its address */
	const struct plan_input *in;
	struct arena *arena;
	struct diagnostics *c;
	const char **notes;
	size_t cap_notes;
	struct json *trees[3]; /* owned: budget, probes, logs */
	/* for each extra of the runtime: what the manifest gives it, or NULL */
	const struct json **extra_values;
	uint64_t batch_tokens;
};

void plan_diagnose(struct planner *p, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
void plan_note(struct planner *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* args.c: reads extra_args into extra_values and batch_tokens, with diagnostics; then writes argv
 * and environment. */
void plan_extras(struct planner *p);
void plan_argv(struct planner *p);

/* adapters.c */
void plan_adapters(struct planner *p);

/* A load that may differ from the manifest's. */
struct plan_ask {
	uint64_t context, sequences;
	const char *kv_cache;
	const struct runtime_backend *backend;
	const struct model_facts *model;
};

/* admit.c: sizes the load and decides. */
struct plan_ask plan_asked(const struct planner *p);
int plan_size(const struct planner *p, const struct plan_ask *ask, struct size_budget *out,
	      struct err *e);
/* Does any place admit it? *planned: what it takes there. */
bool plan_would_fit(const struct planner *p, struct plan_ask ask, uint64_t *planned);
/* Where it could run. */
void plan_machines(struct planner *p);
/* Picks among the candidates: sets p->plan.model. */
void plan_pick(struct planner *p);
int plan_budget(struct planner *p, struct err *e);
int plan_admit(struct planner *p, struct err *e);

/* performance.c: speed, traffic and cost of the document. */
void plan_performance(const struct planner *p, struct json *o);

/* changes.c: fills p->plan.changes; the way out in one line. */
void plan_find_changes(struct planner *p);
const char *plan_way_out(const struct planner *p);
