/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/report.h"
#include "json/json.h"

static uint64_t number(const struct json *o, const char *key) {
	return (uint64_t) json_int_or(o, key, 0);
}

static const char *bytes(struct arena *a, const struct json *o, const char *key) {
	char text[TEXT_BYTES];

	text_format_bytes(number(o, key), text);
	return arena_strdup(a, text);
}

/* Thousandths as "52.6". */
static const char *tenths(struct arena *a, const struct json *o, const char *key) {
	uint64_t v = number(o, key);

	return arena_printf(a, "%llu.%llu", (unsigned long long) v / 1000,
			    (unsigned long long) v % 1000 / 100);
}

static const char *time_text(struct arena *a, const struct json *o, const char *key) {
	char text[TEXT_BYTES];

	text_format_ms(number(o, key), text);
	return arena_strdup(a, text);
}

/* "speed       at most ...": further lines, where it is wrapped, stand under the first. */
__attribute__((format(printf, 3, 4))) static void say(struct report *r, const char *key,
						      const char *fmt, ...) {
	char *text CLEANUP(freep) = NULL, *padded CLEANUP(freep) = mem_printf("%-10s", key);
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	const struct report_pair pair = {padded, n < 0 ? "" : text};
	report_pairs(r, &pair, 1);
}

/* ---- what is planned ---- */

static const char *model_text(struct arena *a, const struct json *m) {
	const char *kind = json_str(m, "architecture"), *sparsity = json_str(m, "sparsity"),
		   *type = json_str(m, "quantization");
	const char *name = strcmp(json_str(m, "name"), kind) ? json_str(m, "name") : "";

	return arena_printf(a, "%s%s%s%s%s: %s of weights%s%s%s, read from the %s",
			    *name ? name : json_str(m, "architecture"), *name ? ", " : "",
			    *name ? json_str(m, "architecture") : "", *type ? ", " : "", type,
			    bytes(a, m, "weights_bytes"), sparsity ? ", " : "",
			    sparsity ? sparsity : "", sparsity ? " sparse" : "",
			    json_str(m, "source"));
}

static const char *runtime_text(struct arena *a, const struct json *r) {
	unsigned long long n = number(r, "concurrent_sequences");

	return arena_printf(a, "%s on %s: %llu sequence%s of %llu tokens, KV cache %s",
			    json_str(r, "name"), json_str(r, "backend"), n, n == 1 ? "" : "s",
			    (unsigned long long) number(r, "context_tokens"),
			    json_str(r, "kv_cache"));
}

static void show_head(struct report *r, struct arena *a, const struct json *d) {
	const struct report_pair pairs[] = {
		{"plan",
		 arena_printf(a, "%s of route %s", json_str(d, "version"), json_str(d, "route"))},
		{"model", model_text(a, json_get(d, "model"))},
		{"runtime", runtime_text(a, json_get(d, "runtime"))}};

	report_pairs(r, pairs, sizeof pairs / sizeof *pairs);
}

/* ---- memory ---- */

static const struct {
	const char *label, *key, *sgr;
	char mark;
} parts[] = {
	{"weights", "weights_bytes", "34", 'W'},
	{"adapters", "adapters_bytes", "36", 'A'},
	{"KV cache", "kv_bytes", "32", 'K'},
	{"recurrent states", "recurrent_bytes", "32", 'S'},
	{"compute buffers", "compute_bytes", "33", 'C'},
	{"output buffers", "output_bytes", "33", 'O'},
	{"overhead", "overhead_bytes", "35", 'X'},
	{"fragmentation", "fragmentation_bytes", "35", 'F'},
	{"not known exactly", "uncertain_bytes", "31", 'U'},
};
enum { PARTS = sizeof parts / sizeof *parts };

static void show_picture(struct report *r, const struct json *m) {
	struct report_part bar[PARTS + 2];
	size_t n = 0;

	for (; n < PARTS; n++)
		bar[n] = (struct report_part){parts[n].label, parts[n].mark, parts[n].sgr,
					      number(m, parts[n].key)};
	bar[n++] = (struct report_part){"free", '.', "2", number(m, "free_bytes")};
	bar[n++] = (struct report_part){"reserve", 'R', "2", number(m, "reserve_bytes")};
	report_budget(r, bar, n, number(m, "capacity_bytes"));
}

