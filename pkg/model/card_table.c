/* SPDX-License-Identifier: Apache-2.0 */
#include "model/card.h"
#include "model/model.h"
#include "schema/schema.h"

/* Smaller tables first; the file itself stands at the end. */

#define MANY ((int64_t) 1 << 46)
#define WIDE (1 << 24)

#define WIDTH(name, needed, text) {.key = name, .type = SCHEMA_INT, .flags = needed, .min = 1, .max = WIDE, .doc = text}

static const struct schema_field window_fields[] = {
	{.key = "tokens", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = MANY, .doc = "Tokens that such a layer sees."},
	{.key = "period", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = MODEL_MAX_LAYERS,
	 .doc = "The last layer of so many has full attention, the others a window; 1: every layer has one."},
	WIDTH("kv_heads", 0, "KV heads of a layer with a window, where it has others."),
	WIDTH("key_length", 0, "Numbers of its key in one head, where it has others."),
	WIDTH("value_length", 0, "Numbers of its value in one head, where it has others."),
	{0},
};

static const struct schema_field recurrent_fields[] = {
	{.key = "interval", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 0, .max = MODEL_MAX_LAYERS,
	 .doc = "The last layer of so many has attention, the others a recurrent state; 0: every layer has a state."},
	WIDTH("conv_kernel", SCHEMA_REQUIRED, "Width of the convolution before the state."),
	WIDTH("inner_size", SCHEMA_REQUIRED, "Inner width: value heads x numbers of each."),
	WIDTH("state_size", SCHEMA_REQUIRED, "Numbers of the state for each inner one."),
	WIDTH("group_count", 0, "Groups, or key heads."),
	WIDTH("time_step_rank", 0, "Rank of the time step, or value heads."),
	{0},
};

static const struct schema_field layers_fields[] = {
	{.key = "count", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = MODEL_MAX_LAYERS, .doc = "Layers, without those that predict further tokens."},
	{.key = "heads", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 0, .max = WIDE, .doc = "Query heads of one layer."},
	{.key = "kv_heads", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 0, .max = WIDE, .doc = "KV heads of a layer with full attention."},
	{.key = "key_length", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 0, .max = WIDE, .doc = "Numbers of a key in one head."},
	{.key = "value_length", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 0, .max = WIDE, .doc = "Numbers of a value in one head."},
	{.key = "feed_forward", .type = SCHEMA_INT, .fallback = "0", .min = 0, .max = WIDE, .doc = "Width of the feed-forward network; of one expert where there are."},
	{.key = "window", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = window_fields, .doc = "Layers with a sliding window."},
	{.key = "recurrent", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = recurrent_fields, .doc = "Layers with a recurrent state."},
	{.key = "shared_kv", .type = SCHEMA_INT, .fallback = "0", .min = 0, .max = MODEL_MAX_LAYERS,
	 .doc = "The last so many layers attend to earlier layers' cells and keep none."},
	{.key = "shared_feed_forward", .type = SCHEMA_INT, .fallback = "0", .min = 0, .max = WIDE, .doc = "Width of the feed-forward network in those, where it is another."},
	{0},
};

static const struct schema_field experts_fields[] = {
	WIDTH("count", SCHEMA_REQUIRED, "Routed experts of a layer."),
	WIDTH("used", SCHEMA_REQUIRED, "Experts that one token goes through."),
	{.key = "shared", .type = SCHEMA_INT, .fallback = "0", .min = 0, .max = WIDE, .doc = "Experts that every token goes through."},
	{0},
};

static const struct schema_field latent_fields[] = {
	WIDTH("rank", SCHEMA_REQUIRED, "Rank of the cached latents."),
	WIDTH("rope", SCHEMA_REQUIRED, "Rotated numbers that are cached beside them."),
	{0},
};

#define COUNT(name, text) {.key = name, .type = SCHEMA_INT, .fallback = "0", .min = 0, .max = MANY, .doc = text}

static const struct schema_field parameters_fields[] = {
	{.key = "all", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = MANY, .doc = "Weights of the language model."},
	COUNT("token_embedding", "Of them in the token table."),
	COUNT("output", "In an output matrix of its own; 0: the token table is used for it, too."),
	COUNT("per_layer_embedding", "In the tables of per-layer embeddings, which are read by row."),
	COUNT("experts", "In all routed experts together."),
	COUNT("nextn", "In layers that predict further tokens."),
	{0},
};

static const char *const formats[] = {"gguf", "safetensors", NULL};
static const struct schema_field artifact_fields[] = {
	{.key = "name", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Its quantization: Q4_K_M, bf16, awq-4bit."},
	{.key = "format", .type = SCHEMA_ENUM, .fallback = "gguf", .choices = formats, .doc = "Format of the files."},
	{.key = "bits_per_weight", .type = SCHEMA_DECIMAL, .max = 64, .doc = "Bits a weight takes on average, where the size is not known."},
	{.key = "bytes", .type = SCHEMA_BYTES, .max = MANY, .doc = "Size of its weights."},
	{.key = "source", .type = SCHEMA_STRING, .doc = "Where it can be fetched."},
	{0},
};
static const struct schema_field artifact = {.type = SCHEMA_OBJECT, .fields = artifact_fields};
static const struct schema_field source = {.type = SCHEMA_STRING};

static const char *const versions[] = {"llmdeploy/v1", NULL};
static const char *const kinds[] = {"ModelCard", NULL};

const struct schema_field card_table[] = {
	{.key = "apiVersion", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = versions, .doc = "The format of this file."},
	{.key = "kind", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = kinds, .doc = "What this file is."},
	{.key = "name", .type = SCHEMA_NAME, .flags = SCHEMA_REQUIRED, .doc = "The card's name, as its file's."},
	{.key = "title", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "The model's name."},
	{.key = "architecture", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "As GGUF files say it."},
	{.key = "context_length", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = MANY, .doc = "Tokens that it was trained for."},
	WIDTH("embedding_length", SCHEMA_REQUIRED, "Width of the model."),
	{.key = "vocabulary", .type = SCHEMA_INT, .flags = SCHEMA_REQUIRED, .min = 1, .max = (int64_t) 1 << 32, .doc = "Tokens that it knows."},
	{.key = "layers", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = layers_fields, .doc = "Its layers."},
	{.key = "experts", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = experts_fields, .doc = "Mixture of experts."},
	{.key = "latent", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = latent_fields, .doc = "Latent attention whose latents are cached."},
	{.key = "parameters", .type = SCHEMA_OBJECT, .flags = SCHEMA_REQUIRED, .fields = parameters_fields, .doc = "How many weights it has, and where."},
	{.key = "artifacts", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &artifact, .min = 1, .max = 64, .doc = "Known quantizations."},
	{.key = "sources", .type = SCHEMA_LIST, .flags = SCHEMA_REQUIRED, .element = &source, .min = 1, .max = 64, .doc = "Where the numbers of this card come from."},
	{0},
};
