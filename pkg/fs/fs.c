/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/step.h"

int fs_open_dir(int dir, const char *path, int *out, struct err *e) {
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open directory '%s'", path);
	*out = fd;
	return 0;
}

bool fs_exists(int dir, const char *path) {
	struct stat st;

	return !fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW);
}

static int make_one(enum effect as, int dir, const char *path, mode_t mode, struct err *e) {
	struct stat st;

	if (fs_exists(dir, path))
		errno = EEXIST;
	else if (!fs_step_mkdir(as, dir, path, mode))
		return fs_sync_parent(as, dir, path, e);
	if (errno != EEXIST)
		return err_sys(e, "cannot make directory '%s'", path);
	if (fstatat(dir, path, &st, 0) || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_SYS, "'%s' is in the way: it is not a directory", path);
	return 0;
}

int fs_mkdirs(enum effect as, int dir, const char *path, mode_t mode, struct err *e) {
	char *p CLEANUP(freep) = mem_strdup(path);

	for (char *s = p + 1; *p && *s; s++)
		if (*s == '/' && s[-1] != '/') {
			*s = 0;
			if (make_one(as, dir, p, mode, e))
				return -1;
			*s = '/';
		}
	return make_one(as, dir, p, mode, e);
}

static int slurp(int fd, const char *path, struct buf *out, struct err *e) {
	char chunk[65536];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_SYS, "'%s' is not a regular file", path);
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read '%s'", path);
		if (!n)
			return 0;
		if (!buf_add(out, chunk, (size_t) n))
			return err_set(e, ERR_SYS, "'%s' is larger than %zu bytes", path, out->cap);
	}
}

static int read_flags(int dir, const char *path, int flags, struct buf *out, struct err *e) {
	int fd CLEANUP(closep) = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);

	if (fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	return slurp(fd, path, out, e);
}

int fs_read(int dir, const char *path, struct buf *out, struct err *e) {
	return read_flags(dir, path, O_NOFOLLOW, out, e);
}

int fs_read_user(const char *path, struct buf *out, struct err *e) {
	return read_flags(AT_FDCWD, path, 0, out, e);
}

int fs_read_if(int dir, const char *path, struct buf *out, bool *found, struct err *e) {
	if (!fs_exists(dir, path)) {
		*found = false;
		return 0;
	}
	if (fs_read(dir, path, out, e))
		return -1;
	*found = true;
	return 0;
}

int fs_write_all(enum effect as, int fd, const void *data, size_t n, const char *name,
		 struct err *e) {
	return fs_step_write(as, fd, data, n) ? err_sys(e, "cannot write '%s'", name) : 0;
}

int fs_sync_dir(enum effect as, int dir, const char *path, struct err *e) {
	int fd CLEANUP(closep) = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fs_step_sync(as, fd))
		return err_sys(e, "cannot sync directory '%s'", path);
	return 0;
}

/* "a/b/c" -> "a/b", "c" -> ".", "/c" -> "/"; yours to free. */
static char *parent_of(const char *path) {
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_strdup(".");
	return mem_strndup(path, slash == path ? 1 : (size_t) (slash - path));
}

int fs_sync_parent(enum effect as, int dir, const char *path, struct err *e) {
	char *parent CLEANUP(freep) = parent_of(path);

	return fs_sync_dir(as, dir, parent, e);
}

/* Name beside `path` for what is not finished yet; `of` is the process that makes it. */
static char *aside_of(const char *path, const char *of) {
	char *parent CLEANUP(freep) = parent_of(path);
	const char *slash = strrchr(path, '/');

	return mem_printf("%s/.%s.tmp-%s", parent, slash ? slash + 1 : path, of);
}

static bool is_gone(const char *pid) {
	char *end;
	long n = strtol(pid, &end, 10);

	return n > 0 && !*end && n <= INT32_MAX && kill((pid_t) n, 0) && errno == ESRCH;
}

bool fs_is_left_over(const char *name) {
	const char *pid = name[0] == '.' ? strstr(name, ".tmp-") : NULL;

	return pid && is_gone(pid + strlen(".tmp-"));
}

/* Begin aside of `path`: what processes that were killed at it left there goes first. */
static char *aside_new(enum effect as, int dir, const char *path) {
	char *parent CLEANUP(freep) = parent_of(path),
		     *pid CLEANUP(freep) = mem_printf("%ld", (long) getpid());
	char *head CLEANUP(freep) = aside_of(path, ""), **names CLEANUP(freep) = NULL;
	const char *name = strrchr(head, '/') + 1;
	struct err unlisted = {0};
	size_t n;

	if (fs_list(dir, parent, &names, &n, &unlisted))
		n = 0;
	for (size_t i = 0; i < n; i++) {
		char *left CLEANUP(freep) = mem_printf("%s/%s", parent, names[i]);
		if (!strncmp(names[i], name, strlen(name)) && is_gone(names[i] + strlen(name)))
			(void) fs_step_unlink(as, dir, left, 0);
	}
	return aside_of(path, pid);
}

static int write_aside(enum effect as, int dir, const char *aside, const void *data, size_t n,
		       mode_t mode, struct err *e) {
	int fd CLEANUP(closep) = fs_step_create(as, dir, aside, O_WRONLY | O_TRUNC, 0600);

	if (fd < 0)
		return err_sys(e, "cannot create '%s'", aside);
	if (fs_write_all(as, fd, data, n, aside, e) ||
	    fs_seal(as, fd, mode, aside, e))
		return -1;
	return 0;
}

