/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "image/tree.h"

/* Inside pkg/image: one package, unpacked in memory. Touches nothing shared, so
 * that several can be unpacked at once. */
struct err;
struct image_package;

enum { LAYER_BASE, LAYER_RUNTIME, LAYER_RELEASE };

struct package {
	const struct image_package *want;
	unsigned layer;
	char *file;        /* "libc6_2.43-7_amd64.deb", for messages */
	struct tree nodes; /* sorted, not merged */
	struct arena *arena;
	struct buf control, md5sums;
	uint64_t bytes, pruned_bytes;
};

/* *p begins empty but for `want`, which must outlive it. */
int package_unpack(struct package *p, int fd, struct err *e);
void package_done(struct package *p);

/* Where a path of a package really lies, for usrmerge: "lib/x" -> "usr/lib/x", else `path` itself.
 */
const char *package_usrmerge(struct arena *a, const char *path);
