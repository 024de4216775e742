/* SPDX-License-Identifier: Apache-2.0 */
#include "lockfile/lockfile.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "lockfile/schema.h"
#include "json/json.h"

enum { LOCKFILE_CAP = 8 << 20 };

/* The object that callers hold, and what it owns. */
struct owned {
	struct lockfile lockfile; /* first: a lockfile's address is its owner's */
	struct arena *arena;
	struct json *tree;
	char *bytes;
};

static const char *const *texts(struct arena *a, const struct json *array, size_t *n) {
	*n = json_count(array);
	const char **list = arena_zalloc(a, *n + 1, sizeof *list);
	size_t i = 0;

	for (const struct json *c = json_first(array); c; c = json_next(c))
		list[i++] = json_text(c);
	return list;
}

static uint64_t count(const struct json *o, const char *key) {
	return (uint64_t) json_int_or(o, key, 0);
}

static void fill_image(struct owned *o, const struct json *image) {
	const struct json *layers = json_get(image, "layers");
	struct lockfile *l = &o->lockfile;
	size_t i = 0;

	l->image_config = json_str(image, "config");
	l->image_manifest = json_str(image, "manifest");
	l->n_layers = json_count(layers);
	struct lockfile_layer *list = arena_zalloc(o->arena, l->n_layers + 1, sizeof *list);
	for (const struct json *c = json_first(layers); c; c = json_next(c))
		list[i++] = (struct lockfile_layer){json_str(c, "name"), json_str(c, "diff_id"),
						    count(c, "size")};
	l->layers = list;
}

static void fill_artifacts(struct owned *o, const struct json *artifacts) {
	struct lockfile *l = &o->lockfile;
	size_t i = 0;

	l->n_artifacts = json_count(artifacts);
	struct lockfile_artifact *list = arena_zalloc(o->arena, l->n_artifacts + 1, sizeof *list);
	for (const struct json *c = json_first(artifacts); c; c = json_next(c), i++) {
		list[i] = (struct lockfile_artifact){.role = json_str(c, "role"),
						     .sha256 = json_str(c, "sha256"),
						     .path = json_str(c, "path"),
						     .scale = json_str(c, "scale"),
						     .size = count(c, "size")};
		list[i].sources = texts(o->arena, json_get(c, "sources"), &list[i].n_sources);
	}
	l->artifacts = list;
}

static void fill_container(struct owned *o, const struct json *c) {
	struct lockfile *l = &o->lockfile;

	l->argv = texts(o->arena, json_get(c, "argv"), &l->n_argv);
	l->env = texts(o->arena, json_get(c, "env"), &l->n_env);
	l->devices = texts(o->arena, json_get(c, "devices"), &l->n_devices);
	l->socket = json_str(c, "socket");
	l->network = json_str(c, "network");
	l->gpu = json_str(c, "gpu");
	l->memory_bytes = count(c, "memory_bytes");
	l->pids = count(c, "pids");
	l->stop_timeout_ms = count(c, "stop_timeout_ms");
	l->stop_signal = json_str(c, "stop_signal");
	l->read_only = json_true(c, "read_only");
	l->tmpfs = json_get(c, "tmpfs");
}

static struct lockfile_gates gates_of(const struct json *g) {
	const struct json *against = json_get(g, "against_active");

	return (struct lockfile_gates){
		.error_rate_percent = json_int_or(g, "error_rate_percent", -1),
		.p95_ms = json_int_or(g, "p95_ms", -1),
		.ttft_ms = json_int_or(g, "ttft_ms", -1),
		.more_errors_percent = json_int_or(against, "error_rate_percent", -1),
		.p95_percent = json_int_or(against, "p95_percent", -1),
		.ttft_percent = json_int_or(against, "ttft_percent", -1),
	};
}

