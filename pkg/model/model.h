/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct http;
struct json;

/* What planning must know of a model, whatever told it: the header of a GGUF file, of safetensors
 * files with their config.json, or a card of manifests/models/ where there is no file yet. Numbers
 * of the architecture and bytes of weights; never guessed from a file's name. */

#define MODEL_MAX_LAYERS 4096
#define MODEL_MAX_TYPES 64

enum model_layer_kind {
	MODEL_ATTENTION, /* full attention: a cell for each token of the context */
	MODEL_WINDOW,    /* sliding window: cells for the window alone */
	MODEL_RECURRENT, /* a state of fixed size; no cells */
	MODEL_NONE,      /* neither: a feed-forward network alone */
};

struct model_layer {
	enum model_layer_kind kind;
	bool shares_kv; /* attends to an earlier layer's cells: no cache of its own */
	/* a recurrent state: each MODEL_RECURRENT, and layers that have attention and a state side
	 * by side */
	bool has_state;
	bool has_experts;
	uint32_t heads, kv_heads; /* of attention; 0 where there is none */
	/* What one KV head keeps of one token, in numbers. Of latent attention that is one head
	 * with kv_lora_rank + rope_dimension as key and nothing as value, so that the sum over
	 * layers of kv_heads x (key_length + value_length) is always the cache. */
	uint32_t key_length, value_length;
	/* of the key by which sparse attention selects tokens; one a layer, beside the others */
	uint32_t index_length;
	uint32_t feed_forward; /* width; of one expert where it has experts */
};

/* Bytes of the tensors of one type. */
struct model_type_sum {
	char name[24]; /* "q4_1", "bf16", "awq-4bit" */
	uint64_t tensors, bytes;
};

/* A tensor of a GGUF file: the first two of its dimensions, 1 where there are fewer. */
struct model_tensor {
	char *name;
	uint64_t dims[2];
};

struct model_facts {
	char format[16];       /* "gguf", "safetensors" or "card" */
	char architecture[64]; /* as the file says: "llama", "qwen35moe", "LlamaForCausalLM" */
	char name[128];        /* empty if absent or not UTF-8 */
	/* "model", "adapter", "mmproj", "control vector", "imatrix", "vocabulary"; only the first
	 * two have layers or an architecture for sure. */
	char kind[32];
	char adapter_type[32]; /* "lora"; empty for a model */
	char quantization[32]; /* "Q4_K_M", "awq", "fp8", "" where nothing says so */
	/* "2:4", "unstructured 50 %", "" for a dense checkpoint: counted as dense unless the
	 * runtime executes it */
	char sparsity[32];
	uint64_t files, file_bytes; /* that were read */
	uint64_t split_files;       /* of how many the model says that it is made; 0 and 1: one */
	uint64_t tensors, tensor_bytes, parameters;
	/* Why what it keeps of a token is not known exactly: "architecture 'x' is not in the table,
	 * ..."; empty where it is. The numbers below are then those of plain attention, and a
	 * guess. */
	char unsure[192];
	/* bytes of the weights: rounded, or parameters times bits, as a card has them */
	bool estimated;
	struct model_type_sum types[MODEL_MAX_TYPES]; /* in order of first appearance */
	size_t n_types;
	/* of one GGUF file, sorted by name; owned. NULL: they were not kept */
	struct model_tensor *tensor_list;
	size_t n_tensor_list;
	/* a tensor that is no part of the language model, which the runtime would not load; "" */
	char stranger[96];

	/* context: what it was trained for; 0: not said */
	uint64_t embedding_length, vocabulary, context_length;
	struct model_layer *layers; /* owned */
	/* without layers that only predict further tokens (nextn) */
	size_t n_layers;
	uint64_t sliding_window;   /* tokens; 0: none */
	uint64_t indexer_selected; /* tokens that sparse attention selects; 0: it is not sparse */
	uint64_t indexer_query;    /* numbers by which it asks for them: heads x key */
	/* rank: of latent attention whose latents are cached; 0: none */
	uint64_t kv_lora_rank, rope_dimension;
	uint64_t experts, experts_used, experts_shared; /* mixture of experts; 0: dense */
	/* width of one expert; 0: the layer's own says it */
	uint64_t expert_feed_forward;
	/* of recurrent layers, where they are state spaces */
	uint64_t conv_kernel, inner_size, state_size, group_count, time_step_rank;
	/* of one sequence in one layer that has_state, kept in f32, whatever its kind (mamba, delta
	 * net, rwkv, short convolution) */
	uint64_t state_numbers;

