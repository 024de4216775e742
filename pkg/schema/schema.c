/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "schema/internal.h"
#include "json/json.h"

#define MAX_DIAGNOSTICS 100
#define MAX_KEYS 4096

static struct json *check_value(const struct schema_path *path, const struct schema_field *f,
				const struct yaml_node *n, struct diagnostics *c);

bool schema_full(const struct diagnostics *c) {
	return c->n >= MAX_DIAGNOSTICS;
}

void schema_diagnose(struct diagnostics *c, struct pos at, const char *fmt, ...) {
	char *text CLEANUP(freep) = NULL;
	va_list ap;

	if (schema_full(c))
		return;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* out of memory */
	va_end(ap);
	diagnostics_add(c, at, "%s", text);
}

static void add_path(const struct schema_path *path, struct buf *out) {
	char shown[YAML_SHOWN];

	if (!path)
		return;
	add_path(path->up, out);
	if (path->key)
		(void) buf_printf(out, "%s%s", path->up ? "." : "", yaml_show(path->key, shown));
	else
		(void) buf_printf(out, "[%zu]", path->index);
}

char *schema_path_text(const struct schema_path *path) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(16384);

	add_path(path, &b);
	return buf_steal(&b);
}

/* A mapping beside its table: which keys are not there, and which of these stand there misspelt. */
struct keys {
	const char *absent[64];
	bool misspelt[64];
	size_t n;
};

static void find_absent(const struct schema_field *fields, const struct yaml_node *map,
			struct keys *keys) {
	for (const struct schema_field *f = fields; f->key; f++)
		if (!yaml_get(map, f->key)) {
			assert(keys->n < 64);
			keys->absent[keys->n++] = f->key;
		}
}

static bool is_known(const struct schema_field *fields, const char *key) {
	while (fields->key && strcmp(fields->key, key) != 0)
		fields++;
	return fields->key;
}

static char *all_keys(const struct schema_field *fields) {
	const char *keys[64];
	size_t n = 0;

	while (fields->key && n < 64)
		keys[n++] = fields++->key;
	return schema_join(keys, n);
}

static void refuse_key(const struct schema_field *fields, const struct yaml_node *key,
		       struct keys *keys, struct diagnostics *c) {
	char shown[YAML_SHOWN];
	const char *near = text_nearest(yaml_scalar(key, NULL), keys->absent, keys->n);

	(void) yaml_show(yaml_scalar(key, NULL), shown);
	if (near) {
		schema_diagnose(c, yaml_pos(key), "unknown key '%s', did you mean '%s'?", shown,
				near);
	} else {
		char *all CLEANUP(freep) = all_keys(fields);
		schema_diagnose(c, yaml_pos(key), "unknown key '%s', known here: %s", shown, all);
	}
	for (size_t i = 0; i < keys->n; i++)
		keys->misspelt[i] = keys->misspelt[i] || keys->absent[i] == near;
}

static void refuse_unknown(const struct schema_field *fields, const struct yaml_node *map,
			   struct keys *keys, struct diagnostics *c) {
	for (size_t i = 0; i < yaml_count(map) && !schema_full(c); i++)
		if (!is_known(fields, yaml_scalar(yaml_key(map, i), NULL)))
			refuse_key(fields, yaml_key(map, i), keys, c);
}

/* Then it was complained about already. */
static bool is_misspelt(const struct keys *keys, const char *key) {
	for (size_t i = 0; i < keys->n; i++)
		if (keys->absent[i] == key)
			return keys->misspelt[i];
	return false;
}

static struct json *check_default(const struct schema_path *path, const struct schema_field *f) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	/* A default with a fault is a fault of the table. */
	if (yaml_parse("default", f->fallback, strlen(f->fallback), &y, &c, &e))
		assert(!"a default that is not YAML");
	struct json *v = check_value(path, f, yaml_root(y), &c);
	assert(v && !c.n);
	return v;
}

static struct json *check_fields(const struct schema_path *path, const struct schema_field *fields,
				 unsigned flags, const struct yaml_node *map, struct pos at,
				 struct diagnostics *c);

