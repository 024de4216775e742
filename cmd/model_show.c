/* SPDX-License-Identifier: Apache-2.0 */
#include "model_show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cmd.h"
#include "http/http.h"
#include "model/model.h"
#include "report/report.h"
#include "json/json.h"

enum { LINE = 400 };

static int read_any(const char *what, struct model_facts *m, struct err *e) {
	struct http *http CLEANUP(http_freep) = NULL;
	char *card CLEANUP(freep) = NULL, self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	self[n > 0 ? n : 0] = 0;
	if (strstr(what, "://") || text_starts(what, "file:")) {
		http = http_new();
		return model_read_source(http, what, m, e);
	}
	if (access(what, F_OK) && model_card_find(self, what, &card))
		return model_read_card(card, "", m, e);
	if (access(what, F_OK))
		return err_set(e, ERR_USAGE, "there is no file, folder or model card '%.200s'",
			       what);
	return model_read_path(what, m, e);
}

/* --- lines --- */

/* "28 window of 512 (12 keep a cache), 7 attention" */
static void kinds(const struct model_facts *m, struct buf *b) {
	for (int kind = MODEL_ATTENTION; kind <= MODEL_NONE; kind++) {
		size_t n = model_layers(m, (enum model_layer_kind) kind), own = 0;
		for (size_t i = 0; i < m->n_layers; i++)
			own += m->layers[i].kind == (enum model_layer_kind) kind &&
				!m->layers[i].shares_kv;
		if (!n)
			continue;
		(void) buf_printf(b, "%s%zu %s", b->len ? ", " : "", n,
				  kind == MODEL_NONE
					  ? "feed-forward alone"
					  : model_kind_name((enum model_layer_kind) kind));
		if (kind == MODEL_WINDOW)
			(void) buf_printf(b, " of %llu", (unsigned long long) m->sliding_window);
		if (own < n)
			(void) buf_printf(b, " (%zu keep a cache)", own);
	}
}

/* The first layer of each kind that has attention: "8 heads, 1 KV, key 512, value 512 (window: 8,
 * 1, 256, 256)". */
static void heads(const struct model_facts *m, struct buf *b) {
	for (int kind = MODEL_ATTENTION; kind <= MODEL_WINDOW; kind++)
		for (size_t i = 0; i < m->n_layers; i++) {
			const struct model_layer *l = &m->layers[i];
			if (l->kind != (enum model_layer_kind) kind)
				continue;
			(void) buf_printf(b, "%s%s%u query, %u KV, key %u, value %u",
					  b->len ? "; " : "",
					  kind == MODEL_WINDOW ? "with a window " : "", l->heads,
					  l->kv_heads, l->key_length, l->value_length);
			break;
		}
}

static void weights(const struct model_facts *m, struct buf *b) {
	char bytes[TEXT_BYTES];

	text_format_bytes(m->tensor_bytes, bytes);
	(void) buf_printf(b, "%s%s", m->estimated ? "about " : "", bytes);
	for (size_t i = 0; i < m->n_types && i < 8 && m->tensors; i++) {
		text_format_bytes(m->types[i].bytes, bytes);
		(void) buf_printf(b, "%s%llu %s %s", i ? ", " : ": ",
				  (unsigned long long) m->types[i].tensors, m->types[i].name,
				  bytes);
	}
}

/* "token table 28.3 MB, tied; experts 16.9 GB of which 8 of 256 are read; ..." */
static void parts(const struct model_facts *m, struct buf *b) {
	const struct {
		const char *name;
		uint64_t bytes;
	} list[] = {{"token table", m->token_embedding_bytes},
		    {"output", m->output_bytes},
		    {"per-layer embeddings", m->per_layer_embedding_bytes},
		    {"experts", m->expert_bytes},
		    {"further-token layers", m->nextn_bytes}};
	char bytes[TEXT_BYTES];

	for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
		if (!list[i].bytes)
			continue;
		text_format_bytes(list[i].bytes, bytes);
		(void) buf_printf(b, "%s%s %s", b->len ? ", " : "", list[i].name, bytes);
		if (!i && !m->output_bytes)
			(void) buf_puts(b, " (the output, too)");
	}
}

