/* SPDX-License-Identifier: Apache-2.0 */
#include "model_case.h"

#include <sys/stat.h>

#include "json/json.h"

/* Each family as llama-server 1:0.7.0+dfsg-2 sees it: its log for 512 cells of f16 gives the
 * numbers of a token (MiB x 2^20 / 512 / 2), and the recurrent state of one sequence (bytes / 4 /
 * layers). */
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

static void model_families(void **state) {
	char *path CLEANUP(freep) = path_in(state, "family.gguf");

	EACH_CASE (c, families) {
		const struct gguf_family *family = gguf_family_find(c->name);
		struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(family,
										&family->shape);
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

/* --- in parts --- */

static void model_split(void **state) {
	char *path CLEANUP(freep) = path_in(state, "s-00001-of-00003.gguf"),
		   *one CLEANUP(freep) = path_in(state, "family.gguf");
	struct model_facts parts CLEANUP(model_facts_done) = {0},
				 whole CLEANUP(model_facts_done) = {0},
				 first CLEANUP(model_facts_done) = {0};
	struct gguf_file *f CLEANUP(gguf_file_freep) =
		gguf_family_file(gguf_family_find("moe"), &gguf_family_find("moe")->shape);
	struct err e = {0};

	write_split(state, "moe", 3);
	assert_int_equal(gguf_file_write(f, one, false), 0);
	assert_int_equal(model_read_path(path, &parts, &e), 0);
	assert_int_equal(model_read_path(one, &whole, &e), 0);
	assert_int_equal(parts.files, 3);
	assert_int_equal(parts.split_files, 3);
	assert_int_equal(parts.tensors, whole.tensors);
	assert_int_equal(parts.tensor_bytes, whole.tensor_bytes);
	assert_int_equal(parts.expert_bytes, whole.expert_bytes);
	assert_int_equal(model_active_bytes(&parts), model_active_bytes(&whole));
	first = facts_of(path);
	assert_int_equal(first.files, 1);
	assert_int_equal(first.split_files, 3);
}

/* What is done to the three parts before the first is read, and what is said. */
static void take_away(const char *folder) {
	char *path CLEANUP(freep) = mem_printf("%s/s-00002-of-00003.gguf", folder);
	assert_int_equal(unlink(path), 0);
}

static void swap(const char *folder) {
	char *second CLEANUP(freep) = mem_printf("%s/s-00002-of-00003.gguf", folder),
		     *third CLEANUP(freep) = mem_printf("%s/s-00003-of-00003.gguf", folder);
	assert_int_equal(rename(third, second), 0);
}

static void nothing(const char *folder) {
	(void) folder;
}

/* The third part of another model. */
static void mix(const char *folder) {
	struct gguf_file *f CLEANUP(gguf_file_freep) =
		gguf_family_file(gguf_family_find("llama"), &gguf_family_find("llama")->shape);
	char *prefix CLEANUP(freep) = mem_printf("%s/o", folder),
		     *from CLEANUP(freep) = mem_printf("%s/o-00003-of-00003.gguf", folder),
		     *to CLEANUP(freep) = mem_printf("%s/s-00003-of-00003.gguf", folder);

	assert_int_equal(gguf_file_write_split(f, prefix, 3, false), 0);
	assert_int_equal(rename(from, to), 0);
}

static void double_up(const char *folder) {
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_file_new("llama"),
			    *same CLEANUP(gguf_file_freep) = gguf_file_new("llama");
	char *prefix CLEANUP(freep) = mem_printf("%s/s", folder);

	for (int i = 0; i < 3; i++)
		gguf_file_tensor(f, i == 1 ? "b" : "a", GGUF_FILE_F32, 1, (uint64_t[]){8});
	(void) same;
	assert_int_equal(gguf_file_write_split(f, prefix, 3, false), 0);
}

static const struct {
	const char *name;
	void (*change)(const char *folder);
	const char *read;
	enum err_code code;
	const char *msg; /* {} is the folder */
} splits[] = {
	{"a part is missing", take_away, "s-00001-of-00003.gguf", ERR_INTEGRITY,
	 "'{}/s-00002-of-00003.gguf' is missing: it is part 2 of 3 of the model"},
	{"parts in another's place", swap, "s-00001-of-00003.gguf", ERR_INTEGRITY,
	 "'{}/s-00002-of-00003.gguf' says that it is part 3 of 3, where part 2 of 3 was expected"},
	{"a part of another model", mix, "s-00001-of-00003.gguf", ERR_INTEGRITY,
	 "'{}/s-00001-of-00003.gguf' promises 51 tensors, and its 3 parts have 47"},
	{"a tensor in two parts", double_up, "s-00001-of-00003.gguf", ERR_INTEGRITY,
	 "'{}/s-00001-of-00003.gguf' and its parts have a tensor 'a' twice"},
	{"not the first part", nothing, "s-00002-of-00003.gguf", ERR_SPEC,
	 "'{}/s-00002-of-00003.gguf' is part 2 of 3 of a split model: name its first part"},
};

static void model_bad_splits(void **state) {
	EACH_CASE (c, splits) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *path CLEANUP(freep) = path_in(state, c->read),
			   *msg CLEANUP(freep) = with_folder(c->msg, *state);
		struct err e = {0};

		write_split(state, "moe", 3);
		c->change(*state);
		assert_int_equal(model_read_path(path, &m, &e), -1);
		assert_string_equal(e.msg, msg);
		assert_int_equal(e.code, c->code);
		assert_null(m.layers);
	}
}

static void model_renamed_part(void **state) {
	char *from CLEANUP(freep) = path_in(state, "s-00001-of-00003.gguf"),
		   *to CLEANUP(freep) = path_in(state, "first.gguf"),
		   *msg CLEANUP(freep) =
			   mem_printf("'%s' is the first of 3 parts and does not end in "
				      "'-00001-of-00003.gguf', so that the others cannot be found",
				      to);
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	write_split(state, "moe", 3);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(model_read_path(to, &m, &e), -1);
	assert_string_equal(e.msg, msg);
}

/* --- what the files say wrong --- */

static void own_list(struct gguf_file *f, const char *key, const int32_t *list, size_t n) {
	gguf_file_own_i32s(f, key, list, n);
}

static void shares_all(struct gguf_file *f) {
	gguf_file_own(f, "attention.shared_kv_layers", 3);
}

static void many_next(struct gguf_file *f) {
	gguf_file_own(f, "nextn_predict_layers", 3);
}

static void many_experts(struct gguf_file *f) {
	gguf_file_own(f, "expert_count", 2);
	gguf_file_own(f, "expert_used_count", 3);
}

static void negative_heads(struct gguf_file *f) {
	own_list(f, "attention.head_count_kv", (int32_t[]){1, -1}, 2);
}

static void wide_heads(struct gguf_file *f) {
	gguf_file_own(f, "attention.key_length", 1 << 25);
}

static void short_pattern(struct gguf_file *f) {
	gguf_file_own(f, "attention.sliding_window", 512);
	own_list(f, "attention.sliding_window_pattern", (int32_t[]){1}, 1);
}

static void negative_pattern(struct gguf_file *f) {
	gguf_file_own(f, "attention.sliding_window", 512);
	char *key CLEANUP(freep) = mem_strdup("toy.attention.sliding_window_pattern");
	gguf_file_i32s(f, key, (int32_t[]){-1, -1}, 2);
}

static void wide(struct gguf_file *f) {
	gguf_file_own(f, "embedding_length", 1 << 25);
}

static const struct {
	const char *name;
	void (*make)(struct gguf_file *f);
	const char *msg;
} lies[] = {
	{"more shared caches than layers", shares_all,
	 "'toy' says 3 layers with a shared KV cache and has 2"},
	{"more further-token layers than layers", many_next,
	 "'toy' says 3 layers that predict further tokens and has 2"},
	{"more experts used than there are", many_experts,
	 "'toy' uses 3 experts at once and has 2"},
	{"negative heads", negative_heads,
	 "'toy' says 'toy.attention.head_count_kv' with a negative value"},
	{"heads too wide", wide_heads,
	 "'toy' says 'toy.attention.key_length' with a value out of range"},
	{"a pattern too short", short_pattern,
	 "'toy' says 'toy.attention.sliding_window_pattern' for 1 layers and has 2"},
	{"a negative pattern", negative_pattern,
	 "'toy' says 'toy.attention.sliding_window_pattern' with a negative value"},
	{"too wide", wide, "'toy' says 'toy.embedding_length' with a value out of range"},
};

static void model_lies(void **state) {
	char *path CLEANUP(freep) = path_in(state, "toy");

	EACH_CASE (c, lies) {
		struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_file_new("toy");
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};

		gguf_file_own(f, "block_count", 2);
		c->make(f);
		assert_int_equal(gguf_file_write(f, path, true), 0);
		int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(model_read(fd, "toy", &m, &e), -1);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, ERR_INTEGRITY);
	}
}

