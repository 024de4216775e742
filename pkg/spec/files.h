/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "yaml/yaml.h"

struct buf;

/* Files that a file of the user names. */

/* `path` seen from the directory `dir`; yours to free. "" and "." are this directory. */
char *spec_beside(const char *dir, const char *path);
char *spec_dir_of(const char *path); /* "." when there is no slash; yours */

/* The text of the file that the value `n` at `path` ("model.chat_template") names: UTF-8, not
 * empty, at most `limit` bytes. NULL after a diagnostic at `n`; NULL without when n is no text.
 * Yours. */
char *spec_read_named(const struct yaml_node *n, const char *path, const char *dir, size_t limit,
		      struct diagnostics *c);
