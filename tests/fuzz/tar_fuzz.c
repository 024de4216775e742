/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a tar: its entries in order, or what is wrong with it; never more content than the
 * header claims. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/err.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t left; /* of the entry that was taken */
};

static int on_item(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		   struct err *e) {
	struct seen *s = ctx;

	(void) e;
	if (!item->path || (item->type == ARCHIVE_TYPE_SYMLINK && !item->link))
		abort();
	s->left = item->type == ARCHIVE_TYPE_FILE ? item->size : 0;
	*wish = item->type == ARCHIVE_TYPE_FILE ? ARCHIVE_TAKE : ARCHIVE_SKIP;
	return 0;
}

static int on_data(void *ctx, const void *bytes, size_t n, struct err *e) {
	struct seen *s = ctx;

	(void) bytes;
	(void) e;
	if (n > s->left)
		abort();
	s->left -= n;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct seen s = {0};
	const struct archive_visitor v = {on_item, on_data, &s};
	int fd CLEANUP(closep) = memfd_create("tar", MFD_CLOEXEC);
	struct err e = {0};

	if (fd < 0 || (size && write(fd, data, size) != (ssize_t) size) || lseek(fd, 0, SEEK_SET))
		return 0;
	if (archive_tar_each(fd, "fuzz", &v, &e) && (!e.code || !*e.msg))
		abort();
	return 0;
}
