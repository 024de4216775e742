/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"
#include "json/json.h"

static const char *const kind_names[] = {[MODEL_ATTENTION] = "attention",
					 [MODEL_WINDOW] = "window",
					 [MODEL_RECURRENT] = "recurrent",
					 [MODEL_NONE] = "none"};

const char *model_kind_name(enum model_layer_kind kind) {
	return kind_names[kind];
}

/* What JSON keeps exact; no model has more of anything. */
static void put(struct json *o, const char *key, uint64_t v) {
	json_set_int(o, key, (int64_t) (v < (uint64_t) 1 << 53 ? v : (uint64_t) 1 << 53));
}

static struct json *layer_json(const struct model_layer *l) {
	struct json *o = json_object();

	json_set_str(o, "kind", kind_names[l->kind]);
	json_set_bool(o, "shares_kv", l->shares_kv);
	json_set_bool(o, "has_state", l->has_state);
	json_set_bool(o, "has_experts", l->has_experts);
	put(o, "heads", l->heads);
	put(o, "kv_heads", l->kv_heads);
	put(o, "key_length", l->key_length);
	put(o, "value_length", l->value_length);
	put(o, "feed_forward", l->feed_forward);
	if (l->index_length)
		put(o, "index_length", l->index_length);
	return o;
}

static struct json *types_json(const struct model_facts *m) {
	struct json *list = json_array();

	for (size_t i = 0; i < m->n_types; i++) {
		struct json *o = json_object();
		json_set_str(o, "type", m->types[i].name);
		put(o, "tensors", m->types[i].tensors);
		put(o, "bytes", m->types[i].bytes);
		json_push(list, o);
	}
	return list;
}

static void put_texts(struct json *o, const struct model_facts *m) {
	json_set_str(o, "format", m->format);
	json_set_str(o, "architecture", m->architecture);
	json_set_str(o, "name", m->name);
	json_set_str(o, "kind", m->kind);
	json_set_str(o, "adapter_type", m->adapter_type);
	json_set_str(o, "quantization", m->quantization);
	json_set_str(o, "sparsity", m->sparsity);
	json_set_bool(o, "estimated", m->estimated);
	if (m->unsure[0])
		json_set_str(o, "not_known_exactly", m->unsure);
}

struct json *model_json(const struct model_facts *m) {
	const struct {
		const char *key;
		uint64_t v;
	} numbers[] = {
		{"files", m->files},
		{"split_files", m->split_files},
		{"file_bytes", m->file_bytes},
		{"tensors", m->tensors},
		{"tensor_bytes", m->tensor_bytes},
		{"parameters", m->parameters},
		{"embedding_length", m->embedding_length},
		{"vocabulary", m->vocabulary},
		{"context_length", m->context_length},
		{"sliding_window", m->sliding_window},
		{"kv_lora_rank", m->kv_lora_rank},
		{"rope_dimension", m->rope_dimension},
		{"experts", m->experts},
		{"experts_used", m->experts_used},
		{"experts_shared", m->experts_shared},
		{"expert_feed_forward", m->expert_feed_forward},
		{"conv_kernel", m->conv_kernel},
		{"inner_size", m->inner_size},
		{"state_size", m->state_size},
		{"group_count", m->group_count},
		{"time_step_rank", m->time_step_rank},
		{"state_numbers", m->state_numbers},
		{"token_embedding_bytes", m->token_embedding_bytes},
		{"output_bytes", m->output_bytes},
		{"per_layer_embedding_bytes", m->per_layer_embedding_bytes},
		{"expert_bytes", m->expert_bytes},
		{"nextn_bytes", m->nextn_bytes},
		{"active_bytes", model_active_bytes(m)},
	};
	struct json *o = json_object(), *layers = json_array();

	put_texts(o, m);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		put(o, numbers[i].key, numbers[i].v);
	json_set(o, "types", types_json(m));
	for (size_t i = 0; i < m->n_layers; i++)
		json_push(layers, layer_json(&m->layers[i]));
	json_set(o, "layers", layers);
	return o;
}
