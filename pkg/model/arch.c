#include "model/arch.h"

#include <string.h>

static const struct arch table[] = {
	{.name = "gemma2", .period = 2, .window = 4096},
	{.name = "gemma3", .period = 6},
	{.name = "gemma3n", .period = 5, .kv_layers = 20},
	{.name = "gemma-embedding", .period = 6},
	{.name = "cohere2", .period = 4},
	{.name = "olmo2", .period = 4},
	{.name = "gpt-oss", .period = 2},
	{.name = "exaone4", .period = 4, .window = 4096, .only_layers = 64},
	{.name = "exaone-moe", .period = 4, .window = 128},
	{.name = "llama4", .period = 4, .window = 8192, .window_is_fixed = true},
	{.name = "smallthinker", .period = 4, .dense_first = true},
	{.name = "laguna", .period = 4, .dense_first = true},
	{.name = "modern-bert", .period = 3, .dense_first = true},
	{.name = "afmoe", .period = 4},
	{.name = "plamo3", .period = 8},
	{.name = "mamba", .recurrence = ARCH_RECURRENT},
	{.name = "mamba2", .recurrence = ARCH_RECURRENT},
	{.name = "rwkv6", .recurrence = ARCH_RECURRENT, .token_shift = 2},
	{.name = "rwkv7", .recurrence = ARCH_RECURRENT, .token_shift = 2},
	{.name = "rwkv6qwen2", .recurrence = ARCH_RECURRENT, .token_shift = 1},
	{.name = "arwkv7", .recurrence = ARCH_RECURRENT, .token_shift = 1},
	{.name = "jamba", .recurrence = ARCH_WITHOUT_KV},
	{.name = "plamo2", .recurrence = ARCH_WITHOUT_KV},
	{.name = "granitehybrid", .recurrence = ARCH_WITHOUT_KV},
	{.name = "kimi-linear", .recurrence = ARCH_WITHOUT_KV},
	{.name = "lfm2", .recurrence = ARCH_WITHOUT_KV},
	{.name = "lfm2moe", .recurrence = ARCH_WITHOUT_KV},
	{.name = "nemotron_h", .recurrence = ARCH_BARE},
	{.name = "nemotron_h_moe", .recurrence = ARCH_BARE},
	{.name = "falcon-h1", .recurrence = ARCH_BESIDE},
	{.name = "qwen3next", .recurrence = ARCH_INTERVAL},
	{.name = "qwen35", .recurrence = ARCH_INTERVAL},
	{.name = "qwen35moe", .recurrence = ARCH_INTERVAL},
};

const struct arch *arch_find(const char *name) {
	static const struct arch plain = {0};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (!strcmp(table[i].name, name))
			return &table[i];
	return &plain;
}
