/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "spec/spec.h"
#include "yaml/yaml.h"

struct arena;

/* The parts of a manifest that decide nothing about a release and all about its plan: candidates,
 * machines, traffic, cost. */

void spec_check_planning(const struct yaml_node *root, struct diagnostics *c);
/* From a tree without a diagnostic. */
void spec_fill_planning(struct spec *s, struct arena *arena);

/* Money has six decimals at most. */
void spec_check_decimals(const struct yaml_node *n, const char *path, struct diagnostics *c);

/* Of the neighbours in this folder: spec.c and check.c. */
const struct yaml_node *spec_root(const struct spec *s);
void spec_fill_artifact(struct spec_artifact *a, const struct json *from, const char *dir,
			struct arena *arena);
/* One source or a list; what is neither was complained about. */
void spec_check_sources(const struct yaml_node *n, const char *path, struct diagnostics *c);
