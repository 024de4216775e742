/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "journal/file.h"
#include "journal/frame.h"
#include "json/json.h"

struct journal {
	int dir, fd;
	char *shown;
	uint64_t rotate, size;
	unsigned rotated; /* number of the newest journal.N */
	struct chain chain;
	bool broken; /* the file may hold what we do not know of */
};

void journal_free(struct journal *j) {
	if (!j)
		return;
	closep(&j->fd);
	closep(&j->dir);
	free(j->shown);
	free(j);
}

void journal_freep(struct journal **j) {
	journal_free(*j);
}

/* The newest file, made durable where it is new. */
static int start_file(struct journal *j, struct err *e) {
	bool there = fs_exists(j->dir, "journal");
	int fd CLEANUP(closep) = fs_step_create(EFFECT_JOURNAL_ROTATE, j->dir, "journal",
						O_RDWR | O_APPEND | O_NONBLOCK, 0644);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INTEGRITY, "'%s' is a symbolic link, which is not followed",
			       j->shown);
	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, "cannot open '%s'", j->shown);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INTEGRITY, "'%s' is not a regular file", j->shown);
	if (st.st_uid != geteuid())
		return err_set(e, ERR_INTEGRITY, "'%s' belongs to uid %u, not to us", j->shown,
			       (unsigned) st.st_uid);
	if (!there &&
	    (fs_step_sync(EFFECT_JOURNAL_ROTATE, fd) ||
	     fs_step_sync(EFFECT_JOURNAL_ROTATE, j->dir)))
		return err_sys(e, "cannot sync '%s'", j->shown);
	closep(&j->fd);
	j->fd = fd;
	fd = -1;
	return 0;
}

/* Where the chain stands at the end of the files that were rotated away. */
static int continue_chain(struct journal *j, const char *where, struct err *e) {
	unsigned *numbers CLEANUP(freep) = NULL;
	size_t n;

	chain_start(&j->chain);
	if (file_rotated(j->dir, where, &numbers, &n, e))
		return -1;
	if (!n)
		return 0;
	j->rotated = numbers[n - 1];
	int newest CLEANUP(closep) = -1;
	if (file_open(j->dir, where, "journal", &newest, e))
		return -1;
	if (newest >= 0 && file_restarts(newest))
		return 0;
	char *name CLEANUP(freep) = file_name(j->rotated),
		   *shown CLEANUP(freep) = file_shown(where, name);
	int fd CLEANUP(closep) = -1;
	struct buf text CLEANUP(buf_done) = BUF_INIT(JOURNAL_FILE_MAX);
	if (file_open(j->dir, where, name, &fd, e) ||
	    file_load(fd, shown, &text, e))
		return -1;
	const char *data = buf_str(&text);
	const char *before = text.len > 1 ? memrchr(data, '\n', text.len - 1) : NULL;
	size_t at = before ? (size_t) (before - data) + 1 : 0;
	struct json *body CLEANUP(json_freep) = NULL;
	struct journal_record r;
	struct frame last;
	if (!text.len || data[text.len - 1] != '\n' ||
	    !frame_split(data + at, text.len - at - 1, &last))
		return err_set(e, ERR_INTEGRITY,
			       "the last record of '%s' is damaged: its checksum does not match",
			       shown);
	if (frame_record(&last, 0, &body, &r, e))
		return err_wrap(e, "the last record of '%s'", shown);
	j->chain.seq = r.seq - 1;
	chain_step(&j->chain, data + at, text.len - at);
	return 0;
}

/* Check the newest file and cut a torn end off. */
static int repair(struct journal *j, uint64_t *torn, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(JOURNAL_FILE_MAX);
	size_t whole;

	if (file_load(j->fd, j->shown, &text, e))
		return -1;
	struct frames f = {.file = j->shown,
			   .data = buf_str(&text),
			   .n = text.len,
			   .newest = true,
			   .quick = true};
	if (frames_read(&f, &j->chain, &whole, e))
		return -1;
	if (whole < text.len &&
	    (fs_step_truncate(EFFECT_JOURNAL_CUT, j->fd, (off_t) whole) ||
	     fs_step_sync(EFFECT_JOURNAL_CUT, j->fd)))
		return err_sys(e, "cannot cut the torn end off '%s'", j->shown);
	j->size = whole;
	*torn = text.len - whole;
	return 0;
}

