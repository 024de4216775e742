/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/gateway.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "compile/compile.h"
#include "compile/packages.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "host/host.h"
#include "image/image.h"
#include "runtime/gateway.h"
#include "json/json.h"

static int read_packages_lock(const char *dir, struct buf *text, struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", dir);

	return fs_read_user(path, text, e);
}

int compile_gateway_wanted(const char *dir, char sha256[65], struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);

	if (read_packages_lock(dir, &text, e))
		return -1;
	sha256_of(buf_str(&text), text.len, sha256);
	return 0;
}

static struct json *image_tree(const struct image *image, const struct debian_lock *l) {
	struct json *o = json_object(), *packages = json_array();

	json_set_str(o, "config", image->config);
	json_set_str(o, "manifest", image->manifest);
	for (size_t i = 0; i < l->n_packages; i++) {
		struct json *package = json_object();
		json_set_str(package, "name", l->packages[i].name);
		json_set_str(package, "version", l->packages[i].version);
		json_set_str(package, "sha256", l->packages[i].sha256);
		json_push(packages, package);
	}
	json_set(o, "layers", packages_layers(image));
	json_set(o, "packages", packages);
	return o;
}

static struct json *tree_of(const struct runtime_gateway *g, const struct debian_lock *l,
			    const char *packages_lock, const struct image *image) {
	struct json *o = json_object(), *command = json_array();

	json_set_str(o, "apiVersion", "llmdeploy/v1");
	json_set_str(o, "kind", "Gateway");
	json_set_str(o, "name", g->name);
	json_set_str(o, "version", packages_version(l, g->version_of));
	json_set_str(o, "architecture", l->architecture);
	json_set_str(o, "packages_lock", packages_lock);
	for (size_t i = 0; i < g->n_command; i++)
		json_push_str(command, g->command[i]);
	json_set(o, "command", command);
	json_set(o, "image", image_tree(image, l));
	return o;
}

/* No route and no version: one gateway serves all. Its label tells it from the releases' images. */
static int build_image(const struct compile *c, const struct runtime_gateway *g,
		       const struct debian_lock *l, struct image *out, struct err *e) {
	struct arena *a CLEANUP(arena_freep) = arena_new();
	struct json *labels CLEANUP(json_freep) = json_object();
	const char **argv = arena_zalloc(a, g->n_command + 1, sizeof *argv);

	json_set_str(labels, "llmdeploy.gateway", packages_version(l, g->version_of));
	for (size_t i = 0; i < g->n_command; i++)
		argv[i] = g->command[i];
	const struct image_request q = {.packages = packages_of_image(l, a),
					.n_packages = l->n_packages,
					.architecture = l->architecture,
					.runtime = arena_printf(a, "%s %s", g->name,
								packages_version(l, g->version_of)),
					.argv = argv,
					.labels = labels,
					.user = "65532:65532",
					.stop_signal = "SIGUSR1"};
	return image_build(&q, c->store, c->progress, out, e);
}

int compile_gateway(const struct compile *c, struct json **out, struct diagnostics *diagnostics,
		    struct err *e) {
	struct runtime_gateway *g CLEANUP(runtime_gateway_freep) = NULL;
	struct debian_lock *l CLEANUP(debian_lock_freep) = NULL;
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", c->runtime_dir);
	struct host_facts host;
	struct image image;
	char digest[65];

	if (runtime_gateway_load(c->runtime_dir, &g, diagnostics, e) ||
	    host_read("", &host, e) ||
	    compile_gateway_wanted(c->runtime_dir, digest, e) ||
	    debian_lock_read(path, RUNTIME_GATEWAY_BACKEND, host.architecture, &l, e) ||
	    debian_fetch(l, c->store, c->mirrors, c->progress, e) ||
	    build_image(c, g, l, &image, e))
		return -1;
	*out = tree_of(g, l, digest, &image);
	return 0;
}
