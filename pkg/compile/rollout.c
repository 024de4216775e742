/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/tree.h"

#include "spec/spec.h"
#include "json/json.h"

/* The manifest's names have no units, the lockfile's have. What is not there stays away: no
 * gate. */
static void copy(struct json *to, const char *name, const struct json *from, const char *key) {
	int64_t v;

	if (json_int(from, key, &v))
		json_set_int(to, name, v);
}

static struct json *gates(const struct json *from) {
	const struct json *against = json_get(from, "against_active");
	struct json *o = json_object();

	copy(o, "error_rate_percent", from, "error_rate");
	copy(o, "p95_ms", from, "p95");
	copy(o, "ttft_ms", from, "ttft");
	if (!against)
		return o;
	struct json *a = json_object();
	copy(a, "error_rate_percent", against, "error_rate");
	copy(a, "p95_percent", against, "p95");
	copy(a, "ttft_percent", against, "ttft");
	json_set(o, "against_active", a);
	return o;
}

static struct json *canary(const struct json *from) {
	struct json *o = json_object(), *steps = json_array();

	for (const struct json *s = json_first(json_get(from, "steps")); s; s = json_next(s)) {
		struct json *step = json_object();
		copy(step, "weight_percent", s, "weight");
		copy(step, "duration_ms", s, "duration");
		copy(step, "min_requests", s, "min_requests");
		json_push(steps, step);
	}
	json_set(o, "steps", steps);
	json_set(o, "gates", gates(json_get(from, "gates")));
	return o;
}

struct json *compile_rollout(const struct spec *s) {
	struct json *o = json_object();

	json_set_str(o, "strategy", s->strategy);
	json_set_str(o, "previous", s->previous);
	json_set_int(o, "watch_ms", (int64_t) s->watch_ms);
	json_set_int(o, "drain_ms", (int64_t) s->drain_ms);
	json_set_int(o, "keep", s->keep);
	json_set(o, "gates", gates(s->gates));
	if (s->canary)
		json_set(o, "canary", canary(s->canary));
	return o;
}
