/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct gguf;
struct model_facts;

/* Facts of one GGUF file, or of all parts of a split one in their order (the first has the
 * metadata; the rest was checked to belong to it). */
int gguf_facts(struct gguf *const *parts, size_t n, struct model_facts *out, struct err *e);
/* The layers alone, into m->layers and m->n_layers, with the numbers that belong to them. nextn:
 * layers behind them that only predict further tokens. */
int gguf_layers(const struct gguf *g, struct model_facts *m, uint64_t nextn, struct err *e);
/* The value of "ARCHITECTURE.NAME". */
int gguf_own_number(const struct gguf *g, const struct model_facts *m, const char *name,
		    uint64_t otherwise, uint64_t *out, struct err *e);
