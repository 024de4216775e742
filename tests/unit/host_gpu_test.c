/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/bandwidth.h"
#include "host/host.h"
#include "host/measure.h"

/* No GPU is needed: NVML is a library that the test compiles, nvidia-smi a script, sysfs a
 * folder. */

struct harness {
	char dir[40];
};

static int harness_new(void **state) {
	struct harness *w = mem_zalloc(1, sizeof *w);

	(void) strcpy(w->dir, "/tmp/llmdeploy-gpu-XXXXXX");
	*state = w;
	return mkdtemp(w->dir) ? 0 : -1;
}

static int harness_gone(void **state) {
	struct harness *w = *state;
	struct err e = {0};
	int r = fs_remove_tree(EFFECT_NONE, AT_FDCWD, w->dir, &e);

	free(w);
	return r;
}

static char *library(const struct harness *w, const char *variant) {
	char *path = mem_printf("%s/nvml-%s.so", w->dir, variant);
	char *command CLEANUP(
		freep) = mem_printf("cc -shared -fPIC -o %s %s%s tests/fake/nvml/nvml.c", path,
				    *variant ? "-D" : "", variant);

	assert_int_equal(system(command), 0);
	return path;
}

static char *script(const struct harness *w, const char *name, const char *body) {
	char *path = mem_printf("%s/%s", w->dir, name);
	struct err e = {0};

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, body, strlen(body), 0755, &e), 0);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static const struct {
	const char *name, *variant;
	size_t n;
	const char *first, *note;
	uint64_t memory, bandwidth;
} libraries[] = {
	{"two GPUs", "", 2, "NVIDIA H100 80GB HBM3", "", 85520809984, 3352000000000},
	{"one that shares the machine's memory", "UNIFIED", 1, "NVIDIA GB10", "", 0, 273000000000},
	{"a part of one is not the whole", "MIG", 1, "NVIDIA A100-SXM4-80GB MIG 1g.10gb", "",
	 85520809984, 0},
	{"none", "NONE", 0, NULL, "", 0, 0},
	{"the driver is not loaded", "ERROR", 0, NULL, " answers with error 9", 0, 0},
	{"it crashes", "CRASH", 0, NULL, " crashed", 0, 0},
	{"it hangs", "HANG", 0, NULL, " did not answer within 300 ms", 0, 0},
	{"it lacks what is needed", "OLD", 0, NULL, " lacks a function that is needed", 0, 0},
};

static void gpu_nvml(void **state) {
	const struct harness *w = *state;

	EACH_CASE (l, libraries) {
		char *path CLEANUP(freep) = library(w, l->variant);
		struct host_tools t = {path, NULL, strcmp(l->variant, "HANG") ? 20000 : 300};
		struct host_facts h = {.nvidia = true};
		uint64_t began = clock_mono_ms();

		host_read_gpus(&t, &h);
		assert_int_equal(h.n_gpus, l->n);
		assert_true(clock_mono_ms() - began < 20000);
		if (l->first) {
			assert_string_equal(h.gpus[0].name, l->first);
			assert_string_equal(h.gpus[0].told_by, "NVML");
			assert_string_equal(h.gpus[0].driver, "580.95.05");
			assert_string_equal(h.gpus[0].capability, "9.0");
			assert_string_equal(h.gpus[0].address, "0000:17:00.0");
			assert_int_equal(h.gpus[0].memory_total, l->memory);
			assert_int_equal(h.gpus[0].bandwidth, l->bandwidth);
		}
		assert_true(*l->note ? strstr(h.gpu_note, l->note) != NULL : !*h.gpu_note);
	}
}

static void gpu_second(void **state) {
	char *path CLEANUP(freep) = library(*state, "");
	struct host_tools t = {path, NULL, 20000};
	struct host_facts h = {.n_gpus = 1, .gpus = {{.kind = "amd", .name = "other"}}};

	host_read_gpus(&t, &h);
	assert_int_equal(h.n_gpus, 3);
	assert_string_equal(h.gpus[1].name, "NVIDIA GeForce RTX 4090");
	assert_string_equal(h.gpus[1].uuid, "GPU-00000000-0000-0000-0000-000000000001");
	assert_string_equal(h.gpus[1].address, "0000:c1:00.0");
	assert_string_equal(h.gpus[1].bandwidth_source, "21 Gb/s x 384 bit");
	assert_int_equal(h.gpus[1].memory_free, h.gpus[1].memory_total - (1 << 30));
	assert_string_equal(h.gpus[2].name, "other");
	assert_string_equal(host_gpu_for(&h, "cuda")->name, "NVIDIA H100 80GB HBM3");
	assert_string_equal(host_gpu_for(&h, "rocm")->name, "other");
	assert_null(host_gpu_for(&h, "metal"));
	assert_null(host_gpu_for(&h, "cpu"));
}

