/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf_family.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* --- what they have in common --- */

static void tensor(struct gguf_file *f, enum gguf_file_type type, const char *name, uint64_t d0,
		   uint64_t d1, uint64_t d2) {
	uint64_t dims[3] = {d0, d1, d2};

	gguf_file_tensor(f, name, type, d2 ? 3 : d1 ? 2 : 1, dims);
}

static void matrix(struct gguf_file *f, const struct gguf_shape *s, const char *name, uint64_t d0,
		   uint64_t d1) {
	tensor(f, s->type, name, d0, d1, 0);
}

/* "blk.LAYER.NAME" */
static void in_layer(struct gguf_file *f, enum gguf_file_type type, uint32_t layer,
		     const char *name, uint64_t d0, uint64_t d1, uint64_t d2) {
	char *whole CLEANUP(freep) = mem_printf("blk.%u.%s", layer, name);

	tensor(f, type, whole, d0, d1, d2);
}

#define WEIGHT(name, ...) in_layer(f, s->type, l, name ".weight", __VA_ARGS__)
#define PLAIN(name, ...) in_layer(f, GGUF_FILE_F32, l, name, __VA_ARGS__)

static void common_keys(struct gguf_file *f, const struct gguf_shape *s) {
	gguf_file_own(f, "block_count", s->layers + s->nextn);
	gguf_file_own(f, "context_length", s->context);
	gguf_file_own(f, "embedding_length", s->embedding);
	gguf_file_own(f, "feed_forward_length", s->feed_forward);
	gguf_file_own(f, "attention.head_count", s->heads);
	gguf_file_own_f32(f, "attention.layer_norm_rms_epsilon", 1e-6F);
	gguf_file_own(f, "rope.dimension_count", s->rope ? s->rope : s->head);
	if (s->experts) {
		gguf_file_own(f, "expert_count", s->experts);
		gguf_file_own(f, "expert_used_count", s->experts_used);
	}
	gguf_file_tokenizer(f, s->vocabulary);
}

static void head_keys(struct gguf_file *f, const struct gguf_shape *s) {
	gguf_file_own(f, "attention.head_count_kv", s->kv_heads);
	gguf_file_own(f, "attention.key_length", s->head);
	gguf_file_own(f, "attention.value_length", s->head);
}

static void ends(struct gguf_file *f, const struct gguf_shape *s) {
	matrix(f, s, "token_embd.weight", s->embedding, s->vocabulary);
	tensor(f, GGUF_FILE_F32, "output_norm.weight", s->embedding, 0, 0);
	if (!s->tied)
		matrix(f, s, "output.weight", s->embedding, s->vocabulary);
}

static void attention(struct gguf_file *f, const struct gguf_shape *s, uint32_t l,
		      uint32_t kv_heads, uint32_t head) {
	PLAIN("attn_norm.weight", s->embedding, 0, 0);
	WEIGHT("attn_q", s->embedding, (uint64_t) s->heads * head, 0);
	WEIGHT("attn_k", s->embedding, (uint64_t) kv_heads * head, 0);
	WEIGHT("attn_v", s->embedding, (uint64_t) kv_heads * head, 0);
	WEIGHT("attn_output", (uint64_t) s->heads * head, s->embedding, 0);
}

static void norms_of_heads(struct gguf_file *f, uint32_t l, uint32_t head) {
	PLAIN("attn_q_norm.weight", head, 0, 0);
	PLAIN("attn_k_norm.weight", head, 0, 0);
}

static void feed_forward(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	PLAIN("ffn_norm.weight", s->embedding, 0, 0);
	WEIGHT("ffn_gate", s->embedding, s->feed_forward, 0);
	WEIGHT("ffn_up", s->embedding, s->feed_forward, 0);
	WEIGHT("ffn_down", s->feed_forward, s->embedding, 0);
}

