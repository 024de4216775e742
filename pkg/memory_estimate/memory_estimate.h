/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct docker;
struct docker_mount;
struct err;
struct json;
struct lockfile;

/* What the runtime itself says of its memory: the buffers that its log names after a start, and the
 * estimate that it can make before one. Both are read by the patterns of the runtime definition,
 * which are in the lockfile's `logs`. Bytes. */

/* Of all devices and the host together. */
struct memory_estimate_buffers {
	uint64_t weights, adapters, kv, recurrent, compute, output;
	/* that were understood; 0: the log has another form than the definition knows, and every
	 * part is unknown, not 0 */
	size_t lines;
};

/* `logs` is the lockfile's; `text` what the container said since it was started. Caches, states and
 * weights are added up; of compute and output buffers the last line of each device counts, because
 * they are reserved again when an adapter comes. ERR_SPEC: the pattern is none, or has not its
 * three groups. */
int memory_estimate_buffers(const struct json *logs, const char *text, size_t n,
			    struct memory_estimate_buffers *out, struct err *e);

#define MEMORY_ESTIMATE_MAX_DEVICES 16

struct memory_estimate_device {
	char name[32]; /* "Host", "CUDA0", "CPU_REPACK" */
	uint64_t model, context, compute;
};

/* The runtime's own estimate, whole MiB. Adapters, the output buffer and the process are not in
 * it. */
struct memory_estimate {
	struct memory_estimate_device devices[MEMORY_ESTIMATE_MAX_DEVICES];
	size_t n;
	uint64_t total; /* of all devices */
};

int memory_estimate_rows(const struct json *logs, const char *text, size_t n,
			 struct memory_estimate *out, struct err *e);

struct memory_estimate_ask {
	const struct lockfile *lockfile;
	const char *name;                  /* of the container, which is removed again */
	const char *image;                 /* id, in the Engine */
	const char *user;                  /* "65532:65532" */
	const struct docker_mount *mounts; /* model and adapters, read-only */
	size_t n_mounts;
	const struct json *labels;
	uint64_t timeout_ms; /* 0: 30 s */
};

/* Starts the runtime of the lockfile in a container without network until it has said its estimate,
 * which is before it allocates anything, and removes the container. ERR_USAGE: this runtime makes
 * no estimate. ERR_GATE: the runtime ended or the time did, with its last log lines. */
int memory_estimate_ask(struct docker *d, const struct memory_estimate_ask *ask,
			struct memory_estimate *out, struct err *e);
