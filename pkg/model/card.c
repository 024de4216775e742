/* SPDX-License-Identifier: Apache-2.0 */
#include "model/card.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "model/model.h"
#include "schema/schema.h"
#include "yaml/yaml.h"
#include "json/json.h"

static uint64_t whole(const struct json *o, const char *key) {
	int64_t v = json_int_or(o, key, 0);

	return v > 0 ? (uint64_t) v : 0;
}

static uint32_t width(const struct json *o, const char *key, uint32_t otherwise) {
	uint64_t v = whole(o, key);

	return v ? (uint32_t) v : otherwise;
}

/* --- what the table cannot check --- */

struct check {
	const struct yaml_node *root;
	struct diagnostics *c;
};

static void diagnose(const struct check *k, const char *path, const char *what) {
	diagnostics_add(k->c, yaml_pos(yaml_at(k->root, path)), "%s", what);
}

static void check_layers(const struct check *k, const struct json *layers) {
	if (whole(layers, "kv_heads") > whole(layers, "heads"))
		diagnose(k, "layers.kv_heads", "a layer has more KV heads than heads");
	if (whole(layers, "shared_kv") > whole(layers, "count"))
		diagnose(k, "layers.shared_kv", "more layers share a cache than there are");
	if (json_get(layers, "window") && json_get(layers, "recurrent"))
		diagnose(k, "layers.recurrent",
			 "layers have windows or states; a card cannot say which of both");
}

static void check_rest(const struct check *k, const struct json *card) {
	const struct json *p = json_get(card, "parameters"), *x = json_get(card, "experts");
	size_t i = 0;

	if (whole(p, "token_embedding") + whole(p, "output") + whole(p, "per_layer_embedding") +
		    whole(p, "experts") + whole(p, "nextn") >
	    whole(p, "all"))
		diagnose(k, "parameters", "the parts are more than all parameters");
	if (whole(x, "used") > whole(x, "count"))
		diagnose(k, "experts.used", "a token uses more experts than there are");
	for (const struct json *a = json_first(json_get(card, "artifacts")); a;
	     a = json_next(a), i++) {
		char *path CLEANUP(freep) = mem_printf("artifacts.%zu", i);
		if (!json_get(a, "bytes") == !json_str(a, "bits_per_weight"))
			diagnose(k, path, "an artifact has either bytes or bits_per_weight");
	}
}

/* --- facts --- */

static void take_layers(const struct json *card, struct model_facts *m) {
	const struct json *l = json_get(card, "layers"), *window = json_get(l, "window"),
			  *state = json_get(l, "recurrent"), *latent = json_get(card, "latent");
	uint64_t shared = whole(l, "shared_kv"), interval = whole(state, "interval"),
		 period = whole(window, "period");

	m->n_layers = (size_t) whole(l, "count");
	m->layers = mem_zalloc(m->n_layers + 1, sizeof *m->layers);
	for (size_t i = 0; i < m->n_layers; i++) {
		struct model_layer *to = &m->layers[i];
		bool in_window = window && (period == 1 || i % period != period - 1),
		     recurrent = state && (!interval || i % interval != interval - 1);
		const struct json *own = in_window ? window : NULL;

		to->shares_kv = i >= m->n_layers - shared;
		to->feed_forward = to->shares_kv
			? width(l, "shared_feed_forward", width(l, "feed_forward", 0))
			: width(l, "feed_forward", 0);
		to->has_experts = json_get(card, "experts");
		to->kind = recurrent ? MODEL_RECURRENT : in_window ? MODEL_WINDOW : MODEL_ATTENTION;
		to->has_state = recurrent;
		if (recurrent)
			continue;
		to->heads = width(l, "heads", 0);
		to->kv_heads = latent ? 1 : width(own, "kv_heads", width(l, "kv_heads", 0));
		to->key_length = latent ? width(latent, "rank", 0) + width(latent, "rope", 0)
					: width(own, "key_length", width(l, "key_length", 0));
		to->value_length = latent ? 0
					  : width(own, "value_length", width(l, "value_length", 0));
	}
	m->sliding_window = whole(window, "tokens");
	m->kv_lora_rank = whole(latent, "rank");
	m->rope_dimension = whole(latent, "rope");
	m->conv_kernel = whole(state, "conv_kernel");
	m->inner_size = whole(state, "inner_size");
	m->state_size = whole(state, "state_size");
	m->group_count = whole(state, "group_count");
	m->time_step_rank = whole(state, "time_step_rank");
	m->state_numbers = state ? model_state_numbers(m) : 0;
}

/* "4.85" to thousandths. */
static uint64_t thousandths(const char *decimal) {
	char *end;
	double v = strtod(decimal, &end);

	return (uint64_t) (v * 1000 + 0.5);
}

static uint64_t part_of(const struct json *p, const char *key, const struct model_facts *m) {
	return (uint64_t) ((__uint128_t) m->tensor_bytes * whole(p, key) / m->parameters);
}

