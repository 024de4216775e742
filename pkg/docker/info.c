#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "docker/internal.h"

static bool has_containerd_store(const struct json *info) {
	for (const struct json *s = json_first(json_get(info, "DriverStatus")); s; s = json_next(s)) {
		const char *value = json_text(json_at(s, 1));
		if (value && !strcmp(value, "io.containerd.snapshotter.v1"))
			return true;
	}
	return false;
}

/* ["name=seccomp,profile=default", "name=rootless"] */
static bool is_rootless(const struct json *info) {
	for (const struct json *s = json_first(json_get(info, "SecurityOptions")); s; s = json_next(s))
		if (json_text(s) && strstr(json_text(s), "name=rootless"))
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
		return docker_misshapen(&c, "an Engine's state", e);
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
		.rootless = is_rootless(raw),
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
