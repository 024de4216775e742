/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "store/internal.h"
#include "json/json.h"

enum { NOTE_MAX = 1 << 20 };

int store_open(int root_fd, const char *root_path, struct store **out, struct err *e) {
	static const char *const dirs[] = {"store", "store/sha256", "store/receipts", "store/notes",
					   "store/tmp"};
	char root[PATH_MAX];
	int dir;

	if (!realpath(root_path, root))
		return err_sys(e, "cannot find '%s'", root_path);
	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		if (fs_mkdirs(EFFECT_STORE_DIR, root_fd, dirs[i], 0755, e))
			return err_wrap(e, "cannot make the store in '%s'", root);
	if (fs_open_dir(root_fd, "store", &dir, e))
		return err_wrap(e, "cannot open the store in '%s'", root);
	struct store *s = mem_zalloc(1, sizeof *s);
	s->dir = dir;
	s->path = mem_printf("%s/store", strcmp(root, "/") ? root : "");
	*out = s;
	return 0;
}

void store_free(struct store *s) {
	if (!s)
		return;
	http_free(s->http);
	(void) close(s->dir);
	free(s->path);
	free(s);
}

void store_freep(struct store **s) {
	store_free(*s);
	*s = NULL;
}

void store_object_name(const char *kind, const char *sha256, char out[STORE_NAME]) {
	assert(text_is_sha256(sha256));
	(void) snprintf(out, STORE_NAME, "%s/%.2s/%s", kind, sha256, sha256);
}

char *store_path(const struct store *s, const char *sha256) {
	char name[STORE_NAME];

	store_object_name("sha256", sha256, name);
	return mem_printf("%s/%s", s->path, name);
}

/* An open object and what fstat says; *fd is -1 where there is none. */
static int open_raw(struct store *s, const char *sha256, int *out, struct stat *st, struct err *e) {
	char name[STORE_NAME];

	store_object_name("sha256", sha256, name);
	int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT && errno != ELOOP)
		return err_sys(e, "cannot open '%s/%s'", s->path, name);
	if (fd < 0 ? errno == ELOOP : fstat(fd, st) || !S_ISREG(st->st_mode)) {
		if (fd >= 0)
			(void) close(fd);
		return err_set(e, ERR_INTEGRITY, "'%s/%s' is not a regular file; remove it",
			       s->path, name);
	}
	*out = fd;
	return 0;
}

int store_has(struct store *s, const char *sha256, bool *has, uint64_t *size, struct err *e) {
	struct stat st;
	char name[STORE_NAME];

	store_object_name("sha256", sha256, name);
	if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno != ENOENT)
			return err_sys(e, "cannot look at '%s/%s'", s->path, name);
		*has = false;
		return 0;
	}
	*has = S_ISREG(st.st_mode) && store_receipt_fits(s, sha256, &st);
	if (*has && size)
		*size = (uint64_t) st.st_size;
	return 0;
}

/* The bytes behind fd are those of the name; then there is a receipt for them. */
static int check_bytes(struct store *s, const char *sha256, int fd, struct err *e) {
	char found[SHA256_HEX];
	char *path CLEANUP(freep) = store_path(s, sha256);
	struct stat before, after;

	if (fstat(fd, &before) || sha256_file(fd, path, found, NULL, e))
		return err_wrap(e, "cannot verify an object of the store");
	if (strcmp(found, sha256)) {
		store_receipt_remove(s, sha256);
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has changed: its bytes have the digest %s; fetch it again",
			       path, found);
	}
	/* A receipt is for bytes that nobody touched while they were hashed. */
	if (!fstat(fd, &after) && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
	    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec && before.st_size == after.st_size)
		store_receipt_write(s, sha256, &after);
	return 0;
}

static int verified(struct store *s, const char *sha256, bool paranoid, int *out, struct err *e) {
	int fd CLEANUP(closep) = -1;
	struct stat st;

	if (open_raw(s, sha256, &fd, &st, e))
		return -1;
	if (fd < 0)
		return err_set(e, ERR_INTEGRITY, "%s is not in the store '%s'; fetch it again",
			       sha256, s->path);
	if ((paranoid || !store_receipt_fits(s, sha256, &st)) && check_bytes(s, sha256, fd, e))
		return -1;
	if (out) {
		*out = fd;
		fd = -1;
	}
	return 0;
}

int store_verify(struct store *s, const char *sha256, bool paranoid, struct err *e) {
	return verified(s, sha256, paranoid, NULL, e);
}

