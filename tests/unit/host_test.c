/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/host.h"

/* A machine made of files: pairs of path and content. */
struct file {
	const char *path, *content;
};

static const struct {
	const char *name;
	struct file files[8];
	enum err_code code;
	uint64_t memory, limit, usable;
	unsigned cpus, nvidia;
	const char *render;
} machines[] = {
	{"bare",
	 {{"proc/meminfo", "MemTotal:       24683852 kB\nMemFree: 1 kB\n"}},
	 ERR_OK,
	 25276264448,
	 UINT64_MAX,
	 25276264448,
	 1,
	 0,
	 NULL},
	{"version 2, limit in the parent",
	 {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
	  {"proc/self/cgroup", "0::/a.slice/b.scope\n"},
	  {"sys/fs/cgroup/a.slice/memory.max", "4294967296\n"},
	  {"sys/fs/cgroup/a.slice/b.scope/memory.max", "max\n"},
	  {"sys/devices/system/cpu/online", "0-3,8,10-11\n"}},
	 ERR_OK,
	 8589934592,
	 4294967296,
	 4294967296,
	 7,
	 0,
	 NULL},
	{"version 1 in a container, which sees its own group as the top",
	 {{"proc/meminfo", "MemTotal: 8388608 kB\n"},
	  {"proc/self/cgroup", "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/x\n"},
	  {"sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"}},
	 ERR_OK,
	 8589934592,
	 1073741824,
	 1073741824,
	 1,
	 0,
	 NULL},
	{"version 1 without a limit",
	 {{"proc/meminfo", "MemTotal: 1024 kB\n"},
	  {"proc/self/cgroup", "4:memory:/\n"},
	  {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
	 ERR_OK,
	 1048576,
	 UINT64_MAX,
	 1048576,
	 1,
	 0,
	 NULL},
	{"a group outside of what the process sees",
	 {{"proc/meminfo", "MemTotal: 1024 kB\n"},
	  {"proc/self/cgroup", "0::/../../x\n"},
	  {"sys/fs/cgroup/memory.max", "1\n"}},
	 ERR_OK,
	 1048576,
	 UINT64_MAX,
	 1048576,
	 1,
	 0,
	 NULL},
	{"two NVIDIA devices",
	 {{"proc/meminfo", "MemTotal: 1024 kB\n"},
	  {"dev/nvidiactl", ""},
	  {"dev/nvidia0", ""},
	  {"dev/nvidia1", ""},
	  {"dev/nvidia-uvm", ""}},
	 ERR_OK,
	 1048576,
	 UINT64_MAX,
	 1048576,
	 1,
	 2,
	 NULL},
	{"a render node",
	 {{"proc/meminfo", "MemTotal: 1024 kB\n"},
	  {"dev/dri/card0", ""},
	  {"dev/dri/renderD128", ""}},
	 ERR_OK,
	 1048576,
	 UINT64_MAX,
	 1048576,
	 1,
	 0,
	 "/dev/dri/renderD128"},
	{"no memory told", {{"proc/meminfo", "MemFree: 7 kB\n"}}, ERR_SYS, 0, 0, 0, 0, 0, NULL},
};

static void make(const char *root, const struct file *files) {
	struct err e = {0};

	for (size_t i = 0; i < 8 && files[i].path; i++) {
		char *path CLEANUP(freep) = mem_printf("%s/%s", root, files[i].path);
		char *dir CLEANUP(freep) = mem_strndup(path, (size_t) (strrchr(path, '/') - path));

		assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, dir, 0755, &e), 0);
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, files[i].content,
					  strlen(files[i].content), 0644, &e),
				 0);
	}
}

static void host_machines(void **state) {
	(void) state;
	EACH_CASE (c, machines) {
		char root[] = "/tmp/llmdeploy-host-XXXXXX";
		struct host_facts h = {0};
		struct err e = {0};

		assert_non_null(mkdtemp(root));
		make(root, c->files);
		assert_int_equal(host_read(root, &h, &e), c->code ? -1 : 0);
		assert_int_equal(e.code, c->code);
		assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, root, &e), 0);
		if (c->code)
			continue;
		assert_int_equal(h.memory_bytes, c->memory);
		assert_int_equal(h.memory_limit, c->limit);
		assert_int_equal(host_memory(&h), c->usable);
		assert_int_equal(h.cpus, c->cpus);
		assert_int_equal(h.nvidia_devices, c->nvidia);
		assert_int_equal(h.nvidia, c->nvidia > 0);
		assert_int_equal(h.n_render_nodes, c->render ? 1 : 0);
		if (c->render)
			assert_string_equal(h.render_nodes[0], c->render);
	}
}

static void host_message(void **state) {
	struct host_facts h = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(host_read("/nowhere", &h, &e), -1);
	assert_string_equal(e.msg,
			    "cannot open '/nowhere/proc/meminfo': No such file or directory");
}

static void host_architectures(void **state) {
	(void) state;
	assert_string_equal(host_architecture("x86_64"), "amd64");
	assert_string_equal(host_architecture("aarch64"), "arm64");
	assert_string_equal(host_architecture("pdp11"), "pdp11");
}

/* This machine: not what it has, but that it can be told. */
static void host_here(void **state) {
	struct host_facts h = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(host_read("", &h, &e), 0);
	assert_true(host_memory(&h) > 1 << 20);
	assert_true(h.cpus > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_machines),
		cmocka_unit_test(host_message),
		cmocka_unit_test(host_architectures),
		cmocka_unit_test(host_here),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
