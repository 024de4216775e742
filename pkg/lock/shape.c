#include "lock/shape.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "json/json.h"

static const struct shape runtime_shape[] = {
	{"name", SHAPE_TEXT, false, NULL}, {"version", SHAPE_TEXT, false, NULL}, {"backend", SHAPE_TEXT, false, NULL},
	{"architecture", SHAPE_TEXT, false, NULL}, {"packages_lock", SHAPE_DIGEST, false, NULL}, {0},
};
static const struct shape layer_shape[] = {
	{"name", SHAPE_TEXT, false, NULL}, {"diff_id", SHAPE_DIGEST, false, NULL}, {"size", SHAPE_COUNT, false, NULL}, {0},
};
static const struct shape package_shape[] = {
	{"name", SHAPE_TEXT, false, NULL}, {"version", SHAPE_TEXT, false, NULL}, {"architecture", SHAPE_TEXT, false, NULL},
	{"path", SHAPE_TEXT, false, NULL}, {"sha256", SHAPE_DIGEST, false, NULL}, {"size", SHAPE_COUNT, false, NULL},
	{"suite", SHAPE_TEXT, false, NULL}, {0},
};
static const struct shape image_shape[] = {
	{"config", SHAPE_DIGEST, false, NULL}, {"manifest", SHAPE_DIGEST, false, NULL}, {"layers", SHAPE_OBJECTS, false, layer_shape},
	{"packages", SHAPE_OBJECTS, false, package_shape}, {"chat_template", SHAPE_DIGEST, true, NULL}, {0},
};
static const struct shape artifact_shape[] = {
	{"role", SHAPE_TEXT, false, NULL}, {"sha256", SHAPE_DIGEST, false, NULL}, {"size", SHAPE_COUNT, false, NULL},
	{"path", SHAPE_TEXT, false, NULL}, {"scale", SHAPE_TEXT, true, NULL}, {"sources", SHAPE_TEXTS, false, NULL}, {0},
};
static const struct shape container_shape[] = {
	{"argv", SHAPE_TEXTS, false, NULL}, {"env", SHAPE_TEXTS, false, NULL}, {"socket", SHAPE_TEXT, false, NULL},
	{"network", SHAPE_TEXT, false, NULL}, {"memory_bytes", SHAPE_COUNT, false, NULL}, {"pids", SHAPE_COUNT, false, NULL},
	{"stop_signal", SHAPE_TEXT, false, NULL}, {"stop_timeout_ms", SHAPE_COUNT, false, NULL}, {"read_only", SHAPE_FLAG, false, NULL},
	{"gpu", SHAPE_TEXT, false, NULL}, {"devices", SHAPE_TEXTS, false, NULL}, {"tmpfs", SHAPE_TREE, false, NULL}, {0},
};
static const struct shape health_shape[] = {
	{"startup_timeout_ms", SHAPE_COUNT, false, NULL}, {"stall_timeout_ms", SHAPE_COUNT, false, NULL}, {0},
};
static const struct shape eval_shape[] = {
	{"golden", SHAPE_TREE, true, NULL}, {"skip", SHAPE_TEXT, true, NULL}, {"latency_p95_ms", SHAPE_COUNT, true, NULL}, {0},
};
static const struct shape gates_shape[] = {
	{"error_rate_percent", SHAPE_COUNT, false, NULL}, {"p95_ms", SHAPE_COUNT, true, NULL}, {"ttft_ms", SHAPE_COUNT, true, NULL}, {0},
};
static const struct shape against_shape[] = {
	{"error_rate_percent", SHAPE_COUNT, false, NULL}, {"p95_percent", SHAPE_COUNT, false, NULL},
	{"ttft_percent", SHAPE_COUNT, false, NULL}, {0},
};
static const struct shape canary_gates_shape[] = {
	{"error_rate_percent", SHAPE_COUNT, false, NULL}, {"p95_ms", SHAPE_COUNT, true, NULL}, {"ttft_ms", SHAPE_COUNT, true, NULL},
	{"against_active", SHAPE_OBJECT, false, against_shape}, {0},
};
static const struct shape step_shape[] = {
	{"weight_percent", SHAPE_COUNT, false, NULL}, {"duration_ms", SHAPE_COUNT, false, NULL}, {"min_requests", SHAPE_COUNT, false, NULL}, {0},
};
static const struct shape canary_shape[] = {
	{"steps", SHAPE_OBJECTS, false, step_shape}, {"gates", SHAPE_OBJECT, false, canary_gates_shape}, {0},
};
static const struct shape rollout_shape[] = {
	{"strategy", SHAPE_TEXT, false, NULL}, {"previous", SHAPE_TEXT, false, NULL}, {"watch_ms", SHAPE_COUNT, false, NULL},
	{"drain_ms", SHAPE_COUNT, false, NULL}, {"keep", SHAPE_COUNT, false, NULL},
	{"gates", SHAPE_OBJECT, false, gates_shape}, {"canary", SHAPE_OBJECT, true, canary_shape}, {0},
};
static const struct shape budget_shape[] = {
	{"weights_bytes", SHAPE_COUNT, false, NULL}, {"adapters_bytes", SHAPE_COUNT, false, NULL}, {"kv_bytes", SHAPE_COUNT, false, NULL},
	{"compute_bytes", SHAPE_COUNT, false, NULL}, {"output_bytes", SHAPE_COUNT, false, NULL}, {"overhead_bytes", SHAPE_COUNT, false, NULL},
	{"recurrent_bytes", SHAPE_COUNT, true, NULL}, {"fragmentation_bytes", SHAPE_COUNT, true, NULL}, {"uncertain_bytes", SHAPE_COUNT, true, NULL},
	{"planned_bytes", SHAPE_COUNT, false, NULL}, {"reserve_percent", SHAPE_COUNT, false, NULL}, {"limit_bytes", SHAPE_COUNT, false, NULL},
	{"admission", SHAPE_TEXT, false, NULL}, {"active_bytes", SHAPE_COUNT, true, NULL}, {"bandwidth", SHAPE_COUNT, true, NULL}, {0},
};
const struct shape lock_shape[] = {
	{"apiVersion", SHAPE_TEXT, false, NULL}, {"kind", SHAPE_TEXT, false, NULL}, {"tool", SHAPE_TEXT, false, NULL},
	{"route", SHAPE_NAME, false, NULL}, {"version", SHAPE_NAME, false, NULL}, {"runtime", SHAPE_OBJECT, false, runtime_shape},
	{"image", SHAPE_OBJECT, false, image_shape}, {"artifacts", SHAPE_OBJECTS, false, artifact_shape},
	{"container", SHAPE_OBJECT, false, container_shape}, {"probes", SHAPE_TREE, false, NULL}, {"logs", SHAPE_TREE, false, NULL},
	{"health", SHAPE_OBJECT, false, health_shape}, {"eval", SHAPE_OBJECT, false, eval_shape},
	{"rollout", SHAPE_OBJECT, false, rollout_shape}, {"gateway", SHAPE_TREE, false, NULL}, {"requirements", SHAPE_TREE, false, NULL},
	{"budget", SHAPE_OBJECT, false, budget_shape}, {0},
};

