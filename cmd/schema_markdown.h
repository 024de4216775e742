/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;
struct schema_field;

/* A table of fields as Markdown: a section for each mapping at the top, with a row for each key
 * inside of it. */
void schema_markdown(const struct schema_field *fields, struct buf *out);
