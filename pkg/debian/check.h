/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct debian_package;

/* What a lock may hold, wherever it comes from: an archive's index or a file. */

bool check_name(const char *s);    /* of a package: [a-z0-9][a-z0-9+.-]* */
bool check_version(const char *s); /* Debian policy 5.6.12 */
bool check_path(const char *s);    /* relative, no "..", nothing that a URL gives a meaning to */
bool check_file(const char *s);    /* relative path in a package; a folder ends with a slash */
/* The name of the first field that is not usable, NULL if all are. */
const char *check_package(const struct debian_package *p);
