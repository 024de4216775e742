/* SPDX-License-Identifier: Apache-2.0 */
/* What each layer of a model in Hugging Face's form is: from the list that newer files have, else
 * by the rule of the family. */
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "model/config.h"
#include "model/model.h"
#include "json/json.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct {
	const char *word;
	enum model_layer_kind kind;
} words[] = {
	{"full_attention", MODEL_ATTENTION},
	{"attention", MODEL_ATTENTION},
	{"global_attention", MODEL_ATTENTION},
	{"sliding_attention", MODEL_WINDOW},
	{"chunked_attention", MODEL_WINDOW},
	{"local_attention", MODEL_WINDOW},
	{"linear_attention", MODEL_RECURRENT},
	{"mamba", MODEL_RECURRENT},
	{"mamba2", MODEL_RECURRENT},
	{"conv", MODEL_RECURRENT},
	{"recurrent", MODEL_RECURRENT},
	{"mlp", MODEL_NONE},
	{"moe", MODEL_NONE},
};

/* One letter a layer, repeated: 'L' and 'G' (EXAONE 4: local, global); 'M', '*', '-' and 'E'
 * (Nemotron H: Mamba, attention, feed-forward, experts). */
static const struct {
	char letter;
	enum model_layer_kind kind;
} letters[] = {
	{'L', MODEL_WINDOW},    {'G', MODEL_ATTENTION}, {'M', MODEL_RECURRENT},
	{'*', MODEL_ATTENTION}, {'-', MODEL_NONE},      {'E', MODEL_NONE},
};

/* Families whose files of old have a window and say no pattern: the class in the transformers
 * library has it. */
static const struct {
	const char *model_type;
	uint64_t period; /* the last of so many layers is full */
} periods[] = {{"gemma2", 2},  {"gemma3", 6},       {"gemma3_text", 6}, {"cohere2", 4},
	       {"gpt_oss", 2}, {"gemma3n_text", 5}, {"gemma3n", 5}};

static const char *type_of(const struct config *c) {
	const char *type = json_str(c->text, "model_type");

	return type ? type : json_str(c->root, "model_type") ? json_str(c->root, "model_type") : "";
}

static int by_words(const struct config *c, const struct json *list, struct model_facts *m,
		    struct err *e) {
	size_t i = 0;

	if (json_count(list) < m->n_layers)
		return err_set(e, ERR_INTEGRITY, "'%s' says the kinds of %zu layers and has %zu",
			       c->name, json_count(list), m->n_layers);
	for (const struct json *v = json_first(list); v && i < m->n_layers; v = json_next(v), i++) {
		const char *word = json_text(v) ? json_text(v) : "";
		size_t k = 0;

		while (k < sizeof words / sizeof *words && strcmp(words[k].word, word))
			k++;
		if (k == sizeof words / sizeof *words)
			return err_set(e, ERR_SPEC, "'%s' has a layer of the unknown kind '%.40s'",
				       c->name, word);
		m->layers[i].kind = words[k].kind;
	}
	return 0;
}

static int by_letters(const struct config *c, const char *text, struct model_facts *m,
		      struct err *e) {
	size_t n = strlen(text);

	for (size_t i = 0; n && i < m->n_layers; i++) {
		size_t k = 0;

		while (k < sizeof letters / sizeof *letters && letters[k].letter != text[i % n])
			k++;
		if (k == sizeof letters / sizeof *letters)
			return err_set(e, ERR_SPEC, "'%s' has a layer of the unknown kind '%c'",
				       c->name, text[i % n]);
		m->layers[i].kind = letters[k].kind;
	}
	return 0;
}

static void by_period(struct model_facts *m, uint64_t period, uint64_t offset,
		      enum model_layer_kind other) {
	for (size_t i = 0; period && i < m->n_layers; i++)
		m->layers[i].kind = i % period == offset % period ? MODEL_ATTENTION : other;
}

