/* SPDX-License-Identifier: Apache-2.0 */
#include "instance/instance.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "fs/fs.h"
#include "image/image.h"
#include "root/root.h"
#include "store/store.h"
#include "json/json.h"

char *instance_name(const struct root *root, const struct lockfile *l) {
	return mem_printf("llmdeploy-%.8s-%s-%s", root->id, l->route, l->id);
}

struct json *instance_labels(const struct instance_ctx *ctx, const struct lockfile *l) {
	struct json *labels = json_object();

	json_set_str(labels, INSTANCE_LABEL_ROOT, ctx->root->id);
	json_set_str(labels, INSTANCE_LABEL_ROUTE, l->route);
	json_set_str(labels, INSTANCE_LABEL_VERSION, l->version);
	json_set_str(labels, INSTANCE_LABEL_LOCK, l->digest);
	return labels;
}

/* Where the manifest came from goes on the container and nowhere else: it must not change a
 * digest. */
static void add_origin(struct json *labels, const struct json *origin) {
	if (!origin)
		return;
	json_set_str(labels, "llmdeploy.manifest.commit", json_str(origin, "commit"));
	json_set_str(labels, "llmdeploy.manifest.dirty",
		     json_true(origin, "dirty") ? "true" : "false");
	json_set_str(labels, "llmdeploy.manifest.remote", json_str(origin, "remote"));
}

struct load {
	const struct instance_ctx *ctx;
	const struct lockfile *l;
	const char *tag;
	const char *const *omit;
	int fd;
};

static int write_out(void *ctx, const void *data, size_t n, struct err *e) {
	const struct load *load = ctx;

	return fs_write_all(EFFECT_NONE, load->fd, data, n, load->tag, e);
}

static int produce(void *ctx, int fd, struct err *e) {
	struct load *load = ctx;
	struct image_archive archive = {.manifest = load->l->image_manifest,
					.tag = load->tag,
					.omit = load->omit,
					.write = write_out,
					.ctx = load};

	load->fd = fd;
	return image_write_archive(load->ctx->store, &archive, e);
}

static int find_image(const struct instance_ctx *ctx, const struct lockfile *l, bool *found,
		      char id[65], struct err *e) {
	const char **diff_ids CLEANUP(freep) = mem_zalloc(l->n_layers, sizeof *diff_ids);

	for (size_t i = 0; i < l->n_layers; i++)
		diff_ids[i] = l->layers[i].diff_id;
	return docker_image_find(ctx->docker, l->image_config, l->image_manifest, diff_ids,
				 l->n_layers, found, id, e);
}

/* Layers that the Engine has from other releases, of any root: they need not be sent again. A
 * NULL-terminated list in `a`. */
static const char *const *layers_there(const struct instance_ctx *ctx, struct arena *a) {
	static const char *const labels[] = {"llmdeploy.route", NULL};
	struct docker_images list = {0};
	struct err ignored = {0};
	const char **out = NULL;
	size_t n = 0;

	if (docker_image_list(ctx->docker, labels, &list, &ignored))
		return NULL;
	out = arena_zalloc(a, list.n * IMAGE_MAX_LAYERS + 1, sizeof *out);
	for (size_t i = 0; i < list.n && i < 16; i++) {
		struct docker_image image = {0};
		char *ref CLEANUP(freep) = mem_printf("sha256:%s", list.at[i].id);
		bool found = false;
		if (!docker_image_inspect(ctx->docker, ref, &found, &image, &ignored) && found)
			for (size_t k = 0; k < image.n_layers && k < IMAGE_MAX_LAYERS; k++)
				out[n++] = arena_strdup(a, image.layers[k]);
		docker_image_done(&image);
	}
	docker_images_done(&list);
	return n ? out : NULL;
}

static int load_image(const struct instance_ctx *ctx, const struct lockfile *l, const char *tag,
		      const char *const *omit, bool *found, char id[65], struct err *e) {
	struct load load = {.ctx = ctx, .l = l, .tag = tag, .omit = omit};
	unsigned outages = docker_outages(ctx->docker);
	struct err why = {0};

	if (!docker_image_load(ctx->docker, tag, produce, &load, &why))
		return find_image(ctx, l, found, id, e);
	if (docker_outages(ctx->docker) == outages)
		return err_set(e, why.code, "%s", why.msg);
	/* An Engine that was restarted in the middle of it: the look waits until it is back. Once
	 * more. */
	if (find_image(ctx, l, found, id, e))
		return -1;
	if (*found)
		return 0;
	if (docker_image_load(ctx->docker, tag, produce, &load, e) ||
	    find_image(ctx, l, found, id, e))
		return -1;
	return 0;
}

