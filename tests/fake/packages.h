/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "deb.h"
#include "image/image.h"

/* A store in a folder of its own, and packages made on the spot. Aborts when it cannot. */
struct store;

enum { FAKE_MAX_PACKAGES = 8 };

struct fake_packages {
	char dir[32];
	int root;
	struct store *store;
	struct image_package at[FAKE_MAX_PACKAGES];
	char sha256[FAKE_MAX_PACKAGES][65];
	size_t n;
};

void fake_packages_init(struct fake_packages *p);
void fake_packages_done(struct fake_packages *p);
/* Version 1.0, amd64, with the given files; everything is borrowed. */
void fake_packages_add(struct fake_packages *p, const char *name, const char *layer,
		       const struct fake_entry *entries, size_t n);
/* The same with any bytes as the package. */
void fake_packages_add_bytes(struct fake_packages *p, const char *name, const char *layer,
			     const struct buf *deb);
/* A request for all of them. */
struct image_request fake_packages_request(const struct fake_packages *p);
