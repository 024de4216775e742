/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

static bool has_containerd_store(const struct json *info) {
	for (const struct json *s = json_first(json_get(info, "DriverStatus")); s;
	     s = json_next(s)) {
		const char *value = json_text(json_at(s, 1));
		if (value && !strcmp(value, "io.containerd.snapshotter.v1"))
			return true;
	}
	return false;
}

/* ["name=seccomp,profile=default", "name=rootless", "name=userns"] */
static bool has_option(const struct json *info, const char *option) {
	for (const struct json *s = json_first(json_get(info, "SecurityOptions")); s;
	     s = json_next(s))
		if (json_text(s) && !strncmp(json_text(s), option, strcspn(json_text(s), ",")) &&
		    strcspn(json_text(s), ",") == strlen(option))
			return true;
	return false;
}

int docker_info(struct docker *d, struct docker_info *out, struct err *e) {
	struct answer a CLEANUP(docker_answer_done) = {0};
	struct call c = {"ask for its state", .path = "/info", .deadline_ms = d->quick_ms,
			 .wants_json = true};

	if (docker_call(d, &c, &a, e))
		return -1;
	if (!json_is_object(a.json))
		return docker_misshapen(&c, "Docker's state", e);
	struct json *raw = STEAL(a.json);
	int64_t memory = json_int_or(raw, "MemTotal", 0);
	*out = (struct docker_info){
		.raw = raw,
		.version = docker_text(raw, "ServerVersion"),
		.os = docker_text(raw, "OperatingSystem"),
		.root_dir = docker_text(raw, "DockerRootDir"),
		.storage_driver = docker_text(raw, "Driver"),
		.cgroup_driver = docker_text(raw, "CgroupDriver"),
		.cgroup_version = docker_text(raw, "CgroupVersion"),
		.memory_bytes = memory > 0 ? (uint64_t) memory : 0,
		.cpus = json_int_or(raw, "NCPU", 0),
		.rootless = has_option(raw, "name=rootless"),
		.userns_remap = has_option(raw, "name=userns"),
		.containerd_store = has_containerd_store(raw),
		.limits_memory = json_true(raw, "MemoryLimit"),
		.limits_pids = json_true(raw, "PidsLimit"),
		.nvidia = json_get(json_get(raw, "Runtimes"), "nvidia") != NULL,
		.cdi = json_count(json_get(raw, "CDISpecDirs")) > 0,
	};
	return 0;
}

void docker_info_done(struct docker_info *i) {
	json_free(i->raw);
	*i = (struct docker_info){0};
}

int docker_learn(struct docker *d, const struct docker_nature **out, struct err *e) {
	struct docker_info i CLEANUP(docker_info_done) = {0};

	if (!d->nature.known) {
		if (docker_info(d, &i, e))
			return -1;
		d->nature = (struct docker_nature){true, i.rootless, i.userns_remap,
						   i.limits_memory};
	}
	if (out)
		*out = &d->nature;
	return 0;
}

bool docker_is_of_root(const struct docker *d) {
	struct stat st;

	return !stat(d->socket, &st) && st.st_uid == 0;
}

int docker_suits(struct docker *d, unsigned owner, struct err *e) {
	const struct docker_nature *nature;
	struct stat st;

	if (docker_is_of_root(d))
		return 0;
	if (docker_learn(d, &nature, e))
		return -1;
	if (!nature->rootless || stat(d->socket, &st) || st.st_uid == owner)
		return 0;
	return err_set(
		e, ERR_USAGE,
		"the rootless Docker at '%s' belongs to uid %u, and the root directory to uid %u: "
		"its containers see only files of uid %u; "
		"run as uid %u with --root in a directory of that user, or use another Docker",
		d->socket, (unsigned) st.st_uid, owner, (unsigned) st.st_uid, (unsigned) st.st_uid);
}

char *docker_user(const struct docker *d, unsigned uid) {
	return d && d->nature.rootless ? mem_strdup("0:0") : mem_printf("%u:%u", uid, uid);
}
