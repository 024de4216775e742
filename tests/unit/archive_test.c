/* SPDX-License-Identifier: Apache-2.0 */
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
#include "crypto/crypto.h"
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
	int rc = chdir("/") || fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e);

	free(*state);
	return rc;
}

static void save(const char *name, const struct buf *b) {
	struct err e;

	assert_int_equal(fs_write(EFFECT_NONE, AT_FDCWD, name, b->data, b->len, 0644, &e), 0);
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
	EACH_CASE (c, kinds) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 24),
			     out CLEANUP(buf_done) = BUF_INIT(1 << 20);
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
		{"nothing like it", "zzzzzzzzzzzz",
		 "'odd.tar' has no member 'zzzzzzzzzzzz' among its 4"},
		{"folder", "a/dir/", "'a/dir/' in 'odd.tar' is not a plain file"},
		{"symlink", "a/link", "'a/link' in 'odd.tar' is not a plain file"},
		{"hard link", "a/hard",
		 "'a/hard' in 'odd.tar' is a hard link: name its target 'a/file'"},
	};
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20),
		     out CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) state;
	fake_archive("tar", odd, N(odd), &b);
	save("odd.tar", &b);
	EACH_CASE (c, cases) {
		struct err e = {0};
		assert_int_equal(archive_member("odd.tar", c->member, into_buf, &out, NULL, &e),
				 -1);
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

static void check_fault(const char *path, const char *member, enum err_code code,
			const char *message) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};
	uint64_t size = 7;

	assert_int_equal(archive_member(path, member, into_buf, &out, &size, &e), -1);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, code);
	assert_int_equal(size, 7);
}

static void test_member_of_bad_archives(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 24),
		     out CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	(void) state;
	fill_big();
	check_fault("absent.zip", "x", ERR_SYS,
		    "cannot open 'absent.zip': No such file or directory");
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
	assert_int_equal(archive_member("flipped.zip", "pack/model-Q4_1.gguf", into_buf, &out, NULL,
					&e),
			 -1);
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

/* ---- expansion ---- */

static void test_bomb(void **state) {
	enum { LOTS = 256 << 20 };
	char *zeros CLEANUP(freep) = mem_zalloc(LOTS, 1);
	const struct fake_entry bomb[] = {{"zeros", 'f', 0644, zeros, LOTS},
					  {"after", 'f', 0644, "x", 0}};
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 24);

	(void) state;
	fake_archive("tar.zst", bomb, 2, &b);
	save("bomb.tar.zst", &b);
	/* Passing by costs as much as reading. */
	check_fault("bomb.tar.zst", "after", ERR_INTEGRITY,
		    "'bomb.tar.zst' expands to more than 2000 times its size: refused");
}

/* ---- debs ---- */

/* What the visitors saw, one line each: type, mode, path, link or content. */
struct seen {
	struct buf text;
	const char *stop_at;
};

static int see(void *ctx, const struct archive_item *item, enum archive_wish *wish, struct err *e) {
	struct seen *s = ctx;

	(void) e;
	if (s->stop_at && !strcmp(item->path, s->stop_at)) {
		*wish = ARCHIVE_STOP;
		return 0;
	}
	assert_true(buf_printf(&s->text, "%s%c %o %s%s%s ", s->text.len ? "|" : "",
			       "fdlho"[item->type], item -> mode, item -> path,
			       item -> link ? " -> " : "", item->link ? item->link : ""));
	*wish = item->type == ARCHIVE_TYPE_FILE ? ARCHIVE_TAKE : ARCHIVE_SKIP;
	return 0;
}

static int see_bytes(void *ctx, const void *data, size_t n, struct err *e) {
	(void) e;
	assert_true(buf_add(&((struct seen *) ctx)->text, data, n));
	return 0;
}

static int visit(const char *path, struct seen *s, struct err *e) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC);
	const struct archive_visitor v = {see, see_bytes, s};

	assert_true(fd >= 0);
	return archive_deb(fd, path, &v, &v, e);
}

static const struct fake_entry PAYLOAD[] = {
	{"./", 'd', 0755, NULL, 0},
	{"./usr/", 'd', 0755, NULL, 0},
	{"./usr/x", 'f', 04755, "content", 0},
	{"./usr/y", 'h', 0644, "./usr/x", 0},
	{"./usr/z", 'l', 0777, "x", 0},
	{"./dev", 'c', 0600, NULL, 0},
};
#define CONTROL "Package: p\nVersion: 1\nArchitecture: amd64\n"

