/* SPDX-License-Identifier: Apache-2.0 */
#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "model/config.h"
#include "model/model.h"
#include "model/source_dir.h"
#include "model/tensor_totals.h"
#include "safetensors/safetensors.h"
#include "json/json.h"

#define INDEX "model.safetensors.index.json"
#define ONE "model.safetensors"
#define ADAPTER "adapter_model.safetensors"

enum { MAX_CONFIG = 4 << 20, MAX_INDEX = 64 << 20, MAX_SHARDS = 4096 };

struct entry {
	const char *tensor, *file;
};

/* The reading of one model. */
struct reading {
	const struct source_dir *p;
	struct model_facts m;
	struct json *config, *index; /* index NULL: one file */
	struct entry *entries;       /* of the index, by tensor */
	size_t n_entries, found;
	int64_t bits;           /* of packed weights; 0 */
	const struct json *mlx; /* its quantization; NULL */
	struct entry *seen;     /* every tensor of every file; owned, and so are their texts */
	size_t n_seen, cap_seen;
	bool tied;
	struct err *e;
};

static void reading_done(struct reading *r) {
	json_free(r->config);
	json_free(r->index);
	free(r->entries);
	for (size_t i = 0; i < r->n_seen; i++) {
		free((char *) r->seen[i].tensor);
		free((char *) r->seen[i].file);
	}
	free(r->seen);
	model_facts_done(&r->m);
}

/* A JSON file of the place, which a Python program wrote: Infinity and NaN may be in it. *out NULL:
 * not there. */
static int read_json(const struct source_dir *p, const char *name, size_t most, struct json **out,
		     struct err *e) {
	struct part *f CLEANUP(part_freep) = NULL;
	struct err why = {0};

	*out = NULL;
	if (source_dir_open(p, name, &f, e))
		return -1;
	if (!f)
		return 0;
	if (f->bytes.size > most)
		return err_set(e, ERR_INTEGRITY, "'%s' is larger than %zu bytes", f->name, most);
	char *text CLEANUP(freep) = mem_zalloc(f->bytes.size + 1, 1);

	if (f->bytes.read(f->bytes.ctx, 0, text, (size_t) f->bytes.size, e))
		return err_wrap(e, "'%s'", f->name);
	if (json_parse_python(text, (size_t) f->bytes.size, out, &why))
		return err_set(e, ERR_INTEGRITY, "'%s': %s", f->name, why.msg);
	return 0;
}

/* --- tensors --- */

static bool has(const char *name, const char *piece) {
	return strstr(name, piece) != NULL;
}

/* The layer in "model.layers.7.mlp..." (or .h.7., .blocks.7.); -1 where it belongs to none. */
static long layer_of(const char *name) {
	static const char *const words[] = {"layers.", "h.", "blocks."};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		for (const char *at = strstr(name, words[i]); at; at = strstr(at + 1, words[i])) {
			const char *digits = at + strlen(words[i]);
			size_t n = strspn(digits, "0123456789");
			if ((at == name || at[-1] == '.') && n && n < 6 && digits[n] == '.')
				return strtol(digits, NULL, 10);
		}
	return -1;
}

/* Not a part of the language model: what it sees and hears with. */
static bool is_tower(const char *name) {
	static const char *const words[] = {
		"visual.",       "vision_",     "audio_", "image_", "multi_modal_projector.",
		"embed_vision.", "embed_audio."};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (has(name, words[i]))
			return true;
	return false;
}

static bool is_token_table(const char *name) {
	static const char *const tails[] = {"embed_tokens.weight",   "wte.weight",
					    "tok_embeddings.weight", "word_embeddings.weight",
					    "embeddings.weight",     "embed_in.weight",
					    "embed_tokens.qweight"};

	for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
		if (text_ends(name, tails[i]))
			return true;
	return false;
}

static bool is_output(const char *name) {
	return has(name, "lm_head.") || text_starts(name, "output.") ||
		text_starts(name, "embed_out.");
}

static void take_role(struct reading *r, const struct safetensors_tensor *t) {
	struct model_facts *m = &r->m;
	long layer = layer_of(t->name);

	if (is_tower(t->name))
		return;
	if (text_starts(t->name, "mtp.") || has(t->name, ".mtp.") || layer >= (long) m->n_layers)
		m->nextn_bytes += t->bytes;
	else if (has(t->name, "embed_tokens_per_layer."))
		m->per_layer_embedding_bytes += t->bytes;
	else if (is_output(t->name))
		m->output_bytes += t->bytes;
	else if (layer < 0 && is_token_table(t->name))
		m->token_embedding_bytes += t->bytes;
	else if (layer >= 0 && has(t->name, ".experts.")) {
		m->expert_bytes += t->bytes;
		m->layers[layer].has_experts = true;
	}
}

