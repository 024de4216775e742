/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct debian_mirror;

/* NULL means "debian". */
const char *mirror_archive(const char *archive);
bool mirror_serves(const struct debian_mirror *m, const char *archive);
/* Where a path lies on a mirror; yours. */
char *mirror_url(const struct debian_mirror *m, const char *path);
/* The same on a snapshot mirror, as it was at a Unix time. */
char *mirror_snapshot_url(const struct debian_mirror *m, int64_t when, const char *path);
