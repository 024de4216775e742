/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/diagnostics.h"
#include "yaml/yaml.h"

/* What no table can say about a manifest: one value against another, the forms of addresses. Adds
 * to `c`. */
void spec_check(const struct yaml_node *root, struct diagnostics *c);
/* "'VALUE' in 'PATH' FAULT", at the value. */
void spec_diagnose(struct diagnostics *c, const struct yaml_node *n, const char *path,
		   const char *fault);
