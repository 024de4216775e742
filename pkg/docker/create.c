/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "docker/internal.h"

enum { DYING_MS = 3000, DYING_LOOK_MS = 50 };

static void set_copy(struct json *o, const char *key, const struct json *value) {
	if (value)
		json_set(o, key, json_copy(value));
}

static void set_bytes(struct json *o, const char *key, uint64_t n) {
	if (n)
		json_set_int(o, key, n < 1ULL << 53 ? (int64_t) n : 1LL << 53);
}

static struct json *strings(const char *only) {
	struct json *a = json_array();

	json_push_str(a, only);
	return a;
}

static struct json *mount(const struct docker *d, const struct docker_mount *m) {
	struct json *o = json_object(), *options = json_object();

	json_set_str(o, "Type", "bind");
	json_set_str(o, "Source", m->source);
	json_set_str(o, "Target", m->target);
	json_set_bool(o, "ReadOnly", m->read_only);
	json_set_str(options, "Propagation", "rprivate");
	/* Without it a mount below the source stays writable where the kernel is too old to say no.
	 * Podman does not know it. */
	if (m->read_only && d->minor >= 44 && !d->podman)
		json_set_bool(options, "ReadOnlyForceRecursive", true);
	json_set(o, "BindOptions", options);
	return o;
}

static struct json *mounts(const struct docker *d, const struct docker_container_spec *s) {
	struct json *a = json_array();

	for (size_t i = 0; i < s->n_mounts; i++)
		json_push(a, mount(d, &s->mounts[i]));
	return a;
}

static struct json *devices(const struct json *paths) {
	struct json *a = json_array();

	for (const struct json *p = json_first(paths); p; p = json_next(p)) {
		struct json *o = json_object();
		json_set_str(o, "PathOnHost", json_text(p));
		json_set_str(o, "PathInContainer", json_text(p));
		json_set_str(o, "CgroupPermissions", "rw");
		json_push(a, o);
	}
	return a;
}

static struct json *comma_list(const char *text) {
	struct json *a = json_array();
	char *copy CLEANUP(freep) = mem_strdup(text), *save = NULL;

	for (char *s = strtok_r(copy, ",", &save); s; s = strtok_r(NULL, ",", &save))
		json_push_str(a, s);
	return a;
}

/* "nvidia", "nvidia:0,1", or a CDI name. */
static int set_gpu(const struct docker *d, const char *gpu, struct json *host, struct err *e) {
	struct json *o CLEANUP(json_freep) = json_object();
	struct json *kinds = json_array(), *requests = json_array();

	json_push(kinds, strings("gpu"));
	json_set(o, "Capabilities", kinds);
	json_set(host, "DeviceRequests", requests);
	if (!strcmp(gpu, "nvidia")) {
		json_set_str(o, "Driver", "nvidia");
		json_set_int(o, "Count", -1);
	} else if (text_starts(gpu, "nvidia:")) {
		json_set_str(o, "Driver", "nvidia");
		json_set(o, "DeviceIDs", comma_list(gpu + strlen("nvidia:")));
	} else if (strchr(gpu, '=')) {
		if (d->minor < 44)
			return err_set(e, ERR_UNREACHABLE,
				       "Docker has API 1.%d, and CDI device '%s' needs 1.44: "
				       "upgrade it to 25 or later",
				       d->minor, gpu);
		json_set_str(o, "Driver", "cdi");
		json_set(o, "DeviceIDs", comma_list(gpu));
	} else {
		return err_set(
			e, ERR_USAGE,
			"unknown GPU request '%s': 'nvidia', 'nvidia:0,1' or a CDI name such as "
			"'nvidia.com/gpu=0'",
			gpu);
	}
	json_push(requests, STEAL(o));
	return 0;
}

static struct json *restart_policy(const char *name) {
	struct json *o = json_object();

	json_set_str(o, "Name", name ? name : "no");
	json_set_int(o, "MaximumRetryCount", 0);
	return o;
}

/* Podman's driver starts a new file at max-size, and keeps one. */
static struct json *log_config(const struct docker *d) {
	struct json *o = json_object(), *config = json_object();

	json_set_str(config, "max-size", "10m");
	if (!d->podman)
		json_set_str(config, "max-file", "3");
	json_set_str(o, "Type", d->podman ? "k8s-file" : "json-file");
	json_set(o, "Config", config);
	return o;
}

static int host_config(const struct docker *d, const struct docker_container_spec *s,
		       struct json *h, struct err *e) {
	json_set(h, "Mounts", mounts(d, s));
	json_set_str(h, "NetworkMode", s->network);
	set_bytes(h, "Memory", s->memory_bytes);
	set_bytes(h, "MemorySwap", s->memory_bytes); /* memory and swap together: no swap */
	set_bytes(h, "ShmSize", s->shm_bytes);
	if (s->pids > 0)
		json_set_int(h, "PidsLimit", s->pids);
	json_set_bool(h, "ReadonlyRootfs", !s->writable_root);
	set_copy(h, "Tmpfs", s->tmpfs);
	set_copy(h, "GroupAdd", s->groups);
	json_set(h, "Devices", devices(s->devices));
	json_set(h, "CapDrop", strings("ALL"));
	json_set(h, "SecurityOpt", strings("no-new-privileges"));
	json_set(h, "RestartPolicy", restart_policy(s->restart));
	json_set(h, "LogConfig", log_config(d));
	/* Our uids are those of this machine: the files that are mounted belong to them. */
	if (d->nature.userns_remap)
		json_set_str(h, "UsernsMode", "host");
	return s->gpu && *s->gpu ? set_gpu(d, s->gpu, h, e) : 0;
}

