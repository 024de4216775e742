/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "runtime/table.h"
#include "yaml/yaml.h"
#include "json/json.h"

/* The struct and the arena that holds its lists; the tree holds the texts. */
struct loaded {
	struct runtime rt;
	struct arena *arena;
	struct json *tree;
};

static const char *const setting_names[RUNTIME_SETTINGS] = {
	[RUNTIME_MODEL] = "model",
	[RUNTIME_ADAPTERS] = "adapters",
	[RUNTIME_SERVED_NAME] = "served_name",
	[RUNTIME_SOCKET] = "socket",
	[RUNTIME_CONTEXT] = "context_tokens",
	[RUNTIME_SEQUENCES] = "concurrent_sequences",
	[RUNTIME_KV_CACHE] = "kv_cache",
	[RUNTIME_CHAT_TEMPLATE] = "chat_template",
	[RUNTIME_TENSOR_PARALLEL] = "tensor_parallel",
	[RUNTIME_MEMORY_FRACTION] = "memory_fraction",
};

const char *runtime_setting_name(enum runtime_setting s) {
	return setting_names[s];
}

static const char *const *texts(struct arena *a, const struct json *list, size_t *n) {
	const char **out = arena_zalloc(a, json_count(list) + 1, sizeof *out);

	*n = 0;
	for (const struct json *c = json_first(list); c; c = json_next(c))
		out[(*n)++] = json_text(c);
	return out;
}

static uint64_t whole(const struct json *o, const char *key) {
	int64_t v = json_int_or(o, key, 0);

	return v > 0 ? (uint64_t) v : 0;
}

static void take_flags(struct loaded *l) {
	const struct json *flags = json_get(l->tree, "flags");

	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++) {
		const struct json *o = json_get(flags, setting_names[s]);
		struct runtime_flag *f = &l->rt.flags[s];

		f->by_store = json_is_string(o) && !strcmp(json_text(o), "store");
		f->supported = json_is_object(o) || f->by_store;
		f->env = json_is_object(o) ? json_str(o, "env") : "";
		f->args = texts(l->arena, json_get(o, "arg"), &f->n_args);
		f->values = json_get(o, "values");
		f->times_sequences = json_is_object(o) &&
			!strcmp(json_str(o, "times"), "sequences");
		f->path_scale = json_is_object(o) && !strcmp(json_str(o, "form"), "path_scale");
		f->positional = json_is_object(o) && !strcmp(json_str(o, "form"), "positional");
	}
}

static void take_backends(struct loaded *l) {
	for (const struct json *o = json_first(json_get(l->tree, "backends")); o;
	     o = json_next(o)) {
		assert(l->rt.n_backends < RUNTIME_MAX_BACKENDS);
		struct runtime_backend *b = &l->rt.backends[l->rt.n_backends++];

		b->name = json_key(o);
		b->on_device = !strcmp(json_str(o, "memory"), "device");
		b->args = texts(l->arena, json_get(o, "args"), &b->n_args);
		b->gpu = strcmp(json_str(o, "gpu"), "none") ? json_str(o, "gpu") : "";
		b->devices = texts(l->arena, json_get(o, "devices"), &b->n_devices);
		b->provided = texts(l->arena, json_get(o, "provided"), &b->n_provided);
		b->device_overhead = whole(o, "device_overhead");
		b->image = json_str(o, "image");
	}
}

static void take_extras(struct loaded *l) {
	const struct json *list = json_get(l->tree, "allow_extra");
	struct runtime_extra *out = arena_zalloc(l->arena, json_count(list) + 1, sizeof *out);

	for (const struct json *o = json_first(list); o; o = json_next(o)) {
		const char *kind = json_str(o, "value");
		struct runtime_extra *x = &out[l->rt.n_extras++];

		x->name = json_str(o, "name");
		x->value = !strcmp(kind, "int")   ? RUNTIME_INT
			: !strcmp(kind, "choice") ? RUNTIME_CHOICE
						  : RUNTIME_TEXT;
		x->min = json_int_or(o, "min", 0);
		x->max = json_int_or(o, "max", 0);
		x->choices = texts(l->arena, json_get(o, "choices"), &x->n_choices);
	}
	l->rt.extras = out;
}

static enum runtime_memory_model memory_model(const char *word) {
	static const char *const words[] = {
		[RUNTIME_LLAMA_CPP] = "llama_cpp",
		[RUNTIME_PAGED_OF_TOTAL] = "paged_fraction_of_total",
		[RUNTIME_PAGED_OF_FREE] = "paged_fraction_of_free",
		[RUNTIME_UNIFIED] = "unified",
	};
	enum runtime_memory_model m = RUNTIME_UNIFIED;

