/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "store/store.h"

/* FIPS 180-4: "abc" */
static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/* of nothing */
static const char NONE[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct fixture {
	char root[48];
	int fd; /* ROOT/store */
	struct store *s;
};

/* A root of its own for each test, under a umask that would shut the engine out. */
static int enter(void **state) {
	struct fixture *p = mem_zalloc(1, sizeof *p);
	struct err e;
	int root CLEANUP(closep) = -1;

	(void) umask(077);
	(void) strcpy(p->root, "/tmp/llmdeploy-store-XXXXXX");
	if (!mkdtemp(p->root) ||
	    fs_open_dir(AT_FDCWD, p->root, &root, &e) ||
	    store_open(root, p->root, &p->s, &e) ||
	    fs_open_dir(root, "store", &p->fd, &e))
		return -1;
	*state = p;
	return 0;
}

static int leave(void **state) {
	struct fixture *p = *state;
	struct err e;

	store_free(p->s);
	(void) close(p->fd);
	int r = fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->root, &e);
	free(p);
	return r;
}

#define OBJECT "sha256/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define RECEIPT "receipts/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void put_abc(struct fixture *p) {
	char sha[65];
	struct err e = {0};

	assert_int_equal(store_put(p->s, "abc", 3, sha, &e), 0);
	assert_string_equal(sha, ABC);
}

static bool has(struct fixture *p, const char *sha) {
	struct err e = {0};
	bool there = false;

	assert_int_equal(store_has(p->s, sha, &there, NULL, &e), 0);
	return there;
}

