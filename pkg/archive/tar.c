/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

/* POSIX.1-2017, pax, "ustar Interchange Format". */
enum { BLOCK = 512, NAME = 100, PREFIX = 155, MAX_RECORDS = 16384 };
#define MAX_OCTAL 077777777777ULL /* 11 digits: what a size field holds */

struct header {
	char name[NAME], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type,
		link[NAME];
	char magic[6], version[2], uname[32], gname[32], major[8], minor[8], prefix[PREFIX],
		unused[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

static int put(struct archive_tar *t, const void *data, size_t n, struct err *e) {
	t->size += n;
	return t->write(t->ctx, data, n, e);
}

static int pad(struct archive_tar *t, struct err *e) {
	static const char zeros[BLOCK];
	size_t n = (size_t) (-t->size % BLOCK);

	return n ? put(t, zeros, n, e) : 0;
}

static void octal(char *field, size_t n, uint64_t v) {
	for (field[--n] = 0; n--; v >>= 3)
		field[n] = (char) ('0' + (v & 7));
}

/* Where to cut a path so that prefix and name fit; 0 when it needs no cut, -1 when nothing fits. */
static int cut_of(const char *path, size_t n) {
	if (n <= NAME)
		return 0;
	for (size_t i = n - NAME - 1; i <= PREFIX && i < n - 1; i++)
		if (path[i] == '/' && i)
			return (int) i;
	return -1;
}

/* Names beyond ASCII have no meaning in ustar: a pax header says that they are UTF-8. */
static bool is_ascii(const char *s) {
	for (; *s; s++)
		if ((unsigned char) *s >= 0x80)
			return false;
	return true;
}

static int write_header(struct archive_tar *t, char type, const char *path, unsigned mode,
			uint64_t size, const char *link, struct err *e) {
	struct header h = {.type = type, .magic = "ustar", .version = {'0', '0'}};
	size_t n = strlen(path);
	int cut = cut_of(path, n);
	unsigned sum = 0;

	if (cut > 0) {
		memcpy(h.prefix, path, (size_t) cut);
		memcpy(h.name, path + cut + 1, n - (size_t) cut - 1);
	} else {
		memcpy(h.name, path, n < NAME ? n : NAME);
	}
	memcpy(h.link, link, strlen(link) < NAME ? strlen(link) : NAME);
	octal(h.mode, sizeof h.mode, mode);
	octal(h.uid, sizeof h.uid, 0);
	octal(h.gid, sizeof h.gid, 0);
	octal(h.size, sizeof h.size, size > MAX_OCTAL ? 0 : size);
	octal(h.mtime, sizeof h.mtime, 0);
	octal(h.major, sizeof h.major, 0);
	octal(h.minor, sizeof h.minor, 0);
	memset(h.checksum, ' ', sizeof h.checksum);
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const unsigned char *) &h)[i];
	octal(h.checksum, 7, sum);
	return put(t, &h, sizeof h, e);
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void add_record(struct buf *b, const char *key, const char *value) {
	size_t body = strlen(key) + strlen(value) + 3, total = body + 1;

	for (size_t digits = 1;; digits++) {
		total = body + digits;
		if ((size_t) snprintf(NULL, 0, "%zu", total) == digits)
			break;
	}
	(void) buf_printf(b, "%zu %s=%s\n", total, key, value);
}

static int write_pax(struct archive_tar *t, const char *path, uint64_t size, const char *link,
		     struct err *e) {
	struct buf records CLEANUP(buf_done) = BUF_INIT(MAX_RECORDS);
	char number[24];

	if (cut_of(path, strlen(path)) < 0 || !is_ascii(path))
		add_record(&records, "path", path);
	if (strlen(link) > NAME || !is_ascii(link))
		add_record(&records, "linkpath", link);
	(void) snprintf(number, sizeof number, "%llu", (unsigned long long) size);
	if (size > MAX_OCTAL)
		add_record(&records, "size", number);
	if (records.cut)
		return err_set(e, ERR_SYS, "'%.100s' has a name that is too long for a tar", path);
	if (!records.len)
		return 0;
	if (write_header(t, 'x', "PaxHeader", 0644, records.len, "", e) ||
	    put(t, records.data, records.len, e))
		return -1;
	return pad(t, e);
}

static int entry(struct archive_tar *t, char type, const char *path, unsigned mode, uint64_t size,
		 const char *link, struct err *e) {
	assert(!t->expect && *path && *path != '/');
	if (write_pax(t, path, size, link, e))
		return -1;
	return write_header(t, type, path, mode, size, link, e);
}

int archive_tar_dir(struct archive_tar *t, const char *path, unsigned mode, struct err *e) {
	char *name CLEANUP(freep) = mem_printf("%s/", path);

	return entry(t, '5', name, mode, 0, "", e);
}

int archive_tar_symlink(struct archive_tar *t, const char *path, const char *target,
			struct err *e) {
	return entry(t, '2', path, 0777, 0, target, e);
}

int archive_tar_file(struct archive_tar *t, const char *path, unsigned mode, uint64_t size,
		     struct err *e) {
	if (entry(t, '0', path, mode, size, "", e))
		return -1;
	t->expect = size;
	return 0;
}

int archive_tar_data(struct archive_tar *t, const void *data, size_t n, struct err *e) {
	assert(n <= t->expect);
	t->expect -= n;
	if (n && put(t, data, n, e))
		return -1;
	return t->expect ? 0 : pad(t, e);
}

int archive_tar_end(struct archive_tar *t, struct err *e) {
	static const char zeros[2 * BLOCK];

	assert(!t->expect);
	return put(t, zeros, sizeof zeros, e);
}
