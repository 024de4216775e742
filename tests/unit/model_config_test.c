/* SPDX-License-Identifier: Apache-2.0 */
#include "model_case.h"

/* --- safetensors --- */

/* config.json beside one tensor; what the caches of one token hold, as for the GGUF families. */
static const struct {
	const char *name, *config, *kinds;
	uint64_t full, window, state;
	const char *architecture, *quantization, *sparsity;
} configs[] = {
	{"multi-head",
	 "{\"architectures\":[\"GPT2LMHeadModel\"],\"n_layer\":2,\"n_head\":4,\"n_embd\":256}",
	 "FF", .full = 1024, .architecture = "GPT2LMHeadModel"},
	{"grouped queries",
	 "{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"num_key_value_"
	 "heads\":2," HEADS "}",
	 "FF", .full = 512},
	{"Infinity and NaN, as Python writes them",
	 "{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"num_key_value_"
	 "heads\":2,\"time_step_limit\":[0.0,Infinity],"
	 "\"attention_dropout\":NaN,\"pad\":-Infinity," HEADS "}",
	 "FF", .full = 512},
	{"one KV head",
	 "{\"architectures\":[\"FalconForCausalLM\"],\"num_hidden_layers\":2,\"multi_query\":"
	 "true," HEADS "}",
	 "FF", .full = 256},
	{"a head of its own width",
	 "{\"architectures\":[\"Qwen3ForCausalLM\"],\"num_hidden_layers\":2,\"head_dim\":128,\"num_"
	 "key_value_heads\":2," HEADS "}",
	 "FF", .full = 1024},
	{"a window on every layer",
	 "{\"architectures\":[\"MistralForCausalLM\"],\"num_hidden_layers\":2,\"sliding_window\":"
	 "512," HEADS "}",
	 "WW", .window = 1024},
	{"a window that is switched off",
	 "{\"architectures\":[\"Qwen2ForCausalLM\"],\"num_hidden_layers\":2,\"sliding_window\":512,"
	 "\"use_sliding_window\":false," HEADS "}",
	 "FF", .full = 1024},
	{"a window from a layer on",
	 "{\"architectures\":[\"Qwen2ForCausalLM\"],\"num_hidden_layers\":3,\"sliding_window\":512,"
	 "\"use_sliding_window\":true,\"max_window_layers\":2," HEADS "}",
	 "FFW", .full = 1024, .window = 512},
	{"gemma3 of old",
	 "{\"architectures\":[\"Gemma3ForCausalLM\"],\"model_type\":\"gemma3_text\",\"num_hidden_"
	 "layers\":7,\"sliding_window\":512," HEADS "}",
	 "WWWWWFW", .full = 512, .window = 3072},
	{"a pattern in letters",
	 "{\"architectures\":[\"Exaone4ForCausalLM\"],\"num_hidden_layers\":5,\"sliding_window\":"
	 "512,\"sliding_window_pattern\":\"LLG\"," HEADS "}",
	 "WWFWW", .full = 512, .window = 2048},
	{"gemma4: two kinds of heads, shared caches",
	 "{\"architectures\":[\"Gemma4ForConditionalGeneration\"],\"text_config\":{\"num_hidden_"
	 "layers\":4,\"sliding_window\":512,\"head_dim\":64,\"global_head_dim\":128,"
	 "\"num_key_value_heads\":2,\"num_global_key_value_heads\":1,\"attention_k_eq_v\":true,"
	 "\"num_kv_shared_layers\":2,"
	 "\"layer_types\":[\"sliding_attention\",\"full_attention\",\"sliding_attention\",\"full_"
	 "attention\"]," HEADS "}}",
	 "WFwf", .full = 256, .window = 256},
	{"latent attention",
	 "{\"architectures\":[\"DeepseekV3ForCausalLM\"],\"num_hidden_layers\":2,\"kv_lora_rank\":"
	 "512,\"qk_rope_head_dim\":64,\"v_head_dim\":128," HEADS "}",
	 "FF", .full = 1152},
	{"gated delta nets",
	 "{\"architectures\":[\"Qwen3_5MoeForConditionalGeneration\"],\"text_config\":{\"num_"
	 "hidden_layers\":4,\"full_attention_interval\":4,\"num_key_value_heads\":2,"
	 "\"linear_num_value_heads\":32,\"linear_value_head_dim\":128,\"linear_conv_kernel_dim\":4,"
	 "\"linear_key_head_dim\":128,\"linear_num_key_heads\":16," HEADS "}}",
	 "RRRF", .full = 256, .state = 548864},
	{"jamba",
	 "{\"architectures\":[\"JambaForCausalLM\"],\"num_hidden_layers\":4,\"attn_layer_period\":"
	 "4,\"attn_layer_offset\":2,\"mamba_d_conv\":4,\"mamba_d_state\":16,"
	 "\"mamba_expand\":2," HEADS "}",
	 "RRFR", .full = 512, .state = 9728},
	{"granite hybrid",
	 "{\"architectures\":[\"GraniteMoeHybridForCausalLM\"],\"num_hidden_layers\":2,\"layer_"
	 "types\":[\"mamba\",\"attention\"],\"mamba_d_conv\":4,\"mamba_d_state\":64,"
	 "\"mamba_n_groups\":1,\"mamba_n_heads\":8,\"mamba_d_head\":64," HEADS "}",
	 "RF", .full = 512, .state = 34688},
	{"nemotron h",
	 "{\"architectures\":[\"NemotronHForCausalLM\"],\"num_hidden_layers\":4,\"hybrid_override_"
	 "pattern\":\"M-*E\",\"conv_kernel\":4,\"ssm_state_size\":64,"
	 "\"n_groups\":1,\"mamba_num_heads\":8,\"mamba_head_dim\":64," HEADS "}",
	 "RNFN", .full = 512, .state = 34688},
	{"falcon h1",
	 "{\"architectures\":[\"FalconH1ForCausalLM\"],\"model_type\":\"falcon_h1\",\"num_hidden_"
	 "layers\":2,\"mamba_d_conv\":4,\"mamba_d_state\":64,\"mamba_n_groups\":1,"
	 "\"mamba_d_ssm\":512," HEADS "}",
	 "BB", .full = 1024, .state = 34688},
	{"mamba",
	 "{\"architectures\":[\"MambaForCausalLM\"],\"model_type\":\"mamba\",\"num_hidden_layers\":"
	 "2,\"hidden_size\":256,\"conv_kernel\":4,\"state_size\":16,"
	 "\"expand\":2}",
	 "RR", .state = 9728},
	{"bamba: a list of layers",
	 "{\"architectures\":[\"BambaForCausalLM\"],\"num_hidden_layers\":3,\"attn_layer_indices\":"
	 "[1],\"mamba_d_conv\":4,\"mamba_d_state\":16,\"mamba_expand\":2," HEADS "}",
	 "RFR", .full = 512, .state = 9728},
	{"kimi linear",
	 "{\"architectures\":[\"KimiLinearForCausalLM\"],\"num_hidden_layers\":2,\"kv_lora_rank\":"
	 "512,\"qk_rope_head_dim\":64,"
	 "\"linear_attn_config\":{\"kda_layers\":[1],\"num_heads\":32,\"head_dim\":128,\"short_"
	 "conv_kernel_size\":4}," HEADS "}",
	 "RF", .full = 576, .state = 561152},
	{"lfm2",
	 "{\"architectures\":[\"Lfm2ForCausalLM\"],\"num_hidden_layers\":2,\"layer_types\":["
	 "\"conv\",\"full_attention\"],\"conv_L_cache\":3," HEADS "}",
	 "RF", .full = 512, .state = 512},
	{"awq",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"awq\",\"bits\":4}," HEADS "}",
	 "F", .full = 512, .quantization = "awq-4bit"},
	{"gptq",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"gptq\",\"bits\":8}," HEADS "}",
	 "F", .full = 512, .quantization = "gptq-8bit"},
	{"fp8",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"fp8\"}," HEADS "}",
	 "F", .full = 512, .quantization = "fp8"},
	{"bitsandbytes",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"bitsandbytes\",\"load_in_4bit\":true}," HEADS "}",
	 "F", .full = 512, .quantization = "bitsandbytes-4bit"},
	{"nvfp4",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"modelopt\",\"quant_algo\":\"NVFP4\"}," HEADS "}",
	 "F", .full = 512, .quantization = "nvfp4"},
	{"compressed tensors, 2:4",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"compressed-tensors\",\"config_groups\":{\"group_0\":{\"weights\":"
	 "{\"num_bits\":8}}},\"sparsity_config\":{\"sparsity_structure\":\"2:4\",\"format\":"
	 "\"sparse-24-bitmask\"}}," HEADS "}",
	 "F", .full = 512, .quantization = "compressed-tensors-8bit", .sparsity = "2:4"},
	{"pruned without a pattern",
	 "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"quantization_config\":{\"quant_"
	 "method\":\"compressed-tensors\",\"sparsity_config\":"
	 "{\"sparsity_structure\":\"unstructured\",\"global_sparsity\":0.5}}," HEADS "}",
	 "F", .full = 512, .quantization = "compressed-tensors", .sparsity = "unstructured 50 %"},
};

