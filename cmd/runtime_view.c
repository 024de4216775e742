/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime_view.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diagnostics.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capability/capability.h"
#include "context.h"
#include "debian/debian.h"
#include "host/host.h"
#include "report/report.h"
#include "runtime/filter.h"
#include "runtime/runtime.h"
#include "json/json.h"

int runtime_view_load(struct args *a, const char *name, char **dir, struct runtime **rt,
		      struct err *e) {
	struct diagnostics all CLEANUP(diagnostics_done) = {0};

	if (context_runtime_dir(a, name, dir, e))
		return -1;
	if (!runtime_load(*dir, rt, &all, e))
		return 0;
	if (all.n > 1)
		report_diagnostics(a->report, &all);
	return -1;
}

static void join(const char *const *words, size_t n, struct buf *out) {
	for (size_t i = 0; i < n; i++)
		(void) buf_printf(out, "%s%s", i ? " " : "", words[i]);
}

/* ---- list ---- */

struct shelf {
	struct arena *arena;
	struct runtime **all;
	size_t n;
};

static void shelf_done(struct shelf *s) {
	for (size_t i = 0; i < s->n; i++)
		runtime_free(s->all[i]);
	free(s->all);
	arena_free(s->arena);
}

static int shelf_fill(struct args *a, struct shelf *s, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n_dirs, n = 0;
	char **dirs = context_runtime_dirs(a, &n_dirs);
	int r = runtime_list((const char *const *) dirs, n_dirs, &names, &n, e);

	runtime_dirs_free(dirs);
	s->arena = arena_new();
	s->all = mem_zalloc(n + 1, sizeof *s->all);
	for (size_t i = 0; !r && i < n; i++) {
		char *dir CLEANUP(freep) = NULL;
		r = runtime_view_load(a, names[i], &dir, &s->all[i], e);
		s->n += !r;
	}
	return r;
}

static const char *words_of(struct arena *a, const char *const *words, size_t n) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	join(words, n, &b);
	return arena_strdup(a, buf_str(&b));
}

static void list_all(struct args *a, const struct shelf *s) {
	static const struct report_column columns[] = {{"RUNTIME", false, 0},
						       {"CHECKED", false, 12},
						       {"LAUNCH", false, 0},
						       {"READS", false, 8},
						       {"COMPUTES ON", false, 8}};
	const char **cells CLEANUP(freep) = mem_zalloc(5 * s->n + 1, sizeof *cells);
	struct json *j CLEANUP(json_freep) = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct runtime *rt = s->all[i];
		const char *backends[RUNTIME_MAX_BACKENDS];

		for (size_t b = 0; b < rt->n_backends; b++)
			backends[b] = rt->backends[b].name;
		cells[5 * i] = rt->name;
		cells[5 * i + 1] = rt->checked;
		cells[5 * i + 2] = rt->launch;
		cells[5 * i + 3] = words_of(s->arena, rt->formats, rt->n_formats);
		cells[5 * i + 4] = words_of(s->arena, backends, rt->n_backends);
		json_push_str(j, rt->name);
	}
	report_table(a->report, columns, 5, cells, s->n);
	report_result(a->report, j);
}

/* "a,b" in pieces; each of them must be a capability. */
static int take_words(const char *text, struct arena *arena, const char ***words, size_t *n,
		      struct err *e) {
	char *copy = arena_strdup(arena, text), *rest = NULL;

	*words = arena_zalloc(arena, strlen(text) + 1, sizeof **words);
	*n = 0;
	for (char *w = strtok_r(copy, ",", &rest); w; w = strtok_r(NULL, ",", &rest)) {
		const char *near = text_nearest(w, capability_names, capability_count);

		if (capability_means(w))
			(*words)[(*n)++] = w;
		else if (near)
			return err_set(e, ERR_USAGE,
				       "there is no capability '%.60s', did you mean '%s'?", w,
				       near);
		else
			return err_set(e, ERR_USAGE,
				       "there is no capability '%.60s'; 'llmdeploy runtime list "
				       "--capabilities' has them all",
				       w);
	}
	return *n ? 0
		  : err_set(e, ERR_USAGE,
			    "'--requires' wants at least one capability, as in openai_api,metrics");
}

