/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "capability/capability.h"
#include "runtime/filter.h"
#include "runtime/runtime.h"
#include "json/json.h"

#define WORDS(...)                \
	(const char *const[]) {   \
		__VA_ARGS__, NULL \
	}

static size_t count(const char *const *words) {
	size_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

/* Definitions as small as a textbook's: a desktop program, a library on a laptop, a server. */
static struct runtime small(const char *name, const char *const *can, const char *const *formats,
			    const char *const *quantizations, const char *backend) {
	struct runtime rt = {.name = name,
			     .capabilities = can,
			     .n_capabilities = count(can),
			     .formats = formats,
			     .n_formats = count(formats),
			     .quantizations = quantizations,
			     .n_quantizations = count(quantizations),
			     .backends = {{.name = backend}},
			     .n_backends = 1};

	return rt;
}

static const struct {
	const char *name;
	const char *const *wants, *format, *quantization;
	const char *const *devices;
	const char *verdicts; /* NAME or NAME: reason; reason */
} needs[] = {
	{"the textbook's requirements leave the server alone",
	 WORDS("openai_api", "batching", "metrics", "gpu_serving"), NULL, NULL, NULL,
	 "desktop: no metrics: nothing in it has counters of requests and tokens that Prometheus "
	 "can read\n"
	 "laptop: no openai_api: nothing in it answers POST /v1/chat/completions and GET "
	 "/v1/models in OpenAI's form; "
	 "no batching: nothing in it computes several requests together instead of one after the "
	 "other; "
	 "no metrics: nothing in it has counters of requests and tokens that Prometheus can read\n"
	 "server\n"},
	{"nothing is asked", NULL, NULL, NULL, NULL, "desktop\nlaptop\nserver\n"},
	{"a file of one format", NULL, "gguf", NULL, NULL,
	 "desktop\nlaptop: reads mlx, not gguf\nserver: reads safetensors, not gguf\n"},
	{"weights in a form that one does not read", NULL, "safetensors", "gptq", NULL,
	 "desktop: reads gguf, not safetensors\nlaptop: reads mlx, not safetensors\nserver: reads "
	 "weights in awq, fp8, not in gptq\n"},
	{"weights in a form that it reads", NULL, "safetensors", "awq", NULL,
	 "desktop: reads gguf, not safetensors\nlaptop: reads mlx, not safetensors\nserver\n"},
	{"a machine without a GPU", NULL, NULL, NULL, WORDS("cpu"),
	 "desktop\nlaptop: computes on metal, there is cpu\nserver: computes on cuda, there is "
	 "cpu\n"},
	{"one device of several is enough", NULL, NULL, NULL, WORDS("cpu", "nvidia"),
	 "desktop\nlaptop: computes on metal, there is cpu, nvidia\nserver\n"},
	{"every reason at once", WORDS("lora"), "gguf", NULL, WORDS("amd"),
	 "desktop: no lora: nothing in it applies LoRA adapters to every answer of the route; "
	 "computes on cpu, there is amd\n"
	 "laptop: no lora: nothing in it applies LoRA adapters to every answer of the route; reads "
	 "mlx, not gguf; "
	 "computes on metal, there is amd\n"
	 "server: no lora: nothing in it applies LoRA adapters to every answer of the route; reads "
	 "safetensors, not gguf; "
	 "computes on cuda, there is amd\n"},
};

static void told(const struct runtime_verdict *v, struct buf *out) {
	for (; v->runtime; v++) {
		(void) buf_printf(out, "%s", v->runtime->name);
		for (size_t i = 0; i < v->n_reasons; i++)
			(void) buf_printf(out, "%s%s", i ? "; " : ": ", v->reasons[i]);
		(void) buf_puts(out, "\n");
		assert_int_equal(v->survives, v->n_reasons == 0);
	}
}

static void filter_small(void **state) {
	const struct runtime desktop = small("desktop",
					     WORDS("openai_api", "batching", "gpu_serving", "gguf"),
					     WORDS("gguf"), NULL, "cpu"),
			     laptop = small("laptop", WORDS("gpu_serving"), WORDS("mlx"), NULL,
					    "metal"),
			     server = small("server",
					    WORDS("openai_api", "batching", "metrics",
						  "gpu_serving"),
					    WORDS("safetensors"), WORDS("awq", "fp8"), "cuda");
	const struct runtime *const all[] = {&desktop, &laptop, &server};

	(void) state;
	EACH_CASE (k, needs) {
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct runtime_need need = {.capabilities = k->wants,
					    .n_capabilities = count(k->wants),
					    .format = k->format,
					    .quantization = k->quantization,
					    .devices = k->devices,
					    .n_devices = count(k->devices)};

		told(runtime_filter(all, 3, &need, arena), &out);
		assert_string_equal(buf_str(&out), k->verdicts);
	}
}

static void filter_none(void **state) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct runtime_need need = {0};

	(void) state;
	assert_null(runtime_filter(NULL, 0, &need, arena)->runtime);
	assert_null(capability_means("telepathy"));
	assert_false(runtime_backend_runs_on("cuda", "amd"));
}

