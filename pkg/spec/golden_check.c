/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/golden_check.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "spec/tables.h"
#include "json/json.h"

#define MAX_DIAGNOSTICS 100

/* A case in both of its forms: the node knows the place, the tree has the checked values. */
struct one {
	const struct yaml_node *node;
	const struct json *tree;
	const struct json *sources; /* of the set */
	struct diagnostics *c;
};

static bool has_text(const struct json *list, const char *text) {
	for (const struct json *item = json_first(list); item; item = json_next(item))
		if (json_text(item) && !strcmp(json_text(item), text))
			return true;
	return false;
}

/* Letters, digits, '.', '_' and '-': what can be in brackets, and be found there. */
static bool is_source_id(const char *s) {
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n && n <= 64 && !s[n];
}

static void check_source_ids(const struct yaml_node *sources, struct diagnostics *c) {
	char shown[YAML_SHOWN];

	for (size_t i = 0; i < yaml_count(sources) && yaml_kind(sources) == YAML_MAPPING &&
	     c->n < MAX_DIAGNOSTICS;
	     i++) {
		const char *id = yaml_scalar(yaml_key(sources, i), NULL);
		if (!is_source_id(id))
			diagnostics_add(c, yaml_pos(yaml_key(sources, i)),
					"'%s' is not the id of a source: letters, digits, '.', '_' "
					"and '-', at most 64",
					yaml_show(id, shown));
	}
}

static void check_ids(const struct yaml_node *cases, struct diagnostics *c) {
	for (size_t i = 1; i < yaml_count(cases); i++) {
		const struct yaml_node *id = yaml_get(yaml_item(cases, i), "id");
		for (size_t k = 0; yaml_scalar(id, NULL) && k < i && c->n < MAX_DIAGNOSTICS; k++) {
			const struct yaml_node *earlier = yaml_get(yaml_item(cases, k), "id");
			const char *s = yaml_scalar(earlier, NULL);
			char shown[YAML_SHOWN];
			if (!s || strcmp(s, yaml_scalar(id, NULL)) != 0)
				continue;
			diagnostics_add(c, yaml_pos(id),
					"duplicate case '%s', the first is in line %d",
					yaml_show(s, shown), yaml_pos(earlier).line);
			break;
		}
	}
}

static void check_question(const struct one *o) {
	static const char *const forms[] = {"question", "messages", "prompt"};
	const struct yaml_node *prompt = yaml_get(o->node, "prompt"),
			       *messages = yaml_get(o->node, "messages");
	bool asked = false;
	int there = 0;

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		there += yaml_get(o->node, forms[i]) != NULL;
	if (there != 1)
		diagnostics_add(o->c, yaml_pos(o->node),
				"a case needs exactly one of 'question', 'messages' and 'prompt', "
				"this one has %s",
				there ? "several" : "none");
	if (prompt && yaml_count(yaml_get(o->node, "context")))
		diagnostics_add(o->c, yaml_pos(yaml_get(o->node, "context")),
				"'context' beside 'prompt': a raw prompt is sent as it is, write "
				"the sources into it");
	for (size_t i = 0; i < yaml_count(messages) && yaml_kind(messages) == YAML_SEQUENCE; i++) {
		const char *role = yaml_scalar(yaml_get(yaml_item(messages, i), "role"), NULL);
		asked = asked || (role && !strcmp(role, "user"));
	}
	if (yaml_kind(messages) == YAML_SEQUENCE && yaml_count(messages) && !asked)
		diagnostics_add(
			o->c, yaml_pos(messages),
			"'messages' has no message with role user, so there is no question");
}

static void check_context(const struct one *o) {
	const struct yaml_node *context = yaml_get(o->node, "context");
	char shown[YAML_SHOWN];

	for (size_t i = 0; i < yaml_count(context) && yaml_kind(context) == YAML_SEQUENCE; i++) {
		const char *id = yaml_scalar(yaml_item(context, i), NULL);
		if (id && *id && !json_get(o->sources, id))
			diagnostics_add(o->c, yaml_pos(yaml_item(context, i)),
					"no source '%s' in 'sources'", yaml_show(id, shown));
	}
}

/* [A-Z]+-[0-9]+, what GOLDEN_CITATION finds. */
static bool is_found_by_default(const char *id) {
	size_t letters = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), digits;

	if (!letters || id[letters] != '-')
		return false;
	digits = strspn(id + letters + 1, "0123456789");
	return digits && !id[letters + 1 + digits];
}

