#pragma once

#include <stdio.h>

struct cmd;

/* All commands, and the exit statuses. */
void help_usage(FILE *to);
/* The arguments and options of one command, on the standard output. */
void help_command(const struct cmd *cmd);