static void show_memory(struct report *r, struct arena *a, const struct json *m) {
	static const struct report_column columns[] = {{"memory", false, 0},
						       {"bytes", true, 0},
						       {"", true, 0}};
	const char *cells[3 * (PARTS + 5)];
	size_t n = 0;

	for (size_t i = 0; i < PARTS; i++) {
		if (!number(m, parts[i].key))
			continue;
		const char *row[] = {parts[i].label,
				     arena_printf(a, "%llu",
						  (unsigned long long) number(m, parts[i].key)),
				     bytes(a, m, parts[i].key)};
		memcpy(&cells[3 * n++], row, sizeof row);
	}
	const struct {
		const char *label, *key;
	} sums[] = {{"planned", "planned_bytes"},
		    {arena_printf(a, "reserve of %llu %%",
				  (unsigned long long) number(m, "reserve_percent")),
		     "reserve_bytes"},
		    {number(m, "missing_bytes") ? "missing" : "free",
		     number(m, "missing_bytes") ? "missing_bytes" : "free_bytes"},
		    {arena_printf(a, "%s has", json_str(m, "place")), "capacity_bytes"}};
	for (size_t i = 0; i < (json_get(m, "capacity_bytes") ? 4 : 1); i++) {
		const char *row[] = {sums[i].label,
				     arena_printf(a, "%llu",
						  (unsigned long long) number(m, sums[i].key)),
				     bytes(a, m, sums[i].key)};
		memcpy(&cells[3 * n++], row, sizeof row);
	}
	report_table(r, columns, 3, cells, n);
}

/* ---- admission ---- */

static void show_places(struct report *r, struct arena *a, const struct json *places) {
	static const struct report_column columns[] = {{"machine", false, 8}, {"backend", false, 0},
						       {"memory", true, 0},   {"needs", true, 0},
						       {"verdict", false, 0}, {"why", false, 20}};
	size_t n = 0;
	const char **cells CLEANUP(freep) = mem_zalloc(6 * (json_count(places) + 1), sizeof *cells);

	for (const struct json *p = json_first(places); p; p = json_next(p)) {
		const char *memory = bytes(a, p, "memory_bytes");
		if (number(p, "devices") > 1)
			memory = arena_printf(a, "%llu x %s",
					      (unsigned long long) number(p, "devices"), memory);
		const char *row[] = {json_str(p, "name"),
				     json_str(p, "backend"),
				     memory,
				     bytes(a, p, "planned_bytes"),
				     json_str(p, "verdict"),
				     json_str(p, "reason")};
		memcpy(&cells[6 * n++], row, sizeof row);
	}
	report_table(r, columns, 6, cells, n);
}

static void show_changes_that_fit(struct report *r, struct arena *a, const struct json *list) {
	static const struct report_column columns[] = {{"this would be admitted", false, 20},
						       {"planned", true, 0}};
	const char **cells CLEANUP(freep) = mem_zalloc(2 * (json_count(list) + 1), sizeof *cells);
	size_t n = 0;

	for (const struct json *c = json_first(list); c; c = json_next(c)) {
		cells[2 * n] = json_str(c, "change");
		cells[2 * n++ + 1] = json_get(c, "planned_bytes") ? bytes(a, c, "planned_bytes")
								  : "-";
	}
	if (n)
		report_table(r, columns, 2, cells, n);
}

/* The whole reason is the command's error; here the place's own part of it. */
static const char *refusal(const struct json *x, const struct json *places) {
	const char *verdict = json_str(json_at(places, 0), "verdict");

	if (!strcmp(verdict, "admitted") || !strcmp(verdict, "asynchronous"))
		return json_str(x, "reason");
	return json_count(places) > 1 ? "no machine is admitted"
				      : json_str(json_at(places, 0), "reason");
}

