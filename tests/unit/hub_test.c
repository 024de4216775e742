/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "hub/hub.h"

/* ---- addresses ---- */

static void addresses(void **state) {
	static const struct {
		const char *name, *text, *repo, *revision, *file;
	} rows[] = {
		{"a repository", "hf://org/repo", "org/repo", NULL, NULL},
		{"with a slash", "hf://org/repo/", "org/repo", NULL, NULL},
		{"a branch", "hf://org/repo@main", "org/repo", "main", NULL},
		{"a tag", "hf://org/repo-1.5_x@v1.0", "org/repo-1.5_x", "v1.0", NULL},
		{"a file", "hf://org/repo/a.gguf", "org/repo", NULL, "a.gguf"},
		{"a file at a revision", "hf://org/repo@v1/sub dir/a.gguf", "org/repo", "v1",
		 "sub dir/a.gguf"},
		{"no repository", "hf://org", NULL, NULL, NULL},
		{"no organisation", "hf:///repo", NULL, NULL, NULL},
		{"no revision", "hf://org/repo@", NULL, NULL, NULL},
		{"no revision, a file", "hf://org/repo@/a", NULL, NULL, NULL},
		{"a query", "hf://org/repo?x", NULL, NULL, NULL},
		{"up", "hf://org/repo/../x", NULL, NULL, NULL},
		{"an empty part", "hf://org/repo/a//b", NULL, NULL, NULL},
		{"another scheme", "https://org/repo", NULL, NULL, NULL},
		{"a blank", "hf://org/re po", NULL, NULL, NULL},
	};

	(void) state;
	EACH_CASE (c, rows) {
		struct hub_address a CLEANUP(hub_address_done) = {0};
		struct err e = {0};
		char *expect CLEANUP(freep) =
			mem_printf("'%s' is not of the form hf://ORG/REPO[@REVISION][/FILE]",
				   c->text);
		if (!c->repo) {
			assert_int_equal(hub_address_parse(c->text, &a, &e), -1);
			assert_int_equal(e.code, ERR_USAGE);
			assert_string_equal(e.msg, expect);
			continue;
		}
		assert_int_equal(hub_address_parse(c->text, &a, &e), 0);
		assert_string_equal(a.repo, c->repo);
		assert_string_equal(a.revision ? a.revision : "", c->revision ? c->revision : "");
		assert_string_equal(a.file ? a.file : "", c->file ? c->file : "");
	}
}

/* ---- files ---- */

static void what_files_are(void **state) {
	static const struct {
		const char *name, *path;
		enum hub_kind kind;
		const char *label;
		unsigned bits, promised;
	} rows[] = {
		{"the usual", "SmolLM2-135M-Instruct.Q4_K_M.gguf", HUB_MODEL, "Q4_K_M", 4, 1},
		{"with dashes", "Qwen3-8B-Q8_0.gguf", HUB_MODEL, "Q8_0", 8, 1},
		{"lower case", "tiny-q5_k_s.gguf", HUB_MODEL, "Q5_K_S", 5, 1},
		{"importance", "m-IQ4_XS.gguf", HUB_MODEL, "IQ4_XS", 4, 1},
		{"ternary", "m-TQ1_0.gguf", HUB_MODEL, "TQ1_0", 1, 1},
		{"dynamic", "gemma-UD-Q4_K_XL.gguf", HUB_MODEL, "UD-Q4_K_XL", 4, 1},
		{"interleaved", "m.Q4_0_8_8.gguf", HUB_MODEL, "Q4_0_8_8", 4, 1},
		{"floating point", "m-BF16.gguf", HUB_MODEL, "BF16", 16, 1},
		{"floating point, otherwise", "m-fp16.gguf", HUB_MODEL, "FP16", 16, 1},
		{"full", "m.f32.gguf", HUB_MODEL, "F32", 32, 1},
		{"microscaling", "gpt-oss-20b-mxfp4.gguf", HUB_MODEL, "MXFP4", 4, 1},
		{"the last one counts", "Q8_0-of-F16-m-Q3_K_M.gguf", HUB_MODEL, "Q3_K_M", 3, 1},
		{"in a folder", "Q8_0/m name Q6_K.gguf", HUB_MODEL, "Q6_K", 6, 1},
		{"a folder is no label", "Q8_0/model.gguf", HUB_MODEL, "", 0, 1},
		{"a word with Q", "m-Q4x.gguf", HUB_MODEL, "", 0, 1},
		{"a part", "m-Q8_0-00001-of-00003.gguf", HUB_SPLIT, "Q8_0", 8, 3},
		{"one of one is whole", "m-Q8_0-00001-of-00001.gguf", HUB_MODEL, "Q8_0", 8, 1},
		{"a projector", "mmproj-model-f16.gguf", HUB_MMPROJ, "", 0, 1},
		{"a projector behind", "m.mmproj-Q8_0.gguf", HUB_MMPROJ, "", 0, 1},
		{"an importance matrix", "m.imatrix", HUB_IMATRIX, "", 0, 1},
		{"an importance matrix as GGUF", "imatrix_unsloth.gguf", HUB_IMATRIX, "", 0, 1},
		{"safetensors", "model-00001-of-00002.safetensors", HUB_SAFETENSORS, "", 0, 1},
		{"text", "README.md", HUB_OTHER, "", 0, 1},
	};

	(void) state;
	EACH_CASE (c, rows) {
		struct hub_file f = {.path = (char *) (uintptr_t) c->path, .size = 5};
		struct hub_repo r = {.files = &f, .n = 1};
		size_t n;
		struct hub_model *list CLEANUP(freep) = hub_models(&r, &n);
		assert_int_equal(n, 1);
		assert_int_equal(list[0].kind, c->kind);
		assert_string_equal(list[0].label, c->label);
		assert_int_equal(list[0].bits, c->bits);
		assert_int_equal(list[0].promised, c->promised);
	}
}

