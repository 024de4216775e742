#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/gguf_family.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"

static char *path_in(void **state, const char *name) {
	return mem_printf("%s/%s", (const char *) *state, name);
}

static int setup(void **state) {
	char template[] = "/tmp/model_test.XXXXXX";

	*state = mem_strdup(mkdtemp(template));
	return 0;
}

static int teardown(void **state) {
	char *command CLEANUP(freep) = mem_printf("rm -rf '%s'", (const char *) *state);

	free(*state);
	*state = NULL;
	return system(command);
}

/* One letter a layer: F full, W window, R recurrent, N none, B both; lower case shares another's cells. */
static char letter(const struct model_layer *l) {
	static const char letters[] = {[MODEL_ATTENTION] = 'F', [MODEL_WINDOW] = 'W', [MODEL_RECURRENT] = 'R', [MODEL_NONE] = 'N'};
	char c = l->has_state && l->kind != MODEL_RECURRENT ? 'B' : letters[l->kind];

	return l->shares_kv ? (char) (c | 0x20) : c;
}

/* Numbers that one token keeps in the caches of all layers that have cells: what the engine's KV cache is proportional to. */
static uint64_t cached(const struct model_facts *m, enum model_layer_kind kind) {
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_layers; i++)
		if (m->layers[i].kind == kind && !m->layers[i].shares_kv)
			n += (uint64_t) m->layers[i].kv_heads * (m->layers[i].key_length + m->layers[i].value_length);
	return n;
}

/* Each family as llama-server 1:0.7.0+dfsg-2 sees it: its log for 512 cells of f16 gives the numbers of a token (MiB x 2^20 / 512 / 2),
 * and the recurrent state of one sequence (bytes / 4 / layers). */
static const struct {
	const char *name, *kinds;
	uint64_t full, window, state; /* numbers */
	uint64_t experts, latent;
	bool tied;
} families[] = {
	{"llama", "FFFF", .full = 1024},
	{"mqa", "FFFF", .full = 512},
	{"mha", "FFFF", .full = 2048},
	{"tied", "FFFF", .full = 1024, .tied = true},
	{"moe", "FFFF", .full = 1024, .experts = 8},
	{"gemma3", "WWWWWFWWWWWF", .full = 512, .window = 2560, .tied = true},
	{"gemma4", "WWWWFwwwwf", .full = 128, .window = 256, .tied = true},
	{"gpt-oss", "WFWF", .full = 512, .window = 512, .experts = 8},
	{"deepseek2", "FFFF", .full = 1152, .experts = 8, .latent = 256},
	{"qwen35moe", "RRRFRRRF", .full = 512, .state = 35840, .experts = 8},
	{"granite-hybrid", "RRRFRRRF", .full = 512, .state = 34688},
	{"jamba", "RRRFRRRF", .full = 512, .state = 9728},
	{"mamba", "RRRR", .state = 9728},
	{"lfm2", "RRRFRRRF", .full = 512, .state = 512, .tied = true},
};

static struct model_facts facts_of(const char *path) {
	struct model_facts m = {0};
	struct err e = {0};
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);

	if (model_read(fd, path, &m, &e))
		fail_msg("%s", e.msg);
	return m;
}

static void model_families(void **state) {
	char *path CLEANUP(freep) = path_in(state, "family.gguf");

	EACH_CASE(c, families) {
		const struct gguf_family *family = gguf_family_find(c->name);
		struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(family, &family->shape);
		char kinds[64] = "";

		assert_int_equal(gguf_file_write(f, path, false), 0);
		struct model_facts m CLEANUP(model_facts_done) = facts_of(path);

		for (size_t i = 0; i < m.n_layers; i++)
			kinds[i] = letter(&m.layers[i]);
		assert_string_equal(kinds, c->kinds);
		assert_string_equal(m.format, "gguf");
		assert_string_equal(m.kind, "model");
		assert_string_equal(m.name, c->name);
		assert_int_equal(cached(&m, MODEL_ATTENTION), c->full);
		assert_int_equal(cached(&m, MODEL_WINDOW), c->window);
		assert_int_equal(m.state_numbers, c->state);
		assert_int_equal(m.experts, c->experts);
		assert_int_equal(m.kv_lora_rank, c->latent);
		assert_int_equal(m.sliding_window, family->shape.window);
		assert_int_equal(m.vocabulary, 512);
		assert_int_equal(m.context_length, 8192);
		assert_int_equal(m.token_embedding_bytes, 512 * 256 * 2);
		assert_int_equal(m.output_bytes, c->tied ? 0 : 512 * 256 * 2);
		assert_int_equal(m.tensors, gguf_file_tensors(f));
		assert_true(m.tensor_bytes <= m.file_bytes && m.parameters * 2 <= m.tensor_bytes);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_families),
	};

	return cmocka_run_group_tests_name("model", tests, setup, teardown);
}