static struct runtime *load(const char *name) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	char *dir CLEANUP(freep) = mem_printf("runtimes/%s", name);
	struct runtime *rt = NULL;
	struct err e = {0};

	assert_int_equal(runtime_load(dir, &rt, &c, &e), 0);
	return rt;
}

#define RUNTIMES 7

static void load_all(struct runtime *out[RUNTIMES]) {
	const char *const dirs[] = {"runtimes"};
	char **names CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n = 0;

	assert_int_equal(runtime_list(dirs, 1, &names, &n, &e), 0);
	assert_int_equal(n, RUNTIMES);
	for (size_t i = 0; i < n; i++)
		out[i] = load(names[i]);
}

static const struct {
	const char *name;
	const char *const *wants, *format;
	const char *const *devices;
	const char *survivors;
} real[] = {
	{"the textbook's requirements", WORDS("openai_api", "batching", "metrics", "gpu_serving"),
	 NULL, NULL, "llama.cpp sglang tensorrt-llm vllm "},
	{"and a folder of safetensors", WORDS("openai_api", "batching", "metrics", "gpu_serving"),
	 "safetensors", NULL, "sglang tensorrt-llm vllm "},
	{"and histograms of latency", WORDS("latency_metrics", "structured_output"), NULL, NULL,
	 "sglang vllm "},
	{"a laptop without GPU", WORDS("openai_api", "gguf"), "gguf", WORDS("cpu"),
	 "llama.cpp lm-studio ollama "},
	{"a Mac", WORDS("openai_api"), NULL, WORDS("apple"), "lm-studio mlx-lm "},
	{"no network at all", WORDS("unix_socket"), NULL, NULL, "llama.cpp vllm "},
	{"adapters with a scale", WORDS("lora"), NULL, NULL, "llama.cpp "},
	{"an AMD card", WORDS("openai_api", "metrics"), NULL, WORDS("amd"),
	 "llama.cpp sglang vllm "},
};

static void filter_real(void **state) {
	struct runtime *all[RUNTIMES];

	(void) state;
	load_all(all);
	EACH_CASE (k, real) {
		struct arena *arena CLEANUP(arena_freep) = arena_new();
		struct buf out CLEANUP(buf_done) = BUF_INIT(4096);
		struct runtime_need need = {.capabilities = k->wants,
					    .n_capabilities = count(k->wants),
					    .format = k->format,
					    .devices = k->devices,
					    .n_devices = count(k->devices)};

		for (const struct runtime_verdict *v =
			     runtime_filter((const struct runtime *const *) all, RUNTIMES, &need,
					    arena);
		     v->runtime; v++)
			if (v->survives)
				(void) buf_printf(&out, "%s ", v->runtime->name);
		assert_string_equal(buf_str(&out), k->survivors);
	}
	for (size_t i = 0; i < RUNTIMES; i++)
		runtime_free(all[i]);
}

/* ---- a definition says nothing twice in two ways ---- */

static bool has_text(const struct json *list, const char *text) {
	for (const struct json *o = json_first(list); o; o = json_next(o))
		if (json_text(o) && !strcmp(json_text(o), text))
			return true;
	return false;
}

