/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <solv/bitmap.h>
#include <solv/pool.h>
#include <solv/queue.h>

#include "base/buf.h"
#include "debian/debian.h"
#include "debian/solve.h"

struct err;

/* Inside of debian only: all packages that there are, as the request wants to see them.
 *
 * Design. libsolv answers whether a set of packages can stand together, and backtracks. Two things
 * it does not know, and they are done here before it is asked. Excludes: a dependency that an
 * excluded package could meet is dropped from whoever has it, and the package itself is taken out,
 * so that nothing can conflict with a thing that is not there. Debian's order of alternatives:
 * libsolv has none, so a first walk over the dependencies takes the first alternative that exists
 * (`plan`), and libsolv is told to favour what the walk took. It departs from that only where a
 * conflict makes it. The same walk remembers who needed whom: that is the chain in an error, and
 * the reason in the lock. */
struct universe {
	const struct debian_request *q;
	Pool *pool;
	Queue dropped;    /* pairs: solvable, index of the exclude that met its dependency */
	Queue plan;       /* solvables in the order in which the walk took them */
	Map planned;      /* the same as a set */
	Id *needed_by;    /* by solvable: who needed it first; 0: a root */
	Id *needed_as;    /* by solvable: the dependency */
	Id *versions;     /* by solvable: its version as the index has it (names.c) */
	Id *rel_versions; /* the same of relations, by their number */
	Id n_rels;
};

/* Before the pool is indexed: what libsolv does not know of Debian's versions and architectures
 * (names.c). */
void universe_rename(struct universe *w);
const char *universe_version(const struct universe *w, Id p); /* as the index has it */
const char *universe_rel_version(const struct universe *w, Id dep);

int universe_init(struct universe *w, const struct debian_request *q,
		  const struct solve_input *inputs, size_t n, struct err *e);
void universe_done(struct universe *w);
/* The walk. ERR_SPEC: a root does not exist, a preference is no good, or a virtual package has
 * several providers and none is preferred. What has no provider at all is left for libsolv to
 * report. */
int universe_select(struct universe *w, struct err *e);

/* The best solvable of that name among those that meet `dep` (a name is a dependency too); 0:
 * none. */
Id universe_best(const struct universe *w, const char *name, Id dep);
const struct solve_input *universe_input(const struct universe *w, Id p);
const char *universe_name(const struct universe *w, Id p);
/* The next dependency in a list that ends with 0, past markers; 0 at its end. */
Id universe_next_dep(const Id **at);
/* the list of what a solvable depends on; never NULL */
const Id *universe_deps(const struct universe *w, Id p);
/* The first of "a | b | c"; *rest is what follows, 0 at the end. */
Id universe_alternative(const struct universe *w, Id dep, Id *rest);
/* As Debian writes it: "libc6 (>= 2.43)", "wget | curl". */
void universe_print_dep(const struct universe *w, Id dep, struct buf *out);
/* "llama.cpp-tools -> libllama0 -> libggml0": from a root down to p. */
void universe_print_chain(const struct universe *w, Id p, struct buf *out);
