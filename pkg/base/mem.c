/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *checked(void *p) {
	if (!p) {
		(void) fputs("llmdeploy: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *mem_zalloc(size_t n, size_t size) {
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *mem_grow(void *p, size_t n, size_t size) {
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		return checked(NULL);
	return checked(realloc(p, bytes ? bytes : 1));
}

char *mem_strndup(const char *s, size_t n) {
	return memcpy(mem_zalloc(n + 1, 1), s, n);
}

char *mem_strdup(const char *s) {
	return mem_strndup(s, strlen(s));
}

__attribute__((format(printf, 1, 0))) static char *vprint(const char *fmt, va_list ap) {
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return checked(s);
}

char *mem_printf(const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	char *s = vprint(fmt, ap);
	va_end(ap);
	return s;
}

void closep(const int *fd) {
	if (*fd >= 0)
		(void) close(*fd);
}

struct arena {
	void **blocks;
	size_t n, cap;
};

struct arena *arena_new(void) {
	return mem_zalloc(1, sizeof(struct arena));
}

void arena_free(struct arena *a) {
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++)
		free(a->blocks[i]);
	free(a->blocks);
	free(a);
}

void arena_freep(struct arena **a) {
	arena_free(*a);
}

static void *keep(struct arena *a, void *p) {
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 16;
		a->blocks = mem_grow(a->blocks, a->cap, sizeof *a->blocks);
	}
	a->blocks[a->n++] = p;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n, size_t size) {
	return keep(a, mem_zalloc(n, size));
}

char *arena_strdup(struct arena *a, const char *s) {
	return s ? keep(a, mem_strdup(s)) : NULL;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	char *s = vprint(fmt, ap);
	va_end(ap);
	return keep(a, s);
}