static void show_verdicts(struct args *a, const struct runtime_verdict *v, struct json *list) {
	static const struct report_column columns[] = {{"RUNTIME", false, 0},
						       {"VERDICT", false, 0},
						       {"WHY", false, 20}};
	const char **cells CLEANUP(freep) = NULL;
	size_t rows = 0;

	for (; v->runtime; v++) {
		struct json *o = json_object(), *reasons = json_array();

		for (size_t i = 0; i < v->n_reasons || !i; i++) {
			cells = mem_grow(cells, 3 * (rows + 1), sizeof *cells);
			cells[3 * rows] = i ? NULL : v->runtime->name;
			cells[3 * rows + 1] = i ? NULL : v->survives ? "candidate" : "refused";
			cells[3 * rows++ + 2] = v->survives ? NULL : v->reasons[i];
			if (!v->survives)
				json_push_str(reasons, v->reasons[i]);
		}
		json_set_str(o, "name", v->runtime->name);
		json_set_str(o, "launch", v->runtime->launch);
		json_set_bool(o, "survives", v->survives);
		json_set(o, "reasons", reasons);
		json_push(list, o);
	}
	report_table(a->report, columns, 3, cells, rows);
}

static int list_verdicts(struct args *a, const struct shelf *s, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object(), *wants = json_array(),
		       *list = json_array();
	struct runtime_need need = {0};
	const char **words;

	json_set(j, "requires", wants);
	json_set(j, "runtimes", list);
	if (take_words(a->option[OPT_REQUIRES], s->arena, &words, &need.n_capabilities, e))
		return -1;
	need.capabilities = words;
	for (size_t i = 0; i < need.n_capabilities; i++)
		json_push_str(wants, words[i]);
	show_verdicts(a,
		      runtime_filter((const struct runtime *const *) s->all, s->n, &need, s->arena),
		      list);
	report_result(a->report, j);
	return 0;
}

static int list_capabilities(struct args *a) {
	static const struct report_column columns[] = {{"CAPABILITY", false, 0},
						       {"A RUNTIME THAT HAS IT", false, 20}};
	const char **cells CLEANUP(freep) = mem_zalloc(2 * capability_count + 1, sizeof *cells);
	struct json *j CLEANUP(json_freep) = json_object();

	for (size_t i = 0; i < capability_count; i++) {
		cells[2 * i] = capability_list[i].name;
		cells[2 * i + 1] = capability_list[i].means;
		json_set_str(j, capability_list[i].name, capability_list[i].means);
	}
	report_table(a->report, columns, 2, cells, capability_count);
	report_result(a->report, j);
	return 0;
}

int runtime_view_list(struct args *a, struct err *e) {
	struct shelf s CLEANUP(shelf_done) = {0};

	if (a->option[OPT_CAPABILITIES])
		return list_capabilities(a);
	if (shelf_fill(a, &s, e))
		return -1;
	if (a->option[OPT_REQUIRES])
		return list_verdicts(a, &s, e);
	list_all(a, &s);
	return 0;
}

/* ---- show ---- */

static void add_packages(const struct runtime *rt, const char *dir, const char *architecture,
			 struct buf *out) {
	char *lock CLEANUP(freep) = mem_printf("%s/packages.lock", dir);

	for (size_t i = 0; i < rt->n_backends && runtime_is_packaged(rt); i++) {
		struct debian_lock *l CLEANUP(debian_lock_freep) = NULL;
		struct err none = {0};

		if (debian_lock_read(lock, rt->backends[i].name, architecture, &l, &none))
			(void) buf_printf(out, "%s: not locked\n", rt->backends[i].name);
		for (size_t k = 0; l && k < l->n_packages; k++)
			(void) buf_printf(out, "%s: %s %s\n", rt->backends[i].name,
					  l->packages[k].name, l->packages[k].version);
	}
}

static void add_sources(const struct runtime *rt, struct buf *out) {
	for (size_t i = 0; i < rt->n_sources; i++)
		(void) buf_printf(out, "%s%s: %s\n", rt->sources[i].verified ? "" : "UNVERIFIED ",
				  rt->sources[i].fact, rt->sources[i].source);
}

static void add_settings(const struct runtime *rt, bool supported, struct buf *out) {
	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++)
		if (rt->flags[s].supported == supported)
			(void) buf_printf(out, "%s%s", out->len ? " " : "",
					  runtime_setting_name(s));
}

static const char *backends_of(const struct runtime *rt, struct arena *a) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	for (size_t i = 0; i < rt->n_backends; i++)
		(void) buf_printf(&b, "%s%s%s\n", rt->backends[i].name,
				  *rt->backends[i].image ? ": " : "", rt->backends[i].image);
	return arena_strdup(a, buf_str(&b));
}

