#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "host/host.h"
#include "json/json.h"
#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"

static int size_of(const struct planner *p, uint64_t context, uint64_t sequences, struct size_budget *out, struct err *e) {
	const struct plan_input *in = p->in;
	struct size_load load = {
		.context_tokens = context,
		.sequences = sequences,
		.kv_cache = in->spec->kv_cache,
		.batch_tokens = p->batch_tokens,
		.on_device = p->plan.backend->on_device,
		.device_overhead = p->plan.backend->device_overhead,
	};

	for (size_t i = 0; i < in->spec->n_adapters; i++)
		if (__builtin_add_overflow(load.adapters, in->adapters[i].tensor_bytes, &load.adapters))
			return err_set(e, ERR_NOFIT, "the adapters are larger than any memory");
	return size_compute(in->model, &in->runtime->memory, &load, out, e);
}

static bool would_fit(const struct planner *p, uint64_t context, uint64_t sequences) {
	struct size_budget b = {0};
	struct err ignored = {0};

	return !size_of(p, context, sequences, &b, &ignored) && b.planned <= p->plan.usable;
}

/* The largest n in [1, below) that fits, 0 if none does; what fits with n fits with less. */
static uint64_t most_sequences(const struct planner *p, uint64_t context, uint64_t below) {
	uint64_t low = 0, high = below;

	while (high - low > 1) {
		uint64_t n = low + (high - low) / 2;

		if (would_fit(p, context, n))
			low = n;
		else
			high = n;
	}
	return low;
}

/* The same for the context, in steps of what the engine rounds to. */
static uint64_t longest_context(const struct planner *p, uint64_t sequences, uint64_t below) {
	uint64_t step = p->in->runtime->memory.context_multiple, low = 0, high = (below + step - 1) / step;

	while (high - low > 1) {
		uint64_t n = low + (high - low) / 2;

		if (would_fit(p, n * step, sequences))
			low = n;
		else
			high = n;
	}
	return low * step;
}

/* The smallest changes that would be admitted, in words. */
static const char *way_out(const struct planner *p) {
	uint64_t context = (uint64_t) p->in->spec->context_tokens, sequences = (uint64_t) p->in->spec->concurrent_sequences;
	unsigned long long fewer = most_sequences(p, context, sequences), shorter = longest_context(p, sequences, context);
	unsigned long long least = longest_context(p, 1, context);

	if (fewer && shorter)
		return arena_printf(p->arena, "concurrent_sequences: %llu would fit, or context_tokens: %llu", fewer, shorter);
	if (fewer)
		return arena_printf(p->arena, "concurrent_sequences: %llu would fit", fewer);
	if (shorter)
		return arena_printf(p->arena, "context_tokens: %llu would fit", shorter);
	if (least)
		return arena_printf(p->arena, "concurrent_sequences: 1 with context_tokens: %llu would fit", least);
	return "no shorter context would fit: take a smaller model or a larger machine";
}

static const char *refusal(const struct planner *p) {
	const struct size_budget *b = &p->plan.budget;
	char planned[TEXT_BYTES], usable[TEXT_BYTES], capacity[TEXT_BYTES], weights[TEXT_BYTES], kv[TEXT_BYTES], rest[TEXT_BYTES];

	text_format_bytes(b->planned, planned);
	text_format_bytes(p->plan.usable, usable);
	text_format_bytes(p->plan.capacity, capacity);
	text_format_bytes(b->weights + b->adapters, weights);
	text_format_bytes(b->kv_cache, kv);
	text_format_bytes(b->planned - b->weights - b->adapters - b->kv_cache, rest);
	return arena_printf(p->arena, "'%s' needs %s (weights %s, KV cache %s, buffers and overhead %s), and %s has %s (%s less %u%%): %s",
			    p->in->spec->version, planned, weights, kv, rest, p->plan.backend->on_device ? "the device" : "the machine",
			    usable, capacity, p->in->spec->reserve_percent, way_out(p));
}

static void budget_tree(struct planner *p) {
	const struct size_budget *b = &p->plan.budget;
	struct json *o = json_object();

	json_set_int(o, "weights_bytes", (int64_t) b->weights);
	json_set_int(o, "adapters_bytes", (int64_t) b->adapters);
	json_set_int(o, "kv_bytes", (int64_t) b->kv_cache);
	json_set_int(o, "recurrent_bytes", (int64_t) b->recurrent);
	json_set_int(o, "compute_bytes", (int64_t) b->compute);
	json_set_int(o, "output_bytes", (int64_t) b->output);
	json_set_int(o, "overhead_bytes", (int64_t) b->overhead);
	json_set_int(o, "fragmentation_bytes", (int64_t) b->fragmentation);
	json_set_int(o, "planned_bytes", (int64_t) b->planned);
	json_set_int(o, "reserve_percent", p->in->spec->reserve_percent);
	json_set_int(o, "limit_bytes", (int64_t) p->plan.memory_bytes);
	json_set_str(o, "admission", p->in->spec->admission);
	p->plan.budget_json = p->trees[0] = o;
}

int plan_budget(struct planner *p, struct err *e) {
	const struct spec *s = p->in->spec;
	struct size_budget b = {0};
	uint64_t limit;

	if (size_of(p, (uint64_t) s->context_tokens, (uint64_t) s->concurrent_sequences, &b, e))
		return -1;
	limit = size_limit(b.host, s->reserve_percent);
	/* What JSON keeps exact; 9 PB. */
	if (b.planned >= (uint64_t) 1 << 53 || limit >= (uint64_t) 1 << 53)
		return err_set(e, ERR_NOFIT, "'%s' needs more memory than any machine has", s->version);
	p->plan.budget = b;
	p->plan.memory_bytes = limit;
	budget_tree(p);
	return 0;
}

/* A device whose memory nobody told has not been found large enough. */
static const char *verdict(struct planner *p) {
	const struct spec *s = p->in->spec;
	bool on_device = p->plan.backend->on_device;

	p->plan.capacity = !s->device_auto ? s->device_memory : on_device ? 0 : host_memory(p->in->host);
	if (!p->plan.capacity)
		return arena_printf(p->arena, "the memory of the device for backend '%s' is not known; say resources: {device: {memory: 24GB}}",
				    p->plan.backend->name);
	p->plan.usable = size_usable(p->plan.capacity, s->reserve_percent);
	p->plan.fits = size_admits(p->plan.capacity, s->reserve_percent, p->plan.budget.planned);
	return p->plan.fits ? NULL : refusal(p);
}

int plan_admit(struct planner *p, struct err *e) {
	const char *why = verdict(p), *admission = p->in->spec->admission;

	if (!why || !strcmp(admission, "off"))
		return 0;
	if (!strcmp(admission, "enforce"))
		return err_set(e, ERR_NOFIT, "%s", why);
	plan_note(p, "admission is only a warning: %s", why);
	return 0;
}
