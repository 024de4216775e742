/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;
struct err;

/* The header of a safetensors file: its table of tensors and nothing behind it. The format is
 * github.com/huggingface/safetensors: the header's length in 8 bytes, little-endian; a JSON object
 * {"NAME": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {texts}}; then the
 * data, which the tensors tile without hole or overlap, from its first byte to the end of the file.
 *
 * The file is foreign: a length, shape or offset that contradicts the file's size or another tensor
 * is ERR_INTEGRITY. */

#define SAFETENSORS_MAX_HEADER ((uint64_t) 64 << 20)
#define SAFETENSORS_MAX_TENSORS 500000
#define SAFETENSORS_MAX_DIMS 8

struct safetensors_tensor {
	const char *name;  /* UTF-8; not empty */
	const char *dtype; /* lower case: "bf16", "f8_e4m3"; static */
	uint64_t shape[SAFETENSORS_MAX_DIMS];
	unsigned n_dims;
	uint64_t elements, bytes, offset; /* offset: from the start of the data */
};

struct safetensors {
	uint64_t file_bytes, data_offset;
	struct safetensors_tensor *tensors; /* by offset */
	size_t n_tensors;
	uint64_t tensor_bytes;
};

/* ERR_SPEC: no safetensors file. ERR_INTEGRITY: one that contradicts itself or is cut off. Of the
 * source: what its read says. */
int safetensors_open(const struct bytes *from, struct safetensors **out, struct err *e);
void safetensors_free(struct safetensors *s);
void safetensors_freep(struct safetensors **s); /* for CLEANUP */

/* Does the file begin as one? The length of a header that fits, and '{'. `head`: its first 16 bytes
 * or fewer. */
bool safetensors_is(const unsigned char *head, size_t n, uint64_t file_bytes);
