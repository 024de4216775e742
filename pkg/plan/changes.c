/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "capacity/capacity.h"
#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

/* What would be admitted: of each kind of change the smallest, by itself. */

enum { MAX_DEVICES = 16 };

static void propose(struct planner *p, const char *what, const char *text, uint64_t planned) {
	if (p->plan.n_changes < PLAN_MAX_CHANGES)
		p->plan.changes[p->plan.n_changes++] = (struct plan_change){what, text, planned};
}

static void set_sequences(struct plan_ask *ask, uint64_t n) {
	ask->sequences = n;
}

static void set_context(struct plan_ask *ask, uint64_t n) {
	ask->context = n;
}

/* The largest multiple of `step` below `below` that fits, 0 if none does; what fits with n fits
 * with less. */
static uint64_t most(const struct planner *p, struct plan_ask ask,
		     void (*set)(struct plan_ask *, uint64_t), uint64_t below, uint64_t step,
		     uint64_t *planned) {
	uint64_t low = 0, high = (below + step - 1) / step, needs;

	while (high - low > 1) {
		uint64_t n = low + (high - low) / 2;

		set(&ask, n * step);
		if (plan_would_fit(p, ask, &needs)) {
			low = n;
			*planned = needs;
		} else {
			high = n;
		}
	}
	return low * step;
}

static void fewer_or_shorter(struct planner *p) {
	struct plan_ask ask = plan_asked(p), one = ask;
	uint64_t step = p->in->runtime->memory.context_multiple, with_fewer = 0, with_shorter = 0,
		 with_least = 0;
	unsigned long long fewer = most(p, ask, set_sequences, ask.sequences, 1, &with_fewer);
	unsigned long long shorter = most(p, ask, set_context, ask.context, step, &with_shorter);

	if (fewer)
		propose(p, "concurrent_sequences",
			arena_printf(p->arena, "concurrent_sequences: %llu", fewer), with_fewer);
	if (shorter)
		propose(p, "context_tokens",
			arena_printf(p->arena, "context_tokens: %llu", shorter), with_shorter);
	if (fewer || shorter || ask.sequences == 1)
		return;
	one.sequences = 1;
	unsigned long long least = most(p, one, set_context, ask.context, step, &with_least);
	if (least)
		propose(p, "concurrent_sequences",
			arena_printf(p->arena, "concurrent_sequences: 1 with context_tokens: %llu",
				     least),
			with_least);
}

/* Half and a quarter of 16 bits; heads must be whole blocks. */
static void quantized_cache(struct planner *p) {
	static const char *const types[] = {"q8_0", "q4_0"};
	const struct runtime_flag *kv = &p->in->runtime->flags[RUNTIME_KV_CACHE];
	struct model_layer w = model_widest(p->plan.model);
	struct plan_ask ask = plan_asked(p);
	uint64_t planned;

	if (!kv->supported || w.key_length % 32 || w.value_length % 32)
		return;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		ask.kv_cache = types[i];
		if (!strcmp(types[i], p->in->spec->kv_cache) ||
		    (kv->values && !json_str(kv->values, types[i])) ||
		    !plan_would_fit(p, ask, &planned))
			continue;
		propose(p, "kv_cache", arena_printf(p->arena, "kv_cache: %s", types[i]), planned);
		return;
	}
}

/* The place with the most room, where room is what is missing. */
static const struct plan_machine *roomiest(const struct planner *p) {
	const struct plan_machine *best = NULL;

	for (size_t i = 0; i < p->plan.n_machines; i++)
		if (p->plan.machines[i].verdict == PLAN_TOO_LARGE &&
		    (!best || p->plan.machines[i].usable > best->usable))
			best = &p->plan.machines[i];
	return best;
}

static void smaller_weights(struct planner *p, const struct plan_machine *machine) {
	uint64_t weights = p->plan.budget.weights, missing = machine->planned - machine->usable;
	char now[TEXT_BYTES], then[TEXT_BYTES];

	if (missing >= weights)
		return;
	/* No quantization has less than two bits a weight. */
	if (p->plan.model->parameters ? (weights - missing) * 8 < p->plan.model->parameters * 2
				      : weights - missing < weights / 4)
		return;
	text_format_bytes(weights, now);
	text_format_bytes(weights - missing, then);
	if (!strcmp(now, then))
		return;
	propose(p, "weights",
		arena_printf(p->arena, "a quantization of at most %s of weights instead of %s",
			     then, now),
		machine->usable);
}

static void more_devices(struct planner *p, const struct plan_machine *machine) {
	uint64_t capacity, more = p->in->spec->n_adapters ? 0 : machine->backend->device_overhead;
	char memory[TEXT_BYTES];

	if (!machine->backend->on_device)
		return;
	for (uint64_t n = machine->devices + 1; n <= MAX_DEVICES; n++) {
		uint64_t planned = machine->planned + (n - machine->devices) * more;
		if (__builtin_mul_overflow(machine->memory, n, &capacity) ||
		    !capacity_admits(capacity, p->in->spec->reserve_percent, planned))
			continue;
		text_format_bytes(machine->memory, memory);
		propose(p, "devices",
			arena_printf(p->arena, "%llu devices of %s", (unsigned long long) n,
				     memory),
			planned);
		return;
	}
}

static void no_hurry(struct planner *p) {
	for (size_t i = 0; i < p->plan.n_machines; i++)
		if (p->plan.machines[i].verdict == PLAN_TOO_SLOW) {
			propose(p, "latency",
				arena_printf(p->arena,
					     "requirements.latency: asynchronous, on '%s', if no "
					     "person waits for the answer",
					     p->plan.machines[i].name),
				p->plan.machines[i].planned);
			return;
		}
}

static void hosted_lane(struct planner *p) {
	if (!strcmp(p->in->spec->privacy, "local"))
		return;
	propose(p, "hosted",
		json_get(p->in->spec->gateway, "fallback")
			? "only the hosted fallback: the existing gateway.fallback"
			: "a hosted fallback: gateway.fallback",
		0);
}

void plan_find_changes(struct planner *p) {
	const struct plan_machine *machine = roomiest(p);

	fewer_or_shorter(p);
	quantized_cache(p);
	if (machine) {
		smaller_weights(p, machine);
		more_devices(p, machine);
	}
	no_hurry(p);
	hosted_lane(p);
}

const char *plan_way_out(const struct planner *p) {
	size_t n = p->plan.n_changes;
	const char *all = "";

	for (size_t i = 0; i < n; i++) {
		const struct plan_change *k = &p->plan.changes[i];
		char planned[TEXT_BYTES];
		text_format_bytes(k->planned, planned);
		all = arena_printf(p->arena, "%s%s%s%s%s%s", all,
				   !i                   ? ""
					   : i + 1 == n ? ", or "
							: ", ",
				   k->text, k->planned ? " (" : "", k->planned ? planned : "",
				   k->planned ? ")" : "");
	}
	if (p->plan.machines[0].verdict == PLAN_INEXACT)
		return "'llmdeploy plan --estimate' and 'llmdeploy apply' ask the runtime, where a "
		       "Docker Engine answers; resources: {admission: warn} "
		       "deploys with the guess";
	return n ? arena_printf(p->arena, "%s would be admitted", all)
		 : "nothing smaller would be admitted: take a smaller model or a larger machine";
}
