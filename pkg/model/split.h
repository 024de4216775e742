/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct err;
struct model_facts;
struct part;
struct source_dir;

/* Facts of a GGUF file and, where it is the first part of a split model, of all others
 * ("m-00001-of-00003.gguf"): each must be there, say the same count and its own number, and
 * together they have the tensors that the first one promises, each once. */
int split_facts(const struct source_dir *p, const char *name, struct part *first,
		struct model_facts *out, struct err *e);
