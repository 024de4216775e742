/* SPDX-License-Identifier: Apache-2.0 */
#include "drift/internal.h"
#include "rollout/active.h"
#include "rollout/journal_records.h"
#include "rollout/reconcile.h"
#include "rollout/recreate.h"
#include "rollout/traffic.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "docker/docker.h"
#include "image/image.h"
#include "journal/journal.h"
#include "release/history.h"
#include "root/root.h"
#include "store/store.h"
#include "json/json.h"

static void found(void *ctx, const char *path, const char *want, const char *have) {
	difference_add(ctx, DRIFT_OTHER, path, want, have);
}

int drift_check_layout(const struct rollout *ctx, const char *route, struct drift_differences *d,
		       struct err *e) {
	return root_layout_check(ctx->base.root, route, found, d, e);
}

static void compare_text(struct drift_differences *d, const char *what, const char *want,
			 const char *have) {
	if (strcmp(want, have ? have : ""))
		difference_add(d, DRIFT_REPLACE, what, want, have ? have : "nothing");
}

static void compare_number(struct drift_differences *d, const char *what, uint64_t want,
			   int64_t have) {
	char a[24], b[24];

	(void) snprintf(a, sizeof a, "%llu", (unsigned long long) want);
	(void) snprintf(b, sizeof b, "%lld", (long long) have);
	compare_text(d, what, a, b);
}

static void compare_json(struct drift_differences *d, const char *what, const struct json *want,
			 const struct json *have) {
	struct buf a CLEANUP(buf_done) = BUF_INIT(2000), b CLEANUP(buf_done) = BUF_INIT(2000);

	if (have && json_equal(want, have))
		return;
	json_print(want, &a);
	if (have)
		json_print(have, &b);
	difference_add(d, DRIFT_REPLACE, what, buf_str(&a), have ? buf_str(&b) : "nothing");
}

/* Each variable of the lock is there with its value; an image may add others. */
static void compare_env(struct drift_differences *d, const struct lockfile *l,
			const struct json *have) {
	for (size_t i = 0; i < l->n_env; i++) {
		bool found = false;
		for (const struct json *c = json_first(have); c && !found; c = json_next(c))
			found = json_text(c) && !strcmp(json_text(c), l->env[i]);
		if (!found)
			difference_add(d, DRIFT_REPLACE, "environment", l->env[i], "nothing");
	}
}

static void compare_labels(struct drift_differences *d, const struct json *want,
			   const struct json *have) {
	for (const struct json *c = json_first(want); c; c = json_next(c))
		compare_text(d, json_key(c), json_text(c), json_str(have, json_key(c)));
}

/* Podman gives these to each container, where neither it nor its image has them. */
static bool is_of_podman(const char *variable) {
	static const char *const names[] = {"PATH=", "HOME=", "HOSTNAME=", "TERM=", "container="};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strncmp(variable, names[i], strlen(names[i])))
			return true;
	return false;
}

/* A variable that neither the lock nor the image has was given by someone. */
static void find_more_env(struct drift_differences *d, const struct rollout *ctx,
			  const struct lockfile *l, const struct json *image,
			  const struct json *have) {
	for (const struct json *c = json_first(have); c; c = json_next(c)) {
		const char *text = json_text(c);
		bool known = !text || (docker_is_podman(ctx->base.docker) && is_of_podman(text));
		for (size_t i = 0; i < l->n_env && !known; i++)
			known = !strcmp(l->env[i], text);
		for (const struct json *w = json_first(image); w && !known; w = json_next(w))
			known = json_text(w) && !strcmp(json_text(w), text);
		/* Its value may be a secret: only its name is shown. */
		if (!known) {
			char *name CLEANUP(freep) = mem_strndup(text, strcspn(text, "="));
			difference_add(d, DRIFT_REPLACE, "environment", "nothing more", name);
		}
	}
}

static const struct json *mount_at(const struct json *mounts, const char *target) {
	for (const struct json *m = json_first(mounts); m; m = json_next(m))
		if (json_str(m, "Destination") && !strcmp(json_str(m, "Destination"), target))
			return m;
	return NULL;
}

