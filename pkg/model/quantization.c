/* SPDX-License-Identifier: Apache-2.0 */
/* quantization_config of config.json, in words: "awq-4bit", "gptq-4bit", "fp8",
 * "compressed-tensors-8bit", "nvfp4". */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "model/config.h"
#include "model/model.h"
#include "json/json.h"

static void lower(char *s) {
	for (; *s; s++)
		*s = (char) tolower((unsigned char) *s);
}

/* Bits of a weight, where the file tells. */
static int64_t bits_of(const struct json *q) {
	int64_t bits = json_int_or(q, "bits", json_int_or(q, "w_bit", 0));
	const struct json *group = json_first(json_get(q, "config_groups"));

	if (!bits)
		bits = json_int_or(json_get(group, "weights"), "num_bits", 0);
	if (!bits && json_true(q, "load_in_4bit"))
		bits = 4;
	if (!bits && json_true(q, "load_in_8bit"))
		bits = 8;
	return bits > 0 && bits <= 32 ? bits : 0;
}

static void sparsity(const struct json *q, struct model_facts *m) {
	const struct json *s = json_get(q, "sparsity_config"),
			  *share = json_get(s, "global_sparsity");
	const char *structure = json_str(s, "sparsity_structure");

	if (!s)
		s = json_get(q, "sparsity");
	if (!structure)
		structure = json_str(s, "sparsity_structure");
	if (!structure || !strcmp(structure, "0:0"))
		return;
	if (strcmp(structure, "unstructured") || !json_is_number(share) || json_value(share) < 0 ||
	    json_value(share) > 1)
		(void) snprintf(m->sparsity, sizeof m->sparsity, "%.31s", structure);
	else
		(void) snprintf(m->sparsity, sizeof m->sparsity, "unstructured %.0f %%",
				json_value(share) * 100);
}

/* MLX writes "quantization", newer versions "quantization_config" too, with bits and group_size and
 * no method. */
const struct json *config_mlx(const struct config *c) {
	const struct json *own = config_get(c, "quantization"),
			  *q = config_get(c, "quantization_config");
	const struct json *any = json_is_object(own) ? own : q;

	if (!json_is_object(any) || json_get(any, "quant_method") || json_get(any, "quant_algo") ||
	    !json_get(any, "group_size"))
		return NULL;
	return bits_of(any) ? any : NULL;
}

int64_t config_mlx_bits(const struct json *q, const char *tensor) {
	const char *dot = strrchr(tensor, '.');
	const struct json *own;
	char module[256];

	(void) snprintf(module, sizeof module, "%.*s", (int) (dot ? dot - tensor : 0), tensor);
	own = json_get(q, module);
	return json_is_object(own) && bits_of(own) ? bits_of(own) : bits_of(q);
}

void config_quantization(const struct config *c, struct model_facts *m) {
	const struct json *q = config_get(c, "quantization_config");
	const char *method = json_str(q, "quant_method"), *algorithm = json_str(q, "quant_algo");
	int64_t bits = bits_of(q);

	if (config_mlx(c)) {
		(void) snprintf(m->quantization, sizeof m->quantization, "mlx-%lldbit",
				(long long) bits_of(config_mlx(c)));
		return;
	}
	if (!json_is_object(q)) {
		q = config_get(c, "compression_config");
		sparsity(q, m);
		return;
	}
	sparsity(q, m);
	if (algorithm) /* ModelOpt: NVFP4, FP8 */
		(void) snprintf(m->quantization, sizeof m->quantization, "%.31s", algorithm);
	else if (method && bits)
		(void) snprintf(m->quantization, sizeof m->quantization, "%.20s-%lldbit", method,
				(long long) bits);
	else
		(void) snprintf(m->quantization, sizeof m->quantization, "%.31s",
				method ? method : "quantized");
	lower(m->quantization);
}
