#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What planning must know of a GGUF file (version 2 or 3, little-endian), from its header alone:
 * a 70 GB model answers in milliseconds. The format is docs/gguf.md of ggml; the rules on offsets are
 * those of the engine's own loader (each tensor begins where the one before ends, padded).
 *
 * The file is foreign: every count, length and offset is bounded by what the file can
 * hold before anything is allocated, and no sum wraps. */

#define GGUF_MAX_LAYERS 4096
#define GGUF_MAX_TYPES 64

/* Bytes of the tensors of one type. */
struct gguf_type_sum {
	const char *name; /* "q4_1"; static */
	uint64_t tensors, bytes;
};

struct gguf_facts {
	char architecture[64];
	char type[32];	       /* general.type; "model" where the file does not say */
	char adapter_type[32]; /* "lora"; empty for a model */
	char name[128];	       /* general.name, cut; empty if absent or not UTF-8 */
	uint32_t version;
	uint64_t file_bytes, data_offset, tensors;
	uint64_t tensor_bytes; /* all tensors, without the padding between them */
	struct gguf_type_sum types[GGUF_MAX_TYPES]; /* in order of first appearance */
	size_t n_types;
	uint64_t split_count; /* files of a split model; 0 and 1 are the same: one */

	/* Of the architecture; 0 where the file does not say. */
	uint64_t layers, embedding_length, context_length, vocabulary;
	uint64_t feed_forward_length; /* the widest layer's */
	uint64_t key_length, value_length; /* of one head; where absent, embedding_length / head_count */
	uint64_t heads_max;    /* query heads of the widest layer */
	uint64_t kv_heads_max;
	uint64_t kv_heads_sum; /* KV heads of all layers together: what the KV cache is proportional to */
	uint64_t sliding_window; /* tokens; some layers keep only so many */
	uint64_t kv_lora_rank;	 /* multi-head latent attention */
	uint64_t shared_kv_layers;
	uint64_t conv_kernel, inner_size, state_size, group_count; /* ssm.*: recurrent state */
};

/* Read the header of an open file by pread; the descriptor's offset is not used. `name` is for
 * messages. Nothing is allocated in *out: it is a plain value.
 * ERR_SPEC: not a GGUF file, or a version or byte order that the engines do not read.
 * ERR_INTEGRITY: a header that contradicts itself, or a file that ends too early:
 * "'x' is cut off: tensor data ends at byte N, the file has M". ERR_SYS: it cannot be read. */
int gguf_read(int fd, const char *name, struct gguf_facts *out, struct err *e);

bool gguf_is_adapter(const struct gguf_facts *f);