static void show_admission(struct report *r, struct arena *a, const struct json *x) {
	bool admitted = json_true(x, "admitted");
	const struct json *places = json_get(x, "places");

	if (json_count(places) > 1)
		show_places(r, a, places);
	if (!strcmp(json_str(x, "mode"), "off"))
		say(r, "admission", "off: nothing is refused");
	else if (admitted)
		say(r, "admission", "%s: %s", json_count(places) > 1 ? "admitted" : "fits",
		    json_str(x, "reason"));
	else
		say(r, "admission", "%s: %s",
		    !strcmp(json_str(x, "mode"), "warn") ? "only a warning" : "refused",
		    refusal(x, places));
	show_changes_that_fit(r, a, json_get(x, "would_be_admitted"));
}

static void show_candidates(struct report *r, struct arena *a, const struct json *x) {
	static const struct report_column columns[] = {{"candidate", false, 8},
						       {"weights", true, 0},
						       {"planned", true, 0},
						       {"quality", true, 0},
						       {"", false, 0}};
	const struct json *list = json_get(x, "list");
	const char **cells CLEANUP(freep) = mem_zalloc(5 * (json_count(list) + 1), sizeof *cells);
	size_t n = 0;

	for (const struct json *c = json_first(list); c; c = json_next(c)) {
		unsigned long long q = number(c, "quality_micro");
		const char *row[] = {json_str(c, "name"), bytes(a, c, "weights_bytes"),
				     bytes(a, c, "planned_bytes"),
				     json_get(c, "quality_micro")
					     ? arena_printf(a, "%llu.%03llu", q / 1000000,
							    q % 1000000 / 1000)
					     : "-",
				     json_str(c, "choice")};
		memcpy(&cells[5 * n++], row, sizeof row);
	}
	if (n)
		report_table(r, columns, 5, cells, n);
}

/* ---- outlook ---- */

static void show_speed(struct report *r, struct arena *a, const struct json *s) {
	const char *all = number(s, "sequences") > 1
		? arena_printf(a, ", %s by all %llu together", tenths(a, s, "ceiling_all_milli"),
			       (unsigned long long) number(s, "sequences"))
		: "";

	if (json_get(s, "ceiling_milli"))
		say(r, "speed",
		    "at most %s tokens/s at the start of a context, %s at its end%s (%s/s over %s)",
		    tenths(a, s, "ceiling_milli"), tenths(a, s, "ceiling_full_milli"), all,
		    bytes(a, s, "bandwidth"), bytes(a, s, "active_bytes"));
	else
		say(r, "speed",
		    "no ceiling: the bandwidth is not known; set resources: {device: {bandwidth: "
		    "400GB/s}}");
	if (json_get(s, "measured_percent"))
		say(r, "measured", "%s tokens/s by '%s', %llu %% of the ceiling",
		    tenths(a, s, "measured_milli"), json_str(s, "measured_by"),
		    (unsigned long long) number(s, "measured_percent"));
	else if (json_get(s, "measured_milli"))
		say(r, "measured", "%s tokens/s by '%s'", tenths(a, s, "measured_milli"),
		    json_str(s, "measured_by"));
	if (json_str(s, "hint"))
		say(r, "", "%s", json_str(s, "hint"));
}

static void show_traffic(struct report *r, struct arena *a, const struct json *t) {
	if (!t)
		return;
	if (!json_get(t, "answer_ms")) {
		say(r, "traffic",
		    "%llu requests in the busiest hour; how long an answer takes is not known "
		    "(traffic.output_tokens, a bandwidth)",
		    (unsigned long long) number(t, "busy_hour_requests"));
		return;
	}
	say(r, "traffic",
	    "%llu requests in the busiest hour (%s), an answer takes %s (%s): %llu %% busy",
	    (unsigned long long) number(t, "busy_hour_requests"), json_str(t, "pattern"),
	    time_text(a, t, "answer_ms"), json_str(t, "answer_from"),
	    (unsigned long long) number(t, "utilization_percent"));
	if (json_true(t, "overloaded"))
		say(r, "",
		    "more requests arrive than can be answered: the queue grows without limit");
	else
		say(r, "", "%llu %% of them wait, on average %s, p95 %s",
		    (unsigned long long) number(t, "waits_percent"), time_text(a, t, "wait_ms"),
		    time_text(a, t, "wait_p95_ms"));
	if (json_get(t, "peak_users"))
		say(r, "",
		    "%llu users at the same moment: %llu rounds, the last has its answer after %s",
		    (unsigned long long) number(t, "peak_users"),
		    (unsigned long long) number(t, "peak_rounds"), time_text(a, t, "peak_last_ms"));
}

