/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "schema/schema.h"

/* What the files of this folder share. */

/* The way from the root to a value, for messages; a chain of locals. */
struct schema_path {
	const struct schema_path *up;
	const char *key; /* NULL: the item `index` */
	size_t index;
};

/* Add a diagnostic unless there are 100. */
void schema_diagnose(struct diagnostics *c, struct pos at, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool schema_full(const struct diagnostics *c);
char *schema_path_text(const struct schema_path *path); /* "model.adapters[0]"; yours to free */

/* A value of any scalar type; NULL after a diagnostic. */
struct json *schema_scalar(const struct schema_path *path, const struct schema_field *f,
			   const struct yaml_node *n, struct diagnostics *c);
/* "a whole number": what a field of this type wants. */
const char *schema_type_noun(enum schema_type type);
/* JSON of any node. `fractions`: as numbers (for printing), else as their text. NULL after a
 * diagnostic. */
struct json *schema_any(const struct schema_path *path, const struct yaml_node *n, bool fractions,
			struct diagnostics *c);
bool schema_is_choice(const char *const *choices, const char *word);
/* "a, b or c"; yours to free. */
char *schema_join(const char *const *words, size_t n);
