/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "cmd.h"

/* Every command, in the order in which an engineer meets them; the last row has no name. */
extern const struct cmd commands[];

const struct cmd *cmd_find(const char *name); /* NULL: there is none */
/* ERR_USAGE for a word that is no command, with the command that was probably meant. Always -1. */
int cmd_unknown(const char *name, struct err *e);
