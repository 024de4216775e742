/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* The files of one journal. Inside this folder only. */

/* "routes/incident" and "journal" to "routes/incident/journal"; yours to free. */
char *file_shown(const char *where, const char *name);
/* Numbers N of the files journal.N, ascending; free(*numbers). */
int file_rotated(int dir, const char *where, unsigned **numbers, size_t *n, struct err *e);
char *file_name(unsigned number); /* 0: "journal"; yours to free */
/* Open for reading; *fd -1 when there is none. A link or anything but a regular file is
 * ERR_INTEGRITY. */
int file_open(int dir, const char *where, const char *name, int *out, struct err *e);
int file_load(int fd, const char *shown, struct buf *out, struct err *e);

/* The files as they stood at one moment: opened newest first, so that a rotation in between hides
 * nothing. */
struct file_set {
	struct file_one {
		int fd;
		char *shown;
	} * at; /* oldest first; the last one is the newest; none before the last new chain */
	size_t n;
};

int file_set_open(int dir, const char *where, struct file_set *out, struct err *e);
void file_set_done(struct file_set *s);

/* A new `journal` where there is none, which begins a chain with this record. */
struct json;
int journal_begin(int dir, const char *where, const struct json *first, struct err *e);
/* Does the file begin a new chain after a broken one? */
bool file_restarts(int fd);
