/* SPDX-License-Identifier: Apache-2.0 */
#include "archive/reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/interrupt.h"

enum { MAX_ENTRIES = 1000000, MAX_PATH = 4096, MAX_RATIO = 2000, SLACK = 64 << 20 };

struct archive *reader_new(struct reader *r) {
	r->a = archive_read_new();
	if (!r->a)
		abort();
	r->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	if (r->utf8)
		r->before = uselocale(r->utf8);
	return r->a;
}

void reader_close(struct reader *r) {
	if (r->a)
		(void) archive_read_free(r->a);
	r->a = NULL;
	if (!r->utf8)
		return;
	(void) uselocale(r->before);
	freelocale(r->utf8);
	r->utf8 = (locale_t) 0;
}

uint64_t reader_limit(uint64_t archive_bytes) {
	uint64_t n;

	if (__builtin_mul_overflow(archive_bytes, (uint64_t) MAX_RATIO, &n) ||
	    __builtin_add_overflow(n, (uint64_t) SLACK, &n))
		return 0;
	return n;
}

const char *reader_plain(const char *path) {
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

int reader_fault(const struct reader *r, struct err *e) {
	const char *why = archive_error_string(r->a);
	int code = archive_errno(r->a);

	/* libarchive's own codes are EILSEQ, EINVAL and negative ones; the rest is the system's. */
	if (code == EIO || code == ENOMEM || code == EACCES || code == EISDIR)
		return err_set(e, ERR_SYS, "cannot read '%s': %s", r->name,
			       why ? why : strerror(code));
	return err_set(e, ERR_INTEGRITY, "'%s' is corrupt or cut short: %s", r->name,
		       why ? why : "no reason given");
}

int reader_opened(const struct reader *r, int rc, struct err *e) {
	return rc == ARCHIVE_OK ? 0 : reader_fault(r, e);
}

static int check_expansion(const struct reader *r, struct err *e) {
	uint64_t unpacked = (uint64_t) archive_filter_bytes(r->a, 0);

	if (r->limit && (r->out > r->limit || unpacked > r->limit))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' expands to more than %d times its size: refused", r->name,
			       MAX_RATIO);
	return interrupt_check(e);
}

int reader_next(struct reader *r, struct archive_entry **entry, struct err *e) {
	struct archive_entry *found = NULL;
	int rc = archive_read_next_header(r->a, &found);

	if (rc == ARCHIVE_EOF) {
		*entry = NULL;
		return 0;
	}
	/* A warning is about a name that the C locale cannot show; the bytes of the name are kept.
	 */
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return reader_fault(r, e);
	const char *path = archive_entry_pathname(found);
	if (!path)
		return err_set(e, ERR_INTEGRITY, "'%s' has an entry whose name cannot be read",
			       r->name);
	if (strlen(path) >= MAX_PATH)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' has an entry whose name is longer than %d bytes", r->name,
			       MAX_PATH);
	if (++r->entries > MAX_ENTRIES)
		return err_set(e, ERR_INTEGRITY, "'%s' has more than %d entries: refused", r->name,
			       MAX_ENTRIES);
	*entry = found;
	return check_expansion(r, e);
}

struct flow {
	int (*sink)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
	uint64_t at;
};

static int fill_hole(struct flow *f, uint64_t to, struct err *e) {
	static const char zeros[4096];

	while (f->at < to) {
		size_t n = to - f->at < sizeof zeros ? (size_t) (to - f->at) : sizeof zeros;
		if (f->sink(f->ctx, zeros, n, e))
			return -1;
		f->at += n;
	}
	return 0;
}

/* One block; *more is false at the end. */
static int flow_block(struct reader *r, struct flow *f, uint64_t size, bool *more, struct err *e) {
	const void *data;
	size_t n = 0;
	la_int64_t offset = 0;
	int rc = archive_read_data_block(r->a, &data, &n, &offset);

	*more = rc == ARCHIVE_OK;
	uint64_t from = (uint64_t) offset;
	if (rc == ARCHIVE_EOF) /* at the end of a sparse file, the offset says how far its last hole
				  goes */
		return offset > 0 && from <= size ? fill_hole(f, from, e) : 0;
	if (rc != ARCHIVE_OK)
		return reader_fault(r, e);
	if (offset < 0 || from < f->at || from > size || n > size - from)
		return err_set(e, ERR_INTEGRITY, "'%s' is corrupt: content outside of its entry",
			       r->name);
	if (fill_hole(f, from, e))
		return -1;
	r->out += n;
	f->at += n;
	if (check_expansion(r, e))
		return -1;
	return n ? f->sink(f->ctx, data, n, e) : 0;
}

int reader_content(struct reader *r, struct archive_entry *entry,
		   int (*sink)(void *ctx, const void *data, size_t n, struct err *e), void *ctx,
		   struct err *e) {
	struct flow f = {sink, ctx, 0};
	uint64_t size = archive_entry_size_is_set(entry) ? (uint64_t) archive_entry_size(entry)
							 : UINT64_MAX;
	bool more = true;

	/* A hole costs the archive nothing, so the header's size is bounded like the content. */
	if (r->limit && size != UINT64_MAX && size > r->limit)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' expands to more than %d times its size: refused", r->name,
			       MAX_RATIO);
	while (more)
		if (flow_block(r, &f, size, &more, e))
			return -1;
	if (size != UINT64_MAX && f.at != size)
		return err_set(e, ERR_INTEGRITY, "'%s' is cut short: '%s' has %llu of %llu bytes",
			       r->name, archive_entry_pathname(entry), (unsigned long long) f.at,
			       (unsigned long long) size);
	return 0;
}

static enum archive_type type_of(struct archive_entry *entry) {
	if (archive_entry_hardlink(entry))
		return ARCHIVE_TYPE_HARDLINK;
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG: return ARCHIVE_TYPE_FILE;
	case AE_IFDIR: return ARCHIVE_TYPE_DIR;
	case AE_IFLNK: return ARCHIVE_TYPE_SYMLINK;
	default: return ARCHIVE_TYPE_OTHER;
	}
}

static struct archive_item describe(struct archive_entry *entry) {
	struct archive_item item = {
		.path = archive_entry_pathname(entry),
		.type = type_of(entry),
		.mode = (unsigned) archive_entry_perm(entry) & 07777,
		.size = (uint64_t) archive_entry_size(entry),
	};

	if (item.type == ARCHIVE_TYPE_HARDLINK)
		item.link = archive_entry_hardlink(entry);
	if (item.type == ARCHIVE_TYPE_SYMLINK)
		item.link = archive_entry_symlink(entry);
	return item;
}

int reader_each(struct reader *r, const struct archive_visitor *v, struct err *e) {
	struct archive_entry *entry;

	for (;;) {
		enum archive_wish wish = ARCHIVE_SKIP;
		if (reader_next(r, &entry, e))
			return -1;
		if (!entry)
			return 0;
		struct archive_item item = describe(entry);
		if (item.type == ARCHIVE_TYPE_SYMLINK && !item.link)
			return err_set(e, ERR_INTEGRITY,
				       "'%s' has a link whose target cannot be read: '%s'", r->name,
				       item.path);
		if (v->item(v->ctx, &item, &wish, e))
			return -1;
		if (wish == ARCHIVE_STOP)
			return 0;
		if (wish == ARCHIVE_TAKE && reader_content(r, entry, v->data, v->ctx, e))
			return -1;
	}
}
