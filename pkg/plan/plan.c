/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "host/host.h"
#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

void plan_diagnose(struct planner *p, const char *path, const char *fmt, ...) {
	struct pos at = {p->in->spec->path, 1, 1};
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (p->in->where)
		at = p->in->where(p->in->where_ctx, path);
	diagnostics_add(p->c, at, "%s", text);
}

void plan_note(struct planner *p, const char *fmt, ...) {
	char text[640];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (p->plan.n_notes == p->cap_notes) {
		p->cap_notes = p->cap_notes ? p->cap_notes * 2 : 8;
		p->notes = mem_grow(p->notes, p->cap_notes, sizeof *p->notes);
		p->plan.notes = p->notes;
	}
	p->notes[p->plan.n_notes++] = arena_strdup(p->arena, text);
}

/* ---- the backend ---- */

static bool is_locked(const struct plan_input *in, const char *backend) {
	for (size_t i = 0; i < in->n_locked; i++)
		if (!strcmp(in->locked[i], backend))
			return true;
	return !in->locked;
}

/* The first of cuda, vulkan, cpu that the runtime has, packages.lock has, and this machine has the
 * devices for. */
static const struct runtime_backend *automatic(const struct plan_input *in) {
	const struct {
		const char *name;
		bool here;
	} order[] = {{"cuda", in->host->nvidia},
		     {"vulkan", in->host->n_render_nodes > 0},
		     {"cpu", true}};

	for (size_t i = 0; i < sizeof order / sizeof *order; i++)
		if (order[i].here && is_locked(in, order[i].name) &&
		    runtime_backend(in->runtime, order[i].name))
			return runtime_backend(in->runtime, order[i].name);
	return NULL;
}

/* Has the runtime the backend that the manifest names? */
static void check_backend(struct planner *p) {
	const struct runtime *rt = p->in->runtime;
	const char *asked = p->in->spec->backend, *all = "";

	if (!asked || !strcmp(asked, "auto") || runtime_backend(rt, asked))
		return;
	for (size_t i = 0; i < rt->n_backends; i++)
		all = arena_printf(p->arena, "%s%s%s", all, i ? ", " : "", rt->backends[i].name);
	plan_diagnose(p, "runtime.backend", "%s has no backend '%s'; it has %s", rt->name, asked,
		      all);
}

static void choose_backend(struct planner *p) {
	const struct plan_input *in = p->in;
	const char *asked = in->spec->backend;
	bool is_auto = !strcmp(asked, "auto");
	const struct runtime_backend *b = is_auto ? automatic(in)
						  : runtime_backend(in->runtime, asked);

	if (!b && is_auto)
		plan_diagnose(p, "runtime.backend",
			      "%s has no backend that this machine has the devices for",
			      in->runtime->name);
	else if (!b)
		check_backend(p);
	else if (!is_locked(in, b->name) && in->refused_too)
		plan_note(p,
			  "the packages of backend '%s' are not locked for %s: nothing can be "
			  "built for it before 'llmdeploy runtime lock %s --backend %s'",
			  b->name, in->host->architecture, in->runtime->name, b->name);
	else if (!is_locked(in, b->name))
		plan_diagnose(p, "runtime.backend",
			      "the packages of backend '%s' are not locked for %s; run 'llmdeploy "
			      "runtime lock %s --backend %s'",
			      b->name, in->host->architecture, in->runtime->name, b->name);
	p->plan.backend = b;
}

/* ---- what the runtime and the model can do ---- */

static void check_supported(struct planner *p, enum runtime_setting setting, bool wanted,
			    const char *path) {
	if (wanted && !p->in->runtime->flags[setting].supported)
		plan_diagnose(p, path, "%s has no way to set %s", p->in->runtime->name,
			      runtime_setting_name(setting));
}

/* What every start needs to be told. A runtime that this version only plans with may lack it: the
 * plan says what that means. */
static void check_needed(struct planner *p, enum runtime_setting setting, const char *path,
			 const char *means) {
	const struct runtime *rt = p->in->runtime;

	if (runtime_is_packaged(rt))
		check_supported(p, setting, true, path);
	else if (!rt->flags[setting].supported)
		plan_note(p, "%s has no way to set %s: %s", rt->name, runtime_setting_name(setting),
			  means);
}

