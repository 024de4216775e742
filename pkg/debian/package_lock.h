/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct err;
struct json;

/* The form of a packages.lock:
 *   {"apiVersion", "kind": "PackagesLock", "runtime", "locks": {"BACKEND/ARCHITECTURE": {
 *       "index": [{"suite", "archive", "codename", "components", "date", "valid_until"?,
 *           "accepted_expired",
 *                  "release_sha256", "signed_by"}],
 *       "packages": [{"name", "version", "architecture", "suite", "path", "sha256", "size",
 *           "installed_size",
 *                     "layer", "files"?, "reason"}],
 *       "excludes": [{"name", "reason"}]}}} */

#define PACKAGE_LOCK_API "llmdeploy/v1"
#define PACKAGE_LOCK_KIND "PackagesLock"
enum { PACKAGE_LOCK_CAP = 4 << 20 };

/* The tree of a file that is right in every field. ERR_SPEC with the name and the place. */
int package_lock_parse(const char *name, const char *text, size_t n, struct json **out,
		       struct err *e);
