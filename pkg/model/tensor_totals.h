/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct model_facts;

/* Counts one tensor into the sums. -1: they would overflow, or there are too many types. */
int tensor_totals_add(struct model_facts *m, const char *type, uint64_t bytes, uint64_t elements);
/* A layer with experts is as wide as one of them. */
void tensor_totals_experts(struct model_facts *m);
/* The type with the most bytes; "" without tensors. */
const char *tensor_totals_largest(const struct model_facts *m);