static void experts(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	PLAIN("ffn_gate_inp.weight", s->embedding, s->experts, 0);
	WEIGHT("ffn_gate_exps", s->embedding, s->feed_forward, s->experts);
	WEIGHT("ffn_up_exps", s->embedding, s->feed_forward, s->experts);
	WEIGHT("ffn_down_exps", s->feed_forward, s->embedding, s->experts);
}

static void shared_expert(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	WEIGHT("ffn_gate_shexp", s->embedding, s->feed_forward, 0);
	WEIGHT("ffn_up_shexp", s->embedding, s->feed_forward, 0);
	WEIGHT("ffn_down_shexp", s->feed_forward, s->embedding, 0);
}

/* --- families --- */

static void llama(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	head_keys(f, s);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		attention(f, s, l, s->kv_heads, s->head);
		if (s->experts) {
			PLAIN("ffn_norm.weight", s->embedding, 0, 0);
			experts(f, s, l);
		} else {
			feed_forward(f, s, l);
		}
	}
}

static void qwen3(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	head_keys(f, s);
	if (s->experts)
		gguf_file_own(f, "expert_feed_forward_length", s->feed_forward);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		attention(f, s, l, s->kv_heads, s->head);
		norms_of_heads(f, l, s->head);
		if (s->experts) {
			PLAIN("ffn_norm.weight", s->embedding, 0, 0);
			experts(f, s, l);
		} else {
			feed_forward(f, s, l);
		}
	}
}

static void gemma(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	head_keys(f, s);
	gguf_file_own(f, "attention.sliding_window", s->window);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		attention(f, s, l, s->kv_heads, s->head);
		norms_of_heads(f, l, s->head);
		PLAIN("post_attention_norm.weight", s->embedding, 0, 0);
		feed_forward(f, s, l);
		PLAIN("post_ffw_norm.weight", s->embedding, 0, 0);
	}
}

/* As the E models: windowed heads half as wide, the last layers without a cache of their own, an
 * embedding for each layer. */
static void gemma4(struct gguf_file *f, const struct gguf_shape *s) {
	enum { PER_LAYER = 32 };
	bool *window CLEANUP(freep) = mem_zalloc(s->layers, sizeof *window);
	uint64_t all = (uint64_t) PER_LAYER * s->layers;

	for (uint32_t l = 0; l < s->layers; l++)
		window[l] = (l + 1) % s->interval != 0;
	common_keys(f, s);
	head_keys(f, s);
	gguf_file_own(f, "attention.sliding_window", s->window);
	gguf_file_bools(f, "gemma4.attention.sliding_window_pattern", window, s->layers);
	gguf_file_own(f, "attention.shared_kv_layers", s->shared);
	gguf_file_own(f, "attention.key_length_swa", s->head / 2);
	gguf_file_own(f, "attention.value_length_swa", s->head / 2);
	gguf_file_own(f, "rope.dimension_count_swa", s->head / 2);
	gguf_file_own_f32(f, "rope.freq_base_swa", 10000);
	gguf_file_own(f, "embedding_length_per_layer_input", PER_LAYER);
	ends(f, s);
	tensor(f, GGUF_FILE_F32, "rope_freqs.weight", s->head / 2, 0, 0);
	matrix(f, s, "per_layer_token_embd.weight", all, s->vocabulary);
	matrix(f, s, "per_layer_model_proj.weight", s->embedding, all);
	tensor(f, GGUF_FILE_F32, "per_layer_proj_norm.weight", PER_LAYER, 0, 0);
	for (uint32_t l = 0; l < s->layers; l++) {
		uint32_t head = window[l] ? s->head / 2 : s->head;
		attention(f, s, l, s->kv_heads, head);
		norms_of_heads(f, l, head);
		PLAIN("post_attention_norm.weight", s->embedding, 0, 0);
		feed_forward(f, s, l);
		PLAIN("post_ffw_norm.weight", s->embedding, 0, 0);
		WEIGHT("inp_gate", s->embedding, PER_LAYER, 0);
		WEIGHT("proj", PER_LAYER, s->embedding, 0);
		PLAIN("post_norm.weight", s->embedding, 0, 0);
	}
}

