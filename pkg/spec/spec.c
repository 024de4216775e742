/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/spec.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "schema/schema.h"
#include "spec/check.h"
#include "spec/files.h"
#include "spec/golden.h"
#include "spec/planning.h"
#include "spec/source.h"
#include "spec/tables.h"
#include "spec/template.h"
#include "yaml/yaml.h"
#include "json/json.h"

#define MAX_TEMPLATE (256u << 10)

/* What the pointers of the public part point into. */
struct whole {
	struct spec spec; /* first: the two are one allocation */
	struct arena *arena;
	struct json *tree, *golden;
	struct yaml *yaml; /* for places */
	spec_more *more;   /* or NULL */
	void *more_ctx;
};

void spec_free(struct spec *s) {
	struct whole *w = (struct whole *) s;

	if (!w)
		return;
	json_free(w->tree);
	json_free(w->golden);
	yaml_done(w->yaml);
	arena_free(w->arena);
	free(w);
}

void spec_freep(struct spec **s) {
	spec_free(*s);
}

void spec_fill_artifact(struct spec_artifact *a, const struct json *from, const char *dir,
			struct arena *arena) {
	const struct json *sources = json_get(from, "source");
	const char **list = arena_zalloc(arena, json_count(sources) + 1, sizeof(char *));

	for (const struct json *s = json_first(sources); s; s = json_next(s))
		list[a->n_sources++] = spec_source_resolve(json_text(s), dir, arena);
	a->sources = list;
	a->sha256 = json_str(from, "sha256");
	a->scale = json_str(from, "scale");
}

static void fill_model(struct whole *w) {
	struct spec *s = &w->spec;
	const struct json *model = json_get(w->tree, "model"),
			  *adapters = json_get(model, "adapters");

	spec_fill_artifact(&s->model, model, s->dir, w->arena);
	s->adapters = arena_zalloc(w->arena, json_count(adapters) + 1, sizeof *s->adapters);
	for (const struct json *a = json_first(adapters); a; a = json_next(a))
		spec_fill_artifact(&s->adapters[s->n_adapters++], a, s->dir, w->arena);
}

static void fill_runtime(struct spec *s) {
	const struct json *runtime = json_get(s->tree, "runtime"),
			  *wants = json_get(s->tree, "requirements");

	s->runtime = json_str(runtime, "name");
	s->backend = json_str(runtime, "backend");
	s->context_tokens = json_int_or(runtime, "context_tokens", 0);
	s->concurrent_sequences = json_int_or(runtime, "concurrent_sequences", 0);
	s->kv_cache = json_str(runtime, "kv_cache");
	s->extra_args = json_get(runtime, "extra_args");
	s->privacy = json_str(wants, "privacy");
	s->capabilities = json_get(wants, "capabilities");
}

static void fill_resources(struct spec *s) {
	const struct json *resources = json_get(s->tree, "resources"),
			  *device = json_get(resources, "device");

	s->device_auto = json_is_string(device);
	s->device_memory = (uint64_t) json_int_or(device, "memory", 0);
	s->device_bandwidth = (uint64_t) json_int_or(device, "bandwidth", 0);
	s->reserve_percent = (unsigned) json_int_or(resources, "reserve", 0);
	s->admission = json_str(resources, "admission");
}

static void fill_rollout(struct spec *s) {
	const struct json *health = json_get(s->tree, "health"), *eval = json_get(s->tree, "eval");
	const struct json *rollout = json_get(s->tree, "rollout");

	s->startup_timeout_ms = (uint64_t) json_int_or(health, "startup_timeout", 0);
	s->stall_timeout_ms = (uint64_t) json_int_or(health, "stall_timeout", 0);
	s->eval_skip = json_str(eval, "skip");
	s->latency_p95_ms = (uint64_t) json_int_or(eval, "latency_p95", 0);
	s->strategy = json_str(rollout, "strategy");
	s->previous = json_str(rollout, "previous");
	s->watch_ms = (uint64_t) json_int_or(rollout, "watch", 0);
	s->drain_ms = (uint64_t) json_int_or(rollout, "drain", 0);
	s->keep = json_int_or(rollout, "keep", 0);
	s->gates = json_get(rollout, "gates");
	s->canary = strcmp(s->strategy, "canary") ? NULL : json_get(rollout, "canary");
	s->gateway = json_get(s->tree, "gateway");
	s->gateway_listen = json_str(s->gateway, "listen");
}

