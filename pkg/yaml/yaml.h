/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diagnostics.h"

/* YAML 1.2 that a user wrote, as a tree of nodes that know their place. One document, UTF-8,
 * nothing that makes a file mean more than it shows: no anchors, aliases, tags, merge keys or
 * directives; and nothing that readers of YAML differ in: no tabs outside of quotes, comments and
 * text blocks, no separators of Unicode as they are. What is taken is the tree that ruamel.yaml
 * makes of it (tests/compare). What a scalar means (number, text, size) is decided by its reader:
 * pkg/schema.
 *
 *     struct yaml *y CLEANUP(yaml_freep) = NULL;
 *     if (yaml_parse("a.yaml", text, n, &y, &diagnostics, e))
 *             return -1;
 *     const struct yaml_node *route = yaml_get(yaml_root(y), "route");
 *
 * Nodes are borrowed from the document and go with it. */
struct yaml;
struct yaml_node;

enum yaml_kind {
	YAML_NULL, /* nothing, ~, or null, not in quotes */
	YAML_SCALAR,
	YAML_SEQUENCE,
	YAML_MAPPING,
};

/* Limits of one document. */
#define YAML_MAX_BYTES ((size_t) 1 << 20)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 100000

/* `name` is copied and is in every position. -1 (ERR_SPEC) where there is no tree to look at: the
 * reason is then the last diagnostic. 0 with diagnostics where the rest can still be checked: a
 * duplicate or merge key, placed at the second key, whose pair is left out. End with
 * diagnostics_result(). */
int yaml_parse(const char *name, const char *text, size_t n, struct yaml **out,
	       struct diagnostics *c, struct err *e);
void yaml_done(struct yaml *y);   /* yaml_free() is the library's */
void yaml_freep(struct yaml **y); /* for CLEANUP */
/* Never NULL, and never YAML_NULL: an empty file is a diagnostic. */
const struct yaml_node *yaml_root(const struct yaml *y);

/* All of these take NULL and the wrong kind, and answer NULL, 0 or YAML_NULL. */
enum yaml_kind yaml_kind(const struct yaml_node *n);
/* Text of a scalar, without NUL inside; *plain (may be NULL) tells that it stood without quotes and
 * was no block. NULL for every other kind. */
const char *yaml_scalar(const struct yaml_node *n, bool *plain);
size_t yaml_count(const struct yaml_node *n);                           /* items, or pairs */
const struct yaml_node *yaml_item(const struct yaml_node *n, size_t i); /* of a sequence */
/* of a mapping, always a scalar */
const struct yaml_node *yaml_key(const struct yaml_node *n, size_t i);
const struct yaml_node *yaml_value(const struct yaml_node *n, size_t i); /* of a mapping */
const struct yaml_node *yaml_get(const struct yaml_node *n, const char *key);
/* "model.adapters.0.scale": keys, and numbers of items from 0. */
const struct yaml_node *yaml_at(const struct yaml_node *n, const char *path);
/* Where the node begins, a text block at its mark ('|' or '>'); a value that is not there has the
 * place of its key. */
struct pos yaml_pos(const struct yaml_node *n);
/* "a list", "a mapping", "text", "nothing": for messages. */
const char *yaml_kind_name(enum yaml_kind kind);
/* User's text as a message may show it: one line without control characters, at most 100 bytes.
 * Returns out. */
#define YAML_SHOWN 104
const char *yaml_show(const char *text, char out[YAML_SHOWN]);
