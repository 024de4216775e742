/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct json;
struct model_facts;

/* config.json of a model in Hugging Face's form. The numbers of a model that also sees or hears are
 * in an object of their own ("text_config"); what is not there is looked for beside it. */
struct config {
	const struct json *text, *root;
	const char *name; /* of the file, for messages */
};

/* A whole number under the first of `keys` (NULL-terminated) that is there and not null. Of a list
 * the largest. ERR_INTEGRITY: something else is there. */
int config_number(const struct config *c, const char *const *keys, uint64_t otherwise,
		  uint64_t *out, struct err *e);
/* What stands under the key, if it is not null. */
const struct json *config_get(const struct config *c, const char *key);

/* Everything that config.json tells: architecture, layers, experts, quantization. */
int config_facts(const struct json *root, const char *name, struct model_facts *m, struct err *e);
/* quantization.c: method, bits and sparsity in words. */
void config_quantization(const struct config *c, struct model_facts *m);
/* What MLX says of its quantization, which has no method; NULL: it is not MLX's. And the bits of a
 * tensor's module, which may have its own. */
const struct json *config_mlx(const struct config *c);
int64_t config_mlx_bits(const struct json *quantization, const char *tensor);
/* recurrent_state.c: sizes of the recurrent layers' state. */
int config_recurrent_state(const struct config *c, struct model_facts *m, struct err *e);
/* layer_kinds.c: what each layer is; *window: tokens of a sliding window. */
int config_layer_kinds(const struct config *c, struct model_facts *m, struct err *e);
