/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "runtime/gateway.h"
#include "runtime/runtime.h"
#include "json/json.h"

/* Tests run in the root of the tree. */
#define LLAMA "runtimes/llama.cpp"

static struct runtime *llama(void) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	if (runtime_load(LLAMA, &rt, &c, &e))
		for (size_t i = 0; i < c.n; i++)
			print_error("%s:%d:%d: %s\n", c.at[i].file, c.at[i].line, c.at[i].col,
				    c.at[i].message);
	assert_string_equal(e.msg, "");
	return rt;
}

static void runtime_llama(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();

	(void) state;
	assert_string_equal(rt->name, "llama.cpp");
	assert_string_equal(rt->command[rt->n_command - 1], "/usr/bin/llama-server");
	assert_string_equal(rt->command[3], "");
	assert_true(rt->flags[RUNTIME_CONTEXT].times_sequences);
	assert_true(rt->flags[RUNTIME_ADAPTERS].path_scale);
	assert_int_equal(rt->flags[RUNTIME_KV_CACHE].n_args, 2);
	assert_string_equal(json_str(rt->flags[RUNTIME_KV_CACHE].values, "q8_0"), "q8_0");
	assert_false(rt->flags[RUNTIME_TENSOR_PARALLEL].supported);
	assert_true(runtime_can(rt, "openai_api"));
	assert_false(runtime_can(rt, "telepathy"));
	assert_false(runtime_backend(rt, "cpu")->on_device);
	assert_string_equal(runtime_backend(rt, "cpu")->gpu, "");
	assert_string_equal(runtime_backend(rt, "cuda")->gpu, "nvidia");
	assert_string_equal(runtime_backend(rt, "vulkan")->devices[0], "/dev/dri");
	assert_null(runtime_backend(rt, "abacus"));
	assert_int_equal(rt->container.stop_timeout_ms, 30000);
	assert_true(rt->container.read_only);
	assert_int_equal(rt->memory.model, RUNTIME_LLAMA_CPP);
	assert_int_equal(rt->memory.window_multiple, 256);
	assert_int_equal(rt->memory.number_bytes, 4);
	assert_true(rt->memory.host_embeddings);
	assert_false(rt->memory.one_pool);
	assert_int_equal(rt->n_sparsity, 0);
	assert_int_equal(rt->memory.common.n_sums, 4);
	assert_int_equal(rt->memory.common.sums[1].times[RUNTIME_WIDTH_QUERY], 2);
	assert_int_equal(rt->memory.common.sums[3].states, 2);
	assert_int_equal(rt->memory.n_families, 7);
	assert_string_equal(rt->memory.families[0].architectures[1], "qwen35moe");
	assert_int_equal(rt->memory.families[0].sums[1].times[RUNTIME_WIDTH_QUERY], 4);
	assert_true(rt->memory.rotates_quantized);
	assert_int_equal(rt->memory.overhead_sequence, 2 << 20);
	assert_string_equal(json_str(json_path(rt->probes, "readiness.ready.json"), "status"),
			    "ok");
	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++)
		assert_true(rt->flags[s].supported == (rt->flags[s].n_args > 0));
}

/* True if the help text names the flag at the beginning of an option's line: "-ngl,  --gpu-layers,
 * --n-gpu-layers N". */
static bool help_has(const char *help, const char *flag) {
	size_t n = strlen(flag);

	for (const char *line = help; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (*line != '-')
			continue;
		/* The names end where two blanks, or a blank and something that is no flag,
		 * follow. */
		for (const char *p = line; *p == '-';) {
			size_t len = strcspn(p, ", \n");

			if (len == n && !memcmp(p, flag, n))
				return true;
			p += len;
			p += strspn(p, ", ");
		}
	}
	return false;
}

static void wants(const char *help, const char *flag) {
	if (!help_has(help, flag))
		fail_msg("the engine's --help does not know '%s'", flag);
}