static void gpt_oss(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	head_keys(f, s);
	gguf_file_own(f, "attention.sliding_window", s->window);
	gguf_file_own(f, "expert_feed_forward_length", s->feed_forward);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		attention(f, s, l, s->kv_heads, s->head);
		PLAIN("attn_q.bias", (uint64_t) s->heads * s->head, 0, 0);
		PLAIN("attn_k.bias", (uint64_t) s->kv_heads * s->head, 0, 0);
		PLAIN("attn_v.bias", (uint64_t) s->kv_heads * s->head, 0, 0);
		PLAIN("attn_output.bias", s->embedding, 0, 0);
		PLAIN("attn_sinks.weight", s->heads, 0, 0);
		PLAIN("post_attention_norm.weight", s->embedding, 0, 0);
		experts(f, s, l);
		PLAIN("ffn_gate_inp.bias", s->experts, 0, 0);
		PLAIN("ffn_gate_exps.bias", s->feed_forward, s->experts, 0);
		PLAIN("ffn_up_exps.bias", s->feed_forward, s->experts, 0);
		PLAIN("ffn_down_exps.bias", s->embedding, s->experts, 0);
	}
}

/* Latent attention: one key of rank + rope for all heads, the value is a part of it. The first
 * layer is dense. */
static void deepseek2(struct gguf_file *f, const struct gguf_shape *s) {
	uint32_t nope = s->head - s->rope, query = s->latent / 2;

	common_keys(f, s);
	gguf_file_own(f, "attention.head_count_kv", 1);
	gguf_file_own(f, "attention.key_length", s->latent + s->rope);
	gguf_file_own(f, "attention.value_length", s->latent);
	gguf_file_own(f, "attention.key_length_mla", s->head);
	gguf_file_own(f, "attention.value_length_mla", nope);
	gguf_file_own(f, "attention.kv_lora_rank", s->latent);
	gguf_file_own(f, "attention.q_lora_rank", query);
	gguf_file_own(f, "leading_dense_block_count", 1);
	gguf_file_own(f, "expert_feed_forward_length", s->feed_forward);
	gguf_file_own(f, "expert_shared_count", 1);
	gguf_file_own_f32(f, "expert_weights_scale", 1);
	gguf_file_own(f, "expert_gating_func", 2);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		PLAIN("attn_norm.weight", s->embedding, 0, 0);
		WEIGHT("attn_q_a", s->embedding, query, 0);
		PLAIN("attn_q_a_norm.weight", query, 0, 0);
		WEIGHT("attn_q_b", query, (uint64_t) s->heads * s->head, 0);
		WEIGHT("attn_kv_a_mqa", s->embedding, s->latent + s->rope, 0);
		PLAIN("attn_kv_a_norm.weight", s->latent, 0, 0);
		WEIGHT("attn_k_b", nope, s->latent, s->heads);
		WEIGHT("attn_v_b", s->latent, nope, s->heads);
		WEIGHT("attn_output", (uint64_t) s->heads * nope, s->embedding, 0);
		if (!l) {
			feed_forward(f, s, l);
			continue;
		}
		PLAIN("ffn_norm.weight", s->embedding, 0, 0);
		experts(f, s, l);
		PLAIN("exp_probs_b.bias", s->experts, 0, 0);
		shared_expert(f, s, l);
	}
}

static void state_keys(struct gguf_file *f, const struct gguf_shape *s) {
	gguf_file_own(f, "ssm.conv_kernel", s->conv);
	gguf_file_own(f, "ssm.inner_size", s->inner);
	gguf_file_own(f, "ssm.state_size", s->state);
	gguf_file_own(f, "ssm.time_step_rank", s->rank);
	gguf_file_own(f, "ssm.group_count", s->groups);
}

