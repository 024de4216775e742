/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "schema/schema.h"
#include "spec/files.h"
#include "spec/planning.h"
#include "spec/spec.h"
#include "spec/tables.h"
#include "json/json.h"

void spec_choose(struct spec *s, size_t i) {
	s->model = s->candidates[i].artifact;
}

static void set_sources(struct json *o, const struct spec_artifact *a) {
	struct json *list = json_array();

	for (size_t i = 0; i < a->n_sources; i++)
		json_push_str(list, a->sources[i]);
	json_set(o, "source", list);
}

/* A path that stood relative to the manifest. */
static void set_absolute(struct json *o, const char *key, const char *dir) {
	char *path CLEANUP(freep) = json_str(o, key) ? spec_beside(dir, json_str(o, key)) : NULL;

	if (path)
		json_set_str(o, key, path);
}

static const char *candidate_source(const struct spec *s, size_t i) {
	return s->candidates[i].artifact.sha256;
}

/* As it was written: the candidate's own sources, which may be relative. */
static struct json *written_source(const struct spec *s, const struct json *candidates) {
	for (size_t i = 0; i < s->n_candidates; i++)
		if (candidate_source(s, i) == s->model.sha256)
			return json_copy(json_get(json_at(candidates, i), "source"));
	return json_array();
}

static void take_model(const struct spec *s, bool same_dir, struct json *tree) {
	struct json *model = json_get(tree, "model"), *adapters = json_get(model, "adapters");

	json_set_str(model, "sha256", s->model.sha256);
	if (same_dir)
		json_set(model, "source", written_source(s, json_get(model, "candidates")));
	else
		set_sources(model, &s->model);
	json_remove(model, "candidates");
	json_remove(model, "quality_min");
	json_remove(model, "card");
	for (size_t i = 0; !same_dir && i < s->n_adapters; i++)
		set_sources(json_at(adapters, i), &s->adapters[i]);
}

/* What the user did not write stays unwritten: a default is one of the version that reads it. */
static void drop_defaults(struct json *o, const struct yaml_node *map) {
	struct json *next;

	for (struct json *c = json_first(o); c; c = next) {
		next = json_next(c);
		const struct yaml_node *n = yaml_get(map, json_key(c));
		if (!n)
			json_remove(o, json_key(c));
		else if (json_is_object(c) && yaml_kind(n) == YAML_MAPPING)
			drop_defaults(c, n);
	}
}

void spec_write(const struct spec *s, const char *dir, struct buf *out) {
	struct json *tree CLEANUP(json_freep) = json_copy(s->tree);
	bool same_dir = !strcmp(dir, s->dir);

	drop_defaults(tree, spec_root(s));
	take_model(s, same_dir, tree);
	if (!same_dir) {
		set_absolute(json_get(tree, "model"), "chat_template", s->dir);
		set_absolute(json_get(tree, "eval"), "golden", s->dir);
	}
	schema_write(spec_fields, tree, out);
}
