/* SPDX-License-Identifier: Apache-2.0 */
#include "host/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "host/gpu.h"

#define FILE_MAX 65536

/* The file's text, or an empty one where it is not there or cannot be read: a fact we do not
 * get. */
static void slurp(const char *root, const char *path, struct buf *out) {
	char *full CLEANUP(freep) = mem_printf("%s%s", root, path);
	struct err ignored = {0};

	(void) fs_read(AT_FDCWD, full, out, &ignored);
}

static uint64_t kilobytes(const char *text, const char *key) {
	const char *line = strstr(text, key);
	unsigned long long kib = 0;

	if (!line || sscanf(line + strlen(key), " %llu kB", &kib) != 1 || kib > UINT64_MAX / 1024)
		return 0;
	return (uint64_t) kib * 1024;
}

/* "MemTotal:       24683852 kB": the kernel's kB are 1024 bytes. */
static int read_memory(const char *root, struct host_facts *h, struct err *e) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(FILE_MAX);
	char *path CLEANUP(freep) = mem_printf("%s/proc/meminfo", root);

	if (fs_read(AT_FDCWD, path, &b, e))
		return -1;
	h->memory_bytes = kilobytes(buf_str(&b), "MemTotal:");
	h->memory_available = kilobytes(buf_str(&b), "MemAvailable:");
	return h->memory_bytes
		? 0
		: err_set(e, ERR_SYS, "cannot tell the machine's memory from '%s'", path);
}

static uint64_t limit_in(const char *root, const char *path) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(64);
	uint64_t v;

	slurp(root, path, &b);
	if (b.len && b.data[b.len - 1] == '\n')
		b.data[--b.len] = 0;
	/* Version 1 writes "no limit" as the largest multiple of a page; nobody limits to 2^60. */
	if (!text_u64(buf_str(&b), &v) || v >= (uint64_t) 1 << 60)
		return UINT64_MAX;
	return v;
}

/* The tightest limit of a group and of those that it lies in. Where the process sees only its own
 * part of the tree (a container), the top of what it sees is asked too. */
static uint64_t limit_of_group(const char *root, const char *mount, const char *group,
			       const char *file) {
	char *at CLEANUP(freep) = mem_strdup(group);
	uint64_t tightest = UINT64_MAX;

	for (;;) {
		char *path CLEANUP(freep) = mem_printf("%s%s/%s", mount, at, file);
		uint64_t v = limit_in(root, path);
		char *slash = strrchr(at, '/');

		tightest = v < tightest ? v : tightest;
		if (!slash)
			return tightest;
		*slash = 0;
	}
}

/* /proc/self/cgroup: "0::/user.slice" of version 2, "9:memory:/docker/1a2b" of version 1. */
static uint64_t read_limit(const char *root) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(FILE_MAX);
	uint64_t tightest = UINT64_MAX;
	char *rest = NULL;

	slurp(root, "/proc/self/cgroup", &b);
	for (char *line = b.len ? strtok_r(b.data, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *controllers = strchr(line, ':'),
		     *group = controllers ? strchr(controllers + 1, ':') : NULL;
		uint64_t v = UINT64_MAX;

		if (!group || strstr(group, "/.."))
			continue;
		*group++ = 0;
		if (!strcmp(controllers, ":"))
			v = limit_of_group(root, "/sys/fs/cgroup", group, "memory.max");
		else if (!strcmp(controllers, ":memory"))
			v = limit_of_group(root, "/sys/fs/cgroup/memory", group,
					   "memory.limit_in_bytes");
		tightest = v < tightest ? v : tightest;
	}
	return tightest;
}

/* "0-3,8" is five; 1 where nothing is said. */
static unsigned count_cpus(const char *root, const char *file) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	unsigned from, to, n = 0;
	char *rest = NULL;

	slurp(root, file, &b);
	for (char *part = b.len ? strtok_r(b.data, ",\n", &rest) : NULL; part;
	     part = strtok_r(NULL, ",\n", &rest)) {
		int got = sscanf(part, "%u-%u", &from, &to);

		n += got == 2 && to >= from && to < 65536 ? to - from + 1 : got == 1;
	}
	return n ? n : 1;
}