static void delta_net(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	uint64_t key = (uint64_t) s->state * s->groups, value = (uint64_t) s->state * s->rank;

	WEIGHT("attn_qkv", s->embedding, 2 * key + value, 0);
	WEIGHT("attn_gate", s->embedding, value, 0);
	PLAIN("ssm_conv1d.weight", s->conv, 2 * key + value, 0);
	PLAIN("ssm_dt.bias", s->rank, 0, 0);
	PLAIN("ssm_a", s->rank, 0, 0);
	WEIGHT("ssm_beta", s->embedding, s->rank, 0);
	WEIGHT("ssm_alpha", s->embedding, s->rank, 0);
	PLAIN("ssm_norm.weight", s->state, 0, 0);
	WEIGHT("ssm_out", value, s->embedding, 0);
}

/* Full attention of this family has a gate as wide as the query. */
static void gated_attention(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	uint64_t query = (uint64_t) s->heads * s->head, kv = (uint64_t) s->kv_heads * s->head;

	WEIGHT("attn_q", s->embedding, 2 * query, 0);
	WEIGHT("attn_k", s->embedding, kv, 0);
	WEIGHT("attn_v", s->embedding, kv, 0);
	WEIGHT("attn_output", query, s->embedding, 0);
	norms_of_heads(f, l, s->head);
}

static void qwen35moe(struct gguf_file *f, const struct gguf_shape *s) {
	const int32_t sections[4] = {(int32_t) s->rope / 4, (int32_t) s->rope / 8,
				     (int32_t) s->rope / 8, 0};

	common_keys(f, s);
	head_keys(f, s);
	state_keys(f, s);
	gguf_file_own(f, "full_attention_interval", s->interval);
	gguf_file_own(f, "expert_feed_forward_length", s->feed_forward);
	gguf_file_own(f, "expert_shared_feed_forward_length", s->feed_forward);
	gguf_file_own_i32s(f, "rope.dimension_sections", sections, 4);
	if (s->nextn)
		gguf_file_own(f, "nextn_predict_layers", s->nextn);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers + s->nextn; l++) {
		PLAIN("attn_norm.weight", s->embedding, 0, 0);
		PLAIN("post_attention_norm.weight", s->embedding, 0, 0);
		if (l < s->layers && (l + 1) % s->interval)
			delta_net(f, s, l);
		else
			gated_attention(f, s, l);
		experts(f, s, l);
		PLAIN("ffn_gate_inp_shexp.weight", s->embedding, 0, 0);
		shared_expert(f, s, l);
		if (l < s->layers)
			continue;
		WEIGHT("nextn.eh_proj", 2 * s->embedding, s->embedding, 0);
		PLAIN("nextn.enorm.weight", s->embedding, 0, 0);
		PLAIN("nextn.hnorm.weight", s->embedding, 0, 0);
	}
}

static void mamba2_mixer(struct gguf_file *f, const struct gguf_shape *s, uint32_t l) {
	uint64_t conv = s->inner + 2 * (uint64_t) s->groups * s->state;

	PLAIN("attn_norm.weight", s->embedding, 0, 0);
	WEIGHT("ssm_in", s->embedding, s->inner + conv + s->rank, 0);
	PLAIN("ssm_conv1d.weight", s->conv, conv, 0);
	PLAIN("ssm_conv1d.bias", conv, 0, 0);
	PLAIN("ssm_dt.bias", s->rank, 0, 0);
	PLAIN("ssm_a", 1, s->rank, 0);
	PLAIN("ssm_d", 1, s->rank, 0);
	PLAIN("ssm_norm.weight", s->inner / s->groups, s->groups, 0);
	WEIGHT("ssm_out", s->inner, s->embedding, 0);
}

