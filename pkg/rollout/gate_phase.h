/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct json;
struct lockfile;
struct rollout;

/* The gate of a candidate: the phases that it passes, one after the other, when it is ready and
 * before it may have traffic.
 *
 * A phase is one row of the table in gate_phase.c, and a file with its functions (gate_golden.c).
 * An apply and a trial run the phases that apply to the lockfile; the first failure ends the run.
 * What each phase saw is in the release's evidence under the phase's name. Recovery needs to know
 * of no phase: a candidate that was not switched to is removed, whichever phase it was in. */
struct gate_phase {
	const char *name;  /* of its member in evidence/N.json */
	const char *title; /* for people */
	bool (*applies)(const struct lockfile *l);
	/* Looks at the candidate, which is ready. *evidence is yours, and set whenever there is
	 * something to judge. On -1 there is no verdict, and no traffic either. */
	int (*run)(const struct rollout *ctx, const struct lockfile *l, struct json **evidence,
		   struct err *e);
	/* By the evidence alone: 0, or ERR_GATE with the reasons. Evidence that says nothing has
	 * not passed. */
	int (*verdict)(const struct json *evidence, struct err *e);
};

extern const struct gate_phase gate_golden;

enum { GATE_PHASES = 1 };

/* One run of the phases; zeroed, it is none. */
struct gate_run {
	struct json *evidence[GATE_PHASES]; /* in the order of the table; NULL: not run */
};
void gate_run_done(struct gate_run *g); /* for CLEANUP */

/* Is there any phase for it? */
bool gate_phases_apply(const struct lockfile *l);
/* ERR_GATE: a phase failed. *out has the evidence of each phase that was run, also on -1. */
int gate_phases_run(const struct rollout *ctx, const struct lockfile *l, struct gate_run *out,
		    struct err *e);
/* The evidence of each phase goes into `evidence`, under its name. */
void gate_run_add(const struct gate_run *g, struct json *evidence);
/* Evidence of the phase that was run last, borrowed; NULL: none was. */
const struct json *gate_run_last(const struct gate_run *g);
