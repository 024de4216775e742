/* SPDX-License-Identifier: Apache-2.0 */
#include "image/blobs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/image.h"
#include "store/store.h"
#include "json/json.h"

enum { MAX_BLOB = 4 << 20 };

#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

/* ---- making ---- */

/* Debian's name of an architecture to Go's, which OCI uses. */
static const char *oci_architecture(const char *debian) {
	return !strcmp(debian, "ppc64el") ? "ppc64le" : debian;
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static struct json *sorted_texts(const char *const *texts) {
	struct json *out = json_array();
	size_t n = 0;

	while (texts && texts[n])
		n++;
	const char **list CLEANUP(freep) = mem_zalloc(n, sizeof *list);
	for (size_t i = 0; i < n; i++)
		list[i] = texts[i];
	qsort(list, n, sizeof *list, by_text);
	for (size_t i = 0; i < n; i++)
		json_push_str(out, list[i]);
	return out;
}

static struct json *sorted_labels(const struct json *labels) {
	struct json *out = json_object();
	size_t n = 0;

	const char **keys CLEANUP(freep) = mem_zalloc(json_count(labels), sizeof *keys);
	for (const struct json *l = json_first(labels); l; l = json_next(l))
		keys[n++] = json_key(l);
	qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 0; i < n; i++)
		json_set_str(out, keys[i], json_str(labels, keys[i]));
	return out;
}

static struct json *run_config(const struct image_request *q) {
	struct json *c = json_object(), *argv = json_array();

	for (size_t i = 0; q->argv && q->argv[i]; i++)
		json_push_str(argv, q->argv[i]);
	json_set_str(c, "User", q->user);
	json_set(c, "Env", sorted_texts(q->env));
	json_set(c, "Entrypoint", argv);
	json_set_str(c, "WorkingDir", "/");
	json_set(c, "Labels", sorted_labels(q->labels));
	json_set_str(c, "StopSignal", q->stop_signal);
	return c;
}

static struct json *rootfs(const struct image *image) {
	struct json *r = json_object(), *ids = json_array();

	for (size_t i = 0; i < image->n_layers; i++) {
		char *id CLEANUP(freep) = mem_printf("sha256:%s", image->layers[i].diff_id);
		json_push_str(ids, id);
	}
	json_set_str(r, "type", "layers");
	json_set(r, "diff_ids", ids);
	return r;
}

static struct json *make_config(const struct image_request *q, const struct image *image) {
	const char *created = q->created ? q->created : "1970-01-01T00:00:00Z";
	struct json *c = json_object(), *history = json_array();

	for (size_t i = 0; i < image->n_layers; i++) {
		struct json *h = json_object();
		char *by CLEANUP(freep) = mem_printf("llmdeploy %s layer", image->layers[i].name);
		json_set_str(h, "created", created);
		json_set_str(h, "created_by", by);
		json_push(history, h);
	}
	json_set_str(c, "created", created);
	json_set_str(c, "architecture", oci_architecture(q->architecture));
	json_set_str(c, "os", "linux");
	json_set(c, "config", run_config(q));
	json_set(c, "rootfs", rootfs(image));
	json_set(c, "history", history);
	return c;
}

static struct json *descriptor(const char *type, const char *sha256, uint64_t size) {
	struct json *d = json_object();
	char *digest CLEANUP(freep) = mem_printf("sha256:%s", sha256);

	json_set_str(d, "mediaType", type);
	json_set_str(d, "digest", digest);
	json_set_int(d, "size", (int64_t) size);
	return d;
}

static int put(struct store *store, struct json *j, char sha256[65], uint64_t *size,
	       struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_BLOB);

	json_print(j, &text);
	*size = text.len;
	if (text.cut)
		return err_set(e, ERR_SPEC,
			       "the image's labels and arguments are larger than %d bytes",
			       MAX_BLOB);
	return store_put(store, text.data, text.len, sha256, e);
}

