#include "rollout/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "image/image.h"
#include "journal/journal.h"
#include "json/json.h"
#include "root/root.h"
#include "store/store.h"

void rollout_differences_done(struct rollout_differences *d) {
	for (size_t i = 0; i < d->n; i++) {
		free(d->at[i].what);
		free(d->at[i].want);
		free(d->at[i].have);
	}
	free(d->at);
	*d = (struct rollout_differences){0};
}

void differ(struct rollout_differences *d, const char *what, const char *want, const char *have) {
	d->at = mem_grow(d->at, d->n + 1, sizeof *d->at);
	d->at[d->n++] = (struct rollout_difference){mem_strdup(what), mem_strdup(want), mem_strdup(have)};
}

static void found(void *ctx, const char *path, const char *want, const char *have) {
	differ(ctx, path, want, have);
}

int rollout_survey(const struct rollout *x, const char *route, struct rollout_differences *d, struct err *e) {
	return root_survey(x->root, route, found, d, e);
}

static void compare_text(struct rollout_differences *d, const char *what, const char *want, const char *have) {
	if (strcmp(want, have ? have : ""))
		differ(d, what, want, have ? have : "nothing");
}

static void compare_json(struct rollout_differences *d, const char *what, const struct json *want, const struct json *have) {
	struct buf a CLEANUP(buf_done) = BUF_INIT(2000), b CLEANUP(buf_done) = BUF_INIT(2000);

	if (have && json_equal(want, have))
		return;
	json_print(want, &a);
	if (have)
		json_print(have, &b);
	differ(d, what, buf_str(&a), have ? buf_str(&b) : "nothing");
}

/* Each variable of the lock is there with its value; an image may add others. */
static void compare_env(struct rollout_differences *d, const struct lock *l, const struct json *have) {
	for (size_t i = 0; i < l->n_env; i++) {
		bool found = false;
		for (const struct json *c = json_first(have); c && !found; c = json_next(c))
			found = json_text(c) && !strcmp(json_text(c), l->env[i]);
		if (!found)
			differ(d, "environment", l->env[i], "nothing");
	}
}

static void compare_labels(struct rollout_differences *d, const struct json *want, const struct json *have) {
	for (const struct json *c = json_first(want); c; c = json_next(c))
		compare_text(d, json_key(c), json_text(c), json_str(have, json_key(c)));
}

static const struct json *mount_at(const struct json *mounts, const char *target) {
	for (const struct json *m = json_first(mounts); m; m = json_next(m))
		if (json_str(m, "Destination") && !strcmp(json_str(m, "Destination"), target))
			return m;
	return NULL;
}

static void compare_mounts(struct rollout_differences *d, const struct rollout *x, const struct lock *l, const struct json *mounts) {
	for (size_t i = 0; i < l->n_artifacts; i++) {
		const struct json *m = mount_at(mounts, l->artifacts[i].path);
		char *source CLEANUP(freep) = store_path(x->store, l->artifacts[i].sha256);
		compare_text(d, l->artifacts[i].path, source, json_str(m, "Source"));
		if (m && json_true(m, "RW"))
			differ(d, l->artifacts[i].path, "read-only", "writable");
	}
	if (json_count(mounts) > l->n_artifacts + 1)
		differ(d, "mounts", "the artifacts and the socket's directory", "more than these");
}

/* What keeps the engine in: as it was created, from inspect's HostConfig. */
static void compare_hardening(struct rollout_differences *d, const struct rollout *x, const struct lock *l, const struct json *raw) {
	const struct json *host = json_get(raw, "HostConfig");
	char *user CLEANUP(freep) = mem_printf("%u:%u", (unsigned) x->root->engine_uid, (unsigned) x->root->engine_uid);
	const char *drop = json_text(json_at(json_get(host, "CapDrop"), 0)), *security = json_text(json_at(json_get(host, "SecurityOpt"), 0));

	compare_text(d, "user", user, json_text(json_path(raw, "Config.User")));
	compare_text(d, "network", l->network, json_str(host, "NetworkMode"));
	compare_text(d, "capabilities dropped", "ALL", drop);
	if (!security || strncmp(security, "no-new-privileges", 17))
		differ(d, "security option", "no-new-privileges", security ? security : "nothing");
	if (json_true(host, "ReadonlyRootfs") != l->read_only)
		differ(d, "root file system", l->read_only ? "read-only" : "writable", l->read_only ? "writable" : "read-only");
	if (json_true(host, "Privileged"))
		differ(d, "privileges", "none", "privileged");
	if ((uint64_t) json_int_or(host, "Memory", 0) != l->memory_bytes) {
		char *want CLEANUP(freep) = mem_printf("%llu", (unsigned long long) l->memory_bytes);
		char *have CLEANUP(freep) = mem_printf("%lld", (long long) json_int_or(host, "Memory", 0));
		differ(d, "memory limit", want, have);
	}
	compare_text(d, "restart policy", "unless-stopped", json_text(json_path(host, "RestartPolicy.Name")));
}

