/* SPDX-License-Identifier: Apache-2.0 */
/* What kind each layer is, and how wide, as the runtime's own loader finds it out
 * (llama_model_base::load_hparams of llama.cpp). */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"
#include "model/arch.h"
#include "model/gguf.h"
#include "model/model.h"

/* Widths and heads are far below; so that products of two of them fit 64 bits easily. */
#define LARGEST ((int64_t) 1 << 24)

enum { KEY = 256 };

static void full_key(const struct model_facts *m, const char *name, char out[KEY]) {
	(void) snprintf(out, KEY, "%s.%s", m->architecture, name);
}

int gguf_own_number(const struct gguf *g, const struct model_facts *m, const char *name,
		    uint64_t otherwise, uint64_t *out, struct err *e) {
	char key[KEY];

	full_key(m, name, key);
	return gguf_number(g, key, otherwise, out, e);
}

/* A number for each layer, from one for all or from a list; where the key is absent, out is left as
 * it is. */
static int each_layer(const struct gguf *g, const struct model_facts *m, const char *name,
		      uint32_t *out, bool *found, struct err *e) {
	struct gguf_numbers v = {0};
	char key[KEY];

	full_key(m, name, key);
	if (gguf_numbers(g, key, &v, e))
		return -1;
	*found = v.set;
	if (v.set && v.array && (v.count < m->n_layers || !v.at))
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' for %llu layers and has %zu",
			       g->name, key, (unsigned long long) v.count, m->n_layers);
	for (size_t i = 0; v.set && i < m->n_layers; i++) {
		int64_t one = v.at[v.array ? i : 0];

		if (one < 0)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a negative value",
				       g->name, key);
		if (one > LARGEST)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
				       g->name, key);
		out[i] = (uint32_t) one;
	}
	return 0;
}

/* As each_layer, where there is one for all layers. */
static int one_for_all(const struct gguf *g, const struct model_facts *m, const char *name,
		       uint32_t otherwise, uint32_t *out, struct err *e) {
	uint64_t v;

	if (gguf_own_number(g, m, name, otherwise, &v, e))
		return -1;
	if (v > (uint64_t) LARGEST)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s.%s' with a value out of range",
			       g->name, m->architecture, name);
	*out = (uint32_t) v;
	return 0;
}

/* --- heads and widths --- */

static int heads(const struct gguf *g, struct model_facts *m, uint32_t *list, struct err *e) {
	bool found;

	if (each_layer(g, m, "attention.head_count", list, &found, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].heads = m->layers[i].kv_heads = found ? list[i] : 0;
	if (each_layer(g, m, "attention.head_count_kv", list, &found, e))
		return -1;
	for (size_t i = 0; found && i < m->n_layers; i++)
		m->layers[i].kv_heads = list[i];
	if (each_layer(g, m, "feed_forward_length", list, &found, e))
		return -1;
	for (size_t i = 0; found && i < m->n_layers; i++)
		m->layers[i].feed_forward = list[i];
	return 0;
}

/* A head is embedding / heads wide unless the file says otherwise; a windowed layer's may have a
 * width of its own. */
static int head_lengths(const struct gguf *g, struct model_facts *m, struct err *e) {
	uint64_t whole = model_widest(m).heads ? m->embedding_length / model_widest(m).heads : 0;
	uint32_t head = whole < (uint64_t) LARGEST ? (uint32_t) whole : 0, key = 0, value = 0,
		 key_swa = 0, value_swa = 0;

	if (one_for_all(g, m, "attention.key_length", head, &key, e) ||
	    one_for_all(g, m, "attention.value_length", head, &value, e) ||
	    one_for_all(g, m, "attention.key_length_swa", key, &key_swa, e) ||
	    one_for_all(g, m, "attention.value_length_swa", value, &value_swa, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++) {
		struct model_layer *l = &m->layers[i];
		l->key_length = l->kind == MODEL_WINDOW ? key_swa : key;
		l->value_length = l->kind == MODEL_WINDOW ? value_swa : value;
	}
	return 0;
}

/* Latents are cached where the file has the lengths of the heads that they stand for; older files
 * without them unfold every head. There is no value beside the key: it is a part of it. */
static int latent(const struct gguf *g, struct model_facts *m, struct err *e) {
	uint64_t rank, key, value;

	if (gguf_own_number(g, m, "attention.kv_lora_rank", 0, &rank, e) ||
	    gguf_own_number(g, m, "attention.key_length_mla", 0, &key, e) ||
	    gguf_own_number(g, m, "attention.value_length_mla", 0, &value, e))
		return -1;
	if (!rank || !key || !value)
		return 0;
	m->kv_lora_rank = rank;
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].value_length = 0;
	return 0;
}

/* --- kinds --- */

static void by_period(struct model_facts *m, uint64_t period, bool dense_first) {
	for (size_t i = 0; i < m->n_layers; i++) {
		bool full = period && (dense_first ? i % period == 0 : i % period == period - 1);
		m->layers[i].kind = full ? MODEL_ATTENTION : MODEL_WINDOW;
	}
}

/* The window, and where: a list of the file, its period, or what the architecture is known for. An
 * architecture that is known for no window has none, whatever is there: the runtime does not
 * look. */
static int windows(const struct gguf *g, struct model_facts *m, const struct arch *a,
		   uint32_t *list, struct err *e) {
	struct gguf_numbers pattern = {0};
	uint64_t window;
	char key[KEY];
	bool found;

	full_key(m, "attention.sliding_window_pattern", key);
	if (gguf_own_number(g, m, "attention.sliding_window", a->window, &window, e) ||
	    gguf_numbers(g, key, &pattern, e))
		return -1;
	if (!window || a->windows == ARCH_NO_WINDOW ||
	    (a->windows == ARCH_LISTED && !pattern.set) ||
	    (a->only_layers && a->only_layers != m->n_layers))
		return 0;
	if (a->windows == ARCH_ALL_WINDOWED) {
		by_period(m, 0, false);
	} else if (pattern.array) {
		if (each_layer(g, m, "attention.sliding_window_pattern", list, &found, e))
			return -1;
		for (size_t i = 0; i < m->n_layers; i++)
			m->layers[i].kind = list[i] ? MODEL_WINDOW : MODEL_ATTENTION;
	} else {
		if (pattern.set && pattern.at[0] < 0)
			return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a negative value",
				       g->name, key);
		by_period(m, pattern.set ? (uint64_t) pattern.at[0] : a->period, a->dense_first);
	}
	if (model_layers(m, MODEL_WINDOW))
		m->sliding_window = a->window_is_fixed ? a->window : window;
	return 0;
}

