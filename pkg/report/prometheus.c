/* SPDX-License-Identifier: Apache-2.0 */
#include "report/prometheus.h"

#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "json/json.h"

/* Label values: backslash, quote and line feed are escaped. */
static void put_value(struct buf *b, const char *text) {
	for (const char *p = text ? text : ""; *p; p++) {
		if (*p == '\n')
			(void) buf_puts(b, "\\n");
		else if (*p == '\\' || *p == '"')
			(void) buf_printf(b, "\\%c", *p);
		else
			(void) buf_add(b, p, 1);
	}
}

struct label {
	const char *name, *value;
};

static void put_series(struct buf *b, const char *metric, const struct label *labels, size_t n) {
	(void) buf_puts(b, metric);
	for (size_t i = 0; i < n; i++) {
		(void) buf_printf(b, "%s%s=\"", i ? "," : "{", labels[i].name);
		put_value(b, labels[i].value);
		(void) buf_puts(b, "\"");
	}
	(void) buf_puts(b, n ? "} " : " ");
}

static void put_int(struct buf *b, const char *metric, const struct label *labels, size_t n,
		    int64_t value) {
	put_series(b, metric, labels, n);
	(void) buf_printf(b, "%" PRId64 "\n", value);
}

static void put_ms(struct buf *b, const char *metric, const struct label *labels, size_t n,
		   int64_t ms) {
	put_series(b, metric, labels, n);
	(void) buf_printf(b, "%" PRId64 ".%03d\n", ms / 1000, (int) (ms % 1000));
}

/* Each metric writes the series of one route, or none where the route does not have the value. */
typedef void metric_fn(struct buf *b, const char *metric, const struct json *route,
		       const struct label *labels);

static void active_info(struct buf *b, const char *metric, const struct json *route,
			const struct label *labels) {
	if (json_str(route, "active"))
		put_int(b, metric, labels, 2, 1);
}

/* Down is what was seen to be down; without an answer of the Docker Engine it is not known. */
static void serving(struct buf *b, const char *metric, const struct json *route,
		    const struct label *labels) {
	const char *state = json_str(route, "state");

	if (state && strncmp(state, "unknown", 7))
		put_int(b, metric, labels, 1, !strcmp(state, "serving"));
}

static void stopped(struct buf *b, const char *metric, const struct json *route,
		    const struct label *labels) {
	const char *state = json_str(route, "state");

	put_int(b, metric, labels, 1, state && !strncmp(state, "stopped", 7));
}

static void since(struct buf *b, const char *metric, const struct json *route,
		  const struct label *labels) {
	int64_t at;

	if (json_str(route, "since") && clock_parse(json_str(route, "since"), &at))
		put_int(b, metric, labels, 2, at);
}

static void held(struct buf *b, const char *metric, const struct json *route,
		 const struct label *labels) {
	put_int(b, metric, labels, 1, json_str(route, "held") != NULL);
}

static void rollback(struct buf *b, const char *metric, const struct json *route,
		     const struct label *labels) {
	const struct label to[] = {labels[0], {"to", json_str(route, "rollback_to")}};

	put_int(b, metric, to, 2, json_str(route, "rollback_to") != NULL);
}

static const struct json *gate_of(const struct json *route) {
	return json_get(route, "gate");
}

static void gate_passed(struct buf *b, const char *metric, const struct json *route,
			const struct label *labels) {
	if (json_get(gate_of(route), "passed"))
		put_int(b, metric, labels, 2, json_true(gate_of(route), "passed"));
}

static void gate_skipped(struct buf *b, const char *metric, const struct json *route,
			 const struct label *labels) {
	if (gate_of(route))
		put_int(b, metric, labels, 2, json_str(gate_of(route), "skip") != NULL);
}

static void gate_time(struct buf *b, const char *metric, const struct json *route,
		      const struct label *labels) {
	if (json_get(gate_of(route), "began"))
		put_int(b, metric, labels, 2, json_int_or(gate_of(route), "began", 0));
}

