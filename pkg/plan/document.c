/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"
#include "json/json.h"

static void set(struct json *o, const char *key, uint64_t v) {
	json_set_int(o, key, v > (uint64_t) 1 << 53 ? (int64_t) 1 << 53 : (int64_t) v);
}

static void set_if(struct json *o, const char *key, uint64_t v) {
	if (v)
		set(o, key, v);
}

static struct json *layers_of(const struct model_facts *m) {
	struct json *o = json_object();

	set(o, "all", m->n_layers);
	set(o, "attention", model_layers(m, MODEL_ATTENTION));
	set_if(o, "window", model_layers(m, MODEL_WINDOW));
	set_if(o, "recurrent", model_layers(m, MODEL_RECURRENT));
	return o;
}

static struct json *types_of(const struct model_facts *m) {
	struct json *o = json_object();

	for (size_t i = 0; i < m->n_types; i++)
		set(o, m->types[i].name, m->types[i].bytes);
	return o;
}

static struct json *model_part(const struct planner *p) {
	const struct model_facts *m = p->plan.model;
	struct model_layer w = model_widest(m);
	struct json *o = json_object();

	json_set_str(o, "format", m->format);
	json_set_str(o, "name", m->name);
	json_set_str(o, "architecture", m->architecture);
	json_set_str(o, "quantization", m->quantization);
	if (*m->sparsity)
		json_set_str(o, "sparsity", m->sparsity);
	set_if(o, "parameters", m->parameters);
	set(o, "weights_bytes", m->tensor_bytes);
	set(o, "active_bytes", model_active_bytes(m));
	json_set(o, "types", types_of(m));
	json_set(o, "layers", layers_of(m));
	set(o, "embedding_length", m->embedding_length);
	set(o, "vocabulary", m->vocabulary);
	set(o, "trained_context_tokens", m->context_length);
	set(o, "kv_heads", w.kv_heads);
	set(o, "key_length", w.key_length);
	set(o, "value_length", w.value_length);
	set_if(o, "sliding_window", m->sliding_window);
	set_if(o, "kv_lora_rank", m->kv_lora_rank);
	set_if(o, "experts", m->experts);
	set_if(o, "experts_used", m->experts_used);
	set_if(o, "expert_bytes", m->expert_bytes);
	return o;
}

static struct json *runtime_part(const struct planner *p) {
	const struct spec *s = p->in->spec;
	struct json *o = json_object();

	json_set_str(o, "name", p->in->runtime->name);
	json_set_str(o, "backend", p->plan.backend->name);
	json_set_str(o, "launch", p->in->runtime->launch);
	json_set_int(o, "context_tokens", s->context_tokens);
	json_set_int(o, "concurrent_sequences", s->concurrent_sequences);
	json_set_str(o, "kv_cache", s->kv_cache);
	set(o, "batch_tokens", p->batch_tokens);
	set(o, "context_multiple", p->in->runtime->memory.context_multiple);
	set(o, "adapters", s->n_adapters);
	json_set_bool(o, "on_device", p->plan.backend->on_device);
	return o;
}

/* The budget as the lockfile has it, and the place that it is held against. */
static struct json *memory_part(const struct planner *p) {
	const struct plan_machine *machine = &p->plan.machines[p->plan.machine];
	struct json *o = json_copy(p->plan.budget_json);
	uint64_t planned = p->plan.budget.planned;

	json_remove(o, "admission");
	json_remove(o, "active_bytes");
	json_remove(o, "bandwidth");
	json_set_str(o, "place", machine->name);
	if (!machine->capacity)
		return o;
	set(o, "capacity_bytes", machine->capacity);
	set(o, "devices", machine->devices);
	set(o, "usable_bytes", machine->usable);
	set(o, "reserve_bytes", machine->capacity - machine->usable);
	set(o, "free_bytes", machine->usable > planned ? machine->usable - planned : 0);
	set(o, "missing_bytes", planned > machine->usable ? planned - machine->usable : 0);
	return o;
}

static struct json *machines_of(const struct planner *p) {
	struct json *list = json_array();

	for (size_t i = 0; i < p->plan.n_machines; i++) {
		const struct plan_machine *from = &p->plan.machines[i];
		struct json *o = json_object();
		json_set_str(o, "name", from->name);
		json_set_str(o, "backend", from->backend->name);
		set(o, "memory_bytes", from->memory);
		set(o, "devices", from->devices);
		set_if(o, "bandwidth", from->bandwidth);
		set_if(o, "latency_p95_ms", from->p95_ms);
		set(o, "usable_bytes", from->usable);
		set(o, "planned_bytes", from->planned);
		json_set_str(o, "verdict", plan_verdict_name(from->verdict));
		json_set_str(o, "reason", from->reason);
		json_push(list, o);
	}
	return list;
}

static struct json *changes_of(const struct planner *p) {
	struct json *list = json_array();

	for (size_t i = 0; i < p->plan.n_changes; i++) {
		struct json *o = json_object();
		json_set_str(o, "what", p->plan.changes[i].what);
		json_set_str(o, "change", p->plan.changes[i].text);
		set_if(o, "planned_bytes", p->plan.changes[i].planned);
		json_push(list, o);
	}
	return list;
}

static struct json *admission_part(const struct planner *p) {
	const struct spec *s = p->in->spec;
	struct json *o = json_object();

	json_set_str(o, "mode", s->admission);
	json_set_bool(o, "admitted", !p->plan.refused);
	json_set_str(o, "reason",
		     p->plan.refused ? p->plan.refused : p->plan.machines[p->plan.machine].reason);
	set_if(o, "gate_p95_ms", s->needed_p95_ms);
	json_set(o, "places", machines_of(p));
	json_set(o, "would_be_admitted", changes_of(p));
	return o;
}

static struct json *candidates_part(const struct planner *p) {
	const struct spec *s = p->in->spec;
	struct json *o = json_object(), *list = json_array();

	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct plan_candidate *k = &p->plan.candidates[i];
		struct json *one = json_object();
		json_set_str(one, "name", k->name);
		set(one, "weights_bytes", k->weights);
		set(one, "planned_bytes", k->planned);
		if (k->rated)
			set(one, "quality_micro", k->quality);
		json_set_str(one, "choice", plan_choice_name(k->choice));
		json_set_bool(one, "can_be_run", s->candidates[i].artifact.sha256);
		json_push(list, one);
	}
	set_if(o, "quality_min_micro", s->quality_min);
	json_set_str(o, "planned_with", p->plan.candidates[p->plan.chosen].name);
	json_set(o, "list", list);
	return o;
}

static struct json *notes_part(const struct planner *p) {
	struct json *list = json_array();

	for (size_t i = 0; i < p->plan.n_notes; i++)
		json_push_str(list, p->plan.notes[i]);
	return list;
}

struct json *plan_document(const struct plan *plan) {
	const struct planner *p = (const struct planner *) plan;
	struct json *o = json_object();

	json_set_str(o, "route", p->in->spec->route);
	json_set_str(o, "version", p->in->spec->version);
	json_set(o, "model", model_part(p));
	json_set(o, "runtime", runtime_part(p));
	json_set(o, "memory", memory_part(p));
	json_set(o, "admission", admission_part(p));
	if (p->plan.candidates)
		json_set(o, "candidates", candidates_part(p));
	plan_performance(p, o);
	json_set(o, "notes", notes_part(p));
	return o;
}
