#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/complaints.h"
#include "base/err.h"
#include "base/mem.h"
#include "runtime/runtime.h"

/* Every definition, every backend: the words that its engine would be started with. A space ends a word; none of them has one. */
static const struct {
	const char *name, *runtime, *backend, *kv_cache;
	uint64_t devices;
	const char *argv, *env;
} starts[] = {
	{"llama.cpp on a processor", "llama.cpp", "cpu", "f16", 1,
	 "--model M --alias route --host /run/engine/engine.sock --ctx-size 16384 --parallel 4 --cache-type-k f16 --cache-type-v f16 "
	 "--chat-template-file T --offline --fit off --no-kv-unified --flash-attn on --jinja --no-context-shift --cache-ram 0 "
	 "--ctx-checkpoints 0 --metrics --no-webui --log-colors off --log-verbosity 4 --device none",
	 "LC_ALL=C.UTF-8 OMP_WAIT_POLICY=passive"},
	{"vllm on NVIDIA", "vllm", "cuda", "f16", 1,
	 "vllm serve M --served-model-name route --uds /run/engine/engine.sock --max-model-len 4096 --max-num-seqs 4 "
	 "--kv-cache-dtype float16 --gpu-memory-utilization 0.92 --chat-template T "
	 "--disable-access-log-for-endpoints /health,/metrics --disable-fastapi-docs",
	 "DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1"},
	{"vllm on two of AMD", "vllm", "rocm", "fp8_e4m3", 2,
	 "vllm serve M --served-model-name route --uds /run/engine/engine.sock --max-model-len 4096 --max-num-seqs 4 "
	 "--kv-cache-dtype fp8_e4m3 --gpu-memory-utilization 0.92 --tensor-parallel-size 2 --chat-template T "
	 "--disable-access-log-for-endpoints /health,/metrics --disable-fastapi-docs",
	 "DO_NOT_TRACK=1 HF_HUB_OFFLINE=1 HOME=/tmp TRANSFORMERS_OFFLINE=1 VLLM_NO_USAGE_STATS=1"},
};

static struct runtime *load(const char *name) {
	struct complaints c CLEANUP(complaints_done) = {0};
	char *dir CLEANUP(freep) = mem_printf("runtimes/%s", name);
	struct runtime *rt = NULL;
	struct err e = {0};

	if (runtime_load(dir, &rt, &c, &e))
		for (size_t i = 0; i < c.n; i++)
			print_error("%s:%d:%d: %s\n", c.at[i].file, c.at[i].line, c.at[i].col, c.at[i].message);
	assert_string_equal(e.msg, "");
	return rt;
}

static void join(const char *const *words, struct buf *out) {
	for (size_t i = 0; words[i]; i++)
		(void) buf_printf(out, "%s%s", out->len ? " " : "", words[i]);
}

static void argv_of_every_runtime(void **state) {
	(void) state;
	EACH_CASE(s, starts) {
		struct buf argv CLEANUP(buf_done) = BUF_INIT(1 << 16), env CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct runtime *rt CLEANUP(runtime_freep) = load(s->runtime);
		struct runtime_words words;
		struct runtime_values v = {.backend = runtime_backend(rt, s->backend), .model = "M", .served_name = "route",
			.kv_cache = s->kv_cache, .chat_template = "T", .context_tokens = 4096, .sequences = 4, .devices = s->devices};

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
	static const char *const adapters[] = {"A", "B"}, *const scales[] = {"1.0", "0.5"}, *const extra[] = {"--threads", "4"};
	struct buf argv CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct runtime *rt CLEANUP(runtime_freep) = load("llama.cpp");
	struct runtime_words words;
	struct runtime_values v = {.backend = runtime_backend(rt, "cpu"), .model = "M", .adapters = adapters, .scales = scales, .n_adapters = 2,
		.extra = extra, .n_extra = 2};

	(void) state;
	runtime_argv(rt, &v, arena, &words);
	join(words.argv + rt->n_command, &argv);
	assert_non_null(strstr(buf_str(&argv), "--model M --lora-scaled A:1.0,B:0.5 --host "));
	assert_null(strstr(buf_str(&argv), "--alias"));
	assert_null(strstr(buf_str(&argv), "--ctx-size"));
	assert_string_equal(words.argv[words.n_argv - 2], "--threads");
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(argv_of_every_runtime), cmocka_unit_test(argv_adapters_and_extras)};

	return cmocka_run_group_tests_name("runtime_argv", tests, NULL, NULL);
}
