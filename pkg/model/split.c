/* SPDX-License-Identifier: Apache-2.0 */
#include "model/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "gguf/gguf.h"
#include "model/gguf.h"
#include "model/model.h"
#include "model/source_dir.h"

enum { MAX_PARTS = 1000, TAIL = sizeof "-00001-of-00003.gguf" - 1 };

struct parts {
	struct part *files[MAX_PARTS]; /* the first is another's */
	struct gguf *at[MAX_PARTS];
	size_t n;
};

static void parts_free(struct parts **p) {
	for (size_t i = 0; i < (*p)->n; i++) {
		gguf_free((*p)->at[i]);
		if (i)
			part_free((*p)->files[i]);
	}
	free(*p);
}

/* The part's name from that of the first; NULL where it is not of the form. Yours. */
static char *name_of(const char *first, uint64_t i, uint64_t count) {
	size_t n = strlen(first);
	char wanted[32];

	(void) snprintf(wanted, sizeof wanted, "-00001-of-%05llu.gguf", (unsigned long long) count);
	if (n < TAIL || strcmp(first + n - TAIL, wanted))
		return NULL;
	return mem_printf("%.*s-%05llu-of-%05llu.gguf", (int) (n - TAIL), first,
			  (unsigned long long) i + 1, (unsigned long long) count);
}

static int by_name(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int check_tensors(const struct parts *p, struct err *e) {
	const char *first = p->at[0]->name;
	uint64_t promised, n = 0;
	size_t all = 0;

	if (gguf_number(p->at[0], "split.tensors.count", 0, &promised, e))
		return -1;
	for (size_t i = 0; i < p->n; i++)
		all += p->at[i]->n_tensors;
	if (promised && promised != all)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' promises %llu tensors, and its %zu parts have %zu", first,
			       (unsigned long long) promised, p->n, all);
	const char **names CLEANUP(freep) = mem_zalloc(all + 1, sizeof *names);

	for (size_t i = 0; i < p->n; i++)
		for (size_t k = 0; k < p->at[i]->n_tensors; k++)
			names[n++] = p->at[i]->tensors[k].name;
	qsort(names, all, sizeof *names, by_name);
	for (size_t i = 1; i < all; i++)
		if (!strcmp(names[i - 1], names[i]))
			return err_set(e, ERR_INTEGRITY,
				       "'%s' and its parts have a tensor '%s' twice", first,
				       names[i]);
	return 0;
}

static int open_part(const struct source_dir *place, const char *first, struct parts *p,
		     uint64_t count, struct err *e) {
	char *name CLEANUP(freep) = name_of(first, p->n, count), why[64];
	struct part *f CLEANUP(part_freep) = NULL;
	struct gguf *g CLEANUP(gguf_freep) = NULL;
	uint64_t number, same;

	(void) snprintf(why, sizeof why, "it is part %zu of %llu of the model", p->n + 1,
			(unsigned long long) count);
	if (source_dir_need(place, name, why, &f, e) ||
	    gguf_open(&f->bytes, &g, e) ||
	    gguf_number(g, "split.no", UINT64_MAX, &number, e) ||
	    gguf_number(g, "split.count", 0, &same, e))
		return -1;
	if (number != p->n || same != count)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' says that it is part %lld of %llu, where part %zu of %llu was "
			       "expected",
			       f->name, (long long) number + 1, (unsigned long long) same, p->n + 1,
			       (unsigned long long) count);
	p->at[p->n] = STEAL(g);
	p->files[p->n++] = STEAL(f);
	return 0;
}

int split_facts(const struct source_dir *place, const char *name, struct part *first,
		struct model_facts *out, struct err *e) {
	struct parts *p CLEANUP(parts_free) = mem_zalloc(1, sizeof *p);
	uint64_t count, number;

	if (gguf_open(&first->bytes, &p->at[0], e))
		return -1;
	p->files[0] = first;
	p->n = 1;
	if (gguf_number(p->at[0], "split.count", 1, &count, e) ||
	    gguf_number(p->at[0], "split.no", 0, &number, e))
		return -1;
	if (number)
		return gguf_facts(p->at, 1, out, e); /* says which part it is */
	char *own CLEANUP(freep) = name_of(name, 0, count);

	if (count > MAX_PARTS)
		return err_set(e, ERR_INTEGRITY, "'%s' is one of %llu parts, the limit is %d",
			       first->name, (unsigned long long) count, MAX_PARTS);
	if (count > 1 && !own)
		return err_set(e, ERR_SPEC,
			       "'%s' is the first of %llu parts and does not end in "
			       "'-00001-of-%05llu.gguf', so that the others cannot be found",
			       first->name, (unsigned long long) count, (unsigned long long) count);
	while (p->n < count)
		if (open_part(place, name, p, count, e))
			return -1;
	return check_tensors(p, e) ? -1 : gguf_facts(p->at, p->n, out, e);
}
