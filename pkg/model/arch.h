/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an architecture's GGUF file does not say, because the runtime's code knows it: read from the
 * load_arch_hparams functions of llama.cpp (src/models/), and compared with what the packaged
 * runtime takes for a generated model of each (tests/bench/archs.sh). */

enum arch_recurrence {
	ARCH_ATTENTION = 0, /* none */
	ARCH_RECURRENT,     /* every layer */
	ARCH_WITHOUT_KV,    /* layers that say 0 KV heads */
	/* those that say 0 KV heads and no feed-forward width; with a width: a feed-forward network
	 * alone */
	ARCH_BARE,
	ARCH_BESIDE,   /* every layer has attention and a state */
	ARCH_INTERVAL, /* as the file lists, else all but every 4th */
};

enum arch_windows {
	ARCH_NO_WINDOW = 0, /* whatever the file says: the runtime does not look */
	/* every `period`-th layer is full, unless the file has another pattern */
	ARCH_PERIOD,
	ARCH_LISTED,       /* as the file's pattern says; the runtime loads none without */
	ARCH_ALL_WINDOWED, /* each layer with attention, whatever the pattern */
};

struct arch {
	const char *name;
	/* Why its memory is not known exactly, as the end of a sentence about the architecture;
	 * NULL: it is known. */
	const char *unsure;
	enum arch_windows windows;
	uint32_t period;
	bool dense_first;     /* the first layer of each period is the full one, not the last */
	uint32_t window;      /* where the file says none; 0: then there is no window */
	bool window_is_fixed; /* whatever the file says, unless it says 0 */
	uint32_t only_layers; /* a window only in the model of so many layers */
	uint32_t kv_layers;   /* layers from here on share the cells of earlier ones */
	enum arch_recurrence recurrence;
	/* a second key of each token, by which the tokens that count are selected */
	bool has_indexer;
	uint32_t token_shift; /* of rwkv: rows of the token shift */
};

/* NULL: the architecture is not in the table. */
const struct arch *arch_find(const char *name);
