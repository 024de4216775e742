/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "yaml/yaml.h"

struct json;

/* What no table can say about a golden set, beside its normalised tree. Adds to `c`; at most 100 in
 * all. */
void golden_check(const struct yaml_node *root, const struct json *tree, struct diagnostics *c);
