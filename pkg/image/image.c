/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "image/blobs.h"
#include "image/elf_deps.h"
#include "image/layer.h"
#include "image/package.h"
#include "image/postinst_emulation.h"
#include "image/unpack.h"
#include "store/store.h"
#include "json/json.h"

/* Changes when the same packages shall give other bytes: kept layers are then created again. */
#define ASSEMBLER "image-1"

enum { MAX_PACKAGES = 400, MAX_KEY = 1 << 20, MAX_NOTE = 1 << 16 };

static const char *const LAYERS[] = {
	[LAYER_BASE] = "base", [LAYER_RUNTIME] = "engine", [LAYER_RELEASE] = "release"};

/* ---- the list of packages ---- */

static int by_name(const void *a, const void *b) {
	return strcmp((*(const struct image_package *const *) a)->name,
		      (*(const struct image_package *const *) b)->name);
}

static int check_package(const struct image_package *p, struct err *e) {
	if (strcmp(p->layer, "base") != 0 && strcmp(p->layer, "engine") != 0)
		return err_set(e, ERR_SPEC,
			       "package '%s' belongs to layer '%s': it may be 'base' or 'engine'",
			       p->name, p->layer);
	/* It becomes a file's name (Debian Policy 5.6.1 allows even less). */
	if (!*p->name ||
	    strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != strlen(p->name))
		return err_set(e, ERR_SPEC, "'%s' is no name of a Debian package", p->name);
	return 0;
}

static int sort_packages(const struct image_request *q, const struct image_package ***sorted,
			 struct err *e) {
	if (!q->n_packages || q->n_packages > MAX_PACKAGES)
		return err_set(e, ERR_SPEC, "an image has 1 to %d packages, not %zu", MAX_PACKAGES,
			       q->n_packages);
	const struct image_package **list CLEANUP(freep) = mem_zalloc(q->n_packages, sizeof *list);
	for (size_t i = 0; i < q->n_packages; i++) {
		list[i] = &q->packages[i];
		if (check_package(list[i], e))
			return -1;
	}
	qsort(list, q->n_packages, sizeof *list, by_name);
	for (size_t i = 1; i < q->n_packages; i++)
		if (!strcmp(list[i]->name, list[i - 1]->name))
			return err_set(e, ERR_SPEC, "package '%s' is named twice", list[i]->name);
	*sorted = STEAL(list);
	return 0;
}

/* ---- layers that were made before ---- */

/* Name of the note that remembers what these packages gave. */
static int note_name(const struct image_request *q, const struct image_package *const *list,
		     char **name, struct err *e) {
	struct buf key CLEANUP(buf_done) = BUF_INIT(MAX_KEY);
	char digest[SHA256_HEX];

	(void) buf_printf(&key, ASSEMBLER " %s\n", q->architecture);
	for (size_t i = 0; q->provided && q->provided[i]; i++)
		(void) buf_printf(&key, "provided %s\n", q->provided[i]);
	for (size_t i = 0; i < q->n_packages; i++) {
		const struct image_package *p = list[i];
		(void) buf_printf(&key, "%s %s %s %s %s %s\n", p->name, p->version, p->architecture,
				  p->sha256, p->layer, p->files ? "only" : "all");
		for (size_t k = 0; p->files && k < p->n_files; k++)
			(void) buf_printf(&key, " %s\n", p->files[k]);
	}
	if (key.cut)
		return err_set(e, ERR_SPEC, "the list of packages is longer than %d bytes",
			       MAX_KEY);
	sha256_of(key.data, key.len, digest);
	*name = mem_printf("layers/%s", digest);
	return 0;
}

static const char *layer_name(const char *name) {
	for (size_t i = 0; name && i < sizeof LAYERS / sizeof *LAYERS; i++)
		if (!strcmp(LAYERS[i], name))
			return LAYERS[i];
	return NULL;
}

/* False: not a layer, or its bytes are not in the store. */
static bool recall_layer(const struct json *j, struct store *store, struct image_layer *out) {
	const char *digest = json_str(j, "diff_id");
	struct err ignored;
	int64_t size;
	uint64_t is;
	bool has;

	out->name = layer_name(json_str(j, "name"));
	if (!out->name || !digest || !text_is_sha256(digest) || !json_int(j, "size", &size))
		return false;
	if (store_has(store, digest, &has, &is, &ignored) || !has || is != (uint64_t) size)
		return false;
	memcpy(out->diff_id, digest, sizeof out->diff_id);
	out->size = is;
	return true;
}

