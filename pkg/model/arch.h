#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an architecture's GGUF file does not say, because the engine's code knows it: read from the load_arch_hparams functions of
 * llama.cpp (src/models/), where each row below stands. */

enum arch_recurrence {
	ARCH_ATTENTION = 0, /* none, unless the file lists recurrent layers */
	ARCH_RECURRENT,	    /* every layer */
	ARCH_WITHOUT_KV,    /* layers that say 0 KV heads */
	ARCH_BARE,	    /* those that say 0 KV heads and no feed-forward width; with a width: a feed-forward network alone */
	ARCH_BESIDE,	    /* every layer has attention and a state */
	ARCH_INTERVAL,	    /* all but every 4th */
};

struct arch {
	const char *name;
	/* Sliding window: the period (every n-th layer is full), where the file gives none. 0: only a list in the file tells. */
	uint32_t period;
	bool dense_first;	/* the first layer of each period is the full one, not the last */
	uint32_t window;	/* where the file says none; 0: then there is no window */
	bool window_is_fixed;	/* whatever the file says, unless it says 0 */
	uint32_t only_layers;	/* a window only in the model of so many layers */
	uint32_t kv_layers;	/* layers from here on share the cells of earlier ones */
	enum arch_recurrence recurrence;
	uint32_t token_shift; /* of rwkv: rows of the token shift */
};

/* A row without a name, for any other, is an architecture with plain attention. */
const struct arch *arch_find(const char *name);