static void parts_are_one_row(void **state) {
	struct hub_file files[] = {
		{.path = (char *) (uintptr_t) "a-00001-of-00002.gguf", .size = 10},
		{.path = (char *) (uintptr_t) "a-00002-of-00002.gguf", .size = 20},
		{.path = (char *) (uintptr_t) "b-00001-of-00002.gguf", .size = 1},
		{.path = (char *) (uintptr_t) "c.gguf", .size = 7},
	};
	struct hub_repo r = {.files = files, .n = 4};
	size_t n;
	struct hub_model *list CLEANUP(freep) = hub_models(&r, &n);

	(void) state;
	assert_int_equal(n, 3);
	assert_string_equal(list[0].file->path, "b-00001-of-00002.gguf");
	assert_int_equal(list[0].parts, 1);
	assert_string_equal(list[1].file->path, "c.gguf");
	assert_int_equal(list[2].parts, 2);
	assert_int_equal(list[2].bytes, 30);
}

/* Labels, smallest first; '-' before one that is not usable. */
static void what_is_picked(void **state) {
	static const struct {
		const char *name;
		const char *const labels[10];
		const char *const picks[5];
	} rows[] = {
		{"a usual repository",
		 {"IQ2_M", "Q3_K_M", "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16"},
		 {"Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"}},
		{"no K", {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}, {"Q4_1", "Q5_1", "Q8_0"}},
		{"large ones do not fit", {"Q3_K_M", "Q4_K_M", "-Q5_K_M", "-Q8_0"}, {"Q4_K_M"}},
		{"three bits where four do not fit",
		 {"Q2_K", "Q3_K_S", "Q3_K_M", "-Q4_K_M"},
		 {"Q3_K_M"}},
		{"two bits are the last choice", {"Q2_K", "-Q3_K_M"}, {"Q2_K"}},
		{"never beside better ones", {"Q2_K", "Q4_K_M"}, {"Q4_K_M"}},
		{"as it was trained", {"BF16", "F32"}, {"BF16"}},
		{"no label", {"", "F32"}, {"F32"}},
		{"no label alone", {""}, {""}},
		{"unknown labels of a width", {"Q4_X", "Q4_Y"}, {"Q4_X"}},
		{"dynamic",
		 {"UD-Q4_K_XL", "UD-Q2_K_XL", "UD-Q8_K_XL"},
		 {"UD-Q4_K_XL", "UD-Q8_K_XL"}},
		{"nothing", {"-Q4_K_M"}, {NULL}},
	};

	(void) state;
	EACH_CASE (c, rows) {
		struct hub_file files[10] = {0};
		bool usable[10];
		size_t n = 0, picks[HUB_PICKS], count;
		for (; n < 10 && c->labels[n]; n++)
			files[n] = (struct hub_file){
				.path = mem_printf("m.%s.gguf",
						   c->labels[n] + (*c->labels[n] == '-')),
				.size = n + 1};
		struct hub_repo r = {.files = files, .n = n};
		struct hub_model *list CLEANUP(freep) = hub_models(&r, &count);
		assert_int_equal(count, n);
		for (size_t i = 0; i < n; i++)
			usable[i] = *c->labels[i] != '-';
		size_t got = hub_pick(list, n, usable, picks), want = 0;
		while (c->picks[want])
			want++;
		assert_int_equal(got, want);
		for (size_t i = 0; i < got; i++)
			assert_string_equal(list[picks[i]].label, c->picks[i]);
		for (size_t i = 0; i < n; i++)
			free(files[i].path);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(what_files_are),
		cmocka_unit_test(parts_are_one_row),
		cmocka_unit_test(what_is_picked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