static void experts(const struct model_facts *m, struct buf *b) {
	if (!m->experts)
		return;
	(void) buf_printf(b, "%llu, %llu used", (unsigned long long) m->experts,
			  (unsigned long long) m->experts_used);
	if (m->experts_shared)
		(void) buf_printf(b, ", %llu shared", (unsigned long long) m->experts_shared);
}

static void parameters(const struct model_facts *m, struct buf *b) {
	uint64_t n = m->parameters;

	if (n >= 1000000000)
		(void) buf_printf(b, "%.2f billion", (double) n / 1e9);
	else
		(void) buf_printf(b, "%.1f million", (double) n / 1e6);
}

static void files(const struct model_facts *m, struct buf *b) {
	char bytes[TEXT_BYTES];

	text_format_bytes(m->file_bytes, bytes);
	if (m->files)
		(void) buf_printf(b, "%llu, %s", (unsigned long long) m->files, bytes);
}

static void size_of(uint64_t v, struct buf *b) {
	if (v)
		(void) buf_printf(b, "%llu", (unsigned long long) v);
}

static void show(struct report *r, const struct model_facts *m) {
	enum {
		KIND,
		FILES,
		PARAMETERS,
		WEIGHTS,
		PARTS,
		ACTIVE,
		LAYERS,
		HEADS,
		LATENT,
		STATE,
		EXPERTS,
		CONTEXT,
		WIDTH,
		VOCABULARY,
		ROWS
	};
	static const char *const keys[ROWS] = {"kind",    "files",     "parameters",
					       "weights", "of them",   "read a token",
					       "layers",  "heads",     "latent rank",
					       "state",   "experts",   "context",
					       "width",   "vocabulary"};
	struct buf b[ROWS];
	struct report_pair pairs[ROWS + 1];
	char bytes[TEXT_BYTES];

	for (size_t i = 0; i < ROWS; i++)
		b[i] = (struct buf) BUF_INIT(LINE);
	(void) buf_printf(&b[KIND], "%s %s%s%s%s%s%s%s", m->architecture, m->kind,
			  m->adapter_type[0] ? " of type " : "", m->adapter_type, ", ", m->format,
			  m->quantization[0] ? " " : "", m->quantization);
	if (m->sparsity[0])
		(void) buf_printf(&b[KIND], ", sparse (%s)", m->sparsity);
	files(m, &b[FILES]);
	parameters(m, &b[PARAMETERS]);
	weights(m, &b[WEIGHTS]);
	parts(m, &b[PARTS]);
	text_format_bytes(model_active_bytes(m), bytes);
	(void) buf_puts(&b[ACTIVE], bytes);
	kinds(m, &b[LAYERS]);
	heads(m, &b[HEADS]);
	size_of(m->kv_lora_rank, &b[LATENT]);
	if (m->state_numbers)
		(void) buf_printf(&b[STATE], "%llu numbers a sequence and layer",
				  (unsigned long long) m->state_numbers);
	experts(m, &b[EXPERTS]);
	size_of(m->context_length, &b[CONTEXT]);
	size_of(m->embedding_length, &b[WIDTH]);
	size_of(m->vocabulary, &b[VOCABULARY]);
	pairs[0] = (struct report_pair){"model", m->name[0] ? m->name : "-"};
	for (size_t i = 0; i < ROWS; i++)
		pairs[i + 1] = (struct report_pair){keys[i], b[i].len ? buf_str(&b[i]) : NULL};
	report_pairs(r, pairs, ROWS + 1);
	for (size_t i = 0; i < ROWS; i++)
		buf_done(&b[i]);
}

int model_show(struct args *a, struct err *e) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct json *j CLEANUP(json_freep) = NULL;

	if (read_any(a->at[1], &m, e))
		return -1;
	show(a->report, &m);
	j = model_json(&m);
	report_result(a->report, j);
	return 0;
}
