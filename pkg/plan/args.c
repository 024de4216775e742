/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

/* ---- extra arguments ---- */

static const char *without_dashes(const char *key) {
	return key + strspn(key, "-");
}

static const struct runtime_extra *extra_find(const struct runtime *rt, const char *name) {
	for (size_t i = 0; i < rt->n_extras; i++)
		if (!strcmp(rt->extras[i].name, name))
			return &rt->extras[i];
	return NULL;
}

/* "--NAME" is one of these. */
static bool is_among(const char *const *args, size_t n, const char *name) {
	for (size_t i = 0; i < n; i++)
		if (text_starts(args[i], "--") && !strcmp(args[i] + 2, name))
			return true;
	return false;
}

/* The key of the manifest that decides a setting; NULL: llmdeploy does. */
static const char *decided_by(enum runtime_setting s) {
	switch (s) {
	case RUNTIME_SOCKET:
	case RUNTIME_MEMORY_FRACTION: return NULL;
	case RUNTIME_SERVED_NAME: return "route";
	default: return runtime_setting_name(s);
	}
}

static void diagnose_decided(struct planner *p, const char *path, const char *name,
			     enum runtime_setting s) {
	const char *key = decided_by(s);

	if (key)
		plan_diagnose(p, path,
			      "'%s' cannot be an extra argument: it is set by '%s' of the manifest",
			      name, key);
	else
		plan_diagnose(p, path, "'%s' cannot be an extra argument: llmdeploy sets it", name);
}

static void diagnose_unknown(struct planner *p, const char *path, const char *name) {
	const struct runtime *rt = p->in->runtime;
	const char **names CLEANUP(freep) = mem_zalloc(rt->n_extras + 1, sizeof *names);
	struct buf list CLEANUP(buf_done) = BUF_INIT(4096);

	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++)
		if (is_among(rt->flags[s].args, rt->flags[s].n_args, name)) {
			diagnose_decided(p, path, name, s);
			return;
		}
	if (is_among(rt->fixed_args, rt->n_fixed_args, name)) {
		plan_diagnose(p, path,
			      "'%s' cannot be an extra argument: it is a fixed argument of %s",
			      name, rt->name);
		return;
	}
	for (size_t i = 0; i < rt->n_extras; i++) {
		names[i] = rt->extras[i].name;
		(void) buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	}
	const char *near = text_nearest(name, names, rt->n_extras);

	if (near)
		plan_diagnose(p, path,
			      "'%.60s' is not among the extra arguments that %s takes; did you "
			      "mean '%s'?",
			      name, rt->name, near);
	else if (rt->n_extras)
		plan_diagnose(p, path, "'%.60s' is not among the extra arguments that %s takes: %s",
			      name, rt->name, buf_str(&list));
	else
		plan_diagnose(p, path, "%s takes no extra arguments", rt->name);
}

/* A text that no program can take for a flag or a path. */
static bool is_harmless(const char *s) {
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._,:=+-";

	return *s && *s != '-' && strlen(s) <= 200 && !s[strspn(s, allowed)];
}

static bool is_choice(const struct runtime_extra *x, const char *word) {
	for (size_t i = 0; word && i < x->n_choices; i++)
		if (!strcmp(x->choices[i], word))
			return true;
	return false;
}

static void check_value(struct planner *p, const char *path, const struct runtime_extra *x,
			const struct json *v) {
	struct buf list CLEANUP(buf_done) = BUF_INIT(1024);
	double number = json_value(v);

	switch (x->value) {
	case RUNTIME_INT:
		if (!json_is_number(v) || number < (double) x->min || number > (double) x->max ||
		    number != (double) (int64_t) number)
			plan_diagnose(p, path, "'%s' must be a whole number from %lld to %lld",
				      x->name, (long long) x->min, (long long) x->max);
		return;
	case RUNTIME_CHOICE:
		for (size_t i = 0; i < x->n_choices; i++)
			(void) buf_printf(&list, "%s%s", i ? ", " : "", x->choices[i]);
		if (!is_choice(x, json_text(v)))
			plan_diagnose(p, path, "'%s' must be one of: %s", x->name, buf_str(&list));
		return;
	case RUNTIME_TEXT:
		if (!json_text(v) || !is_harmless(json_text(v)))
			plan_diagnose(p, path,
				      "'%s' must be a text of letters, digits and ._,:=+- that "
				      "does not begin with a dash",
				      x->name);
	}
}