static void compare_mounts(struct drift_differences *d, const struct rollout *ctx,
			   const struct lockfile *l, const struct json *mounts) {
	for (size_t i = 0; i < l->n_artifacts; i++) {
		const struct json *m = mount_at(mounts, l->artifacts[i].path);
		char *source CLEANUP(freep) = store_path(ctx->base.store, l->artifacts[i].sha256);
		compare_text(d, l->artifacts[i].path, source, json_str(m, "Source"));
		if (m && json_true(m, "RW"))
			difference_add(d, DRIFT_REPLACE, l->artifacts[i].path, "read-only",
				       "writable");
	}
	if (json_count(mounts) > l->n_artifacts + 1)
		difference_add(d, DRIFT_REPLACE, "mounts",
			       "the artifacts and the socket's directory", "more than these");
}

/* "ALL", or what is dropped less than that. Podman writes ALL out: each one that a container has by
 * default. */
static const char *drops_all(const struct rollout *ctx, const struct json *drop) {
	static const char *const all[] = {"CHOWN",   "DAC_OVERRIDE",     "FOWNER",    "FSETID",
					  "KILL",    "NET_BIND_SERVICE", "SETFCAP",   "SETGID",
					  "SETPCAP", "SETUID",           "SYS_CHROOT"};
	const char *first = json_text(json_at(drop, 0));
	size_t found = 0;

	for (size_t i = 0; docker_is_podman(ctx->base.docker) && i < sizeof all / sizeof *all; i++)
		for (const struct json *c = json_first(drop); c; c = json_next(c)) {
			const char *name = json_text(c) ? json_text(c) : "";
			found += !strcmp(strncmp(name, "CAP_", 4) ? name : name + 4, all[i]);
		}
	return found == sizeof all / sizeof *all ? "ALL" : first;
}

/* What keeps the engine in: as it was created, from inspect's HostConfig. */
static void compare_hardening(struct drift_differences *d, const struct rollout *ctx,
			      const struct lockfile *l, const struct json *raw) {
	const struct json *host = json_get(raw, "HostConfig");
	char *user CLEANUP(freep) = docker_user(ctx->base.docker,
						(unsigned) ctx->base.root->instance_uid);
	const char *drop = drops_all(ctx, json_get(host, "CapDrop")),
		   *security = json_text(json_at(json_get(host, "SecurityOpt"), 0));

	compare_text(d, "user", user, json_text(json_path(raw, "Config.User")));
	compare_text(d, "network", l->network, json_str(host, "NetworkMode"));
	compare_text(d, "capabilities dropped", "ALL", drop);
	if (!security || strncmp(security, "no-new-privileges", 17))
		difference_add(d, DRIFT_REPLACE, "security option", "no-new-privileges",
			       security ? security : "nothing");
	if (json_true(host, "ReadonlyRootfs") != l->read_only)
		difference_add(d, DRIFT_REPLACE, "root file system",
			       l->read_only ? "read-only" : "writable",
			       l->read_only ? "writable" : "read-only");
	if (json_true(host, "Privileged"))
		difference_add(d, DRIFT_REPLACE, "privileges", "none", "privileged");
	compare_number(d, "memory limit", l->memory_bytes, json_int_or(host, "Memory", 0));
	compare_number(d, "memory and swap limit", l->memory_bytes,
		       json_int_or(host, "MemorySwap", 0));
	compare_number(d, "process limit", l->pids, json_int_or(host, "PidsLimit", 0));
	compare_number(d, "devices", l->n_devices, (int64_t) json_count(json_get(host, "Devices")));
	compare_number(d, "capabilities added", 0, (int64_t) json_count(json_get(host, "CapAdd")));
}

static int compare_image(struct drift_differences *d, const struct rollout *ctx,
			 const struct lockfile *l, const struct docker_container *c,
			 struct err *e) {
	const char **diff_ids CLEANUP(freep) = mem_zalloc(l->n_layers, sizeof *diff_ids);
	struct docker_image image = {0};
	char *ref CLEANUP(freep) = mem_printf("sha256:%s", c->image);
	bool found;

	for (size_t i = 0; i < l->n_layers; i++)
		diff_ids[i] = l->layers[i].diff_id;
	if (docker_image_inspect(ctx->base.docker, ref, &found, &image, e))
		return -1;
	if (!found)
		difference_add(d, DRIFT_IMAGE, "image", l->image_config, "not in Docker");
	else if (!docker_image_matches(&image, l->image_config, l->image_manifest, diff_ids,
				       l->n_layers))
		difference_add(d, DRIFT_REPLACE, "image", l->image_config, image.id);
	else
		find_more_env(d, ctx, l, json_path(image.raw, "Config.Env"),
			      json_path(c->raw, "Config.Env"));
	docker_image_done(&image);
	return 0;
}

/* An engine keeps the file that it opened: one that was put in its place later is not what it
 * serves from. */
