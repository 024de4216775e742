/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct err;
struct model_facts;
struct part;
struct source_dir;

/* Facts of the safetensors files of a place: the shards that model.safetensors.index.json names, or
 * one file; and config.json beside them (adapter_config.json of an adapter). `only`: this file
 * alone is the model, taken over in any case; NULL: find out. */
int safetensors_facts(const struct source_dir *p, struct part *only, struct model_facts *out,
		      struct err *e);
/* Is there such a model in the place? Its index, model.safetensors or adapter_model.safetensors. */
int safetensors_there(const struct source_dir *p, bool *there, struct err *e);
