/* SPDX-License-Identifier: Apache-2.0 */
/* Package layers and nothing else, for tests/bench/image.sh:
 *
 *     image_bench fetch  PACKAGES.LOCK ROOT    the packages into ROOT/store, from the host's
 * mirrors image_bench index  PACKAGES.LOCK ROOT    an apt index of them (flat repository, no
 * dependencies) image_bench paths  PACKAGES.LOCK ROOT    "NAME PATH" of each .deb image_bench
 * forget PACKAGES.LOCK ROOT    layers that were made before are gone image_bench build
 * PACKAGES.LOCK ROOT    makes them
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/config.h"
#include "debian/debian.h"
#include "fs/fs.h"
#include "image/image.h"
#include "store/store.h"

struct bench {
	const char *root_path;
	int root;
	struct store *store;
	struct debian_lock *lock;
};

static int fetch(struct bench *b, struct err *e) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct config *config CLEANUP(config_freep) = NULL;

	if (config_load(b->root, b->root_path, "/etc/apt", &config, &c, e))
		return -1;
	struct debian_mirror *list CLEANUP(freep) = mem_zalloc(config->n_mirrors, sizeof *list);
	for (size_t i = 0; i < config->n_mirrors; i++)
		list[i].url = config->mirrors[i];
	return debian_fetch(b->lock, b->store,
			    &(struct debian_mirrors){.at = list, .n = config->n_mirrors}, NULL, e);
}

static int write_index(struct bench *b, struct err *e) {
	(void) e;
	for (size_t i = 0; i < b->lock->n_packages; i++) {
		const struct debian_package *p = &b->lock->packages[i];
		(void) printf("Package: %s\nVersion: %s\nArchitecture: %s\nFilename: "
			      "./%s.deb\nSize: %llu\nSHA256: %s\n"
			      "Maintainer: nobody\nDescription: none\n\n",
			      p->name, p->version, p->architecture, p->name,
			      (unsigned long long) p->size, p->sha256);
	}
	return 0;
}

static int write_paths(struct bench *b, struct err *e) {
	(void) e;
	for (size_t i = 0; i < b->lock->n_packages; i++) {
		char *path CLEANUP(freep) = store_path(b->store, b->lock->packages[i].sha256);
		(void) printf("%s %s\n", b->lock->packages[i].name, path);
	}
	return 0;
}

static int layers(struct bench *b, struct image *out, struct err *e) {
	struct image_package *list CLEANUP(freep) = mem_zalloc(b->lock->n_packages, sizeof *list);

	for (size_t i = 0; i < b->lock->n_packages; i++) {
		const struct debian_package *p = &b->lock->packages[i];
		list[i] = (struct image_package){p->name,  p->version, p->architecture, p->sha256,
						 p->layer, p->files,   p->n_files};
	}
	const struct image_request q = {.packages = list,
					.n_packages = b->lock->n_packages,
					.architecture = b->lock->architecture};
	return image_layers(&q, b->store, NULL, out, e);
}

static int build(struct bench *b, struct err *e) {
	struct image image;

	if (layers(b, &image, e))
		return -1;
	for (size_t i = 0; i < image.n_layers; i++)
		(void) printf("%s %s %llu\n", image.layers[i].name, image.layers[i].diff_id,
			      (unsigned long long) image.layers[i].size);
	return 0;
}

/* The layers are found in the notes: this builds them once more if there is none. */
static int forget(struct bench *b, struct err *e) {
	struct image image;

	if (layers(b, &image, e) ||
	    fs_remove_tree(EFFECT_NONE, b->root, "store/notes/layers", e))
		return -1;
	for (size_t i = 0; i < image.n_layers; i++)
		if (store_remove(b->store, image.layers[i].diff_id, e))
			return -1;
	return 0;
}

static int run(struct bench *b, const char *what, const char *lock, struct err *e) {
	static const struct {
		const char *name;
		int (*run)(struct bench *b, struct err *e);
	} commands[] = {{"fetch", fetch},
			{"index", write_index},
			{"paths", write_paths},
			{"build", build},
			{"forget", forget}};

	if (fs_mkdirs(EFFECT_NONE, AT_FDCWD, b->root_path, 0755, e) ||
	    fs_open_dir(AT_FDCWD, b->root_path, &b->root, e) ||
	    store_open(b->root, b->root_path, &b->store, e) ||
	    debian_lock_read(lock, "cpu", "amd64", &b->lock, e))
		return -1;
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i].name, what))
			return commands[i].run(b, e);
	return err_set(e, ERR_USAGE, "unknown command '%s'", what);
}

int main(int argc, char **argv) {
	struct bench b = {.root = -1};
	struct err e = {0};

	if (argc != 4) {
		(void) fputs(
			"usage: image_bench fetch|index|paths|forget|build PACKAGES.LOCK ROOT\n",
			stderr);
		return 2;
	}
	b.root_path = argv[3];
	int rc = run(&b, argv[1], argv[2], &e);
	if (rc)
		(void) fprintf(stderr, "image_bench: %s\n", e.msg);
	debian_lock_free(b.lock);
	store_free(b.store);
	closep(&b.root);
	return rc ? err_exit_status(e.code) : 0;
}
