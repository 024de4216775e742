/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;
struct debian_suite;
struct err;
struct index_from;
struct release;

/* The Packages file of one component, for the request's architecture, decompressed into *out (which
 * is set). Its digest is in the release; the mirror that gave the release is asked first. */
int packages_fetch(const struct index_from *from, const struct debian_suite *suite,
		   const char *component, const struct release *r, size_t first_mirror,
		   struct buf *out, struct err *e);
