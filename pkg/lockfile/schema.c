/* SPDX-License-Identifier: Apache-2.0 */
#include "lockfile/schema.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "json/json.h"

static const struct lockfile_field runtime_fields[] = {
	{"name", FIELD_TEXT, false, NULL},
	{"version", FIELD_TEXT, false, NULL},
	{"backend", FIELD_TEXT, false, NULL},
	{"architecture", FIELD_TEXT, false, NULL},
	{"packages_lock", FIELD_DIGEST, false, NULL},
	{0},
};
static const struct lockfile_field layer_fields[] = {
	{"name", FIELD_TEXT, false, NULL},
	{"diff_id", FIELD_DIGEST, false, NULL},
	{"size", FIELD_COUNT, false, NULL},
	{0},
};
static const struct lockfile_field package_fields[] = {
	{"name", FIELD_TEXT, false, NULL},         {"version", FIELD_TEXT, false, NULL},
	{"architecture", FIELD_TEXT, false, NULL}, {"path", FIELD_TEXT, false, NULL},
	{"sha256", FIELD_DIGEST, false, NULL},     {"size", FIELD_COUNT, false, NULL},
	{"suite", FIELD_TEXT, false, NULL},        {0},
};
static const struct lockfile_field image_fields[] = {
	{"config", FIELD_DIGEST, false, NULL},
	{"manifest", FIELD_DIGEST, false, NULL},
	{"layers", FIELD_OBJECTS, false, layer_fields},
	{"packages", FIELD_OBJECTS, false, package_fields},
	{"chat_template", FIELD_DIGEST, true, NULL},
	{0},
};
static const struct lockfile_field artifact_fields[] = {
	{"role", FIELD_TEXT, false, NULL},
	{"sha256", FIELD_DIGEST, false, NULL},
	{"size", FIELD_COUNT, false, NULL},
	{"path", FIELD_TEXT, false, NULL},
	{"scale", FIELD_TEXT, true, NULL},
	{"sources", FIELD_TEXTS, false, NULL},
	{0},
};
static const struct lockfile_field container_fields[] = {
	{"argv", FIELD_TEXTS, false, NULL},
	{"env", FIELD_TEXTS, false, NULL},
	{"socket", FIELD_TEXT, false, NULL},
	{"network", FIELD_TEXT, false, NULL},
	{"memory_bytes", FIELD_COUNT, false, NULL},
	{"pids", FIELD_COUNT, false, NULL},
	{"stop_signal", FIELD_TEXT, false, NULL},
	{"stop_timeout_ms", FIELD_COUNT, false, NULL},
	{"read_only", FIELD_FLAG, false, NULL},
	{"gpu", FIELD_TEXT, false, NULL},
	{"devices", FIELD_TEXTS, false, NULL},
	{"tmpfs", FIELD_TREE, false, NULL},
	{0},
};
static const struct lockfile_field health_fields[] = {
	{"startup_timeout_ms", FIELD_COUNT, false, NULL},
	{"stall_timeout_ms", FIELD_COUNT, false, NULL},
	{0},
};
static const struct lockfile_field eval_fields[] = {
	{"golden", FIELD_TREE, true, NULL},
	{"skip", FIELD_TEXT, true, NULL},
	{"latency_p95_ms", FIELD_COUNT, true, NULL},
	{0},
};
static const struct lockfile_field gates_fields[] = {
	{"error_rate_percent", FIELD_COUNT, false, NULL},
	{"p95_ms", FIELD_COUNT, true, NULL},
	{"ttft_ms", FIELD_COUNT, true, NULL},
	{0},
};
static const struct lockfile_field against_fields[] = {
	{"error_rate_percent", FIELD_COUNT, false, NULL},
	{"p95_percent", FIELD_COUNT, false, NULL},
	{"ttft_percent", FIELD_COUNT, false, NULL},
	{0},
};
static const struct lockfile_field canary_gates_fields[] = {
	{"error_rate_percent", FIELD_COUNT, false, NULL},
	{"p95_ms", FIELD_COUNT, true, NULL},
	{"ttft_ms", FIELD_COUNT, true, NULL},
	{"against_active", FIELD_OBJECT, false, against_fields},
	{0},
};
static const struct lockfile_field step_fields[] = {
	{"weight_percent", FIELD_COUNT, false, NULL},
	{"duration_ms", FIELD_COUNT, false, NULL},
	{"min_requests", FIELD_COUNT, false, NULL},
	{0},
};
static const struct lockfile_field canary_fields[] = {
	{"steps", FIELD_OBJECTS, false, step_fields},
	{"gates", FIELD_OBJECT, false, canary_gates_fields},
	{0},
};
static const struct lockfile_field rollout_fields[] = {
	{"strategy", FIELD_TEXT, false, NULL},
	{"previous", FIELD_TEXT, false, NULL},
	{"watch_ms", FIELD_COUNT, false, NULL},
	{"drain_ms", FIELD_COUNT, false, NULL},
	{"keep", FIELD_COUNT, false, NULL},
	{"gates", FIELD_OBJECT, false, gates_fields},
	{"canary", FIELD_OBJECT, true, canary_fields},
	{0},
};
static const struct lockfile_field budget_fields[] = {
	{"weights_bytes", FIELD_COUNT, false, NULL},
	{"adapters_bytes", FIELD_COUNT, false, NULL},
	{"kv_bytes", FIELD_COUNT, false, NULL},
	{"compute_bytes", FIELD_COUNT, false, NULL},
	{"output_bytes", FIELD_COUNT, false, NULL},
	{"overhead_bytes", FIELD_COUNT, false, NULL},
	{"recurrent_bytes", FIELD_COUNT, true, NULL},
	{"fragmentation_bytes", FIELD_COUNT, true, NULL},
	{"uncertain_bytes", FIELD_COUNT, true, NULL},
	{"planned_bytes", FIELD_COUNT, false, NULL},
	{"reserve_percent", FIELD_COUNT, false, NULL},
	{"limit_bytes", FIELD_COUNT, false, NULL},
	{"admission", FIELD_TEXT, false, NULL},
	{"active_bytes", FIELD_COUNT, true, NULL},
	{"bandwidth", FIELD_COUNT, true, NULL},
	{0},
};
const struct lockfile_field lockfile_fields[] = {
	{"apiVersion", FIELD_TEXT, false, NULL},
	{"kind", FIELD_TEXT, false, NULL},
	{"tool", FIELD_TEXT, false, NULL},
	{"route", FIELD_NAME, false, NULL},
	{"version", FIELD_NAME, false, NULL},
	{"runtime", FIELD_OBJECT, false, runtime_fields},
	{"image", FIELD_OBJECT, false, image_fields},
	{"artifacts", FIELD_OBJECTS, false, artifact_fields},
	{"container", FIELD_OBJECT, false, container_fields},
	{"probes", FIELD_TREE, false, NULL},
	{"logs", FIELD_TREE, false, NULL},
	{"health", FIELD_OBJECT, false, health_fields},
	{"eval", FIELD_OBJECT, false, eval_fields},
	{"rollout", FIELD_OBJECT, false, rollout_fields},
	{"gateway", FIELD_TREE, false, NULL},
	{"requirements", FIELD_TREE, false, NULL},
	{"budget", FIELD_OBJECT, false, budget_fields},
	{0},
};