	while (m > RUNTIME_LLAMA_CPP && strcmp(word, words[m]) != 0)
		m--;
	return m;
}

static void take_sums(const struct json *list, struct runtime_family *out) {
	static const char *const keys[RUNTIME_WIDTHS] = {
		[RUNTIME_WIDTH_EMBEDDING] = "embedding",
		[RUNTIME_WIDTH_FEED_FORWARD] = "feed_forward",
		[RUNTIME_WIDTH_QUERY] = "query",
		[RUNTIME_WIDTH_KV] = "kv",
		[RUNTIME_WIDTH_ROTATED] = "rotated",
		[RUNTIME_WIDTH_EXPERTS_INNER] = "experts_inner",
		[RUNTIME_WIDTH_EXPERTS_OUTPUT] = "experts_output",
		[RUNTIME_WIDTH_PER_LAYER] = "per_layer",
		[RUNTIME_WIDTH_CONVOLUTION] = "convolution",
		[RUNTIME_WIDTH_SELECTED] = "selected",
		[RUNTIME_WIDTH_INNER] = "inner",
		[RUNTIME_WIDTH_INDEX_QUERY] = "index_query",
	};

	for (const struct json *o = json_first(list); o; o = json_next(o)) {
		struct runtime_sum *s = &out->sums[out->n_sums++];

		for (size_t i = 0; i < RUNTIME_WIDTHS; i++)
			s->times[i] = whole(o, keys[i]);
		s->states = whole(o, "states");
	}
}

static void take_memory(struct loaded *l) {
	const struct json *o = json_get(l->tree, "memory"), *compute = json_get(o, "compute"),
			  *over = json_get(o, "overhead");
	struct runtime_memory *m = &l->rt.memory;

	m->model = memory_model(json_str(o, "model"));
	m->fraction_percent = (unsigned) whole(o, "fraction");
	m->fragmentation_percent = (unsigned) whole(o, "fragmentation");
	m->block_tokens = whole(o, "block_tokens");
	m->window_multiple = whole(o, "window_multiple");
	m->one_pool = json_true(o, "one_pool");
	m->host_embeddings = json_true(o, "host_embeddings");
	m->context_multiple = whole(o, "context_multiple");
	m->batch_tokens = whole(o, "batch_tokens");
	m->batch_args = texts(l->arena, json_get(o, "batch_args"), &m->n_batch_args);
	take_sums(json_get(compute, "sums"), &m->common);
	for (const struct json *f = json_first(json_get(compute, "families")); f;
	     f = json_next(f)) {
		struct runtime_family *family = &m->families[m->n_families++];

		family->architectures = texts(l->arena, json_get(f, "architectures"),
					      &family->n_architectures);
		take_sums(json_get(f, "sums"), family);
		family->cell_bytes = whole(f, "cell_bytes");
	}
	m->rotates_quantized = json_true(o, "rotates_quantized");
	m->number_bytes = whole(compute, "number_bytes");
	m->cell_bytes = whole(compute, "cell_bytes");
	m->token_bytes = whole(compute, "token_bytes");
	m->output_bytes = whole(o, "output_bytes");
	m->overhead_base = whole(over, "base");
	m->overhead_sequence = whole(over, "sequence");
	m->overhead_vocabulary = whole(over, "vocabulary_entry");
}

static void take_container(struct loaded *l) {
	const struct json *o = json_get(l->tree, "container");

	l->rt.container = (struct runtime_container){
		.socket = json_str(o, "socket"),
		.chat_template = json_str(o, "chat_template"),
		.network = json_str(o, "network"),
		.stop_signal = json_str(o, "stop_signal"),
		.stop_timeout_ms = whole(o, "stop_timeout"),
		.pids = whole(o, "pids"),
		.read_only = json_true(o, "read_only"),
		.port = (unsigned) whole(o, "port"),
		.shared_memory = whole(o, "shared_memory"),
		.tmpfs = json_get(o, "tmpfs"),
		.env = json_get(o, "env"),
	};
}

