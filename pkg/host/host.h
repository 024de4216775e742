/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What this machine has, as far as planning asks: memory, processors, GPUs. Everything is read
 * below `root`, so that a test can make a machine of files. What the kernel tells in files costs
 * nothing and is always read; NVIDIA's driver is asked apart (host_read_gpus), because that may
 * take a second. */

#define HOST_MAX_NODES 16
#define HOST_MAX_GPUS 16

struct host_gpu {
	char kind[8]; /* "nvidia", "amd", "intel" */
	/* "NVIDIA H100 80GB HBM3"; of others by their PCI numbers where nothing else is told */
	char name[96];
	char uuid[64]; /* "" where there is none */
	/* on the PCI bus, lower case: "0000:17:00.0"; "" where it is not told */
	char address[24];
	char driver[32];    /* version; "" where it is not told */
	char capability[8]; /* CUDA's compute capability: "9.0" */
	char told_by[16];   /* "NVML", "nvidia-smi", "sysfs" */
	/* bytes; 0: not told, as of one that shares the machine's memory */
	uint64_t memory_total, memory_free;
	/* bytes a second, from the table of known devices (bandwidth.h); 0: not known */
	uint64_t bandwidth;
	char bandwidth_source[96];
};

struct host_facts {
	char architecture[16]; /* as Debian names it: "amd64", "arm64"; else the kernel's name */
	unsigned cpus;         /* online */
	uint64_t memory_bytes; /* of the machine */
	uint64_t memory_available; /* of the machine, at this moment */
	uint64_t memory_limit;     /* of the control groups this process is in; UINT64_MAX: none */
	bool nvidia;               /* /dev/nvidiactl, and at least one /dev/nvidiaN */
	unsigned nvidia_devices;
	char render_nodes[HOST_MAX_NODES][32]; /* "/dev/dri/renderD128", sorted */
	size_t n_render_nodes;
	char cpu[96]; /* "AMD EPYC 7763 64-Core Processor"; "" where the kernel does not say */
	uint64_t cache_bytes; /* of the largest caches, together; 0 where the kernel does not say */
	struct host_gpu gpus[HOST_MAX_GPUS]; /* those of NVIDIA only after host_read_gpus */
	size_t n_gpus;
	char gpu_note[200]; /* why NVIDIA's driver could not be asked, or "" */
	/* of the machine's memory, bytes a second, as it was measured (measure.h); 0: not known */
	uint64_t bandwidth;
	char bandwidth_source[96];
};

/* How NVIDIA's driver is asked: first by its library, in a process of its own that may neither hang
 * nor crash us, then by its program. NULL: not asked. */
struct host_tools {
	const char *nvml, *nvidia_smi;
	uint64_t timeout_ms; /* of each */
};

/* `root` is "" for this machine. ERR_SYS if /proc/meminfo cannot be understood; what is missing
 * elsewhere is "none". */
int host_read(const char *root, struct host_facts *out, struct err *e);

/* Adds the NVIDIA GPUs, before all others. `t` NULL: libnvidia-ml.so.1 and nvidia-smi, ten seconds
 * each. A machine without them is no error: why they told nothing is in gpu_note where there are
 * device files. */
void host_read_gpus(const struct host_tools *t, struct host_facts *h);
/* The GPU that a backend ("cuda", "rocm", "vulkan") would use: the first that fits; NULL: none is
 * known. */
const struct host_gpu *host_gpu_for(const struct host_facts *h, const char *backend);

/* The smaller of the machine's memory and the limit of its control groups. */
uint64_t host_memory(const struct host_facts *h);

/* Debian's name of the architecture that the kernel calls `machine` ("x86_64" is "amd64");
 * `machine` itself if unknown. */
const char *host_architecture(const char *machine);