/* A note is a cache: whatever is wrong with it, the layers are created again. */
static bool recall(struct store *store, const char *note, struct image *out) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_NOTE);
	struct json *j CLEANUP(json_freep) = NULL;
	struct image found = {.n_layers = 0};
	struct err ignored;
	bool is_there;

	if (store_note_get(store, note, &text, &is_there, &ignored) || !is_there ||
	    json_parse(text.data, text.len, &j, &ignored))
		return false;
	const struct json *layers = json_get(j, "layers");
	for (const struct json *l = json_first(layers); l; l = json_next(l))
		if (found.n_layers == IMAGE_MAX_LAYERS - 1 ||
		    !recall_layer(l, store, &found.layers[found.n_layers++]))
			return false;
	if (!found.n_layers)
		return false;
	*out = found;
	return true;
}

static int remember(struct store *store, const char *note, const struct image *image,
		    struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_NOTE);
	struct json *j CLEANUP(json_freep) = json_object();
	struct json *layers = json_array();

	json_set(j, "layers", layers);
	for (size_t i = 0; i < image->n_layers; i++) {
		struct json *l = json_object();
		json_set_str(l, "name", image->layers[i].name);
		json_set_str(l, "diff_id", image->layers[i].diff_id);
		json_set_int(l, "size", (int64_t) image->layers[i].size);
		json_push(layers, l);
	}
	json_print(j, &text);
	return store_note_put(store, note, text.data, text.len, e);
}

/* ---- layers that are made now ---- */

static int write_layer(const struct tree *t, unsigned layer, struct store *store, struct image *out,
		       struct err *e) {
	struct image_layer made;

	if (layer_write(t, layer, LAYERS[layer], store, &made, e))
		return -1;
	if (made.size)
		out->layers[out->n_layers++] = made;
	return 0;
}

static void tell_size(const struct unpacked *all, const struct progress *progress) {
	uint64_t kept = 0, pruned = 0;
	char a[TEXT_BYTES], b[TEXT_BYTES];

	for (size_t i = 0; i < all->n; i++) {
		kept += all->at[i].bytes;
		pruned += all->at[i].pruned_bytes;
	}
	text_format_bytes(kept, a);
	text_format_bytes(pruned, b);
	char *left CLEANUP(freep) = pruned ? mem_printf(", without %s of manuals", b)
					   : mem_strdup("");
	char *detail CLEANUP(freep) = mem_printf("%zu package%s, %s%s", all->n,
						 all->n == 1 ? "" : "s", a, left);
	progress_done(progress, "unpack packages", detail);
}

static int make_layers(const struct image_request *q, const struct image_package *const *list,
		       struct store *store, const struct progress *progress, struct image *out,
		       struct err *e) {
	struct unpacked all CLEANUP(unpacked_done) = {0};
	struct tree tree CLEANUP(tree_done) = {0};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct image made = {.n_layers = 0};

	progress_step(progress, "unpack packages");
	if (unpack_all(list, q->n_packages, store, progress, &all, e))
		return -1;
	tell_size(&all, progress);
	for (size_t i = 0; i < all.n; i++)
		for (size_t k = 0; k < all.at[i].nodes.n; k++)
			tree_add(&tree, &all.at[i].nodes.at[k]);
	if (postinst_emulate(&tree, arena, e) ||
	    tree_merge(&tree, e) ||
	    elf_deps_check(&tree, q->architecture, q->provided, e))
		return -1;
	if (write_layer(&tree, LAYER_BASE, store, &made, e) ||
	    write_layer(&tree, LAYER_RUNTIME, store, &made, e))
		return -1;
	*out = made;
	return 0;
}

int image_layers(const struct image_request *q, struct store *store,
		 const struct progress *progress, struct image *out, struct err *e) {
	const struct image_package **list CLEANUP(freep) = NULL;
	char *note CLEANUP(freep) = NULL;

	if (sort_packages(q, &list, e) ||
	    note_name(q, list, &note, e))
		return -1;
	if (recall(store, note, out))
		return 0;
	struct image made;
	if (make_layers(q, list, store, progress, &made, e) ||
	    remember(store, note, &made, e))
		return -1;
	*out = made;
	return 0;
}

int image_build(const struct image_request *q, struct store *store, const struct progress *progress,
		struct image *out, struct err *e) {
	const struct image_package **list CLEANUP(freep) = NULL;
	struct tree tree CLEANUP(tree_done) = {0};
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct image made;

	if (sort_packages(q, &list, e) ||
	    image_layers(q, store, progress, &made, e))
		return -1;
	release_add(&tree, arena, q, list);
	if (tree_merge(&tree, e) ||
	    write_layer(&tree, LAYER_RELEASE, store, &made, e) ||
	    blobs_make(q, store, &made, e))
		return -1;
	*out = made;
	return 0;
}
