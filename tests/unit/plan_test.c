/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "host/host.h"
#include "json/json.h"
#include "model/model.h"
#include "plan/plan.h"
#include "runtime/runtime.h"
#include "spec/spec.h"

#define GIB ((uint64_t) 1 << 30)

#define LAYERS 30

static const struct model_facts smol = {
	.architecture = "llama", .kind = "model", .files = 1, .tensor_bytes = 96576768, .n_layers = LAYERS, .embedding_length = 576,
	.vocabulary = 49152, .context_length = 8192,
};
static const struct model_layer smol_layer = {.heads = 9, .kv_heads = 3, .key_length = 64, .value_length = 64, .feed_forward = 1536};
static const struct model_facts lora = {.architecture = "llama", .kind = "adapter", .adapter_type = "lora", .tensor_bytes = 4884480};
static const struct host_facts laptop = {.architecture = "amd64", .cpus = 8, .memory_bytes = 16 * GIB, .memory_limit = UINT64_MAX};

/* Everything that plan_make reads, and the owners behind it; cases change a part. */
struct harness {
	struct runtime *rt;
	struct spec spec;
	struct spec_artifact adapters[2];
	struct json *extra, *capabilities;
	struct model_facts model, facts[2];
	struct model_layer layers[LAYERS];
	struct host_facts host;
	struct plan_input in;
};

static struct json *parsed(const char *text) {
	struct json *j = NULL;
	struct err e = {0};

	assert_int_equal(json_parse(text, strlen(text), &j, &e), 0);
	return j;
}

static void harness_done(struct harness *w) {
	runtime_free(w->rt);
	json_free(w->extra);
	json_free(w->capabilities);
}

static void harness_init(struct harness *w) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	memset(w, 0, sizeof *w);
	assert_int_equal(runtime_load("runtimes/llama.cpp", &w->rt, &c, &e), 0);
	w->extra = parsed("{}");
	w->capabilities = parsed("[\"openai_api\",\"metrics\"]");
	w->adapters[0].scale = "1.0";
	w->adapters[1].scale = "0.5";
	w->model = smol;
	for (size_t i = 0; i < LAYERS; i++)
		w->layers[i] = smol_layer;
	w->model.layers = w->layers;
	w->facts[0] = w->facts[1] = lora;
	w->host = laptop;
	w->spec = (struct spec){.path = "r17.yaml",	  .route = "incident-assistant", .version = "incident-r17", .adapters = w->adapters,
				.n_adapters = 1,	  .runtime = "llama.cpp",	 .backend = "auto",	    .context_tokens = 2048,
				.concurrent_sequences = 4, .kv_cache = "f16",		 .extra_args = w->extra,    .capabilities = w->capabilities,
				.device_auto = true,	  .privacy = "local",	 .reserve_percent = 20,	 .admission = "enforce"};
	w->in = (struct plan_input){.spec = &w->spec, .runtime = w->rt, .model = &w->model, .adapters = w->facts, .host = &w->host};
}

static void set_extra(struct harness *w, const char *text) {
	json_free(w->extra);
	w->spec.extra_args = w->extra = parsed(text);
}

static struct plan *made(struct harness *w) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct plan *p = NULL;
	struct err e = {0};

	(void) plan_make(&w->in, &p, &c, &e);
	assert_string_equal(e.msg, "");
	return p;
}

/* ---- argv ---- */

static void two_adapters(struct harness *w) {
	w->spec.n_adapters = 2;
}

static void template_and_extras(struct harness *w) {
	w->spec.chat_template = "{{ messages }}";
	w->spec.n_adapters = 0;
	w->spec.kv_cache = "q8_0";
	set_extra(w, "{\"tensor-split\":\"3,1\",\"--ubatch-size\":256,\"threads\":4,\"reasoning\":\"off\"}");
}

static void nvidia(struct harness *w) {
	w->spec.backend = "cuda";
	w->spec.device_auto = false;
	w->spec.device_memory = 24000000000;
}

