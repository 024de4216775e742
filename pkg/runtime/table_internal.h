/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "schema/schema.h"

/* Sections of runtime.yaml that have a file of their own. */
extern const struct schema_field runtime_probes_fields[], runtime_metrics_fields[],
	runtime_logs_fields[];
extern const struct schema_field runtime_memory_fields[], runtime_sparsity_fields[];
extern const struct schema_field runtime_packages_fields[];
