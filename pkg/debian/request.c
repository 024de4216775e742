/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/debian.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"

/* What debian_request_from_json made: the request stands first, so that one pointer is both. */
struct owned {
	struct debian_request q;
	struct arena *arena;
};

void debian_request_free(struct debian_request *q) {
	if (!q)
		return;
	arena_free(((struct owned *) q)->arena);
	free(q);
}

void debian_request_freep(struct debian_request **q) {
	debian_request_free(*q);
}

struct from {
	const char *name;
	struct arena *arena;
	struct err *e;
};

static int bad(const struct from *f, const char *key, const char *what) {
	return err_set(f->e, ERR_SPEC, "'%s' has an invalid package request: %s %s", f->name, key,
		       what);
}

static const char *const *texts(const struct from *f, const struct json *list, size_t *n) {
	const char **out = arena_zalloc(f->arena, json_count(list) + 1, sizeof *out);

	*n = 0;
	for (const struct json *c = json_first(list); c; c = json_next(c))
		if (json_text(c))
			out[(*n)++] = arena_strdup(f->arena, json_text(c));
	return out;
}

static const char *text(const struct from *f, const struct json *o, const char *key) {
	return arena_strdup(f->arena, json_str(o, key));
}

static int read_suite(const struct from *f, const struct json *o, void *out) {
	struct debian_suite *s = out;

	s->name = text(f, o, "name");
	s->archive = text(f, o, "archive");
	s->components = texts(f, json_get(o, "components"), &s->n_components);
	return s->name && s->n_components ? 0 : bad(f, "suites", "need a name and components each");
}

static int read_root(const struct from *f, const struct json *o, void *out) {
	struct debian_root *r = out;

	r->name = text(f, o, "name");
	r->layer = text(f, o, "layer");
	r->files = texts(f, json_get(o, "files"), &r->n_files);
	return r->name ? 0 : bad(f, "roots", "need a name each");
}

static int read_exclude(const struct from *f, const struct json *o, void *out) {
	struct debian_exclude *x = out;

	*x = (struct debian_exclude){text(f, o, "name"), text(f, o, "reason")};
	return x->name && x->reason && *x->reason
		? 0
		: bad(f, "excludes", "need a name and a reason each");
}

static int read_prefer(const struct from *f, const struct json *o, void *out) {
	struct debian_prefer *x = out;

	*x = (struct debian_prefer){text(f, o, "virtual"), text(f, o, "name")};
	return x->name && x->virtual ? 0 : bad(f, "prefer", "needs 'virtual' and 'name' each");
}

static int read_layer(const struct from *f, const struct json *v, void *out) {
	struct debian_layer *x = out;

	*x = (struct debian_layer){arena_strdup(f->arena, json_key(v)),
				   arena_strdup(f->arena, json_text(v))};
	return x->layer ? 0 : bad(f, "layers", "map a package to the name of a layer");
}

typedef int read_fn(const struct from *f, const struct json *o, void *out);

/* The entries under `key` of the common part, then those of the backend's own. */
static int read_list(const struct from *f, const struct json *common, const struct json *own,
		     const char *key, size_t size, read_fn *read, void *array, size_t *n) {
	const struct json *parts[] = {json_get(common, key), json_get(own, key)};
	char *all = arena_zalloc(f->arena, json_count(parts[0]) + json_count(parts[1]) + 1, size);

	*n = 0;
	for (size_t i = 0; i < 2; i++)
		for (const struct json *c = json_first(parts[i]); c; c = json_next(c), (*n)++)
			if (read(f, c, all + *n * size))
				return -1;
	memcpy(array, &all, sizeof all);
	return 0;
}

#define READ(key, field, fn) \
	read_list(&f, tree, own, key, sizeof *q->field, fn, (void *) &q->field, &q->n_##field)

static int read_all(struct owned *o, const struct json *tree, const struct json *own,
		    const char *name, struct err *e) {
	const struct from f = {name, o->arena, e};
	struct debian_request *q = &o->q;

	if (READ("suites", suites, read_suite) || READ("roots", roots, read_root) ||
	    READ("excludes", excludes, read_exclude) || READ("prefer", prefers, read_prefer) ||
	    READ("layers", layers, read_layer))
		return -1;
	return 0;
}

int debian_request_from_json(const char *name, const struct json *tree, const char *runtime,
			     const char *backend, const char *architecture,
			     struct debian_request **out, struct err *e) {
	const struct json *own = json_get(json_get(tree, "backends"), backend);

	if (!own)
		return err_set(e, ERR_USAGE, "'%s' has no packages for backend '%s'", name,
			       backend);
	struct owned *o = mem_zalloc(1, sizeof *o);
	o->arena = arena_new();
	o->q.runtime = arena_strdup(o->arena, runtime);
	o->q.backend = arena_strdup(o->arena, backend);
	o->q.architecture = arena_strdup(o->arena, architecture);
	if (read_all(o, tree, own, name, e)) {
		debian_request_free(&o->q);
		return -1;
	}
	*out = &o->q;
	return 0;
}
