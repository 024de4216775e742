/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdio.h>

#include "base/err.h"

struct cmd;

/* An exit status: in two or three words, and in full. The last row has no words. */
struct help_status {
	enum err_code code;
	const char *brief, *text;
};
extern const struct help_status help_statuses[];

/* All commands, and the exit statuses. */
void help_usage(FILE *to);
/* The arguments and options of one command, on the standard output. */
void help_command(const struct cmd *cmd);
