/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "archive/reader.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

enum { BLOCK = 1 << 18 };

int archive_tar_each(int fd, const char *name, const struct archive_visitor *v, struct err *e) {
	struct reader r CLEANUP(reader_close) = {.name = name};

	(void) archive_read_support_format_tar(reader_new(&r));
	if (reader_opened(&r, archive_read_open_fd(r.a, fd, BLOCK), e))
		return -1;
	return reader_each(&r, v, e);
}

/* What libarchive calls a filter, by the ending of the member's name. */
static int support_ending(struct archive *a, const char *ending) {
	if (!*ending)
		return 0;
	if (!strcmp(ending, ".xz"))
		return archive_read_support_filter_xz(a);
	if (!strcmp(ending, ".zst"))
		return archive_read_support_filter_zstd(a);
	if (!strcmp(ending, ".gz"))
		return archive_read_support_filter_gzip(a);
	if (!strcmp(ending, ".bz2"))
		return archive_read_support_filter_bzip2(a);
	if (!strcmp(ending, ".lzma"))
		return archive_read_support_filter_lzma(a);
	return ARCHIVE_FATAL;
}

/* The tar inside reads its bytes from the present member of the ar around it. */
static la_ssize_t read_member(struct archive *inner, void *ctx, const void **data) {
	struct reader *outer = ctx;
	size_t n = 0;
	la_int64_t offset;
	int rc;

	/* A block may be empty, which here would mean the end. */
	do
		rc = archive_read_data_block(outer->a, data, &n, &offset);
	while (rc == ARCHIVE_OK && !n);
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc == ARCHIVE_OK)
		return (la_ssize_t) n;
	const char *why = archive_error_string(outer->a);
	archive_set_error(inner, archive_errno(outer->a), "%s",
			  why ? why : "cannot read the package");
	return -1;
}

/* The next member that counts: names that begin with '_' are for whoever understands them
 * (deb(5)). */
static int next_part(struct reader *outer, struct archive_entry **entry, struct err *e) {
	do
		if (reader_next(outer, entry, e))
			return -1;
	while (*entry && text_starts(archive_entry_pathname(*entry), "_"));
	return 0;
}

/* Visit the tar in the member `part` + ending ("data.tar", ".xz"). */
static int visit_part(struct reader *outer, const char *part, const struct archive_visitor *v,
		      struct err *e) {
	struct archive_entry *entry;
	struct reader inner CLEANUP(reader_close) = {.name = outer->name, .limit = outer->limit};

	if (next_part(outer, &entry, e))
		return -1;
	const char *found = entry ? archive_entry_pathname(entry) : "nothing";
	if (!entry || !text_starts(found, part))
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is no Debian package: '%s' stands where %s should be",
			       outer->name, found, part);
	(void) archive_read_support_format_tar(reader_new(&inner));
	if (support_ending(inner.a, found + strlen(part)) != ARCHIVE_OK)
		return err_set(
			e, ERR_INTEGRITY,
			"'%s' has a member '%s': it may be plain, .gz, .xz, .zst, .bz2 or .lzma",
			outer->name, found);
	if (reader_opened(&inner, archive_read_open(inner.a, outer, NULL, read_member, NULL), e))
		return -1;
	return reader_each(&inner, v, e);
}

static int keep_head(void *ctx, const void *data, size_t n, struct err *e) {
	char *head = ctx;
	size_t have = strlen(head);

	(void) e;
	for (size_t i = 0; i < n && have < 7; i++)
		head[have++] = ((const char *) data)[i] ? ((const char *) data)[i] : '?';
	return 0;
}

static int check_version(struct reader *outer, struct err *e) {
	struct archive_entry *entry;
	char version[8] = "";

	if (reader_next(outer, &entry, e))
		return -1;
	if (!entry || strcmp(archive_entry_pathname(entry), "debian-binary") != 0)
		return err_set(e, ERR_INTEGRITY,
			       "'%s' is no Debian package: its first member is not debian-binary",
			       outer->name);
	if (reader_content(outer, entry, keep_head, version, e))
		return -1;
	if (!text_starts(version, "2."))
		return err_set(e, ERR_INTEGRITY, "'%s' has a package format that is not 2.x",
			       outer->name);
	return 0;
}

int archive_deb(int fd, const char *name, const struct archive_visitor *control,
		const struct archive_visitor *data, struct err *e) {
	struct reader outer CLEANUP(reader_close) = {.name = name};
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, "cannot read '%s'", name);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot read '%s'", name);
	outer.limit = reader_limit((uint64_t) st.st_size);
	(void) archive_read_support_format_ar(reader_new(&outer));
	if (reader_opened(&outer, archive_read_open_fd(outer.a, fd, BLOCK), e) ||
	    check_version(&outer, e))
		return -1;
	if (visit_part(&outer, "control.tar", control, e))
		return -1;
	return visit_part(&outer, "data.tar", data, e);
}
