#include "gguf/gguf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"

static void take_layers(const struct gguf_facts *g, struct model_facts *m) {
	m->n_layers = g->layers;
	m->layers = mem_zalloc(g->layers + 1, sizeof *m->layers);
	for (size_t i = 0; i < m->n_layers; i++)
		m->layers[i] = (struct model_layer){
			.shares_kv = i >= m->n_layers - (g->shared_kv_layers < g->layers ? g->shared_kv_layers : g->layers),
			.heads = (uint32_t) g->heads_max,
			.kv_heads = (uint32_t) g->kv_heads_max,
			.key_length = (uint32_t) g->key_length,
			.value_length = (uint32_t) g->value_length,
			.feed_forward = (uint32_t) g->feed_forward_length,
		};
}

int model_read(int fd, const char *name, struct model_facts *out, struct err *e) {
	struct gguf_facts g = {0};
	struct model_facts m = {.format = "gguf", .files = 1};

	if (gguf_read(fd, name, &g, e))
		return -1;
	memcpy(m.architecture, g.architecture, sizeof m.architecture);
	memcpy(m.name, g.name, sizeof m.name);
	memcpy(m.kind, g.type, sizeof m.kind);
	memcpy(m.adapter_type, g.adapter_type, sizeof m.adapter_type);
	m.file_bytes = g.file_bytes;
	m.split_files = g.split_count;
	m.tensors = g.tensors;
	m.tensor_bytes = g.tensor_bytes;
	m.n_types = g.n_types;
	for (size_t i = 0; i < g.n_types; i++) {
		(void) snprintf(m.types[i].name, sizeof m.types[i].name, "%s", g.types[i].name);
		m.types[i].tensors = g.types[i].tensors;
		m.types[i].bytes = g.types[i].bytes;
	}
	m.embedding_length = g.embedding_length;
	m.vocabulary = g.vocabulary;
	m.context_length = g.context_length;
	m.sliding_window = g.sliding_window;
	m.kv_lora_rank = g.kv_lora_rank;
	m.conv_kernel = g.conv_kernel;
	m.inner_size = g.inner_size;
	m.state_size = g.state_size;
	m.group_count = g.group_count;
	take_layers(&g, &m);
	*out = m;
	return 0;
}
