#include "context.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "report/report.h"

int cmd_gc(struct args *a, struct err *e) {
	struct context c CLEANUP(context_done) = CONTEXT_INIT;
	bool dry = a->option[OPT_DRY_RUN] != NULL;
	struct rollout_freed f = {0};
	char bytes[TEXT_BYTES];

	if (context_open(a, "gc", NEED_STORE | NEED_ENGINE | NEED_GATEWAY, &c, e) || rollout_gc(&c.x, dry, &f, e))
		return -1;
	text_format_bytes(f.bytes, bytes);
	report_line(a->report, "%s %zu releases, %zu containers, %zu images, %zu objects of the store: %s",
		dry ? "would free" : "freed", f.releases, f.containers, f.images, f.objects, bytes);
	struct json *j CLEANUP(json_freep) = json_object();
	json_set_bool(j, "dry_run", dry);
	json_set_int(j, "releases", (int64_t) f.releases);
	json_set_int(j, "containers", (int64_t) f.containers);
	json_set_int(j, "images", (int64_t) f.images);
	json_set_int(j, "objects", (int64_t) f.objects);
	json_set_int(j, "bytes", (int64_t) f.bytes);
	report_result(a->report, j);
	return 0;
}