static const char *text_of(struct arena *a, const struct buf *b) {
	return b->len ? arena_strdup(a, b->data) : NULL;
}

/* The definition, and what of it is locked. */
int runtime_view_show(struct args *a, struct err *e) {
	struct buf packages CLEANUP(buf_done) = BUF_INIT(1 << 16),
			    sources CLEANUP(buf_done) = BUF_INIT(1 << 16),
			    unsupported CLEANUP(buf_done) = BUF_INIT(4096),
			    extras CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	char *dir CLEANUP(freep) = NULL;
	struct host_facts host;

	if (runtime_view_load(a, a->at[1], &dir, &rt, e) ||
	    host_read("", &host, e))
		return -1;
	for (size_t i = 0; i < rt->n_extras; i++)
		(void) buf_printf(&extras, "%s%s", i ? " " : "", rt->extras[i].name);
	add_packages(rt, dir, host.architecture, &packages);
	add_sources(rt, &sources);
	add_settings(rt, false, &unsupported);
	const struct report_pair pairs[] = {
		{"runtime", rt->name},
		{"definition", rt->path},
		{"checked", rt->checked},
		{"launch",
		 runtime_is_packaged(rt)
			 ? rt->launch
			 : arena_printf(arena, "%s: for plan only, this version does not run it",
					rt->launch)},
		{"command", words_of(arena, rt->command, rt->n_command)},
		{"always passed",
		 rt->n_fixed_args ? words_of(arena, rt->fixed_args, rt->n_fixed_args) : NULL},
		{"reads",
		 arena_printf(arena, "%s, as a %s", words_of(arena, rt->formats, rt->n_formats),
			      rt->layout)},
		{"computes on", backends_of(rt, arena)},
		{"capabilities", words_of(arena, rt->capabilities, rt->n_capabilities)},
		{"not settable", text_of(arena, &unsupported)},
		{"extra_args", text_of(arena, &extras)},
		{"packages", text_of(arena, &packages)},
		{"sources", text_of(arena, &sources)},
	};
	report_pairs(a->report, pairs, sizeof pairs / sizeof *pairs);
	report_result(a->report, rt->tree);
	return 0;
}

/* ---- argv ---- */

static struct json *texts(const char *const *words, size_t n) {
	struct json *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_push_str(list, words[i]);
	return list;
}

static int choose_backend(const struct args *a, const struct runtime *rt,
			  const struct runtime_backend **out, struct err *e) {
	const char *name = a->option[OPT_BACKEND];

	*out = name ? runtime_backend(rt, name) : &rt->backends[0];
	return *out ? 0 : err_set(e, ERR_USAGE, "%s has no backend '%.60s'", rt->name, name);
}

/* Every setting that a manifest has, with the manifest's defaults. */
int runtime_view_argv(struct args *a, struct err *e) {
	struct json *j CLEANUP(json_freep) = json_object();
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct runtime *rt CLEANUP(runtime_freep) = NULL;
	char *dir CLEANUP(freep) = NULL;
	struct runtime_words words;
	struct runtime_values v = {.served_name = "ROUTE",
				   .kv_cache = "f16",
				   .context_tokens = 8192,
				   .sequences = 4};

	if (runtime_view_load(a, a->at[1], &dir, &rt, e) ||
	    choose_backend(a, rt, &v.backend, e))
		return -1;
	v.model = runtime_model_path(rt, v.served_name, arena);
	v.chat_template = *rt->container.chat_template ? rt->container.chat_template : NULL;
	runtime_argv(rt, &v, arena, &words);
	for (const struct json *c = json_first(rt->before); c; c = json_next(c)) {
		struct buf line CLEANUP(buf_done) = BUF_INIT(1 << 16);

		for (const struct json *w = json_first(c); w; w = json_next(w))
			(void) buf_printf(&line, "%s%s", line.len ? " " : "", json_text(w));
		report_line(a->report, "before  %s", buf_str(&line));
	}
	for (size_t i = 0; i < words.n_env; i++)
		report_line(a->report, "env     %s", words.env[i]);
	for (size_t i = 0; i < words.n_argv; i++)
		report_line(a->report, "argv    %s", words.argv[i]);
	json_set(j, "before", json_copy(rt->before));
	json_set(j, "env", texts(words.env, words.n_env));
	json_set(j, "argv", texts(words.argv, words.n_argv));
	report_result(a->report, j);
	return 0;
}
