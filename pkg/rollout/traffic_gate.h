/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/gateway.h"
#include "lockfile/lockfile.h"

struct json;

/* What live traffic says about a release: the watch and the steps of a canary ask here. Nothing
 * here touches the machine. */

enum traffic_gate_verdict {
	TRAFFIC_GATE_PASS,
	TRAFFIC_GATE_FAIL,
	TRAFFIC_GATE_NONE, /* nothing to judge by: never a pass */
};
const char *traffic_gate_word(enum traffic_gate_verdict v); /* "pass", "fail", "none" */

enum { TRAFFIC_GATE_REASON = 400, TRAFFIC_GATE_LEAST = 20 };

/* `now`: what the clients of the release saw; `beside`: those of the active one in the same time,
 * or NULL where nothing is compared. With fewer than `least` requests there is no verdict; but when
 * every request failed, five are enough. `reason`: one line for people; with TRAFFIC_GATE_PASS what
 * was seen.
 *
 * A percentile is estimated within its bucket (evenly spread), so that a limit inside a bucket is
 * not missed by the bucket's width. Against the active release a difference of less than
 * TRAFFIC_GATE_FLOOR_MS is none. */
#define TRAFFIC_GATE_FLOOR_MS 20
enum traffic_gate_verdict traffic_gate_judge(const struct lockfile_gates *g,
					     const struct gateway_sample *now,
					     const struct gateway_sample *beside, uint64_t least,
					     char reason[TRAFFIC_GATE_REASON]);

/* The p-th percentile (1 to 100) in ms; false without samples. */
bool traffic_gate_percentile(const uint64_t histogram[HAPROXY_BUCKETS], unsigned p, uint64_t *ms);
/* The most ms that a gate lets the 95th percentile be: by its limit, and by so many times the
 * active release's where that was measured. UINT64_MAX: any. */
uint64_t traffic_gate_most_ms(int64_t limit_ms, const uint64_t *beside, int64_t times_percent);
/* The active release's numbers, or NULL where they are too few to compare with. */
const struct gateway_sample *traffic_gate_compared(const struct gateway_sample *beside,
						   uint64_t least);
/* {"requests","errors","p95_ms","ttft_ms"}, and "refused", "given_up" where there were any: for the
 * journal. Yours. */
struct json *traffic_gate_json(const struct gateway_sample *s);

/* Adds up a release's traffic over several looks; a gateway that was started again in between loses
 * what came between two looks, nothing else. Zeroed, it is new. */
struct traffic_gate_meter {
	bool begun;
	struct gateway_late_limits patience;
	struct gateway_sample last, sum;
};
void traffic_gate_meter_take(struct traffic_gate_meter *m, const struct gateway_sample *now);
