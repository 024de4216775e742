/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* A container image of one static program, /tiny, as a tar archive in the layout that every Engine
 * loads (OCI and manifest.json), for tests against a real Engine. */
struct tiny_image {
	char config[65], manifest[65], layer[65];
	struct buf archive; /* whole */
	struct buf rest;    /* the same without the layer */
	size_t layer_at;    /* offset of the layer's bytes in archive */
};

/* `program` is its bytes; `tag` becomes its name, "localhost/NAME:TAG". Its only label is
 * llmdeploy.test=tiny. */
void tiny_image_make(const void *program, size_t n, const char *tag, struct tiny_image *out);
void tiny_image_done(struct tiny_image *i);
