/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "rollout/rollout.h"

/* Garbage collection: mark what the releases on disk name, and remove everything else of the
 * root. */

/* Frees what no release on disk needs, after removing releases beyond each route's `keep` that are
 * not pinned. Holds every route's lock. An apply that committed does the same by itself, quietly:
 * it waits for nobody, recovers nothing, and leaves objects of the last day. */
struct gc_freed {
	size_t releases, containers, images, objects;
	uint64_t bytes;
	struct gc_garbage {
		/* "release", "container", "directory", "image", "network", "object" */
		const char *kind;
		char *name;
		uint64_t bytes; /* of an object; else 0 */
	} * at;
	size_t n;
};
void gc_freed_done(struct gc_freed *f);
/* "1 release, 2 objects, 120 MB"; NULL: nothing was freed. Yours. */
char *gc_freed_words(const struct gc_freed *f);
int gc_run(const struct rollout *ctx, bool dry_run, struct gc_freed *out, struct err *e);

#define GC_BY_ITSELF "gc after an apply"
/* After the commit of an apply or a promote: what no release needs goes. A failure is a warning. A
 * rollback collects nothing: it waits for nobody's lock, and what it came from is what whoever is
 * on call looks at next, or goes forward to again; the next commit collects it. */
void gc_after(struct rollout_session *s);
/* A collecting that was killed is done to its end. */
void gc_resume(struct rollout_session *s);
