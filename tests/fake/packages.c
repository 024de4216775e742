/* SPDX-License-Identifier: Apache-2.0 */
#include "packages.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "store/store.h"

static void must(int rc, const struct err *e) {
	if (!rc)
		return;
	(void) fprintf(stderr, "fake packages: %s\n", e->msg);
	abort();
}

void fake_packages_init(struct fake_packages *p) {
	struct err e = {0};

	*p = (struct fake_packages){.dir = "/tmp/packages.XXXXXX"};
	must(!mkdtemp(p->dir), &e);
	must(fs_open_dir(AT_FDCWD, p->dir, &p->root, &e) ||
		     store_open(p->root, p->dir, &p->store, &e),
	     &e);
}

void fake_packages_done(struct fake_packages *p) {
	struct err e = {0};

	store_free(p->store);
	(void) close(p->root);
	must(fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->dir, &e), &e);
}

void fake_packages_add_bytes(struct fake_packages *p, const char *name, const char *layer,
			     const struct buf *deb) {
	struct err e = {0};

	if (p->n == FAKE_MAX_PACKAGES)
		abort();
	must(store_put(p->store, deb->data, deb->len, p->sha256[p->n], &e), &e);
	p->at[p->n] = (struct image_package){.name = name,
					     .version = "1.0",
					     .architecture = "amd64",
					     .sha256 = p->sha256[p->n],
					     .layer = layer};
	p->n++;
}

void fake_packages_add(struct fake_packages *p, const char *name, const char *layer,
		       const struct fake_entry *entries, size_t n) {
	struct buf deb CLEANUP(buf_done) = BUF_INIT(1 << 24);
	struct buf sums CLEANUP(buf_done) = BUF_INIT(1 << 20);
	char *control CLEANUP(
		freep) = mem_printf("Package: %s\nVersion: 1.0\nArchitecture: amd64\n", name);

	for (size_t i = 0; i < n; i++)
		if (entries[i].type == 'f' && !strncmp(entries[i].path, "./", 2))
			(void) buf_printf(&sums, "%032zx  %s\n", i, entries[i].path + 2);
	/* Plain tars: their bytes, and so the digests of packages, depend on no compressor. */
	fake_deb(&(struct fake_deb){control, buf_str(&sums), "", entries, n}, &deb);
	fake_packages_add_bytes(p, name, layer, &deb);
}

struct image_request fake_packages_request(const struct fake_packages *p) {
	return (struct image_request){.packages = p->at,
				      .n_packages = p->n,
				      .architecture = "amd64",
				      .runtime = "tiny 1.0",
				      .user = "65532:65532"};
}
