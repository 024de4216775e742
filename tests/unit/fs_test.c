/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"

static int scratch(void **state) {
	char name[] = "/tmp/llmdeploy-fs-XXXXXX";

	if (!mkdtemp(name))
		return -1;
	*state = mem_strdup(name);
	return chdir(name);
}

static int scrap(void **state) {
	struct err e = {0};
	int r = chdir("/") || fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return r;
}

static void files(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(10);
	struct err e = {0};
	bool found = true;

	(void) state;
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, "a/b/c", 0755, &e), 0);
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, "a/b/c", 0755, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "a/b/f", "one", 3, 0644, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "a/b/f", "three", 5, 0644, &e), 0);
	assert_int_equal(fs_read(AT_FDCWD, "a/b/f", &b, &e), 0);
	assert_string_equal(buf_str(&b), "three");
	assert_int_equal(fs_read(AT_FDCWD, "a/b/f", &b, &e), 0);
	assert_int_equal(fs_read(AT_FDCWD, "a/b/f", &b, &e), -1);
	assert_string_equal(e.msg, "'a/b/f' is larger than 10 bytes");
	assert_int_equal(fs_read(AT_FDCWD, "a/b", &b, &e), -1);
	assert_string_equal(e.msg, "'a/b' is not a regular file");
	assert_int_equal(fs_read_if(AT_FDCWD, "none", &b, &found, &e), 0);
	assert_false(found);
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, "a/b/f/g", 0755, &e), -1);
	assert_string_equal(e.msg, "'a/b/f' is in the way: it is not a directory");
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "none/f", "x", 1, 0644, &e), -1);
	assert_non_null(strstr(e.msg, "cannot create 'none/.f.tmp-"));
}

static void links(void **state) {
	struct err e = {0};
	char *to CLEANUP(freep) = NULL, *none CLEANUP(freep) = NULL;

	(void) state;
	assert_int_equal(fs_flip(EFFECT_NONE, AT_FDCWD, "active", "releases/a", &e), 0);
	assert_int_equal(fs_flip(EFFECT_NONE, AT_FDCWD, "active", "releases/b", &e), 0);
	assert_int_equal(fs_readlink(AT_FDCWD, "active", &to, &e), 0);
	assert_string_equal(to, "releases/b");
	assert_int_equal(fs_readlink(AT_FDCWD, "none", &none, &e), 0);
	assert_null(none);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "plain", "x", 1, 0644, &e), 0);
	assert_int_equal(fs_readlink(AT_FDCWD, "plain", &none, &e), -1);
	assert_string_equal(e.msg, "'plain' is in the way: it is not a symbolic link");
	/* A link in place of a file is not followed. */
	struct buf b CLEANUP(buf_done) = BUF_INIT(10);
	assert_int_equal(symlink("plain", "link"), 0);
	assert_int_equal(fs_read(AT_FDCWD, "link", &b, &e), -1);
}

static void trees(void **state) {
	struct err e = {0};
	char **names CLEANUP(freep) = NULL;
	size_t n;

	(void) state;
	assert_int_equal(fs_mkdirs(EFFECT_NONE, AT_FDCWD, "t/u/v", 0755, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "t/z", "", 0, 0644, &e), 0);
	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "kept", "", 0, 0644, &e), 0);
	assert_int_equal(symlink("../kept", "t/link"), 0);
	assert_int_equal(chmod("t/u", 0500), 0);
	assert_int_equal(fs_list(AT_FDCWD, "t", &names, &n, &e), 0);
	assert_int_equal(n, 3);
	assert_string_equal(names[0], "link");
	assert_string_equal(names[2], "z");
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, "t", &e), 0);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, "t", &e), 0);
	assert_true(fs_exists(AT_FDCWD, "kept"));
	assert_false(fs_exists(AT_FDCWD, "t"));
}

static void locks(void **state) {
	struct err e = {0};
	int a = -1, b = -1;

	(void) state;
	assert_int_equal(fs_file_lock(AT_FDCWD, "lock", "someone: apply", 0, &a, &e), 0);
	assert_int_equal(fs_file_lock(AT_FDCWD, "lock", "other", 50, &b, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_string_equal(
		e.msg, "'lock' is held by someone: apply; wait for it, or give --lock-wait 60s");
	assert_int_equal(close(a), 0);
	assert_int_equal(fs_file_lock(AT_FDCWD, "lock", "x", 0, &b, &e), 0);
	assert_int_equal(close(b), 0);
}

/* Takes the lock, starts a child that lives on, tells its process, and is killed. */
static void hold_and_die(int tell) {
	char name[] = "sleep", seconds[] = "20", *const argv[] = {name, seconds, NULL};
	struct err e = {0};
	int fd = -1;
	pid_t child;

	if (fs_file_lock(AT_FDCWD, "lock", "the parent", 0, &fd, &e) ||
	    posix_spawnp(&child, "sleep", NULL, NULL, argv, environ))
		_exit(1);
	(void) !write(tell, &child, sizeof child);
	(void) raise(SIGKILL);
}

static void lock_dies_with_its_holder(void **state) {
	struct err e = {0};
	int fds[2], fd = -1, status;
	pid_t child = 0;

	(void) state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t parent = fork();
	if (!parent)
		hold_and_die(fds[1]);
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(fds[0], &child, sizeof child), sizeof child);
	assert_int_equal(kill(child, 0), 0);
	/* An exec lets the parent go on a moment before it closes what is not for the child. */
	assert_int_equal(fs_file_lock(AT_FDCWD, "lock", "the next", 2000, &fd, &e), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	(void) close(fd);
	(void) close(fds[0]);
	(void) close(fds[1]);
}

static const struct {
	const char *name, *text, *sha256;
	uint32_t crc;
} digests[] = {
	{"empty (FIPS 180-4)", "",
	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0},
	{"abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	 0x364b3fb7},
	{"check value of CRC32C", "123456789",
	 "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", 0xe3069283},
};

static void hashes(void **state) {
	struct err e = {0};

	(void) state;
	EACH_CASE (c, digests) {
		char hex[SHA256_HEX];
		uint64_t size = 1;
		sha256_of(c->text, strlen(c->text), hex);
		assert_string_equal(hex, c->sha256);
		assert_int_equal(crc32c(c->text, strlen(c->text)), c->crc);
		assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, "hashed", c->text, strlen(c->text),
					  0644, &e),
				 0);
		int fd CLEANUP(closep) = open("hashed", O_RDONLY | O_CLOEXEC);
		assert_int_equal(sha256_file(fd, "hashed", hex, &size, &e), 0);
		assert_string_equal(hex, c->sha256);
		assert_int_equal(size, strlen(c->text));
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(files),
					   cmocka_unit_test(links),
					   cmocka_unit_test(trees),
					   cmocka_unit_test(locks),
					   cmocka_unit_test(lock_dies_with_its_holder),
					   cmocka_unit_test(hashes)};

	return cmocka_run_group_tests_name("fs", tests, scratch, scrap);
}
