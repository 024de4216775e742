/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/planning.h"

#include <string.h>

#include "base/mem.h"
#include "json/json.h"

#define DECIMALS 6 /* of money and quality */

static const char *const model_parts[] = {"source", "sha256"};
static const char *const prices[] = {"per_1k_requests", "input_per_million_tokens",
				     "output_per_million_tokens"};
static const char *const months[] = {"hardware", "power", "staff", "maintenance"};

/* ---- checks ---- */

static bool is_list(const struct yaml_node *n) {
	return yaml_kind(n) == YAML_SEQUENCE;
}

/* A name of an earlier item of the list. */
static void check_twice(const struct yaml_node *list, size_t i, const char *path,
			struct diagnostics *c) {
	const struct yaml_node *n = yaml_get(yaml_item(list, i), "name");
	const char *name = yaml_scalar(n, NULL);
	char shown[YAML_SHOWN];

	for (size_t k = 0; name && k < i; k++) {
		const char *other = yaml_scalar(yaml_get(yaml_item(list, k), "name"), NULL);
		if (!other || strcmp(name, other) != 0)
			continue;
		diagnostics_add(c, yaml_pos(n), "'%s' occurs twice in '%s', in line %d too",
				yaml_show(name, shown), path,
				yaml_pos(yaml_get(yaml_item(list, k), "name")).line);
		return;
	}
}

/* Half of what names a file. */
static void check_pair(const struct yaml_node *map, const char *path, struct diagnostics *c) {
	for (size_t i = 0; i < 2; i++)
		if (yaml_get(map, model_parts[i]) && !yaml_get(map, model_parts[!i]))
			diagnostics_add(c, yaml_pos(yaml_get(map, model_parts[i])),
					"'%s.%s' without '%s.%s': a file needs both", path,
					model_parts[i], path, model_parts[!i]);
}

/* More decimals than are counted. */
void spec_check_decimals(const struct yaml_node *n, const char *path, struct diagnostics *c) {
	const char *s = yaml_scalar(n, NULL), *point = s ? strchr(s, '.') : NULL;
	char shown[YAML_SHOWN];

	if (point && strlen(point + 1) > DECIMALS)
		diagnostics_add(c, yaml_pos(n), "'%s' in '%s' has more than six decimals",
				yaml_show(s, shown), path);
}

static void check_candidate(const struct yaml_node *n, const char *path, struct diagnostics *c) {
	char *sources CLEANUP(freep) = mem_printf("%s.source", path),
		      *quality CLEANUP(freep) = mem_printf("%s.quality", path);

	if (yaml_kind(n) != YAML_MAPPING)
		return;
	check_pair(n, path, c);
	spec_check_sources(yaml_get(n, "source"), sources, c);
	spec_check_decimals(yaml_get(n, "quality"), quality, c);
	if (!yaml_get(n, "source") && !yaml_get(n, "bytes") && !yaml_get(n, "card"))
		diagnostics_add(c, yaml_pos(n),
				"'%s' has no size: set source and sha256, or bytes, or card", path);
}

static void check_model(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *model = yaml_get(root, "model"),
			       *list = yaml_get(model, "candidates"),
			       *least = yaml_get(model, "quality_min");

	if (yaml_get(model, "card") && !list)
		check_pair(model, "model", c);
	if (least && !list)
		diagnostics_add(c, yaml_pos(least),
				"'model.quality_min' without 'model.candidates': it applies to "
				"candidates only");
	spec_check_decimals(least, "model.quality_min", c);
	for (size_t i = 0; list && i < 2; i++)
		if (yaml_get(model, model_parts[i]))
			diagnostics_add(c, yaml_pos(yaml_get(model, model_parts[i])),
					"'model.%s' beside 'model.candidates' in line %d: remove "
					"one of them",
					model_parts[i], yaml_pos(list).line);
	for (size_t i = 0; is_list(list) && i < yaml_count(list); i++) {
		char *path CLEANUP(freep) = mem_printf("model.candidates[%zu]", i);
		check_twice(list, i, "model.candidates", c);
		check_candidate(yaml_item(list, i), path, c);
	}
}

static void check_machines(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *list = yaml_at(root, "resources.machines"),
			       *device = yaml_at(root, "resources.device");

	for (size_t i = 0; is_list(list) && i < yaml_count(list); i++)
		check_twice(list, i, "resources.machines", c);
	if (is_list(list) && yaml_count(list) && yaml_kind(device) == YAML_MAPPING)
		diagnostics_add(c, yaml_pos(device),
				"'resources.device' beside 'resources.machines' in line %d: remove "
				"one of them",
				yaml_pos(list).line);
}

