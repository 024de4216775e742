/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* For commands that go on until Ctrl-C, which is their good end. */

/* Waits so long. false: Ctrl-C came, or the reader of the standard output has gone. */
bool follow_wait(uint64_t ms);
/* Is anybody there to go on for? */
bool follow_is_wanted(void);
