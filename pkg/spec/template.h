/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/diagnostics.h"

/* Syntax of a chat template, as the Jinja of llama.cpp reads it (common/jinja: parser.cpp): its
 * statements, their ends, strings, brackets and the order of values and operators in an expression.
 * What a name means is not looked at. */

/* `file` is for the places, borrowed; `text` ends with a NUL. Diagnostics stand at their line and
 * column of the file. */
void template_check(const char *file, const char *text, struct diagnostics *c);
