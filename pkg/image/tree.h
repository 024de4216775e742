/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Inside pkg/image: the image's file system in memory. Paths are relative, plain
 * ("usr/bin/x": no dot, no empty part, no slash at the ends) and sorted bytewise, so that a parent
 * comes before its children. */
struct err;

enum node_type { NODE_DIR, NODE_FILE, NODE_LINK };

/* Who decides when several bring the same path. */
enum node_rank {
	RANK_FORCED,  /* ours, whatever a package says */
	RANK_PACKAGE, /* packages must agree among themselves */
	RANK_DEFAULT, /* ours, if no package brings it */
	RANK_IMPLIED, /* a folder that something lies in */
};

struct node { /* all texts and bytes are borrowed */
	const char *path;
	enum node_type type;
	enum node_rank rank;
	unsigned mode;
	const char *target; /* of a link */
	const char *data;   /* of a file; may be NULL when empty */
	size_t size;
	const char *owner;  /* package, for messages and for the order */
	unsigned layer;     /* where its owner belongs */
	unsigned in_layers; /* bits: where it has to stand (folders are in many) */
};

struct arena;
struct tree { /* begin with {0} */
	struct node *at;
	size_t n, cap;
	struct arena *arena; /* names of the folders that were implied */
};

void tree_done(struct tree *t);
void tree_add(struct tree *t, const struct node *node);
/* Sort, add the folders that are implied, let ranks decide, drop what is identical. ERR_INTEGRITY
 * when two disagree, naming both. */
int tree_merge(struct tree *t, struct err *e);
/* The rest is for merged trees. */
const struct node *tree_find(const struct tree *t, const char *path); /* NULL: none */
/* As a running program sees it: absolute or relative to the root, links followed (40 at most).
 * NULL: leads nowhere. */
const struct node *tree_resolve(const struct tree *t, const char *path);
