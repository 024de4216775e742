/* SPDX-License-Identifier: Apache-2.0 */
#include "status_prometheus.h"

#include <fcntl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd.h"
#include "fs/fs.h"
#include "report/prometheus.h"
#include "report/report.h"
#include "json/json.h"

enum { METRICS_CAP = 4 << 20 };

/* The last gate in a few numbers. */
struct json *status_gate(const struct json *proof) {
	const struct json *golden = json_get(proof, "golden"),
			  *passed = json_path(golden, "gate.passed");
	const struct json *latency = json_get(golden, "latency");
	struct json *o = json_object();
	int64_t cases = 0, right = 0;

	json_set_int(o, "evidence", json_int_or(proof, "number", 0));
	json_set_str(o, "skip", json_str(proof, "skip"));
	if (!golden)
		return o;
	for (const struct json *p = json_first(json_get(golden, "phases")); p; p = json_next(p)) {
		cases += (int64_t) json_count(json_get(p, "cases"));
		right += json_int_or(json_get(p, "totals"), "PASS", 0);
	}
	json_set_bool(o, "passed", json_truth(passed));
	json_set_int(o, "cases", cases);
	json_set_int(o, "right", right);
	json_set_int(o, "began", json_int_or(golden, "began", 0));
	if (json_str(latency, "statistic")) {
		json_set_str(o, "statistic", json_str(latency, "statistic"));
		json_set_int(o, "value_ms", json_int_or(latency, "value_ms", 0));
	}
	return o;
}

int status_prometheus(const struct args *a, const struct json *routes, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(METRICS_CAP);
	const char *path = a->option[OPT_OUTPUT];

	report_prometheus(routes, clock_unix(), &text);
	if (text.cut)
		return err_set(e, ERR_SYS, "the metrics of all routes take more than 4 MiB");
	if (path)
		return fs_write(EFFECT_NONE, AT_FDCWD, path, buf_str(&text), text.len, 0644, e);
	report_text(a->report, buf_str(&text), text.len);
	return 0;
}
