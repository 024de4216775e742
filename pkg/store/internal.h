/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "crypto/crypto.h"
#include "http/http.h"
#include "store/store.h"

struct store {
	int dir;           /* ROOT/store */
	char *path;        /* the same, absolute */
	struct http *http; /* made at the first download; keeps its connections */
};

enum { STORE_PIECE = 256 << 10 };

/* "objects/ab/abcd..." beneath s->dir. */
#define STORE_NAME 96
void store_object_name(const char *kind, const char *sha256, char out[STORE_NAME]);

/* --- receipts --- */
bool store_receipt_fits(struct store *s, const char *sha256, const struct stat *st);
void store_receipt_write(struct store *s, const char *sha256, const struct stat *st);
void store_receipt_remove(struct store *s, const char *sha256);

/* --- files in tmp/ --- */
/* Open or make tmp/NAME and lock it. *fd is -1 where a living process holds it. */
int store_tmp_lock(struct store *s, const char *name, int *out, struct err *e);
/* Make a file of our own in tmp/, locked. `name` has room for STORE_NAME bytes. */
int store_tmp_new(struct store *s, char name[STORE_NAME], int *out, struct err *e);
/* Move a finished, locked file of tmp/ into its place: mode, sync, rename, sync, receipt. */
int store_adopt(struct store *s, int fd, const char *name, const char *sha256, struct err *e);
/* Write at the descriptor's end; a full disk says what is needed (`size`, 0 unknown) and what is
 * free. */
int store_append(struct store *s, int fd, const void *data, size_t n, const char *what,
		 uint64_t size, struct err *e);
/* ERR_SYS if `size` more bytes do not fit. */
int store_check_room(struct store *s, const char *what, uint64_t size, struct err *e);

/* Digest of what was written so far. */
void store_writer_hex(const struct store_writer *w, char out[SHA256_HEX]);

/* --- sources --- */
/* A file of tmp/ that a download goes on filling. */
struct target {
	struct store *s;
	int fd;
	struct sha256 *hash; /* of what is in the file; NULL where nobody wants it */
	uint64_t at;         /* bytes in the file */
};
int store_target_reset(struct target *t, struct err *e);

/* One store_fetch under way. Of its functions' errors, ERR_UNREACHABLE and ERR_INTEGRITY are the
 * fault of a source, and the next one is tried; any other ends the fetch. */
struct fetch {
	struct store *s;
	const struct store_want *w;
	const struct progress *p;
	struct target part; /* tmp/DIGEST.part, locked: who else wants the digest waits for it */
	char part_name[STORE_NAME];
	bool adopted;              /* the part is the object now */
	bool drop;                 /* keep no part */
	uint64_t told_ms;          /* when progress was last told */
	struct http_response seen; /* headers of the last answer, without a body */
};
/* Tells progress and touches the part, ten times a second at most. */
void store_fetch_tick(struct fetch *f, uint64_t done, uint64_t total);

/* What is in an open file in place of what was wanted: an HTML page, a Git LFS pointer
 * (http_unexpected). `r` as there. Sets *e (ERR_INTEGRITY) and returns true where it is something
 * that is known. */
bool store_is_something_else(int fd, const struct http_response *r, const char *url, struct err *e);

/* A whole download with its retries, from t->at on. `is_object`: the bytes are to be the wanted
 * ones (not an archive of them). `token` goes to the URL's own host, and may be NULL. */
int store_download(struct fetch *f, struct target *t, bool is_object, const char *url,
		   const char *token, struct err *e);
/* The wanted object from one source, into its place. */
int store_fetch_source(struct fetch *f, const char *source, struct err *e);
