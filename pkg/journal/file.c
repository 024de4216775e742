/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "journal/frame.h"
#include "json/json.h"

#define FILE_FIRST_MAX (64U << 10) /* bytes of the record that begins a new chain */

char *file_shown(const char *where, const char *name) {
	return where[0] ? mem_printf("%s/%s", where, name) : mem_strdup(name);
}

char *file_name(unsigned number) {
	return number ? mem_printf("journal.%u", number) : mem_strdup("journal");
}

static int compare_numbers(const void *a, const void *b) {
	unsigned x = *(const unsigned *) a, y = *(const unsigned *) b;

	return (x > y) - (x < y);
}

/* The N of "journal.N" in its one spelling; 0: another file. */
static unsigned number_of(const char *name) {
	uint64_t n;

	if (!text_starts(name, "journal.") || name[8] == '0' || !text_u64(name + 8, &n) ||
	    n > 1000000000)
		return 0;
	return (unsigned) n;
}

int file_rotated(int dir, const char *where, unsigned **numbers, size_t *n, struct err *e) {
	char **names CLEANUP(freep) = NULL;
	size_t all, have = 0;

	if (fs_list(dir, ".", &names, &all, e))
		return err_wrap(e, "journal of '%s'", where[0] ? where : "the root");
	unsigned *list = mem_zalloc(all, sizeof *list);
	for (size_t i = 0; i < all; i++)
		if (number_of(names[i]))
			list[have++] = number_of(names[i]);
	qsort(list, have, sizeof *list, compare_numbers);
	*numbers = list;
	*n = have;
	return 0;
}

int file_open(int dir, const char *where, const char *name, int *out, struct err *e) {
	char *shown CLEANUP(freep) = file_shown(where, name);
	int fd CLEANUP(closep) = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT) {
		*out = -1;
		return 0;
	}
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_INTEGRITY, "'%s' is a symbolic link, which is not followed",
			       shown);
	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, "cannot open '%s'", shown);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INTEGRITY, "'%s' is not a regular file", shown);
	*out = fd;
	fd = -1;
	return 0;
}

int file_load(int fd, const char *shown, struct buf *out, struct err *e) {
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, "cannot look at '%s'", shown);
	if ((uint64_t) st.st_size > out->cap)
		return err_set(e, ERR_INTEGRITY, "'%s' is larger than %zu bytes", shown, out->cap);
	/* What is appended meanwhile belongs to the next reader. */
	size_t size = (size_t) st.st_size, have = 0;
	char *piece CLEANUP(freep) = mem_zalloc(size, 1);
	while (have < size) {
		ssize_t r = pread(fd, piece + have, size - have, (off_t) have);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, "cannot read '%s'", shown);
		if (!r)
			break;
		have += (size_t) r;
	}
	(void) buf_add(out, piece, have);
	return 0;
}

static bool same_file(int a, int b) {
	struct stat x, y;

	return a >= 0 && b >= 0 && !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev &&
		x.st_ino == y.st_ino;
}

static void add(struct file_set *s, int fd, const char *where, const char *name) {
	s->at[s->n++] = (struct file_one){fd, file_shown(where, name)};
}

static int open_rotated(int dir, const char *where, int newest, struct file_set *s, struct err *e) {
	unsigned *numbers CLEANUP(freep) = NULL;
	size_t n;

	if (file_rotated(dir, where, &numbers, &n, e))
		return -1;
	s->at = mem_zalloc(n + 1, sizeof *s->at);
	for (size_t i = 0; i < n; i++) {
		char *name CLEANUP(freep) = file_name(numbers[i]);
		int fd = -1;
		if (file_open(dir, where, name, &fd, e))
			return -1;
		if (fd >= 0 && same_file(fd, newest))
			(void) close(fd);
		else if (fd >= 0)
			add(s, fd, where, name);
	}
	return 0;
}

bool file_restarts(int fd) {
	char *head CLEANUP(freep) = mem_zalloc(FILE_FIRST_MAX, 1);
	struct json *body CLEANUP(json_freep) = NULL;
	struct journal_record r;
	struct err unread;
	struct frame parts;
	ssize_t n;

	do
		n = pread(fd, head, FILE_FIRST_MAX, 0);
	while (n < 0 && errno == EINTR);
	const char *end = n > 0 ? memchr(head, '\n', (size_t) n) : NULL;
	if (!end || !frame_split(head, (size_t) (end - head), &parts) ||
	    frame_record(&parts, 1, &body, &r, &unread))
		return false;
	return !strcmp(r.event, JOURNAL_ACCEPTED) && strspn(parts.prev, "0") >= 64;
}

/* The very first file begins the first chain, whatever it says. */
static void drop_before_restart(struct file_set *s) {
	size_t first = s->n;

	while (first > 1 && !file_restarts(s->at[first - 1].fd))
		first--;
	if (first < 2)
		return;
	for (size_t i = 0; i + 1 < first; i++) {
		closep(&s->at[i].fd);
		free(s->at[i].shown);
	}
	s->n -= first - 1;
	memmove(s->at, s->at + first - 1, s->n * sizeof *s->at);
}

int file_set_open(int dir, const char *where, struct file_set *out, struct err *e) {
	struct file_set s = {0};
	int newest = -1;

	if (file_open(dir, where, "journal", &newest, e))
		return -1;
	if (open_rotated(dir, where, newest, &s, e)) {
		closep(&newest);
		file_set_done(&s);
		return -1;
	}
	if (newest >= 0)
		add(&s, newest, where, "journal");
	drop_before_restart(&s);
	*out = s;
	return 0;
}

void file_set_done(struct file_set *s) {
	for (size_t i = 0; i < s->n; i++) {
		closep(&s->at[i].fd);
		free(s->at[i].shown);
	}
	free(s->at);
	*s = (struct file_set){0};
}
