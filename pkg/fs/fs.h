/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/failpoint.h"

struct err;
struct buf;
struct bytes;

/* Files, always beneath an open directory, always close-on-exec, never through
 * a symbolic link in the last component unless it says so. `dir` may be
 * AT_FDCWD; `path` is then as the user gave it and appears in messages.
 * All failures are ERR_SYS with the path in quotes and the system's reason.
 *
 * What changes a file takes first the name of the effect that it is a part of (base/failpoint.h);
 * EFFECT_NONE is for tests, and for pipes. */

int fs_open_dir(int dir, const char *path, int *out, struct err *e);
/* With its parents, each synced into its own; existing is fine; a file in the way is not. */
int fs_mkdirs(enum effect as, int dir, const char *path, mode_t mode, struct err *e);
bool fs_exists(int dir, const char *path); /* lstat succeeds */

/* Whole file into `out`. ERR_SYS also if it is not a regular file or larger than
 * the buffer's cap ("'x' is larger than 1048576 bytes"). */
int fs_read(int dir, const char *path, struct buf *out, struct err *e);
/* The same through symbolic links: for files that the user named. */
int fs_read_user(const char *path, struct buf *out, struct err *e);
/* The open file as bytes to be read by pread; *fd is kept by address and must stay open and in
 * place. ERR_SPEC where it is not a regular file. A read that finds it shorter than it was is
 * ERR_SYS. */
int fs_bytes(const int *fd, const char *name, struct bytes *out, struct err *e);
/* As fs_read; *found false (and 0 returned) when there is no such file. */
int fs_read_if(int dir, const char *path, struct buf *out, bool *found, struct err *e);

/* Write aside (".NAME.tmp-PID"; those of processes that are gone are removed), fsync, rename over,
 * fsync the directory. On -1 the old file stands and nothing is left aside. */
int fs_write(enum effect as, int dir, const char *path, const void *data, size_t n, mode_t mode,
	     struct err *e);
/* Is it ".NAME.tmp-PID", left by a process that is gone? */
bool fs_is_left_over(const char *name);
/* plain, retried */
int fs_write_all(enum effect as, int fd, const void *data, size_t n, const char *name,
		 struct err *e);
/* Mode and fsync: for a file that nobody will change. */
int fs_seal(enum effect as, int fd, mode_t mode, const char *name, struct err *e);
int fs_sync_dir(enum effect as, int dir, const char *path, struct err *e);
/* fsync the directory that holds `path`. */
int fs_sync_parent(enum effect as, int dir, const char *path, struct err *e);
/* and fsync both parents */
int fs_rename(enum effect as, int dir, const char *from, const char *to, struct err *e);
int fs_unlink(enum effect as, int dir, const char *path, struct err *e); /* absent is fine */
/* absent is fine; never follows links; at most 64 deep */
int fs_remove_tree(enum effect as, int dir, const char *path, struct err *e);

/* Make or replace the link `path` -> `target` atomically (symlinkat aside, renameat, fsync of the
 * directory). */
int fs_flip(enum effect as, int dir, const char *path, const char *target, struct err *e);
/* Target of a link; *out is NULL when there is no such link. Yours to free. */
int fs_readlink(int dir, const char *path, char **out, struct err *e);

/* Names in a directory, sorted bytewise, without "." and "..", as a NULL-terminated array in one
 * block: free(names). An absent directory has no names. At most 100,000. */
int fs_list(int dir, const char *path, char ***names, size_t *n, struct err *e);

/* An exclusive kernel lock on an open file (made if absent): it dies with the
 * process. `holder` is written into the file for people. Waits at most wait_ms;
 * ERR_BUSY names who holds it, from the file. *fd is the lock: close it to release. */
int fs_file_lock(int dir, const char *path, const char *holder, uint64_t wait_ms, int *out,
		 struct err *e);

/* What its holder wrote there, while it is held; *holder NULL: nobody holds it. Takes nothing, and
 * needs no right but to read. free(*holder). */
int fs_file_lock_holder(int dir, const char *path, char **holder, struct err *e);

/* Free bytes of the file system that holds the directory; 0 where unknown. */
uint64_t fs_free_bytes(int dir);
