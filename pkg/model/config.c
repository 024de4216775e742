/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "json/json.h"

#define LARGEST ((uint64_t) 1 << 40)
#define WIDEST ((uint64_t) 1 << 24) /* of a width or a number of heads */

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct json *config_get(const struct config *c, const char *key) {
	const struct json *v = json_get(c->text, key);

	if (!v || json_is_null(v))
		v = json_get(c->root, key);
	return v && !json_is_null(v) ? v : NULL;
}

static const struct json *first_of(const struct config *c, const char *const *keys,
				   const char **key) {
	for (; *keys; keys++) {
		const struct json *v = config_get(c, *keys);
		if (v) {
			*key = *keys;
			return v;
		}
	}
	return NULL;
}

static int whole(const struct config *c, const char *key, const struct json *v, uint64_t *out,
		 struct err *e) {
	double n = json_value(v);

	if (!json_is_number(v) || n < 0 || n > (double) LARGEST || n != (double) (uint64_t) n)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says '%s' with a value that is not a usable whole number",
			       c->name, key);
	*out = (uint64_t) n;
	return 0;
}

int config_number(const struct config *c, const char *const *keys, uint64_t otherwise,
		  uint64_t *out, struct err *e) {
	const char *key = "";
	const struct json *v = first_of(c, keys, &key);
	uint64_t largest = 0, one = 0;

	if (!json_is_array(v)) {
		*out = otherwise;
		return v ? whole(c, key, v, out, e) : 0;
	}
	for (const struct json *i = json_first(v); i; i = json_next(i)) {
		if (whole(c, key, i, &one, e))
			return -1;
		largest = one > largest ? one : largest;
	}
	*out = largest;
	return 0;
}

static int width(const struct config *c, const char *const *keys, uint64_t otherwise, uint32_t *out,
		 struct err *e) {
	uint64_t v;

	if (config_number(c, keys, otherwise, &v, e))
		return -1;
	if (v > WIDEST)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
			       c->name, keys[0]);
	*out = (uint32_t) v;
	return 0;
}

/* A number for each layer, from one for all or from a list. */
static int each_layer(const struct config *c, const struct model_facts *m, const char *const *keys,
		      uint32_t *out, bool *found, struct err *e) {
	const char *key = "";
	const struct json *v = first_of(c, keys, &key);
	uint64_t n = 0;

	if (json_is_array(v) && json_count(v) < m->n_layers)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' for %zu layers and has %zu",
			       c->name, key, json_count(v), m->n_layers);
	const struct json *item = json_is_array(v) ? json_first(v) : v;

	*found = v;
	for (size_t i = 0; item && i < m->n_layers; i++) {
		if (whole(c, key, item, &n, e))
			return -1;
		if (n > WIDEST)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
				       c->name, key);
		out[i] = (uint32_t) n;
		item = json_is_array(v) ? json_next(item) : item;
	}
	return 0;
}

/* --- the whole model --- */

static int sizes(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t layers;
	const struct {
		const char *const *keys;
		uint64_t *out, most;
	} numbers[] = {
		{KEYS("num_hidden_layers", "n_layer", "n_layers", "num_layers"), &layers, LARGEST},
		{KEYS("hidden_size", "n_embd", "d_model"), &m->embedding_length, WIDEST},
		{KEYS("vocab_size"), &m->vocabulary, (uint64_t) 1 << 32},
		{KEYS("max_position_embeddings", "n_positions", "max_seq_len",
		      "max_sequence_length", "seq_length"),
		 &m->context_length, LARGEST},
		{KEYS("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
		 &m->experts, WIDEST},
		{KEYS("num_experts_per_tok", "top_k_experts", "num_experts_per_token", "moe_top_k",
		      "moe_k", "experts_per_token"),
		 &m->experts_used, WIDEST},
		{KEYS("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
		 &m->experts_shared, WIDEST},
		{KEYS("qk_rope_head_dim"), &m->rope_dimension, WIDEST},
		{KEYS("moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size"),
		 &m->expert_feed_forward, WIDEST},
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		if (config_number(c, numbers[i].keys, 0, numbers[i].out, e))
			return -1;
		if (*numbers[i].out > numbers[i].most)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
				       c->name, numbers[i].keys[0]);
	}
	if (layers > MODEL_MAX_LAYERS)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says 'num_hidden_layers' with %llu layers, the limit is %d",
			       c->name, (unsigned long long) layers, MODEL_MAX_LAYERS);
	if (m->experts < 2)
		m->experts = m->experts_used = 0;
	if (m->experts_used > m->experts)
		return err_set(e, ERR_INTEGRITY, "'%s' uses %llu experts at once and has %llu",
			       c->name, (unsigned long long) m->experts_used,
			       (unsigned long long) m->experts);
	m->n_layers = (size_t) layers;
	return 0;
}

/* --- heads --- */