static const struct lockfile_field *field_of(const struct lockfile_field *fields, const char *key) {
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key))
			return fields;
	return NULL;
}

static bool all_texts(const struct json *j) {
	for (const struct json *c = json_first(j); c; c = json_next(c))
		if (!json_is_string(c))
			return false;
	return json_is_array(j);
}

static bool is_whole(double v) {
	return v >= 0 && v <= 9007199254740992.0 && (double) (uint64_t) v == v;
}

static bool fits(const struct json *j, const struct lockfile_field *f, const char **wanted) {
	static const char *const names[] = {"a text",
					    "a name ([a-z0-9][a-z0-9._-]*)",
					    "64 lower-case hex digits",
					    "a whole number",
					    "true or false",
					    "a list of texts",
					    "an object",
					    "an object",
					    "a list of objects"};
	const char *text = json_text(j);

	*wanted = names[f->type];
	switch (f->type) {
	case FIELD_TEXT: return text != NULL;
	case FIELD_NAME: return text && text_is_name(text);
	case FIELD_DIGEST: return text && text_is_sha256(text);
	case FIELD_COUNT: return json_is_number(j) && is_whole(json_value(j));
	case FIELD_FLAG: return json_is_bool(j);
	case FIELD_TEXTS: return all_texts(j);
	case FIELD_OBJECTS: return json_is_array(j);
	case FIELD_TREE:
	case FIELD_OBJECT: break;
	}
	return json_is_object(j);
}

