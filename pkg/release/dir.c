/* SPDX-License-Identifier: Apache-2.0 */
#include "release/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"

int dir_open(int dir, const char *name, const char *shown, int *out, struct err *e) {
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is a link or a file where a directory should be: not followed",
			       shown);
	if (fd < 0 && errno != ENOENT)
		return err_sys(e, "cannot open directory '%s'", shown);
	*out = fd;
	return 0;
}

int dir_make(enum effect as, int dir, const char *name, const char *shown, int *out,
	     struct err *e) {
	int fd = -1;

	if (dir_open(dir, name, shown, &fd, e))
		return -1;
	if (fd < 0) {
		if (fs_mkdirs(as, dir, name, 0755, e))
			return err_wrap(e, "%s", shown);
		if (dir_open(dir, name, shown, &fd, e))
			return -1;
	}
	if (fd < 0)
		return err_set(e, ERR_SYS, "directory '%s' was removed while it was made", shown);
	*out = fd;
	return 0;
}

int dir_put(enum effect as, int dir, const char *name, const char *shown, const void *data,
	    size_t n, struct err *e) {
	int fd CLEANUP(closep) = fs_step_create(as, dir, name, O_WRONLY | O_EXCL, 0600);

	if (fd < 0)
		return err_sys(e, "cannot create '%s/%s'", shown, name);
	return fs_write_all(as, fd, data, n, name, e) || fs_seal(as, fd, 0444, name, e)
		? err_wrap(e, "%s", shown)
		: 0;
}

unsigned dir_number(const char *name, const char *suffix) {
	size_t n = strlen(name), tail = strlen(suffix);
	char digits[16];
	uint64_t v;

	if (n <= tail || n - tail > 9 || !text_ends(name, suffix) || name[0] == '0')
		return 0;
	memcpy(digits, name, n - tail);
	digits[n - tail] = 0;
	return text_u64(digits, &v) ? (unsigned) v : 0;
}

int dir_newest(int dir, const char *suffix, const char *shown, unsigned *newest, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	unsigned max = 0;
	size_t n;

	if (fs_list(dir, ".", &names, &n, e))
		return err_wrap(e, "%s", shown);
	for (size_t i = 0; i < n; i++)
		if (dir_number(names[i], suffix) > max)
			max = dir_number(names[i], suffix);
	*newest = max;
	return 0;
}

int dir_names(int dir, const char *name, const char *shown, bool (*is)(const char *), char ***names,
	      size_t *n, struct err *e) {
	char **all CLEANUP(freep) = NULL;
	int fd CLEANUP(closep) = -1;
	size_t have = 0, kept = 0;
	struct stat st;

	if (dir_open(dir, name, shown, &fd, e))
		return -1;
	if (fd < 0) {
		*names = mem_zalloc(1, sizeof **names);
		*n = 0;
		return 0;
	}
	if (fs_list(fd, ".", &all, &have, e))
		return err_wrap(e, "%s", shown);
	for (size_t i = 0; i < have; i++)
		if (is(all[i]) && !fstatat(fd, all[i], &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISDIR(st.st_mode))
			all[kept++] = all[i];
	all[kept] = NULL;
	*names = STEAL(all);
	*n = kept;
	return 0;
}