static void model_configs(void **state) {
	static const char *const tensors[] = {"model.norm.weight"};

	write_tensors(state, "model.safetensors", tensors, 1, "BF16");
	EACH_CASE (c, configs) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		struct err e = {0};
		char kinds[64] = "";

		write_text(state, "config.json", c->config);
		if (model_read_path(*state, &m, &e))
			fail_msg("%s", e.msg);
		for (size_t i = 0; i < m.n_layers; i++)
			kinds[i] = letter(&m.layers[i]);
		assert_string_equal(kinds, c->kinds);
		assert_int_equal(cached(&m, MODEL_ATTENTION), c->full);
		assert_int_equal(cached(&m, MODEL_WINDOW), c->window);
		assert_int_equal(m.state_numbers, c->state);
		assert_string_equal(m.quantization, c->quantization ? c->quantization : "bf16");
		assert_string_equal(m.sparsity, c->sparsity ? c->sparsity : "");
		if (c->architecture)
			assert_string_equal(m.architecture, c->architecture);
		assert_string_equal(m.format, "safetensors");
		assert_int_equal(m.sliding_window, c->window ? 512 : 0);
	}
}

static const struct {
	const char *name, *config, *msg;
	enum err_code code;
} bad_configs[] = {
	{"no JSON", "{", "'{}/config.json': not JSON at byte 1", ERR_INTEGRITY},
	{"a line break in a text", "{\"a\":\"\n\"}",
	 "'{}/config.json': not JSON at byte 6: a control character in a text, which must be "
	 "escaped",
	 ERR_INTEGRITY},
	{"a list", "[]", "'{}/config.json' is no JSON object", ERR_INTEGRITY},
	{"of nothing", "{}", "'{}/config.json' does not say 'architectures'", ERR_INTEGRITY},
	{"layers in words", "{\"model_type\":\"a\",\"num_hidden_layers\":\"two\"}",
	 "'{}/config.json' says 'num_hidden_layers' with a value that is not a usable whole number",
	 ERR_INTEGRITY},
	{"too many layers", "{\"model_type\":\"a\",\"num_hidden_layers\":5000}",
	 "'{}/config.json' says 'num_hidden_layers' with 5000 layers, the limit is 4096",
	 ERR_INTEGRITY},
	{"a list too short",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":3,\"num_key_value_heads\":[1,2]}",
	 "'{}/config.json' says 'num_key_value_heads' for 2 layers and has 3", ERR_INTEGRITY},
	{"kinds too few",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":3,\"layer_types\":[\"full_attention\"]}",
	 "'{}/config.json' says the kinds of 1 layers and has 3", ERR_INTEGRITY},
	{"a kind that nobody knows",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"layer_types\":[\"telepathy\"]}",
	 "'{}/config.json' has a layer of the unknown kind 'telepathy'", ERR_SPEC},
	{"a letter that nobody knows",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"hybrid_override_pattern\":\"X\"}",
	 "'{}/config.json' has a layer of the unknown kind 'X'", ERR_SPEC},
	{"a window of unknown width",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"layer_types\":[\"sliding_attention\"]}",
	 "'{}/config.json' has layers with a sliding window and does not say 'sliding_window'",
	 ERR_INTEGRITY},
	{"a state of unknown size",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"layer_types\":[\"linear_attention\"]}",
	 "'{}/config.json' has recurrent layers and does not say how large their state is",
	 ERR_SPEC},
	{"a state out of range",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"layer_types\":[\"mamba\"],\"mamba_d_"
	 "conv\":99999999}",
	 "'{}/config.json' says 'mamba_d_conv' with a value out of range", ERR_INTEGRITY},
	{"a state out of range, of another kind",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"linear_attn_config\":{\"kda_layers\":[1],"
	 "\"num_heads\":99999,\"head_dim\":2}}",
	 "'{}/config.json' says 'linear_attn_config' with a value out of range", ERR_INTEGRITY},
	{"heads out of range",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"num_attention_heads\":99999999}",
	 "'{}/config.json' says 'num_attention_heads' with a value out of range", ERR_INTEGRITY},
	{"a head out of range",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"head_dim\":99999999}",
	 "'{}/config.json' says 'head_dim' with a value out of range", ERR_INTEGRITY},
	{"width out of range",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"hidden_size\":99999999}",
	 "'{}/config.json' says 'hidden_size' with a value out of range", ERR_INTEGRITY},
	{"more experts used than there are",
	 "{\"model_type\":\"a\",\"num_experts\":2,\"num_experts_per_tok\":3}",
	 "'{}/config.json' uses 3 experts at once and has 2", ERR_INTEGRITY},
	{"more shared caches than layers",
	 "{\"model_type\":\"a\",\"num_hidden_layers\":1,\"num_kv_shared_layers\":2}",
	 "'{}/config.json' says 2 layers with a shared KV cache and has 1", ERR_INTEGRITY},
};

