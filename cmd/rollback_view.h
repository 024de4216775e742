/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct docker_containers;
struct release_route;
struct rollout;

/* Where a rollback of a route would go, and the way forward again, in words and as values. */
struct rollback_view {
	char *to;      /* a version, or NULL */
	char *why;     /* why there is none, where `to` is NULL */
	bool unknown;  /* `why` says why it could not be found out */
	bool known;    /* `warm` is known: the Engine was asked */
	bool warm;     /* its container runs */
	char *forward; /* a version, or NULL: the active release is the newest */
};

/* Never a failure: what cannot be had is said in `why`. `all`: the Engine's containers, or NULL
 * where it was not asked. */
void rollback_view_read(const struct rollout *x, const struct release_route *route,
			const struct docker_containers *all, struct rollback_view *out);
void rollback_view_done(struct rollback_view *w);
/* "to r1, warm" or "nowhere: ..."; and "to r2: llmdeploy rollback ROUTE --to r2", or NULL.
 * Yours. */
char *rollback_view_words(const struct rollback_view *w);
char *rollback_view_forward_words(const struct rollback_view *w, const char *route);
