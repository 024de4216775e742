/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct err;

/* Where a manifest came from, for the journal and the container's labels. Never part of a lockfile
 * or an image. Reads the repository only; runs no program, no hook, no filter of the user's. */
struct git_origin {
	char commit[41]; /* HEAD, 40 hex digits */
	/* a tracked file of the repository differs from it, or `path` is not in it */
	bool dirty;
	/* URL of "origin", else of the first remote, without user, password, query; NULL: none */
	char *remote;
	/* when not found although there is a repository: why, one line; else NULL */
	char *note;
};

#define GIT_ORIGIN_INIT \
	{ .dirty = false }

/* Of the repository that holds the file `path`. *found is false outside of one, in one without a
 * commit, and in one that git would not trust (safe.directory) or that cannot be read: then only
 * `note` may be set. Where the index has more than 100,000 entries, only `path` itself is
 * compared. ERR_SYS only when there is no such file. */
int git_origin_of(const char *path, struct git_origin *out, bool *found, struct err *e);
void git_origin_done(struct git_origin *o);
