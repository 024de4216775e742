/* SPDX-License-Identifier: Apache-2.0 */
/* libnvidia-ml.so.1 without a GPU, for tests/unit/host_gpu_test.c and
 * tests/integration/host_test.sh, which compile it with -D of one of HANG, CRASH, ERROR, NONE, OLD,
 * UNIFIED, MIG; without any it has two GPUs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct memory {
	unsigned long long total, free, used;
};
struct pci {
	char legacy[16];
	unsigned domain, bus, device, id, subsystem;
	char address[32];
};

int nvmlInit_v2(void);
int nvmlDeviceGetCount_v2(unsigned *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out);
int nvmlDeviceGetName(void *d, char *out, unsigned size);
int nvmlDeviceGetUUID(void *d, char *out, unsigned size);
int nvmlDeviceGetMemoryInfo(void *d, struct memory *out);
int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor);
int nvmlDeviceGetPciInfo_v3(void *d, struct pci *out);
int nvmlSystemGetDriverVersion(char *out, unsigned size);

int nvmlInit_v2(void) {
#if defined HANG
	for (;;)
		(void) sleep(1);
#elif defined CRASH
	abort();
#elif defined ERROR
	return 9; /* the driver is not loaded */
#endif
	return 0;
}

int nvmlDeviceGetCount_v2(unsigned *n) {
#if defined NONE
	*n = 0;
#elif defined UNIFIED || defined MIG
	*n = 1;
#else
	*n = 2;
#endif
	return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **out) {
	static char devices[2];

	*out = &devices[i];
	devices[i] = (char) i;
	return 0;
}

#ifndef OLD
int nvmlDeviceGetName(void *d, char *out, unsigned size) {
#if defined UNIFIED
	(void) snprintf(out, size, "NVIDIA GB10");
#elif defined MIG
	(void) snprintf(out, size, "NVIDIA A100-SXM4-80GB MIG 1g.10gb");
#else
	(void) snprintf(out, size,
			*(char *) d ? "NVIDIA GeForce RTX 4090" : "NVIDIA H100 80GB HBM3");
#endif
	return 0;
}
#endif

int nvmlDeviceGetUUID(void *d, char *out, unsigned size) {
	(void) snprintf(out, size, "GPU-00000000-0000-0000-0000-00000000000%d", *(char *) d);
	return 0;
}

int nvmlDeviceGetMemoryInfo(void *d, struct memory *out) {
#if defined UNIFIED
	(void) out;
	(void) d;
	return 3; /* not supported: it shares the machine's memory */
#else
	out->total = *(char *) d ? 25757220864 : 85520809984;
	out->used = 1073741824;
	out->free = out->total - out->used;
	return 0;
#endif
}

int nvmlDeviceGetCudaComputeCapability(void *d, int *major, int *minor) {
	*major = *(char *) d ? 8 : 9;
	*minor = *(char *) d ? 9 : 0;
	return 0;
}

int nvmlDeviceGetPciInfo_v3(void *d, struct pci *out) {
	memset(out, 0, sizeof *out);
	(void) snprintf(out->address, sizeof out->address,
			*(char *) d ? "00000000:C1:00.0" : "00000000:17:00.0");
	return 0;
}

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
	(void) snprintf(out, size, "580.95.05");
	return 0;
}
