/* SPDX-License-Identifier: Apache-2.0 */
#include "compile/compile.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "compile/facts.h"
#include "compile/tree.h"
#include "model/model.h"
#include "plan/plan.h"
#include "spec/spec.h"
#include "json/json.h"

void compile_preview_done(struct compile_preview *p) {
	json_free(p->document);
	json_free(p->tree);
}

/* A file where there is one that can be read, else the card that stands for it. A wrong card is a
 * fault of the manifest, at its line. */
static int facts_of(const struct compile_parts *p, const struct compile *c,
		    const struct spec_artifact *a, const char *card, const char *what,
		    struct model_facts *out, uint64_t *size, const char **from, struct err *e) {
	struct err why = {0}, bad = {0};

	if (a->sha256 && !compile_facts(c, a, what, out, size, from, &why))
		return 0;
	if (a->sha256 && (!card || why.code != ERR_UNREACHABLE))
		return err_set(e, why.code, "%s", why.msg);
	*from = "card";
	if (!compile_card(c, card, out, &bad))
		return 0;
	return bad.code == ERR_USAGE
		? err_at(e, spec_pos(p->spec, p->spec->card ? "model.card" : "model.candidates"),
			 "%s", bad.msg)
		: err_set(e, bad.code, "%s", bad.msg);
}

/* Headers that someone else has read. */
static void take_candidates(struct compile_parts *p, const struct model_facts *read) {
	p->candidates = mem_zalloc(p->spec->n_candidates, sizeof *p->candidates);
	for (size_t i = 0; i < p->spec->n_candidates; i++)
		compile_facts_scaled(&read[i], read[i].tensor_bytes, &p->candidates[i]);
}

/* What each candidate says of itself; the sizes alone of others get the architecture of model.card,
 * else of the first that is known. */
static int candidates(struct compile_parts *p, const struct compile *c, const char **from,
		      struct err *e) {
	const struct spec *s = p->spec;
	const struct model_facts *known = NULL;
	const char *where;
	uint64_t size;

	p->candidates = mem_zalloc(s->n_candidates, sizeof *p->candidates);
	if (s->card &&
	    facts_of(p, c, &(struct spec_artifact){0}, s->card, "the model", p->model, &size, from,
		     e))
		return -1;
	known = s->card ? p->model : NULL;
	for (size_t i = 0; i < s->n_candidates; i++) {
		const struct spec_candidate *k = &s->candidates[i];
		struct err why = {0};
		bool read = (k->artifact.sha256 || k->card) &&
			!facts_of(p, c, &k->artifact, k->card, k->name, &p->candidates[i], &size,
				  &where, &why);
		if (!read && (!k->bytes || why.code == ERR_INTERRUPTED))
			return err_set(e, why.code, "%s", why.msg);
		if (read && !known) {
			known = &p->candidates[i];
			*from = where;
		}
	}
	if (!known)
		return err_at(e, spec_pos(s, "model.candidates"),
			      "'model.candidates' have bytes but no architecture, so the KV cache "
			      "cannot be "
			      "computed: set model.card");
	for (size_t i = 0; i < s->n_candidates; i++)
		if (!p->candidates[i].n_layers && s->candidates[i].bytes)
			compile_facts_scaled(known, s->candidates[i].bytes, &p->candidates[i]);
	return 0;
}

static int facts(struct compile_parts *p, const struct compile *c,
		 const struct compile_known *known, const char **from, struct err *e) {
	const struct spec *s = p->spec;
	const char *ignored;

	if (s->n_candidates && known->candidates) {
		take_candidates(p, known->candidates);
		return 0;
	}
	if (s->n_candidates ? candidates(p, c, from, e)
			    : facts_of(p, c, &s->model, s->card, "the model", p->model,
				       &p->sizes[0], from, e))
		return -1;
	for (size_t i = 0; i < s->n_adapters; i++) {
		char *what CLEANUP(freep) = mem_printf("adapter %zu", i + 1);
		if (compile_facts(c, &s->adapters[i], what, &p->adapters[i], &p->sizes[i + 1],
				  &ignored, e))
			return -1;
	}
	return 0;
}

static void take_known(struct compile_parts *p, const struct compile_known *known) {
	if (!known->model || !p->spec->model.sha256 ||
	    strcmp(known->model, p->spec->model.sha256) ||
	    strcmp(known->backend, p->plan->backend->name))
		return;
	p->in.measured_milli = known->measured_milli;
	p->in.measured_by = known->by;
}

static int make(struct compile_parts *p, const struct compile *c, const struct compile_known *known,
		struct compile_preview *out, struct diagnostics *diagnostics, struct err *e) {
	const char *from = "card";
	bool packaged = false;

	if (compile_runtime(p, c, diagnostics, e) ||
	    facts(p, c, known, &from, e) ||
	    compile_plan(p, c, diagnostics, e))
		return -1;
	/* A laptop plans for a server whose backend it has no packages of: then there is no
	 * lockfile to compare. */
	for (size_t i = 0; i < p->in.n_locked; i++)
		packaged = packaged || !strcmp(p->in.locked[i], p->plan->backend->name);
	if (packaged && compile_packages(p, c, e))
		return -1;
	take_known(p, known);
	out->document = plan_document(p->plan);
	json_set_str(json_get(out->document, "model"), "source", from);
	out->refused = p->plan->refused;
	out->planned_bytes = p->plan->budget.planned;
	out->capacity = p->plan->capacity;
	/* A card says nothing that a lockfile could be compared with. */
	if (packaged && p->spec->model.sha256 && strcmp(from, "card") != 0)
		out->tree = compile_tree(p);
	return 0;
}

int compile_preview(const struct compile *c, const struct spec *s,
		    const struct compile_known *known, struct compile_preview *out,
		    struct diagnostics *diagnostics, struct err *e) {
	struct compile_parts p CLEANUP(compile_parts_done) = {.spec = s,
							      .tool = c->tool,
							      .runtime_version = "?",
							      .refused_too = true};

	p.model = mem_zalloc(s->n_adapters + 1, sizeof *p.model);
	p.adapters = p.model + 1;
	p.sizes = mem_zalloc(s->n_adapters + 1, sizeof *p.sizes);
	return make(&p, c, known, out, diagnostics, e);
}