static void take_artifacts(struct loaded *l) {
	const struct json *o = json_get(l->tree, "artifacts");
	struct runtime *rt = &l->rt;

	rt->formats = texts(l->arena, json_get(o, "format"), &rt->n_formats);
	rt->format = rt->formats[0];
	rt->quantizations = texts(l->arena, json_get(o, "quantizations"), &rt->n_quantizations);
	rt->architectures = texts(l->arena, json_get(o, "architectures"), &rt->n_architectures);
	rt->layout = json_str(o, "layout");
	rt->adapter = json_str(o, "adapter");
	rt->folder = json_str(o, "folder");
}

static void take_sources(struct loaded *l) {
	const struct json *list = json_get(l->tree, "sources");
	struct runtime_source *out = arena_zalloc(l->arena, json_count(list) + 1, sizeof *out);

	for (const struct json *o = json_first(list); o; o = json_next(o))
		out[l->rt.n_sources++] = (struct runtime_source){
			.fact = json_str(o, "fact"),
			.source = json_str(o, "source"),
			.verified = !strcmp(json_str(o, "status"), "verified")};
	l->rt.sources = out;
}

static void take(struct loaded *l, const char *path) {
	const struct json *t = l->tree;
	struct runtime *rt = &l->rt;

	rt->path = arena_strdup(l->arena, path);
	rt->name = json_str(t, "name");
	rt->checked = json_str(t, "checked");
	rt->launch = json_str(t, "launch");
	rt->version_of = json_str(t, "version_of");
	rt->command = texts(l->arena, json_get(t, "command"), &rt->n_command);
	rt->capabilities = texts(l->arena, json_get(t, "capabilities"), &rt->n_capabilities);
	rt->before = json_get(t, "before");
	take_artifacts(l);
	rt->fixed_args = texts(l->arena, json_get(t, "fixed_args"), &rt->n_fixed_args);
	take_flags(l);
	take_backends(l);
	take_extras(l);
	take_container(l);
	take_memory(l);
	rt->sparsity = texts(l->arena, json_get(json_get(t, "sparsity"), "executes"),
			     &rt->n_sparsity);
	take_sources(l);
	rt->probes = json_get(t, "probes");
	rt->metrics = json_get(t, "metrics");
	rt->logs = json_get(t, "logs");
	rt->packages = json_get(t, "packages");
	rt->tree = t;
}

/* What no table can say: parts that belong together. */
static void check_extras(const struct json *tree, const struct yaml_node *root,
			 struct diagnostics *c) {
	const struct json *list = json_get(tree, "allow_extra");

	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *o = json_at(list, i);
		const char *kind = json_str(o, "value"), *name = json_str(o, "name");
		char *at CLEANUP(freep) = mem_printf("allow_extra.%zu", i);
		int64_t min = 0, max = 0;

		if (!kind || !name)
			continue;
		if (!strcmp(kind, "int") &&
		    (!json_int(o, "min", &min) || !json_int(o, "max", &max) || min > max))
			diagnostics_add(c, yaml_pos(yaml_at(root, at)),
					"'allow_extra[%zu]' needs min and max, in order", i);
		if (!strcmp(kind, "choice") != (json_count(json_get(o, "choices")) > 0))
			diagnostics_add(c, yaml_pos(yaml_at(root, at)),
					"'allow_extra[%zu]' needs choices where its value is a "
					"choice, and only there",
					i);
		for (size_t k = 0; k < i; k++)
			if (json_str(json_at(list, k), "name") &&
			    !strcmp(json_str(json_at(list, k), "name"), name))
				diagnostics_add(c, yaml_pos(yaml_at(root, at)),
						"'allow_extra' names '%s' twice", name);
	}
}

/* A flag has one way to be told: a word before the value, a variable, or nothing. */
static void check_flags(const struct json *tree, const struct yaml_node *root,
			struct diagnostics *c) {
	for (enum runtime_setting s = 0; s < RUNTIME_SETTINGS; s++) {
		char *at CLEANUP(freep) = mem_printf("flags.%s", setting_names[s]);
		const struct json *o = json_path(tree, at);

		if (!json_is_object(o))
			continue;
		bool positional = !strcmp(json_str(o, "form"), "positional");

		if ((json_count(json_get(o, "arg")) > 0) + (*json_str(o, "env") != 0) +
			    positional !=
		    1)
			diagnostics_add(
				c, yaml_pos(yaml_at(root, at)),
				"'%s' needs one of arg, env and form: positional, and only one",
				at);
	}
}

