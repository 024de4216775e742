/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

/* Ctrl-C and SIGTERM ask for a stop at the next safe point; a second one, 300 ms later or more,
 * leaves at once (status 130), held or not, and recovery does the rest. SIGHUP of a dropped
 * terminal counts as the first (under nohup, and from interrupt_unattended on, it is ignored);
 * SIGPIPE is ignored. The flag is the one piece of state that a signal handler can set. */
void interrupt_install(void);
bool interrupt_pending(void);
/* 0, or ERR_INTERRUPTED "interrupted". For loops that wait. */
int interrupt_check(struct err *e);
/* While held, interrupt_pending() says no: for the part of a switch that must run to its end.
 * Nests. */
void interrupt_hold(void);
void interrupt_release(void);
/* From here on a dropped terminal is no request: what was begun goes on to its end, and nobody
 * looks. */
void interrupt_unattended(void);
/* Forget what came so far: for the cleaning up after an interrupt. */
void interrupt_clear(void);