static void gate_cases(struct buf *b, const char *metric, const struct json *route,
		       const struct label *labels) {
	int64_t cases = json_int_or(gate_of(route), "cases", 0),
		right = json_int_or(gate_of(route), "right", 0);
	const struct label pass[] = {labels[0], labels[1], {"verdict", "pass"}};
	const struct label other[] = {labels[0], labels[1], {"verdict", "other"}};

	if (!json_get(gate_of(route), "cases"))
		return;
	put_int(b, metric, pass, 3, right);
	put_int(b, metric, other, 3, cases - right);
}

static void gate_latency(struct buf *b, const char *metric, const struct json *route,
			 const struct label *labels) {
	const struct label with[] = {labels[0],
				     labels[1],
				     {"statistic", json_str(gate_of(route), "statistic")}};

	if (json_get(gate_of(route), "value_ms"))
		put_ms(b, metric, with, 3, json_int_or(gate_of(route), "value_ms", 0));
}

static void planned(struct buf *b, const char *metric, const struct json *route,
		    const struct label *labels) {
	if (json_get(route, "planned_bytes"))
		put_int(b, metric, labels, 2, json_int_or(route, "planned_bytes", 0));
}

static void measured(struct buf *b, const char *metric, const struct json *route,
		     const struct label *labels) {
	if (json_get(route, "measured_bytes"))
		put_int(b, metric, labels, 2, json_int_or(route, "measured_bytes", 0));
}

static const struct metric {
	const char *name, *help;
	metric_fn *put;
} metrics[] = {
	{"llmdeploy_active_release_info", "1 for the release that the route's link names.",
	 active_info},
	{"llmdeploy_route_serving",
	 "1 if the active release's instance is ready; no series while Docker does not answer.",
	 serving},
	{"llmdeploy_route_stopped", "1 if the route was stopped on purpose.", stopped},
	{"llmdeploy_active_since_timestamp_seconds", "When the active release was switched to.",
	 since},
	{"llmdeploy_candidate_held",
	 "1 if a candidate without a verdict waits for promote or abort.", held},
	{"llmdeploy_rollback_available", "1 if rollback has a release to go to.", rollback},
	{"llmdeploy_gate_passed", "1 if the active release's last gate passed.", gate_passed},
	{"llmdeploy_gate_skipped", "1 if the active release was accepted without golden questions.",
	 gate_skipped},
	{"llmdeploy_gate_timestamp_seconds", "When the active release's last gate began.",
	 gate_time},
	{"llmdeploy_gate_cases", "Golden cases of the last gate, by verdict.", gate_cases},
	{"llmdeploy_gate_latency_seconds", "Latency of the golden cases in the last gate.",
	 gate_latency},
	{"llmdeploy_memory_planned_bytes", "Memory that the lockfile plans for the active release.",
	 planned},
	{"llmdeploy_memory_measured_bytes",
	 "Memory that the active release's container takes now, by Docker.", measured},
};

void report_prometheus(const struct json *routes, int64_t now_s, struct buf *out) {
	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
		(void) buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", metrics[i].name,
				  metrics[i].help, metrics[i].name);
		for (const struct json *r = json_first(routes); r; r = json_next(r)) {
			/* Of a route that was removed nothing is to be watched. */
			if (json_str(r, "state") && !strcmp(json_str(r, "state"), "removed"))
				continue;
			const struct label labels[] = {{"route", json_str(r, "route")},
						       {"release", json_str(r, "active")}};
			metrics[i].put(out, metrics[i].name, r, labels);
		}
	}
	(void) buf_puts(out,
			"# HELP llmdeploy_status_timestamp_seconds When these values were read.\n"
			"# TYPE llmdeploy_status_timestamp_seconds gauge\n");
	put_int(out, "llmdeploy_status_timestamp_seconds", NULL, 0, now_s);
}
