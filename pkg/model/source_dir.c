/* SPDX-License-Identifier: Apache-2.0 */
#include "model/source_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "store/store.h"

int source_dir_of_path(const char *path, bool is_dir, struct source_dir *out, struct err *e) {
	const char *slash = strrchr(path, '/');
	size_t n = is_dir ? strlen(path) : slash ? (size_t) (slash - path) + 1 : 0;
	char *folder CLEANUP(freep) = n ? mem_strndup(path, n) : mem_strdup(".");

	out->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (out->dir < 0)
		return err_sys(e, "cannot open '%s'", folder);
	out->base = n ? mem_printf("%s%s", folder, folder[n - 1] == '/' ? "" : "/")
		      : mem_strdup("");
	out->first = mem_strdup(path + n);
	return 0;
}

void source_dir_of_source(struct http *http, const char *source, struct source_dir *out) {
	size_t all = strcspn(source, "?#"), n = all;

	while (n && source[n - 1] != '/')
		n--;
	out->http = http;
	out->base = mem_strndup(source, n);
	out->query = mem_strdup(source + all);
	out->first = mem_strndup(source + n, all - n);
}

void source_dir_done(struct source_dir *p) {
	if (p->dir >= 0)
		(void) close(p->dir);
	free(p->base);
	free(p->query);
	free(p->first);
	*p = (struct source_dir) SOURCE_DIR_INIT;
}

static int open_here(const struct source_dir *p, const char *name, struct part *f, bool *found,
		     struct err *e) {
	f->fd = openat(p->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	*found = f->fd >= 0;
	if (f->fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open '%s'", f->name);
	return fs_bytes(&f->fd, f->name, &f->bytes, e);
}

static int open_there(const struct source_dir *p, const char *name, struct part *f, bool *found,
		      struct err *e) {
	char *source CLEANUP(freep) = mem_printf("%s%s%s", p->base, name, p->query);

	free(f->name);
	f->name = store_source_shown(source);
	if (remote_open(p->http, source, f->name, &f->remote, &f->bytes, e))
		return -1;
	*found = f->remote;
	return 0;
}

int source_dir_open(const struct source_dir *p, const char *name, struct part **out,
		    struct err *e) {
	struct part *f CLEANUP(part_freep) = NULL;
	bool found;

	if (!*name || strchr(name, '/') || !strcmp(name, ".."))
		return err_set(e, ERR_SPEC, "'%.200s' is no name of a file beside the others",
			       name);
	f = mem_zalloc(1, sizeof *f);
	f->fd = -1;
	f->name = mem_printf("%s%s", p->base, name);
	if (p->dir >= 0 ? open_here(p, name, f, &found, e) : open_there(p, name, f, &found, e))
		return -1;
	*out = found ? STEAL(f) : NULL;
	return 0;
}

int source_dir_need(const struct source_dir *p, const char *name, const char *why,
		    struct part **out, struct err *e) {
	if (source_dir_open(p, name, out, e))
		return -1;
	if (!*out)
		return err_set(e, ERR_INTEGRITY, "'%s%.200s' is missing: %s", p->base, name, why);
	return 0;
}

void part_free(struct part *p) {
	if (!p)
		return;
	if (p->fd >= 0)
		(void) close(p->fd);
	remote_free(p->remote);
	free(p->name);
	free(p);
}

void part_freep(struct part **p) {
	part_free(*p);
}
