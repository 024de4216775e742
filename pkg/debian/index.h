/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct arena;
struct buf;
struct debian_index;
struct debian_mirrors;
struct debian_request;
struct debian_suite;
struct err;
struct progress;
struct store;

/* What an index is fetched with; all borrowed. */
struct index_from {
	const struct debian_request *request;
	const struct debian_mirrors *mirrors;
	struct store *store; /* Packages files go here, by digest */
	const struct progress *progress;
};

/* Fetch and verify the index of one suite. `packages` has one empty buffer a component, which are
 * set and filled; the strings of *out go into the arena. Errors as debian_resolve. */
int index_fetch(const struct index_from *from, const struct debian_suite *suite, struct arena *a,
		struct debian_index *out, struct buf *packages, struct err *e);
