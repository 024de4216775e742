/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/step.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_step_create(enum effect as, int dir, const char *path, int flags, mode_t mode) {
	return failpoint_begin_call(as)
		? -1
		: failpoint_end(as,
				openat(dir, path, O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, mode));
}

static int write_all(int fd, const char *p, size_t n) {
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -1;
		p += w;
		n -= (size_t) w;
	}
	return 0;
}

/* A disk that gets full, or a plug that is pulled, leaves the beginning of what was written. */
static int write_half(enum fault f, int fd, const void *data, size_t n) {
	(void) write_all(fd, data, n / 2);
	if (f == FAULT_KILL)
		failpoint_kill();
	errno = f == FAULT_ENOSPC ? ENOSPC : f == FAULT_EIO ? EIO : EACCES;
	return -1;
}

int fs_step_write(enum effect as, int fd, const void *data, size_t n) {
	enum fault f = failpoint_begin(as);

	return f ? write_half(f, fd, data, n) : failpoint_end(as, write_all(fd, data, n));
}

int fs_step_sync(enum effect as, int fd) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, fsync(fd));
}

int fs_step_datasync(enum effect as, int fd) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, fdatasync(fd));
}

int fs_step_rename(enum effect as, int dir, const char *from, const char *to) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, renameat(dir, from, dir, to));
}

int fs_step_unlink(enum effect as, int dir, const char *path, int flags) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, unlinkat(dir, path, flags));
}

int fs_step_mkdir(enum effect as, int dir, const char *path, mode_t mode) {
	/* The umask must not decide who may enter. */
	return failpoint_begin_call(as)
		? -1
		: failpoint_end(as,
				mkdirat(dir, path, mode) || fchmodat(dir, path, mode, 0) ? -1 : 0);
}

int fs_step_symlink(enum effect as, const char *target, int dir, const char *path) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, symlinkat(target, dir, path));
}

int fs_step_truncate(enum effect as, int fd, off_t size) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, ftruncate(fd, size));
}

int fs_step_chmod(enum effect as, int fd, mode_t mode) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, fchmod(fd, mode));
}

int fs_step_chown(enum effect as, int fd, uid_t owner) {
	return failpoint_begin_call(as) ? -1 : failpoint_end(as, fchown(fd, owner, (gid_t) -1));
}