static void fill_rollout(struct owned *o, const struct json *rollout) {
	const struct json *canary = json_get(rollout, "canary"), *steps = json_get(canary, "steps");
	struct lockfile *l = &o->lockfile;
	size_t i = 0;

	l->strategy = json_str(rollout, "strategy");
	l->previous = json_str(rollout, "previous");
	l->watch_ms = count(rollout, "watch_ms");
	l->drain_ms = count(rollout, "drain_ms");
	l->keep = count(rollout, "keep");
	l->gates = gates_of(json_get(rollout, "gates"));
	l->canary_gates = gates_of(json_get(canary, "gates"));
	l->n_steps = json_count(steps);
	struct lockfile_step *list = arena_zalloc(o->arena, l->n_steps + 1, sizeof *list);
	for (const struct json *c = json_first(steps); c; c = json_next(c))
		list[i++] = (struct lockfile_step){(unsigned) count(c, "weight_percent"),
						   count(c, "duration_ms"),
						   count(c, "min_requests")};
	l->steps = list;
}

static void fill_gates(struct lockfile *l, const struct json *t) {
	const struct json *eval = json_get(t, "eval"), *budget = json_get(t, "budget");

	l->probes = json_get(t, "probes");
	l->logs = json_get(t, "logs");
	l->startup_timeout_ms = count(json_get(t, "health"), "startup_timeout_ms");
	l->stall_timeout_ms = count(json_get(t, "health"), "stall_timeout_ms");
	l->golden = json_get(eval, "golden");
	l->eval_skip = json_str(eval, "skip");
	l->latency_p95_ms = count(eval, "latency_p95_ms");
	l->admission = json_str(budget, "admission");
	l->planned_bytes = count(budget, "planned_bytes");
	l->active_bytes = count(budget, "active_bytes");
	l->bandwidth = count(budget, "bandwidth");
	l->reserve_percent = (unsigned) count(budget, "reserve_percent");
}

static void fill(struct owned *o) {
	const struct json *t = o->tree, *runtime = json_get(t, "runtime");
	struct lockfile *l = &o->lockfile;

	l->tree = t;
	l->route = json_str(t, "route");
	l->version = json_str(t, "version");
	l->runtime = json_str(runtime, "name");
	l->runtime_version = json_str(runtime, "version");
	l->backend = json_str(runtime, "backend");
	l->architecture = json_str(runtime, "architecture");
	fill_image(o, json_get(t, "image"));
	fill_artifacts(o, json_get(t, "artifacts"));
	fill_container(o, json_get(t, "container"));
	fill_rollout(o, json_get(t, "rollout"));
	fill_gates(l, t);
}

/* A strategy that is not known must not be taken for another one; a canary has shares between
 * nobody and everybody. */
static int check_rollout(const struct json *rollout, struct err *e) {
	const char *strategy = json_str(rollout, "strategy");
	const struct json *canary = json_get(rollout, "canary"), *steps = json_get(canary, "steps");
	bool is_canary = !strcmp(strategy, "canary");

	if (!is_canary && strcmp(strategy, "blue-green") && strcmp(strategy, "recreate"))
		return err_set(e, ERR_SPEC, "rollout.strategy '%.40s' is not known", strategy);
	if (is_canary != (canary != NULL) || (is_canary && !json_count(steps)))
		return err_set(e, ERR_SPEC,
			       "rollout.canary must be there with its steps when rollout.strategy "
			       "is canary, and only then");
	for (const struct json *c = json_first(steps); c; c = json_next(c)) {
		int64_t weight = json_int_or(c, "weight_percent", 0);
		if (weight < 1 || weight > 99)
			return err_set(
				e, ERR_SPEC,
				"rollout.canary.steps: a weight of %lld %% is not between 1 and 99",
				(long long) weight);
	}
	return 0;
}

