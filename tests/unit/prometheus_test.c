/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/prometheus.h"
#include "json/json.h"

/* Rows of `status --json`, and the lines that must and must not be among the metrics of them. */

#define FULL                                                                                      \
	"{\"route\":\"chat\",\"active\":\"r17\",\"state\":\"serving\",\"since\":\"1970-01-02T00:" \
	"00:00Z\","                                                                               \
	"\"rollback_to\":\"r16\",\"planned_bytes\":264000000,\"measured_bytes\":310000000,"       \
	"\"gate\":{\"evidence\":2,\"passed\":true,\"cases\":24,\"right\":23,\"began\":90000,"     \
	"\"statistic\":\"p95\","                                                                  \
	"\"value_ms\":3890}}"

static const struct {
	const char *name, *routes;
	const char *lines[6], *absent[4];
} rows[] = {
	{"no route", "[]", {"llmdeploy_status_timestamp_seconds 1234\n"}, {"{"}},
	{"a whole row",
	 "[" FULL "]",
	 {"llmdeploy_active_release_info{route=\"chat\",release=\"r17\"} 1\n",
	  "llmdeploy_route_serving{route=\"chat\"} 1\n",
	  "llmdeploy_active_since_timestamp_seconds{route=\"chat\",release=\"r17\"} 86400\n",
	  "llmdeploy_gate_cases{route=\"chat\",release=\"r17\",verdict=\"other\"} 1\n",
	  "llmdeploy_gate_latency_seconds{route=\"chat\",release=\"r17\",statistic=\"p95\"} "
	  "3.890\n",
	  "llmdeploy_memory_measured_bytes{route=\"chat\",release=\"r17\"} 310000000\n"},
	 {NULL}},
	{"down",
	 "[{\"route\":\"chat\",\"active\":\"r17\",\"state\":\"running, not ready\"}]",
	 {"llmdeploy_route_serving{route=\"chat\"} 0\n",
	  "llmdeploy_rollback_available{route=\"chat\",to=\"\"} 0\n"},
	 {"llmdeploy_gate_passed{", "llmdeploy_memory_measured_bytes{"}},
	{"Docker does not answer",
	 "[{\"route\":\"chat\",\"active\":\"r17\",\"state\":\"unknown: no Docker Engine\"}]",
	 {"llmdeploy_active_release_info{route=\"chat\",release=\"r17\"} 1\n"},
	 {"llmdeploy_route_serving{"}},
	{"nothing active",
	 "[{\"route\":\"chat\",\"active\":null,\"state\":\"nothing active\"}]",
	 {"llmdeploy_route_serving{route=\"chat\"} 0\n"},
	 {"llmdeploy_active_release_info{"}},
	{"no golden questions",
	 "[{\"route\":\"chat\",\"active\":\"r1\",\"state\":\"serving\",\"gate\":{\"evidence\":1,"
	 "\"skip\":\"why\"}}]",
	 {"llmdeploy_gate_skipped{route=\"chat\",release=\"r1\"} 1\n"},
	 {"llmdeploy_gate_passed{", "llmdeploy_gate_cases{"}},
	{"a candidate is held",
	 "[{\"route\":\"chat\",\"active\":\"r1\",\"state\":\"serving\",\"held\":\"'r2' waits\"}]",
	 {"llmdeploy_candidate_held{route=\"chat\"} 1\n"},
	 {NULL}},
	{"stopped on purpose",
	 "[{\"route\":\"chat\",\"active\":\"r1\",\"state\":\"stopped\"}]",
	 {"llmdeploy_route_stopped{route=\"chat\"} 1\n"},
	 {NULL}},
	{"stopped, and someone started its container",
	 "[{\"route\":\"chat\",\"active\":\"r1\",\"state\":\"stopped, but its container is "
	 "running\"}]",
	 {"llmdeploy_route_stopped{route=\"chat\"} 1\n",
	  "llmdeploy_route_serving{route=\"chat\"} 0\n"},
	 {NULL}},
	{"removed",
	 "[{\"route\":\"chat\",\"active\":null,\"state\":\"removed\"}]",
	 {"llmdeploy_status_timestamp_seconds 1234\n"},
	 {"chat"}},
	{"no right to ask",
	 "[{\"route\":\"chat\",\"active\":\"r1\",\"state\":\"unknown: running, permission "
	 "denied\"}]",
	 {"llmdeploy_active_release_info{route=\"chat\",release=\"r1\"} 1\n"},
	 {"llmdeploy_route_serving{"}},
	{"label values are escaped",
	 "[{\"route\":\"a\\\"b\\\\c\\nd\",\"active\":\"r1\",\"state\":\"serving\"}]",
	 {"llmdeploy_route_serving{route=\"a\\\"b\\\\c\\nd\"} 1\n"},
	 {NULL}},
};

static void each(void **state) {
	(void) state;
	EACH_CASE (c, rows) {
		struct json *routes CLEANUP(json_freep) = NULL;
		struct buf text CLEANUP(buf_done) = BUF_INIT(65536);
		struct err e = {0};

		assert_int_equal(json_parse(c->routes, strlen(c->routes), &routes, &e), 0);
		report_prometheus(routes, 1234, &text);
		for (size_t i = 0; i < 6 && c->lines[i]; i++)
			if (!strstr(buf_str(&text), c->lines[i]))
				fail_msg("missing: %s in\n%s", c->lines[i], buf_str(&text));
		for (size_t i = 0; i < 4 && c->absent[i]; i++)
			if (strstr(buf_str(&text), c->absent[i]))
				fail_msg("unexpected: %s in\n%s", c->absent[i], buf_str(&text));
	}
}

/* The format wants the series of one metric together, under its TYPE. */
static void grouped(void **state) {
	(void) state;
	const char *two = "[" FULL ",{\"route\":\"code\",\"active\":\"r2\",\"state\":\"serving\"}]";
	struct json *routes CLEANUP(json_freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(65536);
	struct err e = {0};

	assert_int_equal(json_parse(two, strlen(two), &routes, &e), 0);
	report_prometheus(routes, 1234, &text);
	assert_non_null(strstr(
		buf_str(&text),
		"# TYPE llmdeploy_route_serving gauge\nllmdeploy_route_serving{route=\"chat\"} 1\n"
		"llmdeploy_route_serving{route=\"code\"} 1\n"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each),
		cmocka_unit_test(grouped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
