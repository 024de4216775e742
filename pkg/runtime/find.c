/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"

static bool has_runtime(const char *dir, const char *name) {
	char *path CLEANUP(freep) = mem_printf("%s/%s/runtime.yaml", dir, name);

	return fs_exists(AT_FDCWD, path);
}

static int unknown(const char *const *dirs, size_t n_dirs, const char *name, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	struct buf list CLEANUP(buf_done) = BUF_INIT(256);
	size_t n = 0;

	if (runtime_list(dirs, n_dirs, &names, &n, e))
		return -1;
	if (!n)
		return err_set(e, ERR_USAGE,
			       "there is no runtime '%.80s', nor any other in '%.200s'", name,
			       n_dirs ? dirs[0] : "");
	const char *near = text_nearest(name, (const char *const *) names, n);

	if (near)
		return err_set(e, ERR_USAGE, "there is no runtime '%.80s'; did you mean '%s'?",
			       name, near);
	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
	return err_set(e, ERR_USAGE, "there is no runtime '%.80s'; there are: %s", name,
		       buf_str(&list));
}

int runtime_find(const char *const *dirs, size_t n_dirs, const char *name, char **dir,
		 struct err *e) {
	if (!text_is_name(name))
		return err_set(e, ERR_USAGE, "'%.80s' cannot be the name of a runtime", name);
	for (size_t i = 0; i < n_dirs; i++)
		if (has_runtime(dirs[i], name)) {
			*dir = mem_printf("%s/%s", dirs[i], name);
			return 0;
		}
	return unknown(dirs, n_dirs, name, e);
}

/* The folder that holds the path's last part, as a new string. */
static char *parent(const char *path) {
	const char *slash = strrchr(path, '/');

	return slash ? mem_strndup(path, (size_t) (slash - path)) : mem_strdup(".");
}

char **runtime_dirs(const char *given, const char *program, size_t *n) {
	char **dirs = mem_zalloc(4, sizeof *dirs);
	char *bin CLEANUP(freep) = parent(program), *prefix CLEANUP(freep) = parent(bin),
		  *above CLEANUP(freep) = parent(prefix);

	*n = 0;
	if (given) {
		dirs[(*n)++] = mem_strdup(given);
		return dirs;
	}
	dirs[(*n)++] = mem_printf("%s/share/llmdeploy/runtimes", prefix);
	dirs[(*n)++] = mem_printf("%s/runtimes", prefix);
	if (text_ends(prefix, "/build")) /* build/san/llmdeploy */
		dirs[(*n)++] = mem_printf("%s/runtimes", above);
	return dirs;
}

void runtime_dirs_free(char **dirs) {
	for (size_t i = 0; dirs && dirs[i]; i++)
		free(dirs[i]);
	free(dirs);
}

/* Names of all folders, then the sorted, unique ones in one block as fs_list gives them. */
struct found {
	struct arena *arena;
	const char **names;
	size_t n, cap;
};

static void add(struct found *f, const char *name) {
	size_t at = 0;

	while (at < f->n && strcmp(f->names[at], name) < 0)
		at++;
	if (at < f->n && !strcmp(f->names[at], name))
		return;
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 16;
		f->names = mem_grow(f->names, f->cap, sizeof *f->names);
	}
	memmove(f->names + at + 1, f->names + at, (f->n++ - at) * sizeof *f->names);
	f->names[at] = arena_strdup(f->arena, name);
}

static char **one_block(const struct found *f) {
	size_t bytes = (f->n + 1) * sizeof(char *);

	for (size_t i = 0; i < f->n; i++)
		bytes += strlen(f->names[i]) + 1;
	char **out = mem_zalloc(1, bytes), *text = (char *) (out + f->n + 1);

	for (size_t i = 0; i < f->n; i++) {
		out[i] = text;
		text = stpcpy(text, f->names[i]) + 1;
	}
	return out;
}

int runtime_list(const char *const *dirs, size_t n_dirs, char ***names, size_t *n, struct err *e) {
	struct arena *arena CLEANUP(arena_freep) = arena_new();
	struct found f = {.arena = arena};

	for (size_t i = 0; i < n_dirs; i++) {
		char **here CLEANUP(freep) = NULL;
		size_t n_here = 0;

		if (fs_list(AT_FDCWD, dirs[i], &here, &n_here, e)) {
			free(f.names);
			return -1;
		}
		for (size_t k = 0; k < n_here; k++)
			if (text_is_name(here[k]) && has_runtime(dirs[i], here[k]))
				add(&f, here[k]);
	}
	*names = one_block(&f);
	*n = f.n;
	free(f.names);
	return 0;
}