/* A sibling is there that stands for it. */
static bool is_spared(const struct schema_field *f, const struct yaml_node *map) {
	for (size_t i = 0; f->unless && f->unless[i]; i++)
		if (yaml_get(map, f->unless[i]))
			return true;
	return false;
}

static struct json *missing(const struct schema_path *path, const struct schema_field *f,
			    const struct yaml_node *map, struct pos at, struct diagnostics *c) {
	if ((f->flags & SCHEMA_REQUIRED) && !is_spared(f, map)) {
		char *name CLEANUP(freep) = schema_path_text(path);
		schema_diagnose(c, at, "'%s' is missing", name);
		return NULL;
	}
	if (f->fallback)
		return check_default(path, f);
	if (f->type == SCHEMA_OBJECT && !(f->flags & SCHEMA_OPTIONAL))
		return check_fields(path, f->fields, f->flags, NULL, at, c);
	return NULL;
}

static struct json *check_fields(const struct schema_path *path, const struct schema_field *fields,
				 unsigned flags, const struct yaml_node *map, struct pos at,
				 struct diagnostics *c) {
	struct json *out = json_object();
	struct keys keys = {0};

	find_absent(fields, map, &keys);
	refuse_unknown(fields, map, &keys, c);
	for (const struct schema_field *f = fields; f->key; f++) {
		struct schema_path here = {.up = path, .key = f->key};
		const struct yaml_node *n = yaml_get(map, f->key);
		struct json *v = NULL;
		if (n)
			v = check_value(&here, f, n, c);
		else if (!(flags & SCHEMA_ONE_KEY) && !is_misspelt(&keys, f->key))
			v = missing(&here, f, map, at, c);
		if (v)
			json_set(out, f->key, v);
	}
	return out;
}

static struct json *wrong_kind(const struct schema_path *path, const struct schema_field *f,
			       const struct yaml_node *n, struct diagnostics *c) {
	char *name CLEANUP(freep) = schema_path_text(path);
	char shown[YAML_SHOWN];

	if (yaml_kind(n) == YAML_NULL)
		schema_diagnose(c, yaml_pos(n), "'%s' has no value", name);
	else if (yaml_scalar(n, NULL))
		schema_diagnose(c, yaml_pos(n), "'%s' must be %s, not '%s'", name,
				schema_type_noun(f->type), yaml_show(yaml_scalar(n, NULL), shown));
	else
		schema_diagnose(c, yaml_pos(n), "'%s' must be %s, not %s", name,
				schema_type_noun(f->type), yaml_kind_name(yaml_kind(n)));
	return NULL;
}

static struct json *wrong_word(const struct schema_path *path, const struct schema_field *f,
			       const struct yaml_node *n, struct diagnostics *c) {
	char *name CLEANUP(freep) = schema_path_text(path), shown[YAML_SHOWN];
	size_t n_words = 0;

	while (f->choices[n_words])
		n_words++;
	char *words CLEANUP(freep) = schema_join(f->choices, n_words);
	char *all CLEANUP(freep) = all_keys(f->fields);
	schema_diagnose(c, yaml_pos(n), "'%s' in '%s' is not known, use %s, or a mapping with %s",
			yaml_show(yaml_scalar(n, NULL), shown), name, words, all);
	return NULL;
}

static struct json *check_object(const struct schema_path *path, const struct schema_field *f,
				 const struct yaml_node *n, struct diagnostics *c) {
	const char *word = yaml_scalar(n, NULL);

	if (word &&
	    ((f->flags & SCHEMA_OR_TEXT) || (f->choices && schema_is_choice(f->choices, word))))
		return json_string(word);
	if (word && f->choices)
		return wrong_word(path, f, n, c);
	if (yaml_kind(n) != YAML_MAPPING)
		return wrong_kind(path, f, n, c);
	if ((f->flags & SCHEMA_ONE_KEY) && yaml_count(n) != 1) {
		char *name CLEANUP(freep) = schema_path_text(path);
		schema_diagnose(c, yaml_pos(n), "'%s' must have exactly one key, it has %zu", name,
				yaml_count(n));
		return NULL;
	}
	return check_fields(path, f->fields, f->flags, n, yaml_pos(n), c);
}

