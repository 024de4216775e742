/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a package: unpacked, laid into a tree, libraries checked. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "image/elf_deps.h"
#include "image/image.h"
#include "image/package.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a layer relies on. */
static void check_tree(const struct tree *t) {
	for (size_t i = 0; i < t->n; i++) {
		const char *path = t->at[i].path, *slash = strrchr(path, '/');
		if (!*path || *path == '/' || strstr(path, "//") || strstr(path, "/../"))
			abort();
		if (i && strcmp(t->at[i - 1].path, path) >= 0)
			abort();
		char *parent CLEANUP(freep) = mem_strndup(path,
							  slash ? (size_t) (slash - path) : 0);
		const struct node *above = tree_find(t, parent);
		if (*parent && (!above || above->type != NODE_DIR))
			abort();
		(void) tree_resolve(t, path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	const struct image_package want = {.name = "bad",
					   .version = "1.0",
					   .architecture = "amd64",
					   .layer = "base"};
	struct package p CLEANUP(package_done) = {.want = &want};
	struct tree t CLEANUP(tree_done) = {0};
	struct err e;
	int fd CLEANUP(closep) = memfd_create("package", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t) size)
		return 0;
	if (package_unpack(&p, fd, &e))
		return 0;
	for (size_t i = 0; i < p.nodes.n; i++)
		tree_add(&t, &p.nodes.at[i]);
	if (tree_merge(&t, &e))
		return 0;
	check_tree(&t);
	(void) elf_deps_check(&t, "amd64", NULL, &e);
	return 0;
}