#define LINE "NVIDIA L4, GPU-1, 23034, 22572, 550.54.15, 00000000:3B:00.0"

static const struct {
	const char *name, *body;
	const char *gpu, *capability, *note;
	uint64_t memory;
} programs[] = {
	{"a current driver", "#!/bin/sh\necho '" LINE ", 8.9'\n", "NVIDIA L4", "8.9", "",
	 24152899584},
	{"a driver that knows no capability",
	 "#!/bin/sh\ncase $1 in *compute_cap*) echo 'not a valid field'; exit 2;; esac\necho '" LINE
	 "'\n",
	 "NVIDIA L4", "", "", 24152899584},
	{"what it does not support",
	 "#!/bin/sh\necho 'NVIDIA GB10, GPU-1, [N/A], [N/A], 580.1, 0000000F:01:00.0, 12.1'\n",
	 "NVIDIA GB10", "12.1", "", 0},
	{"the question is asked without a shell",
	 "#!/bin/sh\n[ $# = 2 ] && [ \"$2\" = --format=csv,noheader,nounits ] && echo '" LINE
	 ", 8.9'\n",
	 "NVIDIA L4", "8.9", "", 24152899584},
	{"it fails", "#!/bin/sh\nexit 9\n", NULL, NULL, " failed", 0},
	{"it says nothing", "#!/bin/sh\n", NULL, NULL, " names no GPU", 0},
	{"it says something else", "#!/bin/sh\necho 'No devices were found'\n", NULL, NULL,
	 " names no GPU", 0},
	{"it hangs", "#!/bin/sh\nexec sleep 60\n", NULL, NULL, " did not answer in time", 0},
	{"it never ends to talk", "#!/bin/sh\nexec yes '" LINE "'\n", NULL, NULL,
	 " did not answer in time", 0},
};

static void gpu_smi(void **state) {
	EACH_CASE (p, programs) {
		char *path CLEANUP(freep) = script(*state, "nvidia-smi", p->body);
		struct host_tools t = {NULL, path, p->note[0] ? 1500 : 20000};
		struct host_facts h = {.nvidia = true};

		host_read_gpus(&t, &h);
		assert_int_equal(h.n_gpus, p->gpu ? 1 : 0);
		assert_true(*p->note ? strstr(h.gpu_note, p->note) != NULL : !*h.gpu_note);
		if (!p->gpu)
			continue;
		assert_string_equal(h.gpus[0].name, p->gpu);
		assert_string_equal(h.gpus[0].capability, p->capability);
		assert_string_equal(h.gpus[0].told_by, "nvidia-smi");
		assert_int_equal(h.gpus[0].memory_total, p->memory);
	}
}

/* The library first, the program where it fails, and both reasons where both do. */
static void gpu_fallback(void **state) {
	const struct harness *w = *state;
	char *broken CLEANUP(freep) = library(w, "ERROR"),
		     *path CLEANUP(freep) = script(w, "smi", "#!/bin/sh\necho '" LINE ", 8.9'\n");
	struct host_tools good = {broken, path, 20000},
			  bad = {"libno-such.so.1", "no-such-program-here", 20000};
	struct host_facts h = {.nvidia = true}, none = {.nvidia = true}, absent = {0};

	host_read_gpus(&good, &h);
	assert_int_equal(h.n_gpus, 1);
	assert_string_equal(h.gpus[0].address, "0000:3b:00.0");
	assert_string_equal(h.gpu_note, "");
	host_read_gpus(&bad, &none);
	assert_string_equal(none.gpu_note,
			    "libno-such.so.1: cannot open shared object file: No such file or "
			    "directory; no-such-program-here was not found");
	host_read_gpus(&bad, &absent);
	assert_string_equal(absent.gpu_note, "");
	assert_int_equal(absent.n_gpus, 0);
}

struct file {
	const char *path, *content;
};