static const struct {
	const char *name;
	void (*change)(struct harness *);
	const char *golden;
} commands[] = {
	{"the demo's release", NULL, "tests/golden/llama-argv-adapter.txt"},
	{"two adapters", two_adapters, "tests/golden/llama-argv-adapters.txt"},
	{"template, quantized cache, extra arguments", template_and_extras, "tests/golden/llama-argv-extras.txt"},
	{"cuda", nvidia, "tests/golden/llama-argv-cuda.txt"},
};

/* One word a line, compared byte by byte; UPDATE_GOLDEN=1 writes it. The first and the third were run on
 * llama-server 1:0.7.0+dfsg-2: it took every word, and logged 180.00 and 95.62 MiB of KV cache, 16.64 and 8.35 of compute. */
static void plan_commands(void **state) {
	(void) state;
	EACH_CASE(k, commands) {
		struct harness w CLEANUP(harness_done);
		struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16), want CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};

		harness_init(&w);
		if (k->change)
			k->change(&w);
		struct plan *p CLEANUP(plan_freep) = made(&w);

		for (size_t i = 0; i < p->n_argv; i++)
			(void) buf_printf(&got, "'%s'\n", p->argv[i]);
		assert_null(p->argv[p->n_argv]);
		if (getenv("UPDATE_GOLDEN"))
			assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, k->golden, got.data, got.len, 0644, &e), 0);
		assert_int_equal(fs_read_user(k->golden, &want, &e), 0);
		assert_string_equal(buf_str(&got), buf_str(&want));
	}
}

/* ---- what the lock takes ---- */

static void plan_demo(void **state) {
	struct harness w CLEANUP(harness_done);
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);

	(void) state;
	harness_init(&w);
	struct plan *p CLEANUP(plan_freep) = made(&w);

	assert_string_equal(p->backend->name, "cpu");
	assert_string_equal(p->model_path, "/models/model.gguf");
	assert_string_equal(p->adapter_paths[0], "/models/adapter-1.gguf");
	assert_null(p->chat_template_path);
	assert_string_equal(p->env[0], "LC_ALL=C.UTF-8");
	assert_string_equal(p->env[1], "OMP_WAIT_POLICY=passive");
	assert_int_equal(p->pids, 1024);
	assert_true(p->fits);
	assert_int_equal(p->capacity, 16 * GIB);
	assert_int_equal(p->n_notes, 0);
	json_print(p->budget_json, &text);
	assert_string_equal(buf_str(&text),
			    "{\"weights_bytes\":96576768,\"adapters_bytes\":4884480,\"kv_bytes\":188743680,\"recurrent_bytes\":0,\"compute_bytes\":17451008,"
			    "\"output_bytes\":786432,\"overhead_bytes\":54525952,\"fragmentation_bytes\":0,\"planned_bytes\":362968320,\"reserve_percent\":20,"
			    "\"limit_bytes\":436207616,\"admission\":\"enforce\",\"active_bytes\":101461248}");
	assert_int_equal(p->memory_bytes, 436207616);
	buf_reset(&text);
	json_print(json_get(p->probes, "identity"), &text);
	assert_string_equal(buf_str(&text), "{\"path\":\"/v1/models\",\"json\":{\"data.0.id\":\"incident-assistant\"}}");
	assert_true(json_count(json_get(p->logs, "fatal")) > 0);
}

/* The machine that compiles is not in what the lock takes. */
static void plan_same_everywhere(void **state) {
	struct harness a CLEANUP(harness_done), b CLEANUP(harness_done);

	(void) state;
	harness_init(&a);
	harness_init(&b);
	b.host.memory_bytes = 512 * GIB;
	b.host.cpus = 128;
	struct plan *p CLEANUP(plan_freep) = made(&a), *q CLEANUP(plan_freep) = made(&b);

	assert_true(json_equal(p->budget_json, q->budget_json));
	assert_int_equal(p->n_argv, q->n_argv);
	for (size_t i = 0; i < p->n_argv; i++)
		assert_string_equal(p->argv[i], q->argv[i]);
}

/* ---- the backend ---- */

