/* SPDX-License-Identifier: Apache-2.0 */
/* tmp/: every file in it is locked by the living process that writes it, so what can be locked is
 * dead. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "store/internal.h"

enum { PART_DAYS = 7 };

/* Of the open file description: other descriptors of the process do not undo it. */
static bool lock(int fd) {
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return !fcntl(fd, F_OFD_SETLK, &l);
}

/* Between open and lock another process may have removed or moved the file. */
static bool still_named(struct store *s, const char *name, int fd) {
	struct stat a, b;

	return !fstat(fd, &a) && !fstatat(s->dir, name, &b, AT_SYMLINK_NOFOLLOW) &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int store_tmp_lock(struct store *s, const char *name, int *out, struct err *e) {
	for (int tries = 0; tries < 100; tries++) {
		int fd CLEANUP(closep) = fs_step_create(EFFECT_STORE_WRITE, s->dir, name, O_RDWR,
							0600);
		if (fd < 0)
			return err_sys(e, "cannot open '%s/%s'", s->path, name);
		if (!lock(fd)) {
			if (errno != EAGAIN && errno != EACCES)
				return err_sys(e, "cannot lock '%s/%s'", s->path, name);
			*out = -1;
			return 0;
		}
		if (still_named(s, name, fd)) {
			*out = fd;
			fd = -1;
			return 0;
		}
	}
	*out = -1; /* others are busy with it */
	return 0;
}

int store_tmp_new(struct store *s, char name[STORE_NAME], int *out, struct err *e) {
	unsigned char random[8];
	char hex[2 * sizeof random + 1];
	int fd = -1;

	if (crypto_random(random, sizeof random, e))
		return -1;
	text_hex(random, sizeof random, hex);
	(void) snprintf(name, STORE_NAME, "tmp/w-%ld-%s", (long) getpid(), hex);
	if (store_tmp_lock(s, name, &fd, e))
		return -1;
	if (fd < 0)
		return err_set(e, ERR_SYS, "cannot lock '%s/%s'", s->path, name);
	*out = fd;
	return 0;
}

int store_check_room(struct store *s, const char *what, uint64_t size, struct err *e) {
	uint64_t free_bytes = fs_free_bytes(s->dir);
	char needs[TEXT_BYTES], has[TEXT_BYTES];

	if (size <= free_bytes || !free_bytes) /* 0 is also "not known": the write will tell */
		return 0;
	text_format_bytes(size, needs);
	text_format_bytes(free_bytes, has);
	return err_set(e, ERR_SYS, "not enough space for %s in '%s': it needs %s, %s is free", what,
		       s->path, needs, has);
}

static int full(struct store *s, const char *what, uint64_t size, struct err *e) {
	char needs[TEXT_BYTES], has[TEXT_BYTES];

	text_format_bytes(size, needs);
	text_format_bytes(fs_free_bytes(s->dir), has);
	if (!size)
		return err_set(e, ERR_SYS, "not enough space for %s in '%s': %s is free", what,
			       s->path, has);
	return err_set(e, ERR_SYS, "not enough space for %s in '%s': it needs %s, %s is free", what,
		       s->path, needs, has);
}

int store_append(struct store *s, int fd, const void *data, size_t n, const char *what,
		 uint64_t size, struct err *e) {
	if (!fs_step_write(EFFECT_STORE_WRITE, fd, data, n))
		return 0;
	if (errno == ENOSPC || errno == EDQUOT)
		return full(s, what, size, e);
	return err_sys(e, "cannot write %s in '%s'", what, s->path);
}

static int make_dir(struct store *s, const char *sha256, struct err *e) {
	char dir[STORE_NAME];

	(void) snprintf(dir, sizeof dir, "sha256/%.2s", sha256);
	return fs_mkdirs(EFFECT_STORE_DIR, s->dir, dir, 0755, e);
}

int store_adopt(struct store *s, int fd, const char *name, const char *sha256, struct err *e) {
	char object[STORE_NAME];
	struct stat st;

	store_object_name("sha256", sha256, object);
	if (make_dir(s, sha256, e))
		return err_wrap(e, "cannot keep an object in '%s'", s->path);
	store_receipt_remove(s, sha256);
	if (fs_step_chmod(EFFECT_STORE_SYNC, fd, 0444) || fs_step_sync(EFFECT_STORE_SYNC, fd))
		return err_sys(e, "cannot sync '%s/%s'", s->path, name);
	if (fs_rename(EFFECT_STORE_RENAME, s->dir, name, object, e))
		return err_wrap(e, "cannot keep an object in '%s'", s->path);
	if (!fstat(fd, &st)) /* after the rename: it changes ctime */
		store_receipt_write(s, sha256, &st);
	return 0;
}

/* Is it time for this one? Called with its lock held. */
static bool is_litter(const char *name, int fd, bool parts) {
	struct stat st;

	if (parts || !text_ends(name, ".part") || fstat(fd, &st))
		return true;
	return !st.st_size || clock_unix() - st.st_mtim.tv_sec > (int64_t) PART_DAYS * 86400;
}

int store_clean(struct store *s, bool parts, size_t *removed, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t n, gone = 0;

	if (fs_list(s->dir, "tmp", &names, &n, e))
		return err_wrap(e, "cannot clean '%s'", s->path);
	for (size_t i = 0; i < n; i++) {
		char *name CLEANUP(freep) = mem_printf("tmp/%s", names[i]);
		int fd CLEANUP(closep) = openat(s->dir, name,
						O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0 || !lock(fd) || !still_named(s, name, fd) ||
		    !is_litter(names[i], fd, parts))
			continue;
		if (fs_unlink(EFFECT_STORE_CLEAN, s->dir, name, e))
			return err_wrap(e, "cannot clean '%s'", s->path);
		gone++;
	}
	if (removed)
		*removed = gone;
	return 0;
}