/* "model name : AMD EPYC 7763"; ARM's kernel names no model, the device tree names the board. */
static void read_cpu(const char *root, struct host_facts *h) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4 << 20), board CLEANUP(buf_done) = BUF_INIT(256),
		     cache CLEANUP(buf_done) = BUF_INIT(256);
	unsigned long long kib = 0;
	const char *at;

	slurp(root, "/proc/cpuinfo", &b);
	slurp(root, "/sys/firmware/devicetree/base/model", &board);
	slurp(root, "/sys/devices/system/cpu/cpu0/cache/index3/size", &cache);
	if ((at = strstr(buf_str(&b), "\nmodel name")) && (at = strchr(at, ':')))
		(void) snprintf(h->cpu, sizeof h->cpu, "%.*s", (int) strcspn(at + 2, "\n"), at + 2);
	else
		(void) snprintf(h->cpu, sizeof h->cpu, "%.90s", buf_str(&board));
	unsigned sharing = count_cpus(root,
				      "/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list");

	/* As many such caches as it takes for all processors. */
	if (sscanf(buf_str(&cache), "%lluK", &kib) == 1 && kib < 1 << 30)
		h->cache_bytes = (uint64_t) kib * 1024 * ((h->cpus + sharing - 1) / sharing);
}

static bool is_number(const char *s) {
	uint64_t v;

	return text_u64(s, &v);
}

static int read_devices(const char *root, struct host_facts *h, struct err *e) {
	char *dev CLEANUP(freep) = mem_printf("%s/dev", root),
		  *dri CLEANUP(freep) = mem_printf("%s/dev/dri", root);
	char **names CLEANUP(freep) = NULL, **nodes CLEANUP(freep) = NULL;
	size_t n = 0, n_nodes = 0;
	bool control = false;

	if (fs_list(AT_FDCWD, dev, &names, &n, e) ||
	    fs_list(AT_FDCWD, dri, &nodes, &n_nodes, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		control |= !strcmp(names[i], "nvidiactl");
		h->nvidia_devices += text_starts(names[i], "nvidia") &&
			is_number(names[i] + strlen("nvidia"));
	}
	h->nvidia = control && h->nvidia_devices;
	for (size_t i = 0; i < n_nodes && h->n_render_nodes < HOST_MAX_NODES; i++)
		if (text_starts(nodes[i], "renderD") && strlen(nodes[i]) < 20)
			(void) snprintf(h->render_nodes[h->n_render_nodes++],
					sizeof *h->render_nodes, "/dev/dri/%.20s", nodes[i]);
	return 0;
}

const char *host_architecture(const char *machine) {
	static const struct {
		const char *machine, *debian;
	} names[] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"},       {"armv7l", "armhf"},
		{"i686", "i386"},    {"ppc64le", "ppc64el"},     {"riscv64", "riscv64"},
		{"s390x", "s390x"},  {"loongarch64", "loong64"},
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(machine, names[i].machine))
			return names[i].debian;
	return machine;
}

int host_read(const char *root, struct host_facts *out, struct err *e) {
	struct host_facts h = {0};
	struct utsname u;

	if (uname(&u))
		return err_sys(e, "cannot tell the machine's architecture");
	(void) snprintf(h.architecture, sizeof h.architecture, "%.15s",
			host_architecture(u.machine));
	if (read_memory(root, &h, e) ||
	    read_devices(root, &h, e))
		return -1;
	h.cpus = count_cpus(root, "/sys/devices/system/cpu/online");
	read_cpu(root, &h);
	host_read_gpu_sysfs(root, &h);
	h.memory_limit = read_limit(root);
	*out = h;
	return 0;
}

uint64_t host_memory(const struct host_facts *h) {
	return h->memory_limit < h->memory_bytes ? h->memory_limit : h->memory_bytes;
}