/* Every flag of the definition is in the --help of the engine that it was checked with. */
static void runtime_flags_exist(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	struct buf help CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	assert_int_equal(fs_read_user("tests/golden/llama-server-help.txt", &help, &e), 0);
	assert_non_null(strstr(buf_str(&help), rt->checked));
	assert_false(help_has(buf_str(&help), "--no-such-flag"));
	assert_false(help_has(buf_str(&help), "--mlock"));
	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++)
		for (size_t i = 0; i < rt->flags[s].n_args; i++)
			wants(buf_str(&help), rt->flags[s].args[i]);
	for (size_t i = 0; i < rt->n_fixed_args; i++)
		if (rt->fixed_args[i][0] == '-')
			wants(buf_str(&help), rt->fixed_args[i]);
	for (size_t b = 0; b < rt->n_backends; b++)
		for (size_t i = 0; i < rt->backends[b].n_args; i++)
			if (rt->backends[b].args[i][0] == '-')
				wants(buf_str(&help), rt->backends[b].args[i]);
	for (size_t i = 0; i < rt->n_extras; i++) {
		char *flag CLEANUP(freep) = mem_printf("--%s", rt->extras[i].name);

		wants(buf_str(&help), flag);
	}
	const struct json *kv = rt->flags[RUNTIME_KV_CACHE].values;

	for (const struct json *v = json_first(kv); v; v = json_next(v))
		assert_non_null(strstr(buf_str(&help), json_text(v)));
}

static void runtime_schema_committed(void **state) {
	struct buf made CLEANUP(buf_done) = BUF_INIT(1 << 20),
			committed CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	runtime_schema(&made);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "manifests/runtime.schema.json",
					  made.data, made.len, 0644, &e),
				 0);
	assert_int_equal(fs_read_user("manifests/runtime.schema.json", &committed, &e), 0);
	assert_string_equal(buf_str(&made), buf_str(&committed));
}

/* The definition with one line replaced, or left out where `with` is NULL. */
static const struct {
	const char *name, *line, *with;
	const char *message; /* first diagnostic, with its place */
} faults[] = {
	{"unknown key", "launch: packages", "lunch: packages",
	 "6:1: unknown key 'lunch', did you mean 'launch'?"},
	{"unsupported misspelt", "  tensor_parallel: unsupported", "  tensor_parallel: unsuported",
	 ": 'unsuported' in 'flags.tensor_parallel' is not known, use unsupported or store, or a "
	 "mapping with arg, env, values, times or form"},
	{"a setting left out", "  served_name: {arg: --alias}", "",
	 ": 'flags.served_name' is missing"},
	{"unknown capability", "  quantized_kv, structured_output,",
	 "  quantized_kv, structured_outputs,",
	 ": 'structured_outputs' in 'capabilities[11]' is not known, did you mean "
	 "'structured_output'?"},
	{"unknown backend",
	 "  vulkan:", "  vulcan:", ": unknown key 'vulcan', did you mean 'vulkan'?"},
	{"a flag without a way", "  model: {arg: --model}", "  model: {times: one}",
	 ": 'flags.model' needs one of arg, env and form: positional, and only one"},
	{"a flag with two ways", "  model: {arg: --model}", "  model: {arg: --model, env: MODEL}",
	 ": 'flags.model' needs one of arg, env and form: positional, and only one"},
	{"an image of an engine that is packaged", "    args: [--device, none]",
	 "    args: [--device, none]\n    image: example.org/x:1",
	 ": 'backends.cpu.image' is set, but the runtime is not launched from an image"},
	{"an engine from an image that has none", "launch: packages", "launch: image",
	 ": 'backends.cpu.image' is missing: the runtime is launched from an image"},
	{"other folder", "name: llama.cpp", "name: llama.cop",
	 "4:7: the runtime 'llama.cop' lies in a folder 'llama.cpp'"},
	{"int without a range", "  - {name: prio, value: int, min: -1, max: 1}",
	 "  - {name: prio, value: int}", ": 'allow_extra[6]' needs min and max, in order"},
	{"choices of a text", "  - {name: tensor-split, value: text}",
	 "  - {name: tensor-split, value: text, choices: [a]}",
	 ": 'allow_extra[13]' needs choices where its value is a choice, and only there"},
	{"a flag twice", "  - {name: tensor-split, value: text}",
	 "  - {name: threads, value: text}", ": 'allow_extra' names 'threads' twice"},
	{"no socket", "  socket: /run/engine/engine.sock", "  socket: ''",
	 ": 'container.socket' is missing: the runtime listens on a socket"},
};

