/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/gpu.h"
#include "host/host.h"

/* NVML's own shapes, from its reference manual (docs.nvidia.com/deploy/nvml-api): its header is not
 * needed to build. */
enum { NVML_SUCCESS = 0, NVML_NAME_SIZE = 96, NVML_UUID_SIZE = 96, NVML_VERSION_SIZE = 80 };

typedef void *device_handle;

struct nvml_memory {
	unsigned long long total, free, used;
};

struct nvml_pci {
	char legacy[16];
	unsigned domain, bus, device, id, subsystem;
	char address[32];
};

/* What is asked of it. The functions with _v2 and _v3 are those that current headers mean by the
 * names without. */
struct nvml {
	int (*init)(void);
	int (*count)(unsigned *n);
	int (*handle)(unsigned i, device_handle *out);
	int (*name)(device_handle d, char *out, unsigned size);
	int (*uuid)(device_handle d, char *out, unsigned size);
	int (*memory)(device_handle d, struct nvml_memory *out);
	int (*capability)(device_handle d, int *major, int *minor);
	int (*pci)(device_handle d, struct nvml_pci *out);
	int (*version)(char *out, unsigned size);
};

/* The answer, through a pipe that holds all of it. */
struct answer {
	int n; /* or -1 */
	char why[160];
	struct host_gpu gpus[HOST_MAX_GPUS];
};

/* A function pointer is not a void *, and dlsym gives one: POSIX has it so. */
static bool find(void *library, const char *symbol, void *function) {
	void *at = dlsym(library, symbol);

	memcpy(function, &at, sizeof at);
	return at != NULL;
}

static bool find_all(void *library, struct nvml *n) {
	bool needed = find(library, "nvmlInit_v2", &n->init) &&
		find(library, "nvmlDeviceGetCount_v2", &n->count) &&
		find(library, "nvmlDeviceGetHandleByIndex_v2", &n->handle) &&
		find(library, "nvmlDeviceGetName", &n->name);

	(void) find(library, "nvmlDeviceGetUUID", &n->uuid);
	(void) find(library, "nvmlDeviceGetMemoryInfo", &n->memory);
	(void) find(library, "nvmlDeviceGetCudaComputeCapability", &n->capability);
	(void) find(library, "nvmlDeviceGetPciInfo_v3", &n->pci);
	(void) find(library, "nvmlSystemGetDriverVersion", &n->version);
	return needed;
}

static void lower(char *s) {
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'F')
			*s = (char) (*s - 'A' + 'a');
}

/* What a GPU does not answer (one that shares the machine's memory has none of its own) stays
 * empty. */
static void ask_one(const struct nvml *n, device_handle d, struct host_gpu *g) {
	struct nvml_memory memory = {0};
	struct nvml_pci pci = {.address = ""};
	char text[NVML_NAME_SIZE] = "", uuid[NVML_UUID_SIZE] = "", version[NVML_VERSION_SIZE] = "";
	int major = 0, minor = 0;

	if (n->name(d, text, sizeof text) == NVML_SUCCESS)
		(void) snprintf(g->name, sizeof g->name, "%.*s", NVML_NAME_SIZE - 1, text);
	if (n->uuid && n->uuid(d, uuid, sizeof uuid) == NVML_SUCCESS)
		(void) snprintf(g->uuid, sizeof g->uuid, "%.63s", uuid);
	if (n->memory && n->memory(d, &memory) == NVML_SUCCESS) {
		g->memory_total = memory.total;
		g->memory_free = memory.free;
	}
	if (n->capability && n->capability(d, &major, &minor) == NVML_SUCCESS)
		(void) snprintf(g->capability, sizeof g->capability, "%d.%d", major % 100,
				minor % 100);
	/* "00000000:17:00.0": the kernel writes the domain with four digits. */
	if (n->pci && n->pci(d, &pci) == NVML_SUCCESS &&
	    strnlen(pci.address, sizeof pci.address) > 4)
		(void) snprintf(g->address, sizeof g->address, "%.16s", pci.address + 4);
	lower(g->address);
	if (n->version && n->version(version, sizeof version) == NVML_SUCCESS)
		(void) snprintf(g->driver, sizeof g->driver, "%.31s", version);
}

static void ask_all(const char *library, struct answer *a) {
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	struct nvml n = {0};
	unsigned count = 0;
	int code;

	a->n = -1;
	if (!handle) {
		(void) snprintf(a->why, sizeof a->why, "%.150s", dlerror());
		return;
	}
	if (!find_all(handle, &n)) {
		(void) snprintf(a->why, sizeof a->why, "%.80s lacks a function that is needed",
				library);
		return;
	}
	if ((code = n.init()) != NVML_SUCCESS || (code = n.count(&count)) != NVML_SUCCESS) {
		(void) snprintf(a->why, sizeof a->why, "%.80s answers with error %d", library,
				code);
		return;
	}
	a->n = 0;
	for (unsigned i = 0; i < count && a->n < HOST_MAX_GPUS; i++) {
		device_handle d;

		if (n.handle(i, &d) == NVML_SUCCESS)
			ask_one(&n, d, &a->gpus[a->n++]);
	}
}

static _Noreturn void child(const char *library, int fd) {
	struct answer a = {0};

	ask_all(library, &a);
	/* The pipe holds all of it: nobody waits for the reader. */
	struct err none = {0};

	_exit(fs_write_all(EFFECT_NONE, fd, &a, sizeof a, "the answer", &none) != 0);
}

int host_ask_nvml(const char *library, uint64_t timeout_ms, struct host_gpu *out, size_t max,
		  char *why, size_t why_size) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(sizeof(struct answer));
	struct answer a;
	int pipe_fds[2];

	_Static_assert(sizeof(struct answer) <= 65536, "an answer must fit into a pipe");
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		(void) snprintf(why, why_size, "no pipe");
		return -1;
	}
	pid_t pid = fork();

	if (!pid)
		child(library, pipe_fds[1]);
	(void) close(pipe_fds[1]);
	int status = pid < 0 ? -1 : host_read_subprocess(pid, pipe_fds[0], timeout_ms, &b);

	(void) close(pipe_fds[0]);
	if (status || b.len != sizeof a) {
		(void) snprintf(why, why_size,
				pid < 0              ? "no process"
					: status < 0 ? "%.80s did not answer within %llu ms"
						     : "%.80s crashed",
				library, (unsigned long long) timeout_ms);
		return -1;
	}
	memcpy(&a, b.data, sizeof a);
	if (a.n < 0)
		(void) snprintf(why, why_size, "%s", a.why);
	for (int i = 0; i < a.n && (size_t) i < max; i++) {
		out[i] = a.gpus[i];
		(void) strcpy(out[i].kind, "nvidia");
		(void) strcpy(out[i].told_by, "NVML");
	}
	return a.n > (int) max ? (int) max : a.n;
}