static const struct {
	const char *name, *asked;
	bool nvidia, render;
	const char *locked[3];
	const char *backend;
} choices[] = {
	{"nothing but processors", "auto", false, false, {"cpu", "cuda"}, "cpu"},
	{"NVIDIA, and locked", "auto", true, true, {"cpu", "cuda"}, "cuda"},
	{"NVIDIA, not locked", "auto", true, false, {"cpu"}, "cpu"},
	{"a render node, and locked", "auto", false, true, {"cpu", "vulkan"}, "vulkan"},
	{"asked for", "cpu", true, true, {"cpu", "cuda"}, "cpu"},
};

static void plan_backends(void **state) {
	(void) state;
	EACH_CASE(k, choices) {
		struct harness w CLEANUP(harness_done);

		harness_init(&w);
		w.spec.backend = k->asked;
		w.spec.admission = "off";
		w.host.nvidia = k->nvidia;
		w.host.n_render_nodes = k->render;
		w.in.locked = k->locked;
		while (w.in.n_locked < 3 && k->locked[w.in.n_locked])
			w.in.n_locked++;
		struct plan *p CLEANUP(plan_freep) = made(&w);

		assert_string_equal(p->backend->name, k->backend);
	}
}

/* ---- refusals ---- */

static const char *const only_cpu[] = {"cpu"};

static void not_locked(struct harness *w) {
	nvidia(w);
	w->in.locked = only_cpu;
	w->in.n_locked = 1;
}

static void no_backend(struct harness *w) {
	w->spec.backend = "abacus";
}

static void long_context(struct harness *w) {
	w->spec.context_tokens = 16384;
}

static void other_format(struct harness *w) {
	(void) strcpy(w->model.format, "safetensors");
}

static void capability(struct harness *w) {
	json_free(w->capabilities);
	w->spec.capabilities = w->capabilities = parsed("[\"openai_api\",\"safetensors\"]");
}

static void odd_heads(struct harness *w) {
	w->spec.kv_cache = "q4_0";
	w->layers[7].key_length = 80;
}

static void strange_cache(struct harness *w) {
	w->spec.kv_cache = "q3_0";
}

static void adapter_as_model(struct harness *w) {
	w->model = lora;
	w->model.layers = w->layers;
	w->model.n_layers = LAYERS;
}

static void split(struct harness *w) {
	w->model.split_files = 3;
}

static void model_as_adapter(struct harness *w) {
	w->facts[0] = smol;
}

static void other_adapter(struct harness *w) {
	strcpy(w->facts[0].architecture, "qwen3");
}

static void control_vector(struct harness *w) {
	strcpy(w->facts[0].adapter_type, "vector");
}

static void no_adapters(struct harness *w) {
	w->rt->flags[RUNTIME_ADAPTERS] = (struct runtime_flag){0};
}

static void no_template(struct harness *w) {
	w->rt->flags[RUNTIME_CHAT_TEMPLATE] = (struct runtime_flag){0};
	w->spec.chat_template = "x";
}

static void extra_typo(struct harness *w) {
	set_extra(w, "{\"thread\":4}");
}

static void extra_unknown(struct harness *w) {
	w->rt->n_extras = 2;
	set_extra(w, "{\"frobnicate\":4}");
}

static void extra_none(struct harness *w) {
	w->rt->n_extras = 0;
	set_extra(w, "{\"frobnicate\":4}");
}

static void extra_setting(struct harness *w) {
	set_extra(w, "{\"--ctx-size\":4}");
}

static void extra_socket(struct harness *w) {
	set_extra(w, "{\"host\":\"0.0.0.0\"}");
}

static void extra_name(struct harness *w) {
	set_extra(w, "{\"alias\":\"x\"}");
}

static void extra_fixed(struct harness *w) {
	set_extra(w, "{\"cache-ram\":4}");
}

static void extra_type(struct harness *w) {
	set_extra(w, "{\"threads\":\"4\"}");
}

static void extra_range(struct harness *w) {
	set_extra(w, "{\"threads\":0}");
}

static void extra_choice(struct harness *w) {
	set_extra(w, "{\"load-mode\":\"mlock\"}");
}

