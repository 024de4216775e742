/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

struct buf;

/* Text made fit to be shown. Inside this folder only. */

/* The text with secrets as "***". */
void sanitize_redact(const char *s, size_t n, struct buf *out);
/* Redacted, and on one line: what could move a cursor, reorder text or is not UTF-8 becomes \n, \t,
 * \x1b, \u202e. */
void sanitize_clean(const char *s, size_t n, struct buf *out);
/* Columns that clean text takes: 0 for marks that combine, 2 for wide characters. */
size_t sanitize_width(const char *s);
/* Bytes of clean text that fit so many columns, broken at a blank unless it leaves two thirds of
 * them empty; at least one character. */
size_t sanitize_fit(const char *s, size_t columns);
/* Clean text cut to so many columns, its end replaced by an ellipsis. */
void sanitize_cut(const char *s, size_t columns, struct buf *out);
