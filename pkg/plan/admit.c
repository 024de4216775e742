/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "capacity/capacity.h"
#include "host/host.h"
#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

/* ---- sizes ---- */

struct plan_ask plan_asked(const struct planner *p) {
	const struct spec *s = p->in->spec;

	return (struct plan_ask){.context = (uint64_t) s->context_tokens,
				 .sequences = (uint64_t) s->concurrent_sequences,
				 .kv_cache = s->kv_cache,
				 .backend = p->plan.backend,
				 .model = p->plan.model};
}

/* It was asked of the manifest's own load. */
static bool is_measured(const struct plan_input *in, const struct plan_ask *ask) {
	return in->measured && ask->context == (uint64_t) in->spec->context_tokens &&
		ask->sequences == (uint64_t) in->spec->concurrent_sequences &&
		!strcmp(ask->kv_cache, in->spec->kv_cache);
}

int plan_size(const struct planner *p, const struct plan_ask *ask, struct size_budget *out,
	      struct err *e) {
	const struct plan_input *in = p->in;
	struct size_load load = {
		.context_tokens = ask->context,
		.sequences = ask->sequences,
		.kv_cache = ask->kv_cache,
		.batch_tokens = p->batch_tokens,
		.on_device = ask->backend->on_device,
		.device_overhead = ask->backend->device_overhead,
		.measured = is_measured(in, ask) ? in->measured : NULL,
	};

	for (size_t i = 0; i < in->spec->n_adapters; i++)
		if (__builtin_add_overflow(load.adapters, in->adapters[i].tensor_bytes,
					   &load.adapters))
			return err_set(e, ERR_NOFIT, "the adapters are larger than any memory");
	return size_compute(ask->model, &in->runtime->memory, &load, out, e);
}

/* ---- places ---- */

/* As the manifest says; else the machine as it was found: its GPU, or its memory. */
static struct plan_machine this_machine(const struct planner *p) {
	const struct spec *s = p->in->spec;
	const struct host_facts *h = p->in->host;
	bool on_device = p->plan.backend->on_device;
	const struct host_gpu *gpu = on_device ? host_gpu_for(h, p->plan.backend->name) : NULL;
	struct plan_machine machine = {.name = on_device ? "the device" : "the machine",
				       .backend = p->plan.backend,
				       .devices = 1,
				       .memory = s->device_memory,
				       .bandwidth = s->device_bandwidth};

	if (s->device_auto) {
		machine.memory = gpu ? gpu->memory_total : on_device ? 0 : host_memory(h);
		machine.bandwidth = gpu ? gpu->bandwidth : on_device ? 0 : h->bandwidth;
	}
	return machine;
}

static struct plan_machine named_machine(const struct planner *p, const struct spec_machine *m) {
	const struct runtime_backend *b = strcmp(m->backend, "auto")
		? runtime_backend(p->in->runtime, m->backend)
		: p->plan.backend;

	return (struct plan_machine){.name = m->name,
				     .backend = b ? b : p->plan.backend,
				     .devices = m->devices,
				     .memory = m->memory,
				     .bandwidth = m->bandwidth,
				     .p95_ms = m->latency_p95_ms};
}

void plan_machines(struct planner *p) {
	const struct spec *s = p->in->spec;
	size_t n = s->n_machines ? s->n_machines : 1;

	p->plan.machines = arena_zalloc(p->arena, n, sizeof *p->plan.machines);
	for (size_t i = 0; i < n; i++) {
		struct plan_machine *machine = &p->plan.machines[i];
		*machine = s->n_machines ? named_machine(p, &s->machines[i]) : this_machine(p);
		if (__builtin_mul_overflow(machine->memory, machine->devices, &machine->capacity))
			machine->capacity = UINT64_MAX;
		machine->usable = capacity_usable(machine->capacity, s->reserve_percent);
	}
	p->plan.n_machines = n;
}