/* Without a file its parts are as large as their share of the weights. */
static void take_weights(const struct json *card, const struct json *artifact,
			 struct model_facts *m) {
	const struct json *p = json_get(card, "parameters");
	const char *bits = json_str(artifact, "bits_per_weight");

	m->estimated = true;
	m->parameters = whole(p, "all");
	m->tensor_bytes = bits ? (uint64_t) ((__uint128_t) m->parameters * thousandths(bits) / 8000)
			       : whole(artifact, "bytes");
	m->token_embedding_bytes = part_of(p, "token_embedding", m);
	m->output_bytes = part_of(p, "output", m);
	m->per_layer_embedding_bytes = part_of(p, "per_layer_embedding", m);
	m->expert_bytes = part_of(p, "experts", m);
	m->nextn_bytes = part_of(p, "nextn", m);
	(void) snprintf(m->quantization, sizeof m->quantization, "%.31s",
			json_str(artifact, "name"));
	(void) snprintf(m->types[0].name, sizeof m->types[0].name, "%.23s",
			json_str(artifact, "name"));
	m->types[0].bytes = m->tensor_bytes;
	m->n_types = 1;
}

static const struct json *find_artifact(const struct json *card, const char *wanted,
					struct buf *names) {
	const struct json *list = json_get(card, "artifacts");

	for (const struct json *a = json_first(list); a; a = json_next(a)) {
		if (!*wanted || !strcmp(json_str(a, "name"), wanted))
			return a;
		(void) buf_printf(names, "%s%s", names->len ? ", " : "", json_str(a, "name"));
	}
	return NULL;
}

static int take(const char *name, const struct json *card, const char *wanted,
		struct model_facts *m, struct err *e) {
	struct buf names CLEANUP(buf_done) = BUF_INIT(300);
	const struct json *artifact = find_artifact(card, wanted, &names),
			  *x = json_get(card, "experts");

	if (!artifact)
		return err_set(e, ERR_SPEC, "'%s' has no artifact '%.40s'; there are: %s", name,
			       wanted, buf_str(&names));
	(void) snprintf(m->format, sizeof m->format, "card");
	(void) snprintf(m->kind, sizeof m->kind, "model");
	(void) snprintf(m->architecture, sizeof m->architecture, "%.63s",
			json_str(card, "architecture"));
	(void) snprintf(m->name, sizeof m->name, "%.127s", json_str(card, "title"));
	m->context_length = whole(card, "context_length");
	m->embedding_length = whole(card, "embedding_length");
	m->vocabulary = whole(card, "vocabulary");
	m->experts = whole(x, "count");
	m->experts_used = whole(x, "used");
	m->experts_shared = whole(x, "shared");
	take_layers(card, m);
	take_weights(card, artifact, m);
	return 0;
}

static int first_of(struct diagnostics *c, struct err *e) {
	if (!c->n)
		return 0;
	diagnostics_sort(c);
	return err_at(e, (struct pos){c->at[0].file, c->at[0].line, c->at[0].col}, "%s",
		      c->at[0].message);
}

int card_facts(const char *name, const char *text, size_t n, const char *artifact,
	       struct model_facts *out, struct err *e) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct json *card CLEANUP(json_freep) = NULL;
	struct model_facts m = {0};
	struct err why = {0};

	if (!yaml_parse(name, text, n, &y, &c, &why)) {
		struct check k = {yaml_root(y), &c};
		card = schema_check(yaml_root(y), card_table, &c);
		if (!c.n) {
			check_layers(&k, json_get(card, "layers"));
			check_rest(&k, card);
		}
	}
	if (first_of(&c, e) ||
	    take(name, card, artifact, &m, e))
		return -1;
	*out = m;
	return 0;
}

int model_read_card(const char *path, const char *artifact, struct model_facts *out,
		    struct err *e) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(YAML_MAX_BYTES);

	if (fs_read_user(path, &b, e) ||
	    card_facts(path, buf_str(&b), b.len, artifact, out, e))
		return -1;
	return 0;
}

void model_card_schema(struct buf *out) {
	schema_print(card_table, "urn:llmdeploy:model-card:v1", "llmdeploy model card", out);
}

/* --- by name --- */

bool model_card_find(const char *program, const char *name, char **path) {
	static const char *const below[] = {"share/llmdeploy/manifests", "manifests",
					    "../manifests"};
	const char *slash = strrchr(program, '/');
	size_t n = slash ? (size_t) (slash - program) : 0;

	for (size_t i = 0; text_is_name(name) && i < sizeof below / sizeof *below; i++) {
		char *at = mem_printf("%.*s/../%s/models/%s.yaml", (int) n, program, below[i],
				      name);
		if (!access(at, R_OK)) {
			*path = at;
			return true;
		}
		free(at);
	}
	return false;
}
