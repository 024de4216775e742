/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct args;
struct buf;
struct err;
struct offer;

/* llmdeploy init --model: the table of what there is, and the manifest's section about it. */
void init_model_show(struct args *a, const struct offer *o);
/* "model:\n" and what follows. `dir`: absolute, where the manifest will lie; files beneath it are
 * named relative to it. */
void init_model_section(const struct offer *o, const char *manifest, const char *dir,
			struct buf *out);
/* The result as JSON. */
void init_model_result(struct args *a, const struct offer *o, const char *manifest,
		       const char *golden);
