/* SPDX-License-Identifier: Apache-2.0 */
#include "image/elf_deps.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "image/elf.h"
#include "image/tree.h"

enum { MAX_PATH = 4096 };

/* Debian's multiarch names (wiki.debian.org/Multiarch/Tuples), little-endian 64-bit ones. */
static const struct {
	const char *architecture, *triplet;
} TRIPLETS[] = {
	{"amd64", "x86_64-linux-gnu"},        {"arm64", "aarch64-linux-gnu"},
	{"riscv64", "riscv64-linux-gnu"},     {"ppc64el", "powerpc64le-linux-gnu"},
	{"loong64", "loongarch64-linux-gnu"},
};

struct elf_deps {
	const struct tree *tree;
	const char *triplet;
	const char *const *provided;
	size_t n_missing;
	struct err first;
};

struct program {
	const struct node *node;
	struct elf elf;
	char origin[MAX_PATH];
};

static bool is_provided(const struct elf_deps *c, const char *name) {
	for (size_t i = 0; c->provided && c->provided[i]; i++)
		if (!strcmp(c->provided[i], name))
			return true;
	return false;
}

/* ld.so passes over files of another machine. */
static bool is_library(const struct elf_deps *c, const struct program *p, const char *path) {
	const struct node *n = tree_resolve(c->tree, path);
	struct elf elf;
	struct err ignored;

	return n && n->type == NODE_FILE && elf_is(n->data, n->size) &&
		!elf_read(n->data, n->size, &elf, &ignored) && elf.machine == p->elf.machine;
}

/* One folder of a search path with $ORIGIN and $LIB filled in; false when it does not fit or has
 * another token. */
static bool expand(const struct elf_deps *c, const struct program *p, const char *dir, size_t n,
		   char out[MAX_PATH]) {
	static const char *const names[] = {"$ORIGIN", "${ORIGIN}", "$LIB", "${LIB}"};
	char lib[64];
	size_t len = 0;

	(void) snprintf(lib, sizeof lib, "lib/%s", c->triplet);

	for (size_t i = 0; i < n;) {
		const char *value = NULL;
		for (size_t k = 0; k < 4 && !value; k++)
			if (n - i >= strlen(names[k]) &&
			    !strncmp(dir + i, names[k], strlen(names[k]))) {
				value = k < 2 ? p->origin : lib;
				i += strlen(names[k]);
			}
		if (!value && dir[i] == '$')
			return false;
		size_t add = value ? strlen(value) : 1;
		if (len + add + 1 > MAX_PATH)
			return false;
		memcpy(out + len, value ? value : dir + i++, add);
		len += add;
	}
	out[len] = 0;
	return len > 0;
}

static bool found_in(const struct elf_deps *c, const struct program *p, const char *dir,
		     const char *name) {
	char path[MAX_PATH];
	int n = snprintf(path, sizeof path, "%s/%s", dir, name);

	return n > 0 && (size_t) n < sizeof path && is_library(c, p, path);
}

static bool found_along(const struct elf_deps *c, const struct program *p, const char *dirs,
			const char *name) {
	char dir[MAX_PATH];

	for (size_t n; dirs && *dirs; dirs += n + (dirs[n] == ':')) {
		n = strcspn(dirs, ":");
		if (expand(c, p, dirs, n, dir) && found_in(c, p, dir, name))
			return true;
	}
	return false;
}

static bool is_found(const struct elf_deps *c, const struct program *p, const char *name) {
	if (is_provided(c, name))
		return true;
	if (strchr(name, '/'))
		return is_library(c, p, name);
	const char *first = p->elf.runpath ? p->elf.runpath : p->elf.rpath;
	if (found_along(c, p, first, name))
		return true;
	char dir[128];
	(void) snprintf(dir, sizeof dir, "usr/lib/%s", c->triplet);
	return found_in(c, p, dir, name) || found_in(c, p, "usr/lib", name);
}

static void miss(struct elf_deps *c, const struct program *p, const char *name) {
	if (!c->n_missing++)
		(void) err_set(&c->first, ERR_INTEGRITY,
			       "'%s' of package '%s' needs '%s', which no package brings: lock the "
			       "package "
			       "that has it, or take the file out with a filter",
			       p->node->path, p->node->owner, name);
}

static int check_node(struct elf_deps *c, const struct node *n, struct err *e) {
	struct program p = {.node = n};
	struct err why;

	if (elf_read(n->data, n->size, &p.elf, &why))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' of package '%s' is not a usable ELF file: %s", n->path,
			       n->owner, why.msg);
	const char *slash = strrchr(n->path, '/');
	(void) snprintf(p.origin, sizeof p.origin, "/%.*s", (int) (slash ? slash - n->path : 0),
			n->path);
	if (p.elf.interpreter && !tree_resolve(c->tree, p.elf.interpreter))
		miss(c, &p, p.elf.interpreter);
	for (size_t i = 0; i < p.elf.n_needed; i++)
		if (!is_found(c, &p, p.elf.needed[i]))
			miss(c, &p, p.elf.needed[i]);
	return interrupt_check(e);
}

int elf_deps_check(const struct tree *t, const char *architecture, const char *const *provided,
		   struct err *e) {
	struct elf_deps c = {.tree = t, .provided = provided};

	for (size_t i = 0; i < sizeof TRIPLETS / sizeof *TRIPLETS; i++)
		if (!strcmp(TRIPLETS[i].architecture, architecture))
			c.triplet = TRIPLETS[i].triplet;
	if (!c.triplet)
		return err_set(e, ERR_SPEC, "architecture '%s' is not supported", architecture);
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i].type == NODE_FILE && elf_is(t->at[i].data, t->at[i].size) &&
		    check_node(&c, &t->at[i], e))
			return -1;
	if (c.n_missing > 1)
		return err_set(e, c.first.code, "%s (and %zu more)", c.first.msg, c.n_missing - 1);
	if (c.n_missing)
		*e = c.first;
	return c.n_missing ? -1 : 0;
}
