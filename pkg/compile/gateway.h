/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct compile;
struct diagnostics;
struct err;
struct json;

/* The gateway's image, made as a runtime's is: packages of runtimes/haproxy/packages.lock, by
 * digest, into layers of the store. What the right side of the waist needs of it goes into one
 * small document, which gateway_image_write keeps as gateway/gateway.lock.json:
 *
 *     {"apiVersion","kind":"Gateway","name","version","architecture","packages_lock",
 *      "command":[...],
 *      "image":{"config","manifest","layers":[{"name","diff_id","size"}],
 *               "packages":[{"name","version","sha256"}]}}
 *
 * Same packages, same bytes. `c->runtime_dir` is the folder with gateway.yaml. */
int compile_gateway(const struct compile *c, struct json **out, struct diagnostics *diagnostics,
		    struct err *e);
/* Digest of the packages.lock in the folder: it names what compile_gateway would make, without
 * making it. */
int compile_gateway_wanted(const char *dir, char sha256[65], struct err *e);