int store_open_object(struct store *s, const char *sha256, int *fd, struct err *e) {
	return verified(s, sha256, false, fd, e);
}

int store_remove(struct store *s, const char *sha256, struct err *e) {
	char name[STORE_NAME];

	store_object_name("sha256", sha256, name);
	store_receipt_remove(s, sha256);
	if (!fs_exists(s->dir, name))
		return 0;
	if (fs_unlink(EFFECT_STORE_REMOVE, s->dir, name, e) ||
	    fs_sync_parent(EFFECT_STORE_REMOVE, s->dir, name, e))
		return err_wrap(e, "cannot remove an object of '%s'", s->path);
	return 0;
}

static int each_in(struct store *s, const char *head,
		   int (*each)(void *, const char *, uint64_t, struct err *), void *ctx,
		   struct err *e) {
	char *dir CLEANUP(freep) = mem_printf("sha256/%s", head);
	char **names CLEANUP(freep) = NULL;
	struct stat st;
	size_t n;

	if (fs_list(s->dir, dir, &names, &n, e))
		return err_wrap(e, "cannot walk '%s'", s->path);
	for (size_t i = 0; i < n; i++) {
		char name[STORE_NAME];
		if (!text_is_sha256(names[i]) || !text_starts(names[i], head))
			continue;
		store_object_name("sha256", names[i], name);
		if (fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		if (each(ctx, names[i], (uint64_t) st.st_size, e))
			return -1;
	}
	return 0;
}

int store_each(struct store *s,
	       int (*each)(void *ctx, const char *sha256, uint64_t size, struct err *e), void *ctx,
	       struct err *e) {
	char **heads CLEANUP(freep) = NULL;
	size_t n;

	if (fs_list(s->dir, "sha256", &heads, &n, e))
		return err_wrap(e, "cannot walk '%s'", s->path);
	for (size_t i = 0; i < n; i++)
		if (strlen(heads[i]) == 2 && each_in(s, heads[i], each, ctx, e))
			return -1;
	return 0;
}

static bool is_word(const char *s, size_t n) {
	static const char chars[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return n && *s != '.' && strspn(s, chars) >= n;
}

/* "notes/KIND/KEY"; yours. A name is ours, never a user's. */
static char *note_path(const char *name) {
	size_t kind = strcspn(name, "/");

	assert(name[kind] && is_word(name, kind) &&
	       is_word(name + kind + 1, strlen(name + kind + 1)));
	return mem_printf("notes/%s", name);
}

int store_note_get(struct store *s, const char *name, struct buf *out, bool *found, struct err *e) {
	char *path CLEANUP(freep) = note_path(name);

	return fs_read_if(s->dir, path, out, found, e)
		? err_wrap(e, "cannot read a note of '%s'", s->path)
		: 0;
}

int store_note_put(struct store *s, const char *name, const void *data, size_t n, struct err *e) {
	char *path CLEANUP(freep) = note_path(name);
	char *kind CLEANUP(freep) = mem_strndup(path, (size_t) (strrchr(path, '/') - path));

	assert(n <= NOTE_MAX);
	if (fs_mkdirs(EFFECT_STORE_NOTE, s->dir, kind, 0755, e) ||
	    fs_write(EFFECT_STORE_NOTE, s->dir, path, data, n, 0644, e))
		return err_wrap(e, "cannot write a note in '%s'", s->path);
	return 0;
}

int store_quarantine(struct store *s, const char *sha256, char **name, struct err *e) {
	char from[STORE_NAME], stamp[CLOCK_STAMP];

	store_object_name("sha256", sha256, from);
	*name = NULL;
	if (!fs_exists(s->dir, from))
		return 0;
	clock_stamp(clock_unix(), stamp);
	char *to = mem_printf("quarantine/%.64s.%s.%u", sha256, stamp,
			      (unsigned) (clock_mono_us() % 1000000));
	store_receipt_remove(s, sha256);
	if (fs_mkdirs(EFFECT_STORE_DIR, s->dir, "quarantine", 0755, e) ||
	    fs_rename(EFFECT_STORE_RENAME, s->dir, from, to, e)) {
		free(to);
		return err_wrap(e, "cannot quarantine an object of '%s'", s->path);
	}
	*name = to;
	return 0;
}

uint64_t store_age_s(struct store *s, const char *sha256) {
	char name[STORE_NAME];
	struct stat st;

	store_object_name("sha256", sha256, name);
	int64_t age = fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW)
		? 0
		: clock_unix() - (int64_t) st.st_ctim.tv_sec;
	return age > 0 ? (uint64_t) age : 0;
}
