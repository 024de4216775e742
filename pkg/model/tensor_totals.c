/* SPDX-License-Identifier: Apache-2.0 */
#include "model/tensor_totals.h"

#include <stdio.h>
#include <string.h>

#include "model/model.h"

#define ADD __builtin_add_overflow

int tensor_totals_add(struct model_facts *m, const char *type, uint64_t bytes, uint64_t elements) {
	size_t i = 0;

	while (i < m->n_types && strcmp(m->types[i].name, type))
		i++;
	if (i == MODEL_MAX_TYPES || ADD(m->tensor_bytes, bytes, &m->tensor_bytes) ||
	    ADD(m->parameters, elements, &m->parameters) || m->tensor_bytes > INT64_MAX)
		return -1;
	if (i == m->n_types)
		(void) snprintf(m->types[m->n_types++].name, sizeof m->types[0].name, "%s", type);
	m->types[i].tensors++;
	m->types[i].bytes += bytes;
	m->tensors++;
	return 0;
}

void tensor_totals_experts(struct model_facts *m) {
	for (size_t i = 0; m->expert_feed_forward && i < m->n_layers; i++)
		if (m->layers[i].has_experts)
			m->layers[i].feed_forward = (uint32_t) m->expert_feed_forward;
}

const char *tensor_totals_largest(const struct model_facts *m) {
	const struct model_type_sum *largest = NULL;

	for (size_t i = 0; i < m->n_types; i++)
		if (!largest || m->types[i].bytes > largest->bytes)
			largest = &m->types[i];
	return largest ? largest->name : "";
}