int fs_seal(enum effect as, int fd, mode_t mode, const char *name, struct err *e) {
	return fs_step_chmod(as, fd, mode) || fs_step_sync(as, fd)
		? err_sys(e, "cannot sync '%s'", name)
		: 0;
}

int fs_write(enum effect as, int dir, const char *path, const void *data, size_t n, mode_t mode,
	     struct err *e) {
	char *aside CLEANUP(freep) = aside_new(as, dir, path);

	if (write_aside(as, dir, aside, data, n, mode, e) ||
	    fs_rename(as, dir, aside, path, e)) {
		(void) fs_step_unlink(as, dir, aside, 0);
		return -1;
	}
	return 0;
}

int fs_rename(enum effect as, int dir, const char *from, const char *to, struct err *e) {
	char *a CLEANUP(freep) = parent_of(from), *b CLEANUP(freep) = parent_of(to);

	if (fs_step_rename(as, dir, from, to))
		return err_sys(e, "cannot rename '%s' to '%s'", from, to);
	if (fs_sync_dir(as, dir, b, e))
		return -1;
	return strcmp(a, b) ? fs_sync_dir(as, dir, a, e) : 0;
}

int fs_unlink(enum effect as, int dir, const char *path, struct err *e) {
	if (fs_step_unlink(as, dir, path, 0) && errno != ENOENT)
		return err_sys(e, "cannot remove '%s'", path);
	return 0;
}

static int remove_at(enum effect as, int dir, const char *name, const char *shown, int depth,
		     struct err *e) {
	struct stat st;
	char **names CLEANUP(freep) = NULL;
	size_t n;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : err_sys(e, "cannot look at '%s'", shown);
	if (!S_ISDIR(st.st_mode))
		return fs_step_unlink(as, dir, name, 0) && errno != ENOENT
			? err_sys(e, "cannot remove '%s'", shown)
			: 0;
	if (depth > 64)
		return err_set(e, ERR_SYS, "cannot remove '%s': more than 64 directories deep",
			       shown);
	int fd CLEANUP(closep) = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open directory '%s'", shown);
	(void) fs_step_chmod(as, fd, 0700);
	if (fs_list(fd, ".", &names, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (remove_at(as, fd, names[i], shown, depth + 1, e))
			return -1;
	return fs_step_unlink(as, dir, name, AT_REMOVEDIR) && errno != ENOENT
		? err_sys(e, "cannot remove '%s'", shown)
		: 0;
}

int fs_remove_tree(enum effect as, int dir, const char *path, struct err *e) {
	return remove_at(as, dir, path, path, 0, e);
}

int fs_flip(enum effect as, int dir, const char *path, const char *target, struct err *e) {
	char *aside CLEANUP(freep) = aside_new(as, dir, path);

	if (fs_exists(dir, aside) && fs_unlink(as, dir, aside, e))
		return -1;
	if (fs_step_symlink(as, target, dir, aside))
		return err_sys(e, "cannot make link '%s'", aside);
	if (fs_rename(as, dir, aside, path, e)) {
		(void) fs_step_unlink(as, dir, aside, 0);
		return -1;
	}
	return 0;
}

int fs_readlink(int dir, const char *path, char **out, struct err *e) {
	char target[4096];
	ssize_t n = readlinkat(dir, path, target, sizeof target - 1);

	if (n < 0 && errno == ENOENT) {
		*out = NULL;
		return 0;
	}
	if (n < 0 && errno == EINVAL)
		return err_set(e, ERR_SYS, "'%s' is in the way: it is not a symbolic link", path);
	if (n < 0)
		return err_sys(e, "cannot read link '%s'", path);
	*out = mem_strndup(target, (size_t) n);
	return 0;
}

static void closedirp(DIR **d) {
	if (*d)
		(void) closedir(*d);
}

static int compare_names(const void *a, const void *b) {
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Collected names, then moved into one block. */
static char **pack(char **names, size_t n, size_t bytes) {
	char **block = mem_zalloc((n + 1) * sizeof *block + bytes, 1);
	char *text = (char *) (block + n + 1);

	for (size_t i = 0; i < n; i++) {
		block[i] = strcpy(text, names[i]);
		text += strlen(names[i]) + 1;
	}
	qsort(block, n, sizeof *block, compare_names);
	return block;
}

int fs_list(int dir, const char *path, char ***names, size_t *n, struct err *e) {
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		*names = pack(NULL, 0, 0);
		*n = 0;
		return 0;
	}
	DIR *d CLEANUP(closedirp) = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_sys(e, "cannot list '%s'", path);
	struct arena *a CLEANUP(arena_freep) = arena_new();
	char **list CLEANUP(freep) = NULL;
	size_t have = 0, bytes = 0;
	for (struct dirent *entry; (entry = readdir(d));) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (have == 100000)
			return err_set(e, ERR_SYS, "'%s' has more than 100000 entries", path);
		if (!(have & (have + 1)))
			list = mem_grow(list, 2 * have + 2, sizeof *list);
		list[have++] = arena_strdup(a, entry->d_name);
		bytes += strlen(entry->d_name) + 1;
	}
	*names = pack(list, have, bytes);
	*n = have;
	return 0;
}

uint64_t fs_free_bytes(int dir) {
	struct statvfs v;

	return fstatvfs(dir, &v) ? 0 : (uint64_t) v.f_bavail * v.f_frsize;
}