static void check_settings(struct planner *p) {
	const struct runtime *rt = p->in->runtime;
	const struct spec *s = p->in->spec;
	const struct runtime_flag *kv = &rt->flags[RUNTIME_KV_CACHE];

	check_supported(p, RUNTIME_MODEL, true, "runtime.name");
	check_needed(p, RUNTIME_SERVED_NAME, "runtime.name", "its answers do not name the route");
	check_supported(p, RUNTIME_SOCKET, !strcmp(rt->container.network, "none"), "runtime.name");
	check_supported(p, RUNTIME_ADAPTERS, s->n_adapters > 0, "model.adapters");
	check_supported(p, RUNTIME_CHAT_TEMPLATE, s->chat_template != NULL, "model.chat_template");
	check_needed(p, RUNTIME_CONTEXT, "runtime.context_tokens",
		     "a longer context takes more memory than this plan");
	check_needed(p, RUNTIME_SEQUENCES, "runtime.concurrent_sequences",
		     "more sequences at once take more memory than this plan");
	if (!s->kv_cache)
		return;
	if (kv->supported ? kv->values && !json_str(kv->values, s->kv_cache)
			  : strcmp(s->kv_cache, "f16") != 0)
		plan_diagnose(p, "runtime.kv_cache", "%s has no KV cache of type '%s'", rt->name,
			      s->kv_cache);
}

static void check_capabilities(struct planner *p) {
	const struct runtime *rt = p->in->runtime;
	size_t i = 0;

	for (const struct json *c = json_first(p->in->spec->capabilities); c;
	     c = json_next(c), i++) {
		const char *name = json_text(c);
		char *path CLEANUP(freep) = mem_printf("requirements.capabilities.%zu", i);

		if (!name || runtime_can(rt, name))
			continue;
		plan_diagnose(p, path,
			      "%s does not have the capability '%s'; 'llmdeploy runtime list "
			      "--requires %s' names those that have it",
			      rt->name, name, name);
	}
}

/* Stored in blocks of 32 numbers with a scale; a number of eight bits stands for itself. */
static bool is_in_blocks(const char *kv_cache) {
	return kv_cache[0] == 'q' || kv_cache[0] == 'i';
}

/* A card stands for a model in any format. */
static void check_format(struct planner *p) {
	const struct runtime *rt = p->in->runtime;
	const char *format = p->plan.model->format;

	if (*format && strcmp(format, "card") && !runtime_reads(rt, format))
		plan_diagnose(p, "model.source",
			      "the model is in the format %s, which %s does not read; 'llmdeploy "
			      "runtime list --requires %s' names "
			      "those that do",
			      format, rt->name, format);
}

static void check_architecture(struct planner *p, const char *name) {
	const struct runtime *rt = p->in->runtime;

	if (runtime_loads(rt, name))
		return;
	const char *near = text_nearest(name, rt->architectures, rt->n_architectures);

	plan_diagnose(p, "model.source",
		      "the model's architecture is '%s' (general.architecture), which %s %s does "
		      "not load%s%s%s",
		      name, rt->name, rt->checked, near ? "; the nearest that it loads is '" : "",
		      near ? near : "", near ? "'" : "");
}

static void check_model(struct planner *p) {
	const struct model_facts *m = p->plan.model;
	const struct spec *s = p->in->spec;
	struct model_layer widest = model_widest(m);

	if (model_is_other(m)) {
		plan_diagnose(p, "model.source", "the model is %s", model_is_other(m));
		return;
	}
	if (model_is_adapter(m))
		plan_diagnose(p, "model.source",
			      "the model is an adapter: it belongs under model.adapters");
	else if (!strcmp(m->format, "gguf"))
		check_architecture(p, m->architecture);
	if (!strncmp(m->stranger, "blk.", 4))
		plan_diagnose(p, "model.source",
			      "the model's file has the tensor '%s' and says '%s.block_count' with "
			      "fewer layers: %s would not load it",
			      m->stranger, m->architecture, p->in->runtime->name);
	else if (m->stranger[0])
		plan_diagnose(p, "model.source",
			      "the model's file has the tensor '%s', which is no part of the "
			      "language model: %s would not load it; take the "
			      "file without the encoder, or convert the model again",
			      m->stranger, p->in->runtime->name);
	if (m->split_files > m->files)
		plan_diagnose(
			p, "model.source",
			"the model is one of %llu files of a split model; merge them into one",
			(unsigned long long) m->split_files);
	if (m->context_length && (uint64_t) s->context_tokens > m->context_length)
		plan_diagnose(p, "runtime.context_tokens",
			      "%lld tokens of context are more than the %llu that the model was "
			      "trained for",
			      (long long) s->context_tokens,
			      (unsigned long long) m->context_length);
	if (is_in_blocks(s->kv_cache) && (widest.key_length % 32 || widest.value_length % 32))
		plan_diagnose(
			p, "runtime.kv_cache",
			"the model's heads of %u and %u are no multiples of 32, which '%s' needs",
			widest.key_length, widest.value_length, s->kv_cache);
}