/* Weights that one element stands for: several where they are packed, none where it is a scale. */
static uint64_t weights_in(const struct reading *r, const struct safetensors_tensor *t) {
	static const char *const scales[] = {"scales",       "qzeros",         "g_idx",
					     "weight_scale", "weight_scale_2", "weight_scale_inv",
					     "input_scale",  "weight_shape",   "weight_zero_point",
					     "weight_g_idx", "absmax",         "quant_map",
					     "SCB",          "k_scale",        "v_scale",
					     "bitmask",      "row_offsets"};
	const char *dot = strrchr(t->name, '.'), *last = dot ? dot + 1 : t->name;

	for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
		if (!strcmp(last, scales[i]) || text_ends(last, "_scales") ||
		    has(last, "quant_state"))
			return 0;
	if (r->mlx && !strcmp(last, "biases"))
		return 0;
	if (r->mlx && !strcmp(last, "weight") && !strcmp(t->dtype, "u32"))
		return t->elements * 32 / (uint64_t) config_mlx_bits(r->mlx, t->name);
	if (text_ends(last, "_blocks") && !strcmp(t->dtype, "u8"))
		return 2 * t->elements;
	bool packed = !strcmp(last, "qweight") || !strcmp(last, "weight_packed");

	if ((packed || !strcmp(last, "weight")) && !strcmp(t->dtype, "u8"))
		return r->bits == 4 ? 2 * t->elements : t->elements;
	if (packed && !strcmp(t->dtype, "i32") && r->bits)
		return t->elements * 32 / (uint64_t) r->bits;
	return t->elements;
}

static int by_tensor(const void *a, const void *b) {
	return strcmp(((const struct entry *) a)->tensor, ((const struct entry *) b)->tensor);
}

static bool is_in_index(const struct reading *r, const char *tensor, const char *file) {
	struct entry wanted = {.tensor = tensor}, *found = NULL;

	if (r->n_entries)
		found = bsearch(&wanted, r->entries, r->n_entries, sizeof wanted, by_tensor);
	return found && !strcmp(found->file, file);
}

static void note_seen(struct reading *r, const char *tensor, const char *file) {
	if (r->n_seen == r->cap_seen) {
		r->cap_seen = r->cap_seen ? r->cap_seen * 2 : 256;
		r->seen = mem_grow(r->seen, r->cap_seen, sizeof *r->seen);
	}
	r->seen[r->n_seen++] = (struct entry){mem_strdup(tensor), mem_strdup(file)};
}

/* A tensor belongs to one file: which of two the runtime would take is not known. */
static int check_twice(struct reading *r) {
	if (r->n_seen)
		qsort(r->seen, r->n_seen, sizeof *r->seen, by_tensor);
	for (size_t i = 1; i < r->n_seen; i++)
		if (!strcmp(r->seen[i - 1].tensor, r->seen[i].tensor))
			return err_set(r->e, ERR_INTEGRITY,
				       "'%s%s' and '%s%s' both have the tensor '%.200s'",
				       r->p->base, r->seen[i - 1].file, r->p->base, r->seen[i].file,
				       r->seen[i].tensor);
	return 0;
}

static int take_tensors(struct reading *r, const struct part *f, const char *file,
			const struct safetensors *s) {
	for (size_t i = 0; i < s->n_tensors; i++) {
		const struct safetensors_tensor *t = &s->tensors[i];

		if (tensor_totals_add(&r->m, t->dtype, t->bytes, weights_in(r, t)))
			return err_set(r->e, ERR_INTEGRITY, "'%s' has tensors larger than any file",
				       f->name);
		if (!model_is_adapter(&r->m))
			take_role(r, t);
		r->found += is_in_index(r, t->name, file);
		if (*file)
			note_seen(r, t->name, file);
	}
	r->m.file_bytes += s->file_bytes;
	r->m.files++;
	return 0;
}

static int take_file(struct reading *r, const struct part *f, const char *file) {
	struct safetensors *s CLEANUP(safetensors_freep) = NULL;

	if (safetensors_open(&f->bytes, &s, r->e) || take_tensors(r, f, file, s))
		return -1;
	return 0;
}

