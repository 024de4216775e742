/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "probe/endpoint.h"

struct buf;
struct err;
struct json;
struct progress;

/* Is the candidate ready? By the runtime's own rule, which is in the lockfile under "probes":
 *
 *     "readiness": {"path": "/health", "ready": {"status": 200, "json": {"status": "ok"}},
 *         "loading": {"status": [503]}}
 *     "identity":  {"path": "/v1/models", "json": {"data.0.id": "incident-assistant"}}
 *     "warmup":    {"path": "/v1/chat/completions", "max_tokens": 1}
 *
 * A status is a number or a list; a key of "json" is a path ("data.0.id") and its value must be
 * there, equal. Every status that is not ready is waited out until the deadline, and the last one
 * is remembered: servers answer 404 or 500 for a moment while they start. Without "readiness"
 * (runtimes that can only complete) ready is when one token comes. */

struct probe_limits {
	uint64_t startup_timeout_ms; /* from the call to the first token; > 0 */
	/* neither log nor answer changed for that long; 0: no such limit */
	uint64_t stall_timeout_ms;
};

/* What only the container's keeper knows. Each may be NULL; so may the whole. */
struct probe_watch {
	/* Is it still running? What it died of and its last log lines go to `detail`. -1: could not
	 * be asked. */
	int (*alive)(void *ctx, bool *alive, struct buf *detail, struct err *e);
	/* Any number that changes when the runtime gets on: bytes of log, memory, bytes read. */
	uint64_t (*log_progress)(void *ctx);
	void *ctx;
};

struct probe_result {
	uint64_t ready_ms;       /* from the call until the readiness rule held */
	uint64_t first_token_ms; /* what the one token took */
	unsigned polls;
};

/* ERR_SPEC when the probes say nothing to look at: a rule that cannot fail proves nothing. */
int probe_check(const struct json *probes, struct err *e);

/* Waits for readiness, then checks the identity, then has one token made. ERR_GATE: it died, it was
 * not ready in time, it stalled, it is not who the release says, or it said nothing;
 * ERR_UNREACHABLE: its keeper cannot be asked; ERR_INTERRUPTED. */
int probe_ready(const struct json *probes, const struct endpoint *ep,
		const struct probe_limits *limits, const struct probe_watch *w,
		const struct progress *p, struct probe_result *out, struct err *e);

/* One real token: some text came, whatever it ended by. For a rollback. ERR_GATE,
 * ERR_INTERRUPTED. */
int probe_one_token(const struct json *probes, const struct endpoint *ep, uint64_t timeout_ms,
		    uint64_t *took_ms, struct err *e);
