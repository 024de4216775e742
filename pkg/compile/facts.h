#pragma once

#include <stdint.h>

struct compile;
struct err;
struct model_facts;
struct spec_artifact;

/* Facts of a model before it is fetched: from the store, from a file of this machine, or from a member of an archive, whichever is there.
 * *from: "store", "file" or "archive": the bytes of the last two are nobody's proof yet. ERR_UNREACHABLE: none of its sources can be looked into
 * without fetching it. */
int compile_facts(const struct compile *c, const struct spec_artifact *a, const char *what, struct model_facts *facts, uint64_t *size,
		  const char **from, struct err *e);

/* The architecture of `base` with so many bytes of weights: what planning knows of a quantization that is not there. */
void compile_facts_scaled(const struct model_facts *base, uint64_t bytes, struct model_facts *out);