static mode_t mode_of(struct fixture *p, const char *name) {
	struct stat st = {0};

	assert_int_equal(fstatat(p->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static size_t in_tmp(struct fixture *p) {
	char **names CLEANUP(freep) = NULL;
	struct err e;
	size_t n = 0;

	assert_int_equal(fs_list(p->fd, "tmp", &names, &n, &e), 0);
	return n;
}

static void an_object(void **state) {
	struct fixture *p = *state;
	char *path CLEANUP(freep) = store_path(p->s, ABC),
		   *expect CLEANUP(freep) = mem_printf("%s/store/" OBJECT, p->root);
	struct err e = {0};
	uint64_t size = 0;
	bool there = true;
	char text[4] = "";
	int fd CLEANUP(closep) = -1;

	assert_string_equal(path, expect);
	assert_int_equal(store_has(p->s, ABC, &there, &size, &e), 0);
	assert_false(there);
	put_abc(p);
	put_abc(p);
	assert_int_equal(store_has(p->s, ABC, &there, &size, &e), 0);
	assert_true(there);
	assert_int_equal(size, 3);
	assert_int_equal(store_open_object(p->s, ABC, &fd, &e), 0);
	assert_int_equal(read(fd, text, sizeof text), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(in_tmp(p), 0);
	/* Whoever runs the engine may read it, nobody may write it. */
	assert_int_equal(mode_of(p, OBJECT), 0444);
	assert_int_equal(mode_of(p, "sha256/ba"), 0755);
	assert_int_equal(mode_of(p, "sha256"), 0755);
	assert_int_equal(mode_of(p, "."), 0755);
}

static void nothing_is_an_object_too(void **state) {
	struct fixture *p = *state;
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	struct err e = {0};
	char sha[65];

	assert_int_equal(store_begin(p->s, "nothing", 0, &w, &e), 0);
	assert_int_equal(store_commit(w, NONE, sha, &e), 0);
	assert_string_equal(sha, NONE);
	assert_true(has(p, NONE));
}

static void a_stream(void **state) {
	struct fixture *p = *state;
	struct err e = {0};
	char sha[65];
	struct store_writer *w = NULL;

	assert_int_equal(store_begin(p->s, "the layer", 3, &w, &e), 0);
	assert_int_equal(store_write(w, "a", 1, &e), 0);
	assert_int_equal(store_write(w, "bc", 2, &e), 0);
	assert_int_equal(in_tmp(p), 1);
	assert_int_equal(store_commit(w, NONE, sha, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_string_equal(
		e.msg,
		"the layer has the digest "
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad instead of "
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855; nothing of it "
		"was kept");
	store_abort(w);
	assert_int_equal(in_tmp(p), 0);
	assert_false(has(p, ABC));
	store_abort(NULL);
}

/* --- receipts --- */

static void rewrite(struct fixture *p, const char *name, const char *text, size_t n) {
	int fd CLEANUP(closep) = -1;

	if (!fs_exists(p->fd, name))
		fd = openat(p->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	else if (!fchmodat(p->fd, name, 0644, 0))
		fd = openat(p->fd, name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, text, n), n);
}

static void lose_receipt(struct fixture *p) {
	assert_int_equal(unlinkat(p->fd, RECEIPT, 0), 0);
}

static void spoil_receipt(struct fixture *p) {
	rewrite(p, RECEIPT, "{\"dev\":\"1\",", 11);
}

static void empty_receipt(struct fixture *p) {
	rewrite(p, RECEIPT, "", 0);
}

static void fake_receipt(struct fixture *p) {
	rewrite(p, RECEIPT, "[1]", 3);
}

static void touch_object(struct fixture *p) {
	assert_int_equal(utimensat(p->fd, OBJECT, NULL, 0), 0);
}

static void same_bytes_again(struct fixture *p) {
	rewrite(p, OBJECT, "abc", 3);
}

static void replace_object(struct fixture *p) {
	rewrite(p, "sha256/ba/new", "abc", 3);
	assert_int_equal(renameat(p->fd, "sha256/ba/new", p->fd, OBJECT), 0);
}

static void flip_byte(struct fixture *p) {
	rewrite(p, OBJECT, "abd", 3);
}

/* The clock is turned back as far as a user can: ctime tells. */
static void flip_byte_and_hide_it(struct fixture *p) {
	struct stat st;

	assert_int_equal(fstatat(p->fd, OBJECT, &st, 0), 0);
	rewrite(p, OBJECT, "abd", 3);
	assert_int_equal(utimensat(p->fd, OBJECT, (struct timespec[]){st.st_atim, st.st_mtim}, 0),
			 0);
}

static void cut_object(struct fixture *p) {
	rewrite(p, OBJECT, "ab", 2);
}

static void remove_object(struct fixture *p) {
	assert_int_equal(unlinkat(p->fd, OBJECT, 0), 0);
}

static void put_directory_there(struct fixture *p) {
	remove_object(p);
	assert_int_equal(mkdirat(p->fd, OBJECT, 0755), 0);
}

static void put_link_there(struct fixture *p) {
	remove_object(p);
	assert_int_equal(symlinkat("/etc/passwd", p->fd, OBJECT), 0);
}

static const struct {
	const char *name;
	void (*harm)(struct fixture *p);
	bool harmless; /* the bytes are right: a verification writes a new receipt */
	enum err_code code;
	const char *message; /* '@' stands for the store's path */
} harms[] = {
	{"no receipt", lose_receipt, .harmless = true},
	{"half a receipt", spoil_receipt, .harmless = true},
	{"an empty receipt", empty_receipt, .harmless = true},
	{"something else as a receipt", fake_receipt, .harmless = true},
	{"touched", touch_object, .harmless = true},
	{"written again", same_bytes_again, .harmless = true},
	{"replaced by a copy", replace_object, .harmless = true},
	{"flipped byte", flip_byte, false, ERR_INTEGRITY,
	 "'@/" OBJECT "' has changed: its bytes have the digest "
	 "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9; fetch it again"},
	{"flipped byte, times restored", flip_byte_and_hide_it, false, ERR_INTEGRITY,
	 "'@/" OBJECT "' has changed: its bytes have the digest "
	 "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9; fetch it again"},
	{"cut", cut_object, false, ERR_INTEGRITY,
	 "'@/" OBJECT "' has changed: its bytes have the digest "
	 "fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603; fetch it again"},
	{"gone", remove_object, false, ERR_INTEGRITY,
	 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad is not in the store "
	 "'@'; fetch it again"},
	{"a directory", put_directory_there, false, ERR_INTEGRITY,
	 "'@/" OBJECT "' is not a regular file; remove it"},
	{"a link", put_link_there, false, ERR_INTEGRITY,
	 "'@/" OBJECT "' is not a regular file; remove it"},
};

static void what_happened_behind_a_receipt(void **state) {
	struct fixture *p = *state;
	struct err e = {0};

	EACH_CASE (c, harms) {
		put_abc(p);
		assert_true(has(p, ABC));
		clock_sleep_ms(20); /* times of files come in ticks of 4 ms */
		c->harm(p);
		assert_false(has(p, ABC));
		int result = store_verify(p->s, ABC, false, &e);
		assert_int_equal(result, c->harmless ? 0 : -1);
		assert_int_equal(has(p, ABC), c->harmless);
		if (!c->harmless) {
			char *expect CLEANUP(freep) = mem_printf("%.*s%s/store%s",
								 (int) strcspn(c->message, "@"),
								 c->message, p->root,
								 strchr(c->message, '@') + 1);
			assert_string_equal(e.msg, expect);
			assert_int_equal(e.code, c->code);
			assert_false(fs_exists(p->fd, RECEIPT) && c->harm == flip_byte);
		}
		(void) unlinkat(p->fd, OBJECT, 0);
		(void) unlinkat(p->fd, OBJECT, AT_REMOVEDIR);
	}
}

/* A receipt that fits is believed, so that a verification costs one stat; who does not want to
 * believe says so. */
static void paranoia(void **state) {
	struct fixture *p = *state;
	char receipt[400];
	struct err e = {0};
	struct stat st;

	put_abc(p);
	flip_byte(p);
	assert_int_equal(fstatat(p->fd, OBJECT, &st, 0), 0);
	int n = snprintf(receipt, sizeof receipt,
			 "{\"dev\":\"%ju\",\"inode\":\"%ju\",\"size\":\"3\",\"mtime_ns\":\"%jd%"
			 "09ld\",\"ctime_ns\":\"%jd%09ld\"}",
			 (uintmax_t) st.st_dev, (uintmax_t) st.st_ino, (intmax_t) st.st_mtim.tv_sec,
			 st.st_mtim.tv_nsec, (intmax_t) st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	rewrite(p, RECEIPT, receipt, (size_t) n);
	assert_int_equal(store_verify(p->s, ABC, false, &e), 0);
	assert_int_equal(store_verify(p->s, ABC, true, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_int_equal(store_verify(p->s, ABC, false, &e), -1);
	assert_false(has(p, ABC));
	put_abc(p);
	assert_int_equal(store_verify(p->s, ABC, true, &e), 0);
	assert_true(has(p, ABC));
}

/* --- walking, removing, cleaning --- */

struct walk {
	size_t n;
	uint64_t bytes;
	char last[65];
	struct store *remove_from;
};

static int count(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	struct walk *w = ctx;

	w->n++;
	w->bytes += size;
	(void) snprintf(w->last, sizeof w->last, "%s", sha256);
	return w->remove_from ? store_remove(w->remove_from, sha256, e) : 0;
}

static int give_up(void *ctx, const char *sha256, uint64_t size, struct err *e) {
	(void) size;
	(void) sha256;
	++*(int *) ctx;
	return err_set(e, ERR_BUSY, "enough");
}

static void a_walk(void **state) {
	struct fixture *p = *state;
	struct walk w = {0};
	struct err e = {0};
	char sha[65];
	int calls = 0;

	put_abc(p);
	assert_int_equal(store_put(p->s, "", 0, sha, &e), 0);
	assert_int_equal(store_put(p->s, "abd", 3, sha, &e), 0);
	rewrite(p, "sha256/ba/stray", "x", 1);
	assert_int_equal(store_each(p->s, count, &w, &e), 0);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.bytes, 6);
	assert_string_equal(w.last, NONE);
	assert_int_equal(store_each(p->s, give_up, &calls, &e), -1);
	assert_string_equal(e.msg, "enough");
	assert_int_equal(calls, 1);
	w = (struct walk){.remove_from = p->s};
	assert_int_equal(store_each(p->s, count, &w, &e), 0);
	assert_int_equal(w.n, 3);
	assert_false(has(p, ABC));
	assert_false(fs_exists(p->fd, RECEIPT));
	assert_int_equal(store_remove(p->s, ABC, &e), 0);
}

static void old_part(struct fixture *p, const char *name, long days) {
	struct timespec t = {.tv_sec = time(NULL) - days * 86400};

	rewrite(p, name, "half", 4);
	assert_int_equal(utimensat(p->fd, name, (struct timespec[]){t, t}, 0), 0);
}

static void what_the_dead_left(void **state) {
	struct fixture *p = *state;
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	struct err e = {0};
	size_t removed = 0;
	char sha[65];

	assert_int_equal(store_begin(p->s, "a living one", 0, &w, &e), 0);
	assert_int_equal(store_write(w, "abc", 3, &e), 0);
	rewrite(p, "tmp/w-1-00", "dead", 4);
	rewrite(p, "tmp/empty.part", "", 0);
	old_part(p, "tmp/a.part", 6);
	old_part(p, "tmp/b.part", 8);
	assert_int_equal(store_clean(p->s, false, &removed, &e), 0);
	assert_int_equal(removed, 3);
	assert_true(fs_exists(p->fd, "tmp/a.part"));
	assert_int_equal(store_clean(p->s, true, &removed, &e), 0);
	assert_int_equal(removed, 1);
	assert_int_equal(store_clean(p->s, true, NULL, &e), 0);
	assert_int_equal(store_commit(w, NULL, sha, &e), 0);
	assert_true(has(p, ABC));
}

static void notes(void **state) {
	struct fixture *p = *state;
	struct buf b CLEANUP(buf_done) = BUF_INIT(100);
	struct err e = {0};
	bool found = true;

	assert_int_equal(store_note_get(p->s, "layers/k1", &b, &found, &e), 0);
	assert_false(found);
	assert_int_equal(store_note_put(p->s, "layers/k1", "one", 3, &e), 0);
	assert_int_equal(store_note_put(p->s, "layers/k1", "two", 3, &e), 0);
	assert_int_equal(store_note_put(p->s, "layers/K-2_.x", "", 0, &e), 0);
	assert_int_equal(store_note_get(p->s, "layers/k1", &b, &found, &e), 0);
	assert_true(found);
	assert_string_equal(buf_str(&b), "two");
	assert_int_equal(store_note_get(p->s, "layers/K-2_.x", &b, &found, &e), 0);
	assert_true(found);
}

/* --- faults of the disk --- */

/* A root on a file system of 1 MiB that only this test sees. */
static void a_full_disk(void **state) {
	struct fixture *p = *state;
	char *small CLEANUP(freep) = mem_printf("%s/small", p->root),
		    *piece CLEANUP(freep) = mem_zalloc(256, 1024);
	struct store *s CLEANUP(store_freep) = NULL;
	struct err e = {0};
	char sha[65];
	int root = -1;

	assert_int_equal(mkdir(small, 0755), 0);
	assert_int_equal(mount("none", small, "tmpfs", 0, "size=1m"), 0);
	assert_int_equal(fs_open_dir(AT_FDCWD, small, &root, &e), 0);
	assert_int_equal(store_open(root, small, &s, &e), 0);
	char *announced CLEANUP(freep) = mem_printf(
		"not enough space for model in '%s/store': it needs 98.4 MB, 1.0 MB is free",
		small);
	char *sudden CLEANUP(
		freep) = mem_printf("not enough space for layer in '%s/store': 0 B is free", small);
	struct store_writer *w = NULL;
	assert_int_equal(store_begin(s, "model", 98362432, &w, &e), -1);
	assert_string_equal(e.msg, announced);
	assert_int_equal(e.code, ERR_SYS);
	assert_int_equal(store_begin(s, "layer", 0, &w, &e), 0);
	int result = 0;
	for (int i = 0; i < 8 && !result; i++)
		result = store_write(w, piece, 256 << 10, &e);
	assert_int_equal(result, -1);
	assert_string_equal(e.msg, sudden);
	assert_int_equal(e.code, ERR_SYS);
	store_abort(w);
	/* Nothing is left: there is room again. */
	assert_int_equal(store_put(s, piece, 256 << 10, sha, &e), 0);
	store_freep(&s);
	(void) close(root);
	assert_int_equal(umount(small), 0);
}

static void a_limit_on_files(void **state) {
	struct fixture *p = *state;
	char *expect CLEANUP(freep) = mem_printf("cannot write layer in '%s/store': File too large",
						 p->root);
	struct rlimit before, low = {2, RLIM_INFINITY};
	struct store_writer *w CLEANUP(store_abortp) = NULL;
	struct err e = {0};

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	low.rlim_max = before.rlim_max;
	(void) signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(store_begin(p->s, "layer", 0, &w, &e), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	int result = store_write(w, "abc", 3, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, -1);
	assert_string_equal(e.msg, expect);
}

static void no_store(void **state) {
	struct fixture *p = *state;
	char *file CLEANUP(freep) = mem_printf("%s/f", p->root), *in_the_way CLEANUP(freep) = NULL;
	struct store *s = NULL;
	struct err e = {0};
	int root = -1;

	assert_int_equal(store_open(AT_FDCWD, "/nonexistent/root", &s, &e), -1);
	assert_string_equal(e.msg, "cannot find '/nonexistent/root': No such file or directory");
	assert_int_equal(e.code, ERR_SYS);
	assert_int_equal(mkdir(file, 0755), 0);
	assert_int_equal(fs_open_dir(AT_FDCWD, file, &root, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, root, "store", "", 0, 0644, &e), 0);
	assert_int_equal(store_open(root, file, &s, &e), -1);
	(void) close(root);
	in_the_way = mem_printf(
		"cannot make the store in '%s': 'store' is in the way: it is not a directory",
		file);
	assert_string_equal(e.msg, in_the_way);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(an_object),          TEST(nothing_is_an_object_too),
		TEST(a_stream),           TEST(what_happened_behind_a_receipt),
		TEST(paranoia),           TEST(a_walk),
		TEST(what_the_dead_left), TEST(notes),
		TEST(a_full_disk),        TEST(a_limit_on_files),
		TEST(no_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