static char *image_tag(const struct instance_ctx *ctx, const struct lockfile *l) {
	return mem_printf("localhost/llmdeploy-%.8s/%s:%s", ctx->root->id, l->route, l->id);
}

int instance_image(const struct instance_ctx *ctx, const struct lockfile *l, char id[65],
		   struct err *e) {
	char *tag CLEANUP(freep) = image_tag(ctx, l);
	struct arena *a CLEANUP(arena_freep) = arena_new();
	struct err partial = {0};
	bool found;

	if (find_image(ctx, l, &found, id, e))
		return -1;
	if (found)
		return 0;
	progress_step(ctx->progress, "load image");
	/* That an Engine takes an archive without the layers it has is true of all that were tried
	 * and promised by none: else all of it. */
	const char *const *omit = layers_there(ctx, a);
	if (omit && load_image(ctx, l, tag, omit, &found, id, &partial))
		found = false;
	if (!found && partial.code != ERR_INTERRUPTED &&
	    load_image(ctx, l, tag, NULL, &found, id, e))
		return -1;
	if (interrupt_check(e))
		return -1;
	if (!found)
		return err_set(e, ERR_INTEGRITY,
			       "Docker loaded another image than the lockfile names: expected "
			       "config %.12s of '%s'; "
			       "see Docker's log",
			       l->image_config, tag);
	progress_done(ctx->progress, "load image", NULL);
	return 0;
}

int instance_mounts(const struct instance_ctx *ctx, const struct lockfile *l, const char *run,
		    struct docker_mount *mounts, struct err *e) {
	const char *slash = strrchr(l->socket, '/');

	for (size_t i = 0; i < l->n_artifacts; i++) {
		if (store_verify(ctx->store, l->artifacts[i].sha256, false, e))
			return err_wrap(e, "%s", l->artifacts[i].role);
		mounts[i] = (struct docker_mount){.source = store_path(ctx->store,
								       l->artifacts[i].sha256),
						  .target = l->artifacts[i].path,
						  .read_only = true};
	}
	mounts[l->n_artifacts] = (struct docker_mount){
		.source = mem_strdup(run),
		.target = mem_strndup(l->socket, (size_t) (slash - l->socket))};
	return 0;
}

void instance_mounts_done(struct docker_mount *mounts, size_t n) {
	for (size_t i = 0; i < n; i++)
		free((char *) (uintptr_t) mounts[i].source);
	free((char *) (uintptr_t) mounts[n - 1].target);
	free(mounts);
}

static int create_with(const struct instance_ctx *ctx, const struct lockfile *l, const char *name,
		       const char *image, const struct docker_mount *mounts, bool *taken,
		       struct err *e) {
	if (docker_learn(ctx->docker, NULL, e))
		return -1;
	char *user CLEANUP(freep) = docker_user(ctx->docker, (unsigned) ctx->root->instance_uid);
	char *ref CLEANUP(freep) = mem_printf("sha256:%s", image);
	struct json *labels CLEANUP(json_freep) = instance_labels(ctx, l);
	const struct json *c = json_get(l->tree, "container");
	char id[65];

	add_origin(labels, ctx->origin);
	struct docker_container_spec spec = {
		.name = name,
		.image = ref,
		.argv = json_get(c, "argv"),
		.env = json_get(c, "env"),
		.user = user,
		.labels = labels,
		.mounts = mounts,
		.n_mounts = l->n_artifacts + 1,
		.network = l->network,
		.memory_bytes = l->memory_bytes,
		.pids = (int64_t) l->pids,
		.writable_root = !l->read_only,
		.tmpfs = l->tmpfs,
		.gpu = l->gpu,
		.devices = json_get(c, "devices"),
		.stop_signal = l->stop_signal,
		.stop_timeout_ms = l->stop_timeout_ms,
		.restart = "no",
	};
	/* An Engine goes on making what nobody waits for any more. So a Ctrl-C is heard when it is
	 * made, and can be undone; a second one leaves at once. */
	interrupt_hold();
	int r = docker_container_create(ctx->docker, &spec, taken, id, e);
	interrupt_release();
	return r;
}