/* Millionths as "720.00"; less than a hundredth is rounded. */
static const char *money(struct arena *a, const struct json *o, const char *key) {
	unsigned long long hundredths = (number(o, key) + 5000) / 10000;
	const char *currency = json_str(o, "currency");

	return arena_printf(a, "%llu.%02llu%s%s", hundredths / 100, hundredths % 100,
			    *currency ? " " : "", currency);
}

static void show_cost(struct report *r, struct arena *a, const struct json *c) {
	if (!c)
		return;
	if (json_get(c, "local_micro"))
		say(r, "cost",
		    "local %s a month, hosted %s; the costs are equal at %llu requests a month",
		    money(a, c, "local_micro"), money(a, c, "hosted_micro"),
		    (unsigned long long) number(c, "crossover_requests"));
	say(r, json_get(c, "local_micro") ? "" : "cost", "%s%s%s", json_str(c, "verdict"),
	    json_str(c, "reminder") ? "; " : "",
	    json_str(c, "reminder") ? json_str(c, "reminder") : "");
}

/* The survivors; --explain runtime has the reasons of the others. */
static void show_runtimes(struct report *r, struct arena *a, const struct json *list) {
	const char *names = "";
	size_t n = 0;

	for (const struct json *x = json_first(list); x; x = json_next(x))
		if (json_true(x, "survives"))
			names = arena_printf(a, "%s%s%s", names, n++ ? ", " : "",
					     json_str(x, "name"));
	if (json_count(list))
		say(r, "runtimes", "%zu of %zu can serve this, candidates to be measured: %s", n,
		    json_count(list), n ? names : "none");
}

/* ---- changes ---- */

static const char *const backs[][2] = {
	{"none", "no release was active before, so a rollback has no target"},
	{"warm", "warm: the previous release keeps running, there is memory for both"},
	{"stopped", "stopped: a rollback first starts the previous release again"},
	{"recreate",
	 "not enough memory for both: rollout.strategy: recreate stops the old release first"},
};

static void show_diff(struct report *r, struct arena *a, const struct json *x) {
	size_t n = json_count(json_get(x, "list"));

	if (!x)
		return;
	if (!json_str(x, "against")) {
		say(r, "changes", "no release of this route is active: everything is new");
		return;
	}
	say(r, "changes",
	    n ? "against '%s', which is active:" : "none: '%s' is active, and is this release",
	    json_str(x, "against"));
	plan_show_changes(r, json_get(x, "list"));
	for (size_t i = 0; i < sizeof backs / sizeof *backs; i++)
		if (!strcmp(json_str(x, "rollback"), backs[i][0]))
			say(r, "rollback", "%s (%s together)", backs[i][1],
			    bytes(a, x, "both_bytes"));
}

void plan_show(struct report *r, const struct json *d) {
	struct arena *a CLEANUP(arena_freep) = arena_new();

	if (r->mode == REPORT_JSON)
		return;
	show_head(r, a, d);
	show_picture(r, json_get(d, "memory"));
	show_memory(r, a, json_get(d, "memory"));
	if (json_get(d, "estimate"))
		plan_show_estimate(r, json_get(d, "estimate"));
	if (json_get(d, "candidates"))
		show_candidates(r, a, json_get(d, "candidates"));
	show_admission(r, a, json_get(d, "admission"));
	show_speed(r, a, json_get(d, "speed"));
	show_traffic(r, a, json_get(d, "traffic"));
	show_cost(r, a, json_get(d, "cost"));
	show_runtimes(r, a, json_get(d, "runtimes"));
	show_diff(r, a, json_get(d, "changes"));
	for (const struct json *n = json_first(json_get(d, "notes")); n; n = json_next(n))
		say(r, "note", "%s", json_text(n));
}
