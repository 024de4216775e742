/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cmd.h"

/* What the last of `words` (without the program's name; it may be "") can become, for the
 * completion of a shell: on the standard output a line each, WORD, a tab and what it means. The
 * lines ":files" and ":folders" stand for the paths that the shell finds itself. What cannot be
 * looked up (there is no root) is missing; there are no errors. */
void completion_words(char **words, size_t n);
