/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "json/json.h"

/* Every test has an empty directory of its own: *state is its descriptor. */
struct fixture {
	char path[32];
	int fd;
};

static int setup(void **state) {
	struct fixture *p = mem_zalloc(1, sizeof *p);
	struct err e;

	(void) strcpy(p->path, "/tmp/journal-test-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	assert_int_equal(fs_open_dir(AT_FDCWD, p->path, &p->fd, &e), 0);
	*state = p;
	return 0;
}

static int teardown(void **state) {
	struct fixture *p = *state;
	struct err e;

	(void) close(p->fd);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->path, &e), 0);
	free(p);
	return 0;
}

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

static void append(struct journal *j, const char *event, int64_t n) {
	struct json *o CLEANUP(json_freep) = json_object();
	struct err e = {0};

	json_set_str(o, "event", event);
	json_set_int(o, "n", n);
	fine(journal_append(j, o, &e), &e);
	assert_int_equal(json_count(o), 2);
}

/* Of the last whole record; 0: there is none. */
static int64_t last_seq(int dir) {
	struct json *last CLEANUP(json_freep) = NULL;
	struct err e = {0};

	fine(journal_last(dir, "routes/x", &last, &e), &e);
	return json_int_or(last, "seq", 0);
}

/* A journal with `n` records, "e" and their number. */
static void fill(int dir, uint64_t rotate, int64_t n) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn = 99;
	int64_t last = last_seq(dir);

	fine(journal_open(dir, "routes/x", rotate, &j, &torn, &e), &e);
	assert_int_equal(torn, 0);
	for (int64_t i = 1; i <= n; i++)
		append(j, "e", last + i);
}

static void load(int dir, const char *name, struct buf *out) {
	struct err e = {0};

	fine(fs_read(dir, name, out, &e), &e);
}

static void save(int dir, const char *name, const char *data, size_t n) {
	struct err e = {0};

	fine(fs_write(EFFECT_NONE, dir, name, data, n, 0644, &e), &e);
}

/* Numbers seen, in order: "1 2 3". */
struct seen {
	char text[4096];
	uint64_t stop_at;
};

static int note(void *ctx, const struct journal_record *r, struct err *e) {
	struct seen *s = ctx;
	size_t used = strlen(s->text);

	(void) e;
	assert_string_equal(r->event, "e");
	assert_int_equal(json_int_or(r->body, "n", -1), r->seq);
	assert_int_equal(strlen(r->time), 20);
	(void) snprintf(s->text + used, sizeof s->text - used, used ? " %d" : "%d", (int) r->seq);
	return r->seq == s->stop_at;
}

static void reads(int dir, const char *forward, const char *back) {
	struct seen a = {0}, b = {0};
	struct err e = {0};

	fine(journal_read(dir, "routes/x", note, &a, &e), &e);
	assert_string_equal(a.text, forward);
	fine(journal_read_back(dir, "routes/x", note, &b, &e), &e);
	assert_string_equal(b.text, back);
}

static void fails(int dir, const char *message) {
	struct seen s = {0};
	struct err e = {0};

	assert_int_equal(journal_read(dir, "routes/x", note, &s, &e), -1);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, ERR_INTEGRITY);
}

static void opening_fails(int dir, enum err_code code, const char *message) {
	struct journal *j = NULL;
	struct err e = {0};
	uint64_t torn = 99;

	assert_int_equal(journal_open(dir, "routes/x", 0, &j, &torn, &e), -1);
	assert_string_equal(e.msg, message);
	assert_int_equal(e.code, code);
	assert_null(j);
	assert_int_equal(torn, 99);
}

static void empty_has_no_records(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct json *last = NULL;
	struct err e = {0};

	reads(dir, "", "");
	fine(journal_last(dir, "", &last, &e), &e);
	assert_null(last);
	fill(dir, 0, 0);
	reads(dir, "", "");
	assert_true(fs_exists(dir, "journal"));
}

static void format_is_pinned(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);
	char zeros[65], expect[256], crc[16], digest[SHA256_HEX];

	fill(dir, 0, 2);
	load(dir, "journal", &text);
	char *second = strchr(text.data, '\n') + 1;
	memset(zeros, '0', 64);
	zeros[64] = 0;
	const char *json = strchr(text.data, '{');
	const char *time = strstr(json, "\"time\":\"") + 8;
	(void) snprintf(expect, sizeof expect,
			"%s {\"event\":\"e\",\"n\":1,\"seq\":1,\"time\":\"%.20s\",\"v\":1}", zeros,
			time);
	(void) snprintf(crc, sizeof crc, "%08x", crc32c(expect, strlen(expect)));
	assert_memory_equal(text.data, crc, 8);
	assert_int_equal(text.data[8], ' ');
	assert_memory_equal(text.data + 9, expect, strlen(expect));
	assert_int_equal(text.data[9 + strlen(expect)], '\n');
	sha256_of(text.data, (size_t) (second - text.data), digest);
	assert_memory_equal(second + 9, digest, 64);
	assert_int_equal(text.data[text.len - 1], '\n');
}

