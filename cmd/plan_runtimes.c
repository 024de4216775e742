/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "context.h"
#include "runtime/filter.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

/* Definitions that can be read; a broken one is no choice, and `runtime list` says why. */
struct shelf {
	struct runtime **at;
	size_t n;
};

static void shelf_done(struct shelf *s) {
	for (size_t i = 0; i < s->n; i++)
		runtime_free(s->at[i]);
	free(s->at);
}

static int load_all(const struct args *a, struct shelf *s, struct err *e) {
	size_t n_dirs, n = 0;
	char **dirs = context_runtime_dirs(a, &n_dirs), **names CLEANUP(freep) = NULL;
	int r = runtime_list((const char *const *) dirs, n_dirs, &names, &n, e);

	runtime_dirs_free(dirs);
	s->at = mem_zalloc(n + 1, sizeof(struct runtime *));
	for (size_t i = 0; !r && i < n; i++) {
		struct diagnostics ignored CLEANUP(diagnostics_done) = {0};
		char *dir CLEANUP(freep) = NULL;
		struct err none = {0};
		if (!context_runtime_dir(a, names[i], &dir, &none) &&
		    !runtime_load(dir, &s->at[s->n], &ignored, &none))
			s->n++;
	}
	return r;
}

static struct json *as_json(const struct runtime_verdict *v) {
	struct buf why CLEANUP(buf_done) = BUF_INIT(4096);
	struct json *o = json_object();

	for (size_t i = 0; i < v->n_reasons; i++)
		(void) buf_printf(&why, "%s%s", i ? "; " : "", v->reasons[i]);
	json_set_str(o, "name", v->runtime->name);
	json_set_bool(o, "survives", v->survives);
	json_set_str(o, "reason", v->survives ? "a candidate to be measured" : buf_str(&why));
	return o;
}

int plan_runtimes(const struct args *a, const struct spec *s, struct json *document,
		  struct err *e) {
	const char *format = json_str(json_get(document, "model"), "format"),
		   *type = json_str(json_get(document, "model"), "quantization");
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct shelf shelf CLEANUP(shelf_done) = {0};
	struct json *list = json_array();
	const char **words = arena_zalloc(arena, json_count(s->capabilities) + 1, sizeof *words);
	struct runtime_need need = {.capabilities = words,
				    .format = format && strcmp(format, "card") != 0 ? format : NULL,
				    .quantization = type};

	json_set(document, "runtimes", list);
	for (const struct json *c = json_first(s->capabilities); c; c = json_next(c))
		words[need.n_capabilities++] = json_text(c);
	if (load_all(a, &shelf, e))
		return -1;
	for (const struct runtime_verdict *v =
		     runtime_filter((const struct runtime *const *) shelf.at, shelf.n, &need,
				    arena);
	     v->runtime; v++)
		json_push(list, as_json(v));
	return 0;
}
