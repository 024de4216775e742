/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <solv/solver.h>

struct err;
struct universe;

/* ERR_SPEC that says why the solver found no solution: for each problem the one rule that a person
 * can act on, and the chain of dependencies from a root that leads there. Always -1. */
int explain(const struct universe *w, Solver *solver, struct err *e);
