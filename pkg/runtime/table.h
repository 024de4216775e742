/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "schema/schema.h"

/* The table of runtime.yaml. */
extern const struct schema_field runtime_table[];
/* The table of gateway.yaml. */
extern const struct schema_field runtime_gateway_table[];