static void test_deb(void **state) {
	static const struct { const char *name; } endings[] = {{""}, {".gz"}, {".xz"}, {".zst"}};

	(void) state;
	EACH_CASE (c, endings) {
		const struct fake_deb d = {CONTROL, NULL, c->name, PAYLOAD, N(PAYLOAD)};
		struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
		struct seen s = {.text = BUF_INIT(1 << 16)};
		struct err e = {0};
		fake_deb(&d, &b);
		save("p.deb", &b);
		if (visit("p.deb", &s, &e))
			fail_msg("%s", e.msg);
		assert_string_equal(
			buf_str(&s.text),
			"d 755 ./ |f 644 ./control " CONTROL
			"|d 755 ./ |d 755 ./usr/ |f 4755 ./usr/x content|h 644 ./usr/y -> ./usr/x "
			"|l 777 ./usr/z -> x |o 600 ./dev ");
		buf_reset(&s.text);
		s.stop_at = "./usr/x";
		assert_int_equal(visit("p.deb", &s, &e), 0);
		assert_string_equal(buf_str(&s.text),
				    "d 755 ./ |f 644 ./control " CONTROL
				    "|d 755 ./ |d 755 ./usr/ ");
		buf_done(&s.text);
	}
}

struct member {
	const char *name, *content;
	size_t n;
};

static void test_bad_debs(void **state) {
	struct buf tar CLEANUP(buf_done) = BUF_INIT(1 << 20),
		       xz CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) state;
	fake_archive("tar", PAYLOAD, 1, &tar);
	fake_archive("tar.xz", PAYLOAD, N(PAYLOAD), &xz);
	const struct {
		const char *name, *message;
		struct member members[3];
	} cases[] = {
		{"empty",
		 "'bad.deb' is no Debian package: its first member is not debian-binary",
		 {{0}}},
		{"wrong first",
		 "'bad.deb' is no Debian package: its first member is not debian-binary",
		 {{"control.tar", tar.data, tar.len}}},
		{"version 3",
		 "'bad.deb' has a package format that is not 2.x",
		 {{"debian-binary", "3.0\n", 4}}},
		{"no control",
		 "'bad.deb' is no Debian package: 'data.tar' stands where control.tar should be",
		 {{"debian-binary", "2.0\n", 4}, {"data.tar", tar.data, tar.len}}},
		{"no data",
		 "'bad.deb' is no Debian package: 'nothing' stands where data.tar should be",
		 {{"debian-binary", "2.0\n", 4}, {"control.tar", tar.data, tar.len}}},
		{"wrong data member",
		 "'bad.deb' has a member 'data.tar.lz': it may be plain, .gz, .xz, .zst, .bz2 or "
		 ".lzma",
		 {{"debian-binary", "2.0\n", 4},
		  {"control.tar", tar.data, tar.len},
		  {"data.tar.lz", "x", 1}}},
		{"not what it is called",
		 "'bad.deb' is corrupt or cut short: Unrecognized archive format",
		 {{"debian-binary", "2.0\n", 4},
		  {"control.tar", tar.data, tar.len},
		  {"data.tar.gz", xz.data, xz.len}}},
		{"cut xz",
		 "'bad.deb' is corrupt or cut short: Lzma library error:  No progress is possible",
		 {{"debian-binary", "2.0\n", 4},
		  {"control.tar", tar.data, tar.len},
		  {"data.tar.xz", xz.data, xz.len / 2}}},
	};
	EACH_CASE (c, cases) {
		struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
		struct seen s = {.text = BUF_INIT(1 << 16)};
		struct err e = {0};
		fake_ar_head(&b);
		for (size_t i = 0; i < 3 && c->members[i].name; i++)
			fake_ar_member(c->members[i].name, c->members[i].content, c->members[i].n,
				       &b);
		save("bad.deb", &b);
		assert_int_equal(visit("bad.deb", &s, &e), -1);
		assert_string_equal(e.msg, c->message);
		assert_int_equal(e.code, ERR_INTEGRITY);
		buf_done(&s.text);
	}
}

