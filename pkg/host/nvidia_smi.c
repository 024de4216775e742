/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "host/gpu.h"
#include "host/host.h"

#define MIB ((uint64_t) 1 << 20)

/* The fields in the order in which they are asked for. Drivers before 510 do not know the last one,
 * and then refuse all. */
#define FIELDS "name,uuid,memory.total,memory.free,driver_version,pci.bus_id"
enum {
	FIELD_NAME,
	FIELD_UUID,
	FIELD_TOTAL,
	FIELD_FREE,
	FIELD_DRIVER,
	FIELD_ADDRESS,
	FIELD_CAPABILITY,
	FIELD_COUNT
};

static int run(const char *program, const char *query, uint64_t timeout_ms, struct buf *out) {
	const char *const argv[] = {program, query, "--format=csv,noheader,nounits", NULL};
	const char *const env[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
	posix_spawn_file_actions_t act;
	int fds[2], status = -1;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&act);
	posix_spawn_file_actions_addopen(&act, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&act, fds[1], 1);
	posix_spawn_file_actions_addopen(&act, 2, "/dev/null", O_WRONLY, 0);
	int failed = posix_spawnp(&pid, program, &act, NULL, (char *const *) argv,
				  (char *const *) env);

	posix_spawn_file_actions_destroy(&act);
	(void) close(fds[1]);
	if (!failed)
		status = host_read_subprocess(pid, fds[0], timeout_ms, out);
	(void) close(fds[0]);
	return failed == ENOENT ? -2 : status;
}

/* "[N/A]" and "[Not Supported]" are what a GPU has no answer to. */
static uint64_t mebibytes(const char *text) {
	uint64_t v;

	return text_u64(text, &v) && v < UINT64_MAX / MIB ? v * MIB : 0;
}

static void put(char *out, size_t size, const char *text) {
	if (text && *text != '[')
		(void) snprintf(out, size, "%s", text);
}

/* "NVIDIA H100 PCIe, GPU-6b..., 81559, 81007, 550.54.15, 00000000:17:00.0, 9.0" */
static bool take_line(char *line, struct host_gpu *g) {
	char *fields[FIELD_COUNT] = {NULL};
	size_t n = 0;

	for (char *at = line; at && n < FIELD_COUNT; n++) {
		char *comma = strstr(at, ", ");

		fields[n] = at;
		if (comma)
			*comma = 0;
		at = comma ? comma + 2 : NULL;
	}
	if (n <= FIELD_ADDRESS)
		return false;
	put(g->name, sizeof g->name, fields[FIELD_NAME]);
	put(g->uuid, sizeof g->uuid, fields[FIELD_UUID]);
	put(g->driver, sizeof g->driver, fields[FIELD_DRIVER]);
	put(g->capability, sizeof g->capability, fields[FIELD_CAPABILITY]);
	g->memory_total = mebibytes(fields[FIELD_TOTAL]);
	g->memory_free = mebibytes(fields[FIELD_FREE]);
	if (strlen(fields[FIELD_ADDRESS]) > 4)
		put(g->address, sizeof g->address, fields[FIELD_ADDRESS] + 4);
	for (char *c = g->address; *c; c++)
		if (*c >= 'A' && *c <= 'F')
			*c = (char) (*c - 'A' + 'a');
	(void) strcpy(g->kind, "nvidia");
	(void) strcpy(g->told_by, "nvidia-smi");
	return true;
}

int host_ask_nvidia_smi(const char *program, uint64_t timeout_ms, struct host_gpu *out, size_t max,
			char *why, size_t why_size) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(65536);
	char *rest = NULL;
	int n = 0, status = run(program, "--query-gpu=" FIELDS ",compute_cap", timeout_ms, &b);

	if (status > 0 && WIFEXITED(status)) {
		buf_reset(&b);
		status = run(program, "--query-gpu=" FIELDS, timeout_ms, &b);
	}
	if (status) {
		(void) snprintf(why, why_size,
				status == -2           ? "%.80s was not found"
					: status == -1 ? "%.80s did not answer in time"
						       : "%.80s failed",
				program);
		return -1;
	}
	for (char *line = b.len ? strtok_r(b.data, "\n", &rest) : NULL; line && (size_t) n < max;
	     line = strtok_r(NULL, "\n", &rest)) {
		out[n] = (struct host_gpu){0};
		n += take_line(line, &out[n]);
	}
	if (!n)
		(void) snprintf(why, why_size, "%.80s names no GPU", program);
	return n ? n : -1;
}