/* Indices of layers in a list; the first layer is `first`. */
static void by_indices(const struct json *list, int64_t first, struct model_facts *m,
		       enum model_layer_kind in, enum model_layer_kind out) {
	for (size_t i = 0; i < m->n_layers; i++) {
		bool found = false;
		for (const struct json *v = json_first(list); v && !found; v = json_next(v))
			found = json_is_number(v) &&
				json_value(v) == (double) ((int64_t) i + first);
		m->layers[i].kind = found ? in : out;
	}
}

static bool always_recurrent(const char *type) {
	static const char *const types[] = {"mamba", "mamba2", "falcon_mamba", "codestral_mamba"};

	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

/* Layers with a state among those with attention, by the older families' own words. */
static int hybrid(const struct config *c, struct model_facts *m, bool *done, struct err *e) {
	const struct json *indices = config_get(c, "attn_layer_indices"),
			  *kda = json_get(config_get(c, "linear_attn_config"), "kda_layers");
	const char *pattern = json_text(config_get(c, "hybrid_override_pattern"));
	uint64_t period, offset, interval;

	*done = true;
	if (config_number(c, KEYS("attn_layer_period"), 0, &period, e) ||
	    config_number(c, KEYS("attn_layer_offset"), 0, &offset, e) ||
	    config_number(c, KEYS("full_attention_interval"), 0, &interval, e))
		return -1;
	if (pattern)
		return by_letters(c, pattern, m, e);
	if (json_is_array(indices))
		by_indices(indices, 0, m, MODEL_ATTENTION, MODEL_RECURRENT);
	else if (json_is_array(kda))
		by_indices(kda, 1, m, MODEL_RECURRENT, MODEL_ATTENTION);
	else if (period)
		by_period(m, period, offset, MODEL_RECURRENT);
	else if (interval)
		by_period(m, interval, interval - 1, MODEL_RECURRENT);
	else if (always_recurrent(type_of(c)))
		by_period(m, m->n_layers + 1, m->n_layers, MODEL_RECURRENT);
	else
		*done = false;
	return 0;
}

/* Layers before max_window_layers have full attention where a window is switched on by hand (Qwen
 * 2). */
static int switched_window(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t full;

	if (config_number(c, KEYS("max_window_layers"), m->n_layers, &full, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].kind = i < full ? MODEL_ATTENTION : MODEL_WINDOW;
	return 0;
}

static int windowed(const struct config *c, struct model_facts *m, uint64_t window, struct err *e) {
	const struct json *pattern = config_get(c, "sliding_window_pattern"),
			  *use = config_get(c, "use_sliding_window");
	uint64_t period = 0;

	if (!window || (json_is_bool(use) && !json_truth(use)))
		return 0;
	if (json_is_string(pattern))
		return by_letters(c, json_text(pattern), m, e);
	if (config_number(c, KEYS("sliding_window_pattern", "_sliding_window_pattern"), 0, &period,
			  e))
		return -1;
	for (size_t i = 0; !period && i < sizeof periods / sizeof *periods; i++)
		if (!strcmp(periods[i].model_type, type_of(c)))
			period = periods[i].period;
	if (!period && json_is_bool(use))
		return switched_window(c, m, e);
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].kind = period && i % period == period - 1 ? MODEL_ATTENTION
								       : MODEL_WINDOW;
	return 0;
}

int config_layer_kinds(const struct config *c, struct model_facts *m, struct err *e) {
	const struct json *list = config_get(c, "layer_types");
	bool both = !strcmp(type_of(c), "falcon_h1"), done = false;
	uint64_t window;

	if (!list)
		list = config_get(c, "layers_block_type");
	if (config_number(c, KEYS("sliding_window", "sliding_window_size", "attention_chunk_size"),
			  0, &window, e))
		return -1;
	if (json_is_array(list) ? by_words(c, list, m, e) : hybrid(c, m, &done, e))
		return -1;
	if (!json_is_array(list) && !done && windowed(c, m, window, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].has_state = both || m->layers[i].kind == MODEL_RECURRENT;
	if (model_layers(m, MODEL_WINDOW)) {
		if (!window)
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has layers with a sliding window and does not say "
				       "'sliding_window'",
				       c->name);
		m->sliding_window = window;
	}
	return 0;
}
