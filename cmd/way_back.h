/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct docker_containers;
struct release_route;
struct rollout;

/* Where a rollback of a route would go, and the way forward again, in words and as values. */
struct way_back {
	char *to;	/* a version, or NULL */
	char *why;	/* why there is none, where `to` is NULL */
	bool unknown;	/* `why` says why it could not be found out */
	bool known;	/* `warm` is known: the Engine was asked */
	bool warm;	/* its container runs */
	char *forward;	/* a version, or NULL: the active release is the newest */
};

/* Never a failure: what cannot be had is said in `why`. `all`: the Engine's containers, or NULL where it was not asked. */
void way_back_look(const struct rollout *x, const struct release_route *route, const struct docker_containers *all,
		   struct way_back *out);
void way_back_done(struct way_back *w);
/* "to r1, warm" or "nowhere: ..."; and "to r2: llmdeploy rollback ROUTE --to r2", or NULL. Yours. */
char *way_back_words(const struct way_back *w);
char *way_back_forward_words(const struct way_back *w, const char *route);