static void write_variant(const char *dir, const char *line, const char *with) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20),
			out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};
	char *path CLEANUP(freep) = mem_printf("%s/runtime.yaml", dir);

	assert_int_equal(fs_read_user(LLAMA "/runtime.yaml", &text, &e), 0);
	char *body = strstr(buf_str(&text), "apiVersion"), *at = strstr(body, line);

	assert_non_null(at);
	(void) buf_puts(&out, "# a variant\n");
	(void) buf_add(&out, body, (size_t) (at - body));
	(void) buf_puts(&out, with);
	(void) buf_puts(&out, at + strlen(line));
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, dir, 0755, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, out.data, out.len, 0644, &e), 0);
}

static void runtime_faults(void **state) {
	(void) state;
	EACH_CASE (f, faults) {
		char root[] = "/tmp/llmdeploy-runtime-XXXXXX";
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct runtime *rt CLEANUP(runtime_freep) = NULL;
		struct err e = {0};

		assert_non_null(mkdtemp(root));
		char *dir CLEANUP(freep) = mem_printf("%s/llama.cpp", root);

		write_variant(dir, f->line, f->with);
		assert_int_equal(runtime_load(dir, &rt, &c, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_true(c.n >= 1);
		char *first CLEANUP(freep) = mem_printf("%d:%d: %s", c.at[0].line, c.at[0].col,
							c.at[0].message);

		if (!strstr(first, f->message))
			fail_msg("'%s' in place of '%s'", first, f->message);
		assert_true(c.at[0].line > 1);
		assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, root, &e), 0);
	}
}

static void runtime_search(void **state) {
	const char *const dirs[] = {"/nowhere", "runtimes"};
	char *dir CLEANUP(freep) = NULL, **names CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n = 0;

	(void) state;
	assert_int_equal(runtime_find(dirs, 2, "llama.cpp", &dir, &e), 0);
	assert_string_equal(dir, "runtimes/llama.cpp");
	assert_int_equal(runtime_list(dirs, 2, &names, &n, &e), 0);
	assert_true(n >= 1);
	assert_int_equal(runtime_find(dirs, 2, "llama.cp", &dir, &e), -1);
	assert_string_equal(e.msg, "there is no runtime 'llama.cp'; did you mean 'llama.cpp'?");
	assert_int_equal(e.code, ERR_USAGE);
	assert_int_equal(runtime_find(dirs, 1, "x", &dir, &e), -1);
	assert_string_equal(e.msg, "there is no runtime 'x', nor any other in '/nowhere'");
	assert_int_equal(runtime_find(dirs, 2, "../etc", &dir, &e), -1);
	assert_string_equal(e.msg, "'../etc' cannot be the name of a runtime");
}

static const struct {
	const char *name, *given, *program;
	const char *dirs[4];
} places[] = {
	{"given", "/srv/runtimes", "/usr/bin/llmdeploy", {"/srv/runtimes"}},
	{"installed",
	 NULL,
	 "/usr/local/bin/llmdeploy",
	 {"/usr/local/share/llmdeploy/runtimes", "/usr/local/runtimes"}},
	{"build tree",
	 NULL,
	 "/src/build/llmdeploy",
	 {"/src/share/llmdeploy/runtimes", "/src/runtimes"}},
	{"sanitized",
	 NULL,
	 "/src/build/san/llmdeploy",
	 {"/src/build/share/llmdeploy/runtimes", "/src/build/runtimes", "/src/runtimes"}},
};

