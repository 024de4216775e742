/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Small facts about text that more than one module needs. No locale anywhere. */

/* Names of routes and versions: [a-z0-9][a-z0-9._-]{0,62} (design.md). */
bool text_is_name(const char *s);
/* Exactly 64 lower-case hex digits. */
bool text_is_sha256(const char *s);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/* Whole string is a decimal number that fits; no sign, no blanks. */
bool text_u64(const char *s, uint64_t *out);

/* "24GB" 10^9, "16GiB" 2^30, "512MiB", "4096B"; B kB MB GB TB KiB MiB GiB TiB. A
 * decimal fraction is allowed where the result is a whole number of bytes.
 * False: not a size (no unit, unknown unit, overflow). */
bool text_bytes(const char *s, uint64_t *out);
/* "1500ms", "60s", "10m", "2h" to milliseconds. */
bool text_duration_ms(const char *s, uint64_t *out);

/* Edit distance (Damerau-Levenshtein, restricted), for "did you mean". */
size_t text_distance(const char *a, const char *b);
/* The nearest of `names` within a third of the length of `s` (at least 2), or NULL. */
const char *text_nearest(const char *s, const char *const *names, size_t n);

/* "98.4 MB" into out, decimal units. */
#define TEXT_BYTES 24
void text_format_bytes(uint64_t n, char out[TEXT_BYTES]);
/* "1.24 s", "320 ms", "2 m 05 s" into out. */
void text_format_ms(uint64_t ms, char out[TEXT_BYTES]);

/* lower-case hex of n bytes; out has 2n+1 bytes. */
void text_hex(const unsigned char *bytes, size_t n, char *out);
bool text_is_utf8(const char *s, size_t n); /* well-formed, no surrogates, no overlong forms */
