/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "host/bandwidth.h"
#include "host/gpu.h"
#include "host/host.h"

/* One line of a file of the device, without its end; "" where it is not there. */
static void line_of(const char *device, const char *file, char *out, size_t size) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	char *path CLEANUP(freep) = mem_printf("%s/%s", device, file);
	struct err none = {0};

	(void) fs_read_user(path, &b, &none);
	(void) snprintf(out, size, "%.*s", (int) strcspn(buf_str(&b), "\n"), buf_str(&b));
}

static uint64_t number_of(const char *device, const char *file) {
	char text[32];
	uint64_t v;

	line_of(device, file, text, sizeof text);
	return text_u64(text, &v) ? v : 0;
}

static unsigned hex_of(const char *device, const char *file) {
	char text[32];

	line_of(device, file, text, sizeof text);
	return (unsigned) strtoul(text, NULL, 16);
}

/* amdgpu: mem_info_vram_total and _used (kernel documentation, gpu/amdgpu/driver-misc). */
static void read_amd(const char *device, struct host_gpu *g) {
	uint64_t used = number_of(device, "mem_info_vram_used");

	(void) strcpy(g->kind, "amd");
	line_of(device, "product_name", g->name, sizeof g->name);
	line_of(device, "unique_id", g->uuid, sizeof g->uuid);
	g->memory_total = number_of(device, "mem_info_vram_total");
	g->memory_free = g->memory_total > used ? g->memory_total - used : 0;
}

/* xe: tile0/physical_vram_size_bytes, a tile's own; i915 does not say. One that shares the
 * machine's memory has none. */
static void read_intel(const char *device, struct host_gpu *g) {
	(void) strcpy(g->kind, "intel");
	for (unsigned tile = 0; tile < 4; tile++) {
		char file[48];

		(void) snprintf(file, sizeof file, "tile%u/physical_vram_size_bytes", tile);
		g->memory_total += number_of(device, file);
	}
}

static void read_address(const char *device, struct host_gpu *g) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);
	char *path CLEANUP(freep) = mem_printf("%s/uevent", device);
	struct err none = {0};

	(void) fs_read_user(path, &b, &none);
	const char *at = strstr(buf_str(&b), "PCI_SLOT_NAME=");

	if (at)
		(void) snprintf(g->address, sizeof g->address, "%.*s", (int) strcspn(at + 14, "\n"),
				at + 14);
}

static bool read_gpu(const char *device, struct host_gpu *g) {
	unsigned vendor = hex_of(device, "vendor"), id = hex_of(device, "device");

	*g = (struct host_gpu){.told_by = "sysfs"};
	if (vendor == 0x1002)
		read_amd(device, g);
	else if (vendor == 0x8086)
		read_intel(device, g);
	else
		return false;
	read_address(device, g);
	if (!*g->name)
		(void) snprintf(g->name, sizeof g->name, "%s",
				bandwidth_pci_name(vendor, id, g->memory_total));
	if (!*g->name)
		(void) snprintf(g->name, sizeof g->name, "%s %04x:%04x",
				vendor == 0x1002 ? "amd" : "intel", vendor, id);
	host_know_gpu(g);
	return true;
}

/* card0, and not card0-HDMI-A-1. */
static bool is_gpu(const char *name) {
	uint64_t v;

	return text_starts(name, "card") && text_u64(name + 4, &v);
}

void host_read_gpu_sysfs(const char *root, struct host_facts *h) {
	char *drm CLEANUP(freep) = mem_printf("%s/sys/class/drm", root),
		  **names CLEANUP(freep) = NULL;
	struct err none = {0};
	size_t n = 0;

	if (fs_list(AT_FDCWD, drm, &names, &n, &none))
		return;
	for (size_t i = 0; i < n && h->n_gpus < HOST_MAX_GPUS; i++) {
		char *device CLEANUP(freep) = mem_printf("%s/%s/device", drm, names[i]);

		h->n_gpus += is_gpu(names[i]) && read_gpu(device, &h->gpus[h->n_gpus]);
	}
}

void host_know_gpu(struct host_gpu *g) {
	const char *source = "";

	g->bandwidth = bandwidth_of(g->name, g->memory_total, &source);
	(void) snprintf(g->bandwidth_source, sizeof g->bandwidth_source, "%s", source);
}

/* ---- NVIDIA ---- */

static void put_first(struct host_facts *h, const struct host_gpu *list, size_t n) {
	size_t others = h->n_gpus < HOST_MAX_GPUS - n ? h->n_gpus : HOST_MAX_GPUS - n;

	memmove(h->gpus + n, h->gpus, others * sizeof *h->gpus);
	memcpy(h->gpus, list, n * sizeof *h->gpus);
	h->n_gpus = n + others;
}

void host_read_gpus(const struct host_tools *t, struct host_facts *h) {
	static const struct host_tools usual = {"libnvidia-ml.so.1", "nvidia-smi", 10000};
	struct host_gpu *list CLEANUP(freep) = mem_zalloc(HOST_MAX_GPUS, sizeof *list);
	char library[96] = "", program[96] = "";
	int n = -1;

	t = t ? t : &usual;
	if (t->nvml)
		n = host_ask_nvml(t->nvml, t->timeout_ms, list, HOST_MAX_GPUS, library,
				  sizeof library);
	if (n < 0 && t->nvidia_smi)
		n = host_ask_nvidia_smi(t->nvidia_smi, t->timeout_ms, list, HOST_MAX_GPUS, program,
					sizeof program);
	for (int i = 0; i < n; i++)
		host_know_gpu(&list[i]);
	if (n > 0)
		put_first(h, list, (size_t) n);
	else if (h->nvidia)
		(void) snprintf(h->gpu_note, sizeof h->gpu_note, "%s%s%s", library,
				*library && *program ? "; " : "", program);
}

const struct host_gpu *host_gpu_for(const struct host_facts *h, const char *backend) {
	const char *kind = !strcmp(backend, "cuda") ? "nvidia"
		: !strcmp(backend, "rocm")          ? "amd"
		: !strcmp(backend, "vulkan")        ? ""
						    : NULL;

	for (size_t i = 0; kind && i < h->n_gpus; i++)
		if (!*kind || !strcmp(h->gpus[i].kind, kind))
			return &h->gpus[i];
	return NULL;
}