/* What the schema cannot say. */
static int check_sense(const struct json *t, struct err *e) {
	const char *kind = json_str(t, "kind"), *api = json_str(t, "apiVersion");

	if (strcmp(kind, "Release") || strcmp(api, "llmdeploy/v1"))
		return err_set(e, ERR_SPEC, "'%.40s' of '%.40s' is not a release of 'llmdeploy/v1'",
			       kind, api);
	const struct json *first = json_at(json_get(t, "artifacts"), 0);
	if (!first || strcmp(json_str(first, "role"), "model"))
		return err_set(e, ERR_SPEC, "artifacts.0 must be the model");
	if (!json_count(json_path(t, "container.argv")) ||
	    !json_count(json_path(t, "image.layers")))
		return err_set(e, ERR_SPEC, "container.argv and image.layers must not be empty");
	if (json_get(json_get(t, "eval"), "golden") && json_get(json_get(t, "eval"), "skip"))
		return err_set(e, ERR_SPEC, "eval has both a golden set and a reason to skip it");
	for (const struct json *c = json_first(json_get(t, "artifacts")); c; c = json_next(c))
		if (strncmp(json_str(c, "path"), "/models/", 8) ||
		    strstr(json_str(c, "path"), ".."))
			return err_set(e, ERR_SPEC, "artifact path '%.80s' is not beneath /models",
				       json_str(c, "path"));
	return check_rollout(json_get(t, "rollout"), e);
}

int lockfile_from_tree(const struct json *tree, struct lockfile **out, struct err *e) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(LOCKFILE_CAP);

	if (lockfile_schema_check(tree, lockfile_fields, "", e) ||
	    check_sense(tree, e))
		return -1;
	if (json_canonical(tree, &b, e)) {
		e->code = ERR_SPEC;
		return -1;
	}
	(void) buf_putc(&b, '\n');
	struct owned *o = mem_zalloc(1, sizeof *o);
	o->arena = arena_new();
	o->tree = json_copy(tree);
	o->lockfile.n_bytes = b.len;
	o->bytes = buf_steal(&b);
	o->lockfile.bytes = o->bytes;
	sha256_of(o->bytes, o->lockfile.n_bytes, o->lockfile.digest);
	memcpy(o->lockfile.id, o->lockfile.digest, LOCKFILE_ID - 1);
	fill(o);
	*out = &o->lockfile;
	return 0;
}

int lockfile_parse(const char *name, const char *text, size_t n, struct lockfile **out,
		   struct err *e) {
	struct json *tree CLEANUP(json_freep) = NULL;
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;

	if (json_parse(text, n, &tree, e)) {
		e->code = ERR_SPEC;
		return err_wrap(e, "%s", name);
	}
	if (lockfile_from_tree(tree, &l, e))
		return err_wrap(e, "%s", name);
	if (l->n_bytes != n || memcmp(l->bytes, text, n))
		return err_set(e, ERR_INTEGRITY,
			       "%s: not the canonical form that llmdeploy writes: it was edited; "
			       "build it again",
			       name);
	*out = STEAL(l);
	return 0;
}

void lockfile_free(struct lockfile *l) {
	struct owned *o = (struct owned *) l;

	if (!o)
		return;
	arena_free(o->arena);
	json_free(o->tree);
	free(o->bytes);
	free(o);
}

void lockfile_freep(struct lockfile **l) {
	lockfile_free(*l);
}

const struct lockfile_artifact *lockfile_model(const struct lockfile *l) {
	return &l->artifacts[0];
}

void lockfile_schema(struct buf *out) {
	struct buf body CLEANUP(buf_done) = BUF_INIT(1 << 20),
			head CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct json *tree CLEANUP(json_freep) = NULL;
	struct err e = {0};

	lockfile_schema_print(lockfile_fields, &body);
	(void) buf_puts(&head,
			"{\"$schema\":\"https://json-schema.org/draft/2020-12/"
			"schema\",\"$id\":\"urn:llmdeploy:lock:v1\","
			"\"title\":\"llmdeploy release lock\",");
	(void) buf_puts(&head, buf_str(&body) + 1);
	if (json_parse(buf_str(&head), head.len, &tree, &e))
		abort(); /* our own table */
	json_print_pretty(tree, out);
	(void) buf_putc(out, '\n');
}
