/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"
#include "model/gguf.h"
#include "model/model.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input that ends in "HOLE" is the header of a file with 1 GB behind it, which nobody may read
 * far into. */
struct file {
	const uint8_t *data;
	size_t size;
};

static int from_memory(void *ctx, uint64_t at, void *out, size_t n, struct err *e) {
	const struct file *f = ctx;
	size_t here = at < f->size ? f->size - (size_t) at : 0;

	if (at > f->size + (1 << 20))
		return err_set(e, ERR_INTEGRITY, "no header is there");
	here = here < n ? here : n;
	memset(out, 0, n);
	if (here)
		memcpy(out, f->data + at, here);
	return 0;
}

static void check_tensors(const struct gguf *g) {
	uint64_t bytes = 0, end = 0;

	for (size_t i = 0; i < g->n_tensors; i++) {
		const struct gguf_tensor *t = &g->tensors[i];
		if (t->offset < end || g->data_offset + t->offset + t->bytes > g->file_bytes ||
		    !*t->name)
			abort();
		end = t->offset + t->bytes;
		bytes += t->bytes;
	}
	if (bytes != g->tensor_bytes)
		abort();
}

static void check_facts(const struct model_facts *m) {
	uint64_t bytes = 0, tensors = 0;
	struct json *j CLEANUP(json_freep) = model_json(m);

	for (size_t i = 0; i < m->n_types; i++) {
		bytes += m->types[i].bytes;
		tensors += m->types[i].tensors;
	}
	if (bytes != m->tensor_bytes || tensors != m->tensors || m->n_layers > MODEL_MAX_LAYERS ||
	    model_active_bytes(m) > m->tensor_bytes)
		abort();
	if (m->token_embedding_bytes + m->output_bytes + m->per_layer_embedding_bytes +
		    m->expert_bytes + m->nextn_bytes >
	    m->tensor_bytes)
		abort();
	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].kind == MODEL_RECURRENT &&
		    (m->layers[i].kv_heads || !m->layers[i].has_state))
			abort();
	if (json_count(json_get(j, "layers")) != m->n_layers)
		abort();
}

/* Whatever the bytes: an answer or one error; tensors that lie in the file and apart from each
 * other, and facts that add up. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	bool hole = size >= 4 && !memcmp(data + size - 4, "HOLE", 4);
	struct file file = {data, hole ? size - 4 : size};
	struct bytes from = {.name = "fuzz",
			     .size = file.size + (hole ? 1000000000 : 0),
			     .read = from_memory,
			     .ctx = &file};
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	if (!gguf_open(&from, &g, &e)) {
		check_tensors(g);
		if (!gguf_facts(&g, 1, &m, &e))
			check_facts(&m);
	}
	if (e.code && e.code != ERR_SPEC && e.code != ERR_INTEGRITY)
		abort();
	return 0;
}
