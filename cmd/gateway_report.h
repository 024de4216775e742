/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "gateway/gateway.h"

struct context;
struct json;
struct lockfile;

/* What the gateway says of a route, for status. NULL texts are not shown. */
struct gateway_report {
	char *gateway; /* "127.0.0.1:8080, HAProxy 2.6.12, 2 processes" */
	char *servers; /* "'r17' ready, 3 in flight; 'r16' maint" */
	/* "12 requests, 900 + 240 tokens, 0.0047 EUR since ...: as the release was down: ..." */
	char *fallback;
	struct json *json;
};

/* Where it is looked up: the gateway is asked once, however many routes are told of. */
struct gateway_report_source {
	/* NULL: there is no gateway, or `fault` says why it is not known */
	struct gateway_snapshot *snapshot;
	struct gateway_view process;
	struct err fault;
};
void gateway_report_open(const struct context *c, struct gateway_report_source *out);
void gateway_report_close(struct gateway_report_source *s);

/* Never a failure: what cannot be had is said in `gateway`. Without a gateway all stays NULL. */
void gateway_report_read(const struct gateway_report_source *s, const char *route,
			 const struct lockfile *active, struct gateway_report *out);
void gateway_report_done(struct gateway_report *t);
/* What the fallback answered, for all reasons together. */
struct gateway_fallback_stats gateway_status_fallback(const struct gateway_route_view *v);
