/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a runtime definition: diagnostics with their places, or a definition that a plan can
 * use. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "runtime/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];

static void leave(void) {
	(void) rmdir(dir);
}

/* In a directory of this process, in memory where the machine has such a place; empty whenever no
 * input is looked at. */
static const char *folder(void) {
	if (!*dir) {
		(void) atexit(leave);
		(void) snprintf(dir, sizeof dir, "%s/runtime-fuzz-XXXXXX",
				access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
		if (!mkdtemp(dir))
			abort();
	}
	return dir;
}

static void put(const char *path, const uint8_t *data, size_t size) {
	int fd CLEANUP(closep) = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || (size && write(fd, data, size) != (ssize_t) size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *path CLEANUP(freep) = mem_printf("%s/runtime.yaml", folder());
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	struct err e = {0};

	put(path, data, size);
	int r = runtime_load(folder(), &rt, &c, &e);
	(void) unlink(path);
	if (r) {
		if (!c.n || e.code != ERR_SPEC)
			abort();
		return 0;
	}
	for (size_t i = 0; i < rt->n_backends; i++)
		if (!rt->backends[i].name || !*rt->backends[i].name)
			abort();
	if (!rt->n_backends || !rt->format)
		abort();
	return 0;
}