static void extra_path(struct harness *w) {
	set_extra(w, "{\"tensor-split\":\"/etc/shadow\"}");
}

static void extra_flag(struct harness *w) {
	set_extra(w, "{\"tensor-split\":\"--rpc\"}");
}

static void extra_twice(struct harness *w) {
	set_extra(w, "{\"threads\":1,\"--threads\":2}");
}

#define TEXT_RULE "'tensor-split' must be a text of letters, digits and ._,:=+- that does not begin with a dash"

static const struct {
	const char *name;
	void (*change)(struct harness *);
	const char *path, *msg;
} refused[] = {
	{"backend not locked", not_locked, "runtime.backend",
	 "the packages of backend 'cuda' are not locked for amd64; run 'llmdeploy runtime lock llama.cpp --backend cuda'"},
	{"unknown backend", no_backend, "runtime.backend", "llama.cpp has no backend 'abacus'; it has cpu, vulkan, cuda"},
	{"more context than trained", long_context, "runtime.context_tokens",
	 "16384 tokens of context are more than the 8192 that the model was trained for"},
	{"capability missing", capability, "requirements.capabilities.1",
	 "llama.cpp does not have the capability 'safetensors'; 'llmdeploy runtime list --requires safetensors' names those that have it"},
	{"a format that the engine does not read", other_format, "model.source",
	 "the model is in the format safetensors, which llama.cpp does not read; 'llmdeploy runtime list --requires safetensors' names those that do"},
	{"heads that cannot be quantized", odd_heads, "runtime.kv_cache",
	 "the model's heads of 80 and 64 are no multiples of 32, which 'q4_0' needs"},
	{"unknown cache", strange_cache, "runtime.kv_cache", "llama.cpp has no KV cache of type 'q3_0'"},
	{"adapter as model", adapter_as_model, "model.source", "the model is an adapter: it belongs under model.adapters"},
	{"split model", split, "model.source", "the model is one of 3 files of a split model; merge them into one"},
	{"model as adapter", model_as_adapter, "model.adapters.0.source", "adapter 1 is a whole model"},
	{"adapter of another model", other_adapter, "model.adapters.0.source", "adapter 1 is made for 'qwen3', the model is 'llama'"},
	{"other kind of adapter", control_vector, "model.adapters.0.source", "adapter 1 is of type 'vector', which llama.cpp does not take"},
	{"adapters unsupported", no_adapters, "model.adapters", "llama.cpp has no way to set adapters"},
	{"template unsupported", no_template, "model.chat_template", "llama.cpp has no way to set chat_template"},
	{"extra: typo", extra_typo, "runtime.extra_args.thread",
	 "'thread' is not among the extra arguments that llama.cpp takes; did you mean 'threads'?"},
	{"extra: unknown", extra_unknown, "runtime.extra_args.frobnicate",
	 "'frobnicate' is not among the extra arguments that llama.cpp takes: threads, threads-batch"},
	{"extra: none", extra_none, "runtime.extra_args.frobnicate", "llama.cpp takes no extra arguments"},
	{"extra: a setting", extra_setting, "runtime.extra_args.--ctx-size",
	 "'ctx-size' is no extra argument: 'context_tokens' of the manifest decides it"},
	{"extra: where it listens", extra_socket, "runtime.extra_args.host", "'host' is no extra argument: llmdeploy decides it"},
	{"extra: its name", extra_name, "runtime.extra_args.alias", "'alias' is no extra argument: 'route' of the manifest decides it"},
	{"extra: fixed", extra_fixed, "runtime.extra_args.cache-ram",
	 "'cache-ram' is no extra argument: llama.cpp always runs with it as it is"},
	{"extra: text for a number", extra_type, "runtime.extra_args.threads", "'threads' must be a whole number from 1 to 1024"},
	{"extra: out of range", extra_range, "runtime.extra_args.threads", "'threads' must be a whole number from 1 to 1024"},
	{"extra: no such choice", extra_choice, "runtime.extra_args.load-mode", "'load-mode' must be one of: auto, none, mmap"},
	{"extra: a path", extra_path, "runtime.extra_args.tensor-split", TEXT_RULE},
	{"extra: a flag in disguise", extra_flag, "runtime.extra_args.tensor-split", TEXT_RULE},
	{"extra: twice", extra_twice, "runtime.extra_args.--threads", "'threads' occurs twice"},
};

