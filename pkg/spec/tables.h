/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "schema/schema.h"

/* The tables of the two files, private to this folder. */
extern const struct schema_field spec_fields[];
extern const struct schema_field golden_fields[];
/* The section `rollout` of the manifest. */
extern const struct schema_field spec_rollout_fields[];

#define DAY_MS 86400000

#define GOLDEN_MAX_CASES 1000
#define GOLDEN_MAX_ASSERTS 64
/* What a citation looks like unless the case says otherwise: [RB-101]. */
#define GOLDEN_CITATION "\\[([A-Z]+-[0-9]+)\\]"
