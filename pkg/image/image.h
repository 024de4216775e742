/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct json;
struct progress;
struct store;

/* Container images, assembled from Debian packages without a daemon and without
 * running anything of theirs: no maintainer script, no shell, no ldconfig. The
 * same packages and settings give the same bytes on every machine, in every order of the input.
 *
 * All packages are laid into one virtual file system first; only then it is cut into layers, so
 * that links and conflicts between packages are seen. Refused, with the package named: paths that
 * leave the image, devices, set-user-id files, two packages that disagree about a path, a library
 * that nothing brings. Rules of what is left out (manuals, locales, ...) and what is added
 * (accounts, CA bundle, mount points /models and /run/engine, dpkg's status for scanners) are in
 * package.c and postinst_emulation.c.
 *
 * Layers, from the bottom: base, engine, release. Layers are uncompressed tars, so that
 * their digest depends on no compressor. Layers, configuration and manifest are objects of the
 * store. */

struct image_package {
	const char *name, *version, *architecture;
	const char *sha256;       /* of the .deb, which is in the store */
	const char *layer;        /* "base" or "engine" */
	const char *const *files; /* NULL: all; else only these (and the copyright): paths, or
				     folders with a slash at the end */
	size_t n_files;
};

struct image_request {
	const struct image_package *packages; /* in any order */
	size_t n_packages;
	const char *architecture;    /* Debian's name: "amd64" */
	const char *const *provided; /* sonames that the host injects ("libcuda.so.1");
					NULL-terminated or NULL */

	const char *runtime;       /* "llama.cpp 0.7.0", for the notice */
	const char *const *argv;   /* NULL-terminated: the entry point, whole */
	const char *const *env;    /* NULL-terminated "KEY=VALUE", in any order; or NULL */
	const struct json *labels; /* object of strings, or NULL */
	const char *chat_template; /* text, or NULL: /etc/llmdeploy/chat_template.jinja */
	const char *user;          /* "65532:65532" */
	const char *stop_signal;   /* "SIGTERM", or NULL */
	const char *created;       /* RFC 3339 UTC; NULL: 1970-01-01T00:00:00Z */
};

#define IMAGE_CHAT_TEMPLATE "/etc/llmdeploy/chat_template.jinja"
#define IMAGE_CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

enum { IMAGE_MAX_LAYERS = 8 };

struct image_layer {
	const char *name; /* static text */
	char diff_id[65]; /* SHA-256 of the tar, without "sha256:" */
	uint64_t size;
};

struct image {
	struct image_layer layers[IMAGE_MAX_LAYERS];
	size_t n_layers;
	char config[65], manifest[65];
};

/* Everything. The packages must be in the store. Package layers that were built before from the
 * same packages are taken from the store without unpacking anything. ERR_INTEGRITY: a package is
 * not what it says, or not fit for an image (see above). */
int image_build(const struct image_request *q, struct store *store, const struct progress *progress,
		struct image *out, struct err *e);
/* Only the layers that come from packages: out->layers and out->n_layers. */
int image_layers(const struct image_request *q, struct store *store,
		 const struct progress *progress, struct image *out, struct err *e);

/* The image as one tar that every engine loads: OCI layout with index.json, and manifest.json
 * for the older ones. Deterministic. `tag`: "llmdeploy/route:version"; a registry's name in front
 * is optional. Layers whose diff_id is in `omit` (NULL-terminated, or NULL) are left out: for an
 * engine that has them. */
struct image_archive {
	const char *manifest; /* digest */
	const char *tag;
	const char *const *omit;
	int (*write)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
};
int image_write_archive(struct store *store, const struct image_archive *a, struct err *e);

/* Put the blobs of such a tar into the store, each verified against its name, and check that
 * manifest, configuration and layers fit together; layers that the tar leaves out must be in the
 * store. `manifest` is the digest that is expected, or NULL. Fills out, with layer names "layer".
 */
int image_read_archive(struct store *store, int fd, const char *name, const char *manifest,
		       struct image *out, struct err *e);

/* SPDX 2.3 bill of materials, JSON with a newline. It names the image by its manifest, so it is no
 * part of it. */
int image_sbom(const struct image_request *q, const struct image *image, const char *name,
	       struct buf *out, struct err *e);
