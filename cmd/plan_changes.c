/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/report.h"
#include "json/json.h"

/* What an apply would change, a line for each field: "rollout.watch_ms: 1000 -> 2000". */

enum { VALUE = 4000 };

/* One value as people read it; a list of plain values as "a, b". Yours. */
static char *value_text(const struct json *j) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(VALUE);

	if (!j)
		return mem_strdup("(not set)");
	if (json_text(j))
		return mem_strdup(json_text(j));
	if (!json_is_array(j)) {
		json_print(j, &b);
		return buf_steal(&b);
	}
	for (const struct json *c = json_first(j); c; c = json_next(c)) {
		char *one CLEANUP(freep) = value_text(c);
		(void) buf_printf(&b, "%s%s", b.len ? ", " : "", one);
	}
	return b.len ? buf_steal(&b) : mem_strdup("(empty)");
}

static bool is_plain(const struct json *j) {
	for (const struct json *c = json_is_array(j) ? json_first(j) : NULL; c; c = json_next(c))
		if (json_is_object(c) || json_is_array(c))
			return false;
	return !j || !json_is_object(j);
}

static void walk(struct report *r, const char *path, const struct json *now,
		 const struct json *then);

static void walk_object(struct report *r, const char *path, const struct json *now,
			const struct json *then) {
	for (const struct json *c = json_first(then); c; c = json_next(c)) {
		char *deeper CLEANUP(freep) = mem_printf("%s.%s", path, json_key(c));
		walk(r, deeper, json_get(now, json_key(c)), c);
	}
	for (const struct json *c = json_first(now); c; c = json_next(c)) {
		char *deeper CLEANUP(freep) = mem_printf("%s.%s", path, json_key(c));
		if (!json_get(then, json_key(c)))
			walk(r, deeper, c, NULL);
	}
}

static void walk_list(struct report *r, const char *path, const struct json *now,
		      const struct json *then) {
	size_t n = json_count(now) > json_count(then) ? json_count(now) : json_count(then);

	for (size_t i = 0; i < n; i++) {
		char *deeper CLEANUP(freep) = mem_printf("%s[%zu]", path, i);
		walk(r, deeper, json_at(now, i), json_at(then, i));
	}
}

static void walk(struct report *r, const char *path, const struct json *now,
		 const struct json *then) {
	if (now && then && json_equal(now, then))
		return;
	if (is_plain(now) && is_plain(then)) {
		char *a CLEANUP(freep) = value_text(now), *b CLEANUP(freep) = value_text(then);
		report_line(r, "  %s: %s -> %s", path, a, b);
	} else if ((now && json_is_array(now)) || (then && json_is_array(then))) {
		walk_list(r, path, now, then);
	} else {
		walk_object(r, path, now, then);
	}
}

/* A document writes what is no text as JSON; anything else is a text. */
static struct json *value_of(const char *text) {
	struct json *j = NULL;
	struct err none = {0};

	if (!text)
		return NULL;
	if ((*text == '{' || *text == '[') && !json_parse(text, strlen(text), &j, &none))
		return j;
	return json_string(text);
}

void plan_show_changes(struct report *r, const struct json *list) {
	for (const struct json *c = json_first(list); c; c = json_next(c)) {
		struct json *now CLEANUP(json_freep) = value_of(json_str(c, "now"));
		struct json *then CLEANUP(json_freep) = value_of(json_str(c, "then"));
		walk(r, json_str(c, "what"), now, then);
	}
}