static struct pos where(void *ctx, const char *path) {
	(void) strcpy(ctx, path);
	return (struct pos){"r17.yaml", 7, 3};
}

static void plan_refused(void **state) {
	(void) state;
	EACH_CASE(k, refused) {
		struct harness w CLEANUP(harness_done);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct plan *p CLEANUP(plan_freep) = NULL;
		struct err e = {0};
		char path[200] = "";

		harness_init(&w);
		k->change(&w);
		w.in.where = where;
		w.in.where_ctx = path;
		assert_int_equal(plan_make(&w.in, &p, &c, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_int_equal(c.n, 1);
		assert_string_equal(c.at[0].message, k->msg);
		assert_string_equal(path, k->path);
		assert_int_equal(c.at[0].line, 7);
		assert_null(p);
	}
}

static void plan_all_at_once(void **state) {
	struct harness w CLEANUP(harness_done);
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct plan *p = NULL;
	struct err e = {0};

	(void) state;
	harness_init(&w);
	long_context(&w);
	extra_typo(&w);
	capability(&w);
	assert_int_equal(plan_make(&w.in, &p, &c, &e), -1);
	assert_int_equal(c.n, 3);
	assert_string_equal(e.msg, "3 problems in 'r17.yaml'");
}

/* ---- admission ---- */

static void unknown_device(struct harness *w) {
	w->spec.backend = "cuda";
}

static void no_model_facts(struct harness *w) {
	w->model.n_layers = 0;
}

static void four_large(struct harness *w) {
	w->spec.context_tokens = 8192;
}

#define NEEDS_4 "'incident-r17' needs 363 MB (weights 101 MB, KV cache 189 MB, buffers and overhead 72.8 MB), and the machine has "

static const struct {
	const char *name;
	void (*change)(struct harness *);
	uint64_t memory;
	enum err_code code;
	const char *msg;
} admissions[] = {
	{"to the byte", NULL, 453710400, ERR_OK, ""},
	{"one byte short", NULL, 453710399, ERR_NOFIT,
	 NEEDS_4 "363 MB (454 MB less 20%): concurrent_sequences: 3 (314 MB), context_tokens: 1792 (339 MB), or kv_cache: q8_0 (275 MB) would be admitted"},
	{"two sequences", NULL, 350000000, ERR_NOFIT,
	 NEEDS_4 "280 MB (350 MB less 20%): concurrent_sequences: 2 (264 MB), context_tokens: 1024 (268 MB), or kv_cache: q8_0 (275 MB) would be admitted"},
	{"a large context", four_large, 1000000000, ERR_NOFIT,
	 "'incident-r17' needs 935 MB (weights 101 MB, KV cache 755 MB, buffers and overhead 79.1 MB), and the machine has "
	 "800 MB (1.0 GB less 20%): concurrent_sequences: 3 (744 MB), context_tokens: 6656 (792 MB), or kv_cache: q8_0 (582 MB) would be admitted"},
	{"no sequence of that length", four_large, 245000000, ERR_NOFIT,
	 "'incident-r17' needs 935 MB (weights 101 MB, KV cache 755 MB, buffers and overhead 79.1 MB), and the machine has "
	 "196 MB (245 MB less 20%): context_tokens: 256 (196 MB) would be admitted"},
	{"only both", NULL, 225000000, ERR_NOFIT,
	 NEEDS_4 "180 MB (225 MB less 20%): concurrent_sequences: 1 with context_tokens: 512 (178 MB) would be admitted"},
	{"nothing", NULL, 100000000, ERR_NOFIT,
	 NEEDS_4 "80.0 MB (100 MB less 20%): nothing smaller would be admitted: take a smaller model or a larger machine"},
	{"a device that nobody measured", unknown_device, 16 * GIB, ERR_NOFIT,
	 "the memory of the device for backend 'cuda' is not known; say resources: {device: {memory: 24GB}}"},
	{"a model without facts", no_model_facts, 16 * GIB, ERR_SPEC,
	 "the model does not say its layers, width and heads, so its KV cache cannot be sized"},
};

static void plan_admissions(void **state) {
	(void) state;
	EACH_CASE(k, admissions) {
		struct harness w CLEANUP(harness_done);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct plan *p CLEANUP(plan_freep) = NULL;
		struct err e = {0};

		harness_init(&w);
		w.host.memory_bytes = k->memory;
		if (k->change)
			k->change(&w);
		int r = plan_make(&w.in, &p, &c, &e);

		assert_string_equal(e.msg, k->msg);
		assert_int_equal(e.code, k->code);
		assert_int_equal(r, k->code ? -1 : 0);
	}
}

/* enforce refuses, warn notes, off is silent: and the lock's budget is the same but for that word. */
static void plan_admission_modes(void **state) {
	static const struct {
		const char *name;
		size_t notes;
	} modes[] = {{"warn", 1}, {"off", 0}};

	(void) state;
	EACH_CASE(m, modes) {
		struct harness w CLEANUP(harness_done);

		harness_init(&w);
		w.host.memory_bytes = 100000000;
		w.spec.admission = m->name;
		struct plan *p CLEANUP(plan_freep) = made(&w);

		assert_false(p->fits);
		assert_int_equal(p->n_notes, m->notes);
		if (m->notes)
			assert_string_equal(p->notes[0], "admission is only a warning: " NEEDS_4
				"80.0 MB (100 MB less 20%): nothing smaller would be admitted: take a smaller model or a larger machine");
		assert_string_equal(json_str(p->budget_json, "admission"), m->name);
	}
}

/* A stated device is planned for, whatever this machine has. */
static void plan_stated_device(void **state) {
	struct harness w CLEANUP(harness_done);

	(void) state;
	harness_init(&w);
	w.host.memory_bytes = 1000;
	w.spec.device_auto = false;
	w.spec.device_memory = 24000000000;
	struct plan *p CLEANUP(plan_freep) = made(&w);

	assert_true(p->fits);
	assert_int_equal(p->usable, 19200000000);
}

/* A manifest that states no device is planned for the machine as it was found. */
static void plan_of_the_host(void **state) {
	static const struct {
		const char *name, *backend;
		uint64_t device, memory, bandwidth;
	} hosts[] = {
		{"the first NVIDIA GPU", "cuda", 0, 24000000000, 1008000000000},
		{"the machine's memory, as it was measured", "cpu", 0, 16000000000, 50000000000},
		{"what the manifest states", "cuda", 80000000000, 80000000000, 0},
		{"any GPU through Vulkan", "vulkan", 0, 24000000000, 1008000000000},
	};

	(void) state;
	EACH_CASE(k, hosts) {
		struct harness w CLEANUP(harness_done);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct plan *p CLEANUP(plan_freep) = NULL;
		struct err e = {0};

		harness_init(&w);
		w.host = (struct host_facts){.memory_bytes = 16000000000, .memory_limit = UINT64_MAX, .nvidia = true, .bandwidth = 50000000000,
			.n_gpus = 1, .gpus = {{.kind = "nvidia", .memory_total = 24000000000, .bandwidth = 1008000000000}}};
		w.spec.backend = k->backend;
		w.spec.device_auto = !k->device;
		w.spec.device_memory = k->device;
		assert_int_equal(plan_make(&w.in, &p, &c, &e), 0);
		assert_int_equal(p->machines[0].memory, k->memory);
		assert_int_equal(p->machines[0].bandwidth, k->bandwidth);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_of_the_host), cmocka_unit_test(plan_commands),	cmocka_unit_test(plan_demo),	       cmocka_unit_test(plan_same_everywhere),
		cmocka_unit_test(plan_backends),	cmocka_unit_test(plan_refused),	       cmocka_unit_test(plan_all_at_once),
		cmocka_unit_test(plan_admissions),	cmocka_unit_test(plan_admission_modes), cmocka_unit_test(plan_stated_device),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
