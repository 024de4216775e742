/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "archive/reader.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

enum { BLOCK = 1 << 18, MAX_NAMES = 10000 };

/* The names that were passed by, for "did you mean". */
struct names {
	struct arena *arena;
	const char **at;
	size_t n, cap;
};

static void names_done(struct names *s) {
	arena_free(s->arena);
	free(s->at);
}

static void remember(struct names *s, const char *name) {
	if (s->n >= MAX_NAMES)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 64;
		s->at = mem_grow(s->at, s->cap, sizeof *s->at);
	}
	s->at[s->n++] = arena_strdup(s->arena, name);
}

/* No filter that would run another program, and no mtree, which would open files that it names. */
static void support(struct archive *a) {
	(void) archive_read_support_format_zip(a);
	(void) archive_read_support_format_tar(a);
	(void) archive_read_support_format_7zip(a);
	(void) archive_read_support_format_cpio(a);
	(void) archive_read_support_format_ar(a);
	(void) archive_read_support_filter_gzip(a);
	(void) archive_read_support_filter_bzip2(a);
	(void) archive_read_support_filter_xz(a);
	(void) archive_read_support_filter_lzma(a);
	(void) archive_read_support_filter_lzip(a);
	(void) archive_read_support_filter_zstd(a);
	(void) archive_read_support_filter_lz4(a);
}

static int open_any(struct reader *r, int fd, struct err *e) {
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_SYS, "'%s' is not a regular file", r->name);
	r->limit = reader_limit((uint64_t) st.st_size);
	support(reader_new(r));
	if (archive_read_open_fd(r->a, fd, BLOCK) == ARCHIVE_OK)
		return 0;
	return err_set(e, ERR_INTEGRITY, "'%s' is not an archive that can be read: %s", r->name,
		       archive_error_string(r->a));
}

static int missing(const struct reader *r, const char *member, const struct names *seen,
		   struct err *e) {
	const char *near = text_nearest(member, seen->at, seen->n);
	const char *base = strrchr(member, '/') ? strrchr(member, '/') + 1 : member;

	/* A wrong folder is the likelier slip when the file's own name is there. */
	for (size_t i = 0; !near && i < seen->n; i++) {
		const char *slash = strrchr(seen->at[i], '/');
		if (!strcmp(slash ? slash + 1 : seen->at[i], base))
			near = seen->at[i];
	}
	if (near)
		return err_set(e, ERR_SPEC, "'%s' has no member '%s', did you mean '%s'?", r->name,
			       member, near);
	return err_set(e, ERR_SPEC, "'%s' has no member '%s' among its %zu", r->name, member,
		       r->entries);
}

static int find(struct reader *r, const char *member, struct archive_entry **entry, struct err *e) {
	struct names seen CLEANUP(names_done) = {.arena = arena_new()};

	for (;;) {
		if (reader_next(r, entry, e))
			return -1;
		if (!*entry)
			return missing(r, member, &seen, e);
		const char *path = reader_plain(archive_entry_pathname(*entry));
		if (!strcmp(path, member))
			return 0;
		if (*path && !text_ends(path, "/"))
			remember(&seen, path);
	}
}

static int check_plain(const struct reader *r, struct archive_entry *entry, const char *member,
		       struct err *e) {
	if (archive_entry_hardlink(entry))
		return err_set(e, ERR_SPEC, "'%s' in '%s' is a hard link: name its target '%s'",
			       member, r->name, archive_entry_hardlink(entry));
	if (archive_entry_filetype(entry) != AE_IFREG)
		return err_set(e, ERR_SPEC, "'%s' in '%s' is not a plain file", member, r->name);
	if (archive_entry_is_encrypted(entry) > 0)
		return err_set(e, ERR_SPEC, "'%s' in '%s' is encrypted: unpack it yourself", member,
			       r->name);
	return 0;
}

struct outlet {
	bool (*sink)(void *ctx, const void *data, size_t n);
	void *ctx;
	const struct reader *r;
	const char *member;
	uint64_t size;
};

static int pour(void *ctx, const void *data, size_t n, struct err *e) {
	struct outlet *o = ctx;

	if (!o->sink(o->ctx, data, n))
		return err_set(e, ERR_SYS, "reading '%s' from '%s' was stopped", o->member,
			       o->r->name);
	o->size += n;
	return 0;
}

int archive_member(const char *path, const char *member,
		   bool (*sink)(void *ctx, const void *data, size_t n), void *ctx, uint64_t *size,
		   struct err *e) {
	int fd CLEANUP(closep) = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct reader r CLEANUP(reader_close) = {.name = path};
	struct archive_entry *entry;
	struct outlet o = {sink, ctx, &r, reader_plain(member), 0};

	if (fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	if (open_any(&r, fd, e) ||
	    find(&r, o.member, &entry, e) ||
	    check_plain(&r, entry, o.member, e))
		return -1;
	if (reader_content(&r, entry, pour, &o, e))
		return -1;
	if (size)
		*size = o.size;
	return 0;
}
