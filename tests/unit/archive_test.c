#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "tests/fake/deb.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* A folder of its own for each test; the tests run in it. */
static int enter(void **state) {
	char *dir = mem_strdup("/tmp/archive_test.XXXXXX");

	*state = dir;
	return !mkdtemp(dir) || chdir(dir);
}

static int leave(void **state) {
	struct err e;
	int rc = chdir("/") || fs_remove_tree(AT_FDCWD, *state, &e);

	free(*state);
	return rc;
}

static void save(const char *name, const struct buf *b) {
	struct err e;

	assert_int_equal(fs_write(AT_FDCWD, name, b->data, b->len, 0644, &e), 0);
}

static bool into_buf(void *ctx, const void *data, size_t n) {
	return buf_add(ctx, data, n);
}

static char big[300000];

static const struct fake_entry FILES[] = {
	{"pack/", 'd', 0755, NULL, 0},
	{"pack/readme.txt", 'f', 0644, "hello", 0},
	{"pack/empty", 'f', 0644, "", 0},
	{"pack/model-Q4_1.gguf", 'f', 0644, big, sizeof big},
	{"pack/ő.txt", 'f', 0644, "unicode", 0},
	{"other/readme.txt", 'f', 0644, "other", 0},
};

static void fill_big(void) {
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char) (i * 7919 >> 3);
}

static void test_member_of_every_format(void **state) {
	static const struct {
		const char *name;
	} kinds[] = {{"zip"}, {"tar"}, {"tar.gz"}, {"tar.xz"}, {"tar.zst"}, {"7z"}, {"cpio"}};

	(void) state;
	fill_big();
	EACH_CASE(c, kinds) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 24), out CLEANUP(buf_done) = BUF_INIT(1 << 20);
		struct err e = {0};
		uint64_t size = 7;

		fake_archive(c->name, FILES, N(FILES), &b);
		save("a", &b);
		if (archive_member("a", "./pack/model-Q4_1.gguf", into_buf, &out, &size, &e))
			fail_msg("%s", e.msg);
		assert_int_equal(size, sizeof big);
		assert_int_equal(out.len, sizeof big);
		assert_memory_equal(out.data, big, sizeof big);
		if (archive_member("a", "pack/empty", into_buf, &out, &size, &e))
			fail_msg("%s", e.msg);
		assert_int_equal(size, 0);
		buf_reset(&out);
		if (archive_member("a", "pack/ő.txt", into_buf, &out, NULL, &e))
			fail_msg("%s", e.msg);
		assert_string_equal(buf_str(&out), "unicode");
	}
}

static void test_member_that_is_not_there(void **state) {
	static const struct fake_entry odd[] = {
		{"a/file", 'f', 0644, "x", 0},
		{"a/dir", 'd', 0755, NULL, 0},
		{"a/link", 'l', 0777, "file", 0},
		{"a/hard", 'h', 0644, "a/file", 0},
	};
	static const struct {
		const char *name, *member, *message;
	} cases[] = {
		{"typo", "a/fille", "'odd.tar' has no member 'a/fille', did you mean 'a/file'?"},
		{"wrong folder", "elsewhere/deep/file",
		 "'odd.tar' has no member 'elsewhere/deep/file', did you mean 'a/file'?"},
		{"nothing like it", "zzzzzzzzzzzz", "'odd.tar' has no member 'zzzzzzzzzzzz' among its 4"},
		{"folder", "a/dir/", "'a/dir/' in 'odd.tar' is not a plain file"},
		{"symlink", "a/link", "'a/link' in 'odd.tar' is not a plain file"},
		{"hard link", "a/hard", "'a/hard' in 'odd.tar' is a hard link: name its target 'a/file'"},
	};
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20), out CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) state;
	fake_archive("tar", odd, N(odd), &b);
	save("odd.tar", &b);
	EACH_CASE(c, cases) {
		struct err e = {0};
		assert_int_equal(archive_member("odd.tar", c->member, into_buf, &out, NULL, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, ERR_SPEC);
	}
	assert_int_equal(out.len, 0);
}

static bool refuse(void *ctx, const void *data, size_t n) {
	(void) ctx;
	(void) data;
	(void) n;
	return false;
}

static void check_fault(const char *path, const char *member, enum err_code code, const char *message) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};
	uint64_t size = 7;

	assert_int_equal(archive_member(path, member, into_buf, &out, &size, &e), -1);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, code);
	assert_int_equal(size, 7);
}

static void test_member_of_bad_archives(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 24), out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	fill_big();
	check_fault("absent.zip", "x", ERR_SYS, "cannot open 'absent.zip': No such file or directory");
	check_fault(".", "x", ERR_SYS, "'.' is not a regular file");
	assert_true(buf_puts(&b, "this is no archive at all, only words"));
	save("words", &b);
	check_fault("words", "x", ERR_INTEGRITY,
		    "'words' is not an archive that can be read: Unrecognized archive format");
	buf_reset(&b);
	fake_archive("tar.gz", FILES, N(FILES), &b);
	b.len /= 2;
	save("half.tar.gz", &b);
	check_fault("half.tar.gz", "pack/model-Q4_1.gguf", ERR_INTEGRITY,
		    "'half.tar.gz' is corrupt or cut short: truncated gzip input");
	buf_reset(&b);
	fake_archive("zip", FILES, N(FILES), &b);
	b.data[b.len / 2] ^= 0x55;
	save("flipped.zip", &b);
	assert_int_equal(archive_member("flipped.zip", "pack/model-Q4_1.gguf", into_buf, &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTEGRITY);
	b.data[b.len / 2] ^= 0x55;
	save("good.zip", &b);
	assert_int_equal(archive_member("good.zip", "pack/readme.txt", refuse, NULL, NULL, &e), -1);
	assert_string_equal(e.msg, "reading 'pack/readme.txt' from 'good.zip' was stopped");
}

/* Bit 0 of the flags, in the local header and in the central directory, says "encrypted". */
static void test_encrypted_member(void **state) {
	static const struct fake_entry one[] = {{"secret", 'f', 0600, "0123456789abcdef", 0}};
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) state;
	fake_archive("zip", one, 1, &b);
	b.data[6] |= 1;
	char *central = memmem(b.data, b.len, "PK\1\2", 4);
	assert_non_null(central);
	central[8] |= 1;
	save("locked.zip", &b);
	check_fault("locked.zip", "secret", ERR_SPEC,
		    "'secret' in 'locked.zip' is encrypted: unpack it yourself");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_member_of_every_format),
		cmocka_unit_test(test_member_that_is_not_there),
		cmocka_unit_test(test_member_of_bad_archives),
		cmocka_unit_test(test_encrypted_member),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