static bool is_recurrent(const struct arch *a, const struct model_layer *l, size_t i,
			 uint64_t interval) {
	switch (a->recurrence) {
	case ARCH_RECURRENT: return true;
	case ARCH_WITHOUT_KV: return !l->kv_heads;
	case ARCH_BARE: return !l->kv_heads && !l->feed_forward;
	case ARCH_INTERVAL: return interval && (i + 1) % interval != 0;
	case ARCH_ATTENTION:
	case ARCH_BESIDE: break;
	}
	return false;
}

/* list: 1 for each recurrent layer. */
static int recurrences(const struct gguf *g, struct model_facts *m, const struct arch *a,
		       uint32_t *list, struct err *e) {
	uint64_t interval;
	bool listed;

	if (each_layer(g, m, "attention.recurrent_layers", list, &listed, e) ||
	    gguf_own_number(g, m, "full_attention_interval", 4, &interval, e))
		return -1;
	listed &= a->recurrence == ARCH_INTERVAL;
	for (size_t i = 0; i < m->n_layers; i++) {
		struct model_layer *l = &m->layers[i];
		bool recurrent = listed ? list[i] != 0 : is_recurrent(a, l, i, interval);

		l->has_state = recurrent || a->recurrence == ARCH_BESIDE;
		if (recurrent)
			l->kind = MODEL_RECURRENT;
		else if (a->recurrence == ARCH_BARE && l->feed_forward)
			l->kind = MODEL_NONE;
		if (l->kind == MODEL_RECURRENT || l->kind == MODEL_NONE)
			l->heads = l->kv_heads = l->key_length = l->value_length = 0;
	}
	return 0;
}

static int sharing(const struct gguf *g, struct model_facts *m, const struct arch *a,
		   struct err *e) {
	uint64_t shared, from = a->kv_layers;

	if (gguf_own_number(g, m, "attention.shared_kv_layers", 0, &shared, e))
		return -1;
	if (shared > m->n_layers)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says %llu layers with a shared KV cache and has %zu", g->name,
			       (unsigned long long) shared, m->n_layers);
	if (shared || !from)
		from = m->n_layers - shared;
	for (size_t i = (size_t) from; i < m->n_layers; i++)
		m->layers[i].shares_kv = true;
	return 0;
}

/* --- state --- */

