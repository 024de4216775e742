/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "image/package.h"

/* Inside pkg/image: all packages at once, each in one thread, as many as there are processors. */
struct image_package;
struct progress;
struct store;

struct unpacked {
	struct package *at; /* in the order of the list */
	size_t n;
};

/* The list is sorted and outlives the result. Which of several faults is reported depends on their
 * order in the list alone, not on the threads. */
int unpack_all(const struct image_package *const *list, size_t n, struct store *store,
	       const struct progress *progress, struct unpacked *out, struct err *e);
void unpacked_done(struct unpacked *u); /* for CLEANUP */