static bool changes_batch(const struct runtime *rt, const char *name) {
	for (size_t i = 0; i < rt->memory.n_batch_args; i++)
		if (!strcmp(rt->memory.batch_args[i], name))
			return true;
	return false;
}

static double number_of(const struct planner *p, const char *name) {
	const struct runtime_extra *x = extra_find(p->in->runtime, name);
	const struct json *v = x ? p->extra_values[x - p->in->runtime->extras] : NULL;

	return v && json_is_number(v) ? json_value(v) : 0;
}

/* Arguments that are right by themselves, and not beside each other. */
static void check_together(struct planner *p) {
	double batch = number_of(p, "batch-size"), ubatch = number_of(p, "ubatch-size");

	if (batch > 0 && ubatch > batch)
		plan_diagnose(p, "runtime.extra_args.ubatch-size",
			      "'ubatch-size' of %.0f is larger than 'batch-size' of %.0f, of which "
			      "it is a part",
			      ubatch, batch);
}

void plan_extras(struct planner *p) {
	const struct runtime *rt = p->in->runtime;

	p->extra_values = arena_zalloc(p->arena, rt->n_extras + 1, sizeof *p->extra_values);
	p->batch_tokens = rt->memory.batch_tokens;
	for (const struct json *v = json_first(p->in->spec->extra_args); v; v = json_next(v)) {
		const char *name = without_dashes(json_key(v));
		char *path CLEANUP(freep) = mem_printf("runtime.extra_args.%s", json_key(v));
		const struct runtime_extra *x = extra_find(rt, name);

		if (!x) {
			diagnose_unknown(p, path, name);
			continue;
		}
		if (p->extra_values[x - rt->extras])
			plan_diagnose(p, path, "'%s' occurs twice", name);
		p->extra_values[x - rt->extras] = v;
		check_value(p, path, x, v);
		if (x->value == RUNTIME_INT && changes_batch(rt, name) && json_value(v) >= 1)
			p->batch_tokens = (uint64_t) json_value(v);
	}
	check_together(p);
}

/* ---- argv ---- */

/* What the manifest adds, in the definition's order, never the manifest's: the same release has the
 * same words. */
static const char *const *extra_words(const struct planner *p, size_t *n) {
	const struct runtime *rt = p->in->runtime;
	const char **words = arena_zalloc(p->arena, 2 * rt->n_extras + 1, sizeof *words);

	*n = 0;
	for (size_t i = 0; i < rt->n_extras; i++) {
		const struct json *v = p->extra_values[i];

		if (!v)
			continue;
		words[(*n)++] = arena_printf(p->arena, "--%s", rt->extras[i].name);
		words[(*n)++] = json_is_number(v)
			? arena_printf(p->arena, "%lld", (long long) json_value(v))
			: json_text(v);
	}
	return words;
}

void plan_argv(struct planner *p) {
	const struct spec *s = p->in->spec;
	const char **scales = arena_zalloc(p->arena, s->n_adapters + 1, sizeof *scales);
	struct runtime_words words;
	struct runtime_values v = {
		.backend = p->plan.backend,
		.model = p->plan.model_path,
		.adapters = p->plan.adapter_paths,
		.scales = scales,
		.n_adapters = s->n_adapters,
		.served_name = s->route,
		.kv_cache = s->kv_cache,
		.chat_template = p->plan.chat_template_path,
		.context_tokens = (uint64_t) s->context_tokens,
		.sequences = (uint64_t) s->concurrent_sequences,
	};

	for (size_t i = 0; i < s->n_adapters; i++)
		scales[i] = s->adapters[i].scale;
	v.extra = extra_words(p, &v.n_extra);
	runtime_argv(p->in->runtime, &v, p->arena, &words);
	p->plan.argv = words.argv;
	p->plan.n_argv = words.n_argv;
	p->plan.env = words.env;
	p->plan.n_env = words.n_env;
}