static int state_keys(const struct gguf *g, struct model_facts *m, struct err *e) {
	const struct {
		const char *key;
		uint64_t *out;
	} keys[] = {{"ssm.conv_kernel", &m->conv_kernel},
		    {"ssm.inner_size", &m->inner_size},
		    {"ssm.state_size", &m->state_size},
		    {"ssm.group_count", &m->group_count},
		    {"ssm.time_step_rank", &m->time_step_rank}};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		uint32_t v = 0;
		if (one_for_all(g, m, keys[i].key, 0, &v, e))
			return -1;
		*keys[i].out = v;
	}
	return 0;
}

/* llama_hparams::n_embd_r and n_embd_s together. `heads` are the first layer's. */
static int state_numbers(const struct gguf *g, struct model_facts *m, const struct arch *a,
			 uint64_t heads_of_first, struct err *e) {
	uint32_t wkv = 0, shift = 0, short_conv = 0, kda = 0;

	if (one_for_all(g, m, "wkv.head_size", 0, &wkv, e) ||
	    one_for_all(g, m, "token_shift_count", a->token_shift, &shift, e) ||
	    one_for_all(g, m, "shortconv.l_cache", 0, &short_conv, e) ||
	    one_for_all(g, m, "kda.head_dim", 0, &kda, e))
		return -1;
	uint64_t rows = m->conv_kernel ? m->conv_kernel - 1 : 0;

	if (wkv)
		m->state_numbers = m->embedding_length * shift + m->embedding_length * wkv;
	else if (short_conv)
		m->state_numbers = m->embedding_length * (short_conv - 1);
	else if (kda && heads_of_first < (uint64_t) 1 << 14 && kda < 1 << 16)
		m->state_numbers = heads_of_first * kda * (3 * (m->conv_kernel ? rows : 3) + kda);
	else
		m->state_numbers = model_state_numbers(m);
	return 0;
}

/* The indexer keeps one key of its own for each token, in layers that select by themselves; the
 * others take what was selected before. Files of models that were trained for less than 1,048,576
 * tokens may lack the list: then each layer selects. */
static int indexers(const struct gguf *g, struct model_facts *m, const struct arch *a,
		    uint32_t *list, struct err *e) {
	uint32_t length = 0, top = 0, own_heads = 0;
	bool listed;

	if (!a->has_indexer)
		return 0;
	if (one_for_all(g, m, "attention.indexer.key_length", 0, &length, e) ||
	    one_for_all(g, m, "attention.indexer.top_k", 0, &top, e) ||
	    one_for_all(g, m, "attention.indexer.head_count", 0, &own_heads, e) ||
	    each_layer(g, m, "attention.indexer.types", list, &listed, e))
		return -1;
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i].index_length = !listed || list[i] ? length : 0;
	m->indexer_selected = top;
	m->indexer_query = (uint64_t) own_heads * length;
	return 0;
}

static void unsure(struct model_facts *m, const char *why) {
	(void) snprintf(m->unsure, sizeof m->unsure, "architecture '%s' %s", m->architecture, why);
}

/* An architecture that is not in the table is read as plain attention, and says that this is a
 * guess. */
static const struct arch *known(struct model_facts *m) {
	static const struct arch plain = {.windows = ARCH_LISTED};
	const struct arch *a = arch_find(m->architecture);

	if (!a)
		unsure(m, "is not in the table, so its memory for each token is an estimate");
	else if (a->unsure)
		unsure(m, a->unsure);
	return a ? a : &plain;
}

/* The runtime gives layers that only predict further tokens a cache in these. */
static void check_nextn(struct model_facts *m, const struct arch *a, uint64_t nextn) {
	if (nextn && a->recurrence != ARCH_ATTENTION && a->recurrence != ARCH_INTERVAL &&
	    !m->unsure[0])
		unsure(m,
		       "has recurrent layers and layers that predict further tokens, which "
		       "together are not in the table");
}

int gguf_layers(const struct gguf *g, struct model_facts *m, uint64_t nextn, struct err *e) {
	const struct arch *a = known(m);
	uint32_t *list CLEANUP(freep) = mem_zalloc(m->n_layers + 1, sizeof *list);

	m->layers = mem_zalloc(m->n_layers + 1, sizeof *m->layers);
	if (heads(g, m, list, e))
		return -1;
	uint64_t heads_of_first = m->n_layers ? m->layers[0].heads : 0;

	if (windows(g, m, a, list, e) ||
	    head_lengths(g, m, e) ||
	    latent(g, m, e))
		return -1;
	if (recurrences(g, m, a, list, e) ||
	    sharing(g, m, a, e) ||
	    indexers(g, m, a, list, e))
		return -1;
	if (state_keys(g, m, e) ||
	    state_numbers(g, m, a, heads_of_first, e))
		return -1;
	check_nextn(m, a, nextn);
	return 0;
}
