/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

/* One line of foreign text that is safe to show in a terminal and in a table: blanks and line
 * breaks collapse to one blank, control characters and those that turn the direction of writing
 * become '?', so does what is not UTF-8, and what is longer than `size` ends in "...". `size` >= 8.
 * Returns out. */
char *probe_excerpt(const char *s, size_t n, char *out, size_t size);
