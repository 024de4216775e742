/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/blobs.h"
#include "image/image.h"
#include "store/store.h"
#include "json/json.h"

enum { PIECE = 1 << 20, MAX_JSON = 1 << 20, MAX_BLOBS = 64 };
#define OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* ---- names ---- */

/* "x:1" -> "docker.io/library/x:1", as every engine completes it; a registry in front stays. */
static char *full_name(const char *tag) {
	size_t first = strcspn(tag, "/");

	if (!tag[first])
		return mem_printf("docker.io/library/%s", tag);
	bool registry = memchr(tag, '.', first) || memchr(tag, ':', first) ||
		(first == 9 && !memcmp(tag, "localhost", 9));
	return registry ? mem_strdup(tag) : mem_printf("docker.io/%s", tag);
}

static const char *version_of(const char *tag) {
	const char *colon = strrchr(tag, ':'), *slash = strrchr(tag, '/');

	return colon && (!slash || colon > slash) ? colon + 1 : NULL;
}

/* ---- writing ---- */

struct blob {
	char sha256[65];
	uint64_t size;
};

static void make_index(const struct image *image, uint64_t manifest_size, const char *tag,
		       struct buf *out) {
	struct json *index CLEANUP(json_freep) = json_object();
	struct json *manifests = json_array(), *m = json_object(), *notes = json_object();
	char *name CLEANUP(freep) = full_name(tag);
	char *digest CLEANUP(freep) = mem_printf("sha256:%s", image->manifest);

	/* Without the first the containerd store names the image by the second, or not at all. */
	json_set_str(notes, "io.containerd.image.name", name);
	json_set_str(notes, "org.opencontainers.image.ref.name", version_of(tag));
	json_set_str(m, "mediaType", "application/vnd.oci.image.manifest.v1+json");
	json_set_str(m, "digest", digest);
	json_set_int(m, "size", (int64_t) manifest_size);
	json_set(m, "annotations", notes);
	json_push(manifests, m);
	json_set_int(index, "schemaVersion", 2);
	json_set_str(index, "mediaType", "application/vnd.oci.image.index.v1+json");
	json_set(index, "manifests", manifests);
	json_print(index, out);
}

static void make_docker_manifest(const struct image *image, const char *tag, struct buf *out) {
	struct json *list CLEANUP(json_freep) = json_array();
	struct json *m = json_object(), *tags = json_array(), *layers = json_array();
	char *config CLEANUP(freep) = mem_printf("blobs/sha256/%s", image->config);

	json_push_str(tags, tag);
	for (size_t i = 0; i < image->n_layers; i++) {
		char *path CLEANUP(freep) = mem_printf("blobs/sha256/%s", image->layers[i].diff_id);
		json_push_str(layers, path);
	}
	json_set_str(m, "Config", config);
	json_set(m, "RepoTags", tags);
	json_set(m, "Layers", layers);
	json_push(list, m);
	json_print(list, out);
}

static bool is_omitted(const struct image_archive *a, const char *diff_id) {
	for (size_t i = 0; a->omit && a->omit[i]; i++)
		if (!strcmp(a->omit[i], diff_id))
			return true;
	return false;
}

static int by_digest(const void *a, const void *b) {
	return strcmp(((const struct blob *) a)->sha256, ((const struct blob *) b)->sha256);
}

static void add_blob(struct blob *blobs, size_t *n, const char *sha256, uint64_t size) {
	memcpy(blobs[*n].sha256, sha256, sizeof blobs->sha256);
	blobs[(*n)++].size = size;
}

