/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct arena;
struct debian_lock;
struct image;
struct image_package;
struct json;

/* Locked packages as a release's image and the gateway's have them. */

/* The version of the package `name`; "?" where it is not among them. Borrowed. */
const char *packages_version(const struct debian_lock *l, const char *name);
/* All of them for image_build, in the arena; their texts are the lock's. */
const struct image_package *packages_of_image(const struct debian_lock *l, struct arena *a);
/* [{"name","diff_id","size"}] of an image that was made; yours. */
struct json *packages_layers(const struct image *image);
