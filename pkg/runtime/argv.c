/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/runtime.h"
#include "json/json.h"

/* The words in the making. */
struct words {
	const struct runtime *rt;
	struct arena *arena;
	const char **argv, **env;
	size_t n_argv, cap_argv, n_env;
};

static void push(struct words *w, const char *word) {
	if (w->n_argv + 1 >= w->cap_argv) {
		const char **larger = arena_zalloc(w->arena, w->cap_argv * 2 + 64, sizeof *larger);

		if (w->n_argv)
			memcpy(larger, w->argv, w->n_argv * sizeof *larger);
		w->cap_argv = w->cap_argv * 2 + 64;
		w->argv = larger;
	}
	w->argv[w->n_argv++] = word;
}

static void push_all(struct words *w, const char *const *list, size_t n) {
	for (size_t i = 0; i < n; i++)
		push(w, list[i]);
}

static void push_env(struct words *w, const char *name, const char *value) {
	w->env[w->n_env++] = arena_printf(w->arena, "%s=%s", name, value);
}

static void set(struct words *w, enum runtime_setting s, const char *value) {
	const struct runtime_flag *f = &w->rt->flags[s];

	if (!value)
		return;
	if (f->positional)
		push(w, value);
	for (size_t i = 0; i < f->n_args; i++) {
		push(w, f->args[i]);
		push(w, value);
	}
	if (*f->env)
		push_env(w, f->env, value);
}

static void set_number(struct words *w, enum runtime_setting s, uint64_t v) {
	if (v)
		set(w, s, arena_printf(w->arena, "%llu", (unsigned long long) v));
}

/* "/models/adapter-1.gguf:1.0,/models/adapter-2.gguf:0.5" */
static const char *adapters(const struct words *w, const struct runtime_values *v) {
	bool scaled = w->rt->flags[RUNTIME_ADAPTERS].path_scale;
	const char *all = "";

	for (size_t i = 0; i < v->n_adapters; i++)
		all = arena_printf(w->arena, "%s%s%s%s%s", all, i ? "," : "", v->adapters[i],
				   scaled ? ":" : "", scaled ? v->scales[i] : "");
	return v->n_adapters ? all : NULL;
}

static void settings(struct words *w, const struct runtime_values *v) {
	const struct runtime *rt = w->rt;
	const struct json *kv_words = rt->flags[RUNTIME_KV_CACHE].values;
	unsigned fraction = rt->memory.fraction_percent;
	uint64_t times = rt->flags[RUNTIME_CONTEXT].times_sequences ? v->sequences : 1;

	set(w, RUNTIME_MODEL, v->model);
	set(w, RUNTIME_ADAPTERS, adapters(w, v));
	set(w, RUNTIME_SERVED_NAME, v->served_name);
	set(w, RUNTIME_SOCKET, rt->container.socket);
	set_number(w, RUNTIME_CONTEXT, v->context_tokens * times);
	set_number(w, RUNTIME_SEQUENCES, v->sequences);
	set(w, RUNTIME_KV_CACHE,
	    kv_words && v->kv_cache ? json_str(kv_words, v->kv_cache) : v->kv_cache);
	set(w, RUNTIME_MEMORY_FRACTION,
	    arena_printf(w->arena, "%u.%02u", fraction / 100, fraction % 100));
	set_number(w, RUNTIME_TENSOR_PARALLEL, v->devices > 1 ? v->devices : 0);
	set(w, RUNTIME_CHAT_TEMPLATE, v->chat_template);
}

const char *runtime_model_path(const struct runtime *rt, const char *route, struct arena *a) {
	if (!strcmp(rt->layout, "store"))
		return arena_strdup(a, route);
	if (!strcmp(rt->layout, "directory"))
		return arena_printf(a, "%s/model", rt->folder);
	return arena_printf(a, "%s/model.%s", rt->folder, rt->format);
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void runtime_argv(const struct runtime *rt, const struct runtime_values *v, struct arena *a,
		  struct runtime_words *out) {
	struct words w = {.rt = rt, .arena = a};

	w.env = arena_zalloc(a, json_count(rt->container.env) + RUNTIME_SETTINGS + 1,
			     sizeof *w.env);
	push_all(&w, rt->command, rt->n_command);
	settings(&w, v);
	push_all(&w, rt->fixed_args, rt->n_fixed_args);
	push_all(&w, v->backend->args, v->backend->n_args);
	push_all(&w, v->extra, v->n_extra);
	for (const struct json *o = json_first(rt->container.env); o; o = json_next(o))
		push_env(&w, json_key(o), json_text(o));
	qsort(w.env, w.n_env, sizeof *w.env, by_text);
	*out = (struct runtime_words){.argv = w.argv,
				      .n_argv = w.n_argv,
				      .env = w.env,
				      .n_env = w.n_env};
}