static const struct {
	const char *name;
	struct file files[8];
	size_t n;
	const char *kind, *gpu, *address;
	uint64_t memory, memory_free, bandwidth;
} cards[] = {
	{"an AMD card that is known by its number",
	 {{"card0/device/vendor", "0x1002\n"},
	  {"card0/device/device", "0x744c\n"},
	  {"card0/device/mem_info_vram_total", "25753026560\n"},
	  {"card0/device/mem_info_vram_used", "1000000000\n"},
	  {"card0/device/uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n"},
	  {"card0-HDMI-A-1/status", "connected\n"}},
	 1,
	 "amd",
	 "AMD Radeon RX 7900 XTX",
	 "0000:03:00.0",
	 25753026560,
	 24753026560,
	 960000000000},
	{"the same number with less memory is another card",
	 {{"card0/device/vendor", "0x1002\n"},
	  {"card0/device/device", "0x744c\n"},
	  {"card0/device/mem_info_vram_total", "21458059264\n"}},
	 1,
	 "amd",
	 "AMD Radeon RX 7900 XT",
	 "",
	 21458059264,
	 21458059264,
	 800000000000},
	{"an AMD card that says its name",
	 {{"card1/device/vendor", "0x1002\n"},
	  {"card1/device/device", "0x9999\n"},
	  {"card1/device/product_name", "AMD Instinct MI300X OAM\n"},
	  {"card1/device/mem_info_vram_total", "206141652992\n"}},
	 1,
	 "amd",
	 "AMD Instinct MI300X OAM",
	 "",
	 206141652992,
	 206141652992,
	 5300000000000},
	{"a card of Intel with two tiles",
	 {{"card0/device/vendor", "0x8086\n"},
	  {"card0/device/device", "0x0bd5\n"},
	  {"card0/device/tile0/physical_vram_size_bytes", "68719476736\n"},
	  {"card0/device/tile1/physical_vram_size_bytes", "68719476736\n"}},
	 1,
	 "intel",
	 "intel 8086:0bd5",
	 "",
	 137438953472,
	 0,
	 0},
	{"graphics in the processor of Intel",
	 {{"card0/device/vendor", "0x8086\n"}, {"card0/device/device", "0x46a6\n"}},
	 1,
	 "intel",
	 "intel 8086:46a6",
	 "",
	 0,
	 0,
	 0},
	{"a virtual card is none",
	 {{"card0/device/vendor", "0x1af4\n"}, {"card0/device/device", "0x1050\n"}},
	 0,
	 NULL,
	 NULL,
	 NULL,
	 0,
	 0,
	 0},
	{"nonsense", {{"card0/device/vendor", "what\n"}}, 0, NULL, NULL, NULL, 0, 0, 0},
};

static void put(const char *root, const char *base, const struct file *f) {
	char *path CLEANUP(freep) = mem_printf("%s/%s%s", root, base, f->path);
	char *dir CLEANUP(freep) = mem_strndup(path, (size_t) (strrchr(path, '/') - path));
	struct err e = {0};

	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, dir, 0755, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, f->content, strlen(f->content), 0644,
				  &e),
			 0);
}

static void gpu_sysfs(void **state) {
	const struct harness *w = *state;

	EACH_CASE (c, cards) {
		char *root CLEANUP(freep) = mem_printf("%s/card-%zu", w->dir, (size_t) (c - cards));
		struct host_facts h = {0};
		struct err e = {0};

		put(root, "",
		    &(struct file){"proc/meminfo", "MemTotal: 1024 kB\nMemAvailable: 512 kB\n"});
		for (size_t i = 0; i < 8 && c->files[i].path; i++)
			put(root, "sys/class/drm/", &c->files[i]);
		assert_int_equal(host_read(root, &h, &e), 0);
		assert_int_equal(h.n_gpus, c->n);
		assert_int_equal(h.memory_available, 512 * 1024);
		if (!c->n)
			continue;
		assert_string_equal(h.gpus[0].kind, c->kind);
		assert_string_equal(h.gpus[0].name, c->gpu);
		assert_string_equal(h.gpus[0].address, c->address);
		assert_string_equal(h.gpus[0].told_by, "sysfs");
		assert_int_equal(h.gpus[0].memory_total, c->memory);
		assert_int_equal(h.gpus[0].memory_free, c->memory_free);
		assert_int_equal(h.gpus[0].bandwidth, c->bandwidth);
	}
}

static const struct {
	const char *name, *processor, *cpuinfo, *cache, *sharing, *online, *model;
	uint64_t bytes;
} processors[] = {
	{"x86", "model",
	 "processor\t: 0\nmodel name\t: AMD EPYC 7763 64-Core Processor\nflags\t: x\n", "32768K\n",
	 "0-7\n", "0-15\n", "", 2 * 32768 * 1024},
	{"ARM, whose board has a name", "board", "processor\t: 0\nCPU implementer\t: 0x41\n", "",
	 "", "0-3\n", "NVIDIA Jetson AGX Orin", 0},
};

