/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "runtime/runtime.h"

/* Every definition, every backend: the words that its engine would be started with. A space ends a
 * word; none of them has one. */
static const struct {
	const char *name, *runtime, *backend, *kv_cache;
	uint64_t devices;
	const char *argv, *env;
} starts[] = {
	{"llama.cpp on a processor", "llama.cpp", "cpu", "f16", 1,
	 "--model M --alias route --host /run/engine/engine.sock --ctx-size 16384 --parallel 4 "
	 "--cache-type-k f16 --cache-type-v f16 "
	 "--chat-template-file T --offline --fit off --no-kv-unified --flash-attn on --jinja "
	 "--no-context-shift --cache-ram 0 "
	 "--ctx-checkpoints 0 --metrics --no-webui --log-colors off --log-verbosity 4 --device "
	 "none",
	 "LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive"},
	{"vllm on NVIDIA", "vllm", "cuda", "f16", 1,
	 "vllm serve M --served-model-name route --uds /run/engine/engine.sock --max-model-len "
	 "4096 --max-num-seqs 4 "
	 "--kv-cache-dtype auto --gpu-memory-utilization 0.92 --chat-template T "
	 "--disable-access-log-for-endpoints /health,/metrics --disable-fastapi-docs",
	 "DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1"},
	{"vllm on two of AMD", "vllm", "rocm", "fp8_e4m3", 2,
	 "vllm serve M --served-model-name route --uds /run/engine/engine.sock --max-model-len "
	 "4096 --max-num-seqs 4 "
	 "--kv-cache-dtype fp8_e4m3 --gpu-memory-utilization 0.92 --tensor-parallel-size 2 "
	 "--chat-template T "
	 "--disable-access-log-for-endpoints /health,/metrics --disable-fastapi-docs",
	 "DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1"},
	{"tensorrt-llm", "tensorrt-llm", "cuda", "fp8_e4m3", 2,
	 "trtllm-serve M --served_model_name route --max_seq_len 4096 --max_batch_size 4 "
	 "--kv_cache_dtype fp8 "
	 "--kv_cache_free_gpu_memory_fraction 0.90 --tp_size 2 --chat_template T --backend pytorch "
	 "--host 0.0.0.0 --port 8000 "
	 "--set return_perf_metrics=true",
	 "HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1"},
	{"sglang on NVIDIA", "sglang", "cuda", "f16", 1,
	 "python3 -m sglang.launch_server --model-path M --served-model-name route "
	 "--context-length 4096 --max-running-requests 4 "
	 "--kv-cache-dtype auto --mem-fraction-static 0.90 --chat-template T --host 0.0.0.0 --port "
	 "30000 --enable-metrics",
	 "HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1"},
	{"sglang on AMD", "sglang", "rocm", "bf16", 1,
	 "python3 -m sglang.launch_server --model-path M --served-model-name route "
	 "--context-length 4096 --max-running-requests 4 "
	 "--kv-cache-dtype auto --mem-fraction-static 0.90 --chat-template T --host 0.0.0.0 --port "
	 "30000 --enable-metrics",
	 "HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1"},
	{"ollama: all of it is environment", "ollama", "cuda", "q8_0", 1, "/bin/ollama serve",
	 "OLLAMA_CONTEXT_LENGTH=4096 OLLAMA_FLASH_ATTENTION=1 OLLAMA_HOST=0.0.0.0:11434 "
	 "OLLAMA_KEEP_ALIVE=-1 OLLAMA_KV_CACHE_TYPE=q8_0 "
	 "OLLAMA_MAX_LOADED_MODELS=1 OLLAMA_MODELS=/models OLLAMA_NOPRUNE=1 OLLAMA_NO_CLOUD=1 "
	 "OLLAMA_NUM_PARALLEL=4"},
	{"lm-studio on a processor", "lm-studio", "cpu", "f16", 1,
	 "lms load M --identifier route --context-length 4096 --exact --yes --gpu off", ""},
	{"lm-studio on Apple", "lm-studio", "metal", "f16", 1,
	 "lms load M --identifier route --context-length 4096 --exact --yes --gpu max", ""},
	{"mlx-lm", "mlx-lm", "metal", "f16", 1,
	 "mlx_lm.server --model M --decode-concurrency 4 --host 127.0.0.1 --port 8080 "
	 "--prompt-cache-size 1",
	 "HF_HUB_OFFLINE=1"},
};

