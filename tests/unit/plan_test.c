/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_parts.h"

/* ---- argv ---- */

static void two_adapters(struct harness *w) {
	w->spec.n_adapters = 2;
}

static void template_and_extras(struct harness *w) {
	w->spec.chat_template = "{{ messages }}";
	w->spec.n_adapters = 0;
	w->spec.kv_cache = "q8_0";
	set_extra(w,
		  "{\"tensor-split\":\"3,1\",\"--ubatch-size\":256,\"threads\":4,\"reasoning\":"
		  "\"off\"}");
}

static const struct {
	const char *name;
	void (*change)(struct harness *);
	const char *golden;
} commands[] = {
	{"the demo's release", NULL, "tests/golden/llama-argv-adapter.txt"},
	{"two adapters", two_adapters, "tests/golden/llama-argv-adapters.txt"},
	{"template, quantized cache, extra arguments", template_and_extras,
	 "tests/golden/llama-argv-extras.txt"},
	{"cuda", nvidia, "tests/golden/llama-argv-cuda.txt"},
};

/* One word a line, compared byte by byte; UPDATE_GOLDEN=1 writes it. The first and the third were
 * run on llama-server 1:0.7.0+dfsg-2: it took every word, and logged 180.00 and 95.62 MiB of KV
 * cache, 16.64 and 8.35 of compute. */
static void plan_commands(void **state) {
	(void) state;
	EACH_CASE (k, commands) {
		struct harness w CLEANUP(harness_done);
		struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16),
			       want CLEANUP(buf_done) = BUF_INIT(1 << 16);
		struct err e = {0};

		harness_init(&w);
		if (k->change)
			k->change(&w);
		struct plan *p CLEANUP(plan_freep) = made(&w);

		for (size_t i = 0; i < p->n_argv; i++)
			(void) buf_printf(&got, "'%s'\n", p->argv[i]);
		assert_null(p->argv[p->n_argv]);
		if (getenv("UPDATE_GOLDEN"))
			assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, k->golden, got.data,
						  got.len, 0644, &e),
					 0);
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
	assert_string_equal(
		buf_str(&text),
		"{\"weights_bytes\":96576768,\"adapters_bytes\":4884480,\"kv_bytes\":188743680,"
		"\"recurrent_bytes\":0,\"compute_bytes\":17451008,"
		"\"output_bytes\":786432,\"overhead_bytes\":54525952,\"fragmentation_bytes\":0,"
		"\"planned_bytes\":362968320,\"reserve_percent\":20,"
		"\"limit_bytes\":436207616,\"admission\":\"enforce\",\"active_bytes\":101461248}");
	assert_int_equal(p->memory_bytes, 436207616);
	buf_reset(&text);
	json_print(json_get(p->probes, "identity"), &text);
	assert_string_equal(
		buf_str(&text),
		"{\"path\":\"/v1/models\",\"json\":{\"data.0.id\":\"incident-assistant\"}}");
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
	EACH_CASE (k, choices) {
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
	EACH_CASE (k, hosts) {
		struct harness w CLEANUP(harness_done);
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct plan *p CLEANUP(plan_freep) = NULL;
		struct err e = {0};

		harness_init(&w);
		w.host = (struct host_facts){.memory_bytes = 16000000000,
					     .memory_limit = UINT64_MAX,
					     .nvidia = true,
					     .bandwidth = 50000000000,
					     .n_gpus = 1,
					     .gpus = {{.kind = "nvidia",
						       .memory_total = 24000000000,
						       .bandwidth = 1008000000000}}};
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
		cmocka_unit_test(plan_of_the_host), cmocka_unit_test(plan_commands),
		cmocka_unit_test(plan_demo),        cmocka_unit_test(plan_same_everywhere),
		cmocka_unit_test(plan_backends),
	};
	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
