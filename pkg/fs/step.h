/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/failpoint.h"

/* The single steps that change a file system: the system call of that name, between the failpoints
 * of the effect that it is a part of. -1 with errno. No other file of the program calls these (make
 * lint); what is used most is whole in fs/fs.h. */
/* openat, with O_CREAT, O_CLOEXEC, O_NOFOLLOW */
int fs_step_create(enum effect as, int dir, const char *path, int flags, mode_t mode);
/* all of it, retried */
int fs_step_write(enum effect as, int fd, const void *data, size_t n);
int fs_step_sync(enum effect as, int fd);
int fs_step_datasync(enum effect as, int fd);
int fs_step_rename(enum effect as, int dir, const char *from, const char *to);
int fs_step_unlink(enum effect as, int dir, const char *path, int flags);
int fs_step_mkdir(enum effect as, int dir, const char *path, mode_t mode); /* with just this mode */
int fs_step_symlink(enum effect as, const char *target, int dir, const char *path);
int fs_step_truncate(enum effect as, int fd, off_t size);
int fs_step_chmod(enum effect as, int fd, mode_t mode);
int fs_step_chown(enum effect as, int fd, uid_t owner);