/* --- files --- */

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The index's entries by tensor, and its files' names, sorted; *names has room for all. */
static int take_index(struct reading *r, const char **names) {
	for (const struct json *v = json_first(json_get(r->index, "weight_map")); v;
	     v = json_next(v)) {
		struct entry one = {json_key(v), json_text(v)};
		if (!one.file)
			return err_set(r->e, ERR_INTEGRITY,
				       "'%s" INDEX "' names no file for '%.200s'", r->p->base,
				       one.tensor);
		names[r->n_entries] = one.file;
		r->entries[r->n_entries++] = one;
	}
	qsort(r->entries, r->n_entries, sizeof *r->entries, by_tensor);
	qsort(names, r->n_entries, sizeof *names, by_text);
	return 0;
}

static int take_shards(struct reading *r) {
	size_t n = json_count(json_get(r->index, "weight_map"));
	const char **names CLEANUP(freep) = mem_zalloc(n + 1, sizeof *names);

	if (!n || !json_is_object(json_get(r->index, "weight_map")))
		return err_set(r->e, ERR_INTEGRITY, "'%s" INDEX "' has no weight_map", r->p->base);
	r->entries = mem_zalloc(n, sizeof *r->entries);
	if (take_index(r, names))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct part *f CLEANUP(part_freep) = NULL;
		if (i && !strcmp(names[i - 1], names[i]))
			continue;
		if (r->m.files == MAX_SHARDS)
			return err_set(r->e, ERR_INTEGRITY,
				       "'%s" INDEX "' names more than %d files", r->p->base,
				       MAX_SHARDS);
		if (source_dir_need(r->p, names[i], "the index of the model's files names it", &f,
				    r->e) ||
		    take_file(r, f, names[i]))
			return -1;
	}
	if (r->found != n)
		return err_set(r->e, ERR_INTEGRITY,
			       "'%s" INDEX "' names %zu tensors, of which its files have %zu",
			       r->p->base, n, r->found);
	r->m.split_files = r->m.files;
	return check_twice(r);
}

/* The part of a name behind "-of-", as a number; 0: it has none. */
static unsigned long count_in(const char *name) {
	const char *of = strstr(name, "-of-");

	return of ? strtoul(of + 4, NULL, 10) : 0;
}

/* Files of the weights themselves: Mistral's consolidated.safetensors is the same weights once
 * more, where others are there. */
static size_t weight_files(char *const *names, size_t n, const char **out) {
	size_t found = 0, consolidated = 0;

	for (size_t i = 0; i < n; i++) {
		if (!text_ends(names[i], ".safetensors") || text_starts(names[i], "adapter_"))
			continue;
		consolidated += text_starts(names[i], "consolidated");
		out[found++] = names[i];
	}
	if (!consolidated || consolidated == found)
		return found;
	size_t kept = 0;
	for (size_t i = 0; i < found; i++)
		if (!text_starts(out[i], "consolidated"))
			out[kept++] = out[i];
	return kept;
}

/* A folder without an index and without model.safetensors: all of its files, which must be as many
 * as their names say. */
static int take_folder(struct reading *r) {
	char **names CLEANUP(freep) = NULL;
	size_t n, files;

	if (r->p->dir < 0)
		return err_set(r->e, ERR_INTEGRITY, "'%s" ONE "' is missing, and so is '" INDEX "'",
			       r->p->base);
	if (fs_list(r->p->dir, ".", &names, &n, r->e))
		return -1;
	const char **weights CLEANUP(freep) = mem_zalloc(n + 1, sizeof *weights);

	files = weight_files(names, n, weights);
	for (size_t i = 0; i < files; i++) {
		struct part *f CLEANUP(part_freep) = NULL;
		if (count_in(weights[i]) > files)
			return err_set(
				r->e, ERR_INTEGRITY,
				"'%s%s' is one of %lu files, and %zu are there; there is no '" INDEX
				"' that names the others",
				r->p->base, weights[i], count_in(weights[i]), files);
		if (source_dir_need(r->p, weights[i], "it was there", &f, r->e) ||
		    take_file(r, f, weights[i]))
			return -1;
	}
	if (!files)
		return err_set(r->e, ERR_INTEGRITY, "'%s" ONE "' is missing", r->p->base);
	r->m.split_files = r->m.files;
	return check_twice(r);
}