/* Wherever a package is cut, it is noticed, and the reader stays within its bytes. */
static void test_deb_cut_anywhere(void **state) {
	const struct fake_deb d = {CONTROL, NULL, ".xz", PAYLOAD, N(PAYLOAD)};
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);

	(void) state;
	fake_deb(&d, &b);
	for (size_t n = 0; n < b.len - 64; n += 7) {
		struct seen s = {.text = BUF_INIT(1 << 16)};
		struct buf part = {.data = b.data, .len = n};
		struct err e = {0};
		save("cut.deb", &part);
		assert_int_equal(visit("cut.deb", &s, &e), -1);
		assert_int_equal(e.code, ERR_INTEGRITY);
		buf_done(&s.text);
	}
}

/* ---- writing ---- */

static int append(void *ctx, const void *data, size_t n, struct err *e) {
	(void) e;
	assert_true(buf_add(ctx, data, n));
	return 0;
}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define HUNDRED FIFTY FIFTY

/* The digest is the format: it may never change. */
static void test_tar(void **state) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct archive_tar t = {.write = append, .ctx = &b};
	struct seen s = {.text = BUF_INIT(1 << 16)};
	const struct archive_visitor v = {see, see_bytes, &s};
	struct err e = {0};
	char digest[SHA256_HEX];

	(void) state;
	assert_int_equal(archive_tar_dir(&t, "tmp", 01777, &e), 0);
	assert_int_equal(archive_tar_file(&t, "tmp/empty", 0644, 0, &e), 0);
	assert_int_equal(archive_tar_file(&t, HUNDRED, 0600, 3, &e), 0);
	assert_int_equal(archive_tar_data(&t, "a", 1, &e) || archive_tar_data(&t, "bc", 2, &e), 0);
	assert_int_equal(archive_tar_file(&t, FIFTY "/" HUNDRED, 0644, 512, &e), 0);
	assert_int_equal(archive_tar_data(&t, HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED TEN "ab", 512,
					  &e),
			 0);
	assert_int_equal(archive_tar_dir(&t, HUNDRED HUNDRED HUNDRED, 0755, &e), 0);
	assert_int_equal(archive_tar_symlink(&t, "link", "../target", &e), 0);
	assert_int_equal(archive_tar_symlink(&t, "far", HUNDRED HUNDRED, &e), 0);
	assert_int_equal(archive_tar_symlink(&t, "ő", "ű", &e), 0);
	assert_int_equal(archive_tar_end(&t, &e), 0);
	assert_int_equal(b.len, t.size);
	assert_int_equal(b.len % 512, 0);
	sha256_of(b.data, b.len, digest);
	assert_string_equal(digest,
			    "a06e7b2ff439e90be951cf471c513b6c3769289f7c924ef54c1c581179612f6b");
	save("t.tar", &b);
	int fd CLEANUP(closep) = open("t.tar", O_RDONLY | O_CLOEXEC);
	if (archive_tar_each(fd, "t.tar", &v, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(buf_str(&s.text),
			    "d 1777 tmp/ |f 644 tmp/empty |f 600 " HUNDRED " abc|f 644 " FIFTY
			    "/" HUNDRED " " HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED TEN
			    "ab|d 755 " HUNDRED HUNDRED HUNDRED
			    "/ |l 777 link -> ../target |l 777 far -> " HUNDRED HUNDRED
			    " |l 777 ő -> ű ");
	buf_done(&s.text);
}

static int no_room(void *ctx, const void *data, size_t n, struct err *e) {
	(void) ctx;
	(void) data;
	(void) n;
	return err_set(e, ERR_SYS, "no room");
}

static void test_tar_write_fault(void **state) {
	struct archive_tar t = {.write = no_room};
	struct err e = {0};

	(void) state;
	assert_int_equal(archive_tar_dir(&t, "x", 0755, &e), -1);
	assert_string_equal(e.msg, "no room");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_member_of_every_format),
		cmocka_unit_test(test_member_that_is_not_there),
		cmocka_unit_test(test_member_of_bad_archives),
		cmocka_unit_test(test_encrypted_member),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_deb),
		cmocka_unit_test(test_bad_debs),
		cmocka_unit_test(test_deb_cut_anywhere),
		cmocka_unit_test(test_tar),
		cmocka_unit_test(test_tar_write_fault),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
