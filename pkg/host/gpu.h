/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;
struct host_facts;
struct host_gpu;

/* This folder's own: who tells of GPUs. Each of them adds to the facts and never fails: what is not
 * told is not there. */

/* sysfs: AMD and Intel, whose drivers say how much memory there is. */
void host_read_gpu_sysfs(const char *root, struct host_facts *h);

/* NVML in a child process, at most `max` GPUs into `out`; their number, or -1 with the reason in
 * `why`. */
int host_ask_nvml(const char *library, uint64_t timeout_ms, struct host_gpu *out, size_t max,
		  char *why, size_t why_size);
/* The same by running nvidia-smi. */
int host_ask_nvidia_smi(const char *program, uint64_t timeout_ms, struct host_gpu *out, size_t max,
			char *why, size_t why_size);

/* Reads `fd` to its end, kills the child at the deadline or when `out` is full, and waits for it.
 * Its status as waitpid gives it, or -1: it had to be killed. */
int host_read_subprocess(int pid, int fd, uint64_t timeout_ms, struct buf *out);

/* Bandwidth and, where it has none, the name, from the table of known devices. */
void host_know_gpu(struct host_gpu *g);
