/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* A tensor type of ggml: `block` values are stored in `bytes` bytes. */
struct tensor_type {
	uint32_t id;
	const char *name;
	uint32_t block, bytes;
};

/* NULL: unknown, or withdrawn. */
const struct tensor_type *tensor_type_find(uint32_t id);
