/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A safetensors file in the making; its data are small random numbers. A caller's mistake ends the
 * program.
 *
 *     struct safetensors_file *f = safetensors_file_new();
 *     safetensors_file_tensor(f, "lm_head.weight", "BF16", 64, 512);
 *     safetensors_file_write(f, "/tmp/model.safetensors");
 *     safetensors_file_free(f);
 */
struct safetensors_file;
struct safetensors_file *safetensors_file_new(void);
void safetensors_file_free(struct safetensors_file *f);
void safetensors_file_freep(struct safetensors_file **f); /* for CLEANUP */
/* One or two dimensions; d1 0: one. dtype: BOOL U8 I8 F8_E4M3 F16 BF16 I32 F32 I64. */
void safetensors_file_tensor(struct safetensors_file *f, const char *name, const char *dtype,
			     uint64_t d0, uint64_t d1);
/* 0, or -1 with errno. */
int safetensors_file_write(const struct safetensors_file *f, const char *path);