static void goes_on_after_reopening(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct json *last CLEANUP(json_freep) = NULL;
	struct seen some = {.stop_at = 4}, newest = {.stop_at = 5};
	struct err e = {0};

	fill(dir, 0, 3);
	fill(dir, 0, 3);
	reads(dir, "1 2 3 4 5 6", "6 5 4 3 2 1");
	fine(journal_read(dir, "", note, &some, &e), &e);
	assert_string_equal(some.text, "1 2 3 4");
	fine(journal_read_back(dir, "", note, &newest, &e), &e);
	assert_string_equal(newest.text, "6 5");
	fine(journal_last(dir, "", &last, &e), &e);
	assert_int_equal(json_int_or(last, "n", 0), 6);
}

static void rotation_continues_the_chain(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct err e = {0};

	fill(dir, 400, 3);
	fill(dir, 400, 4);
	assert_true(fs_exists(dir, "journal.1"));
	assert_true(fs_exists(dir, "journal.3"));
	assert_false(fs_exists(dir, "journal.4"));
	reads(dir, "1 2 3 4 5 6 7", "7 6 5 4 3 2 1");
	/* Killed between the rename and the new file: nothing is lost, the chain goes on. */
	fine(fs_rename(EFFECT_NONE, dir, "journal", "journal.4", &e), &e);
	reads(dir, "1 2 3 4 5 6 7", "7 6 5 4 3 2 1");
	fill(dir, 4000, 1);
	reads(dir, "1 2 3 4 5 6 7 8", "8 7 6 5 4 3 2 1");
	/* Ten comes after nine. */
	fill(dir, 200, 12);
	assert_true(fs_exists(dir, "journal.10"));
	reads(dir, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
	      "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1");
	fine(fs_unlink(EFFECT_NONE, dir, "journal.2", &e), &e);
	fails(dir,
	      "record 1 of 'routes/x/journal.3' does not continue the record before it: the chain "
	      "is broken");
	fill(dir, 0, 1);
}

static void reading_back_spans_many_pieces(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct journal *j CLEANUP(journal_freep) = NULL;
	char *pad CLEANUP(freep) = mem_zalloc(100001, 1);
	struct json *o CLEANUP(json_freep) = json_object();
	struct seen s = {0};
	struct err e = {0};
	uint64_t torn;

	memset(pad, 'p', 100000);
	json_set_str(o, "event", "e");
	json_set_str(o, "pad", pad);
	fine(journal_open(dir, "", 0, &j, &torn, &e), &e);
	for (int64_t i = 1; i <= 9; i++) {
		json_set_int(o, "n", i);
		fine(journal_append(j, o, &e), &e);
		append(j, "e", ++i);
	}
	fine(journal_read_back(dir, "", note, &s, &e), &e);
	assert_string_equal(s.text, "10 9 8 7 6 5 4 3 2 1");
}

/* The crash: a write that came only in part, wherever it was cut. */
static void torn_last_record_is_cut_off(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	fill(dir, 0, 3);
	load(dir, "journal", &text);
	size_t last = (size_t) ((char *) memrchr(text.data, '\n', text.len - 1) - text.data) + 1;
	for (size_t n = last; n < text.len; n++) {
		struct journal *j CLEANUP(journal_freep) = NULL;
		struct err e = {0};
		uint64_t torn = 99;

		save(dir, "journal", text.data, n);
		reads(dir, "1 2", "2 1");
		fine(journal_open(dir, "routes/x", 0, &j, &torn, &e), &e);
		assert_int_equal(torn, n - last);
		assert_int_equal(last_seq(dir), 2);
		append(j, "e", 3);
		reads(dir, "1 2 3", "3 2 1");
	}
}

/* The crash on a file system that kept the length but not the bytes. */
static void zeroed_last_record_is_cut_off(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	fill(dir, 0, 2);
	load(dir, "journal", &text);
	size_t last = (size_t) (strchr(text.data, '\n') - text.data) + 1;
	for (size_t n = 1; n <= text.len - last; n++) {
		struct journal *j CLEANUP(journal_freep) = NULL;
		char *copy CLEANUP(freep) = memcpy(mem_zalloc(text.len, 1), text.data, text.len);
		struct err e = {0};
		uint64_t torn = 99;

		memset(copy + text.len - n, 0, n);
		save(dir, "journal", copy, text.len);
		reads(dir, "1", "1");
		fine(journal_open(dir, "routes/x", 0, &j, &torn, &e), &e);
		assert_int_equal(torn, text.len - last);
	}
}