static bool truth(const struct config *c, const char *key, bool otherwise) {
	const struct json *v = config_get(c, key);

	return json_is_bool(v) ? json_truth(v) : otherwise;
}

static int heads(const struct config *c, struct model_facts *m, struct err *e) {
	uint32_t *list CLEANUP(freep) = mem_zalloc(m->n_layers + 1, sizeof *list);
	bool found;

	if (each_layer(c, m, KEYS("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
		       list, &found, e))
		return -1;
	for (size_t i = 0; found && i < m->n_layers; i++)
		m->layers[i].feed_forward = list[i];
	if (each_layer(c, m, KEYS("num_attention_heads", "n_head", "n_heads", "num_heads"), list,
		       &found, e))
		return -1;
	for (size_t i = 0; found && i < m->n_layers; i++) {
		m->layers[i].heads = list[i];
		m->layers[i].kv_heads = truth(c, "multi_query", false) ? 1 : list[i];
	}
	if (each_layer(c, m, KEYS("num_key_value_heads", "num_kv_heads", "n_head_kv", "kv_n_heads"),
		       list, &found, e))
		return -1;
	for (size_t i = 0; found && i < m->n_layers; i++)
		m->layers[i].kv_heads = list[i];
	return 0;
}

/* Full layers of some models have wider and fewer heads than those with a window. */
static int head_lengths(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t whole_width = model_widest(m).heads ? m->embedding_length / model_widest(m).heads
						     : 0;
	uint32_t head = 0, global = 0, global_kv = 0, value = 0;

	if (width(c, KEYS("head_dim", "attention_head_dim", "kv_channels"), whole_width, &head,
		  e) ||
	    width(c, KEYS("v_head_dim"), head, &value, e) ||
	    width(c, KEYS("global_head_dim"), 0, &global, e) ||
	    width(c, KEYS("num_global_key_value_heads"), 0, &global_kv, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++) {
		struct model_layer *l = &m->layers[i];
		bool full = l->kind == MODEL_ATTENTION;

		if (l->kind == MODEL_RECURRENT || l->kind == MODEL_NONE) {
			l->heads = l->kv_heads = l->key_length = l->value_length = 0;
			continue;
		}
		l->key_length = full && global ? global : head;
		l->value_length = full && global ? global : value;
		if (full && global_kv && truth(c, "attention_k_eq_v", true))
			l->kv_heads = global_kv;
	}
	return 0;
}

/* Latent attention: one key of rank + rope for all heads. */
static int latent(const struct config *c, struct model_facts *m, struct err *e) {
	uint32_t rank = 0;

	if (width(c, KEYS("kv_lora_rank"), 0, &rank, e))
		return -1;
	m->kv_lora_rank = rank;
	for (size_t i = 0; rank && i < m->n_layers; i++) {
		struct model_layer *l = &m->layers[i];
		if (l->kind != MODEL_ATTENTION)
			continue;
		l->kv_heads = 1;
		l->key_length = rank + (uint32_t) m->rope_dimension;
		l->value_length = 0;
	}
	return 0;
}

static int sharing(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t shared;

	if (config_number(c, KEYS("num_kv_shared_layers"), 0, &shared, e))
		return -1;
	if (shared > m->n_layers)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says %llu layers with a shared KV cache and has %zu", c->name,
			       (unsigned long long) shared, m->n_layers);
	for (size_t i = m->n_layers - (size_t) shared; i < m->n_layers; i++)
		m->layers[i].shares_kv = true;
	return 0;
}

static void names(const struct config *c, struct model_facts *m) {
	const struct json *list = json_get(c->root, "architectures");
	const char *name = json_text(json_at(list, 0));

	if (!name)
		name = json_str(c->root, "model_type");
	(void) snprintf(m->architecture, sizeof m->architecture, "%s", name ? name : "");
	(void) snprintf(m->kind, sizeof m->kind, "model");
}

static const struct json *text_part(const struct json *root) {
	static const char *const parts[] = {"text_config", "llm_config", "language_config",
					    "thinker_config.text_config"};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (json_is_object(json_path(root, parts[i])))
			return json_path(root, parts[i]);
	return root;
}

int config_facts(const struct json *root, const char *name, struct model_facts *m, struct err *e) {
	struct config c = {.root = root, .text = text_part(root), .name = name};

	if (!json_is_object(root))
		return err_set(e, ERR_INTEGRITY, "'%s' is no JSON object", name);
	names(&c, m);
	if (!m->architecture[0])
		return err_set(e, ERR_INTEGRITY, "'%s' does not say 'architectures'", name);
	if (sizes(&c, m, e))
		return -1;
	m->layers = mem_zalloc(m->n_layers + 1, sizeof *m->layers);
	config_quantization(&c, m);
	return heads(&c, m, e) || config_layer_kinds(&c, m, e) || head_lengths(&c, m, e) ||
			latent(&c, m, e) || sharing(&c, m, e) || config_recurrent_state(&c, m, e)
		? -1
		: 0;
}
