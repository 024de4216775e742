/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/diff.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "capacity/capacity.h"
#include "size/size.h"
#include "json/json.h"

#define SHOWN 16000 /* of one value */

/* ---- one difference ---- */

static void differ(struct json *list, const char *what, const char *now, const char *then) {
	if ((!now && !then) || (now && then && !strcmp(now, then)))
		return;
	struct json *o = json_object();
	json_set_str(o, "what", what);
	json_set_str(o, "now", now);
	json_set_str(o, "then", then);
	json_push(list, o);
}

/* A value as a text; sizes in units that people read. */
static char *shown(const struct json *j, const char *key) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(SHOWN);
	char bytes[TEXT_BYTES];

	if (!j)
		return NULL;
	if (json_text(j))
		return mem_strdup(json_text(j));
	if (json_is_number(j) && text_ends(key, "_bytes")) {
		text_format_bytes((uint64_t) json_value(j), bytes);
		return mem_strdup(bytes);
	}
	json_print(j, &b);
	return buf_steal(&b);
}

static void differ_at(struct json *list, const char *what, const struct json *now,
		      const struct json *then, const char *path) {
	const struct json *a = json_path(now, path), *b = json_path(then, path);

	if (a && b && json_equal(a, b))
		return;
	char *x CLEANUP(freep) = shown(a, path), *y CLEANUP(freep) = shown(b, path);
	differ(list, what, x, y);
}

/* Every key of two objects, in the order of the second. */
static void differ_each(struct json *list, const char *name, const struct json *now,
			const struct json *then) {
	for (const struct json *c = json_first(then); c; c = json_next(c)) {
		char *what CLEANUP(freep) = mem_printf("%s.%s", name, json_key(c));
		differ_at(list, what, now, then, json_key(c));
	}
	for (const struct json *c = json_first(now); c; c = json_next(c)) {
		char *what CLEANUP(freep) = mem_printf("%s.%s", name, json_key(c));
		if (!json_get(then, json_key(c)))
			differ_at(list, what, now, then, json_key(c));
	}
}

/* ---- image ---- */

static const struct json *named(const struct json *list, const char *name) {
	for (const struct json *c = json_first(list); c; c = json_next(c))
		if (!strcmp(json_str(c, "name"), name))
			return c;
	return NULL;
}

static void differ_packages(struct json *list, const struct json *now, const struct json *then) {
	for (const struct json *c = json_first(then); now && c; c = json_next(c)) {
		const struct json *before = named(now, json_str(c, "name"));
		char *what CLEANUP(freep) = mem_printf("package %s", json_str(c, "name"));
		if (before && !strcmp(json_str(before, "version"), json_str(c, "version")) &&
		    strcmp(json_str(before, "sha256"), json_str(c, "sha256")) != 0)
			differ(list, what, json_str(before, "sha256"), json_str(c, "sha256"));
		else
			differ(list, what, before ? json_str(before, "version") : NULL,
			       json_str(c, "version"));
	}
	for (const struct json *c = json_first(now); c; c = json_next(c)) {
		char *what CLEANUP(freep) = mem_printf("package %s", json_str(c, "name"));
		if (!named(then, json_str(c, "name")))
			differ(list, what, json_str(c, "version"), NULL);
	}
}

static bool is_same(const struct json *now, const struct json *then, const char *path) {
	const struct json *a = json_path(now, path), *b = json_path(then, path);

	return a && b ? json_equal(a, b) : a == b;
}

/* Made of the same, it is the same. */
static bool is_same_image(const struct json *now, const struct json *then) {
	static const char *const parts[] = {"version",        "runtime",
					    "image.packages", "image.chat_template",
					    "container.argv", "container.env",
					    "artifacts"};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (!is_same(now, then, parts[i]))
			return false;
	return true;
}

/* A built image is compared by its digest, one that is not by what goes into it. */
static void differ_image(struct json *list, const struct json *now, const struct json *then) {
	const struct json *a = json_get(now, "image"), *b = json_get(then, "image");
	char text[80];

	if (json_count(json_get(b, "layers"))) {
		char *x CLEANUP(freep) = a ? mem_printf("%.12s", json_str(a, "config")) : NULL,
			*y CLEANUP(freep) = mem_printf("%.12s", json_str(b, "config"));
		differ(list, "image", x, y);
	} else if (a && !is_same_image(now, then)) {
		(void) snprintf(text, sizeof text, "rebuilt: %s",
				is_same(a, b, "packages") ? "only its top layer"
							  : "other packages");
		char *x CLEANUP(freep) = mem_printf("%.12s", json_str(a, "config"));
		differ(list, "image", x, text);
	}
	differ_packages(list, json_get(a, "packages"), json_get(b, "packages"));
	differ_at(list, "chat template", now, then, "image.chat_template");
}

/* ---- artifacts ---- */

static char *artifact_text(const struct json *a) {
	const char *scale = json_str(a, "scale");
	char size[TEXT_BYTES];

	if (!a)
		return NULL;
	text_format_bytes((uint64_t) json_int_or(a, "size", 0), size);
	return mem_printf("%.12s (%s%s%s)", json_str(a, "sha256"), size, scale ? ", scale " : "",
			  scale ? scale : "");
}

static void differ_artifacts(struct json *list, const struct json *now, const struct json *then) {
	size_t n = json_count(now) > json_count(then) ? json_count(now) : json_count(then);

	for (size_t i = 0; i < n; i++) {
		char *a CLEANUP(freep) = artifact_text(json_at(now, i)),
			*b CLEANUP(freep) = artifact_text(json_at(then, i));
		char *what CLEANUP(freep) = i ? mem_printf("adapter %zu", i) : mem_strdup("model");
		differ(list, what, a, b);
	}
}

