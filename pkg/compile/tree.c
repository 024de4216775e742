/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "compile/compile.h"
#include "compile/packages.h"
#include "model/model.h"
#include "plan/plan.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

void compile_parts_done(struct compile_parts *p) {
	plan_free(p->plan);
	runtime_free(p->runtime);
	debian_lock_free(p->packages);
	for (size_t i = 0; p->model && i <= p->spec->n_adapters; i++)
		model_facts_done(&p->model[i]);
	for (size_t i = 0; p->candidates && i < p->spec->n_candidates; i++)
		model_facts_done(&p->candidates[i]);
	free(p->candidates);
	free(p->model);
	free(p->sizes);
}

/* Backends that packages.lock has for this architecture: what `auto` may become. */
static size_t locked_backends(const struct compile_parts *p, const struct compile *c,
			      const char **out) {
	char *path CLEANUP(freep) = mem_printf("%s/packages.lock", c->runtime_dir);
	size_t n = 0;

	for (size_t i = 0; i < p->runtime->n_backends; i++) {
		struct debian_lock *l CLEANUP(debian_lock_freep) = NULL;
		struct err none = {0};
		if (!debian_lock_read(path, p->runtime->backends[i].name, p->host.architecture, &l,
				      &none))
			out[n++] = p->runtime->backends[i].name;
	}
	return n;
}

static struct pos where(void *ctx, const char *path) {
	const struct compile_parts *p = ctx;

	return spec_pos(p->spec, path);
}

int compile_plan(struct compile_parts *p, const struct compile *c, struct diagnostics *diagnostics,
		 struct err *e) {
	bool packaged = !strcmp(p->runtime->launch, "packages");

	p->in = (struct plan_input){.spec = p->spec,
				    .runtime = p->runtime,
				    .model = p->candidates ? NULL : p->model,
				    .candidates = p->candidates,
				    .adapters = p->adapters,
				    .host = &p->host,
				    .locked = packaged ? p->locked : NULL,
				    .where = where,
				    .where_ctx = p,
				    .refused_too = p->refused_too,
				    .asking = c->asking,
				    .measured = c->measured};
	p->in.n_locked = packaged ? locked_backends(p, c, p->locked) : 0;
	if (plan_make(&p->in, &p->plan, diagnostics, e))
		return -1;
	if (p->refused_too)
		return 0;
	for (size_t i = 0; i < p->plan->n_notes; i++)
		progress_note(c->progress, p->plan->notes[i], NULL);
	return 0;
}

static struct json *texts(const char *const *list, size_t n) {
	struct json *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_push_str(a, list[i]);
	return a;
}

static struct json *runtime_part(const struct compile_parts *p) {
	struct json *o = json_object();

	json_set_str(o, "name", p->runtime->name);
	json_set_str(o, "version", p->runtime_version);
	json_set_str(o, "backend", p->plan->backend->name);
	json_set_str(o, "architecture", p->host.architecture);
	json_set_str(o, "packages_lock", p->packages_lock);
	return o;
}

static struct json *image_part(const struct compile_parts *p) {
	struct json *o = json_object(), *packages = json_array();

	json_set_str(o, "config", p->image.config);
	json_set_str(o, "manifest", p->image.manifest);
	for (size_t i = 0; p->packages && i < p->packages->n_packages; i++) {
		const struct debian_package *k = &p->packages->packages[i];
		struct json *l = json_object();
		json_set_str(l, "name", k->name);
		json_set_str(l, "version", k->version);
		json_set_str(l, "architecture", k->architecture);
		json_set_str(l, "suite", k->suite);
		json_set_str(l, "path", k->path);
		json_set_str(l, "sha256", k->sha256);
		json_set_int(l, "size", (int64_t) k->size);
		json_push(packages, l);
	}
	json_set(o, "layers", packages_layers(&p->image));
	json_set(o, "packages", packages);
	if (p->spec->chat_template) {
		char digest[SHA256_HEX];
		sha256_of(p->spec->chat_template, strlen(p->spec->chat_template), digest);
		json_set_str(o, "chat_template", digest);
	}
	return o;
}

/* Sources that mean the same on every machine; a file's path is of this one. */
static struct json *remote_sources(const struct spec_artifact *a) {
	struct json *list = json_array();

	for (size_t i = 0; i < a->n_sources; i++)
		if (!text_starts(a->sources[i], "file:"))
			json_push_str(list, a->sources[i]);
	return list;
}

static struct json *artifact(const struct spec_artifact *a, const char *role, const char *path,
			     uint64_t size) {
	struct json *o = json_object();

	json_set_str(o, "role", role);
	json_set_str(o, "sha256", a->sha256);
	json_set_int(o, "size", (int64_t) size);
	json_set_str(o, "path", path);
	json_set_str(o, "scale", a->scale);
	json_set(o, "sources", remote_sources(a));
	return o;
}

static struct json *artifacts_part(const struct compile_parts *p) {
	struct json *list = json_array();