/* A runtime that takes a fraction of a device must hold the load in what it takes. */
static enum plan_verdict verdict_of(const struct planner *p, const struct plan_machine *machine,
				    const struct size_budget *b) {
	const struct spec *s = p->in->spec;
	struct size_pages pages;

	if (machine->capacity && machine->backend->on_device &&
	    size_paged(&p->in->runtime->memory, b, machine->memory, &pages) && !pages.holds_load)
		return PLAN_TOO_LARGE;
	if (machine->capacity && b->uncertain && !p->in->asking)
		return PLAN_INEXACT;
	return plan_verdict_of(machine->capacity, s->reserve_percent, b->planned, machine->p95_ms,
			       s->needed_p95_ms, s->asynchronous);
}

static bool is_admitted(enum plan_verdict v) {
	return v == PLAN_ADMITTED || v == PLAN_ASYNCHRONOUS;
}

bool plan_would_fit(const struct planner *p, struct plan_ask ask, uint64_t *planned) {
	for (size_t i = 0; i < p->plan.n_machines; i++) {
		struct size_budget b = {0};
		struct err ignored = {0};

		ask.backend = p->plan.machines[i].backend;
		if (!plan_size(p, &ask, &b, &ignored) &&
		    is_admitted(verdict_of(p, &p->plan.machines[i], &b))) {
			*planned = b.planned;
			return true;
		}
	}
	return false;
}

/* ---- candidates ---- */

static void size_candidate(struct planner *p, size_t i) {
	const struct spec_candidate *from = &p->in->spec->candidates[i];
	struct plan_candidate *k = &p->plan.candidates[i];
	struct plan_ask ask = plan_asked(p);
	struct size_budget b = {0};
	struct err ignored = {0};

	*k = (struct plan_candidate){.name = from->name,
				     .rated = from->rated,
				     .quality = from->quality,
				     .weights = p->in->candidates[i].tensor_bytes};
	ask.model = &p->in->candidates[i];
	if (plan_size(p, &ask, &b, &ignored))
		k->planned = UINT64_MAX;
	else
		k->fits = plan_would_fit(p, ask, &k->planned);
	if (!k->fits && b.planned)
		k->planned = b.planned;
}

/* Where none is left the smallest stands for them: its numbers say how far off it is. */
void plan_pick(struct planner *p) {
	size_t n = p->in->spec->n_candidates;

	p->plan.candidates = arena_zalloc(p->arena, n, sizeof *p->plan.candidates);
	for (size_t i = 0; i < n; i++)
		size_candidate(p, i);
	p->plan.chosen = plan_choose(p->plan.candidates, n, p->in->spec->quality_min);
	if (p->plan.chosen == n) {
		p->plan.chosen = 0;
		for (size_t i = 1; i < n; i++)
			if (p->plan.candidates[i].planned <
			    p->plan.candidates[p->plan.chosen].planned)
				p->plan.chosen = i;
	}
	p->plan.model = &p->in->candidates[p->plan.chosen];
}

/* ---- the budget ---- */

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
	if (b->uncertain)
		json_set_int(o, "uncertain_bytes", (int64_t) b->uncertain);
	json_set_int(o, "planned_bytes", (int64_t) b->planned);
	json_set_int(o, "reserve_percent", p->in->spec->reserve_percent);
	json_set_int(o, "limit_bytes", (int64_t) p->plan.memory_bytes);
	json_set_str(o, "admission", p->in->spec->admission);
	json_set_int(o, "active_bytes",
		     (int64_t) (model_active_bytes(p->plan.model) + b->adapters));
	p->plan.budget_json = p->trees[0] = o;
}

