/* SPDX-License-Identifier: Apache-2.0 */
/* How large the state of a recurrent layer is, by the words of its family. */
#include <string.h>

#include "base/err.h"
#include "model/config.h"
#include "model/model.h"
#include "json/json.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define WIDEST ((uint64_t) 1 << 24)

static int number(const struct config *c, const char *const *keys, uint64_t *out, struct err *e) {
	if (config_number(c, keys, 0, out, e))
		return -1;
	if (*out > WIDEST)
		return err_set(e, ERR_INTEGRITY, "'%s' says '%s' with a value out of range",
			       c->name, keys[0]);
	return 0;
}

/* A gated delta net: its value heads are the inner width. */
static int delta_net(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t heads, head;

	if (number(c, KEYS("linear_num_value_heads"), &heads, e) ||
	    number(c, KEYS("linear_value_head_dim"), &head, e) ||
	    number(c, KEYS("linear_conv_kernel_dim"), &m->conv_kernel, e) ||
	    number(c, KEYS("linear_key_head_dim"), &m->state_size, e) ||
	    number(c, KEYS("linear_num_key_heads"), &m->group_count, e))
		return -1;
	m->inner_size = heads * head;
	m->time_step_rank = heads;
	m->state_numbers = model_state_numbers(m);
	return 0;
}

static int mamba(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t heads, head, expand, intermediate;

	if (number(c, KEYS("mamba_d_conv", "conv_kernel", "conv_kernel_size", "d_conv"),
		   &m->conv_kernel, e) ||
	    number(c, KEYS("mamba_d_state", "ssm_state_size", "state_size", "d_state"),
		   &m->state_size, e) ||
	    number(c, KEYS("mamba_n_groups", "n_groups"), &m->group_count, e) ||
	    number(c, KEYS("mamba_d_ssm"), &m->inner_size, e) ||
	    number(c, KEYS("mamba_n_heads", "mamba_num_heads"), &heads, e) ||
	    number(c, KEYS("mamba_d_head", "mamba_head_dim"), &head, e) ||
	    number(c, KEYS("mamba_expand", "expand"), &expand, e) ||
	    number(c, KEYS("intermediate_size"), &intermediate, e))
		return -1;
	m->time_step_rank = heads;
	if (!m->inner_size)
		m->inner_size = heads && head ? heads * head
			: expand              ? expand * m->embedding_length
					      : intermediate;
	m->state_numbers = model_state_numbers(m);
	return 0;
}

static int kimi(const struct json *o, const char *name, struct model_facts *m, struct err *e) {
	int64_t heads = json_int_or(o, "num_heads", 0), head = json_int_or(o, "head_dim", 0),
		conv = json_int_or(o, "short_conv_kernel_size", 4);

	if (heads < 0 || head < 0 || conv < 1 || heads > 1 << 14 || head > 1 << 14 ||
	    conv > 1 << 14)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says 'linear_attn_config' with a value out of range", name);
	m->conv_kernel = (uint64_t) conv;
	m->state_numbers = (uint64_t) (heads * head * (3 * (conv - 1) + head));
	return 0;
}

int config_recurrent_state(const struct config *c, struct model_facts *m, struct err *e) {
	uint64_t short_conv;
	bool any = false;

	for (size_t i = 0; i < m->n_layers; i++)
		any |= m->layers[i].has_state;
	if (!any)
		return 0;
	if (number(c, KEYS("conv_L_cache"), &short_conv, e))
		return -1;
	if (config_get(c, "linear_num_value_heads")) {
		if (delta_net(c, m, e))
			return -1;
	} else if (json_is_object(config_get(c, "linear_attn_config"))) {
		if (kimi(config_get(c, "linear_attn_config"), c->name, m, e))
			return -1;
	} else if (short_conv) {
		m->conv_kernel = short_conv;
		m->state_numbers = m->embedding_length * (short_conv - 1);
	} else if (mamba(c, m, e)) {
		return -1;
	}
	if (!m->state_numbers)
		return err_set(
			e, ERR_SPEC,
			"'%s' has recurrent layers and does not say how large their state is",
			c->name);
	return 0;
}
