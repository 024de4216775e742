#pragma once

#include "yaml/yaml.h"

/* What no table can say about a manifest: one value against another, the forms of addresses. Adds to `c`. */
void spec_check(const struct yaml_node *root, struct complaints *c);