/* --- by the bytes, not the name --- */

static void model_by_bytes(void **state) {
	const struct gguf_family *family = gguf_family_find("llama");
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(family, &family->shape);
	char *path CLEANUP(freep) = path_in(state, "model.safetensors");
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	assert_int_equal(gguf_file_write(f, path, false), 0);
	assert_int_equal(model_read_path(path, &m, &e), 0);
	assert_string_equal(m.format, "gguf");
}

static const struct {
	const char *name, *text, *msg;
} strangers[] = {
	{"a web page", "<!DOCTYPE html>",
	 "'{}/m' is neither GGUF nor safetensors nor a model card"},
	{"nothing", "", "'{}/m' is neither GGUF nor safetensors nor a model card"},
	{"not fetched", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
	 "'{}/m' is a pointer of Git LFS, not the model: run git lfs pull"},
};

static void model_strangers(void **state) {
	char *path CLEANUP(freep) = path_in(state, "m");

	EACH_CASE (c, strangers) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *msg CLEANUP(freep) = with_folder(c->msg, *state);
		struct err e = {0};

		write_text(state, "m", c->text);
		assert_int_equal(model_read_path(path, &m, &e), -1);
		assert_string_equal(e.msg, msg);
		assert_int_equal(e.code, ERR_SPEC);
	}
}

