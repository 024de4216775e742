/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_parts.h"

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

#define TEXT_RULE                                                                                  \
	"'tensor-split' must be a text of letters, digits and ._,:=+- that does not begin with a " \
	"dash"

static const struct {
	const char *name;
	void (*change)(struct harness *);
	const char *path, *msg;
} refused[] = {
	{"backend not locked", not_locked, "runtime.backend",
	 "the packages of backend 'cuda' are not locked for amd64; run 'llmdeploy runtime lock "
	 "llama.cpp --backend cuda'"},
	{"unknown backend", no_backend, "runtime.backend",
	 "llama.cpp has no backend 'abacus'; it has cpu, vulkan, cuda"},
	{"more context than trained", long_context, "runtime.context_tokens",
	 "16384 tokens of context are more than the 8192 that the model was trained for"},
	{"capability missing", capability, "requirements.capabilities.1",
	 "llama.cpp does not have the capability 'safetensors'; 'llmdeploy runtime list --requires "
	 "safetensors' names those that have it"},
	{"a format that the engine does not read", other_format, "model.source",
	 "the model is in the format safetensors, which llama.cpp does not read; 'llmdeploy "
	 "runtime list --requires safetensors' names those that do"},
	{"heads that cannot be quantized", odd_heads, "runtime.kv_cache",
	 "the model's heads of 80 and 64 are no multiples of 32, which 'q4_0' needs"},
	{"unknown cache", strange_cache, "runtime.kv_cache",
	 "llama.cpp has no KV cache of type 'q3_0'"},
	{"adapter as model", adapter_as_model, "model.source",
	 "the model is an adapter: it belongs under model.adapters"},
	{"split model", split, "model.source",
	 "the model is one of 3 files of a split model; merge them into one"},
	{"model as adapter", model_as_adapter, "model.adapters.0.source",
	 "adapter 1 is a whole model"},
	{"adapter of another model", other_adapter, "model.adapters.0.source",
	 "adapter 1 is made for 'qwen3', the model is 'llama'"},
	{"other kind of adapter", control_vector, "model.adapters.0.source",
	 "adapter 1 is of type 'vector', which llama.cpp does not take"},
	{"adapters unsupported", no_adapters, "model.adapters",
	 "llama.cpp has no way to set adapters"},
	{"template unsupported", no_template, "model.chat_template",
	 "llama.cpp has no way to set chat_template"},
	{"extra: typo", extra_typo, "runtime.extra_args.thread",
	 "'thread' is not among the extra arguments that llama.cpp takes; did you mean 'threads'?"},
	{"extra: unknown", extra_unknown, "runtime.extra_args.frobnicate",
	 "'frobnicate' is not among the extra arguments that llama.cpp takes: threads, "
	 "threads-batch"},
	{"extra: none", extra_none, "runtime.extra_args.frobnicate",
	 "llama.cpp takes no extra arguments"},
	{"extra: a setting", extra_setting, "runtime.extra_args.--ctx-size",
	 "'ctx-size' cannot be an extra argument: it is set by 'context_tokens' of the manifest"},
	{"extra: where it listens", extra_socket, "runtime.extra_args.host",
	 "'host' cannot be an extra argument: llmdeploy sets it"},
	{"extra: its name", extra_name, "runtime.extra_args.alias",
	 "'alias' cannot be an extra argument: it is set by 'route' of the manifest"},
	{"extra: fixed", extra_fixed, "runtime.extra_args.cache-ram",
	 "'cache-ram' cannot be an extra argument: it is a fixed argument of llama.cpp"},
	{"extra: text for a number", extra_type, "runtime.extra_args.threads",
	 "'threads' must be a whole number from 1 to 1024"},
	{"extra: out of range", extra_range, "runtime.extra_args.threads",
	 "'threads' must be a whole number from 1 to 1024"},
	{"extra: no such choice", extra_choice, "runtime.extra_args.load-mode",
	 "'load-mode' must be one of: auto, none, mmap"},
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
	EACH_CASE (k, refused) {
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

#define NEEDS_4                                                                                    \
	"'incident-r17' needs 363 MB (weights 101 MB, KV cache 189 MB, buffers and overhead 72.8 " \
	"MB), and the machine has "

static const struct {
	const char *name;
	void (*change)(struct harness *);
	uint64_t memory;
	enum err_code code;
	const char *msg;
} admissions[] = {
	{"to the byte", NULL, 453710400, ERR_OK, ""},
	{"one byte short", NULL, 453710399, ERR_NOFIT,
	 NEEDS_4 "363 MB (454 MB less 20%): concurrent_sequences: 3 (314 MB), context_tokens: 1792 "
		 "(339 MB), or kv_cache: q8_0 (275 MB) would be admitted"},
	{"two sequences", NULL, 350000000, ERR_NOFIT,
	 NEEDS_4 "280 MB (350 MB less 20%): concurrent_sequences: 2 (264 MB), context_tokens: 1024 "
		 "(268 MB), or kv_cache: q8_0 (275 MB) would be admitted"},
	{"a large context", four_large, 1000000000, ERR_NOFIT,
	 "'incident-r17' needs 935 MB (weights 101 MB, KV cache 755 MB, buffers and overhead 79.1 "
	 "MB), and the machine has "
	 "800 MB (1.0 GB less 20%): concurrent_sequences: 3 (744 MB), context_tokens: 6656 (792 "
	 "MB), or kv_cache: q8_0 (582 MB) would be admitted"},
	{"no sequence of that length", four_large, 245000000, ERR_NOFIT,
	 "'incident-r17' needs 935 MB (weights 101 MB, KV cache 755 MB, buffers and overhead 79.1 "
	 "MB), and the machine has "
	 "196 MB (245 MB less 20%): context_tokens: 256 (196 MB) would be admitted"},
	{"only both", NULL, 225000000, ERR_NOFIT,
	 NEEDS_4 "180 MB (225 MB less 20%): concurrent_sequences: 1 with context_tokens: 512 (178 "
		 "MB) would be admitted"},
	{"nothing", NULL, 100000000, ERR_NOFIT,
	 NEEDS_4 "80.0 MB (100 MB less 20%): nothing smaller would be admitted: take a smaller "
		 "model or a larger machine"},
	{"a device that nobody measured", unknown_device, 16 * GIB, ERR_NOFIT,
	 "the memory of the device for backend 'cuda' is not known; set resources: {device: "
	 "{memory: 24GB}}"},
	{"a model without facts", no_model_facts, 16 * GIB, ERR_SPEC,
	 "the model does not say its layers, width and heads, so its KV cache cannot be sized"},
};

static void plan_admissions(void **state) {
	(void) state;
	EACH_CASE (k, admissions) {
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

/* enforce refuses, warn notes, off is silent: and the lock's budget is the same but for that
 * word. */
static void plan_admission_modes(void **state) {
	static const struct {
		const char *name;
		size_t notes;
	} modes[] = {{"warn", 1}, {"off", 0}};

	(void) state;
	EACH_CASE (m, modes) {
		struct harness w CLEANUP(harness_done);

		harness_init(&w);
		w.host.memory_bytes = 100000000;
		w.spec.admission = m->name;
		struct plan *p CLEANUP(plan_freep) = made(&w);

		assert_false(p->fits);
		assert_int_equal(p->n_notes, m->notes);
		if (m->notes)
			assert_string_equal(p->notes[0],
					    "admission is only a warning: " NEEDS_4
					    "80.0 MB (100 MB less 20%): nothing smaller would be "
					    "admitted: take a smaller model or a larger machine");
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

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_refused),       cmocka_unit_test(plan_all_at_once),
		cmocka_unit_test(plan_admissions),    cmocka_unit_test(plan_admission_modes),
		cmocka_unit_test(plan_stated_device),
	};
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
