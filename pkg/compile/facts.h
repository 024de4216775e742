/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

struct compile;
struct err;
struct model_facts;
struct spec_artifact;

/* Facts of a model before it is fetched: from the store, from a file of this machine, from a member
 * of an archive, or by reading the header alone over the network, whichever is there. *from:
 * "store", "file", "archive" or "address": the bytes of the last three are nobody's proof yet.
 * ERR_UNREACHABLE: none of its sources can be looked into without fetching it. */
int compile_facts(const struct compile *c, const struct spec_artifact *a, const char *what,
		  struct model_facts *facts, uint64_t *size, const char **from, struct err *e);

/* What messages about its file call an artifact: its first source, as it may be shown; `what` where
 * it has none. Yours. */
char *compile_named(const struct spec_artifact *a, const char *what);

/* Of a model card, "NAME" or "NAME/ARTIFACT". ERR_USAGE: no such card. */
int compile_card(const struct compile *c, const char *card, struct model_facts *facts,
		 struct err *e);

/* The architecture of `base` with so many bytes of weights: what planning knows of a quantization
 * that is not there. */
void compile_facts_scaled(const struct model_facts *base, uint64_t bytes, struct model_facts *out);