static const struct schema_field text_element = {.type = SCHEMA_STRING};

static bool count_is_right(const struct schema_path *path, const struct schema_field *f,
			   const struct yaml_node *n, struct diagnostics *c) {
	char *name CLEANUP(freep) = schema_path_text(path);
	int64_t count = (int64_t) yaml_count(n),
		most = f->max           ? f->max
		: f->type == SCHEMA_MAP ? MAX_KEYS
					: YAML_MAX_NODES;
	int64_t least = f->type == SCHEMA_ONE_OR_LIST && !f->min ? 1 : f->min;

	if (count < least && !count)
		schema_diagnose(c, yaml_pos(n), "'%s' is empty", name);
	else if (count < least)
		schema_diagnose(c, yaml_pos(n), "'%s' has %zu entries, it must have at least %zu",
				name, (size_t) count, (size_t) least);
	else if (count > most)
		schema_diagnose(c, yaml_pos(n), "'%s' has %zu entries, the maximum is %zu", name,
				(size_t) count, (size_t) most);
	return count >= least && count <= most;
}

static struct json *check_list(const struct schema_path *path, const struct schema_field *f,
			       const struct yaml_node *n, struct diagnostics *c) {
	const struct schema_field *element = f->element ? f->element : &text_element;
	struct json *out = NULL, *v = NULL;

	if (yaml_kind(n) != YAML_SEQUENCE && f->type == SCHEMA_ONE_OR_LIST) {
		v = check_value(path, element, n, c);
		if (!v)
			return NULL;
		out = json_array();
		json_push(out, v);
		return out;
	}
	if (yaml_kind(n) != YAML_SEQUENCE)
		return wrong_kind(path, f, n, c);
	if (!count_is_right(path, f, n, c))
		return NULL;
	out = json_array();
	for (size_t i = 0; i < yaml_count(n); i++) {
		struct schema_path here = {.up = path, .index = i};
		v = check_value(&here, element, yaml_item(n, i), c);
		/* An item with a fault leaves a hole, so that the indices of the tree stay those of
		 * the file. */
		json_push(out, v ? v : json_null());
	}
	return out;
}

static struct json *check_map(const struct schema_path *path, const struct schema_field *f,
			      const struct yaml_node *n, struct diagnostics *c) {
	const struct schema_field *element = f->element ? f->element : &text_element;

	if (yaml_kind(n) != YAML_MAPPING)
		return wrong_kind(path, f, n, c);
	if (!count_is_right(path, f, n, c))
		return NULL;
	struct json *out = json_object();
	for (size_t i = 0; i < yaml_count(n); i++) {
		const char *key = yaml_scalar(yaml_key(n, i), NULL);
		struct schema_path here = {.up = path, .key = key};
		struct json *v = check_value(&here, element, yaml_value(n, i), c);
		if (v)
			json_set(out, key, v);
	}
	return out;
}

static struct json *check_value(const struct schema_path *path, const struct schema_field *f,
				const struct yaml_node *n, struct diagnostics *c) {
	switch (f->type) {
	case SCHEMA_OBJECT: return check_object(path, f, n, c);
	case SCHEMA_MAP: return check_map(path, f, n, c);
	case SCHEMA_LIST:
	case SCHEMA_ONE_OR_LIST: return check_list(path, f, n, c);
	case SCHEMA_ANY: return schema_any(path, n, false, c);
	default:
		return yaml_scalar(n, NULL) ? schema_scalar(path, f, n, c)
					    : wrong_kind(path, f, n, c);
	}
}

struct json *schema_check(const struct yaml_node *root, const struct schema_field *fields,
			  struct diagnostics *c) {
	if (yaml_kind(root) != YAML_MAPPING)
		schema_diagnose(c, yaml_pos(root),
				"the file must hold a mapping (key: value), not %s",
				yaml_kind_name(yaml_kind(root)));
	else
		return check_fields(NULL, fields, 0, root, yaml_pos(root), c);
	return json_object();
}
