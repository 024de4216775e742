/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Archives: one member of any of them, the two tars of a Debian package, and a
 * writer of tars that are the same bytes everywhere. The only user of libarchive.
 *
 * Reading streams; nothing is written to disk and no name of an archive is ever
 * used as a path. Bounds: 1,000,000 members, paths of 4096 bytes, and no archive may expand to more
 * than 2,000 times its size and 64 MiB. What is corrupt or cut short is ERR_INTEGRITY, a file that
 * cannot be read ERR_SYS, Ctrl-C ERR_INTERRUPTED. */

/* Stream member `member` ("dir/name", a leading "./" on either side does not
 * matter) of the archive at `path` into `sink`, in order and without holes. Formats: zip, tar
 * (plain, gzip, bzip2, xz, lzma, lzip, zstd, lz4), 7-Zip, cpio, ar. When the sink returns false the
 * reading ends with ERR_SYS "reading ... was stopped": the sink knows why.
 * No such member, or one that is no plain file or encrypted: ERR_SPEC, with the
 * nearest name. *size (may be NULL) is the member's length. Bytes went to the
 * sink before a fault is seen: throw them away on -1. */
int archive_member(const char *path, const char *member,
		   bool (*sink)(void *ctx, const void *data, size_t n), void *ctx, uint64_t *size,
		   struct err *e);

enum archive_type {
	ARCHIVE_TYPE_FILE,
	ARCHIVE_TYPE_DIR,
	ARCHIVE_TYPE_SYMLINK,
	ARCHIVE_TYPE_HARDLINK, /* `link` names an earlier entry */
	ARCHIVE_TYPE_OTHER,    /* device, fifo, socket */
};

struct archive_item {     /* borrowed for the call */
	const char *path; /* as it is in the archive */
	const char *link; /* target of a link, else NULL */
	enum archive_type type;
	unsigned mode; /* permission bits, with setuid, setgid and sticky */
	uint64_t size; /* of a file; as the header claims */
};

/* What to do with the content of an entry. */
enum archive_wish { ARCHIVE_SKIP, ARCHIVE_TAKE, ARCHIVE_STOP /* all that was wanted is here */ };

/* Both return 0, or -1 with *e set, which ends the reading. */
struct archive_visitor {
	int (*item)(void *ctx, const struct archive_item *item, enum archive_wish *wish,
		    struct err *e);
	/* The content of the entry that was taken, in order, in pieces of any size. */
	int (*data)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
};

/* Every entry of an uncompressed tar. `name` is for messages. Reads from the descriptor's offset.
 */
int archive_tar_each(int fd, const char *name, const struct archive_visitor *v, struct err *e);

/* A Debian package (deb(5)): ar with debian-binary 2.x, control.tar*, data.tar*,
 * in that order; each tar plain, .gz, .xz or .zst. Visits every entry of control, then of data. */
int archive_deb(int fd, const char *name, const struct archive_visitor *control,
		const struct archive_visitor *data, struct err *e);

/* A tar of our own making, because its bytes are an identity: no version of a
 * library, no locale, no clock may change them. ustar headers, uid and gid 0, no names of owners,
 * mtime 0; a pax extended header (POSIX.1-2017 pax, "path", "linkpath", "size") only where ustar
 * has no room. Entries come in the order of the calls: the caller sorts.
 *
 *     struct archive_tar tar = {.write = put, .ctx = layer};
 *     archive_tar_dir(&tar, "etc", 0755, e) || archive_tar_file(&tar, "etc/x", 0644, 3, e) ||
 *         archive_tar_data(&tar, "abc", 3, e) || archive_tar_end(&tar, e);
 */
struct archive_tar {
	int (*write)(void *ctx, const void *data, size_t n, struct err *e);
	void *ctx;
	uint64_t size;   /* bytes written so far */
	uint64_t expect; /* bytes of the present file that are still to come */
};

/* path: relative, no trailing slash. It is the caller's bug to leave a file short or to overfill
 * it. */
int archive_tar_dir(struct archive_tar *t, const char *path, unsigned mode, struct err *e);
int archive_tar_symlink(struct archive_tar *t, const char *path, const char *target, struct err *e);
int archive_tar_file(struct archive_tar *t, const char *path, unsigned mode, uint64_t size,
		     struct err *e);
int archive_tar_data(struct archive_tar *t, const void *data, size_t n, struct err *e);
int archive_tar_end(struct archive_tar *t, struct err *e); /* two empty blocks, no more */
