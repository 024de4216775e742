/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters against the model: each of their tensors is there, and has the shape that
 * llama-adapter.cpp asks for. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "model/model.h"
#include "plan/internal.h"
#include "runtime/runtime.h"
#include "spec/spec.h"

enum { NAME = 300 };

/* "X" of "X.lora_a"; false: it has another end. */
static bool base_of(const char *name, const char *end, char out[NAME]) {
	size_t n = strlen(name), of_end = strlen(end);

	if (!text_ends(name, end) || n - of_end >= NAME)
		return false;
	memcpy(out, name, n - of_end);
	out[n - of_end] = '\0';
	return true;
}

/* What is wrong with one tensor, in the arena; NULL. A and B of a pair are looked at with A. */
static const char *fault_of(const struct planner *p, const struct model_facts *a,
			    const struct model_tensor *t) {
	const struct model_facts *m = p->plan.model;
	char base[NAME], other[NAME + 8];
	bool is_b = base_of(t->name, ".lora_b", base);

	if (!is_b && !base_of(t->name, ".lora_a", base))
		return arena_printf(p->arena,
				    "has the tensor '%s', which is neither a lora_a nor a lora_b",
				    t->name);
	(void) strcat(strcpy(other, base), is_b ? ".lora_a" : ".lora_b");
	const struct model_tensor *pair = model_tensor_find(a, other),
				  *w = model_tensor_find(m, base);

	if (!pair)
		return arena_printf(p->arena, "has '%s' without '%s'", t->name, other);
	if (is_b)
		return NULL;
	if (!w)
		return arena_printf(p->arena,
				    "changes the tensor '%s', which the model does not have", base);
	bool table = !strcmp(base, "token_embd.weight");
	uint64_t in = table ? pair->dims[1] : t->dims[0], out = table ? t->dims[1] : pair->dims[1];

	if (in != w->dims[0] || out != w->dims[1])
		return arena_printf(p->arena,
				    "changes '%s' as one of %llu x %llu numbers, and the model's "
				    "has %llu x %llu",
				    base, (unsigned long long) in, (unsigned long long) out,
				    (unsigned long long) w->dims[0],
				    (unsigned long long) w->dims[1]);
	if (!table && t->dims[1] != pair->dims[0])
		return arena_printf(p->arena, "has a rank of %llu in '%s' and of %llu in '%s'",
				    (unsigned long long) t->dims[1], t->name,
				    (unsigned long long) pair->dims[0], other);
	return NULL;
}

/* The first fault, and how many there are. */
static void check_tensors(struct planner *p, size_t i, const char *path) {
	const struct model_facts *a = &p->in->adapters[i];
	const char *first = NULL;
	size_t n = 0;

	if (!a->n_tensor_list || !p->plan.model->n_tensor_list)
		return;
	for (size_t k = 0; k < a->n_tensor_list; k++) {
		const char *fault = fault_of(p, a, &a->tensor_list[k]);
		first = first ? first : fault;
		n += fault != NULL;
	}
	if (n > 1)
		plan_diagnose(
			p, path,
			"adapter %zu %s (and %zu more such tensors): it was made for another model",
			i + 1, first, n - 1);
	else if (n)
		plan_diagnose(p, path, "adapter %zu %s: it was made for another model", i + 1,
			      first);
}

void plan_adapters(struct planner *p) {
	for (size_t i = 0; i < p->in->spec->n_adapters; i++) {
		const struct model_facts *a = &p->in->adapters[i];
		char *path CLEANUP(freep) = mem_printf("model.adapters.%zu.source", i);

		if (model_is_other(a))
			plan_diagnose(p, path, "adapter %zu is %s", i + 1, model_is_other(a));
		else if (!model_is_adapter(a))
			plan_diagnose(p, path, "adapter %zu is a whole model", i + 1);
		else if (strcmp(a->adapter_type, p->in->runtime->adapter) != 0)
			plan_diagnose(p, path,
				      "adapter %zu is of type '%s', which %s does not take", i + 1,
				      a->adapter_type, p->in->runtime->name);
		else if (strcmp(a->architecture, p->plan.model->architecture) != 0)
			plan_diagnose(p, path, "adapter %zu is made for '%s', the model is '%s'",
				      i + 1, a->architecture, p->plan.model->architecture);
		else
			check_tensors(p, i, path);
	}
}
