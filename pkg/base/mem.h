/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

/* CLEANUP(fn) runs fn(&var) when var leaves scope. GCC and Clang. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define STEAL(p) mem_steal((void **) &(p))

/* Never return NULL: out of memory ends the process. Every on-disk step is
 * journalled, so an abort is the crash the release code already survives. */
void *mem_zalloc(size_t n, size_t size) __attribute__((malloc));
void *mem_grow(void *p, size_t n, size_t size); /* realloc; the new part is not cleared */
char *mem_strdup(const char *s) __attribute__((malloc));
char *mem_strndup(const char *s, size_t n) __attribute__((malloc));
char *mem_printf(const char *fmt, ...) __attribute__((malloc, format(printf, 1, 2)));

static inline void freep(void *p) {
	free(*(void **) p);
}

static inline void *mem_steal(void **pp) {
	void *p = *pp;
	*pp = NULL;
	return p;
}

/* For locals that own a descriptor: int fd CLEANUP(closep) = -1; */
void closep(const int *fd);

/* An arena: many small allocations that live and go together. Zeroed memory. */
struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a);
void arena_freep(struct arena **a); /* for CLEANUP */
void *arena_zalloc(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
