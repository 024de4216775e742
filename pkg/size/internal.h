/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "size/size.h"

/* Shared by this folder's files. */

/* Cells of the caches, as the runtime rounds them. */
struct size_cells {
	uint64_t full, window; /* of one stream; 0: no layer has any */
	uint64_t streams;      /* how many there are of each: the sequences, or one pool */
	uint64_t batch;        /* tokens that are computed at once */
};

int size_overflow(struct err *e);
bool size_add_product(uint64_t a, uint64_t b, uint64_t *sum);
/* n rounded up to a multiple; false if it overflows. */
bool size_round_up(uint64_t n, uint64_t multiple, uint64_t *out);

/* cache.c */
int size_cells(const struct model_facts *m, const struct runtime_memory *rt,
	       const struct size_load *load, struct size_cells *out, struct err *e);
int size_caches(const struct model_facts *m, const struct size_load *load,
		const struct size_cells *cells, struct size_budget *b, struct err *e);

/* buffers.c */
int size_buffers(const struct model_facts *m, const struct runtime_memory *rt,
		 const struct size_load *load, const struct size_cells *cells,
		 struct size_budget *b, struct err *e);
