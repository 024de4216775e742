/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct runtime;

/* Which runtimes can serve what is asked for, and why the others cannot. A pure function:
 * definitions in, reasons out. The survivors are candidates to be measured; nothing here says which
 * of them is the best. */

/* Kinds of devices that a machine has: "cpu", "nvidia", "amd", "intel", "apple". */
bool runtime_backend_runs_on(const char *backend, const char *device);

struct runtime_need {
	const char *const *capabilities; /* all of them */
	size_t n_capabilities;
	/* of the artifact: "gguf", "safetensors", "mlx"; NULL: not known yet */
	const char *format;
	const char *quantization;   /* of its weights: "awq"; NULL or "": not known, or none */
	const char *const *devices; /* what there is; one of them is enough */
	size_t n_devices;           /* 0: not asked */
};

struct runtime_verdict {
	const struct runtime *runtime;
	bool survives;
	/* of the refusal: all of them, in the order of the need; none where it survives */
	const char *const *reasons;
	size_t n_reasons;
};

/* One verdict for each runtime, in their order, and after the last one that is all zero. In `a`. */
const struct runtime_verdict *runtime_filter(const struct runtime *const *runtimes, size_t n,
					     const struct runtime_need *need, struct arena *a);
