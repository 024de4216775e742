/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "compile/facts.h"
#include "compile/packages.h"
#include "compile/tree.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "host/host.h"
#include "host/measure.h"
#include "image/image.h"
#include "lockfile/lockfile.h"
#include "model/model.h"
#include "plan/plan.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "store/store.h"
#include "json/json.h"

/* In the store, verified, and its header read. */
static int artifact(const struct compile *c, const struct spec_artifact *a, const char *what,
		    struct model_facts *facts, uint64_t *size, struct err *e) {
	struct store_want want = {.sources = a->sources,
				  .n_sources = a->n_sources,
				  .sha256 = a->sha256,
				  .what = what};
	char *named CLEANUP(freep) = compile_named(a, what);
	int fd CLEANUP(closep) = -1;
	struct stat st;

	if (store_fetch(c->store, &want, c->progress, e) ||
	    (c->paranoid && store_verify(c->store, a->sha256, true, e)) ||
	    store_open_object(c->store, a->sha256, &fd, e) ||
	    model_read(fd, named, facts, e))
		return -1;
	/* Of the verified file itself: a receipt may be lost, the lockfile must not change with
	 * it. */
	if (fstat(fd, &st))
		return err_sys(e, "cannot look at '%s'", what);
	*size = (uint64_t) st.st_size;
	return 0;
}

static int artifacts(struct compile_parts *p, const struct compile *c, struct err *e) {
	const struct spec *s = p->spec;

	if (artifact(c, &s->model, "model", p->model, &p->sizes[0], e))
		return err_wrap(e, "model");
	for (size_t i = 0; i < s->n_adapters; i++)
		if (artifact(c, &s->adapters[i], "adapter", &p->adapters[i], &p->sizes[i + 1], e))
			return err_wrap(e, "adapter %zu", i + 1);
	return 0;
}

/* The bytes of their packages.lock are named by digest in the release. */
int compile_packages(struct compile_parts *p, const struct compile *c, struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", c->runtime_dir);
	struct buf text CLEANUP(buf_done) = BUF_INIT(8 << 20);

	if (debian_lock_read(path, p->plan->backend->name, p->host.architecture, &p->packages, e) ||
	    fs_read_user(path, &text, e))
		return -1;
	sha256_of(buf_str(&text), text.len, p->packages_lock);
	p->runtime_version = packages_version(p->packages, p->runtime->version_of);
	return 0;
}

static struct json *labels_of(const struct compile_parts *p) {
	struct json *labels = json_object();
	const struct spec *s = p->spec;

	json_set_str(labels, "llmdeploy.route", s->route);
	json_set_str(labels, "llmdeploy.version", s->version);
	json_set_str(labels, "llmdeploy.runtime", p->runtime->name);
	json_set_str(labels, "llmdeploy.runtime.version", p->runtime_version);
	json_set_str(labels, "llmdeploy.model", s->model.sha256);
	for (size_t i = 0; i < s->n_adapters; i++) {
		char *key CLEANUP(freep) = mem_printf("llmdeploy.adapter.%zu", i + 1);
		json_set_str(labels, key, s->adapters[i].sha256);
	}
	return labels;
}

static int image(struct compile_parts *p, const struct compile *c, struct err *e) {
	const struct debian_lock *l = p->packages;
	struct arena *a CLEANUP(arena_freep) = arena_new();
	struct json *labels CLEANUP(json_freep) = labels_of(p);
	const struct runtime_backend *backend = p->plan->backend;

	const char **provided = arena_zalloc(a, backend->n_provided + 1, sizeof *provided);
	for (size_t i = 0; i < backend->n_provided; i++)
		provided[i] = backend->provided[i];
	struct image_request q = {.packages = packages_of_image(l, a),
				  .n_packages = l->n_packages,
				  .architecture = p->host.architecture,
				  .provided = provided,
				  .runtime = arena_printf(a, "%s %s", p->runtime->name,
							  p->runtime_version),
				  .argv = p->plan->argv,
				  .env = p->plan->env,
				  .labels = labels,
				  .chat_template = p->spec->chat_template,
				  .user = "65532:65532",
				  .stop_signal = p->runtime->container.stop_signal};
	return image_build(&q, c->store, c->progress, &p->image, e);
}

int compile_runtime(struct compile_parts *p, const struct compile *c,
		    struct diagnostics *diagnostics, struct err *e) {
	if (runtime_load(c->runtime_dir, &p->runtime, diagnostics, e) ||
	    host_read("", &p->host, e))
		return -1;
	/* Its driver is asked only where a plan is for this machine: it may take a second. */
	if (p->spec->device_auto && !p->spec->n_machines)
		host_read_gpus(NULL, &p->host);
	return c->root < 0 ? 0 : host_cache_read(c->root, &p->host, e);
}

static int check_launch(const struct compile_parts *p, struct err *e) {
	if (!strcmp(p->runtime->launch, "packages"))
		return 0;
	return err_set(
		e, ERR_SPEC,
		"runtime '%s' can be planned but not run by this version: its launch kind is '%s'",
		p->runtime->name, p->runtime->launch);
}

static int all(const struct compile *c, struct compile_parts *p, struct diagnostics *diagnostics,
	       struct err *e) {
	/* 1. What the settings mean for this runtime. 2. The bytes. 3. The plan. 4. The image. */
	if (compile_runtime(p, c, diagnostics, e) ||
	    check_launch(p, e))
		return -1;
	if (artifacts(p, c, e) ||
	    compile_plan(p, c, diagnostics, e) ||
	    compile_packages(p, c, e) ||
	    debian_fetch(p->packages, c->store, c->mirrors, c->progress, e))
		return -1;
	return image(p, c, e);
}

int compile_release(const struct compile *c, const struct spec *s, struct lockfile **out,
		    struct diagnostics *diagnostics, struct err *e) {
	struct compile_parts p CLEANUP(compile_parts_done) = {.spec = s, .tool = c->tool};
	struct json *tree CLEANUP(json_freep) = NULL;

	if (spec_is_release(s, e))
		return -1;
	p.model = mem_zalloc(s->n_adapters + 1, sizeof *p.model);
	p.adapters = p.model + 1;
	p.sizes = mem_zalloc(s->n_adapters + 1, sizeof *p.sizes);
	if (all(c, &p, diagnostics, e))
		return -1;
	tree = compile_tree(&p);
	return lockfile_from_tree(tree, out, e);
}
