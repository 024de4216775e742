/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The one module that reads the clock. */
uint64_t clock_mono_ms(void); /* monotonic; for durations and deadlines */
uint64_t clock_mono_us(void);
int64_t clock_unix(void); /* seconds since 1970, UTC; for records only */
int64_t clock_unix_ms(void);
void clock_sleep_ms(uint64_t ms); /* may return early on a signal */

/* "2026-11-22T17:41:05Z" into out; always UTC, no locale. */
#define CLOCK_STAMP 24
void clock_stamp(int64_t unix_seconds, char out[CLOCK_STAMP]);
/* "2026-11-22" (its first second), "2026-11-22T17:41:05Z", or with an offset "+02:00" (RFC 3339; a
 * fraction is dropped). */
bool clock_parse(const char *text, int64_t *unix_seconds);
