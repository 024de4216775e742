/* SPDX-License-Identifier: Apache-2.0 */
/* gguf_make FAMILY FILE [NAME=NUMBER...]: writes a tiny model of a family that the engine loads;
 * without arguments, the families. NAME: layers embedding heads kv_heads head feed_forward
 * vocabulary context window experts experts_used interval shared latent rope inner state groups
 * rank conv nextn tied; type: f32 f16 q4_0 q8_0 bf16; split=N files (FILE is their prefix);
 * hollow=1: no data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fake/gguf_family.h"
#include "base/mem.h"

static int set_number(struct gguf_shape *s, const char *name, uint32_t v) {
	const struct {
		const char *name;
		uint32_t *at;
	} numbers[] = {
		{"layers", &s->layers},
		{"embedding", &s->embedding},
		{"heads", &s->heads},
		{"kv_heads", &s->kv_heads},
		{"head", &s->head},
		{"feed_forward", &s->feed_forward},
		{"vocabulary", &s->vocabulary},
		{"context", &s->context},
		{"window", &s->window},
		{"experts", &s->experts},
		{"experts_used", &s->experts_used},
		{"interval", &s->interval},
		{"shared", &s->shared},
		{"latent", &s->latent},
		{"rope", &s->rope},
		{"inner", &s->inner},
		{"state", &s->state},
		{"groups", &s->groups},
		{"rank", &s->rank},
		{"conv", &s->conv},
		{"nextn", &s->nextn},
	};

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (!strcmp(numbers[i].name, name))
			return *numbers[i].at = v, 0;
	return -1;
}

static int set_type(struct gguf_shape *s, const char *name) {
	static const char *const names[GGUF_FILE_TYPES] = {"f32", "f16", "q4_0", "q8_0", "bf16"};

	for (int i = 0; i < GGUF_FILE_TYPES; i++)
		if (!strcmp(names[i], name))
			return s->type = (enum gguf_file_type) i, 0;
	return -1;
}

struct options {
	struct gguf_shape shape;
	unsigned split;
	bool hollow;
};

static int set(struct options *o, const char *word) {
	const char *equals = strchr(word, '=');
	char *name CLEANUP(freep) = mem_strndup(word, strcspn(word, "="));

	if (!equals)
		return -1;
	unsigned long v = strtoul(equals + 1, NULL, 10);

	if (!strcmp(name, "type"))
		return set_type(&o->shape, equals + 1);
	if (!strcmp(name, "tied"))
		return o->shape.tied = v, 0;
	if (!strcmp(name, "hollow"))
		return o->hollow = v, 0;
	if (!strcmp(name, "split"))
		return o->split = (unsigned) v, 0;
	return set_number(&o->shape, name, (uint32_t) v);
}

static int list_all(void) {
	size_t n;
	const struct gguf_family *all = gguf_families(&n);

	for (size_t i = 0; i < n; i++)
		printf("%-16s %s\n", all[i].name, all[i].what);
	return 0;
}

int main(int argc, char **argv) {
	const struct gguf_family *family = argc > 2 ? gguf_family_find(argv[1]) : NULL;

	if (argc < 2)
		return list_all();
	if (!family) {
		(void) fprintf(stderr, "gguf_make FAMILY FILE [NAME=NUMBER...]; no family '%s'\n",
			       argv[1]);
		return 2;
	}
	struct options o = {.shape = family->shape};

	for (int i = 3; i < argc; i++)
		if (set(&o, argv[i])) {
			(void) fprintf(stderr, "'%s' is no setting\n", argv[i]);
			return 2;
		}
	struct gguf_file *f CLEANUP(gguf_file_freep) = gguf_family_file(family, &o.shape);
	int bad = o.split > 1 ? gguf_file_write_split(f, argv[2], o.split, !o.hollow)
			      : gguf_file_write(f, argv[2], !o.hollow);

	if (bad)
		perror(argv[2]);
	return bad ? 1 : 0;
}