static void list_of_kv_heads(struct gguf_file *f, const struct gguf_shape *s) {
	int32_t *list CLEANUP(freep) = mem_zalloc(s->layers, sizeof *list);

	for (uint32_t l = 0; l < s->layers; l++)
		list[l] = (l + 1) % s->interval ? 0 : (int32_t) s->kv_heads;
	gguf_file_own_i32s(f, "attention.head_count_kv", list, s->layers);
	gguf_file_own(f, "attention.key_length", s->head);
	gguf_file_own(f, "attention.value_length", s->head);
}

static void granite_hybrid(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	list_of_kv_heads(f, s);
	state_keys(f, s);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		if ((l + 1) % s->interval)
			mamba2_mixer(f, s, l);
		else
			attention(f, s, l, s->kv_heads, s->head);
		feed_forward(f, s, l);
	}
}

static void mamba1_mixer(struct gguf_file *f, const struct gguf_shape *s, uint32_t l, bool norms) {
	PLAIN("attn_norm.weight", s->embedding, 0, 0);
	WEIGHT("ssm_in", s->embedding, 2 * (uint64_t) s->inner, 0);
	PLAIN("ssm_conv1d.weight", s->conv, s->inner, 0);
	PLAIN("ssm_conv1d.bias", s->inner, 0, 0);
	WEIGHT("ssm_x", s->inner, s->rank + 2 * (uint64_t) s->state, 0);
	WEIGHT("ssm_dt", s->rank, s->inner, 0);
	PLAIN("ssm_dt.bias", s->inner, 0, 0);
	PLAIN("ssm_a", s->state, s->inner, 0);
	PLAIN("ssm_d", s->inner, 0, 0);
	WEIGHT("ssm_out", s->inner, s->embedding, 0);
	if (!norms)
		return;
	PLAIN("ssm_dt_norm.weight", s->rank, 0, 0);
	PLAIN("ssm_b_norm.weight", s->state, 0, 0);
	PLAIN("ssm_c_norm.weight", s->state, 0, 0);
}

static void jamba(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	list_of_kv_heads(f, s);
	state_keys(f, s);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++) {
		if ((l + 1) % s->interval)
			mamba1_mixer(f, s, l, true);
		else
			attention(f, s, l, s->kv_heads, s->head);
		feed_forward(f, s, l);
	}
}

static void mamba(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	state_keys(f, s);
	ends(f, s);
	for (uint32_t l = 0; l < s->layers; l++)
		mamba1_mixer(f, s, l, false);
}

static void lfm2(struct gguf_file *f, const struct gguf_shape *s) {
	common_keys(f, s);
	list_of_kv_heads(f, s);
	gguf_file_own(f, "shortconv.l_cache", s->conv);
	matrix(f, s, "token_embd.weight", s->embedding, s->vocabulary);
	tensor(f, GGUF_FILE_F32, "token_embd_norm.weight", s->embedding, 0, 0);
	for (uint32_t l = 0; l < s->layers; l++) {
		if ((l + 1) % s->interval) {
			PLAIN("attn_norm.weight", s->embedding, 0, 0);
			PLAIN("shortconv.conv.weight", s->conv, s->embedding, 0);
			WEIGHT("shortconv.in_proj", s->embedding, 3 * (uint64_t) s->embedding, 0);
			WEIGHT("shortconv.out_proj", s->embedding, s->embedding, 0);
		} else {
			attention(f, s, l, s->kv_heads, s->head);
			norms_of_heads(f, l, s->head);
		}
		feed_forward(f, s, l);
	}
}

#define BARE .embedding = 256, .vocabulary = 512, .context = 8192, .type = GGUF_FILE_F16
#define BASE BARE, .head = 64