static int check_one(const struct json *j, const struct lockfile_field *f, const char *path,
		     struct err *e) {
	const char *wanted;
	char at[200];
	int i = 0;

	if (!fits(j, f, &wanted))
		return err_set(e, ERR_SPEC, "%s must be %s", path, wanted);
	if (f->type == FIELD_OBJECT)
		return lockfile_schema_check(j, f->fields, path, e);
	for (const struct json *c = f->type == FIELD_OBJECTS ? json_first(j) : NULL; c;
	     c = json_next(c)) {
		(void) snprintf(at, sizeof at, "%.150s.%d", path, i++);
		if (!json_is_object(c))
			return err_set(e, ERR_SPEC, "%s must be an object", at);
		if (lockfile_schema_check(c, f->fields, at, e))
			return -1;
	}
	return 0;
}

int lockfile_schema_check(const struct json *j, const struct lockfile_field *fields,
			  const char *path, struct err *e) {
	char at[200];

	for (const struct lockfile_field *f = fields; f->key; f++) {
		const struct json *c = json_get(j, f->key);
		(void) snprintf(at, sizeof at, "%s%s%s", path, *path ? "." : "", f->key);
		if (!c && !f->optional)
			return err_set(e, ERR_SPEC, "%s is missing", at);
		if (c && check_one(c, f, at, e))
			return -1;
	}
	for (const struct json *c = json_first(j); c; c = json_next(c))
		if (!field_of(fields, json_key(c)))
			return err_set(e, ERR_SPEC, "unknown field '%.60s%s%.60s'", path,
				       *path ? "." : "", json_key(c));
	return 0;
}

static void print_type(const struct lockfile_field *f, struct buf *out) {
	static const char *const text[] = {
		"{\"type\":\"string\"}",
		"{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9._-]{0,62}$\"}",
		"{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}",
		"{\"type\":\"integer\",\"minimum\":0}",
		"{\"type\":\"boolean\"}",
		"{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
		"{\"type\":\"object\"}",
	};

	if (f->type == FIELD_OBJECT) {
		lockfile_schema_print(f->fields, out);
	} else if (f->type == FIELD_OBJECTS) {
		(void) buf_puts(out, "{\"type\":\"array\",\"items\":");
		lockfile_schema_print(f->fields, out);
		(void) buf_putc(out, '}');
	} else {
		(void) buf_puts(out, text[f->type]);
	}
}

void lockfile_schema_print(const struct lockfile_field *fields, struct buf *out) {
	bool first = true;

	(void) buf_puts(out, "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
	for (const struct lockfile_field *f = fields; f->key; f++)
		if (!f->optional) {
			(void) buf_printf(out, "%s\"%s\"", first ? "" : ",", f->key);
			first = false;
		}
	(void) buf_puts(out, "],\"properties\":{");
	for (const struct lockfile_field *f = fields; f->key; f++) {
		(void) buf_printf(out, "%s\"%s\":", f == fields ? "" : ",", f->key);
		print_type(f, out);
	}
	(void) buf_puts(out, "}}");
}
