/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../fake/gguf_file.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/arch.h"
#include "model/model.h"
#include "runtime/runtime.h"
#include "size/size.h"

/* The architectures of the packaged runtime against pkg/model/arch.c: each is in it, and where its
 * memory is known exactly, what is predicted for the models of tests/fake/archs.table is what the
 * runtime took. */

#define TABLE "tests/fake/archs.table"
#define MIB 1048576.0

enum { LINE = 4096, LIST = 64 };

struct row {
	char text[LINE];
	char architecture[64];
	double kv, states, compute;
	const char *keys;
};

static struct runtime *llama(void) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct runtime *rt = NULL;
	struct err e = {0};

	if (runtime_load("runtimes/llama.cpp", &rt, &c, &e))
		fail_msg("%s", e.msg);
	return rt;
}

/* False at the end. */
static bool next_row(FILE *f, struct row *r) {
	int at = 0;

	do {
		if (!fgets(r->text, sizeof r->text, f))
			return false;
	} while (r->text[0] == '#');
	r->text[strcspn(r->text, "\n")] = '\0';
	if (sscanf(r->text, "%63s %lf %lf %lf %n", r->architecture, &r->kv, &r->states, &r->compute,
		   &at) != 4)
		fail_msg("not a row: %s", r->text);
	r->keys = r->text + at;
	return true;
}

static void put_list(struct gguf_file *f, const char *key, const char *text) {
	int32_t numbers[LIST];
	size_t n = 0;

	for (const char *at = text + 1; *at && *at != ']' && n < LIST;
	     at += strcspn(at, ",]"), at += *at == ',')
		numbers[n++] = !strncmp(at, "true", 4) ? 1
			: !strncmp(at, "false", 5)     ? 0
						       : (int32_t) strtol(at, NULL, 10);
	gguf_file_i32s(f, key, numbers, n);
}

static void put_value(struct gguf_file *f, const char *key, const char *v) {
	if (*v == '[')
		put_list(f, key, v);
	else if (*v == '"')
		gguf_file_text(f, key, v);
	else if (!strcmp(v, "true") || !strcmp(v, "false"))
		gguf_file_bool(f, key, *v == 't');
	else if (strpbrk(v, ".e"))
		gguf_file_f32(f, key, strtof(v, NULL));
	else
		gguf_file_u32(f, key, (uint32_t) strtoul(v, NULL, 10));
}

static struct gguf_file *file_of(const struct row *r) {
	struct gguf_file *f = gguf_file_new(r->architecture);
	char *keys CLEANUP(freep) = mem_strdup(r->keys), *rest = keys;

	for (char *word; (word = strsep(&rest, " "));) {
		char *equals = strchr(word, '=');
		assert_non_null(equals);
		*equals = '\0';
		char *key CLEANUP(freep) = *word == '/'
			? mem_strdup(word + 1)
			: mem_printf("%s.%s", r->architecture, word);
		put_value(f, key, equals + 1);
	}
	gguf_file_tensor(f, "token_embd.weight", GGUF_FILE_F32, 2, (uint64_t[]){64, 4});
	return f;
}

static void check_row(const struct row *r, const struct runtime *rt) {
	struct gguf_file *f CLEANUP(gguf_file_freep) = file_of(r);
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct size_load load = {.context_tokens = 1024,
				 .sequences = 2,
				 .kv_cache = "f16",
				 .batch_tokens = rt->memory.batch_tokens};
	struct size_budget b = {0};
	char path[] = "/tmp/archs_test.XXXXXX";
	struct err e = {0};
	int fd CLEANUP(closep) = mkstemp(path);

	assert_int_equal(gguf_file_write(f, path, false), 0);
	if (model_read(fd, r->architecture, &m, &e) ||
	    size_compute(&m, &rt->memory, &load, &b, &e))
		fail_msg("%s: %s", r->architecture, e.msg);
	assert_int_equal(unlink(path), 0);
	if (m.unsure[0])
		fail_msg("%s: has a row and is not known exactly", r->architecture);
	double kv = (double) b.kv_cache / MIB - r->kv,
	       states = (double) b.recurrent / MIB - r->states;
	if (kv > 0.0051 || kv < -0.0051 || states > 0.011 || states < -0.011)
		fail_msg("%s: KV cache %.2f MiB and states %.2f, the runtime takes %.2f and %.2f: "
			 "%s",
			 r->architecture, (double) b.kv_cache / MIB, (double) b.recurrent / MIB,
			 r->kv, r->states, r->keys);
}

static void archs_rows(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	FILE *f = fopen(TABLE, "re");
	struct row r;
	size_t n = 0;

	(void) state;
	assert_non_null(f);
	for (; next_row(f, &r); n++)
		check_row(&r, rt);
	(void) fclose(f);
	printf("  - %zu models\n", n);
	assert_true(n >= 150);
}

static bool has_row(const char *architecture) {
	FILE *f = fopen(TABLE, "re");
	struct row r;
	bool found = false;

	assert_non_null(f);
	while (!found && next_row(f, &r))
		found = !strcmp(r.architecture, architecture);
	(void) fclose(f);
	return found;
}

/* Each that the runtime loads is in the table; each is compared with the runtime, or says why its
 * memory is not known exactly. */
static void archs_of_runtime(void **state) {
	struct runtime *rt CLEANUP(runtime_freep) = llama();
	size_t known = 0;

	(void) state;
	for (size_t i = 0; i < rt->n_architectures; i++) {
		const char *name = rt->architectures[i];
		const struct arch *a = arch_find(name);

		if (!a)
			fail_msg("'%s', which the runtime loads, is not in pkg/model/arch.c", name);
		if (!a->unsure && !has_row(name))
			fail_msg("'%s' is said to be known exactly, and no model of it is in %s",
				 name, TABLE);
		known += !a->unsure;
	}
	printf("  - %zu architectures, %zu known exactly\n", rt->n_architectures, known);
	assert_int_equal(rt->n_architectures, 157);
	assert_true(known >= 110);
	assert_null(arch_find("nonesuch"));
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(archs_rows),
					   cmocka_unit_test(archs_of_runtime)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
