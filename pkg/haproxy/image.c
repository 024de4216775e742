/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/image.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "image/image.h"
#include "root/root.h"
#include "json/json.h"

#define FILE_NAME "gateway/gateway.lock.json"
enum { FILE_CAP = 1 << 20 };

static int damaged(const char *what, struct err *e) {
	return err_set(e, ERR_INTEGRITY,
		       "'" FILE_NAME "': %s; rebuild it: llmdeploy gateway upgrade", what);
}

static bool is_digest(const char *s) {
	return s && text_is_sha256(s);
}

/* Fills `i` from its tree. */
static int take(struct haproxy_image *i, struct err *e) {
	const struct json *image = json_get(i->tree, "image");
	const char *kind = json_str(i->tree, "kind");

	i->name = json_str(i->tree, "name");
	i->version = json_str(i->tree, "version");
	i->packages_lock = json_str(i->tree, "packages_lock");
	i->command = json_get(i->tree, "command");
	i->config = json_str(image, "config");
	i->manifest = json_str(image, "manifest");
	if (!kind || strcmp(kind, "Gateway") || !i->name || !i->version || !json_count(i->command))
		return damaged("it does not describe a gateway", e);
	if (!is_digest(i->packages_lock) || !is_digest(i->config) || !is_digest(i->manifest))
		return damaged("a digest of the image is missing", e);
	for (const struct json *l = json_first(json_get(image, "layers")); l; l = json_next(l)) {
		if (i->n_layers == HAPROXY_MAX_LAYERS || !is_digest(json_str(l, "diff_id")))
			return damaged("a layer has no digest, or there are too many", e);
		i->layers[i->n_layers++] = json_str(l, "diff_id");
	}
	return i->n_layers ? 0 : damaged("the image has no layers", e);
}

int haproxy_image_keep(const struct root *root, const struct json *tree, struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {.tree = json_copy(tree)};
	struct buf text CLEANUP(buf_done) = BUF_INIT(FILE_CAP);

	if (take(&i, e) ||
	    json_canonical(tree, &text, e))
		return -1;
	(void) buf_putc(&text, '\n');
	if (fs_mkdirs(EFFECT_GATEWAY_CONFIG, root->fd, "gateway", 0755, e) ||
	    fs_write(EFFECT_GATEWAY_CONFIG, root->fd, FILE_NAME, buf_str(&text), text.len, 0644, e))
		return -1;
	return 0;
}

int haproxy_image_read(const struct root *root, struct haproxy_image *out, bool *found,
		       struct err *e) {
	struct haproxy_image i CLEANUP(haproxy_image_done) = {0};
	struct buf text CLEANUP(buf_done) = BUF_INIT(FILE_CAP);
	struct err why = {0};

	*found = false;
	if (!fs_exists(root->fd, "gateway"))
		return 0;
	if (fs_read_if(root->fd, FILE_NAME, &text, found, e))
		return -1;
	if (!*found)
		return 0;
	if (json_parse(buf_str(&text), text.len, &i.tree, &why))
		return damaged(why.msg, e);
	if (take(&i, e))
		return -1;
	*out = i;
	i.tree = NULL;
	return 0;
}

void haproxy_image_done(struct haproxy_image *i) {
	json_free(i->tree);
	*i = (struct haproxy_image){0};
}

bool haproxy_image_names(const struct haproxy_image *i, const char *sha256) {
	if (!i->tree)
		return false;
	if (!strcmp(i->config, sha256) || !strcmp(i->manifest, sha256))
		return true;
	for (size_t k = 0; k < i->n_layers; k++)
		if (!strcmp(i->layers[k], sha256))
			return true;
	for (const struct json *p = json_first(json_path(i->tree, "image.packages")); p;
	     p = json_next(p))
		if (json_str(p, "sha256") && !strcmp(json_str(p, "sha256"), sha256))
			return true;
	return false;
}

struct load {
	struct store *store;
	const struct haproxy_image *i;
	const char *tag;
	int fd;
};

static int write_out(void *ctx, const void *data, size_t n, struct err *e) {
	const struct load *load = ctx;

	return fs_write_all(EFFECT_NONE, load->fd, data, n, load->tag, e);
}

static int produce(void *ctx, int fd, struct err *e) {
	struct load *load = ctx;
	const struct image_archive archive = {.manifest = load->i->manifest,
					      .tag = load->tag,
					      .write = write_out,
					      .ctx = load};

	load->fd = fd;
	return image_write_archive(load->store, &archive, e);
}

int haproxy_image_load(const struct root *root, struct store *store, struct docker *docker,
		       const struct progress *progress, const struct haproxy_image *i, bool again,
		       char id[65], struct err *e) {
	char *tag CLEANUP(freep) = mem_printf("localhost/llmdeploy-%.8s/gateway:%.12s", root->id,
					      i->config);
	struct load load = {.store = store, .i = i, .tag = tag};
	bool found;

	if (docker_image_find(docker, i->config, i->manifest, i->layers, i->n_layers, &found, id,
			      e))
		return -1;
	if (found && !again)
		return 0;
	progress_step(progress, "load gateway image");
	if (docker_image_load(docker, tag, produce, &load, e) ||
	    docker_image_find(docker, i->config, i->manifest, i->layers, i->n_layers, &found, id,
			      e))
		return -1;
	if (!found)
		return err_set(e, ERR_INTEGRITY,
			       "Docker loaded another gateway image than '" FILE_NAME
			       "' names: expected config %.12s; "
			       "see Docker's log",
			       i->config);
	progress_done(progress, "load gateway image", i->version);
	return 0;
}