static void compare_age(struct drift_differences *d, const struct rollout *ctx,
			const struct lockfile *l, const struct docker_container *c) {
	for (size_t i = 0; i < l->n_artifacts; i++)
		if (instance_is_stale(&ctx->base, l, i, c))
			difference_add(d, DRIFT_REPLACE, l->artifacts[i].role,
				       "the file that the instance opened",
				       "replaced since the instance was started");
}

/* Every start of ours is followed by a record: what was started after the newest one was started by
 * its restart policy, or by someone else. */
static int compare_start(struct drift_differences *d, const struct rollout *ctx,
			 const struct release_route *r, const struct lockfile *l,
			 const struct docker_container *c, bool alive, struct err *e) {
	struct json *last CLEANUP(json_freep) = NULL;

	if (journal_last(r->fd, r->where, &last, e))
		return -1;
	if (!instance_started_after(c, json_str(last, "time")) ||
	    !instance_started_by_hand(&ctx->base, l, c, json_str(last, "time")))
		return 0;
	char *have CLEANUP(freep) = mem_printf("started again at %.19sZ by another program; it %s",
					       c->started_at,
					       alive ? "answers" : "does not answer");
	difference_add(d, DRIFT_RESTARTED, "start", "by llmdeploy, or by its restart policy", have);
	return 0;
}

static int compare_life(struct drift_differences *d, const struct rollout *ctx,
			const struct release_route *r, const struct lockfile *l,
			const struct docker_container *c, struct err *e) {
	bool alive = false;

	if (!c->running) {
		difference_add(d, DRIFT_START, "container", "running", c->state);
		return 0;
	}
	if (instance_is_ready(&ctx->base, l, &alive, e))
		return -1;
	if (!alive)
		difference_add(d, DRIFT_START, "instance", "answers on its socket",
			       "runs but does not answer");
	compare_age(d, ctx, l, c);
	return compare_start(d, ctx, r, l, c, alive, e);
}

static int compare_container(struct drift_differences *d, const struct rollout *ctx,
			     const struct release_route *r, const struct lockfile *l,
			     struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	char *name CLEANUP(freep) = instance_name(ctx->base.root, l);
	struct json *labels CLEANUP(json_freep) = instance_labels(&ctx->base, l);
	const struct json *want = json_get(l->tree, "container");
	bool found;

	if (docker_container_inspect(ctx->base.docker, name, &found, &c, e))
		return -1;
	if (!found) {
		difference_add(d, DRIFT_START, "container", name, "nothing");
		return 0;
	}
	compare_json(d, "argv", json_get(want, "argv"), json_path(c.raw, "Config.Entrypoint"));
	compare_env(d, l, json_path(c.raw, "Config.Env"));
	compare_labels(d, labels, c.labels);
	compare_mounts(d, ctx, l, json_get(c.raw, "Mounts"));
	compare_hardening(d, ctx, l, c.raw);
	if (strcmp(c.restart, DOCKER_RESTART_KEEP))
		difference_add(d, DRIFT_POLICY, "restart policy", DOCKER_RESTART_KEEP, c.restart);
	if (compare_image(d, ctx, l, &c, e) ||
	    compare_life(d, ctx, r, l, &c, e))
		return -1;
	return 0;
}

/* Of a route that is stopped: its container may be there, does not run, and is not brought back by
 * the Engine. */
static int compare_stopped(struct drift_differences *d, const struct rollout *ctx,
			   const struct lockfile *l, struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	char *name CLEANUP(freep) = instance_name(ctx->base.root, l);
	bool found;

	if (docker_container_inspect(ctx->base.docker, name, &found, &c, e))
		return -1;
	if (found && c.running)
		difference_add(d, DRIFT_STOPPED, "container", "stopped: the route is stopped",
			       c.state);
	if (found && strcmp(c.restart, "no"))
		difference_add(d, DRIFT_STOPPED, "restart policy", "no: the route is stopped",
			       c.restart);
	return 0;
}

static void compare_artifacts(struct drift_differences *d, const struct rollout *ctx,
			      const struct lockfile *l, bool paranoid) {
	for (size_t i = 0; i < l->n_artifacts; i++) {
		struct err found = {0};
		if (store_verify(ctx->base.store, l->artifacts[i].sha256, paranoid, &found))
			difference_add(d, DRIFT_ARTIFACT, l->artifacts[i].role,
				       l->artifacts[i].sha256, found.msg);
	}
}

