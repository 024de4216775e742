/* SPDX-License-Identifier: Apache-2.0 */
#include "image/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { MAX_PATH = 4096, MAX_LINKS = 40 };

void tree_done(struct tree *t) {
	free(t->at);
	arena_free(t->arena);
	*t = (struct tree){0};
}

void tree_add(struct tree *t, const struct node *node) {
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->at = mem_grow(t->at, t->cap, sizeof *t->at);
	}
	t->at[t->n++] = *node;
}

static int by_path_and_rank(const void *a, const void *b) {
	const struct node *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	if (!order)
		order = (int) x->rank - (int) y->rank;
	if (!order)
		order = (int) x->layer - (int) y->layer;
	return order ? order : strcmp(x->owner, y->owner);
}

static bool same_content(const struct node *a, const struct node *b) {
	switch (a->type) {
	case NODE_DIR: return a->mode == b->mode;
	case NODE_LINK: return !strcmp(a->target, b->target);
	default:
		return a->mode == b->mode && a->size == b->size &&
			(!a->size || !memcmp(a->data, b->data, a->size));
	}
}

static const char *kind(const struct node *n) {
	return n->type == NODE_DIR     ? "a directory"
		: n->type == NODE_LINK ? "a symbolic link"
				       : "a file";
}

static int disagree(const struct node *a, const struct node *b, struct err *e) {
	if (a->type != b->type)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is %s in package '%s' and %s in package '%s'", a->path,
			       kind(a), a->owner, kind(b), b->owner);
	if (a->type == NODE_DIR)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has mode %o in package '%s' and %o in package '%s'", a->path,
			       a->mode, a->owner, b->mode, b->owner);
	return err_set(e, ERR_INTEGRITY, "'%s' differs between package '%s' and package '%s'",
		       a->path, a->owner, b->owner);
}

/* May `other` give way to `winner`, which stands before it? */
static bool gives_way(const struct node *winner, const struct node *other) {
	if (other->rank == RANK_IMPLIED)
		return winner->type == NODE_DIR;
	if (winner->rank != other->rank)
		return true;
	return winner->type == other->type && same_content(winner, other);
}

static size_t parent_length(const char *path) {
	const char *slash = strrchr(path, '/');

	return slash ? (size_t) (slash - path) : 0;
}

/* The folders above `path`, up to the one that `before`, a path of the same owner, lies in too. */
static void imply_parents(struct tree *t, const struct node *n, const char *before) {
	for (size_t len = parent_length(n->path); len;) {
		if (before && !strncmp(before, n->path, len) && before[len] == '/')
			return;
		char *path = arena_zalloc(t->arena, len + 1, 1);
		memcpy(path, n->path, len);
		tree_add(t,
			 &(struct node){.path = path,
					.type = NODE_DIR,
					.rank = RANK_IMPLIED,
					.mode = 0755,
					.owner = n->owner,
					.layer = n->layer});
		len = parent_length(path);
	}
}

static void imply_all(struct tree *t) {
	size_t n = t->n;

	if (!t->arena)
		t->arena = arena_new();
	for (size_t i = 0; i < n; i++) {
		struct node here = t->at[i]; /* the array moves */
		const struct node *last = i ? &t->at[i - 1] : NULL;
		bool same = last && last->layer == here.layer && !strcmp(last->owner, here.owner);
		imply_parents(t, &here, same ? last->path : NULL);
	}
}

/* The nodes i..end-1 have one path; the first of them wins. */
static int settle(struct tree *t, size_t i, size_t end, struct node *winner, struct err *e) {
	*winner = t->at[i];
	winner->in_layers = 1U << winner->layer;
	for (size_t k = i + 1; k < end; k++) {
		if (!gives_way(&t->at[i], &t->at[k]))
			return disagree(&t->at[i], &t->at[k], e);
		if (winner->type == NODE_DIR)
			winner->in_layers |= 1U << t->at[k].layer;
	}
	return 0;
}

int tree_merge(struct tree *t, struct err *e) {
	size_t kept = 0;

	imply_all(t);
	if (t->n)
		qsort(t->at, t->n, sizeof *t->at, by_path_and_rank);
	for (size_t i = 0, end; i < t->n; i = end) {
		struct node winner;
		for (end = i + 1; end < t->n && !strcmp(t->at[end].path, t->at[i].path);)
			end++;
		if (settle(t, i, end, &winner, e))
			return -1;
		t->at[kept++] = winner;
	}
	t->n = kept;
	return 0;
}

static int by_name(const void *path, const void *node) {
	return strcmp(path, ((const struct node *) node)->path);
}

const struct node *tree_find(const struct tree *t, const char *path) {
	return t->n ? bsearch(path, t->at, t->n, sizeof *t->at, by_name) : NULL;
}

/* A walk: `done` is resolved, `rest` is still to go. */
struct walk {
	char done[MAX_PATH], rest[MAX_PATH];
	unsigned links;
};

static bool step_up(struct walk *w) {
	w->done[parent_length(w->done)] = 0;
	return true;
}

/* The target of a link takes the place of the link's name. */
static bool follow(struct walk *w, const struct node *link) {
	char rest[MAX_PATH];

	if (++w->links > MAX_LINKS)
		return false;
	int n = snprintf(rest, sizeof rest, "%s%s%s", link->target, w->rest[0] ? "/" : "", w->rest);
	if (n < 0 || (size_t) n >= sizeof rest)
		return false;
	memcpy(w->rest, rest, (size_t) n + 1);
	w->done[*link->target == '/' ? 0 : parent_length(w->done)] = 0;
	return true;
}

/* Take the first name off `rest` and go there. */
static bool step(const struct tree *t, struct walk *w) {
	const char *from = w->rest + strspn(w->rest, "/");
	size_t n = strcspn(from, "/"), have = strlen(w->done);

	if (!n || (n == 1 && *from == '.')) {
		memmove(w->rest, from + n, strlen(from + n) + 1);
		return true;
	}
	bool up = n == 2 && !memcmp(from, "..", 2);
	if (!up && have + n + 2 > sizeof w->done)
		return false;
	if (!up)
		(void) snprintf(w->done + have, sizeof w->done - have, "%s%.*s", have ? "/" : "",
				(int) n, from);
	memmove(w->rest, from + n, strlen(from + n) + 1);
	if (up)
		return step_up(w);
	const struct node *here = tree_find(t, w->done);
	if (!here || (here->type == NODE_FILE && w->rest[0]))
		return false;
	return here->type != NODE_LINK || follow(w, here);
}

const struct node *tree_resolve(const struct tree *t, const char *path) {
	struct walk w = {.links = 0};

	if (strlen(path) >= sizeof w.rest)
		return NULL;
	memcpy(w.rest, path, strlen(path) + 1);
	while (w.rest[0])
		if (!step(t, &w))
			return NULL;
	return tree_find(t, w.done);
}