static int write_blob(struct archive_tar *tar, struct store *store, const struct blob *b,
		      char *piece, struct err *e) {
	int fd CLEANUP(closep) = -1;
	uint64_t left = b->size;
	char *path CLEANUP(freep) = mem_printf("blobs/sha256/%s", b->sha256);

	if (store_open_object(store, b->sha256, &fd, e) ||
	    archive_tar_file(tar, path, 0644, b->size, e))
		return -1;
	while (left) {
		ssize_t n = read(fd, piece, left < PIECE ? (size_t) left : PIECE);
		if (n < 0)
			return err_sys(e, "cannot read blob '%.12s'", b->sha256);
		if (!n)
			return err_set(e, ERR_INTEGRITY,
				       "blob '%.12s' is shorter than its manifest says", b->sha256);
		if (interrupt_check(e) ||
		    archive_tar_data(tar, piece, (size_t) n, e))
			return -1;
		left -= (uint64_t) n;
	}
	return b->size ? 0 : archive_tar_data(tar, "", 0, e);
}

static int write_blobs(struct archive_tar *tar, struct store *store, struct blob *blobs, size_t n,
		       struct err *e) {
	char *piece CLEANUP(freep) = mem_zalloc(PIECE, 1);

	qsort(blobs, n, sizeof *blobs, by_digest);
	for (size_t i = 0; i < n; i++)
		/* Two layers may be the same bytes; a tar names them once. */
		if ((!i || strcmp(blobs[i].sha256, blobs[i - 1].sha256) != 0) &&
		    write_blob(tar, store, &blobs[i], piece, e))
			return -1;
	return 0;
}

static int write_text(struct archive_tar *tar, const char *path, const char *text, struct err *e) {
	size_t n = strlen(text);

	return archive_tar_file(tar, path, 0644, n, e) || archive_tar_data(tar, text, n, e) ? -1
											    : 0;
}

int image_write_archive(struct store *store, const struct image_archive *a, struct err *e) {
	struct archive_tar tar = {.write = a->write, .ctx = a->ctx};
	struct buf index CLEANUP(buf_done) = BUF_INIT(MAX_JSON);
	struct buf docker CLEANUP(buf_done) = BUF_INIT(MAX_JSON);
	struct blob blobs[IMAGE_MAX_LAYERS + 2];
	struct image image;
	uint64_t config_size, manifest_size;
	size_t n = 0;

	if (!version_of(a->tag))
		return err_set(e, ERR_USAGE,
			       "image name '%s' has no version: write it as NAME:VERSION", a->tag);
	if (blobs_read_image(store, a->manifest, &image, &config_size, &manifest_size, e))
		return -1;
	add_blob(blobs, &n, image.manifest, manifest_size);
	add_blob(blobs, &n, image.config, config_size);
	for (size_t i = 0; i < image.n_layers; i++)
		if (!is_omitted(a, image.layers[i].diff_id))
			add_blob(blobs, &n, image.layers[i].diff_id, image.layers[i].size);
	make_index(&image, manifest_size, a->tag, &index);
	make_docker_manifest(&image, a->tag, &docker);
	if (archive_tar_dir(&tar, "blobs", 0755, e) ||
	    archive_tar_dir(&tar, "blobs/sha256", 0755, e) ||
	    write_blobs(&tar, store, blobs, n, e) ||
	    write_text(&tar, "index.json", buf_str(&index), e) ||
	    write_text(&tar, "manifest.json", buf_str(&docker), e) ||
	    write_text(&tar, "oci-layout", OCI_LAYOUT, e))
		return -1;
	return archive_tar_end(&tar, e);
}

/* ---- reading ---- */

struct import {
	struct store *store;
	const char *name; /* of the archive */
	struct store_writer *writer;
	char sha256[65]; /* what the writer must give */
	size_t n_blobs;
	struct buf index;
	bool in_index;
};

static void import_done(struct import *im) {
	store_abort(im->writer);
	buf_done(&im->index);
}

/* The entry before this one is whole. */
static int end_entry(struct import *im, struct err *e) {
	struct store_writer *w CLEANUP(store_abortp) = STEAL(im->writer);

	im->in_index = false;
	if (w && store_commit(w, im->sha256, NULL, e))
		return err_wrap(e, "'%s'", im->name);
	return 0;
}

