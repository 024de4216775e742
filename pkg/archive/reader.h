/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Inside pkg/archive: libarchive's reader with our bounds and our errors. */
struct archive;
struct archive_entry;
struct archive_visitor;
struct err;

struct reader {
	struct archive *a;
	const char *name; /* borrowed; for messages */
	uint64_t limit;   /* bytes that may come out; 0 is no limit */
	uint64_t out;     /* bytes that came out */
	size_t entries;
	locale_t utf8, before; /* of this thread */
};

/* Makes r->a. Until reader_close the thread reads names as UTF-8: libarchive would
 * otherwise lose those of some formats in the C locale. */
struct archive *reader_new(struct reader *r);

void reader_close(struct reader *r); /* for CLEANUP */
/* What libarchive says, as our error: ERR_INTEGRITY, or ERR_SYS where the system failed. */
int reader_fault(const struct reader *r, struct err *e);
int reader_opened(const struct reader *r, int rc, struct err *e);
/* *entry is NULL at the end. */
int reader_next(struct reader *r, struct archive_entry **entry, struct err *e);
/* The content of the entry, holes filled with zeros; checks it against the header's size. */
int reader_content(struct reader *r, struct archive_entry *entry,
		   int (*sink)(void *ctx, const void *data, size_t n, struct err *e), void *ctx,
		   struct err *e);
/* Visit every entry of an opened reader. */
int reader_each(struct reader *r, const struct archive_visitor *v, struct err *e);
/* Bytes that an archive of so many bytes may expand to. */
uint64_t reader_limit(uint64_t archive_bytes);
/* Without the "./" in front. */
const char *reader_plain(const char *path);
