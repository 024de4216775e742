/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/mem.h"
#include "yaml/yaml.h"

/* The nodes, for this folder alone. */
struct yaml_node {
	enum yaml_kind kind;
	bool plain;
	struct pos pos;
	const char *text;
	const struct yaml_node *const *children; /* of a mapping: key, value, key, value... */
	size_t n;                                /* children */
};

struct yaml {
	struct arena *arena;
	const struct yaml_node *root;
};