/* ---- what comes of it ---- */

static void take_paths(struct planner *p) {
	const struct runtime *rt = p->in->runtime;
	size_t n = p->in->spec->n_adapters;
	const char **paths = arena_zalloc(p->arena, n + 1, sizeof *paths);

	p->plan.model_path = runtime_model_path(rt, p->in->spec->route, p->arena);
	for (size_t i = 0; i < n; i++)
		paths[i] = arena_printf(p->arena, "%s/adapter-%zu.%s", rt->folder, i + 1,
					rt->format);
	p->plan.adapter_paths = paths;
	p->plan.chat_template_path = p->in->spec->chat_template ? rt->container.chat_template
								: NULL;
	p->plan.pids = rt->container.pids;
}

/* The runtime's probes; that of identity asks for the route by name. */
static void take_probes(struct planner *p) {
	struct json *probes = json_copy(p->in->runtime->probes),
		    *identity = json_get(probes, "identity");

	if (identity) {
		struct json *want = json_object();

		json_set_str(want, json_str(identity, "name_at"), p->in->spec->route);
		json_remove(identity, "name_at");
		json_set(identity, "json", want);
	}
	p->plan.probes = p->trees[1] = probes;
	p->plan.logs = p->trees[2] = json_copy(p->in->runtime->logs);
}

/* What the zeros of a pruned checkpoint are good for, in words. */
static void note_sparsity(struct planner *p) {
	char words[400];

	(void) size_sparsity(p->plan.model, p->in->runtime, words, sizeof words);
	if (*words)
		plan_note(p, "%s", words);
}

static struct planner *begin(const struct plan_input *in, struct diagnostics *c) {
	struct planner *p = mem_zalloc(1, sizeof *p);

	p->in = in;
	p->c = c;
	p->arena = arena_new();
	return p;
}

/* 1. refuse what cannot be; 2. size it; 3. admit it; 4. write it down. */
static int make(struct planner *p, struct err *e) {
	choose_backend(p);
	check_settings(p);
	check_capabilities(p);
	plan_extras(p);
	if (p->plan.backend)
		plan_machines(p);
	p->plan.model = p->in->model;
	if (p->plan.backend && p->in->candidates)
		plan_pick(p);
	if (p->plan.model) {
		check_format(p);
		check_model(p);
		plan_adapters(p);
	}
	if (diagnostics_result(p->c, e))
		return -1;
	if (plan_budget(p, e))
		return -1;
	note_sparsity(p);
	if (plan_admit(p, e))
		return -1;
	take_paths(p);
	take_probes(p);
	plan_argv(p);
	return 0;
}

void plan_check(const struct runtime *rt, const struct spec *part,
		struct pos (*where)(void *ctx, const char *path), void *where_ctx,
		struct diagnostics *c) {
	struct plan_input in = {.spec = part,
				.runtime = rt,
				.where = where,
				.where_ctx = where_ctx};
	struct planner *p = begin(&in, c);

	check_backend(p);
	check_settings(p);
	check_capabilities(p);
	plan_extras(p);
	plan_free(&p->plan);
}

int plan_make(const struct plan_input *in, struct plan **out, struct diagnostics *c,
	      struct err *e) {
	struct planner *p = begin(in, c);

	if (make(p, e)) {
		plan_free(&p->plan);
		return -1;
	}
	*out = &p->plan;
	return 0;
}

void plan_free(struct plan *plan) {
	struct planner *p = (struct planner *) plan;

	if (!p)
		return;
	for (size_t i = 0; i < sizeof p->trees / sizeof *p->trees; i++)
		json_free(p->trees[i]);
	free(p->notes);
	arena_free(p->arena);
	free(p);
}

void plan_freep(struct plan **p) {
	plan_free(*p);
}