/* Containers of the route that belong to no release on disk. */
static int find_strays(struct drift_differences *d, const struct rollout *ctx,
		       const struct release_route *r, struct err *e) {
	struct docker_containers list = {0};

	if (instance_list(&ctx->base, r->name, &list, e))
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		const char *version = json_str(list.at[i].labels, INSTANCE_LABEL_VERSION);
		struct lockfile *l CLEANUP(lockfile_freep) = NULL;
		struct err none = {0};
		/* A release that cannot be read is told of as a release. */
		if (!version ||
		    (rollout_lockfile_of(r, version, &l, &none) && none.code == ERR_USAGE))
			difference_add(d, DRIFT_STRAY, "orphan container", "nothing",
				       list.at[i].name);
	}
	docker_containers_done(&list);
	return 0;
}

/* The others on disk: a rollback may want them. */
static int compare_releases(struct drift_differences *d, const struct release_route *r,
			    const char *active, struct err *e) {
	char **versions CLEANUP(freep) = NULL;
	size_t n;

	if (release_list(r, &versions, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		char *what CLEANUP(freep) = mem_printf("releases/%s", versions[i]);
		struct lockfile *l CLEANUP(lockfile_freep) = NULL;
		struct err damaged = {0};
		if ((!active || strcmp(versions[i], active)) &&
		    rollout_lockfile_of(r, versions[i], &l, &damaged))
			difference_add(d, DRIFT_OTHER, what, "a complete, proved release",
				       damaged.msg);
	}
	return 0;
}

/* Every record of every file. What a crash tore off the end is no fault: the next writer cuts it
 * off and says so. */
static int verify_journal(struct drift_differences *d, int dir, const char *where, struct err *e) {
	struct err fault = {0};

	if (!journal_read(dir, where, NULL, NULL, &fault))
		return 0;
	if (fault.code != ERR_INTEGRITY)
		return err_set(e, fault.code, "%s", fault.msg);
	difference_add(d, DRIFT_OTHER, "journal", "an unbroken chain", fault.msg);
	d->broken_journal = true;
	return 0;
}

int drift_verify_journal(const struct rollout *ctx, struct drift_differences *d, struct err *e) {
	return verify_journal(d, ctx->base.root->fd, "", e);
}

/* The link is what the newest switch made it. */
static int compare_link(struct drift_differences *d, const struct release_route *r, struct err *e) {
	char *said CLEANUP(freep) = NULL, *active CLEANUP(freep) = NULL;
	struct err shape = {0}, broken = {0};
	bool known;

	/* Both are told of where they are looked at. */
	if (release_active_name(r, &active, &shape) || record_active(r, &known, &said, &broken))
		return broken.code && broken.code != ERR_INTEGRITY
			? err_set(e, broken.code, "%s", broken.msg)
			: 0;
	if (known && strcmp(said ? said : "", active ? active : ""))
		difference_add(d, DRIFT_LINK, "active", said ? said : "no release",
			       active ? active : "no link");
	return 0;
}

int verify_route(const struct rollout *ctx, const struct release_route *r, bool paranoid,
		 struct drift_differences *d, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	char *active CLEANUP(freep) = NULL;
	struct err damaged = {0}, broken = {0};
	enum release_state state;

	if (release_active(r, &active, &damaged))
		difference_add(d, DRIFT_LINK, "active", "a complete, proved release", damaged.msg);
	if (verify_journal(d, r->fd, r->where, e) ||
	    compare_link(d, r, e) ||
	    compare_releases(d, r, active, e) ||
	    find_strays(d, ctx, r, e))
		return -1;
	if (!active)
		return damaged.code ? 0 : verify_gateway(d, ctx, r->name, NULL, e);
	/* A journal that cannot be read is told of already. */
	bool stopped = !release_state(r, &state, NULL, &broken) && state == RELEASE_STOPPED;
	if (rollout_lockfile_of(r, active, &l, e) ||
	    verify_gateway(d, ctx, r->name, stopped ? NULL : l, e))
		return -1;
	compare_artifacts(d, ctx, l, paranoid);
	if (stopped)
		return compare_stopped(d, ctx, l, e);
	return compare_container(d, ctx, r, l, e);
}

int drift_verify(const struct rollout *ctx, const char *route, bool paranoid,
		 struct drift_differences *d, struct err *e) {
	struct release_route r = RELEASE_ROUTE_INIT;

	if (release_route_open(ctx->base.root, route, false, &r, e))
		return -1;
	int status = verify_route(ctx, &r, paranoid, d, e);
	release_route_done(&r);
	return status;
}