static struct journal *journal_new(int dir, const char *where, uint64_t rotate_bytes) {
	struct journal *j = mem_zalloc(1, sizeof *j);

	j->fd = -1;
	j->shown = file_shown(where, "journal");
	j->rotate = rotate_bytes ? rotate_bytes : JOURNAL_ROTATE;
	j->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	return j;
}

int journal_begin(int dir, const char *where, const struct json *first, struct err *e) {
	struct journal *j CLEANUP(journal_freep) = journal_new(dir, where, 0);

	chain_start(&j->chain);
	if (j->dir < 0)
		return err_sys(e, "cannot open '%s'", j->shown);
	if (start_file(j, e) ||
	    journal_append(j, first, e))
		return -1;
	return 0;
}

int journal_open(int dir, const char *where, uint64_t rotate_bytes, struct journal **out,
		 uint64_t *torn, struct err *e) {
	struct journal *j CLEANUP(journal_freep) = journal_new(dir, where, rotate_bytes);

	if (j->dir < 0)
		return err_sys(e, "cannot open '%s'", j->shown);
	if (continue_chain(j, where, e) ||
	    start_file(j, e) ||
	    repair(j, torn, e))
		return -1;
	*out = STEAL(j);
	return 0;
}

/* A crash after the rename leaves no newest file; opening makes it. */
static int rotate(struct journal *j, struct err *e) {
	char *name CLEANUP(freep) = file_name(j->rotated + 1);

	if (fs_exists(j->dir, name))
		return err_set(e, ERR_INTEGRITY, "'%s' cannot be rotated: '%s' is in the way",
			       j->shown, name);
	if (fs_rename(EFFECT_JOURNAL_ROTATE, j->dir, "journal", name, e))
		return -1;
	j->broken = true; /* until there is a file to go on in */
	if (start_file(j, e))
		return -1;
	j->broken = false;
	j->rotated++;
	j->size = 0;
	return 0;
}

static int write_line(struct journal *j, const struct buf *line, struct err *e) {
	struct err undo;

	if (!fs_write_all(EFFECT_JOURNAL_APPEND, j->fd, line->data, line->len, j->shown, e)) {
		if (!fs_step_datasync(EFFECT_JOURNAL_SYNC, j->fd))
			return 0;
		(void) err_sys(e, "cannot sync '%s'", j->shown);
	}
	/* The record must not come back later: the caller acts as if it had never been. */
	j->broken = fs_step_truncate(EFFECT_JOURNAL_CUT, j->fd, (off_t) j->size) ||
		fs_step_sync(EFFECT_JOURNAL_CUT, j->fd);
	if (j->broken && err_sys(&undo, "and it cannot be undone"))
		(void) err_wrap(e, "%.200s", undo.msg);
	return -1;
}

static int check_unchanged(const struct journal *j, struct err *e) {
	struct stat st;

	if (j->broken)
		return err_set(
			e, ERR_SYS,
			"'%s' could not be repaired after a failed write: run 'llmdeploy recover'",
			j->shown);
	if (fstat(j->fd, &st))
		return err_sys(e, "cannot look at '%s'", j->shown);
	if ((uint64_t) st.st_size != j->size || !st.st_nlink)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' was changed by another process while this one wrote it",
			       j->shown);
	return 0;
}

int journal_append(struct journal *j, const struct json *event, struct err *e) {
	struct json *body CLEANUP(json_freep) = json_copy(event);
	struct buf line CLEANUP(buf_done) = BUF_INIT(JOURNAL_RECORD_MAX);
	char stamp[CLOCK_STAMP];

	assert(json_is_object(event));
	clock_stamp(clock_unix(), stamp);
	json_set_int(body, "v", 1);
	json_set_int(body, "seq", (int64_t) j->chain.seq + 1);
	json_set_str(body, "time", stamp);
	if (frame_format(body, &j->chain, &line, e) ||
	    check_unchanged(j, e))
		return -1;
	if (j->size && j->size + line.len > j->rotate && rotate(j, e))
		return -1;
	if (write_line(j, &line, e))
		return -1;
	j->size += line.len;
	chain_step(&j->chain, line.data, line.len);
	return 0;
}
