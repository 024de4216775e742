/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct err;
struct lockfile;
struct release_route;

/* Is `l` on disk under its version with another content? ERR_SPEC names the fields that differ,
 * after a table of them all; what to do is in the message. Other faults are those of reading the
 * release. */
int conflict_check(struct args *a, const struct release_route *r, const struct lockfile *l,
		   struct err *e);