	/* Parts of tensor_bytes. */
	uint64_t token_embedding_bytes; /* the table that one row is read of for a token */
	/* its own output matrix; 0: tied, the token table is used for the output too */
	uint64_t output_bytes;
	uint64_t per_layer_embedding_bytes; /* Gemma E models: stays with the host, read by row */
	uint64_t expert_bytes;              /* of all routed experts together */
	/* layers that predict further tokens: resident, not read for a plain token */
	uint64_t nextn_bytes;
};

/* All of these read headers alone, and know a format by the file's first bytes, never by its name.
 * ERR_SPEC: no format that is known here, or a model that does not say what is needed.
 * ERR_INTEGRITY: a header that contradicts itself, a file that is cut off, a part that is missing
 * (named). ERR_SYS: it cannot be read. ERR_UNREACHABLE: nor over the network. */

/* One open GGUF file; `name` is for messages. The first part of a split model answers for itself
 * alone: files < split_files. */
int model_read(int fd, const char *name, struct model_facts *out, struct err *e);
/* A file that a user named: GGUF (the first part of a split model brings the others), safetensors
 * (config.json beside it), a model card; or a folder with safetensors files, or with the parts of
 * one GGUF model. */
int model_read_path(const char *path, struct model_facts *out, struct err *e);
/* The same before anything is downloaded, by range requests: "hf://ORG/REPO@REV/FILE",
 * "https://...", "file:/..."; one that ends in '/' is a folder of safetensors files. At most 128
 * MiB of a file are read. */
int model_read_source(struct http *http, const char *source, struct model_facts *out,
		      struct err *e);
/* A model card (manifests/models/NAME.yaml): a plan can be made before a file exists. The weights
 * are those of the artifact of that name (its quantization), "" the first; they are estimates.
 * ERR_SPEC with "file:line:column: ..." too. */
int model_read_card(const char *path, const char *artifact, struct model_facts *out, struct err *e);
/* The card of that name beside the program at `program` (its own path):
 * PREFIX/share/llmdeploy/manifests/models/NAME.yaml, or the source tree's. *path is yours. */
bool model_card_find(const char *program, const char *name, char **path);
/* The JSON Schema of a card. */
void model_card_schema(struct buf *out);

void model_facts_done(struct model_facts *m);

bool model_is_adapter(const struct model_facts *m);
/* What a file is that is neither a model nor an adapter, as a noun with what to do instead; NULL of
 * those two. */
const char *model_is_other(const struct model_facts *m);
/* Of tensor_list; NULL: not there. */
const struct model_tensor *model_tensor_find(const struct model_facts *m, const char *name);
/* The largest of each number over all layers; zeros where there are none. */
struct model_layer model_widest(const struct model_facts *m);
/* Layers of this kind; those that share another layer's cells are counted, too. */
size_t model_layers(const struct model_facts *m, enum model_layer_kind kind);
/* Numbers of a state space: (conv - 1) x (inner + 2 x groups x state) + state x inner. */
uint64_t model_state_numbers(const struct model_facts *m);

/* "attention", "window", "recurrent", "none". */
const char *model_kind_name(enum model_layer_kind kind);
/* All of it, a layer a row, for --json; yours. */
struct json *model_json(const struct model_facts *m);

/* Bytes of weights that are read to compute one token: everything but the embedding tables that are
 * read by row (a tied token table is read whole as the output), and of the routed experts the share
 * that is used. */
uint64_t model_active_bytes(const struct model_facts *m);