static void host_processors(void **state) {
	const struct harness *w = *state;

	EACH_CASE (p, processors) {
		char *root CLEANUP(freep) = mem_printf("%s/cpu-%s", w->dir, p->processor);
		struct host_facts h = {0};
		struct err e = {0};

		put(root, "", &(struct file){"proc/meminfo", "MemTotal: 1024 kB\n"});
		put(root, "", &(struct file){"proc/cpuinfo", p->cpuinfo});
		put(root, "", &(struct file){"sys/devices/system/cpu/online", p->online});
		put(root, "",
		    &(struct file){"sys/devices/system/cpu/cpu0/cache/index3/size", p->cache});
		put(root, "",
		    &(struct file){"sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list",
				   p->sharing});
		put(root, "", &(struct file){"sys/firmware/devicetree/base/model", p->model});
		assert_int_equal(host_read(root, &h, &e), 0);
		assert_string_equal(h.cpu,
				    *p->model ? p->model : "AMD EPYC 7763 64-Core Processor");
		assert_int_equal(h.cache_bytes, p->bytes);
	}
}

/* ---- bandwidth ---- */

#define GIB ((uint64_t) 1 << 30)
#define GB UINT64_C(1000000000)

static const struct {
	const char *name;
	uint64_t memory, bandwidth;
} devices[] = {
	{"NVIDIA A100-SXM4-40GB", 40 * GIB, 1555 * GB},
	{"NVIDIA A100-PCIE-40GB", 40 * GIB, 1555 * GB},
	{"NVIDIA A100-SXM4-80GB", 80 * GIB, 2039 * GB},
	{"NVIDIA A100 80GB PCIe", 80 * GIB, 1935 * GB},
	{"NVIDIA H100 PCIe", 80 * GIB, 2039 * GB},
	{"NVIDIA H100 NVL", 94 * GIB, 3938 * GB},
	{"NVIDIA H200", 141 * GIB, 4800 * GB},
	{"NVIDIA GH200 480GB", 96 * GIB, 4000 * GB},
	{"Tesla T4", 15 * GIB, 320 * GB},
	{"Tesla V100-SXM2-32GB", 32 * GIB, 900 * GB},
	{"NVIDIA GeForce RTX 4070", 12 * GIB, 504 * GB},
	{"NVIDIA GeForce RTX 4070 Ti SUPER", 16 * GIB, 672 * GB},
	{"NVIDIA GeForce RTX 3060", 12 * GIB, 360 * GB},
	{"NVIDIA GeForce RTX 3060", 8 * GIB, 240 * GB},
	{"NVIDIA GeForce RTX 3060", 0, 0},
	{"NVIDIA GeForce RTX 4090 Laptop GPU", 16 * GIB, 0},
	{"NVIDIA RTX 6000 Ada Generation", 48 * GIB, 960 * GB},
	{"NVIDIA RTX A6000", 48 * GIB, 768 * GB},
	{"NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 96 * GIB, 1792 * GB},
	{"Quadro RTX 6000", 24 * GIB, 672 * GB},
	{"AMD Radeon RX 7900 XTX", 24 * GIB, 960 * GB},
	{"AMD Radeon RX 7900", 24 * GIB, 0},
	{"Intel Arc A770", 16 * GIB, 560 * GB},
	{"Apple M1", 16 * GIB, 68 * GB},
	{"Apple M3 Max", 36 * GIB, 300 * GB},
	{"Apple M3 Max", 64 * GIB, 400 * GB},
	{"Apple M4 Pro", 48 * GIB, 273 * GB},
	{"Apple M2 Ultra", 192 * GIB, 800 * GB},
	{"DDR4-3200", 0, 25600000000},
	{"DDR4-3200 x2", 0, 51200000000},
	{"DDR5-4800 x12", 0, 460800000000},
	{"ddr5-5600 x2", 0, 89600000000},
	{"LPDDR5-6400 x4", 0, 204800000000},
	{"DDR5", 0, 0},
	{"DDR5-5600 x", 0, 0},
	{"DDR9-5600 x2", 0, 0},
	{"DDR5-5600 x1000", 0, 0},
	{"abacus", 0, 0},
	{"", 0, 0},
};

static void bandwidth_devices(void **state) {
	(void) state;
	EACH_CASE (d, devices) {
		const char *source = NULL;

		assert_int_equal(bandwidth_of(d->name, d->memory, &source), d->bandwidth);
		assert_int_equal(source != NULL, d->bandwidth != 0);
	}
}

/* Every row: a name that finds it and no other, and where the source is arithmetic, its sum. */
static void bandwidth_rows_agree(void **state) {
	const struct bandwidth_row *rows;
	size_t n = bandwidth_rows(&rows);

	(void) state;
	assert_true(n > 100);
	for (size_t i = 0; i < n; i++) {
		const char *source = NULL;
		double pin, bits, sum;

		if (bandwidth_of(rows[i].words, rows[i].gib * GIB, &source) !=
		    rows[i].gigabytes * GB)
			fail_msg("'%s' finds another row", rows[i].words);
		assert_ptr_equal(source, rows[i].source);
		if (sscanf(rows[i].source, "%lf Gb/s x %lf bit", &pin, &bits) != 2)
			continue;
		sum = pin * bits / 8;
		if (sum / rows[i].gigabytes < 0.99 || sum / rows[i].gigabytes > 1.01)
			fail_msg("'%s': %s is %.1f, not %u", rows[i].words, rows[i].source, sum,
				 rows[i].gigabytes);
	}
}

/* ---- measuring ---- */

static void measure_here(void **state) {
	struct host_facts h = {0};
	struct host_measure m = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(host_read("", &h, &e), 0);
	assert_true(host_measure_bytes(&h) <= UINT64_C(2) << 30);
	/* small: what is measured here is that it ends, not how fast the memory is */
	h.cache_bytes = 4 << 20;
	assert_int_equal(host_measure(&h, 64 << 20, 100, &m, &e), 0);
	assert_true(m.bytes_per_second > 10000000);
	assert_true(m.threads >= 1 && m.threads <= h.cpus);
	assert_int_equal(m.buffer_bytes % 4096, 0);
	assert_true(m.buffer_bytes <= 64 << 20);
}

static void measure_refused(void **state) {
	struct host_facts h = {.cpus = 1,
			       .memory_bytes = 1 << 30,
			       .memory_limit = UINT64_MAX,
			       .memory_available = 100 << 20,
			       .cache_bytes = 64 << 20};
	struct host_measure m = {0};
	struct err e = {0};

	(void) state;
	assert_int_equal(host_measure_bytes(&h), 25 << 20);
	assert_int_equal(host_measure(&h, host_measure_bytes(&h), 100, &m, &e), -1);
	assert_string_equal(
		e.msg,
		"memory cannot be measured: 25 MiB may be taken, and the caches hold 64 MiB");
	h.memory_limit = 50 << 20;
	assert_int_equal(host_measure_bytes(&h), (50 << 20) / 4);
}

static void measure_kept(void **state) {
	const struct harness *w = *state;
	struct host_facts h = {.cpus = 2, .cpu = "AMD EPYC"},
			  other = {.cpus = 2, .cpu = "Intel Xeon"},
			  fewer = {.cpus = 1, .cpu = "AMD EPYC"};
	struct host_measure m = {.bytes_per_second = 400 * GB};
	struct err e = {0};
	int root CLEANUP(closep) = -1;

	assert_int_equal(fs_open_dir(AT_FDCWD, w->dir, &root, &e), 0);
	assert_int_equal(host_cache_read(root, &h, &e), 0);
	assert_int_equal(h.bandwidth, 0);
	assert_int_equal(host_cache_write(root, &h, &m, 1795369265, &e), 0);
	assert_int_equal(host_cache_read(root, &h, &e), 0);
	assert_int_equal(h.bandwidth, 400 * GB);
	assert_string_equal(h.bandwidth_source, "measured 2026-11-22T17:41:05Z");
	assert_int_equal(host_cache_read(root, &other, &e), 0);
	assert_int_equal(other.bandwidth, 0);
	assert_int_equal(host_cache_read(root, &fewer, &e), 0);
	assert_int_equal(fewer.bandwidth, 0);
	assert_int_equal(fs_write(EFFECT_NONE, root, "host.json", "{\"cpu\":1}", 9, 0644, &e), 0);
	assert_int_equal(host_cache_read(root, &h, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_string_equal(e.msg,
			    "'host.json' in the root cannot be read: 'llmdeploy host --measure' "
			    "writes it again");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpu_nvml),          cmocka_unit_test(gpu_second),
		cmocka_unit_test(gpu_smi),           cmocka_unit_test(gpu_fallback),
		cmocka_unit_test(gpu_sysfs),         cmocka_unit_test(host_processors),
		cmocka_unit_test(bandwidth_devices), cmocka_unit_test(bandwidth_rows_agree),
		cmocka_unit_test(measure_here),      cmocka_unit_test(measure_refused),
		cmocka_unit_test(measure_kept),
	};

	return cmocka_run_group_tests_name("host_gpu", tests, harness_new, harness_gone);
}
