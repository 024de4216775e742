#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Text as a comparison sees it: trimmed, blanks and line breaks collapsed to one blank, ASCII letters in lower case, the
 * typographic apostrophe as the plain one. Yours to free. */
char *eval_words(const char *s, size_t n);
bool eval_is_blank(const char *s, size_t n); /* nothing but blanks, also the non-breaking and the zero-width one */