/* A tree without a diagnostic has every field. */
static void fill(struct whole *w) {
	struct spec *s = &w->spec;

	s->tree = w->tree;
	s->golden = w->golden;
	s->route = json_str(w->tree, "route");
	s->version = json_str(w->tree, "version");
	fill_model(w);
	fill_runtime(s);
	fill_resources(s);
	fill_rollout(s);
	spec_fill_planning(s, w->arena);
}

/* The chat template and the golden set; what is wrong with them is one more diagnostic. */
static int read_files(struct whole *w, const struct yaml_node *root, struct diagnostics *c,
		      struct err *e) {
	char *beside CLEANUP(freep) = spec_dir_of(w->spec.path);
	char *template CLEANUP(freep) = spec_read_named(yaml_at(root, "model.chat_template"),
							"model.chat_template", beside, MAX_TEMPLATE,
							c);
	const struct yaml_node *golden = yaml_at(root, "eval.golden");
	char *text CLEANUP(freep) = spec_read_named(golden, "eval.golden", beside, YAML_MAX_BYTES,
						    c);
	struct err bad = {0};

	w->spec.chat_template = arena_strdup(w->arena, template);
	if (template) {
		char *file CLEANUP(freep) =
			spec_beside(beside,
				    yaml_scalar(yaml_at(root, "model.chat_template"), NULL));
		template_check(file, template, c);
	}
	if (!text)
		return 0;
	char *name CLEANUP(freep) = spec_beside(beside, yaml_scalar(golden, NULL)),
		   *dir CLEANUP(freep) = spec_dir_of(name);
	if (golden_parse(name, dir, text, strlen(text), &w->golden, c, &bad) &&
	    bad.code != ERR_SPEC) {
		*e = bad;
		return -1;
	}
	return 0;
}

static int resolve_dir(struct whole *w, struct err *e) {
	char *dir CLEANUP(freep) = spec_dir_of(w->spec.path);
	char *absolute CLEANUP(freep) = realpath(dir, NULL);

	if (!absolute)
		return err_sys(e, "cannot find the directory of '%s'", w->spec.path);
	w->spec.dir = arena_strdup(w->arena, absolute);
	return 0;
}

static void ask_more(struct whole *w, struct diagnostics *c) {
	struct spec *s = &w->spec;

	if (!w->more)
		return;
	s->tree = w->tree;
	fill_runtime(s);
	s->n_adapters = json_count(json_path(w->tree, "model.adapters"));
	w->more(w->more_ctx, s, c);
	s->n_adapters = 0;
}

static int check_all(struct whole *w, const char *text, size_t n, struct diagnostics *c,
		     struct err *e) {
	if (yaml_parse(w->spec.path, text, n, &w->yaml, c, e))
		return diagnostics_result(c, e);
	const struct yaml_node *root = yaml_root(w->yaml);
	w->tree = schema_check(root, spec_fields, c);
	spec_check(root, c);
	if (read_files(w, root, c, e))
		return -1;
	ask_more(w, c);
	return diagnostics_result(c, e);
}

const struct yaml_node *spec_root(const struct spec *s) {
	return yaml_root(((const struct whole *) s)->yaml);
}

struct pos spec_pos(const struct spec *s, const char *path) {
	const struct yaml_node *root = spec_root(s);
	char *at CLEANUP(freep) = mem_strdup(path), *dot;
	const struct yaml_node *n = yaml_at(root, at);

	while (!n && (dot = strrchr(at, '.'))) {
		*dot = 0;
		n = yaml_at(root, at);
	}
	return yaml_pos(n ? n : root);
}

int spec_parse(const char *name, const char *text, size_t n, spec_more *more, void *ctx,
	       struct spec **out, struct diagnostics *c, struct err *e) {
	struct whole *w = mem_zalloc(1, sizeof *w);
	struct spec *s CLEANUP(spec_freep) = &w->spec;

	w->more = more;
	w->more_ctx = ctx;
	w->arena = arena_new();
	s->path = arena_strdup(w->arena, name);
	if (resolve_dir(w, e) ||
	    check_all(w, text, n, c, e))
		return -1;
	fill(w);
	*out = STEAL(s);
	return 0;
}

int spec_load(const char *path, struct spec **out, struct diagnostics *c, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4 * YAML_MAX_BYTES);

	if (fs_read_user(path, &text, e))
		return -1;
	return spec_parse(path, buf_str(&text), text.len, NULL, NULL, out, c, e);
}