static void check_required(const struct one *o, const struct yaml_node *citations,
			   const struct json *tree) {
	const struct yaml_node *required = yaml_get(citations, "required");
	const struct json *allowed = json_get(tree, "allowed") ? json_get(tree, "allowed")
							       : json_get(o->tree, "context");
	char shown[YAML_SHOWN];

	for (size_t i = 0; i < yaml_count(required) && yaml_kind(required) == YAML_SEQUENCE; i++) {
		const struct yaml_node *n = yaml_item(required, i);
		const char *id = yaml_scalar(n, NULL);
		if (!id || !*id)
			continue;
		(void) yaml_show(id, shown);
		if (!has_text(allowed, id))
			diagnostics_add(o->c, yaml_pos(n),
					"'%s' is required but not allowed: it is neither in "
					"'allowed' nor in the case's 'context'",
					shown);
		else if (!yaml_get(citations, "pattern") && !is_found_by_default(id))
			diagnostics_add(o->c, yaml_pos(n),
					"'%s' is not found by the pattern for [RB-101] (capitals, "
					"a dash, digits): give a 'pattern'",
					shown);
	}
}

static void check_citations(const struct one *o, const struct yaml_node *citations,
			    const struct json *tree) {
	int64_t min = json_int_or(tree, "min", 0), max = json_int_or(tree, "max", INT64_MAX);
	int64_t required = (int64_t) json_count(json_get(tree, "required"));

	check_required(o, citations, tree);
	if (min > max || required > max)
		diagnostics_add(
			o->c, yaml_pos(yaml_get(citations, "max")),
			"'max' is less than the number of required citations: this can never pass");
}

/* Would nonsense fail it? */
static bool is_positive(const struct json *assertion) {
	const char *key = json_first(assertion) ? json_key(json_first(assertion)) : "";
	const struct json *citations = json_get(assertion, "citations");
	const char *abstain = json_str(assertion, "abstain");

	if (citations)
		return json_count(json_get(citations, "required")) ||
			json_int_or(citations, "min", 0) > 0;
	if (abstain)
		return !strcmp(abstain, "required");
	return text_starts(key, "contains") || !strcmp(key, "equals") || !strcmp(key, "regex") ||
		!strcmp(key, "json");
}

static void check_asserts(const struct one *o) {
	const struct yaml_node *nodes = yaml_get(o->node, "assert");
	bool positive = false, whole = true;
	size_t i = 0;

	for (const struct json *a = json_first(json_get(o->tree, "assert")); a;
	     a = json_next(a), i++) {
		const struct yaml_node *n = yaml_item(nodes, i);
		positive = positive || is_positive(a);
		whole = whole && json_count(a) == 1; /* else there is a diagnostic already */
		if (json_get(a, "json") && !json_true(a, "json"))
			diagnostics_add(o->c, yaml_pos(yaml_get(n, "json")),
					"'json' can only be true");
		if (json_get(a, "citations"))
			check_citations(o, yaml_get(n, "citations"), json_get(a, "citations"));
		if (has_text(json_get(a, "finish_reason"), "length"))
			diagnostics_add(o->c, yaml_pos(yaml_get(n, "finish_reason")),
					"'length' can never pass: a cut answer is no answer");
	}
	if (i && whole && !positive)
		diagnostics_add(o->c, yaml_pos(nodes),
				"no assertion here fails for a wrong answer: add contains, equals, "
				"regex, json, citations or abstain: required");
}

static void check_cases(const struct yaml_node *cases, const struct json *tree,
			struct diagnostics *c) {
	const struct json *item = json_first(json_get(tree, "cases"));
	bool blocker = false;

	check_ids(cases, c);
	for (size_t i = 0; item && c->n < MAX_DIAGNOSTICS; i++, item = json_next(item)) {
		struct one o = {.node = yaml_item(cases, i),
				.tree = item,
				.sources = json_get(tree, "sources"),
				.c = c};
		const char *severity = json_str(item, "severity");
		blocker = blocker || !severity || !strcmp(severity, "blocker");
		if (!json_is_object(item))
			continue;
		check_question(&o);
		check_context(&o);
		check_asserts(&o);
	}
	if (!blocker)
		diagnostics_add(c, yaml_pos(cases),
				"no case is a blocker, so this set cannot reject a release");
}

void golden_check(const struct yaml_node *root, const struct json *tree, struct diagnostics *c) {
	const struct yaml_node *cases = yaml_get(root, "cases"),
			       *temperature = yaml_at(root, "defaults.temperature");
	const char *name = json_str(tree, "name"),
		   *value = json_str(json_get(tree, "defaults"), "temperature");

	check_source_ids(yaml_get(root, "sources"), c);
	if (temperature && value && strcmp(value, "0.0") != 0)
		diagnostics_add(c, yaml_pos(temperature),
				"'defaults.temperature' must be 0: the gate decodes greedily");
	if (!json_get(tree, "cases"))
		return;
	if (!json_count(json_get(tree, "cases")))
		diagnostics_add(c, yaml_pos(cases ? cases : root), "golden set '%s' has no cases",
				name ? name : "?");
	else
		check_cases(cases, tree, c);
}
