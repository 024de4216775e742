/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gateway.h"

#include <fcntl.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "runtime/table.h"
#include "yaml/yaml.h"
#include "json/json.h"

struct loaded {
	struct runtime_gateway gateway; /* first: the two are one allocation */
	struct json *tree;
	struct arena *arena;
};

void runtime_gateway_find(const char *const *dirs, size_t n_dirs, const char *name, char **dir) {
	*dir = NULL;
	for (size_t i = 0; i < n_dirs && !*dir && text_is_name(name); i++) {
		char *path CLEANUP(freep) = mem_printf("%s/%s/gateway.yaml", dirs[i], name);
		if (fs_exists(AT_FDCWD, path))
			*dir = mem_printf("%s/%s", dirs[i], name);
	}
}

static const char *const *texts(struct arena *a, const struct json *list, size_t *n) {
	const char **out = arena_zalloc(a, json_count(list) + 1, sizeof *out);

	*n = 0;
	for (const struct json *c = json_first(list); c; c = json_next(c))
		out[(*n)++] = json_text(c);
	return out;
}

int runtime_gateway_load(const char *dir, struct runtime_gateway **out, struct diagnostics *c,
			 struct err *e) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(YAML_MAX_BYTES);
	char *path CLEANUP(freep) = mem_printf("%s/gateway.yaml", dir);
	struct yaml *y CLEANUP(yaml_freep) = NULL;

	if (fs_read_user(path, &b, e) ||
	    yaml_parse(path, buf_str(&b), b.len, &y, c, e))
		return -1;
	struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), runtime_gateway_table,
							     c);
	if (diagnostics_result(c, e))
		return -1;
	struct loaded *l = mem_zalloc(1, sizeof *l);
	struct runtime_gateway *g = &l->gateway;
	l->arena = arena_new();
	l->tree = STEAL(tree);
	g->path = arena_strdup(l->arena, path);
	g->name = json_str(l->tree, "name");
	g->version_of = json_str(l->tree, "version_of");
	g->command = texts(l->arena, json_get(l->tree, "command"), &g->n_command);
	g->packages = json_get(l->tree, "packages");
	*out = g;
	return 0;
}

void runtime_gateway_free(struct runtime_gateway *g) {
	struct loaded *l = (struct loaded *) g;

	if (!l)
		return;
	json_free(l->tree);
	arena_free(l->arena);
	free(l);
}

void runtime_gateway_freep(struct runtime_gateway **g) {
	runtime_gateway_free(*g);
}
