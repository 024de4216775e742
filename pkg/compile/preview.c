#include "compile/compile.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "compile/facts.h"
#include "compile/tree.h"
#include "json/json.h"
#include "model/model.h"
#include "plan/plan.h"
#include "spec/spec.h"

void compile_preview_done(struct compile_preview *p) {
	json_free(p->document);
	json_free(p->tree);
}

/* What each candidate says of itself; the sizes alone of others get the architecture of the first that is known. */
static int candidates(struct compile_parts *p, const struct compile *c, const char **from, struct err *e) {
	const struct spec *s = p->spec;
	const struct model_facts *known = NULL;
	uint64_t size;

	p->candidates = mem_zalloc(s->n_candidates, sizeof *p->candidates);
	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct spec_candidate *k = &s->candidates[i];
		struct err why = {0};
		if (!k->artifact.sha256 && !k->card)
			continue;
		bool read = k->artifact.sha256 && !compile_facts(c, &k->artifact, k->name, &p->candidates[i], &size, from, &why);
		if (!read && !k->bytes)
			return err_set(e, why.code, "%s", why.msg);
		if (read && !known)
			known = &p->candidates[i];
	}
	if (!known)
		return err_at(e, spec_pos(s, "model.candidates"), "'model.candidates' say their bytes and no architecture, so that no KV cache can be "
			"counted: name a card as model.card");
	for (size_t i = 0; i < s->n_candidates; i++)
		if (!p->candidates[i].n_layers && s->candidates[i].bytes)
			compile_facts_scaled(known, s->candidates[i].bytes, &p->candidates[i]);
	return 0;
}

static int facts(struct compile_parts *p, const struct compile *c, const char **from, struct err *e) {
	const struct spec *s = p->spec;
	const char *ignored;

	if (s->n_candidates ? candidates(p, c, from, e) : compile_facts(c, &s->model, "the model", p->model, &p->sizes[0], from, e))
		return -1;
	for (size_t i = 0; i < s->n_adapters; i++) {
		char *what CLEANUP(freep) = mem_printf("adapter %zu", i + 1);
		if (compile_facts(c, &s->adapters[i], what, &p->adapters[i], &p->sizes[i + 1], &ignored, e))
			return -1;
	}
	return 0;
}

static void take_known(struct compile_parts *p, const struct compile_known *known) {
	if (!known->model || !p->spec->model.sha256 || strcmp(known->model, p->spec->model.sha256) || strcmp(known->backend, p->plan->backend->name))
		return;
	p->in.measured_milli = known->measured_milli;
	p->in.measured_by = known->by;
}

static int make(struct compile_parts *p, const struct compile *c, const struct compile_known *known, struct compile_preview *out,
		struct complaints *complaints, struct err *e) {
	const char *from = "card";
	bool packaged;

	if (compile_runtime(p, c, complaints, e) || facts(p, c, &from, e) || compile_plan(p, c, complaints, e))
		return -1;
	packaged = !strcmp(p->runtime->launch, "packages");
	if (packaged && compile_packages(p, c, e))
		return -1;
	take_known(p, known);
	out->document = plan_document(p->plan);
	json_set_str(json_get(out->document, "model"), "source", from);
	out->refused = p->plan->refused;
	out->planned_bytes = p->plan->budget.planned;
	out->capacity = p->plan->capacity;
	if (packaged && p->spec->model.sha256)
		out->tree = compile_tree(p);
	return 0;
}

int compile_preview(const struct compile *c, const struct spec *s, const struct compile_known *known, struct compile_preview *out,
		    struct complaints *complaints, struct err *e) {
	struct compile_parts p CLEANUP(compile_parts_done) = {.spec = s, .tool = c->tool, .runtime_version = "?", .judge = true};

	p.model = mem_zalloc(s->n_adapters + 1, sizeof *p.model);
	p.adapters = p.model + 1;
	p.sizes = mem_zalloc(s->n_adapters + 1, sizeof *p.sizes);
	return make(&p, c, known, out, complaints, e);
}