static int take_files(struct reading *r, struct part *only) {
	struct part *f CLEANUP(part_freep) = NULL;

	if (only)
		return take_file(r, only, "");
	if (r->index)
		return take_shards(r);
	if (source_dir_open(r->p, model_is_adapter(&r->m) ? ADAPTER : ONE, &f, r->e))
		return -1;
	if (!f && model_is_adapter(&r->m))
		return err_set(r->e, ERR_INTEGRITY, "'%s" ADAPTER "' is missing", r->p->base);
	return f ? take_file(r, f, "") : take_folder(r);
}

/* --- beside the files --- */

static int take_adapter(struct reading *r, const struct json *config) {
	const char *type = json_str(config, "peft_type"),
		   *task = json_str(config, "base_model_name_or_path");

	(void) snprintf(r->m.kind, sizeof r->m.kind, "adapter");
	(void) snprintf(r->m.architecture, sizeof r->m.architecture, "%.63s", task ? task : "");
	(void) snprintf(r->m.adapter_type, sizeof r->m.adapter_type, "%.31s",
			type && !strcmp(type, "LORA") ? "lora"
				: type                ? type
						      : "");
	return 0;
}

/* Mistral's own form has params.json in its place. */
static int no_config(struct reading *r, const char *name) {
	struct part *params CLEANUP(part_freep) = NULL;

	if (source_dir_open(r->p, "params.json", &params, r->e))
		return -1;
	return err_set(r->e, ERR_SPEC,
		       "'%s' is missing: it says the layers and heads of a safetensors model%s",
		       name,
		       params ? "; params.json, which is there, is not read: take config.json from "
				"the model's repository"
			      : "");
}

static int take_config(struct reading *r) {
	struct json *adapter CLEANUP(json_freep) = NULL;
	char *name CLEANUP(freep) = mem_printf("%sconfig.json", r->p->base);
	const struct json *tied;

	if (read_json(r->p, "config.json", MAX_CONFIG, &r->config, r->e))
		return -1;
	if (!r->config) {
		if (read_json(r->p, "adapter_config.json", MAX_CONFIG, &adapter, r->e))
			return -1;
		return adapter ? take_adapter(r, adapter) : no_config(r, name);
	}
	if (config_facts(r->config, name, &r->m, r->e))
		return -1;
	tied = json_path(r->config, "text_config.tie_word_embeddings");
	r->tied = json_truth(tied ? tied : json_get(r->config, "tie_word_embeddings"));
	const char *dash = strrchr(r->m.quantization, '-');

	r->mlx = config_mlx(&(struct config){.root = r->config, .text = r->config, .name = name});
	r->bits = dash ? strtol(dash + 1, NULL, 10) : !strcmp(r->m.quantization, "nvfp4") ? 4 : 0;
	return 0;
}

/* The output that a tied model has stored beside the token table is not loaded. */
static void settle(struct reading *r) {
	struct model_facts *m = &r->m;

	(void) snprintf(m->format, sizeof m->format, "safetensors");
	if (r->tied)
		m->output_bytes = 0;
	if (!m->quantization[0])
		(void) snprintf(m->quantization, sizeof m->quantization, "%s",
				tensor_totals_largest(m));
	tensor_totals_experts(m);
}

int safetensors_facts(const struct source_dir *p, struct part *only, struct model_facts *out,
		      struct err *e) {
	struct part *own CLEANUP(part_freep) = only;
	struct reading r CLEANUP(reading_done) = {.p = p, .e = e};

	if (take_config(&r) || (!own && read_json(p, INDEX, MAX_INDEX, &r.index, e)) ||
	    take_files(&r, own))
		return -1;
	settle(&r);
	*out = r.m;
	r.m = (struct model_facts){0};
	return 0;
}

static int any_weights(const struct source_dir *p, bool *there, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(p->dir, ".", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		*there |= text_ends(names[i], ".safetensors") && !text_starts(names[i], "adapter_");
	return 0;
}

int safetensors_there(const struct source_dir *p, bool *there, struct err *e) {
	static const char *const names[] = {INDEX, ONE, ADAPTER};

	*there = false;
	for (size_t i = 0; i < sizeof names / sizeof *names && !*there; i++) {
		struct part *f CLEANUP(part_freep) = NULL;
		if (source_dir_open(p, names[i], &f, e))
			return -1;
		*there = f;
	}
	if (!*there && p->dir >= 0)
		return any_weights(p, there, e);
	return 0;
}
