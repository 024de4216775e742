/* SPDX-License-Identifier: Apache-2.0 */
#include "compile_common.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "lockfile/lockfile.h"
#include "memory_estimate/memory_estimate.h"
#include "plan.h"
#include "report/report.h"
#include "size/size.h"
#include "json/json.h"

static struct json *document_of(const struct memory_estimate *o, const struct lockfile *l) {
	static const char *const same[] = {"weights_bytes", "kv_bytes", "recurrent_bytes",
					   "compute_bytes"};
	struct json *d = json_object(), *devices = json_array();
	int64_t planned = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct json *one = json_object();
		json_set_str(one, "name", o->devices[i].name);
		json_set_int(one, "model_bytes", (int64_t) o->devices[i].model);
		json_set_int(one, "context_bytes", (int64_t) o->devices[i].context);
		json_set_int(one, "compute_bytes", (int64_t) o->devices[i].compute);
		json_push(devices, one);
	}
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		planned += json_int_or(json_get(l->tree, "budget"), same[i], 0);
	json_set(d, "devices", devices);
	json_set_int(d, "total_bytes", (int64_t) o->total);
	json_set_int(d, "planned_bytes", planned);
	return d;
}

int plan_estimate(struct args *a, struct context *c, const struct spec *s, struct json **estimate,
		  struct size_measured *measured, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct memory_estimate o;

	if (context_need_docker(a, c, e) ||
	    compile_common_lockfile_asked(a, c, s, &l, &o, measured, e))
		return -1;
	*estimate = document_of(&o, l);
	return 0;
}

void plan_show_estimate(struct report *r, const struct json *estimate) {
	static const struct report_column columns[] = {{"estimate of the runtime", false, 0},
						       {"model", true, 0},
						       {"context", true, 0},
						       {"compute", true, 0}};
	struct arena *a CLEANUP(arena_freep) = arena_new();
	const char *cells[4 * MEMORY_ESTIMATE_MAX_DEVICES];
	char total[TEXT_BYTES], planned[TEXT_BYTES];
	size_t n = 0;

	for (const struct json *d = json_first(json_get(estimate, "devices"));
	     d && n < MEMORY_ESTIMATE_MAX_DEVICES; d = json_next(d), n++) {
		static const char *const keys[] = {"model_bytes", "context_bytes", "compute_bytes"};
		cells[4 * n] = json_str(d, "name");
		for (size_t i = 0; i < 3; i++) {
			char text[TEXT_BYTES];
			text_format_bytes((uint64_t) json_int_or(d, keys[i], 0), text);
			cells[4 * n + 1 + i] = arena_strdup(a, text);
		}
	}
	report_table(r, columns, 4, cells, n);
	text_format_bytes((uint64_t) json_int_or(estimate, "total_bytes", 0), total);
	text_format_bytes((uint64_t) json_int_or(estimate, "planned_bytes", 0), planned);
	report_line(r, "estimate    %s by the runtime in whole MiB, %s planned for the same parts",
		    total, planned);
}