/* Every image that is no packages of ours has a name, in the backend that it is for. */
static void check_images(const struct json *tree, const struct yaml_node *root,
			 struct diagnostics *c) {
	bool image = !strcmp(json_str(tree, "launch"), "image");

	for (const struct json *o = json_first(json_get(tree, "backends")); o; o = json_next(o)) {
		char *at CLEANUP(freep) = mem_printf("backends.%s", json_key(o));

		if (image != (*json_str(o, "image") != 0))
			diagnostics_add(c, yaml_pos(yaml_at(root, at)),
					image ? "'%s.image' is missing: the runtime is launched "
						"from an image"
					      : "'%s.image' is set, but the runtime is not "
						"launched from an image",
					at);
	}
}

static void check_rest(const struct json *tree, const struct yaml_node *root, const char *folder,
		       struct diagnostics *c) {
	const struct json *flags = json_get(tree, "flags"),
			  *container = json_get(tree, "container");
	const char *name = json_str(tree, "name");

	if (name && strcmp(name, folder) != 0)
		diagnostics_add(c, yaml_pos(yaml_at(root, "name")),
				"the runtime '%s' lies in a folder '%s'", name, folder);
	if (!json_count(json_get(tree, "backends")))
		diagnostics_add(c, yaml_pos(yaml_at(root, "backends")), "'backends' has none");
	if (json_is_object(json_get(flags, "socket")) && !*json_str(container, "socket"))
		diagnostics_add(c, yaml_pos(yaml_at(root, "flags.socket")),
				"'container.socket' is missing: the runtime listens on a socket");
	if (json_is_object(json_get(flags, "chat_template")) &&
	    !*json_str(container, "chat_template"))
		diagnostics_add(c, yaml_pos(yaml_at(root, "flags.chat_template")),
				"'container.chat_template' is missing: the runtime takes one");
	if (!strcmp(json_str(tree, "launch") ? json_str(tree, "launch") : "", "packages") &&
	    !json_get(tree, "packages"))
		diagnostics_add(c, yaml_pos(yaml_at(root, "launch")),
				"'packages' is missing: the runtime is launched from packages");
}

static const char *last_part(const char *path) {
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int runtime_load(const char *dir, struct runtime **out, struct diagnostics *c, struct err *e) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(YAML_MAX_BYTES);
	char *path CLEANUP(freep) = mem_printf("%s/runtime.yaml", dir);
	struct yaml *y CLEANUP(yaml_freep) = NULL;

	if (fs_read_user(path, &b, e) ||
	    yaml_parse(path, buf_str(&b), b.len, &y, c, e))
		return -1;
	struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), runtime_table, c);

	if (!c->n) {
		check_extras(tree, yaml_root(y), c);
		check_flags(tree, yaml_root(y), c);
		check_images(tree, yaml_root(y), c);
		check_rest(tree, yaml_root(y), last_part(dir), c);
	}
	if (diagnostics_result(c, e))
		return -1;
	struct loaded *l = mem_zalloc(1, sizeof *l);

	l->arena = arena_new();
	l->tree = STEAL(tree);
	take(l, path);
	*out = &l->rt;
	return 0;
}

void runtime_free(struct runtime *rt) {
	struct loaded *l = (struct loaded *) rt;

	if (!l)
		return;
	json_free(l->tree);
	arena_free(l->arena);
	free(l);
}

void runtime_freep(struct runtime **rt) {
	runtime_free(*rt);
}

const struct runtime_backend *runtime_backend(const struct runtime *rt, const char *name) {
	for (size_t i = 0; i < rt->n_backends; i++)
		if (!strcmp(rt->backends[i].name, name))
			return &rt->backends[i];
	return NULL;
}

bool runtime_can(const struct runtime *rt, const char *capability) {
	for (size_t i = 0; i < rt->n_capabilities; i++)
		if (!strcmp(rt->capabilities[i], capability))
			return true;
	return false;
}

bool runtime_is_packaged(const struct runtime *rt) {
	return !strcmp(rt->launch, "packages");
}

bool runtime_reads(const struct runtime *rt, const char *format) {
	for (size_t i = 0; i < rt->n_formats; i++)
		if (!strcmp(rt->formats[i], format))
			return true;
	return false;
}

bool runtime_loads(const struct runtime *rt, const char *architecture) {
	for (size_t i = 0; i < rt->n_architectures; i++)
		if (!strcmp(rt->architectures[i], architecture))
			return true;
	return !rt->n_architectures;
}

void runtime_schema(struct buf *out) {
	schema_print(runtime_table, "urn:llmdeploy:runtime:v1", "llmdeploy runtime definition",
		     out);
}
