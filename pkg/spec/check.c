/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/check.h"

#include <string.h>

#include "base/mem.h"
#include "base/signed.h"
#include "base/text.h"
#include "spec/gateway.h"
#include "spec/planning.h"
#include "spec/source.h"

void spec_diagnose(struct diagnostics *c, const struct yaml_node *n, const char *path,
		   const char *fault) {
	const char *value = yaml_scalar(n, NULL);
	/* what must not be recorded is not shown */
	char *plain CLEANUP(freep) = value ? signed_shown(value) : NULL;
	char shown[YAML_SHOWN];

	diagnostics_add(c, yaml_pos(n), "'%s' in '%s' %s", yaml_show(plain, shown), path, fault);
}

static void check_source(const struct yaml_node *n, const char *path, struct diagnostics *c) {
	const char *s = yaml_scalar(n, NULL);
	const char *fault = s && *s ? spec_source_fault(s) : NULL;

	if (fault)
		spec_diagnose(c, n, path, fault);
}

/* One or a list; what is neither was complained about. */
void spec_check_sources(const struct yaml_node *n, const char *path, struct diagnostics *c) {
	check_source(n, path, c);
	for (size_t i = 0; i < yaml_count(n) && yaml_kind(n) == YAML_SEQUENCE; i++) {
		char *item CLEANUP(freep) = mem_printf("%s[%zu]", path, i);
		check_source(yaml_item(n, i), item, c);
	}
}

static void check_artifacts(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *adapters = yaml_at(root, "model.adapters");

	spec_check_sources(yaml_at(root, "model.source"), "model.source", c);
	for (size_t i = 0; i < yaml_count(adapters) && yaml_kind(adapters) == YAML_SEQUENCE; i++) {
		char *path CLEANUP(freep) = mem_printf("model.adapters[%zu].source", i);
		spec_check_sources(yaml_get(yaml_item(adapters, i), "source"), path, c);
	}
}

/* The same bytes cannot be model and adapter; an adapter that is there twice is applied twice. */
static void check_digests(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *adapters = yaml_at(root, "model.adapters"),
			       *model = yaml_at(root, "model.sha256");
	size_t n = yaml_kind(adapters) == YAML_SEQUENCE ? yaml_count(adapters) : 0;

	for (size_t i = 0; i < n; i++) {
		const struct yaml_node *own = yaml_get(yaml_item(adapters, i), "sha256");
		const char *digest = yaml_scalar(own, NULL), *of_model = yaml_scalar(model, NULL);

		if (digest && of_model && !strcmp(digest, of_model))
			diagnostics_add(c, yaml_pos(own),
					"'model.adapters[%zu].sha256' is the digest of the model "
					"in line %d",
					i, yaml_pos(model).line);
		for (size_t k = 0; digest && k < i; k++) {
			const struct yaml_node *other = yaml_get(yaml_item(adapters, k), "sha256");
			if (yaml_scalar(other, NULL) && !strcmp(yaml_scalar(other, NULL), digest))
				diagnostics_add(c, yaml_pos(own),
						"'model.adapters[%zu].sha256' is that of the "
						"adapter in line %d: list it once, with its scale",
						i, yaml_pos(other).line);
		}
	}
}

static void check_eval(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *golden = yaml_at(root, "eval.golden"),
			       *skip = yaml_at(root, "eval.skip");
	const struct yaml_node *latency = yaml_at(root, "eval.latency_p95");

	if (golden && skip)
		diagnostics_add(c, yaml_pos(skip),
				"'eval.skip' beside 'eval.golden' in line %d: remove one of them",
				yaml_pos(golden).line);
	if (latency && !golden)
		diagnostics_add(
			c, yaml_pos(latency),
			"'eval.latency_p95' without 'eval.golden': there is no answer to measure");
}

static void check_rollout(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *strategy = yaml_at(root, "rollout.strategy"),
			       *previous = yaml_at(root, "rollout.previous");
	const char *s = yaml_scalar(strategy, NULL), *p = yaml_scalar(previous, NULL);

	if (s && p && !strcmp(s, "recreate") && !strcmp(p, "warm"))
		diagnostics_add(c, yaml_pos(previous),
				"'rollout.previous' is warm, but 'rollout.strategy' in line %d is "
				"recreate, which stops it: write stopped or auto",
				yaml_pos(strategy).line);
	const struct yaml_node *watch = yaml_at(root, "rollout.watch"),
			       *gates = yaml_at(root, "rollout.gates");
	const char *w = yaml_scalar(watch, NULL);
	if (gates && w && *w == '0' && !w[strspn(w, "0msh")])
		diagnostics_add(c, yaml_pos(gates),
				"'rollout.gates' with 'rollout.watch: %s' in line %d: the gates "
				"would measure nothing; set a duration for the watch",
				w, yaml_pos(watch).line);
	const struct yaml_node *canary = yaml_at(root, "rollout.canary");
	if (canary && (!s || strcmp(s, "canary")))
		diagnostics_add(c, yaml_pos(canary),
				"'rollout.canary' without 'rollout.strategy: canary': set the "
				"strategy, or remove the section");
}

void spec_check(const struct yaml_node *root, struct diagnostics *c) {
	check_artifacts(root, c);
	check_digests(root, c);
	spec_check_planning(root, c);
	check_eval(root, c);
	check_rollout(root, c);
	spec_check_gateway(root, c);
}