static bool on_device(const struct runtime *rt) {
	for (size_t i = 0; i < rt->n_backends; i++)
		if (rt->backends[i].on_device)
			return true;
	return false;
}

static bool small_kv(const struct runtime *rt) {
	const struct json *v = rt->flags[RUNTIME_KV_CACHE].values;

	return json_get(v, "q8_0") || json_get(v, "fp8_e4m3");
}

static bool says_port(const struct runtime *rt) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	char *port = arena_printf(arena, "%u", rt->container.port),
	     *host = arena_printf(arena, "0.0.0.0:%u", rt->container.port);
	bool found = has_text(json_get(rt->tree, "fixed_args"), port);

	for (const struct json *c = json_first(rt->before); c; c = json_next(c))
		found |= has_text(c, port);
	for (const struct json *v = json_first(rt->container.env); v; v = json_next(v))
		found |= !strcmp(json_text(v), host);
	return found;
}

static void agrees(const struct runtime *rt, const char *capability, bool has) {
	if (runtime_can(rt, capability) != has)
		fail_msg("%s: the capability '%s' and the rest of the definition differ", rt->name,
			 capability);
}

static void check_one(const struct runtime *rt) {
	const struct json *openai = json_get(rt->tree, "openai"),
			  *endpoints = json_get(openai, "endpoints");

	agrees(rt, "openai_api",
	       has_text(endpoints, "chat/completions") && has_text(endpoints, "models"));
	agrees(rt, "embeddings", has_text(endpoints, "embeddings"));
	agrees(rt, "anthropic_api", has_text(endpoints, "messages"));
	agrees(rt, "api_key", strcmp(json_str(openai, "auth"), "none") != 0);
	agrees(rt, "metrics",
	       rt->metrics && !strcmp(json_str(rt->metrics, "format"), "prometheus"));
	agrees(rt, "latency_metrics", json_path(rt->metrics, "names.first_token_seconds") != NULL);
	agrees(rt, "gpu_serving", on_device(rt));
	agrees(rt, "cpu_serving", runtime_backend(rt, "cpu") != NULL);
	agrees(rt, "gguf", runtime_reads(rt, "gguf"));
	agrees(rt, "safetensors", runtime_reads(rt, "safetensors"));
	agrees(rt, "lora", rt->flags[RUNTIME_ADAPTERS].supported);
	agrees(rt, "chat_template", rt->flags[RUNTIME_CHAT_TEMPLATE].supported);
	agrees(rt, "unix_socket", rt->flags[RUNTIME_SOCKET].supported);
	agrees(rt, "quantized_kv", small_kv(rt));
	agrees(rt, "pinnable", strcmp(rt->launch, "host") != 0);
	/* It listens somewhere, and the place is told to the engine. */
	assert_int_equal(rt->container.port == 0, rt->flags[RUNTIME_SOCKET].supported);
	assert_true(!rt->container.port || says_port(rt));
	assert_string_equal(rt->container.network, rt->container.port ? "internal" : "none");
	/* It says how it takes memory, and takes a fraction only if it can be told which. */
	assert_int_equal(rt->memory.model == RUNTIME_PAGED_OF_TOTAL ||
				 rt->memory.model == RUNTIME_PAGED_OF_FREE,
			 rt->flags[RUNTIME_MEMORY_FRACTION].supported);
	/* No engine of these skips zeros, and every definition names its sources. */
	assert_int_equal(rt->n_sparsity, 0);
	assert_true(rt->n_sources >= 5);
	assert_non_null(json_get(rt->probes, "warmup"));
}

static void definitions_agree(void **state) {
	struct runtime *all[RUNTIMES];

	(void) state;
	load_all(all);
	for (size_t i = 0; i < RUNTIMES; i++) {
		check_one(all[i]);
		runtime_free(all[i]);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(filter_small),
					   cmocka_unit_test(filter_none),
					   cmocka_unit_test(filter_real),
					   cmocka_unit_test(definitions_agree)};

	return cmocka_run_group_tests_name("runtime_filter", tests, NULL, NULL);
}