int blobs_make(const struct image_request *q, struct store *store, struct image *image,
	       struct err *e) {
	struct json *config CLEANUP(json_freep) = make_config(q, image);
	struct json *manifest CLEANUP(json_freep) = json_object();
	struct json *layers = json_array();
	uint64_t size;

	if (put(store, config, image->config, &size, e)) {
		json_free(layers);
		return -1;
	}
	for (size_t i = 0; i < image->n_layers; i++)
		json_push(layers,
			  descriptor(LAYER_TYPE, image->layers[i].diff_id, image->layers[i].size));
	json_set_int(manifest, "schemaVersion", 2);
	json_set_str(manifest, "mediaType", MANIFEST_TYPE);
	json_set(manifest, "config", descriptor(CONFIG_TYPE, image->config, size));
	json_set(manifest, "layers", layers);
	return put(store, manifest, image->manifest, &size, e);
}

/* ---- reading ---- */

int blobs_read_json(struct store *store, const char *sha256, struct json **out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_BLOB);
	char piece[65536];
	int fd CLEANUP(closep) = -1;

	if (store_open_object(store, sha256, &fd, e))
		return -1;
	for (ssize_t n; (n = read(fd, piece, sizeof piece)) != 0;) {
		if (n < 0)
			return err_sys(e, "cannot read blob '%.12s'", sha256);
		if (!buf_add(&text, piece, (size_t) n))
			return err_set(e, ERR_INTEGRITY,
				       "blob '%.12s' is larger than %d bytes: no manifest or "
				       "configuration",
				       sha256, MAX_BLOB);
	}
	if (json_parse(buf_str(&text), text.len, out, e)) {
		e->code = ERR_INTEGRITY;
		return err_wrap(e, "blob '%.12s'", sha256);
	}
	return 0;
}

/* "sha256:HEX" of a descriptor; *size from it too. */
static bool read_descriptor(const struct json *d, const char *type, char sha256[65],
			    uint64_t *size) {
	const char *digest = json_str(d, "digest"), *is = json_str(d, "mediaType");
	int64_t n;

	if (!digest || !text_starts(digest, "sha256:") || !text_is_sha256(digest + 7) || !is ||
	    strcmp(is, type) != 0 || !json_int(d, "size", &n) || n < 0)
		return false;
	memcpy(sha256, digest + 7, 65);
	*size = (uint64_t) n;
	return true;
}

static int check_diff_ids(struct store *store, const struct image *image, struct err *e) {
	struct json *config CLEANUP(json_freep) = NULL;

	if (blobs_read_json(store, image->config, &config, e))
		return -1;
	const struct json *ids = json_path(config, "rootfs.diff_ids");
	if (json_count(ids) != image->n_layers)
		return err_set(e, ERR_INTEGRITY,
			       "configuration '%.12s' has %zu layers, its manifest has %zu",
			       image->config, json_count(ids), image->n_layers);
	for (size_t i = 0; i < image->n_layers; i++) {
		const char *id = json_text(json_at(ids, i));
		if (!id || !text_starts(id, "sha256:") ||
		    strcmp(id + 7, image->layers[i].diff_id) != 0)
			return err_set(
				e, ERR_INTEGRITY,
				"configuration '%.12s' and its manifest name different layers",
				image->config);
	}
	return 0;
}

int blobs_read_image(struct store *store, const char *manifest, struct image *out,
		     uint64_t *config_size, uint64_t *manifest_size, struct err *e) {
	struct json *m CLEANUP(json_freep) = NULL;
	struct image found = {.n_layers = 0};
	bool has;

	if (blobs_read_json(store, manifest, &m, e) ||
	    store_has(store, manifest, &has, manifest_size, e))
		return -1;
	memcpy(found.manifest, manifest, sizeof found.manifest);
	const struct json *layers = json_get(m, "layers");
	if (!read_descriptor(json_get(m, "config"), CONFIG_TYPE, found.config, config_size) ||
	    !json_count(layers) || json_count(layers) > IMAGE_MAX_LAYERS)
		return err_set(e, ERR_INTEGRITY,
			       "'%.12s' is no manifest of an image that llmdeploy made", manifest);
	for (const struct json *l = json_first(layers); l; l = json_next(l)) {
		struct image_layer *layer = &found.layers[found.n_layers++];
		layer->name = "layer";
		if (!read_descriptor(l, LAYER_TYPE, layer->diff_id, &layer->size))
			return err_set(e, ERR_INTEGRITY,
				       "manifest '%.12s' has a layer that is no plain tar",
				       manifest);
	}
	if (check_diff_ids(store, &found, e))
		return -1;
	*out = found;
	return 0;
}