/* ---- flags ---- */

static bool is_flag(const char *word) {
	return text_starts(word, "--") && word[2];
}

/* The words behind the flag until the next one, joined; NULL: the flag is not there. */
static char *flag_value(const struct json *argv, const char *flag) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(SHOWN);
	const struct json *c = json_first(argv);

	while (c && strcmp(json_text(c), flag) != 0)
		c = json_next(c);
	if (!c)
		return NULL;
	for (c = json_next(c); c && !is_flag(json_text(c)); c = json_next(c))
		(void) buf_printf(&b, "%s%s", b.len ? " " : "", json_text(c));
	return b.len ? buf_steal(&b) : mem_strdup("on");
}

static void differ_flag(struct json *list, const struct json *now, const struct json *then,
			const char *flag) {
	char *a CLEANUP(freep) = flag_value(now, flag), *b CLEANUP(freep) = flag_value(then, flag);

	differ(list, flag, a, b);
}

static void differ_flags(struct json *list, const struct json *now, const struct json *then) {
	for (const struct json *c = json_first(then); now && c; c = json_next(c))
		if (is_flag(json_text(c)))
			differ_flag(list, now, then, json_text(c));
	for (const struct json *c = json_first(now); c; c = json_next(c)) {
		char *gone CLEANUP(freep) = is_flag(json_text(c)) ? flag_value(then, json_text(c))
								  : mem_strdup("");
		if (!gone)
			differ_flag(list, now, then, json_text(c));
	}
}

/* ---- golden set ---- */

static const struct json *case_of(const struct json *golden, const char *id) {
	for (const struct json *c = json_first(json_get(golden, "cases")); c; c = json_next(c))
		if (!strcmp(json_str(c, "id"), id))
			return c;
	return NULL;
}

/* How many of the cases of `a` are not, or are otherwise, in `b`. */
static void count_cases(const struct json *a, const struct json *b, size_t *missing,
			size_t *other) {
	for (const struct json *c = json_first(json_get(a, "cases")); c; c = json_next(c)) {
		const struct json *d = case_of(b, json_str(c, "id"));
		*missing += !d;
		*other += d && !json_equal(c, d);
	}
}

static void differ_golden(struct json *list, const struct json *now, const struct json *then) {
	size_t added = 0, removed = 0, other = 0, ignored = 0;

	if (now && then && json_equal(now, then))
		return;
	count_cases(then, now, &added, &other);
	count_cases(now, then, &removed, &ignored);
	char *a CLEANUP(freep) = now ? mem_printf("%s, %zu cases", json_str(now, "name"),
						  json_count(json_get(now, "cases")))
				     : NULL;
	char *b CLEANUP(freep) = then
		? mem_printf("%s, %zu cases (%zu new, %zu changed, %zu gone)",
			     json_str(then, "name"), json_count(json_get(then, "cases")), added,
			     other, removed)
		: NULL;
	differ(list, "golden set", a, b);
}

/* ---- all of it ---- */

struct json *plan_diff(const struct json *now, const struct json *then) {
	static const struct {
		const char *what, *path;
	} facts[] = {{"version", "version"},
		     {"runtime", "runtime.name"},
		     {"runtime version", "runtime.version"},
		     {"backend", "runtime.backend"}};
	static const char *const parts[] = {"health", "rollout", "gateway", "requirements"};
	const struct json *eval_now = json_get(now, "eval"), *eval_then = json_get(then, "eval");
	struct json *list = json_array();

	for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
		differ_at(list, facts[i].what, now, then, facts[i].path);
	differ_image(list, now, then);
	differ_artifacts(list, json_get(now, "artifacts"), json_get(then, "artifacts"));
	differ_flags(list, json_path(now, "container.argv"), json_path(then, "container.argv"));
	differ_golden(list, json_get(eval_now, "golden"), json_get(eval_then, "golden"));
	differ_at(list, "eval.latency_p95_ms", eval_now, eval_then, "latency_p95_ms");
	differ_at(list, "eval.skip", eval_now, eval_then, "skip");
	for (size_t i = 0; now && i < sizeof parts / sizeof *parts; i++)
		differ_each(list, parts[i], json_get(now, parts[i]), json_get(then, parts[i]));
	differ_at(list, "memory planned", now, then, "budget.planned_bytes");
	differ_at(list, "memory limit", now, then, "container.memory_bytes");
	return list;
}

/* ---- the switch back ---- */

enum plan_rollback_mode plan_rollback_mode(uint64_t capacity, unsigned reserve_percent,
					   uint64_t active_bytes, uint64_t planned_bytes,
					   const char *strategy, const char *previous) {
	uint64_t both;

	if (!active_bytes)
		return PLAN_ROLLBACK_NONE;
	if (!strcmp(strategy, "recreate"))
		return PLAN_ROLLBACK_STOPPED;
	if (!capacity || __builtin_add_overflow(active_bytes, planned_bytes, &both) ||
	    !capacity_admits(capacity, reserve_percent, both))
		return PLAN_ROLLBACK_RECREATE;
	return !strcmp(previous, "stopped") ? PLAN_ROLLBACK_STOPPED : PLAN_ROLLBACK_WARM;
}

const char *plan_rollback_mode_name(enum plan_rollback_mode w) {
	static const char *const names[] = {"none", "warm", "stopped", "recreate"};

	return names[w];
}
