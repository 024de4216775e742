/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "schema/internal.h"
#include "json/json.h"

#define NUMBER "[0-9]+(\\.[0-9]{1,9})?"
#define SIZE NUMBER "([kMGT]?B|[KMGT]iB)"

static struct json *of_field(const struct schema_field *f);

static struct json *typed(const char *type) {
	struct json *o = json_object();

	json_set_str(o, "type", type);
	return o;
}

static struct json *text_like(const char *pattern) {
	struct json *o = typed("string");

	json_set_str(o, "pattern", pattern);
	return o;
}

static struct json *words(const char *const *choices) {
	struct json *o = json_object(), *list = json_array();

	while (*choices)
		json_push_str(list, *choices++);
	json_set(o, "enum", list);
	return o;
}

static struct json *one_of(struct json *a, struct json *b) {
	struct json *o = json_object(), *list = json_array();

	json_push(list, a);
	json_push(list, b);
	json_set(o, "anyOf", list);
	return o;
}

static struct json *number(const struct schema_field *f, const char *type, int64_t scale) {
	struct json *o = typed(type);

	json_set(o, "minimum", json_number((double) f->min / (double) scale));
	if (f->max)
		json_set(o, "maximum", json_number((double) f->max / (double) scale));
	return o;
}

static struct json *fields(const struct schema_field *table, unsigned flags) {
	struct json *o = typed("object"), *properties = json_object(), *required = json_array();

	for (const struct schema_field *f = table; f->key; f++) {
		json_set(properties, f->key, of_field(f));
		if ((f->flags & SCHEMA_REQUIRED) && !f->unless)
			json_push_str(required, f->key);
	}
	json_set(o, "properties", properties);
	if (json_count(required))
		json_set(o, "required", required);
	else
		json_free(required);
	json_set_bool(o, "additionalProperties", false);
	if (flags & SCHEMA_ONE_KEY) {
		json_set_int(o, "minProperties", 1);
		json_set_int(o, "maxProperties", 1);
	}
	return o;
}

static struct json *object(const struct schema_field *f) {
	struct json *o = fields(f->fields, f->flags);

	if (f->flags & SCHEMA_OR_TEXT)
		return one_of(typed("string"), o);
	return f->choices ? one_of(words(f->choices), o) : o;
}

static struct json *element_of(const struct schema_field *f) {
	static const struct schema_field text = {.type = SCHEMA_STRING};

	return of_field(f->element ? f->element : &text);
}

static struct json *list(const struct schema_field *f) {
	struct json *o = typed("array");
	int64_t least = f->type == SCHEMA_ONE_OR_LIST && !f->min ? 1 : f->min;

	json_set(o, "items", element_of(f));
	if (least)
		json_set_int(o, "minItems", least);
	if (f->max)
		json_set_int(o, "maxItems", f->max);
	return f->type == SCHEMA_ONE_OR_LIST ? one_of(element_of(f), o) : o;
}

static struct json *map(const struct schema_field *f) {
	struct json *o = typed("object");

	json_set(o, "additionalProperties", element_of(f));
	if (f->max)
		json_set_int(o, "maxProperties", f->max);
	return o;
}

static struct json *string(const struct schema_field *f, const char *pattern) {
	/* An editor takes 1.0 or 17 for a number where we take text. */
	struct json *o = json_object(), *types = json_array();

	json_push_str(types, "string");
	json_push_str(types, "number");
	json_push_str(types, "boolean");
	json_set(o, "type", types);
	if (pattern)
		json_set_str(o, "pattern", pattern);
	else if (!(f->flags & SCHEMA_EMPTY))
		json_set_int(o, "minLength", 1);
	return o;
}

static struct json *of_type(const struct schema_field *f) {
	switch (f->type) {
	case SCHEMA_STRING: return string(f, NULL);
	case SCHEMA_NAME: return string(f, "^[a-z0-9][a-z0-9._-]{0,62}$");
	case SCHEMA_DIGEST: return text_like("^[0-9a-f]{64}$");
	case SCHEMA_ENUM: return words(f->choices);
	case SCHEMA_BOOL: return typed("boolean");
	case SCHEMA_INT: return number(f, "integer", 1);
	case SCHEMA_BYTES: return text_like("^" SIZE "$");
	case SCHEMA_DURATION: return text_like("^" NUMBER "(ms|s|m|h)$");
	case SCHEMA_BANDWIDTH: return text_like("^" SIZE "/s$");
	case SCHEMA_FRACTION: return number(f, "number", 100);
	case SCHEMA_DECIMAL: return number(f, "number", 1);
	case SCHEMA_OBJECT: return object(f);
	case SCHEMA_MAP: return map(f);
	case SCHEMA_LIST:
	case SCHEMA_ONE_OR_LIST: return list(f);
	case SCHEMA_ANY: break;
	}
	return json_object();
}

static struct json *default_of(const char *text) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	if (yaml_parse("default", text, strlen(text), &y, &c, &e))
		assert(!"a default that is not YAML");
	return schema_any(NULL, yaml_root(y), true, &c);
}

static struct json *of_field(const struct schema_field *f) {
	struct json *o = of_type(f);

	if (f->doc)
		json_set_str(o, "description", f->doc);
	if (f->fallback)
		json_set(o, "default", default_of(f->fallback));
	return o;
}

void schema_print(const struct schema_field *table, const char *id, const char *title,
		  struct buf *out) {
	struct json *head CLEANUP(json_freep) = json_object(),
			  *body CLEANUP(json_freep) = fields(table, 0);

	json_set_str(head, "$schema", "https://json-schema.org/draft/2020-12/schema");
	json_set_str(head, "$id", id);
	json_set_str(head, "title", title);
	for (struct json *part = json_first(body); part; part = json_next(part))
		json_set(head, json_key(part), json_copy(part));
	json_print_pretty(head, out);
	(void) buf_putc(out, '\n');
}