static void runtime_places(void **state) {
	(void) state;
	EACH_CASE (p, places) {
		size_t n = 0, want = 0;
		char **made = runtime_dirs(p->given, p->program, &n);

		while (want < 4 && p->dirs[want])
			want++;
		assert_int_equal(n, want);
		for (size_t i = 0; i < n; i++)
			assert_string_equal(made[i], p->dirs[i]);
		runtime_dirs_free(made);
	}
}

/* The gateway is described beside the engines, and is none. */
static void runtime_gateway(void **state) {
	static const char *const dirs[] = {"nowhere", "runtimes"};
	struct runtime_gateway *g CLEANUP(runtime_gateway_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	char **names CLEANUP(freep) = NULL, *dir CLEANUP(freep) = NULL, *none CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n;

	(void) state;
	runtime_gateway_find(dirs, 2, RUNTIME_GATEWAY, &dir);
	assert_string_equal(dir, "runtimes/haproxy");
	runtime_gateway_find(dirs, 2, "llama.cpp", &none);
	assert_null(none);
	assert_int_equal(runtime_list(&dirs[1], 1, &names, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		assert_string_not_equal(names[i], RUNTIME_GATEWAY);
	assert_int_equal(runtime_find(&dirs[1], 1, RUNTIME_GATEWAY, &none, &e), -1);
	assert_int_equal(e.code, ERR_USAGE);

	assert_int_equal(runtime_gateway_load(dir, &g, &c, &e), 0);
	assert_string_equal(g->name, RUNTIME_GATEWAY);
	assert_string_equal(g->version_of, "haproxy");
	assert_string_equal(g->command[0], "/usr/sbin/haproxy");
	assert_int_equal(g->n_command, 1);
	assert_true(json_is_object(json_path(g->packages, "backends." RUNTIME_GATEWAY_BACKEND)));
}

static void runtime_gateway_faults(void **state) {
	static const struct {
		const char *name, *text, *diagnostic;
	} cases[] = {
		{"an engine",
		 "apiVersion: llmdeploy/v1\nkind: Runtime\nname: x\nversion_of: x\ncommand: "
		 "[x]\npackages: {backends: {}}\n",
		 "'Runtime' in 'kind' is not known, use Gateway"},
		{"no packages",
		 "apiVersion: llmdeploy/v1\nkind: Gateway\nname: x\nversion_of: x\ncommand: [x]\n",
		 "'packages' is missing"},
		{"a key of an engine",
		 "apiVersion: llmdeploy/v1\nkind: Gateway\nname: x\nversion_of: x\ncommand: "
		 "[x]\nprobes: {}\npackages: {backends: {}}\n",
		 "unknown key 'probes', known here: apiVersion, kind, name, version_of, command or "
		 "packages"},
	};
	char dir[] = "/tmp/runtime_gateway.XXXXXX";

	(void) state;
	assert_non_null(mkdtemp(dir));
	char *path CLEANUP(freep) = mem_printf("%s/gateway.yaml", dir);
	EACH_CASE (k, cases) {
		struct diagnostics c CLEANUP(diagnostics_done) = {0};
		struct runtime_gateway *g = NULL;
		struct err e = {0};
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, path, k->text, strlen(k->text),
					  0644, &e),
				 0);
		assert_int_equal(runtime_gateway_load(dir, &g, &c, &e), -1);
		assert_int_equal(e.code, ERR_SPEC);
		assert_string_equal(c.at[0].message, k->diagnostic);
	}
	struct err e = {0};
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, dir, &e), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runtime_llama),
		cmocka_unit_test(runtime_gateway),
		cmocka_unit_test(runtime_gateway_faults),
		cmocka_unit_test(runtime_flags_exist),
		cmocka_unit_test(runtime_schema_committed),
		cmocka_unit_test(runtime_faults),
		cmocka_unit_test(runtime_search),
		cmocka_unit_test(runtime_places),
	};

	return cmocka_run_group_tests_name("runtime", tests, NULL, NULL);
}
