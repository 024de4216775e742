/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gc/gc.h"
#include "report/report.h"
#include "json/json.h"

/* Objects are many: the first are shown, all of them are in --json. */
enum { SHOWN = 50 };

static void show(struct args *a, const struct gc_freed *f, struct json *list) {
	static const struct report_column columns[] = {{"kind", false, 0},
						       {"name", false, 12},
						       {"bytes", true, 0}};
	const char **cells CLEANUP(freep) = mem_zalloc(3 * f->n, sizeof *cells);
	struct arena *arena CLEANUP(arena_freep) = arena_new();

	for (size_t i = 0; i < f->n; i++) {
		struct json *row = json_object();
		char bytes[TEXT_BYTES] = "";
		if (f->at[i].bytes)
			text_format_bytes(f->at[i].bytes, bytes);
		cells[3 * i] = f->at[i].kind;
		cells[3 * i + 1] = f->at[i].name;
		cells[3 * i + 2] = arena_strdup(arena, bytes);
		json_set_str(row, "kind", f->at[i].kind);
		json_set_str(row, "name", f->at[i].name);
		json_set_int(row, "bytes", (int64_t) f->at[i].bytes);
		json_push(list, row);
	}
	if (f->n)
		report_table(a->report, columns, 3, cells, f->n < SHOWN ? f->n : SHOWN);
	if (f->n > SHOWN)
		report_line(a->report, "and %zu more: --json has all", f->n - SHOWN);
}

int cmd_gc(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	bool dry = a->option[OPT_DRY_RUN] != NULL;
	struct gc_freed f CLEANUP(gc_freed_done) = {0};
	struct json *list = json_array();

	if (context_open(a, "gc", NEED_CHANGE | NEED_STORE | NEED_DOCKER | NEED_GATEWAY, &c, e) ||
	    gc_run(&c.rollout, dry, &f, e)) {
		json_free(list);
		return -1;
	}
	show(a, &f, list);
	char *freed CLEANUP(freep) = gc_freed_words(&f);
	if (freed)
		report_line(a->report, "%s %s", dry ? "would free" : "freed", freed);
	else
		report_line(a->report, "nothing to free: everything is in use by a release");
	struct json *j CLEANUP(json_freep) = json_object();
	json_set_bool(j, "dry_run", dry);
	json_set_int(j, "releases", (int64_t) f.releases);
	json_set_int(j, "containers", (int64_t) f.containers);
	json_set_int(j, "images", (int64_t) f.images);
	json_set_int(j, "objects", (int64_t) f.objects);
	json_set_int(j, "bytes", (int64_t) f.bytes);
	json_set(j, "garbage", list);
	report_result(a->report, j);
	return 0;
}
