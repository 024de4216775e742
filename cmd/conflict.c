/* SPDX-License-Identifier: Apache-2.0 */
#include "conflict.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd.h"
#include "lockfile/lockfile.h"
#include "plan.h"
#include "plan/diff.h"
#include "release/release.h"
#include "report/report.h"
#include "rollout/rollout.h"
#include "json/json.h"

enum { NAMED = 3, VALUE = 40, DEPTH = 12, SHOWN = 200 };

/* What follows from other fields, and explains nothing by itself. */
static bool is_derived(const char *what) {
	return !strcmp(what, "image") || !strcmp(what, "memory planned") ||
		!strcmp(what, "memory limit");
}

static char *text_of(const struct json *j) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(SHOWN);

	if (!j)
		return NULL;
	if (json_text(j))
		return mem_strdup(json_text(j));
	json_print(j, &b);
	return mem_strdup(buf_str(&b));
}

static void add(struct json *list, const char *path, const struct json *now,
		const struct json *then) {
	char *a CLEANUP(freep) = text_of(now), *b CLEANUP(freep) = text_of(then);
	struct json *o = json_object();

	json_set_str(o, "what", path);
	json_set_str(o, "now", a);
	json_set_str(o, "then", b);
	json_push(list, o);
}

/* Field by field, where the comparison of a plan sees nothing: who compiled it, its probes, its
 * environment. */
static void walk(struct json *list, const char *path, const struct json *now,
		 const struct json *then, unsigned depth) {
	if (now && then && json_equal(now, then))
		return;
	if (!json_is_object(now) || !json_is_object(then) || !depth) {
		add(list, path, now, then);
		return;
	}
	for (const struct json *c = json_first(now); c; c = json_next(c)) {
		char *inner CLEANUP(freep) = mem_printf("%s%s%s", path, *path ? "." : "",
							json_key(c));
		walk(list, inner, c, json_get(then, json_key(c)), depth - 1);
	}
	for (const struct json *c = json_first(then); c; c = json_next(c)) {
		char *inner CLEANUP(freep) = mem_printf("%s%s%s", path, *path ? "." : "",
							json_key(c));
		if (!json_get(now, json_key(c)))
			walk(list, inner, NULL, c, depth - 1);
	}
}

static struct json *differences(const struct lockfile *there, const struct lockfile *here) {
	struct json *list = plan_diff(there->tree, here->tree);
	bool any = false;

	for (const struct json *d = json_first(list); d; d = json_next(d))
		any |= !is_derived(json_str(d, "what"));
	if (!any)
		walk(list, "", there->tree, here->tree, DEPTH);
	return list;
}

static const char *value(const struct json *d, const char *key) {
	return json_str(d, key) ? json_str(d, key) : "none";
}

static void show(struct args *a, const struct json *list) {
	if (a->report->mode == REPORT_JSON)
		return;
	report_line(a->report, "differences, existing -> new:");
	plan_show_changes(a->report, list);
}

/* "--ctx-size 2048 -> 4096, health.stall_timeout_ms 60000 -> 90000 and 2 more" */
static void name_some(const struct json *list, struct buf *out) {
	size_t named = 0, more = 0;

	for (const struct json *d = json_first(list); d; d = json_next(d)) {
		if (is_derived(json_str(d, "what")))
			continue;
		if (named == NAMED) {
			more++;
			continue;
		}
		(void) buf_printf(out, "%s%s %.*s -> %.*s", named++ ? ", " : "",
				  json_str(d, "what"), VALUE, value(d, "now"), VALUE,
				  value(d, "then"));
	}
	if (more)
		(void) buf_printf(out, " and %zu more", more);
}

int conflict_check(struct args *a, const struct release_route *r, const struct lockfile *l,
		   struct err *e) {
	struct buf named CLEANUP(buf_done) = BUF_INIT(400);
	struct lockfile *there CLEANUP(lockfile_freep) = NULL;
	struct json *list CLEANUP(json_freep) = NULL;
	struct err other = {0};
	bool exists;

	if (!release_compare(r, l->version, l->bytes, l->n_bytes, &exists, &other))
		return 0;
	*e = other;
	if (other.code != ERR_SPEC || rollout_lockfile_of(r, l->version, &there, &other))
		return -1;
	list = differences(there, l);
	show(a, list);
	name_some(list, &named);
	return err_set(e, ERR_SPEC,
		       "version '%s' of '%s' exists with other content: %s; give it a new version",
		       l->version, r->name, buf_str(&named));
}