	json_push(list, artifact(&p->spec->model, "model", p->plan->model_path, p->sizes[0]));
	for (size_t i = 0; i < p->spec->n_adapters; i++)
		json_push(list,
			  artifact(&p->spec->adapters[i], "adapter", p->plan->adapter_paths[i],
				   p->sizes[i + 1]));
	return list;
}

static struct json *container_part(const struct compile_parts *p) {
	const struct runtime_container *c = &p->runtime->container;
	const struct runtime_backend *b = p->plan->backend;
	struct json *o = json_object();

	json_set(o, "argv", texts(p->plan->argv, p->plan->n_argv));
	json_set(o, "env", texts(p->plan->env, p->plan->n_env));
	json_set_str(o, "socket", c->socket);
	json_set_str(o, "network", c->network);
	json_set_int(o, "memory_bytes", (int64_t) p->plan->memory_bytes);
	json_set_int(o, "pids", (int64_t) p->plan->pids);
	json_set_str(o, "stop_signal", c->stop_signal);
	json_set_int(o, "stop_timeout_ms", (int64_t) c->stop_timeout_ms);
	json_set_bool(o, "read_only", c->read_only);
	json_set_str(o, "gpu", b->gpu);
	json_set(o, "devices", texts(b->devices, b->n_devices));
	json_set(o, "tmpfs", c->tmpfs ? json_copy(c->tmpfs) : json_object());
	return o;
}

static struct json *eval_part(const struct spec *s) {
	struct json *o = json_object();

	if (s->golden)
		json_set(o, "golden", json_copy(s->golden));
	json_set_str(o, "skip", s->eval_skip);
	if (s->latency_p95_ms)
		json_set_int(o, "latency_p95_ms", (int64_t) s->latency_p95_ms);
	return o;
}

static struct json *health_part(const struct spec *s) {
	struct json *o = json_object();

	json_set_int(o, "startup_timeout_ms", (int64_t) s->startup_timeout_ms);
	json_set_int(o, "stall_timeout_ms", (int64_t) s->stall_timeout_ms);
	return o;
}

static struct json *requirements_part(const struct spec *s) {
	struct json *o = json_object();

	json_set_str(o, "privacy", s->privacy);
	json_set(o, "capabilities", json_copy(s->capabilities));
	return o;
}

/* What a model name must be to be answered by the fallback; ROUTE-large unless it is said. */
static struct json *fallback_part(const struct spec *s) {
	struct json *o = json_copy(json_get(s->gateway, "fallback")), *names;
	char *large CLEANUP(freep) = mem_printf("%s-large", s->route);

	if (json_get(o, "shareable"))
		return o;
	names = json_array();
	json_push_str(names, large);
	json_set(o, "shareable", names);
	return o;
}

/* The door as the manifest has it, units in the names, and what the gateway must know of the
 * runtime. */
static struct json *gateway_part(const struct compile_parts *p) {
	struct json *o = json_copy(p->spec->gateway), *sizes = json_object(),
		    *queue = json_object();
	const struct json *names = json_get(p->runtime->metrics, "names");

	json_set_int(queue, "length", json_int_or(json_get(o, "queue"), "length", 0));
	json_set_int(queue, "timeout_ms", json_int_or(json_get(o, "queue"), "timeout", 0));
	json_set(o, "queue", queue);
	json_set_int(o, "max_body_bytes", json_int_or(o, "max_body", 0));
	json_remove(o, "max_body");
	if (json_get(o, "fallback"))
		json_set(o, "fallback", fallback_part(p->spec));
	json_set_int(sizes, "sequences", p->spec->concurrent_sequences);
	json_set_str(sizes, "metrics", json_str(p->runtime->metrics, "path"));
	json_set_str(sizes, "prompt_tokens", json_str(names, "prompt_tokens"));
	json_set_str(sizes, "generated_tokens", json_str(names, "generated_tokens"));
	json_set(o, "engine", sizes);
	return o;
}

struct json *compile_tree(const struct compile_parts *p) {
	struct json *t = json_object(), *budget = json_copy(p->plan->budget_json);

	json_set_str(t, "apiVersion", "llmdeploy/v1");
	json_set_str(t, "kind", "Release");
	json_set_str(t, "tool", p->tool);
	json_set_str(t, "route", p->spec->route);
	json_set_str(t, "version", p->spec->version);
	json_set(t, "runtime", runtime_part(p));
	json_set(t, "image", image_part(p));
	json_set(t, "artifacts", artifacts_part(p));
	json_set(t, "container", container_part(p));
	json_set(t, "probes", json_copy(p->plan->probes));
	json_set(t, "logs", json_copy(p->plan->logs));
	json_set(t, "health", health_part(p->spec));
	json_set(t, "eval", eval_part(p->spec));
	json_set(t, "rollout", compile_rollout(p->spec));
	json_set(t, "gateway", gateway_part(p));
	json_set(t, "requirements", requirements_part(p->spec));
	json_set_str(budget, "admission", p->spec->admission);
	json_set(t, "budget", budget);
	return t;
}