static int create_body(const struct docker *d, const struct docker_container_spec *s,
		       struct json *o, struct err *e) {
	struct json *check = json_object(), *host = json_object();

	json_set_str(o, "Image", s->image);
	set_copy(o, "Entrypoint", s->argv);
	if (s->argv)
		json_set(o, "Cmd", json_array());
	set_copy(o, "Env", s->env);
	json_set_str(o, "User", s->user);
	set_copy(o, "Labels", s->labels);
	json_set(check, "Test", strings("NONE"));
	json_set(o, "Healthcheck", check);
	json_set_str(o, "StopSignal", s->stop_signal);
	if (s->stop_timeout_ms)
		json_set_int(o, "StopTimeout", (int64_t) ((s->stop_timeout_ms + 999) / 1000));
	json_set(o, "HostConfig", host);
	return host_config(d, s, host, e);
}

static void tell_warnings(const struct docker *d, const char *name, const struct json *created) {
	for (const struct json *w = json_first(json_get(created, "Warnings")); w; w = json_next(w))
		progress_warn(d->progress, name, json_text(w));
}

/* Docker refuses it; Podman makes an empty folder there. */
static int check_sources(const struct docker *d, const struct docker_container_spec *s,
			 struct err *e) {
	struct stat st;

	for (size_t i = 0; d->podman && i < s->n_mounts; i++)
		if (lstat(s->mounts[i].source, &st))
			return err_set(e, ERR_SYS, "bind source path does not exist: %s",
				       s->mounts[i].source);
	return 0;
}

/* Docker says 409; Podman 500, with these words. */
static bool name_is_taken(const struct answer *a) {
	return a->status == 409 || (a->status == 500 && strstr(a->said, "is already in use"));
}

/* The kernel or Docker cannot: without control groups in a rootless Docker, for one. Docker itself
 * says nothing of it. */
static void warn_of_limits(const struct docker *d, const struct docker_container_spec *s) {
	if (d->nature.known && !d->nature.limits_memory && s->memory_bytes)
		progress_warn(d->progress,
			      "this Docker does not enforce limits of memory and processes "
			      "(rootless needs cgroup v2): a release can take "
			      "more than was planned",
			      s->name);
}

int docker_container_create(struct docker *d, const struct docker_container_spec *s, bool *taken,
			    char id[65], struct err *e) {
	static const int results[] = {409, 0}, podman_results[] = {409, 500, 0};
	struct answer a CLEANUP(docker_answer_done) = {0};
	struct json *body CLEANUP(json_freep) = json_object();
	char *path CLEANUP(freep) = mem_strdup("/containers/create");
	struct call c = {"create container",
			 s->name,
			 "POST",
			 .effect = EFFECT_CONTAINER_CREATE,
			 .body = body,
			 .deadline_ms = d->slow_ms,
			 .results = d->podman ? podman_results : results,
			 .wants_json = true,
			 .again = true};

	assert(s->name && s->image);
	docker_query(&path, "name", s->name);
	c.path = path;
	if (check_sources(d, s, e) ||
	    create_body(d, s, body, e))
		return err_wrap(e, "docker: create container '%s'", s->name);
	if (docker_call(d, &c, &a, e))
		return -1;
	*taken = name_is_taken(&a);
	if (a.status == 500 && !*taken)
		return err_set(e, ERR_SYS,
			       "docker: create container '%s': 500 Internal Server Error: %s%s",
			       s->name, a.said, docker_way_out(a.said));
	if (!*taken && strlen(docker_text(a.json, "Id")) != 64)
		return err_set(e, ERR_SYS, "docker: create container '%s': the answer has no id",
			       s->name);
	(void) snprintf(id, 65, "%s", docker_text(a.json, "Id"));
	tell_warnings(d, s->name, a.json);
	warn_of_limits(d, s);
	return 0;
}

bool docker_create_may_want_image(const struct err *why) {
	return why->code == ERR_SYS && strstr(why->msg, ": 500 ") && !*docker_way_out(why->msg);
}

/* Between the death of a container's process and Docker's own knowledge of it, containerd or runc
 * refuse the update. Their words differ by version ("ttrpc: closed", "container not running",
 * "cannot update a stopped container"); what Docker puts before them does not. */
static bool is_just_dying(const struct answer *a) {
	return a->status == 500 && strstr(a->said, "Cannot update container ") &&
		!*docker_way_out(a->said);
}

int docker_container_set_restart(struct docker *d, const char *name, const char *policy,
				 struct err *e) {
	static const int may_be_absent[] = {404, 500, 0}, results[] = {500, 0};
	struct json *body CLEANUP(json_freep) = json_object();
	char *path CLEANUP(freep) = docker_path("/containers/", name, "/update");
	struct call c = {"set the restart policy of",
			 name,
			 "POST",
			 path,
			 EFFECT_CONTAINER_UPDATE,
			 .body = body,
			 .deadline_ms = d->slow_ms,
			 .results = strcmp(policy, "no") ? results : may_be_absent,
			 .again = true};

	json_set(body, "RestartPolicy", restart_policy(policy));
	for (uint64_t until = clock_mono_ms() + DYING_MS;;) {
		struct answer a CLEANUP(docker_answer_done) = {0};
		if (docker_call(d, &c, &a, e))
			return -1;
		if (a.status != 500)
			return 0;
		if (!is_just_dying(&a) || clock_mono_ms() >= until)
			return err_set(e, ERR_SYS,
				       "docker: set the restart policy of '%s': 500 Internal "
				       "Server Error: %s%s",
				       name, a.said, docker_way_out(a.said));
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(DYING_LOOK_MS);
	}
}
