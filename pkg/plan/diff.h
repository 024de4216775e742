/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct json;

/* What would change, between two trees of release.lock.json. Pure. */

/* An array of {"what", "now", "then"}, all texts, in the lockfile's order; "now" or "then" is
 * missing where there is none. `now` NULL: nothing is active, and everything that matters is new. A
 * tree that was not built yet has no digests of an image: what the image is made of is compared.
 * Yours. */
struct json *plan_diff(const struct json *now, const struct json *then);

enum plan_rollback_mode {
	PLAN_ROLLBACK_NONE, /* nothing was active before */
	/* the previous release goes on running: rollback in an instant */
	PLAN_ROLLBACK_WARM,
	PLAN_ROLLBACK_STOPPED, /* it is started again, which takes as long as its start */
	/* both do not fit at once: the old one must be stopped before the new one can be proved */
	PLAN_ROLLBACK_RECREATE,
};
/* By the memory for both at once (capacity 0: not known, which is not enough), rollout.strategy and
 * rollout.previous. */
enum plan_rollback_mode plan_rollback_mode(uint64_t capacity, unsigned reserve_percent,
					   uint64_t active_bytes, uint64_t planned_bytes,
					   const char *strategy, const char *previous);
/* "none", "warm", "stopped", "recreate" */
const char *plan_rollback_mode_name(enum plan_rollback_mode w);