int plan_budget(struct planner *p, struct err *e) {
	const struct spec *s = p->in->spec;
	struct plan_ask ask = plan_asked(p);
	struct size_budget b = {0};
	uint64_t limit;

	if (plan_size(p, &ask, &b, e))
		return -1;
	limit = capacity_limit(b.host, s->reserve_percent);
	/* What JSON keeps exact; 9 PB. */
	if (b.planned >= (uint64_t) 1 << 53 || limit >= (uint64_t) 1 << 53)
		return err_set(e, ERR_NOFIT, "'%s' needs more memory than any machine has",
			       s->version);
	p->plan.budget = b;
	p->plan.memory_bytes = limit;
	budget_tree(p);
	return 0;
}

/* ---- admission ---- */

static const char *bytes_text(const struct planner *p, uint64_t n) {
	char text[TEXT_BYTES];

	text_format_bytes(n, text);
	return arena_strdup(p->arena, text);
}

static const char *reason_of(const struct planner *p, const struct plan_machine *machine,
			     const struct size_budget *b) {
	const char *planned = bytes_text(p, machine->planned),
		   *usable = bytes_text(p, machine->usable),
		   *capacity = bytes_text(p, machine->capacity);
	unsigned long long p95 = machine->p95_ms, gate = p->in->spec->needed_p95_ms;
	unsigned reserve = p->in->spec->reserve_percent;
	struct size_pages pages = {0};

	switch (machine->verdict) {
	case PLAN_ADMITTED:
		if (machine->p95_ms && gate)
			return arena_printf(p->arena,
					    "%s of %s (%s less %u%%), p95 %llu ms of %llu", planned,
					    usable, capacity, reserve, p95, gate);
		return arena_printf(p->arena, "%s of %s (%s less %u%%)", planned, usable, capacity,
				    reserve);
	case PLAN_ASYNCHRONOUS:
		return arena_printf(
			p->arena,
			"for asynchronous work only: p95 %llu ms exceeds the limit of %llu ms", p95,
			gate);
	case PLAN_TOO_LARGE:
		if (capacity_admits(machine->capacity, reserve, machine->planned) &&
		    size_paged(&p->in->runtime->memory, b, machine->memory, &pages))
			return arena_printf(p->arena,
					    "%s takes %s of the device, and its pages of %s do not "
					    "hold the load (KV cache and states %s)",
					    p->in->runtime->name, bytes_text(p, pages.taken),
					    bytes_text(p, pages.kv),
					    bytes_text(p, b->kv_cache + b->recurrent));
		return arena_printf(p->arena, "needs %s, has %s (%s less %u%%)", planned, usable,
				    capacity, reserve);
	case PLAN_TOO_SLOW:
		return arena_printf(p->arena, "fits, but p95 %llu ms exceeds the limit of %llu ms",
				    p95, gate);
	case PLAN_INEXACT:
		return arena_printf(p->arena,
				    "not known exactly: %s; %s is an estimate that counts caches "
				    "and buffers twice",
				    p->plan.model->unsure, planned);
	case PLAN_UNKNOWN: break;
	}
	return arena_printf(p->arena,
			    "the memory of the device for backend '%s' is not known; set "
			    "resources: {device: {memory: 24GB}}",
			    machine->backend->name);
}

static int decide_machines(struct planner *p, struct err *e) {
	struct plan_ask ask = plan_asked(p);
	size_t first = p->plan.n_machines;

	for (size_t i = 0; i < p->plan.n_machines; i++) {
		struct plan_machine *machine = &p->plan.machines[i];
		struct size_budget b = {0};

		ask.backend = machine->backend;
		if (plan_size(p, &ask, &b, e))
			return -1;
		machine->planned = b.planned;
		machine->verdict = verdict_of(p, machine, &b);
		machine->reason = reason_of(p, machine, &b);
		if (first == p->plan.n_machines && is_admitted(machine->verdict))
			first = i;
	}
	p->plan.fits = first < p->plan.n_machines;
	p->plan.machine = p->plan.fits ? first : 0;
	p->plan.capacity = p->plan.machines[p->plan.machine].capacity;
	p->plan.usable = p->plan.machines[p->plan.machine].usable;
	/* Of the manifest, never of this machine: it goes into the lockfile. */
	if (p->plan.machines[p->plan.machine].bandwidth &&
	    (p->in->spec->n_machines || !p->in->spec->device_auto))
		json_set_int(p->trees[0], "bandwidth",
			     (int64_t) p->plan.machines[p->plan.machine].bandwidth);
	return 0;
}

