/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What a manifest may require of a runtime, and a runtime's definition may claim: one table of
 * words, each with the sentence that says what it means. Whoever adds a word says in the sentence
 * how it would be tested. */

struct capability {
	const char *name, *means;
};

extern const struct capability capability_list[];
extern const size_t capability_count;
/* The names alone, in the same order, for tables of choices; ends with NULL. */
extern const char *const capability_names[];

/* Its sentence, or NULL: no such capability. */
const char *capability_means(const char *name);