static void check_cost(const struct yaml_node *root, struct diagnostics *c) {
	const struct yaml_node *cost = yaml_get(root, "cost"), *hosted = yaml_get(cost, "hosted");
	bool by_request = yaml_get(hosted, prices[0]),
	     by_token = yaml_get(hosted, prices[1]) || yaml_get(hosted, prices[2]);

	for (size_t i = 0; i < 4; i++) {
		char *path CLEANUP(freep) = mem_printf("cost.%s", months[i]);
		spec_check_decimals(yaml_get(cost, months[i]), path, c);
	}
	for (size_t i = 0; i < 3; i++) {
		char *path CLEANUP(freep) = mem_printf("cost.hosted.%s", prices[i]);
		spec_check_decimals(yaml_get(hosted, prices[i]), path, c);
	}
	if (yaml_kind(hosted) == YAML_MAPPING && by_request == by_token)
		diagnostics_add(c, yaml_pos(hosted),
				"'cost.hosted' has %s: give per_1k_requests, or the prices of a "
				"million tokens",
				by_request ? "two kinds of prices" : "no price");
	if (cost && !yaml_get(root, "traffic"))
		diagnostics_add(c, yaml_pos(cost),
				"'cost' without 'traffic': there are no requests to compute with");
}

void spec_check_planning(const struct yaml_node *root, struct diagnostics *c) {
	check_model(root, c);
	check_machines(root, c);
	check_cost(root, c);
}

/* ---- what is there ---- */

/* Canonical decimal text, checked before, to millionths. */
static uint64_t micro(const struct json *o, const char *key) {
	const char *s = json_str(o, key), *point = s ? strchr(s, '.') : NULL;
	uint64_t v = 0;

	for (const char *d = s; d && *d && *d != '.'; d++)
		v = v * 10 + (uint64_t) (*d - '0');
	for (size_t i = 1, end = 0; i <= DECIMALS; i++) {
		end = end || !point || !point[i];
		v = v * 10 + (end ? 0 : (uint64_t) (point[i] - '0'));
	}
	return v;
}

static uint64_t count(const struct json *o, const char *key) {
	return (uint64_t) json_int_or(o, key, 0);
}

static void fill_candidates(struct spec *s, struct arena *arena) {
	const struct json *model = json_get(s->tree, "model"),
			  *list = json_get(model, "candidates");

	s->card = json_str(model, "card");
	s->quality_min = micro(model, "quality_min");
	s->candidates = arena_zalloc(arena, json_count(list) + 1, sizeof *s->candidates);
	for (const struct json *o = json_first(list); o; o = json_next(o)) {
		struct spec_candidate *k = &s->candidates[s->n_candidates++];
		*k = (struct spec_candidate){.name = json_str(o, "name"),
					     .bytes = count(o, "bytes"),
					     .card = json_str(o, "card"),
					     .rated = json_get(o, "quality"),
					     .quality = micro(o, "quality")};
		spec_fill_artifact(&k->artifact, o, s->dir, arena);
	}
}

static void fill_machines(struct spec *s, struct arena *arena) {
	const struct json *list = json_path(s->tree, "resources.machines");

	s->machines = arena_zalloc(arena, json_count(list) + 1, sizeof *s->machines);
	for (const struct json *o = json_first(list); o; o = json_next(o))
		s->machines[s->n_machines++] =
			(struct spec_machine){.name = json_str(o, "name"),
					      .backend = json_str(o, "backend"),
					      .memory = count(o, "memory"),
					      .devices = count(o, "devices"),
					      .bandwidth = count(o, "bandwidth"),
					      .latency_p95_ms = count(o, "latency_p95")};
}

static void fill_traffic(struct spec *s) {
	const struct json *o = json_get(s->tree, "traffic"), *cost = json_get(s->tree, "cost"),
			  *hosted = json_get(cost, "hosted");

	if (o)
		s->traffic = (struct spec_traffic){.said = true,
						   .requests = count(o, "requests_per_month"),
						   .prompt_tokens = count(o, "prompt_tokens"),
						   .output_tokens = count(o, "output_tokens"),
						   .peak_users = count(o, "peak_users"),
						   .bursty = !strcmp(json_str(o, "pattern"),
								     "bursty")};
	if (cost)
		s->cost = (struct spec_cost){.said = true,
					     .currency = json_get(cost, "currency")
						     ? json_str(cost, "currency")
						     : "",
					     .hardware = micro(cost, "hardware"),
					     .power = micro(cost, "power"),
					     .staff = micro(cost, "staff"),
					     .maintenance = micro(cost, "maintenance"),
					     .per_1k_requests = micro(hosted, prices[0]),
					     .input_per_million = micro(hosted, prices[1]),
					     .output_per_million = micro(hosted, prices[2])};
}

void spec_fill_planning(struct spec *s, struct arena *arena) {
	const struct json *wants = json_get(s->tree, "requirements");

	s->asynchronous = !strcmp(json_str(wants, "latency"), "asynchronous");
	s->needed_p95_ms = count(wants, "latency_p95");
	if (!s->needed_p95_ms)
		s->needed_p95_ms = s->latency_p95_ms;
	fill_candidates(s, arena);
	fill_machines(s, arena);
	fill_traffic(s);
}

int spec_is_release(const struct spec *s, struct err *e) {
	if (s->model.sha256)
		return 0;
	if (s->n_candidates)
		return err_at(e, spec_pos(s, "model.candidates"),
			      "'model.candidates' is a choice, and a release has one model: "
			      "run 'llmdeploy choose %s'",
			      s->path);
	return err_at(
		e, spec_pos(s, "model.card"),
		"'model.card' is for planning only: a release needs model.source and model.sha256");
}
