/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/yaml.h"

#include <string.h>

#include "base/text.h"
#include "yaml/tree.h"

void yaml_done(struct yaml *y) {
	if (!y)
		return;
	arena_free(y->arena);
	free(y);
}

void yaml_freep(struct yaml **y) {
	yaml_done(*y);
}

const struct yaml_node *yaml_root(const struct yaml *y) {
	return y->root;
}

enum yaml_kind yaml_kind(const struct yaml_node *n) {
	return n ? n->kind : YAML_NULL;
}

const char *yaml_scalar(const struct yaml_node *n, bool *plain) {
	if (yaml_kind(n) != YAML_SCALAR)
		return NULL;
	if (plain)
		*plain = n->plain;
	return n->text;
}

size_t yaml_count(const struct yaml_node *n) {
	return yaml_kind(n) == YAML_SEQUENCE ? n->n : yaml_kind(n) == YAML_MAPPING ? n->n / 2 : 0;
}

const struct yaml_node *yaml_item(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_SEQUENCE && i < n->n ? n->children[i] : NULL;
}

const struct yaml_node *yaml_key(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_MAPPING && i < n->n / 2 ? n->children[2 * i] : NULL;
}

const struct yaml_node *yaml_value(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_MAPPING && i < n->n / 2 ? n->children[2 * i + 1] : NULL;
}

const struct yaml_node *yaml_get(const struct yaml_node *n, const char *key) {
	for (size_t i = 0; yaml_kind(n) == YAML_MAPPING && i < yaml_count(n); i++)
		if (!strcmp(yaml_key(n, i)->text, key))
			return yaml_value(n, i);
	return NULL;
}

const struct yaml_node *yaml_at(const struct yaml_node *n, const char *path) {
	char *steps CLEANUP(freep) = mem_strdup(path), *save = NULL;

	for (char *step = strtok_r(steps, ".", &save); step && n;
	     step = strtok_r(NULL, ".", &save)) {
		uint64_t i;
		n = yaml_kind(n) == YAML_SEQUENCE && text_u64(step, &i) ? yaml_item(n, i)
									: yaml_get(n, step);
	}
	return n;
}

struct pos yaml_pos(const struct yaml_node *n) {
	return n ? n->pos : (struct pos){0};
}

const char *yaml_kind_name(enum yaml_kind kind) {
	static const char *const names[] = {"nothing", "text", "a list", "a mapping"};

	return names[kind];
}

const char *yaml_show(const char *text, char out[YAML_SHOWN]) {
	size_t n = strnlen(text, 101);
	bool cut = n > 100;

	if (cut)
		for (n = 97; n && ((unsigned char) text[n] & 0xc0) == 0x80;)
			n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char) text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
	return out;
}