static int compare_image(struct rollout_differences *d, const struct rollout *x, const struct lock *l, const char *id, struct err *e) {
	const char **diff_ids CLEANUP(freep) = mem_zalloc(l->n_layers, sizeof *diff_ids);
	struct docker_image image = {0};
	char *ref CLEANUP(freep) = mem_printf("sha256:%s", id);
	bool found;

	for (size_t i = 0; i < l->n_layers; i++)
		diff_ids[i] = l->layers[i].diff_id;
	if (docker_image_inspect(x->docker, ref, &found, &image, e))
		return -1;
	if (!found)
		differ(d, "image", l->image_config, "not in the Engine");
	else if (!docker_image_matches(&image, l->image_config, l->image_manifest, diff_ids, l->n_layers))
		differ(d, "image", l->image_config, image.id);
	docker_image_done(&image);
	return 0;
}

static int compare_container(struct rollout_differences *d, const struct rollout *x, const struct lock *l, struct err *e) {
	char *name CLEANUP(freep) = rollout_container_name(x->root, l);
	struct json *labels CLEANUP(json_freep) = container_labels(x, l);
	const struct json *want = json_get(l->tree, "container");
	struct docker_container c = {0};
	bool found;

	if (docker_container_inspect(x->docker, name, &found, &c, e))
		return -1;
	if (!found) {
		differ(d, "container", name, "nothing");
		return 0;
	}
	if (!c.running)
		differ(d, "container", "running", c.state);
	compare_json(d, "argv", json_get(want, "argv"), json_path(c.raw, "Config.Entrypoint"));
	compare_env(d, l, json_path(c.raw, "Config.Env"));
	compare_labels(d, labels, c.labels);
	compare_mounts(d, x, l, json_get(c.raw, "Mounts"));
	compare_hardening(d, x, l, c.raw);
	int r = compare_image(d, x, l, c.image, e);
	docker_container_done(&c);
	return r;
}

static void compare_artifacts(struct rollout_differences *d, const struct rollout *x, const struct lock *l, bool paranoid) {
	for (size_t i = 0; i < l->n_artifacts; i++) {
		struct err found = {0};
		if (store_verify(x->store, l->artifacts[i].sha256, paranoid, &found))
			differ(d, l->artifacts[i].role, l->artifacts[i].sha256, found.msg);
	}
}

/* Containers of the route that belong to no release on disk. */
static int find_strays(struct rollout_differences *d, const struct rollout *x, const struct release_route *r, struct err *e) {
	char *root CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROOT "=%s", x->root->id);
	char *route CLEANUP(freep) = mem_printf(ROLLOUT_LABEL_ROUTE "=%s", r->name);
	const char *const labels[] = {root, route, NULL};
	struct docker_containers list = {0};

	if (docker_container_list(x->docker, labels, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		const char *version = json_str(list.at[i].labels, ROLLOUT_LABEL_VERSION);
		struct lock *l CLEANUP(lock_freep) = NULL;
		struct err none = {0};
		/* A release that cannot be read is told of as a release. */
		if (!version || (rollout_lock_of(r, version, &l, &none) && none.code == ERR_USAGE))
			differ(d, "stray container", "nothing", list.at[i].name);
	}
	docker_containers_done(&list);
	return 0;
}

/* The others on disk: a rollback may want them. */
static int compare_releases(struct rollout_differences *d, const struct release_route *r, const char *active, struct err *e) {
	char **versions CLEANUP(freep) = NULL;
	size_t n;

	if (release_list(r, &versions, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *what CLEANUP(freep) = mem_printf("releases/%s", versions[i]);
		struct lock *l CLEANUP(lock_freep) = NULL;
		struct err damaged = {0};
		if ((!active || strcmp(versions[i], active)) && rollout_lock_of(r, versions[i], &l, &damaged))
			differ(d, what, "a whole, proved release", damaged.msg);
	}
	return 0;
}

/* Every record of every file. What a crash tore off the end is no fault: the next writer cuts it off and says so. */
static int verify_journal(struct rollout_differences *d, int dir, const char *where, struct err *e) {
	struct err fault = {0};

	if (!journal_read(dir, where, NULL, NULL, &fault))
		return 0;
	if (fault.code != ERR_INTEGRITY)
		return err_set(e, fault.code, "%s", fault.msg);
	differ(d, "journal", "an unbroken chain", fault.msg);
	d->broken_journal = true;
	return 0;
}

int rollout_verify_journal(const struct rollout *x, struct rollout_differences *d, struct err *e) {
	return verify_journal(d, x->root->fd, "", e);
}

static int verify_route(const struct rollout *x, const struct release_route *r, bool paranoid, struct rollout_differences *d, struct err *e) {
	struct lock *l CLEANUP(lock_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	struct err damaged = {0};

	if (release_active(r, &active, &damaged))
		differ(d, "active", "a whole, proved release", damaged.msg);
	if (verify_journal(d, r->fd, r->where, e) || compare_releases(d, r, active, e) || find_strays(d, x, r, e))
		return -1;
	if (!active)
		return damaged.code ? 0 : verify_gateway(d, x, r->name, NULL, e);
	if (rollout_lock_of(r, active, &l, e) || verify_gateway(d, x, r->name, l, e))
		return -1;
	compare_artifacts(d, x, l, paranoid);
	return compare_container(d, x, l, e);
}

int rollout_verify(const struct rollout *x, const char *route, bool paranoid, struct rollout_differences *d, struct err *e) {
	struct release_route r = RELEASE_ROUTE_INIT;

	if (release_route_open(x->root, route, false, &r, e))
		return -1;
	int status = verify_route(x, &r, paranoid, d, e);
	release_route_done(&r);
	return status;
}
