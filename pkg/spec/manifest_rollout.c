/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "spec/tables.h"

static const char *const previous[] = {"warm", "stopped", "auto", NULL};
static const char *const strategies[] = {"blue-green", "canary", "recreate", NULL};

#define ERROR_RATE_DOC "Limit of the error rate (5xx and answers that were cut off), like 0.05."
#define P95_DOC "Limit of the p95 latency of whole answers."
#define TTFT_DOC "Limit of the p95 time to the first byte."

static const struct schema_field watch_gate_fields[] = {
	{.key = "error_rate",
	 .type = SCHEMA_FRACTION,
	 .fallback = "0.05",
	 .max = 100,
	 .doc = ERROR_RATE_DOC},
	{.key = "p95", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = P95_DOC},
	{.key = "ttft", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = TTFT_DOC},
	{0},
};

static const struct schema_field against_fields[] = {
	{.key = "error_rate",
	 .type = SCHEMA_FRACTION,
	 .fallback = "0.02",
	 .max = 100,
	 .doc = "Largest difference to the active release's error rate, like 0.02."},
	{.key = "p95",
	 .type = SCHEMA_FRACTION,
	 .fallback = "2.00",
	 .min = 100,
	 .max = 10000,
	 .doc = "Largest ratio to the active release's p95 latency, like 2.00."},
	{.key = "ttft",
	 .type = SCHEMA_FRACTION,
	 .fallback = "2.00",
	 .min = 100,
	 .max = 10000,
	 .doc = "The same for the time to the first byte."},
	{0},
};
static const struct schema_field canary_gate_fields[] = {
	{.key = "error_rate",
	 .type = SCHEMA_FRACTION,
	 .fallback = "0.05",
	 .max = 100,
	 .doc = ERROR_RATE_DOC},
	{.key = "p95", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = P95_DOC},
	{.key = "ttft", .type = SCHEMA_DURATION, .min = 1, .max = DAY_MS, .doc = TTFT_DOC},
	{.key = "against_active",
	 .type = SCHEMA_OBJECT,
	 .fields = against_fields,
	 .doc = "Limits measured against the active release in the same step."},
	{0},
};
static const struct schema_field step_fields[] = {
	{.key = "weight",
	 .type = SCHEMA_INT,
	 .flags = SCHEMA_REQUIRED,
	 .min = 1,
	 .max = 99,
	 .doc = "Per cent of the clients that are sent to the candidate."},
	{.key = "duration",
	 .type = SCHEMA_DURATION,
	 .fallback = "5m",
	 .min = 100,
	 .max = DAY_MS,
	 .doc = "How long the step lasts."},
	{.key = "min_requests",
	 .type = SCHEMA_INT,
	 .fallback = "50",
	 .min = 1,
	 .max = 100000000,
	 .doc = "With fewer requests to the candidate there is no verdict, and it is held."},
	{0},
};
static const struct schema_field step = {.type = SCHEMA_OBJECT, .fields = step_fields};
static const struct schema_field canary_fields[] = {
	{.key = "steps",
	 .type = SCHEMA_LIST,
	 .element = &step,
	 .min = 1,
	 .max = 20,
	 .fallback = "[{weight: 5, duration: 5m, min_requests: 50}, {weight: 25, duration: 10m, "
		     "min_requests: 200}]",
	 .doc = "Growing shares of the clients, each for its duration."},
	{.key = "gates",
	 .type = SCHEMA_OBJECT,
	 .fields = canary_gate_fields,
	 .doc = "Limits for each step."},
	{0},
};

const struct schema_field spec_rollout_fields[] = {
	{.key = "strategy",
	 .type = SCHEMA_ENUM,
	 .fallback = "blue-green",
	 .choices = strategies,
	 .doc = "blue-green: both releases run during the switch; canary: the new one gets a "
		"growing share of the clients first; "
		"recreate: the old one is stopped first."},
	{.key = "previous",
	 .type = SCHEMA_ENUM,
	 .fallback = "auto",
	 .choices = previous,
	 .doc = "Whether the previous release keeps running for a fast rollback."},
	{.key = "watch",
	 .type = SCHEMA_DURATION,
	 .fallback = "60s",
	 .max = DAY_MS,
	 .doc = "Probation on live traffic after the switch."},
	{.key = "drain",
	 .type = SCHEMA_DURATION,
	 .fallback = "30s",
	 .max = DAY_MS,
	 .doc = "How long the previous release may finish requests in flight; then they are cut "
		"off."},
	{.key = "keep",
	 .type = SCHEMA_INT,
	 .fallback = "5",
	 .min = 1,
	 .max = 1000,
	 .doc = "How many committed releases are kept."},
	{.key = "gates",
	 .type = SCHEMA_OBJECT,
	 .fields = watch_gate_fields,
	 .doc = "Limits for live traffic in the watch."},
	{.key = "canary",
	 .type = SCHEMA_OBJECT,
	 .fields = canary_fields,
	 .doc = "The steps of strategy canary."},
	{0},
};