static int begin_blob(struct import *im, const char *digest, uint64_t size, struct err *e) {
	char *what CLEANUP(freep) = mem_printf("blob '%.12s'", digest);

	if (!text_is_sha256(digest))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has a blob '%.80s' that is not named by a SHA-256 digest",
			       im->name, digest);
	if (++im->n_blobs > MAX_BLOBS)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has more than %d blobs: it is not from llmdeploy", im->name,
			       MAX_BLOBS);
	memcpy(im->sha256, digest, sizeof im->sha256);
	return store_begin(im->store, what, size, &im->writer, e);
}

static int import_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		       struct err *e) {
	struct import *im = ctx;
	const char *blobs = "blobs/sha256/";

	if (end_entry(im, e))
		return -1;
	if (item->type != ARCHIVE_TYPE_FILE)
		return 0;
	im->in_index = !strcmp(item->path, "index.json");
	if (im->in_index)
		buf_reset(&im->index);
	bool is_blob = text_starts(item->path, blobs);
	if (is_blob && begin_blob(im, item->path + strlen(blobs), item->size, e))
		return -1;
	*wish = is_blob || im->in_index ? ARCHIVE_TAKE : ARCHIVE_SKIP;
	return 0;
}

static int import_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	struct import *im = ctx;

	if (!im->in_index)
		return store_write(im->writer, data, n, e);
	if (!buf_add(&im->index, data, n))
		return err_set(e, ERR_INTEGRITY, "'%s' has an index.json of more than %d bytes",
			       im->name, MAX_JSON);
	return 0;
}

static int manifest_in(const struct import *im, char sha256[65], struct err *e) {
	struct json *index CLEANUP(json_freep) = NULL;

	if (!im->index.len)
		return err_set(e, ERR_INTEGRITY, "'%s' has no index.json: it is no image archive",
			       im->name);
	if (json_parse(im->index.data, im->index.len, &index, e)) {
		e->code = ERR_INTEGRITY;
		return err_wrap(e, "index.json in '%s'", im->name);
	}
	const struct json *manifests = json_get(index, "manifests");
	const char *digest = json_str(json_at(manifests, 0), "digest");
	if (json_count(manifests) != 1 || !digest || !text_starts(digest, "sha256:") ||
	    !text_is_sha256(digest + 7))
		return err_set(e, ERR_INTEGRITY,
			       "index.json in '%s' does not name exactly one image", im->name);
	memcpy(sha256, digest + 7, 65);
	return 0;
}

static int check_layers(const struct import *im, const struct image *image, struct err *e) {
	for (size_t i = 0; i < image->n_layers; i++) {
		const struct image_layer *l = &image->layers[i];
		uint64_t size = 0;
		bool has;
		if (store_has(im->store, l->diff_id, &has, &size, e))
			return -1;
		if (!has || size != l->size)
			return err_set(
				e, ERR_INTEGRITY,
				"'%s' does not have layer '%.12s', and neither has the store",
				im->name, l->diff_id);
	}
	return 0;
}

int image_read_archive(struct store *store, int fd, const char *name, const char *manifest,
		       struct image *out, struct err *e) {
	struct import im CLEANUP(
		import_done) = {.store = store, .name = name, .index = BUF_INIT(MAX_JSON)};
	const struct archive_visitor visitor = {import_item, import_bytes, &im};
	uint64_t config_size, manifest_size;
	struct image found;
	char digest[65];

	if (archive_tar_each(fd, name, &visitor, e) ||
	    end_entry(&im, e) ||
	    manifest_in(&im, digest, e))
		return -1;
	if (manifest && strcmp(manifest, digest) != 0)
		return err_set(e, ERR_INTEGRITY, "'%s' has the image %s instead of %s", name,
			       digest, manifest);
	if (blobs_read_image(store, digest, &found, &config_size, &manifest_size, e) ||
	    check_layers(&im, &found, e))
		return err_wrap(e, "image in '%s'", name);
	*out = found;
	return 0;
}