static void single_torn_record_leaves_nothing(void **state) {
	int dir = ((struct fixture *) *state)->fd;

	save(dir, "journal", "0123", 4);
	reads(dir, "", "");
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn;
	fine(journal_open(dir, "routes/x", 0, &j, &torn, &e), &e);
	assert_int_equal(torn, 4);
	append(j, "e", 1);
	reads(dir, "1", "1");
}

/* Any damage before the last record, to any bit of any byte, is found by every way of reading. */
static void damage_in_the_middle_is_an_error(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

	fill(dir, 0, 3);
	load(dir, "journal", &text);
	size_t last = (size_t) ((char *) memrchr(text.data, '\n', text.len - 1) - text.data) + 1;
	for (size_t at = 0; at < last; at++)
		for (unsigned bit = 1; bit < 256; bit = bit ? bit << 3 : 0) {
			struct journal *j = NULL;
			struct seen a = {0}, b = {0};
			struct err e = {0}, e1 = {0}, e2 = {0};
			uint64_t torn;
			char was = text.data[at];

			text.data[at] = (char) (was ^ (char) bit);
			int fd CLEANUP(closep) = openat(dir, "journal", O_WRONLY | O_CLOEXEC);
			assert_int_equal(pwrite(fd, text.data, text.len, 0), text.len);
			text.data[at] = was;
			if (!journal_open(dir, "routes/x", 0, &j, &torn, &e))
				fail_msg("byte %zu changed by %u was not seen when opening", at,
					 bit);
			assert_int_equal(e.code, ERR_INTEGRITY);
			assert_int_equal(journal_read(dir, "routes/x", note, &a, &e1), -1);
			assert_string_equal(e1.msg, e.msg);
			assert_int_equal(journal_read_back(dir, "routes/x", note, &b, &e2), -1);
			assert_string_equal(e2.msg, e.msg);
		}
}

/* Lines whose checksum is right, though the content is not what we write. */
static void frame(struct buf *out, const char *prev, const char *json) {
	char *rest CLEANUP(freep) = mem_printf("%s %s", prev, json);

	(void) buf_printf(out, "%08x %s\n", crc32c(rest, strlen(rest)), rest);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define OTHER "1000000000000000000000000000000000000000000000000000000000000000"

static const struct {
	const char *name, *prev, *json;
	enum err_code code;
	const char *msg;
} contents[] = {
	{"first does not start the chain", OTHER, "{\"seq\":1,\"time\":\"t\",\"v\":1}",
	 ERR_INTEGRITY,
	 "record 1 of 'routes/x/journal' does not continue the record before it: the chain is "
	 "broken"},
	{"not JSON", ZEROS, "{\"seq\":1", ERR_INTEGRITY,
	 "record 1 of 'routes/x/journal' has no readable content: not JSON at byte 8"},
	{"not an object", ZEROS, "[1]", ERR_INTEGRITY,
	 "record 1 of 'routes/x/journal' has no format number"},
	{"later format", ZEROS, "{\"v\":2}", ERR_SYS,
	 "record 1 of 'routes/x/journal' has format 2, this program knows 1: use a newer "
	 "llmdeploy"},
	{"number", ZEROS, "{\"seq\":2,\"time\":\"t\",\"v\":1}", ERR_INTEGRITY,
	 "record 1 of 'routes/x/journal' is not number 1: records were removed or added"},
	{"no time", ZEROS, "{\"seq\":1,\"v\":1}", ERR_INTEGRITY,
	 "record 1 of 'routes/x/journal' is not number 1: records were removed or added"},
};

static void content_is_checked(void **state) {
	int dir = ((struct fixture *) *state)->fd;

	EACH_CASE (c, contents) {
		struct buf text CLEANUP(buf_done) = BUF_INIT(4096);
		struct seen s = {0};
		struct err e = {0};

		frame(&text, c->prev, c->json);
		save(dir, "journal", text.data, text.len);
		opening_fails(dir, c->code, c->msg);
		assert_int_equal(journal_read(dir, "routes/x", note, &s, &e), -1);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, c->code);
	}
}

