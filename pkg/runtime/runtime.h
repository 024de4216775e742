/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diagnostics.h"

struct arena;
struct buf;
struct json;

/* An LLM server, described as data in runtimes/NAME/runtime.yaml: how each abstract setting of a
 * manifest becomes a flag, what is unsupported, what is always passed, which extra flags a manifest
 * may add, how the runtime is probed, and what it takes of memory. There is no template language: a
 * setting is a flag and its value.
 *
 * Everything is borrowed from the struct and goes with it. */

enum runtime_setting {
	RUNTIME_MODEL,
	RUNTIME_ADAPTERS,
	RUNTIME_SERVED_NAME,
	RUNTIME_SOCKET,
	RUNTIME_CONTEXT,
	RUNTIME_SEQUENCES,
	RUNTIME_KV_CACHE,
	RUNTIME_CHAT_TEMPLATE,
	RUNTIME_TENSOR_PARALLEL,
	RUNTIME_MEMORY_FRACTION,
	RUNTIME_SETTINGS,
};

struct runtime_flag {
	bool supported;
	/* the runtime takes it from a store of its own: supported, and no word of argv */
	bool by_store;
	const char *const *args; /* each of them is passed, with the same value */
	size_t n_args;
	const char *env; /* a variable that takes the value instead; "" */
	bool positional; /* the value alone, without a flag */
	/* object: the manifest's word -> the runtime's; NULL: as it is */
	const struct json *values;
	bool times_sequences; /* the runtime counts for all sequences together */
	bool path_scale;      /* PATH:SCALE,PATH:SCALE */
};

struct runtime_backend {
	const char *name; /* "cpu" */
	bool on_device;   /* weights, KV cache and compute buffers are in the device's memory */
	const char *const *args;
	size_t n_args;
	const char *gpu;            /* "nvidia", or "" */
	const char *const *devices; /* device files that the container gets */
	size_t n_devices;
	const char *const *provided; /* sonames that the host puts into the container */
	size_t n_provided;
	uint64_t device_overhead; /* bytes of the device that the backend takes for itself */
	const char *image;        /* by name and tag, of a runtime that is launched from one; "" */
};

enum runtime_value { RUNTIME_INT, RUNTIME_CHOICE, RUNTIME_TEXT };

struct runtime_extra {
	const char *name; /* "threads"; the flag is --threads */
	enum runtime_value value;
	int64_t min, max;           /* RUNTIME_INT */
	const char *const *choices; /* RUNTIME_CHOICE */
	size_t n_choices;
};

/* Widths of a model that its buffers are made of; numbers a token. */
enum runtime_width {
	RUNTIME_WIDTH_EMBEDDING,
	RUNTIME_WIDTH_FEED_FORWARD, /* of the widest dense layer */
	RUNTIME_WIDTH_QUERY,        /* heads x what one of them looks for */
	RUNTIME_WIDTH_KV,           /* the same of KV heads */
	RUNTIME_WIDTH_ROTATED,      /* heads x rotated part, of latent attention */
	/* of all experts that a token uses, if wider than the embedding */
	RUNTIME_WIDTH_EXPERTS_INNER,
	/* experts that a token uses x embedding, if wider than two inner ones */
	RUNTIME_WIDTH_EXPERTS_OUTPUT,
	RUNTIME_WIDTH_PER_LAYER,   /* a row of the per-layer embeddings, all layers */
	RUNTIME_WIDTH_CONVOLUTION, /* of a recurrent layer: inner + 2 x groups x state */
	RUNTIME_WIDTH_INNER,       /* of a recurrent layer, without groups and states */
	RUNTIME_WIDTH_INDEX_QUERY, /* heads x key, of the indexer of sparse attention */
	RUNTIME_WIDTH_SELECTED,    /* tokens that sparse attention selects, in all layers */
	RUNTIME_WIDTHS,
};

#define RUNTIME_MAX_SUMS 8
#define RUNTIME_MAX_FAMILIES 8

/* Each width so many times, for each token of a batch; and so many times the states of one layer,
 * all sequences. */
struct runtime_sum {
	uint64_t times[RUNTIME_WIDTHS];
	uint64_t states;
};

/* Architectures that share their sums; the largest sum counts. */
struct runtime_family {
	const char *const *architectures;
	size_t n_architectures;
	struct runtime_sum sums[RUNTIME_MAX_SUMS];
	size_t n_sums;
	uint64_t cell_bytes; /* in place of the common ones; 0: those */
};

enum runtime_memory_model {
	RUNTIME_LLAMA_CPP, /* what it needs, in cells of each sequence's context */
	/* a fraction of the device; what weights and buffers leave of it are pages of KV cache
	 * (vLLM, SGLang) */
	RUNTIME_PAGED_OF_TOTAL,
	/* the pages are a fraction of what weights and buffers leave of the device
	 * (TensorRT-LLM) */
	RUNTIME_PAGED_OF_FREE,
	RUNTIME_UNIFIED, /* what it needs, in memory that processor and GPU share (MLX) */
};

/* What sizing needs; bytes unless said otherwise. */
struct runtime_memory {
	enum runtime_memory_model model;
	unsigned fraction_percent, fragmentation_percent;
	uint64_t block_tokens;     /* of a page */
	uint64_t context_multiple; /* tokens; each sequence's context is rounded up to it */
	uint64_t window_multiple;  /* the same of a sliding window's cells */
	bool one_pool;             /* all sequences share one pool of cells, their windows too */
	/* a quantized KV cache needs rotation matrices beside the batch */
	bool rotates_quantized;
	/* tables that are read by row stay with the host when a device computes */
	bool host_embeddings;
	uint64_t batch_tokens;
	const char *const *batch_args; /* extra arguments that replace it */
	size_t n_batch_args;
	/* common: of all architectures that no family names */
	struct runtime_family common, families[RUNTIME_MAX_FAMILIES];
	size_t n_families;
	uint64_t number_bytes;
	/* for each token of a batch: of a context's cell, and once */
	uint64_t cell_bytes, token_bytes;
	uint64_t output_bytes; /* a sequence and entry of the vocabulary */
	uint64_t overhead_base, overhead_sequence, overhead_vocabulary;
};

