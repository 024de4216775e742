/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct docker;
struct err;
struct json;
struct progress;
struct root;
struct store;

/* gateway/gateway.lock.json: the gateway's waist. pkg/compile makes the tree, this keeps and reads
 * it, and nothing to the right of it needs a package or a network. All texts belong to the tree. */
#define HAPROXY_LABEL "llmdeploy.gateway" /* of its containers and images: the version */
#define HAPROXY_MAX_LAYERS 8

struct haproxy_image {
	struct json *tree;
	const char *name, *version; /* "haproxy", "3.2.26-1" */
	const char *packages_lock;  /* digest of what it was made from */
	const char *config, *manifest;
	const char *layers[HAPROXY_MAX_LAYERS]; /* diff ids, which are objects of the store */
	size_t n_layers;
	const struct json *command; /* array of texts */
};

/* Checks the tree and writes the file. */
int haproxy_image_keep(const struct root *root, const struct json *tree, struct err *e);
/* *found false: there is none. ERR_INTEGRITY: the file was damaged or edited. */
int haproxy_image_read(const struct root *root, struct haproxy_image *out, bool *found,
		       struct err *e);
void haproxy_image_done(struct haproxy_image *i); /* for CLEANUP */
/* Is it an object of the store that the image is made of? For gc: such are roots. Packages count,
 * so that it can be made again. */
bool haproxy_image_names(const struct haproxy_image *i, const char *sha256);

/* It is in Docker, loaded from the store where it was not; `again`: in any case. */
int haproxy_image_load(const struct root *root, struct store *store, struct docker *docker,
		       const struct progress *progress, const struct haproxy_image *i, bool again,
		       char id[65], struct err *e);