static void foreign_files_are_not_followed(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct journal *j = NULL;
	struct err e = {0};
	uint64_t torn;

	assert_int_equal(symlinkat("/etc/passwd", dir, "journal"), 0);
	opening_fails(dir, ERR_INTEGRITY,
		      "'routes/x/journal' is a symbolic link, which is not followed");
	fails(dir, "'routes/x/journal' is a symbolic link, which is not followed");
	assert_int_equal(unlinkat(dir, "journal", 0), 0);
	assert_int_equal(mkfifoat(dir, "journal", 0600), 0);
	opening_fails(dir, ERR_INTEGRITY, "'routes/x/journal' is not a regular file");
	fails(dir, "'routes/x/journal' is not a regular file");
	assert_int_equal(unlinkat(dir, "journal", 0), 0);
	if (!geteuid()) {
		save(dir, "journal", "", 0);
		assert_int_equal(fchownat(dir, "journal", 4711, 0, 0), 0);
		opening_fails(dir, ERR_INTEGRITY,
			      "'routes/x/journal' belongs to uid 4711, not to us");
		assert_int_equal(unlinkat(dir, "journal", 0), 0);
	}
	int fd CLEANUP(closep) = openat(dir, "journal", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, JOURNAL_FILE_MAX + 1), 0);
	opening_fails(dir, ERR_INTEGRITY, "'routes/x/journal' is larger than 67108864 bytes");
	assert_int_equal(journal_read_back(dir, "", note, NULL, &e), -1);
	assert_string_equal(e.msg, "'journal' is larger than 67108864 bytes");
	assert_int_equal(unlinkat(dir, "journal", 0), 0);
	save(dir, "journal.1", "garbage\n", 8);
	assert_int_equal(journal_open(dir, "", 0, &j, &torn, &e), -1);
	assert_string_equal(
		e.msg, "the last record of 'journal.1' is damaged: its checksum does not match");
}

static void two_writers_are_noticed(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct json *o CLEANUP(json_freep) = json_object();
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(dir, "routes/x", 0, &j, &torn, &e), &e);
	fill(dir, 0, 1);
	assert_int_equal(journal_append(j, o, &e), -1);
	assert_string_equal(
		e.msg, "'routes/x/journal' was changed by another process while this one wrote it");
	assert_int_equal(e.code, ERR_INTEGRITY);
	reads(dir, "1", "1");
}

static void records_have_a_limit(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct json *o CLEANUP(json_freep) = json_object();
	struct journal *j CLEANUP(journal_freep) = NULL;
	char *pad CLEANUP(freep) = mem_zalloc(JOURNAL_RECORD_MAX + 1, 1);
	struct err e = {0};
	uint64_t torn;

	memset(pad, 'p', JOURNAL_RECORD_MAX);
	json_set_str(o, "event", "e");
	json_set_str(o, "pad", pad);
	fine(journal_open(dir, "", 0, &j, &torn, &e), &e);
	append(j, "e", 1);
	assert_int_equal(journal_append(j, o, &e), -1);
	assert_string_equal(e.msg, "journal record: JSON of more than 262134 bytes");
	append(j, "e", 2);
	reads(dir, "1 2", "2 1");
}

/* A disk that is full, by the limit on a file's size. */
static void failed_write_leaves_the_file_as_it_was(void **state) {
	int dir = ((struct fixture *) *state)->fd;
	struct json *o CLEANUP(json_freep) = json_object();
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct rlimit was, tight;
	struct stat before, after;
	struct err e = {0};
	uint64_t torn;

	fill(dir, 0, 2);
	fine(journal_open(dir, "routes/x", 0, &j, &torn, &e), &e);
	assert_int_equal(fstatat(dir, "journal", &before, 0), 0);
	(void) signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	for (rlim_t room = 0; room < 60; room += 20) {
		tight = (struct rlimit){(rlim_t) before.st_size + room, was.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
		assert_int_equal(journal_append(j, o, &e), -1);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
		assert_string_equal(e.msg, "cannot write 'routes/x/journal': File too large");
		assert_int_equal(e.code, ERR_SYS);
		assert_int_equal(fstatat(dir, "journal", &after, 0), 0);
		assert_int_equal(after.st_size, before.st_size);
	}
	append(j, "e", 3);
	reads(dir, "1 2 3", "3 2 1");
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(empty_has_no_records),
		IN_PLACE(format_is_pinned),
		IN_PLACE(goes_on_after_reopening),
		IN_PLACE(rotation_continues_the_chain),
		IN_PLACE(reading_back_spans_many_pieces),
		IN_PLACE(torn_last_record_is_cut_off),
		IN_PLACE(zeroed_last_record_is_cut_off),
		IN_PLACE(single_torn_record_leaves_nothing),
		IN_PLACE(damage_in_the_middle_is_an_error),
		IN_PLACE(content_is_checked),
		IN_PLACE(foreign_files_are_not_followed),
		IN_PLACE(two_writers_are_noticed),
		IN_PLACE(records_have_a_limit),
		IN_PLACE(failed_write_leaves_the_file_as_it_was),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
