/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/err.h"
#include "gateway/gateway.h"

struct context;
struct json;
struct lockfile;

/* What the gateway says of a route, for status. NULL texts are not shown. */
struct traffic {
	char *gateway;	/* "127.0.0.1:8080, HAProxy 2.6.12, 2 processes" */
	char *servers;	/* "'r17' ready, 3 in flight; 'r16' maint" */
	char *fallback; /* "12 requests, 900 + 240 tokens, 0.0047 EUR since ...: as the release was down: ..." */
	struct json *json;
};

/* Where it is looked up: the gateway is asked once, however many routes are told of. */
struct traffic_source {
	struct gateway_snapshot *snapshot; /* NULL: there is no gateway, or `fault` says why it is not known */
	struct gateway_view process;
	struct err fault;
};
void traffic_open(const struct context *c, struct traffic_source *out);
void traffic_close(struct traffic_source *s);

/* Never a failure: what cannot be had is said in `gateway`. Without a gateway all stays NULL. */
void traffic_look(const struct traffic_source *s, const char *route, const struct lockfile *active, struct traffic *out);
void traffic_done(struct traffic *t);
