/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Inside one tag of a template: from behind '{%' or '{{' until its end. */

struct template_fault {
	const char *at, *what; /* NULL: none; `what` is static */
};

/* Where `close` stands, outside of strings; NULL with or without a fault where it does not. */
const char *template_end(const char *inside, const char *close, struct template_fault *fault);
/* The first word, cut to `size`; what is behind it. */
const char *template_word(const char *inside, char *word, size_t size);
/* Is there a '=' outside of strings and brackets, which makes of a set one without an end? */
bool template_assigns(const char *from, const char *end);
bool template_names(const char *from, const char *end, const char *name);
/* Brackets, values and operators. In a statement several expressions and names may follow each
 * other by its own words. -1 with a fault. */
int template_expression(const char *from, const char *end, bool statement,
			struct template_fault *fault);
