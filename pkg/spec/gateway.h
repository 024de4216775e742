/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/diagnostics.h"
#include "yaml/yaml.h"

/* Checks of the manifest's gateway section that need more than its table. */
void spec_check_gateway(const struct yaml_node *root, struct diagnostics *c);
