/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct arena;

/* Where an artifact may be had; the forms are in spec.h. */

/* An address that must not be read by others comes from elsewhere: "url_file:/PATH" is a file with
 * the address in it, "url_env:NAME" a variable of the environment. That is what is recorded, never
 * the address. */
/* What is wrong with it, as the end of a sentence ("has no revision, write ..."), or NULL. */
const char *spec_source_fault(const char *source);
/* A file of this machine becomes file:/ABSOLUTE, from `dir` when it was relative; everything else
 * stays. In the arena. */
const char *spec_source_resolve(const char *source, const char *dir, struct arena *arena);
/* http:// or https:// with a host and without a password in it; plain http only to this machine. As
 * above. */
const char *spec_url_fault(const char *url);
