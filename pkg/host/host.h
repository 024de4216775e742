#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What this machine has, as far as planning asks: memory, processors, GPUs by their
 * device files. Everything is read below `root`, so that a test can make a machine of files. */

#define HOST_MAX_NODES 16

struct host_facts {
	char architecture[16]; /* as Debian names it: "amd64", "arm64"; else the kernel's name */
	unsigned cpus;	       /* online */
	uint64_t memory_bytes; /* of the machine */
	uint64_t memory_limit; /* of the control groups this process is in; UINT64_MAX: none */
	bool nvidia;	       /* /dev/nvidiactl, and at least one /dev/nvidiaN */
	unsigned nvidia_devices;
	char render_nodes[HOST_MAX_NODES][32]; /* "/dev/dri/renderD128", sorted */
	size_t n_render_nodes;
};

/* `root` is "" for this machine. ERR_SYS if /proc/meminfo cannot be understood; what is missing elsewhere is "none". */
int host_read(const char *root, struct host_facts *out, struct err *e);

/* The smaller of the machine's memory and the limit of its control groups. */
uint64_t host_memory(const struct host_facts *h);

/* Debian's name of the architecture that the kernel calls `machine` ("x86_64" is "amd64"); `machine` itself if unknown. */
const char *host_architecture(const char *machine);
