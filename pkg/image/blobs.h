/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Inside pkg/image: what belongs to one release, its layer's files and the two JSON blobs
 * (OCI image-spec 1.1: config.md, manifest.md). */
struct arena;
struct buf;
struct err;
struct image;
struct image_package;
struct image_request;
struct json;
struct store;
struct tree;

/* Chat template, notice, dpkg's "available" (which has the packages' digests). `list` is sorted. */
void release_add(struct tree *t, struct arena *a, const struct image_request *q,
		 const struct image_package *const *list);

/* Configuration and manifest of an image whose layers are known, into the store; fills out->config,
 * out->manifest. */
int blobs_make(const struct image_request *q, struct store *store, struct image *image,
	       struct err *e);

/* A JSON object of the store, verified; at most 4 MiB. */
int blobs_read_json(struct store *store, const char *sha256, struct json **out, struct err *e);
/* What a manifest of the store says, checked: one uncompressed layer for each diff_id of its
 * configuration. */
int blobs_read_image(struct store *store, const char *manifest, struct image *out,
		     uint64_t *config_size, uint64_t *manifest_size, struct err *e);