/* Of the manifest's machines each one's reason; of this machine the parts. */
static const char *refusal(const struct planner *p) {
	const struct size_budget *b = &p->plan.budget;
	const struct plan_machine *machine = &p->plan.machines[0];
	const char *all = "";

	if (p->in->spec->n_machines && machine->verdict != PLAN_INEXACT) {
		for (size_t i = 0; i < p->plan.n_machines; i++)
			all = arena_printf(p->arena, "%s%s'%s' %s", all, i ? "; " : "",
					   p->plan.machines[i].name, p->plan.machines[i].reason);
		return arena_printf(p->arena, "no machine is admitted for '%s': %s: %s",
				    p->in->spec->version, all, plan_way_out(p));
	}
	if (machine->verdict == PLAN_INEXACT)
		return arena_printf(p->arena, "the memory of '%s' is %s: %s", p->in->spec->version,
				    machine->reason, plan_way_out(p));
	if (machine->verdict != PLAN_TOO_LARGE)
		return machine->reason;
	return arena_printf(p->arena,
			    "'%s' needs %s (weights %s, KV cache %s, buffers and overhead %s), and "
			    "%s has %s (%s less %u%%): %s",
			    p->in->spec->version, bytes_text(p, b->planned),
			    bytes_text(p, b->weights + b->adapters), bytes_text(p, b->kv_cache),
			    bytes_text(p, b->planned - b->weights - b->adapters - b->kv_cache),
			    machine->name, bytes_text(p, machine->usable),
			    bytes_text(p, machine->capacity), p->in->spec->reserve_percent,
			    plan_way_out(p));
}

/* Candidates that fit and are too poor: another refusal than one of memory. */
static const char *below_quality(const struct planner *p) {
	size_t n = p->in->spec->n_candidates;
	const char *all = "";

	if (!p->plan.candidates)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const struct plan_candidate *k = &p->plan.candidates[i];
		if (k->choice != PLAN_DROPPED && k->choice != PLAN_POOR)
			return NULL;
		if (k->choice == PLAN_DROPPED)
			all = arena_printf(p->arena, "%s%s'%s' needs %s", all, i ? ", " : "",
					   k->name, bytes_text(p, k->planned));
		else
			all = arena_printf(p->arena, "%s%s'%s' has a quality of %llu.%03llu", all,
					   i ? ", " : "", k->name,
					   (unsigned long long) k->quality / 1000000,
					   (unsigned long long) k->quality % 1000000 / 1000);
	}
	return arena_printf(
		p->arena,
		"no candidate of '%s' is left: %s; quality_min is %llu.%03llu, and %s has %s",
		p->in->spec->version, all, (unsigned long long) p->in->spec->quality_min / 1000000,
		(unsigned long long) p->in->spec->quality_min % 1000000 / 1000,
		p->plan.machines[0].name, bytes_text(p, p->plan.machines[0].usable));
}

int plan_admit(struct planner *p, struct err *e) {
	const char *admission = p->in->spec->admission, *below = below_quality(p);

	if (decide_machines(p, e))
		return -1;
	if (p->plan.fits && !below)
		return 0;
	if (!p->plan.fits)
		plan_find_changes(p);
	p->plan.refused = below ? below : refusal(p);
	if (!strcmp(admission, "off"))
		return 0;
	if (!strcmp(admission, "warn"))
		plan_note(p, "admission is only a warning: %s", p->plan.refused);
	else if (!p->in->refused_too)
		return err_set(e, ERR_NOFIT, "%s", p->plan.refused);
	return 0;
}