/* A folder with the parts of one model is that model. */
static void model_folders(void **state) {
	char *folder CLEANUP(
		freep) = path_in(state, "folder"),
	*prefix CLEANUP(freep) = path_in(state, "folder/m"),
	*none CLEANUP(freep) = mem_printf("'%s' has neither safetensors nor GGUF files", folder),
	*two CLEANUP(freep) = mem_printf("'%s' has 2 GGUF models: name one", folder),
	*other CLEANUP(freep) = path_in(state, "folder/o.gguf");
	struct gguf_file *f CLEANUP(gguf_file_freep) =
		gguf_family_file(gguf_family_find("moe"), &gguf_family_find("moe")->shape);
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(model_read_path(folder, &m, &e), -1);
	assert_string_equal(e.msg, none);
	assert_int_equal(gguf_file_write_split(f, prefix, 3, false), 0);
	if (model_read_path(folder, &m, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(m.files, 3);
	assert_int_equal(gguf_file_write(f, other, false), 0);
	struct model_facts again CLEANUP(model_facts_done) = {0};

	assert_int_equal(model_read_path(folder, &again, &e), -1);
	assert_string_equal(e.msg, two);
}

static void model_many_parts(void **state) {
	char *path CLEANUP(freep) = path_in(state, "p-00001-of-05000.gguf"),
		   *msg CLEANUP(freep) = mem_printf("'%s' is one of 5000 parts, the limit is 1000",
						    path);
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_file_new("llama");
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	gguf_file_u16(f, "split.count", 5000);
	assert_int_equal(gguf_file_write(f, path, true), 0);
	assert_int_equal(model_read_path(path, &m, &e), -1);
	assert_string_equal(e.msg, msg);
}

/* --- all of it as JSON --- */

static void model_as_json(void **state) {
	char *path CLEANUP(freep) = path_in(state, "family.gguf");
	const struct gguf_family *family = gguf_family_find("gemma4");
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(family, &family->shape);

	assert_int_equal(gguf_file_write(f, path, false), 0);
	struct model_facts m CLEANUP(model_facts_done) = facts_of(path);
	struct json *j CLEANUP(json_freep) = model_json(&m);

	assert_string_equal(json_str(j, "architecture"), "gemma4");
	assert_int_equal(json_count(json_get(j, "layers")), 10);
	assert_string_equal(json_str(json_path(j, "layers.0"), "kind"), "window");
	assert_true(json_true(json_path(j, "layers.9"), "shares_kv"));
	assert_int_equal(json_int_or(j, "active_bytes", 0), model_active_bytes(&m));
	assert_int_equal(json_int_or(json_path(j, "types.0"), "bytes", 0), m.types[0].bytes);
}

/* --- what is read for a token --- */

static const struct {
	const char *name;
	struct model_facts m;
	uint64_t active;
} actives[] = {
	{"all of a dense, tied model", {.tensor_bytes = 100, .token_embedding_bytes = 20}, 100},
	{"the token table is read by row where the output is its own",
	 {.tensor_bytes = 100, .token_embedding_bytes = 20, .output_bytes = 20},
	 80},
	{"per-layer embeddings are read by row",
	 {.tensor_bytes = 100, .per_layer_embedding_bytes = 30},
	 70},
	{"the share of the experts",
	 {.tensor_bytes = 100, .expert_bytes = 80, .experts = 8, .experts_used = 2},
	 40},
	{"all of the experts",
	 {.tensor_bytes = 100, .expert_bytes = 80, .experts = 2, .experts_used = 2},
	 100},
	{"further-token layers are not", {.tensor_bytes = 100, .nextn_bytes = 10}, 90},
};

static void model_actives(void **state) {
	(void) state;
	EACH_CASE (c, actives)
		assert_int_equal(model_active_bytes(&c->m), c->active);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_families),   cmocka_unit_test(model_split),
		cmocka_unit_test(model_bad_splits), cmocka_unit_test(model_renamed_part),
		cmocka_unit_test(model_lies),       cmocka_unit_test(model_by_bytes),
		cmocka_unit_test(model_strangers),  cmocka_unit_test(model_folders),
		cmocka_unit_test(model_many_parts), cmocka_unit_test(model_as_json),
		cmocka_unit_test(model_actives),
	};

	return cmocka_run_group_tests_name("model", tests, setup, teardown);
}
