/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct err;
struct offer;

/* What each usable row of an offer would take on this machine, by the planner, and its ceiling of
 * decoding by the memory's bandwidth. Rows stay as they are where no plan can be made (a runtime
 * that is not found): a warning says so. */
int fit_plan(struct args *a, struct offer *o, struct err *e);
