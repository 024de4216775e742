/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diagnostics.h"

struct buf;
struct err;

/* The artifacts of a manifest as its text has them, whether or not their digests are there, and
 * edits of that text that leave every other byte alone: comments, order, quotes, line ends.
 *
 *     struct spec_pins *p CLEANUP(spec_pins_freep) = NULL;
 *     if (spec_pins_read(path, text, n, &p, &diagnostics, e)) ...
 *     spec_pins_set_sha256(p, 0, hex);
 *     if (spec_pins_text(p, &out, e)) ...
 */
struct spec_pin_source {
	const char *text; /* as it is written */
	/* a file of this machine as file:/ABSOLUTE, all else as it is written */
	const char *resolved;
	struct pos at;
};

struct spec_pin {
	const char *path; /* "model", "model.candidates[1]", "model.adapters[0]" */
	const struct spec_pin_source *sources;
	size_t n_sources;
	const char *sha256; /* "": none is written */
	struct pos at;
};

struct spec_pins {
	/* those that have a source, in the order of the text's fields */
	const struct spec_pin *list;
	size_t n;
};

/* ERR_SPEC: no YAML, or a source whose text cannot be edited, in `c` with its place. A manifest
 * that is wrong elsewhere is fine. */
int spec_pins_read(const char *path, const char *text, size_t n, struct spec_pins **out,
		   struct diagnostics *c, struct err *e);
void spec_pins_set_sha256(struct spec_pins *p, size_t pin, const char *sha256);
void spec_pins_set_source(struct spec_pins *p, size_t pin, size_t source, const char *text);
/* The text with all that was set. It was read again: it says what was set, and everything else as
 * before. */
int spec_pins_text(const struct spec_pins *p, struct buf *out, struct err *e);
void spec_pins_free(struct spec_pins *p);
void spec_pins_freep(struct spec_pins **p); /* for CLEANUP */
