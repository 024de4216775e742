/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/* A GGUF file in the making, with small random numbers as weights: small enough for a test, and
 * whole enough that the engine loads it. Everything is deterministic. A caller's mistake ends the
 * program.
 *
 *     struct gguf_file *f = gguf_file_new("llama");
 *     gguf_file_own(f, "block_count", 2);
 *     gguf_file_tensor(f, "token_embd.weight", GGUF_FILE_F16, 2, (uint64_t[]) {64, 512});
 *     gguf_file_write(f, "/tmp/x.gguf", true);
 *     gguf_file_free(f);
 */
enum gguf_file_type {
	GGUF_FILE_F32,
	GGUF_FILE_F16,
	GGUF_FILE_Q4_0,
	GGUF_FILE_Q8_0,
	GGUF_FILE_BF16,
	GGUF_FILE_TYPES
};

struct gguf_file;
struct gguf_file *gguf_file_new(const char *architecture);
void gguf_file_free(struct gguf_file *f);
void gguf_file_freep(struct gguf_file **f); /* for CLEANUP */

/* Metadata. */
void gguf_file_text(struct gguf_file *f, const char *key, const char *text);
void gguf_file_u32(struct gguf_file *f, const char *key, uint32_t v);
void gguf_file_u16(struct gguf_file *f, const char *key, uint16_t v);
void gguf_file_f32(struct gguf_file *f, const char *key, float v);
void gguf_file_bool(struct gguf_file *f, const char *key, bool v);
void gguf_file_i32s(struct gguf_file *f, const char *key, const int32_t *list, size_t n);
void gguf_file_bools(struct gguf_file *f, const char *key, const bool *list, size_t n);
/* The same under the architecture's own name: "llama.block_count". */
void gguf_file_own(struct gguf_file *f, const char *key, uint32_t v);
void gguf_file_own_f32(struct gguf_file *f, const char *key, float v);
void gguf_file_own_i32s(struct gguf_file *f, const char *key, const int32_t *list, size_t n);
/* A tokenizer of n >= 260 tokens (SentencePiece: three special ones, every byte, then made-up
 * words). */
void gguf_file_tokenizer(struct gguf_file *f, uint32_t n);

/* A tensor of one to three dimensions. Names that end in "norm.weight" get ones, all others small
 * random numbers. */
void gguf_file_tensor(struct gguf_file *f, const char *name, enum gguf_file_type type,
		      unsigned n_dims, const uint64_t *dims);
size_t gguf_file_tensors(const struct gguf_file *f);

/* To a file; without `data` the tensors are a hole of their size. 0, or -1 with errno. */
int gguf_file_write(const struct gguf_file *f, const char *path, bool data);
/* The tensors in n files "PREFIX-00001-of-0000N.gguf"; the first has the metadata. */
int gguf_file_write_split(const struct gguf_file *f, const char *prefix, unsigned n, bool data);