static const struct shape *field_of(const struct shape *fields, const char *key) {
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

static bool fits(const struct json *j, const struct shape *f, const char **wanted) {
	static const char *const names[] = {"a text", "a name ([a-z0-9][a-z0-9._-]*)", "64 lower-case hex digits",
		"a whole number", "true or false", "a list of texts", "an object", "an object", "a list of objects"};
	const char *text = json_text(j);

	*wanted = names[f->type];
	switch (f->type) {
	case SHAPE_TEXT: return text != NULL;
	case SHAPE_NAME: return text && text_is_name(text);
	case SHAPE_DIGEST: return text && text_is_sha256(text);
	case SHAPE_COUNT: return json_is_number(j) && is_whole(json_value(j));
	case SHAPE_FLAG: return json_is_bool(j);
	case SHAPE_TEXTS: return all_texts(j);
	case SHAPE_OBJECTS: return json_is_array(j);
	case SHAPE_TREE:
	case SHAPE_OBJECT: break;
	}
	return json_is_object(j);
}

static int check_one(const struct json *j, const struct shape *f, const char *path, struct err *e) {
	const char *wanted;
	char at[200];
	int i = 0;

	if (!fits(j, f, &wanted))
		return err_set(e, ERR_SPEC, "%s must be %s", path, wanted);
	if (f->type == SHAPE_OBJECT)
		return shape_check(j, f->fields, path, e);
	for (const struct json *c = f->type == SHAPE_OBJECTS ? json_first(j) : NULL; c; c = json_next(c)) {
		(void) snprintf(at, sizeof at, "%.150s.%d", path, i++);
		if (!json_is_object(c))
			return err_set(e, ERR_SPEC, "%s must be an object", at);
		if (shape_check(c, f->fields, at, e))
			return -1;
	}
	return 0;
}

int shape_check(const struct json *j, const struct shape *fields, const char *path, struct err *e) {
	char at[200];

	for (const struct shape *f = fields; f->key; f++) {
		const struct json *c = json_get(j, f->key);
		(void) snprintf(at, sizeof at, "%s%s%s", path, *path ? "." : "", f->key);
		if (!c && !f->optional)
			return err_set(e, ERR_SPEC, "%s is missing", at);
		if (c && check_one(c, f, at, e))
			return -1;
	}
	for (const struct json *c = json_first(j); c; c = json_next(c))
		if (!field_of(fields, json_key(c)))
			return err_set(e, ERR_SPEC, "unknown field '%.60s%s%.60s'", path, *path ? "." : "", json_key(c));
	return 0;
}

static void print_type(const struct shape *f, struct buf *out) {
	static const char *const text[] = {
		"{\"type\":\"string\"}",
		"{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9._-]{0,62}$\"}",
		"{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{64}$\"}",
		"{\"type\":\"integer\",\"minimum\":0}",
		"{\"type\":\"boolean\"}",
		"{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
		"{\"type\":\"object\"}",
	};

	if (f->type == SHAPE_OBJECT) {
		shape_print(f->fields, out);
	} else if (f->type == SHAPE_OBJECTS) {
		(void) buf_puts(out, "{\"type\":\"array\",\"items\":");
		shape_print(f->fields, out);
		(void) buf_putc(out, '}');
	} else {
		(void) buf_puts(out, text[f->type]);
	}
}

void shape_print(const struct shape *fields, struct buf *out) {
	bool first = true;

	(void) buf_puts(out, "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[");
	for (const struct shape *f = fields; f->key; f++)
		if (!f->optional) {
			(void) buf_printf(out, "%s\"%s\"", first ? "" : ",", f->key);
			first = false;
		}
	(void) buf_puts(out, "],\"properties\":{");
	for (const struct shape *f = fields; f->key; f++) {
		(void) buf_printf(out, "%s\"%s\":", f == fields ? "" : ",", f->key);
		print_type(f, out);
	}
	(void) buf_puts(out, "}}");
}
