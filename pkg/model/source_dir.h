/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct err;
struct http;

/* Where the files of a model are: a folder, or an address that ends in '/'. Each file is opened by
 * its plain name. */
struct source_dir {
	int dir;           /* of a folder; -1 */
	struct http *http; /* of an address; borrowed */
	char *base;        /* path or address with its '/', or ""; owned */
	/* what an address has behind its path, '?' included; owned, may be NULL */
	char *query;
	char *first; /* the file that was named; owned */
};

#define SOURCE_DIR_INIT \
	{ .dir = -1 }

/* Of a folder, or of the file's folder; out->first is the file's plain name, "" of a folder (a
 * source that ends in '/'). */
int source_dir_of_path(const char *path, bool is_dir, struct source_dir *out, struct err *e);
void source_dir_of_source(struct http *http, const char *source, struct source_dir *out);
void source_dir_done(struct source_dir *p);

/* One open file. Its bytes.name is what messages call it. */
struct part {
	struct bytes bytes;
	int fd;
	struct remote *remote;
	char *name;
};

/* *out is NULL, and 0 returned, where there is no such file. ERR_SPEC: a name with a folder in it
 * (from a foreign index). */
int source_dir_open(const struct source_dir *p, const char *name, struct part **out, struct err *e);
/* The same, and missing is ERR_INTEGRITY: "'x' is missing: WHY". */
int source_dir_need(const struct source_dir *p, const char *name, const char *why,
		    struct part **out, struct err *e);
void part_free(struct part *p);
void part_freep(struct part **p); /* for CLEANUP */

/* remote.c: the beginning of a file behind HTTP, in growing blocks by range requests; what lies
 * before a byte that is read is read, too. At most REMOTE_MAX bytes. ERR_UNREACHABLE: the server,
 * or one that sends the whole file in place of a range (unless it is small). *out NULL: not there.
 * `shown` for messages, borrowed. */
#define REMOTE_MAX ((size_t) 128 << 20)
int remote_open(struct http *http, const char *source, const char *shown, struct remote **out,
		struct bytes *bytes, struct err *e);
void remote_free(struct remote *r);
