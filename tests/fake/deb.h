/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "base/buf.h"

/* Archives that tests make: zips, tars and tiny Debian packages, good and bad.
 * They abort when they cannot. */
struct fake_entry {
	const char *path;
	char type; /* f file, d directory, l symlink, h hard link, c device, p fifo */
	unsigned mode;
	const char *content; /* of a file, or the target of a link */
	size_t n;            /* length of content; 0: of the string */
};

/* kind: "zip", "tar", "tar.gz", "tar.xz", "tar.zst", "7z", "cpio". Appends to out. */
void fake_archive(const char *kind, const struct fake_entry *entries, size_t n, struct buf *out);

/* A package; ending: "", ".xz", ".gz", ".zst". md5sums may be NULL. */
struct fake_deb {
	const char *control, *md5sums, *ending;
	const struct fake_entry *entries;
	size_t n;
};
void fake_deb(const struct fake_deb *d, struct buf *out);
/* Pieces of one, for broken ones. */
void fake_ar_head(struct buf *out);
void fake_ar_member(const char *name, const void *data, size_t n, struct buf *out);

/* A minimal ELF64 shared object that needs `needed` (NULL-terminated); runpath may be NULL. x86-64.
 */
void fake_elf(const char *const *needed, const char *runpath, struct buf *out);
