/* SPDX-License-Identifier: Apache-2.0 */
#include "golden_report.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "eval/eval.h"
#include "report/report.h"
#include "json/json.h"

static int by_number(const void *a, const void *b) {
	uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static bool was_answered(const struct json *c) {
	const char *verdict = json_str(c, "verdict");

	return verdict && (!strcmp(verdict, "PASS") || !strcmp(verdict, "FAIL"));
}

/* Latencies of the cases that were answered, sorted; how many. */
static size_t latencies(const struct json *phase, uint64_t *ms) {
	size_t n = 0;

	for (const struct json *c = json_first(json_get(phase, "cases")); c; c = json_next(c))
		if (was_answered(c))
			ms[n++] = (uint64_t) json_int_or(c, "latency_ms", 0);
	qsort(ms, n, sizeof *ms, by_number);
	return n;
}

/* ", p95 latency 1.10 s (slowest 1.20 s, limit 1.50 s)" */
static void add_latency(struct buf *line, const struct json *phase, const struct json *latency) {
	uint64_t *ms CLEANUP(freep) = mem_zalloc(json_count(json_get(phase, "cases")) + 1,
						 sizeof *ms);
	size_t n = latencies(phase, ms);
	char p95[TEXT_BYTES], slowest[TEXT_BYTES], limit[TEXT_BYTES];

	if (!n)
		return;
	text_format_ms(ms[(95 * n + 99) / 100 - 1], p95);
	text_format_ms(ms[n - 1], slowest);
	text_format_ms((uint64_t) json_int_or(latency, "limit_ms", 0), limit);
	(void) buf_printf(line, ", p95 latency %s (slowest %s%s%s)", p95, slowest,
			  json_int_or(latency, "limit_ms", 0) ? ", limit " : "",
			  json_int_or(latency, "limit_ms", 0) ? limit : "");
}

void golden_report_show(struct report *r, const struct json *evidence) {
	unsigned long long speed = eval_speed_milli(evidence);

	for (const struct json *p = json_first(json_get(evidence, "phases")); p; p = json_next(p)) {
		struct buf line CLEANUP(buf_done) = BUF_INIT(1000);
		(void) buf_printf(&line, "%lld of %zu passed",
				  (long long) json_int_or(json_get(p, "totals"), "PASS", 0),
				  json_count(json_get(p, "cases")));
		add_latency(&line, p, json_get(evidence, "latency"));
		if (speed)
			(void) buf_printf(&line, ", %llu.%llu tokens/s", speed / 1000,
					  speed % 1000 / 100);
		report_line(r, "%s%s", r->mode == REPORT_JSON ? "" : "      ", buf_str(&line));
	}
}
