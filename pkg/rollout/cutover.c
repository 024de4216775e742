/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "rollout/internal.h"
#include "json/json.h"

int switch_or_back(struct rollout_session *s, const struct lockfile *to, const char *from,
		   enum switch_op op, int64_t watch_until_ms, bool *begun, struct err *e) {
	struct err why = {0};

	if (!switch_to(s, to, from, op, watch_until_ms, begun, &why))
		return 0;
	/* HAProxy's no stays one: nothing is gained by waiting for a recovery. */
	return *begun && why.code == ERR_SPEC ? switch_back(s, to, from, &why, e)
					      : err_set(e, why.code, "%s", why.msg);
}

int switch_over(struct rollout_session *s, const struct lockfile *l, const char *from, bool *begun,
		struct rollout_result *out, struct err *e) {
	struct switch_end end = {.l = l, .from = from, .op = SWITCH_APPLY};
	int64_t until = clock_unix_ms() + (int64_t) l->watch_ms;
	struct json *traffic CLEANUP(json_freep) = NULL;
	uint64_t began = clock_mono_ms();

	if (switch_or_back(s, l, from, SWITCH_APPLY, until, begun, e) ||
	    switch_watch(s, l, from, until, &traffic, e))
		return -1;
	out->watch_ms = clock_mono_ms() - began;
	out->eval_ms += out->watch_ms;
	end.traffic = traffic;
	return switch_commit(s, &end, &out->previous_warm, e);
}