static const struct gguf_family families[] = {
	{"llama",
	 "grouped queries",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 2, .feed_forward = 512},
	 llama,
	 "llama"},
	{"llama-embed",
	 "an architecture whose memory is not known exactly",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 2, .feed_forward = 512},
	 llama,
	 "llama-embed"},
	{"mqa",
	 "one KV head",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 1, .feed_forward = 512},
	 llama,
	 "llama"},
	{"mha",
	 "as many KV heads as heads",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 4, .feed_forward = 512},
	 llama,
	 "llama"},
	{"tied",
	 "no output matrix of its own",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 2, .feed_forward = 512, .tied = true},
	 qwen3,
	 "qwen3"},
	{"moe",
	 "experts in every layer",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 2, .feed_forward = 256, .experts = 8,
	  .experts_used = 2},
	 qwen3,
	 "qwen3moe"},
	{"gemma3",
	 "5 of 6 layers with a window",
	 {BASE, .layers = 12, .heads = 4, .kv_heads = 2, .feed_forward = 512, .window = 512,
	  .tied = true},
	 gemma,
	 "gemma3"},
	{"gemma4",
	 "windows, shared caches, an embedding for each layer",
	 {BASE, .layers = 10, .heads = 4, .kv_heads = 1, .feed_forward = 512, .window = 512,
	  .interval = 5, .shared = 5, .tied = true},
	 gemma4,
	 "gemma4"},
	{"gpt-oss",
	 "every other layer with a window, experts",
	 {BASE, .layers = 4, .heads = 4, .kv_heads = 2, .feed_forward = 256, .window = 128,
	  .experts = 8, .experts_used = 2},
	 gpt_oss,
	 "gpt-oss"},
	{"deepseek2",
	 "latent attention, experts",
	 {BARE, .layers = 4, .heads = 4, .head = 96, .latent = 256, .rope = 32, .feed_forward = 256,
	  .experts = 8, .experts_used = 2},
	 deepseek2,
	 "deepseek2"},
	{"qwen35moe",
	 "3 of 4 layers gated delta nets, experts",
	 {BASE, .layers = 8, .heads = 4, .kv_heads = 2, .rope = 32, .feed_forward = 256,
	  .experts = 8, .experts_used = 2, .interval = 4, .inner = 512, .state = 64, .groups = 4,
	  .rank = 8, .conv = 4},
	 qwen35moe,
	 "qwen35moe"},
	{"granite-hybrid",
	 "3 of 4 layers Mamba 2",
	 {BASE, .layers = 8, .heads = 4, .kv_heads = 2, .feed_forward = 512, .interval = 4,
	  .inner = 512, .state = 64, .groups = 1, .rank = 8, .conv = 4},
	 granite_hybrid,
	 "granitehybrid"},
	{"jamba",
	 "3 of 4 layers Mamba",
	 {BASE, .layers = 8, .heads = 4, .kv_heads = 2, .feed_forward = 512, .interval = 4,
	  .inner = 512, .state = 16, .rank = 32, .conv = 4},
	 jamba,
	 "jamba"},
	{"mamba",
	 "every layer recurrent",
	 {BASE, .layers = 4, .inner = 512, .state = 16, .rank = 32, .conv = 4},
	 mamba,
	 "mamba"},
	{"lfm2",
	 "3 of 4 layers short convolutions",
	 {BASE, .layers = 8, .heads = 4, .kv_heads = 2, .feed_forward = 512, .interval = 4,
	  .conv = 3},
	 lfm2,
	 "lfm2"},
};

const struct gguf_family *gguf_families(size_t *n) {
	*n = sizeof families / sizeof *families;
	return families;
}

const struct gguf_family *gguf_family_find(const char *name) {
	for (size_t i = 0; i < sizeof families / sizeof *families; i++)
		if (!strcmp(families[i].name, name))
			return &families[i];
	return NULL;
}

struct gguf_file *gguf_family_file(const struct gguf_family *family,
				   const struct gguf_shape *shape) {
	struct gguf_file *f = gguf_file_new(family->architecture);

	gguf_file_text(f, "general.name", family->name);
	family->build(f, shape);
	return f;
}