struct runtime_container {
	const char *socket, *chat_template; /* paths inside; "" where the runtime cannot */
	const char *network;                /* "none" or "internal" */
	const char *stop_signal;
	uint64_t stop_timeout_ms, pids;
	bool read_only;
	unsigned port;                  /* TCP, of a runtime that has no socket; 0 */
	uint64_t shared_memory;         /* bytes of /dev/shm; 0: the Engine's own */
	const struct json *tmpfs, *env; /* objects of texts */
};

/* Where a fact of the definition is from. */
struct runtime_source {
	const char *fact, *source;
	bool verified;
};

#define RUNTIME_MAX_BACKENDS 8

struct runtime {
	const char *path; /* of the file */
	const char *name, *checked;
	const char *launch;     /* "packages", "image" or "host" */
	const char *version_of; /* the package whose version is the runtime's; "" */
	const char *const *command;
	size_t n_command;
	const char *const *capabilities;
	size_t n_capabilities;
	const char *format, *adapter, *folder; /* "gguf", "lora" or "", "/models" */
	const char *const *formats;            /* all that it reads; the first is `format` */
	size_t n_formats;
	const char *const *quantizations; /* of weights; none: all of its formats */
	size_t n_quantizations;
	/* that it loads, as a model's file names them; none named: not known */
	const char *const *architectures;
	size_t n_architectures;
	const char *layout; /* "file", "directory" or "store" */
	struct runtime_flag flags[RUNTIME_SETTINGS];
	const char *const *fixed_args;
	size_t n_fixed_args;
	struct runtime_backend backends[RUNTIME_MAX_BACKENDS];
	size_t n_backends;
	const struct runtime_extra *extras;
	size_t n_extras;
	struct runtime_container container;
	struct runtime_memory memory;
	const char *const *sparsity; /* patterns of zeros that it skips */
	size_t n_sparsity;
	const struct runtime_source *sources;
	size_t n_sources;
	const struct json *before; /* array of commands that run earlier, each an array of words */
	/* as in the file; identity has "name_at", the path of the served name */
	const struct json *probes;
	const struct json *metrics;  /* {"path","format","names"} or NULL */
	const struct json *logs;     /* {"fatal":[],"oom":[],"buffers"} */
	const struct json *packages; /* request for debian_request_from_json, or NULL */
	const struct json *tree;
};

/* Reads DIR/runtime.yaml. `c` is empty before. ERR_SPEC: what is wrong is in `c`; ERR_SYS: it
 * cannot be read. */
int runtime_load(const char *dir, struct runtime **out, struct diagnostics *c, struct err *e);
void runtime_free(struct runtime *rt);
void runtime_freep(struct runtime **rt); /* for CLEANUP */

/* The first of `dirs` that has a folder NAME with a runtime.yaml; yours. ERR_USAGE names what there
 * is, and the nearest. */
int runtime_find(const char *const *dirs, size_t n_dirs, const char *name, char **dir,
		 struct err *e);
/* Where to look: `given` (--runtimes) alone if not NULL, else ../share/llmdeploy/runtimes beside
 * the program's own folder, else ../runtimes beside it (a build tree). NULL-terminated, yours:
 * runtime_dirs_free. `program` is the path of the running program (/proc/self/exe, resolved). */
char **runtime_dirs(const char *given, const char *program, size_t *n);
void runtime_dirs_free(char **dirs);
/* Names of all that can be found, sorted, without repetition; one block, free(names). */
int runtime_list(const char *const *dirs, size_t n_dirs, char ***names, size_t *n, struct err *e);

/* or NULL */
const struct runtime_backend *runtime_backend(const struct runtime *rt, const char *name);
bool runtime_can(const struct runtime *rt, const char *capability);
const char *runtime_setting_name(enum runtime_setting s); /* "context_tokens" */
/* This program launches runtimes that it packages itself; all others can be planned with. */
bool runtime_is_packaged(const struct runtime *rt);
bool runtime_reads(const struct runtime *rt, const char *format);
/* True, too, where the definition does not say which it loads. */
bool runtime_loads(const struct runtime *rt, const char *architecture);

/* What the settings are, for one start of the runtime. What is NULL or 0 is not passed; neither is
 * what the runtime has no way to be told. */
struct runtime_values {
	const struct runtime_backend *backend;
	const char *model, *served_name, *kv_cache, *chat_template;
	const char *const *adapters, *const *scales; /* n_adapters of each */
	size_t n_adapters;
	uint64_t context_tokens, sequences, devices;
	const char *const *extra; /* words, checked */
	size_t n_extra;
};

/* Both end with NULL; env is sorted. */
struct runtime_words {
	const char *const *argv, *const *env;
	size_t n_argv, n_env;
};

/* Where the runtime finds the model: a file or a folder in its container, or the name that its own
 * store has it under. In `a`. */
const char *runtime_model_path(const struct runtime *rt, const char *route, struct arena *a);

/* The command with every setting in the definition's order: the same release has the same words. In
 * `a`. */
void runtime_argv(const struct runtime *rt, const struct runtime_values *v, struct arena *a,
		  struct runtime_words *out);

/* JSON Schema of runtime.yaml. */
void runtime_schema(struct buf *out);
