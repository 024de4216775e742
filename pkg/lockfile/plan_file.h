/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;
struct err;
struct lockfile;

/* What `llmdeploy plan --out` writes and `apply` takes: a lockfile, its digest, and the release
 * that was active when it was planned. Canonical JSON and a newline. What it expects is never in
 * the lockfile itself. */
struct plan_file_expected {
	char active[64];          /* version; "" for none */
	char active_lockfile[65]; /* digest of its lockfile; "" for none */
};

/* Into *out. */
int plan_file_write(const struct lockfile *l, const struct plan_file_expected *x, struct buf *out,
		    struct err *e);
/* Is this text one? Then its lockfile and what it expects. *l NULL: it is none. ERR_SPEC,
 * ERR_INTEGRITY: it is one, and damaged or edited. */
int plan_file_read(const char *name, const char *text, size_t n, struct lockfile **l,
		   struct plan_file_expected *x, struct err *e);
