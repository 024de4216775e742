/* SPDX-License-Identifier: Apache-2.0 */
#include "root/root.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"

enum { DEEP = 8 };

/* What stands where. A path that no row names may be a file or a directory, of the root's owner. */
static const struct layout_row {
	const char *pattern; /* fnmatch, each '*' within one name */
	mode_t kind;
	bool of_instance; /* may belong to the uid of instances and gateway */
} layout[] = {
	{"root-id", S_IFREG, false},
	{"config.yaml", S_IFREG, false},
	{"host.json", S_IFREG, false},
	{"lock", S_IFREG, false},
	{"journal", S_IFREG, false},
	{"journal.*", S_IFREG, false},
	{"routes", S_IFDIR, false},
	{"routes/*", S_IFDIR, false},
	{"routes/*/lock", S_IFREG, false},
	{"routes/*/journal", S_IFREG, false},
	{"routes/*/journal.*", S_IFREG, false},
	{"routes/*/active", S_IFLNK, false},
	{"routes/*/releases", S_IFDIR, false},
	{"routes/*/releases/*", S_IFDIR, false},
	{"routes/*/releases/*/*.json", S_IFREG, false},
	{"routes/*/releases/*/manifest.yaml", S_IFREG, false},
	{"routes/*/releases/*/pinned", S_IFREG, false},
	{"routes/*/releases/*/evidence", S_IFDIR, false},
	{"routes/*/releases/*/evidence/*", S_IFREG, false},
	{"routes/*/attempts", S_IFDIR, false},
	{"routes/*/attempts/*", S_IFDIR, false},
	{"routes/*/attempts/*/*", S_IFREG, false},
	{"run", S_IFDIR, false},
	{"run/*", S_IFDIR, true},
	{"run/*/*", S_IFDIR, true},
	{"run/*/*.sock", S_IFSOCK, true},
	{"run/*/*.sock", S_IFLNK, true},
	{"run/*/*/*.sock", S_IFLNK, true},
	{"store", S_IFDIR, false},
	{"store/*", S_IFDIR, false},
	{"store/*/*", S_IFDIR, false},
	{"store/tmp/*", S_IFREG, false},
	{"store/quarantine/*", S_IFREG, false},
	{"store/sha256/*/*", S_IFREG, false},
	{"store/receipts/*/*", S_IFREG, false},
	{"store/notes/*/*", S_IFREG, false},
	{"gateway", S_IFDIR, true},
	{"gateway/*", S_IFREG, true},
	{"gateway/*", S_IFSOCK, true},
	{"gateway/*", S_IFDIR, true},
	{"gateway/*/*", S_IFREG, true},
};

struct layout_check {
	const struct root *root;
	const char *route;
	root_layout_found *found;
	void *ctx;
};

static const char *kind_of(mode_t mode) {
	switch (mode & S_IFMT) {
	case S_IFREG: return "a file";
	case S_IFDIR: return "a directory";
	case S_IFLNK: return "a symbolic link";
	case S_IFSOCK: return "a socket";
	case S_IFIFO: return "a pipe";
	default: return "a device";
	}
}

/* The row for this path and this kind; *named is a row for the path, whatever its kind. */
static const struct layout_row *row_of(const char *path, mode_t mode,
				       const struct layout_row **named) {
	*named = NULL;
	for (size_t i = 0; i < sizeof layout / sizeof *layout; i++) {
		if (fnmatch(layout[i].pattern, path, FNM_PATHNAME))
			continue;
		if (layout[i].kind == (mode & S_IFMT))
			return *named = &layout[i];
		if (!*named)
			*named = &layout[i];
	}
	return NULL;
}

static void look_owner(const struct layout_check *s, const char *path, const struct stat *st,
		       bool of_instance) {
	char want[64], have[64];

	if (st->st_uid == s->root->owner || (of_instance && st->st_uid == s->root->instance_uid))
		return;
	(void) snprintf(want, sizeof want, "of uid %u",
			of_instance ? s->root->instance_uid : s->root->owner);
	(void) snprintf(have, sizeof have, "of uid %u", st->st_uid);
	s->found(s->ctx, path, want, have);
}

static void look_at(const struct layout_check *s, const char *path, const struct stat *st) {
	const struct layout_row *named, *p = row_of(path, st->st_mode, &named);

	if (!p && named)
		s->found(s->ctx, path, kind_of(named->kind), kind_of(st->st_mode));
	else if (!p && !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		s->found(s->ctx, path, "a file or a directory", kind_of(st->st_mode));
	look_owner(s, path, st, p && p->of_instance);
	if (!S_ISLNK(st->st_mode) && !S_ISSOCK(st->st_mode) && (st->st_mode & S_IWOTH))
		s->found(s->ctx, path, "not writable by everybody", "writable by everybody");
}

static int walk(const struct layout_check *s, int dir, const char *shown, unsigned deep,
		struct err *e);

static int enter(const struct layout_check *s, int dir, const char *name, const char *path,
		 unsigned deep, struct err *e) {
	int fd CLEANUP(closep) = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	return walk(s, fd, path, deep + 1, e);
}

static int walk(const struct layout_check *s, int dir, const char *shown, unsigned deep,
		struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (deep > DEEP) {
		s->found(s->ctx, shown, "nothing so deep", "further directories");
		return 0;
	}
	if (fs_list(dir, ".", &names, &n, e))
		return err_wrap(e, "cannot walk '%s'", *shown ? shown : s->root->path);
	for (size_t i = 0; i < n; i++) {
		char *path CLEANUP(freep) = mem_printf("%s%s%s", shown, *shown ? "/" : "",
						       names[i]);
		struct stat st;
		if (s->route && !strcmp(shown, "routes") && strcmp(names[i], s->route))
			continue;
		/* Gone since it was listed: someone works here. */
		if (fstatat(dir, names[i], &st, AT_SYMLINK_NOFOLLOW))
			continue;
		look_at(s, path, &st);
		if (S_ISDIR(st.st_mode) && enter(s, dir, names[i], path, deep, e))
			return -1;
	}
	return 0;
}

int root_layout_check(const struct root *r, const char *route, root_layout_found *found, void *ctx,
		      struct err *e) {
	const struct layout_check s = {r, route, found, ctx};

	return walk(&s, r->fd, "", 0, e);
}
