#include "cases.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "json/json.h"
#include "report/report.h"

/* The attempt that gave the case its verdict. */
static const struct json *worst_of(const struct json *c) {
	const char *verdict = json_str(c, "verdict");
	const struct json *attempts = json_get(c, "attempts");

	for (const struct json *t = json_first(attempts); t; t = json_next(t))
		if (json_str(t, "verdict") && verdict && !strcmp(json_str(t, "verdict"), verdict))
			return t;
	return json_first(attempts);
}

static void fill(struct report_case *out, const struct json *c, struct arena *a) {
	const struct json *worst = worst_of(c), *failure = json_at(json_get(worst, "failures"), 0);
	const char *answer = json_str(worst, "answer"), *got = json_str(failure, "got");

	*out = (struct report_case){.id = json_str(c, "id"), .verdict = json_str(c, "verdict"), .severity = json_str(c, "severity"),
		.latency_ms = (uint64_t) json_int_or(c, "latency_ms", 0)};
	out->passed = out->verdict && !strcmp(out->verdict, "PASS");
	if (out->passed || !failure)
		return;
	out->expected = arena_printf(a, "%s: %s", json_str(failure, "assertion"), json_str(failure, "expected"));
	out->came = answer ? answer : got;
}

void cases_show(struct report *r, const struct json *evidence) {
	const struct json *gate = json_get(evidence, "gate"), *latency = json_get(evidence, "latency");
	struct arena *a CLEANUP(arena_freep) = arena_new();

	for (const struct json *phase = json_first(json_get(evidence, "phases")); phase; phase = json_next(phase)) {
		const struct json *cases = json_get(phase, "cases");
		struct report_case *rows CLEANUP(freep) = mem_zalloc(json_count(cases), sizeof *rows);
		size_t n = 0;
		for (const struct json *c = json_first(cases); c; c = json_next(c))
			fill(&rows[n++], c, a);
		report_cases(r, rows, n);
		char took[TEXT_BYTES];
		text_format_ms((uint64_t) json_int_or(latency, "value_ms", 0), took);
		report_line(r, "%lld of %zu right, latency %s %s: %s", (long long) json_int_or(json_get(phase, "totals"), "PASS", 0), n,
			json_str(latency, "statistic"), took, json_true(gate, "passed") ? "passed" : "not passed");
	}
}
