#pragma once

#include <stdbool.h>

struct arena;

/* Where an artifact may be had; the forms stand in spec.h. */

/* What is wrong with it, as the end of a sentence ("has no revision, write ..."), or NULL. */
const char *spec_source_fault(const char *source);
/* A file of this machine becomes file:/ABSOLUTE, from `dir` when it was relative; everything else stays. In the arena. */
const char *spec_source_resolve(const char *source, const char *dir, struct arena *arena);
/* http:// or https:// with a host and without a password in it; plain http only to this machine. As above. */
const char *spec_url_fault(const char *url);