static int image_again(const struct instance_ctx *ctx, const struct lockfile *l, char id[65],
		       struct err *e) {
	char *tag CLEANUP(freep) = image_tag(ctx, l);
	bool found;

	progress_warn(ctx->progress,
		      "Docker has the image but cannot create a container from it: the whole image "
		      "is loaded again",
		      l->version);
	if (load_image(ctx, l, tag, NULL, &found, id, e))
		return -1;
	return found ? 0
		     : err_set(e, ERR_INTEGRITY,
			       "Docker loaded another image than the lockfile names: expected "
			       "config %.12s of '%s'",
			       l->image_config, tag);
}

static int create_again(const struct instance_ctx *ctx, const struct lockfile *l, const char *name,
			const struct docker_mount *mounts, const struct err *why, bool *taken,
			struct err *e) {
	char image[65];

	if (!docker_create_may_want_image(why))
		return err_set(e, why->code, "%s", why->msg);
	if (image_again(ctx, l, image, e))
		return -1;
	return create_with(ctx, l, name, image, mounts, taken, e);
}

static int create(const struct instance_ctx *ctx, const struct lockfile *l, const char *name,
		  bool *taken, struct err *e) {
	char *run CLEANUP(freep) = NULL;
	struct err why = {0};
	char image[65];

	if (instance_image(ctx, l, image, e) ||
	    release_run_dir(ctx->root, l->id, &run, e))
		return -1;
	struct docker_mount *mounts = mem_zalloc(l->n_artifacts + 1, sizeof *mounts);
	int r = instance_mounts(ctx, l, run, mounts, e);
	if (!r && create_with(ctx, l, name, image, mounts, taken, &why))
		r = create_again(ctx, l, name, mounts, &why, taken, e);
	instance_mounts_done(mounts, l->n_artifacts + 1);
	return r;
}

/* Ours is one of this root and this lock; anything else under our name was left by someone and is
 * replaced. */
static bool is_ours(const struct instance_ctx *ctx, const struct lockfile *l,
		    const struct docker_container *c) {
	const char *root = json_str(c->labels, INSTANCE_LABEL_ROOT),
		   *digest = json_str(c->labels, INSTANCE_LABEL_LOCK);

	return root && digest && !strcmp(root, ctx->root->id) && !strcmp(digest, l->digest);
}

/* One that ran before, in whatever state: it is brought back to one that can be started, and dies
 * once only. */
static int make_ready(const struct instance_ctx *ctx, const struct lockfile *l, const char *name,
		      const char *state, struct err *e) {
	if (!strcmp(state, "running"))
		return 0;
	if (!strcmp(state, "restarting") && instance_stop(ctx, l, e))
		return -1;
	return docker_container_set_restart(ctx->docker, name, "no", e);
}

static int create_new(const struct instance_ctx *ctx, const struct lockfile *l, const char *name,
		      struct err *e) {
	bool taken = false;

	if (create(ctx, l, name, &taken, e))
		return -1;
	/* Made by the same request, of which an Engine that was restarted said nothing. */
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found = false;
	if (taken && docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	return taken && !(found && is_ours(ctx, l, &c))
		? err_set(e, ERR_SYS,
			  "another program created a container '%s' at the same moment; remove it "
			  "and try again",
			  name)
		: 0;
}

static int start_once(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l), *run CLEANUP(freep) = NULL;
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	bool ours = found && is_ours(ctx, l, &c);
	if (found && !ours && docker_container_remove(ctx->docker, name, true, e))
		return -1;
	if (ours ? make_ready(ctx, l, name, c.state, e) : create_new(ctx, l, name, e))
		return -1;
	/* The run directory may have been swept while the container was stopped. */
	if (release_run_dir(ctx->root, l->id, &run, e))
		return -1;
	return docker_container_start(ctx->docker, name, e);
}

/* Image and container are looked at, and then used: someone who prunes in between takes them away.
 * Then they are made once more. */
int instance_start(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct docker_container c CLEANUP(docker_container_done) = {0};
	struct err why = {0}, unseen = {0};
	bool found;

	if (!start_once(ctx, l, &why))
		return 0;
	if (why.code == ERR_SYS &&
	    !docker_container_inspect(ctx->docker, name, &found, &c, &unseen) && !found)
		return start_once(ctx, l, e);
	return err_set(e, why.code, "%s", why.msg);
}

