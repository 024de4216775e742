#pragma once

#include <stddef.h>

struct buf;
struct err;
struct lock;

/* What `llmdeploy plan --out` writes and `apply` takes: a lock, its digest, and the release that was active when it was planned.
 * Canonical JSON and a newline. What it expects is never in the lock itself. */
struct lock_expected {
	char active[64];     /* version; "" for none */
	char active_lock[65]; /* digest of its lock; "" for none */
};

/* Into *out. */
int lock_wrap(const struct lock *l, const struct lock_expected *x, struct buf *out, struct err *e);
/* Is this text one? Then its lock and what it expects. *l NULL: it is none. ERR_SPEC, ERR_INTEGRITY: it is one, and damaged or edited. */
int lock_unwrap(const char *name, const char *text, size_t n, struct lock **l, struct lock_expected *x, struct err *e);
