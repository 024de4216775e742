/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "schema/schema.h"

struct err;
struct model_facts;

/* Facts of a model card, with the weights of the artifact of that name; "": its first. `name` of
 * the file, for messages. Of several mistakes the first is told. */
int card_facts(const char *name, const char *text, size_t n, const char *artifact,
	       struct model_facts *out, struct err *e);

/* card_table.c: the fields of the file. */

extern const struct schema_field card_table[];