static void model_bad_configs(void **state) {
	static const char *const tensors[] = {"model.norm.weight"};

	write_tensors(state, "model.safetensors", tensors, 1, "BF16");
	EACH_CASE (c, bad_configs) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *msg CLEANUP(freep) = with_folder(c->msg, *state);
		struct err e = {0};

		write_text(state, "config.json", c->config);
		assert_int_equal(model_read_path(*state, &m, &e), -1);
		assert_string_equal(e.msg, msg);
		assert_int_equal(e.code, c->code);
	}
	remove_file(state, "config.json");
	struct model_facts m CLEANUP(model_facts_done) = {0};
	char *msg CLEANUP(freep) = with_folder(
		"'{}/config.json' is missing: it says the layers and heads of a safetensors model",
		*state);
	struct err e = {0};

	assert_int_equal(model_read_path(*state, &m, &e), -1);
	assert_string_equal(e.msg, msg);
}

static void model_shards(void **state) {
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	write_shards(state, INDEX("\"mtp.fc.weight\":\"b.safetensors\""));
	if (model_read_path(*state, &m, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(m.files, 2);
	assert_int_equal(m.split_files, 2);
	assert_int_equal(m.tensors, 9);
	assert_int_equal(m.tensor_bytes, 9 * 512);
	assert_int_equal(m.parameters, 9 * 256);
	assert_int_equal(m.token_embedding_bytes, 512);
	assert_int_equal(m.output_bytes, 512);
	assert_int_equal(m.expert_bytes, 2 * 512);
	assert_int_equal(m.nextn_bytes, 2 * 512); /* a layer behind the last, and mtp */
	assert_true(m.layers[0].has_experts && m.layers[1].has_experts);
	assert_int_equal(m.layers[0].feed_forward, 96);
	/* Not the token table, half of the experts, nothing of the further tokens. */
	assert_int_equal(model_active_bytes(&m), (9 - 1 - 1 - 2) * 512);
}

static const struct {
	const char *name, *index, *gone, *msg;
	enum err_code code;
} bad_shards[] = {
	{"a shard is missing", INDEX("\"mtp.fc.weight\":\"b.safetensors\""), "b.safetensors",
	 "'{}/b.safetensors' is missing: the index of the model's files names it", ERR_INTEGRITY},
	{"a tensor is in another shard", INDEX("\"mtp.fc.weight\":\"a.safetensors\""), "",
	 "'{}/model.safetensors.index.json' names 9 tensors, of which its files have 8",
	 ERR_INTEGRITY},
	{"a tensor is missing", INDEX("\"more\":\"b.safetensors\""), "",
	 "'{}/model.safetensors.index.json' names 9 tensors, of which its files have 8",
	 ERR_INTEGRITY},
	{"a shard elsewhere", INDEX("\"x\":\"../b.safetensors\""), "",
	 "'../b.safetensors' is no name of a file beside the others", ERR_SPEC},
	{"no file for a tensor", INDEX("\"x\":7"), "",
	 "'{}/model.safetensors.index.json' names no file for 'x'", ERR_INTEGRITY},
	{"no map", "{}", "", "'{}/model.safetensors.index.json' has no weight_map", ERR_INTEGRITY},
	{"no JSON", "x", "", "'{}/model.safetensors.index.json': not JSON at byte 0",
	 ERR_INTEGRITY},
};

static void model_bad_shards(void **state) {
	EACH_CASE (c, bad_shards) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *msg CLEANUP(freep) = with_folder(c->msg, *state);
		struct err e = {0};

		write_shards(state, c->index);
		if (*c->gone)
			remove_file(state, c->gone);
		assert_int_equal(model_read_path(*state, &m, &e), -1);
		assert_string_equal(e.msg, msg);
		assert_int_equal(e.code, c->code);
	}
	remove_file(state, "model.safetensors.index.json");
}

/* Packed weights are counted one by one; their scales are none. A tied model's stored output is not
 * loaded. */
static void model_packed(void **state) {
	struct safetensors_file *f CLEANUP(safetensors_file_freep) = safetensors_file_new();
	char *path CLEANUP(freep) = path_in(state, "model.safetensors");
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	safetensors_file_tensor(f, "model.embed_tokens.weight", "F16", 100, 64);
	safetensors_file_tensor(f, "lm_head.weight", "F16", 100, 64);
	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.qweight", "I32", 64, 16);
	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.qzeros", "I32", 1, 16);
	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.scales", "F16", 1, 128);
	assert_int_equal(safetensors_file_write(f, path), 0);
	write_text(state, "config.json",
		   "{\"architectures\":[\"A\"],\"num_hidden_layers\":1,\"tie_word_embeddings\":"
		   "true,\"quantization_config\":{\"quant_method\":\"awq\",\"bits\":4}," HEADS "}");
	if (model_read_path(path, &m, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(m.parameters, 2 * 6400 + 64 * 16 * 8);
	assert_int_equal(m.output_bytes, 0);
	assert_int_equal(m.token_embedding_bytes, 12800);
}

/* MLX packs weights of any bits into 32; scales and biases of the groups are no weights, and a
 * module may have bits of its own. */
static void model_mlx(void **state) {
	static const struct {
		const char *name, *quantization, *words;
		uint64_t parameters;
	} cases[] = {
		{"4 bits", "\"quantization\":{\"group_size\":64,\"bits\":4}", "mlx-4bit",
		 64 * 16 * 8 + 64 * 8 * 8},
		{"also as quantization_config",
		 "\"quantization_config\":{\"group_size\":64,\"bits\":4}", "mlx-4bit",
		 64 * 16 * 8 + 64 * 8 * 8},
		{"both",
		 "\"quantization\":{\"group_size\":32,\"bits\":8},\"quantization_config\":{\"group_"
		 "size\":32,\"bits\":8}",
		 "mlx-8bit", 64 * 16 * 4 + 64 * 8 * 4},
		{"3 bits", "\"quantization\":{\"group_size\":64,\"bits\":3}", "mlx-3bit",
		 64 * 16 * 32 / 3 + 64 * 8 * 32 / 3},
		{"a module of its own",
		 "\"quantization\":{\"group_size\":64,\"bits\":4,\"mode\":\"affine\",\"model."
		 "layers.0.mlp.up_proj\":{\"bits\":8,"
		 "\"group_size\":32},\"lm_head\":false}",
		 "mlx-4bit", 64 * 16 * 4 + 64 * 8 * 8},
	};
	struct safetensors_file *f CLEANUP(safetensors_file_freep) = safetensors_file_new();
	char *path CLEANUP(freep) = path_in(state, "model.safetensors");

	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.weight", "U32", 64, 16);
	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.scales", "F16", 64, 2);
	safetensors_file_tensor(f, "model.layers.0.mlp.up_proj.biases", "F16", 64, 2);
	safetensors_file_tensor(f, "model.embed_tokens.weight", "U32", 64, 8);
	assert_int_equal(safetensors_file_write(f, path), 0);
	EACH_CASE (k, cases) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *config CLEANUP(freep) =
			mem_printf("{\"architectures\":[\"A\"],\"num_hidden_layers\":1,%s," HEADS
				   "}",
				   k->quantization);
		struct err e = {0};

		write_text(state, "config.json", config);
		if (model_read_path(path, &m, &e))
			fail_msg("%s: %s", k->name, e.msg);
		assert_string_equal(m.quantization, k->words);
		assert_int_equal(m.parameters, k->parameters);
	}
	remove_file(state, "model.safetensors");
}

/* Files without an index, a tensor in two of them, Mistral's names. */
static void model_no_index(void **state) {
	static const char *const first[] = {"model.embed_tokens.weight"},
				 *const second[] = {"model.layers.0.self_attn.q_proj.weight"};
	static const struct {
		const char *name, *a, *b, *config;
		bool same;
		const char *msg; /* NULL: read, with so many tensors */
		size_t tensors;
	} cases[] = {
		{"two files", "model-00001-of-00002.safetensors",
		 "model-00002-of-00002.safetensors", "config.json", false, NULL, 2},
		{"any names", "a.safetensors", "b.safetensors", "config.json", false, NULL, 2},
		{"one of three is missing", "model-00001-of-00003.safetensors",
		 "model-00002-of-00003.safetensors", "config.json", false,
		 "'{}/model-00001-of-00003.safetensors' is one of 3 files, and 2 are there; there "
		 "is no 'model.safetensors.index.json' that names the others",
		 0},
		{"a tensor in both", "a.safetensors", "b.safetensors", "config.json", true,
		 "'{}/a.safetensors' and '{}/b.safetensors' both have the tensor "
		 "'model.embed_tokens.weight'",
		 0},
		{"consolidated alone", "consolidated.safetensors", NULL, "config.json", false, NULL,
		 1},
		{"consolidated beside the others", "consolidated.safetensors",
		 "model-00001-of-00001.safetensors", "config.json", true, NULL, 1},
		{"Mistral's own form", "consolidated.safetensors", NULL, "params.json", false,
		 "'{}/config.json' is missing: it says the layers and heads of a safetensors "
		 "model; params.json, which is there, is not read: take config.json "
		 "from the model's repository",
		 0},
	};

	for (size_t i = 0; i < 4; i++)
		remove_file(state,
			    ((const char *[]){"a.safetensors", "b.safetensors", "config.json",
					      "model.safetensors.index.json"})[i]);
	EACH_CASE (k, cases) {
		struct model_facts m CLEANUP(model_facts_done) = {0};
		char *once CLEANUP(freep) = k->msg ? with_folder(k->msg, *state) : NULL,
			   *msg CLEANUP(freep) = once ? with_folder(once, *state) : NULL;
		struct err e = {0};

		write_text(state, k->config, MOE_CONFIG);
		write_tensors(state, k->a, first, 1, "BF16");
		if (k->b)
			write_tensors(state, k->b, k->same ? first : second, 1, "BF16");
		int r = model_read_path(*state, &m, &e);
		if (r ? !k->msg : k->msg != NULL)
			fail_msg("%s: %s", k->name, e.msg);
		if (r)
			assert_string_equal(e.msg, msg);
		else
			assert_int_equal(m.tensors, k->tensors);
		remove_file(state, k->config);
		remove_file(state, k->a);
		if (k->b)
			remove_file(state, k->b);
	}
}

/* The index has a tensor once, and both shards have it. */
static void model_twice(void **state) {
	static const char *const again[] = {"model.layers.1.mlp.experts.3.w1.weight",
					    "model.embed_tokens.weight",
					    "model.layers.1.mlp.shared_experts.w1.weight",
					    "lm_head.weight",
					    "model.layers.2.mlp.experts.0.w1.weight",
					    "visual.blocks.1.mlp.experts.weight",
					    "mtp.fc.weight"};
	char *once CLEANUP(freep) = with_folder("'{}/a.safetensors' and '{}/b.safetensors' both "
						"have the tensor 'model.embed_tokens.weight'",
						*state);
	char *msg CLEANUP(freep) = with_folder(once, *state);
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	write_shards(state, INDEX("\"mtp.fc.weight\":\"b.safetensors\""));
	write_tensors(state, "b.safetensors", again, 7, "BF16");
	assert_int_equal(model_read_path(*state, &m, &e), -1);
	assert_string_equal(e.msg, msg);
	assert_int_equal(e.code, ERR_INTEGRITY);
	for (size_t i = 0; i < 4; i++)
		remove_file(state,
			    ((const char *[]){"a.safetensors", "b.safetensors", "config.json",
					      "model.safetensors.index.json"})[i]);
}

static void model_peft(void **state) {
	static const char *const tensors[] = {
		"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"};
	struct model_facts m CLEANUP(model_facts_done) = {0};
	struct err e = {0};

	remove_file(state, "config.json");
	remove_file(state, "model.safetensors");
	write_tensors(state, "adapter_model.safetensors", tensors, 1, "F32");
	write_text(state, "adapter_config.json",
		   "{\"peft_type\":\"LORA\",\"base_model_name_or_path\":\"org/base\"}");
	if (model_read_path(*state, &m, &e))
		fail_msg("%s", e.msg);
	assert_true(model_is_adapter(&m));
	assert_string_equal(m.adapter_type, "lora");
	assert_string_equal(m.architecture, "org/base");
	assert_int_equal(m.tensor_bytes, 1024);
	remove_file(state, "adapter_model.safetensors");
	remove_file(state, "adapter_config.json");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(model_configs),  cmocka_unit_test(model_bad_configs),
		cmocka_unit_test(model_shards),   cmocka_unit_test(model_bad_shards),
		cmocka_unit_test(model_packed),   cmocka_unit_test(model_mlx),
		cmocka_unit_test(model_no_index), cmocka_unit_test(model_twice),
		cmocka_unit_test(model_peft),
	};

	return cmocka_run_group_tests_name("model_config", tests, setup, teardown);
}