int instance_remove(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);

	if (docker_container_remove(ctx->docker, name, true, e))
		return -1;
	return release_run_remove(ctx->root, l->id, e);
}

int instance_stop(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);

	if (docker_container_set_restart(ctx->docker, name, "no", e))
		return -1;
	return docker_container_stop(ctx->docker, name, l->stop_timeout_ms, e);
}

int instance_is_kept(const struct instance_ctx *ctx, const struct lockfile *l, bool *kept,
		     struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	*kept = found && !strcmp(c.restart, DOCKER_RESTART_KEEP);
	return 0;
}

/* A warm one has the policy already: to look is much quicker than to set it again. */
int instance_keep(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	bool kept;

	if (instance_is_kept(ctx, l, &kept, e))
		return -1;
	return kept ? 0 : docker_container_set_restart(ctx->docker, name, DOCKER_RESTART_KEEP, e);
}

int instance_stop_begin(const struct instance_ctx *ctx, const struct lockfile *l, struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);

	if (docker_container_set_restart(ctx->docker, name, "no", e))
		return -1;
	return docker_container_stop_begin(ctx->docker, name, l->stop_timeout_ms, e);
}

int instance_is_running(const struct instance_ctx *ctx, const struct lockfile *l, bool *running,
			struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct docker_container c = {0};
	bool found;

	if (docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	*running = found && c.running && strcmp(c.state, "restarting") && is_ours(ctx, l, &c);
	docker_container_done(&c);
	return 0;
}

int instance_list(const struct instance_ctx *ctx, const char *route, struct docker_containers *out,
		  struct err *e) {
	char *root CLEANUP(freep) = mem_printf(INSTANCE_LABEL_ROOT "=%s", ctx->root->id);
	char *of CLEANUP(freep) = route ? mem_printf(INSTANCE_LABEL_ROUTE "=%s", route) : NULL;
	const char *const labels[] = {root, of, NULL};

	return docker_container_list(ctx->docker, labels, out, e);
}

const struct docker_container_entry *instance_among(const struct instance_ctx *ctx,
						    const struct lockfile *l,
						    const struct docker_containers *all,
						    bool *ours) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);

	for (size_t i = 0; i < all->n; i++) {
		const char *lock = json_str(all->at[i].labels, INSTANCE_LABEL_LOCK);
		if (strcmp(all->at[i].name, name))
			continue;
		*ours = lock && !strcmp(lock, l->digest);
		return &all->at[i];
	}
	return NULL;
}

bool instance_started_after(const struct docker_container *c, const char *time) {
	int64_t then;

	/* A record's time has whole seconds: within the second it may have been us. */
	return time && clock_parse(time, &then) &&
		instance_stamp_ms(c->started_at) >= (then + 1) * 1000;
}

bool instance_is_stale(const struct instance_ctx *ctx, const struct lockfile *l, size_t i,
		       const struct docker_container *c) {
	char *path CLEANUP(freep) = store_path(ctx->store, l->artifacts[i].sha256);
	/* An Engine that says no fraction may have started it at the end of the second. */
	int64_t started = instance_stamp_ms(c->started_at) + (strchr(c->started_at, '.') ? 0 : 999);
	struct statx st;

	/* When the file was made, not when it was last moved: one that was taken away and put back
	 * is the same. */
	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &st) ||
	    !(st.stx_mask & STATX_BTIME))
		return false;
	return (int64_t) st.stx_btime.tv_sec * 1000 + st.stx_btime.tv_nsec / 1000000 > started;
}

int instance_restarts(const struct instance_ctx *ctx, const struct lockfile *l, int64_t *restarts,
		      struct err *e) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct docker_container c = {0};
	bool found;

	if (docker_container_inspect(ctx->docker, name, &found, &c, e))
		return -1;
	*restarts = found ? c.restarts : 0;
	docker_container_done(&c);
	return 0;
}

void instance_log(const struct instance_ctx *ctx, const struct lockfile *l, struct buf *out) {
	char *name CLEANUP(freep) = instance_name(ctx->root, l);
	struct err ignored = {0};

	/* The log explains a failure that is already being reported: not having it is no second
	 * failure. */
	(void) docker_log_tail(ctx->docker, name, 200, out, &ignored);
}
