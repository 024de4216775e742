/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* Inside pkg/image: the nodes of a merged tree that are in one layer, as a tar in the store. */
struct err;
struct image_layer;
struct store;
struct tree;

/* *out is filled; its size is 0 and nothing was stored when the layer has no node. */
int layer_write(const struct tree *t, unsigned layer, const char *name, struct store *store,
		struct image_layer *out, struct err *e);