static struct runtime *load(const char *name) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	char *dir CLEANUP(freep) = mem_printf("runtimes/%s", name);
	struct runtime *rt = NULL;
	struct err e = {0};

	if (runtime_load(dir, &rt, &c, &e))
		for (size_t i = 0; i < c.n; i++)
			print_error("%s:%d:%d: %s\n", c.at[i].file, c.at[i].line, c.at[i].col,
				    c.at[i].message);
	assert_string_equal(e.msg, "");
	return rt;
}

static void join(const char *const *words, struct buf *out) {
	for (size_t i = 0; words[i]; i++)
		(void) buf_printf(out, "%s%s", out->len ? " " : "", words[i]);
}

static void argv_of_every_runtime(void **state) {
	(void) state;
	EACH_CASE (s, starts) {
		struct buf argv CLEANUP(buf_done) = BUF_INIT(1 << 16),
				env CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct runtime *rt CLEANUP(runtime_freep) = load(s->runtime);
		struct runtime_words words;
		struct runtime_values v = {.backend = runtime_backend(rt, s->backend),
					   .model = "M",
					   .served_name = "route",
					   .kv_cache = s->kv_cache,
					   .chat_template = "T",
					   .context_tokens = 4096,
					   .sequences = 4,
					   .devices = s->devices};

		assert_non_null(v.backend);
		runtime_argv(rt, &v, arena, &words);
		/* The words before --model of llama.cpp have blanks: runtime_test has them. */
		join(words.argv + (strcmp(s->runtime, "llama.cpp") ? 0 : rt->n_command), &argv);
		join(words.env, &env);
		assert_string_equal(buf_str(&argv), s->argv);
		assert_string_equal(buf_str(&env), s->env);
		assert_null(words.argv[words.n_argv]);
		assert_null(words.env[words.n_env]);
	}
}

static void argv_adapters_and_extras(void **state) {
	static const char *const adapters[] = {"A", "B"}, *const scales[] = {"1.0", "0.5"},
				 *const extra[] = {"--threads", "4"};
	struct buf argv CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct runtime *rt CLEANUP(runtime_freep) = load("llama.cpp");
	struct runtime_words words;
	struct runtime_values v = {.backend = runtime_backend(rt, "cpu"),
				   .model = "M",
				   .adapters = adapters,
				   .scales = scales,
				   .n_adapters = 2,
				   .extra = extra,
				   .n_extra = 2};

	(void) state;
	runtime_argv(rt, &v, arena, &words);
	join(words.argv + rt->n_command, &argv);
	assert_non_null(strstr(buf_str(&argv), "--model M --lora-scaled A:1.0,B:0.5 --host "));
	assert_null(strstr(buf_str(&argv), "--alias"));
	assert_null(strstr(buf_str(&argv), "--ctx-size"));
	assert_string_equal(words.argv[words.n_argv - 2], "--threads");
}

/* Every definition of the tree is in the table above. */
static void argv_table_is_whole(void **state) {
	const char *const dirs[] = {"runtimes"};
	char **names CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n = 0;

	(void) state;
	assert_int_equal(runtime_list(dirs, 1, &names, &n, &e), 0);
	assert_true(n >= 7);
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t k = 0; k < sizeof starts / sizeof *starts; k++)
			found |= !strcmp(starts[k].runtime, names[i]);
		if (!found)
			fail_msg("no argv of '%s' is expected", names[i]);
	}
}

static void argv_model_paths(void **state) {
	static const struct {
		const char *name, *path;
	} paths[] = {
		{"llama.cpp", "/models/model.gguf"},
		{"vllm", "/models/model"},
		{"ollama", "route"},
		{"lm-studio", "route"},
		{"mlx-lm", "/models/model"},
	};

	(void) state;
	EACH_CASE (p, paths) {
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct runtime *rt CLEANUP(runtime_freep) = load(p->name);

		assert_string_equal(runtime_model_path(rt, "route", arena), p->path);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(argv_of_every_runtime),
					   cmocka_unit_test(argv_adapters_and_extras),
					   cmocka_unit_test(argv_table_is_whole),
					   cmocka_unit_test(argv_model_paths)};

	return cmocka_run_group_tests_name("runtime_argv", tests, NULL, NULL);
}
