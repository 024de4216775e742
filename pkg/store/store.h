/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failpoint.h"

struct buf;
struct err;
struct progress;

/* Bytes by SHA-256, under ROOT/store:
 *
 *     sha256/ab/abcd...    objects, mode 0444: models, packages, layers, blobs of images
 *     receipts/ab/abcd...  JSON: which inode, size and times the object had when it was hashed
 *     quarantine/          what stood in an object's place with other bytes; nobody removes it but
 *                          you
 *     notes/KIND/KEY       small named results ("these packages gave that layer")
 *     tmp/                 what is being written; each file is locked by its writer
 *
 * An object appears whole, synced and hashed, or not at all. A receipt makes the next
 * verification one stat; it finds accidents, not an attacker with root's rights. It is a cache: a
 * lost, torn or foreign one costs a hashing. One thread at a time for each handle; several
 * processes may use one store. A full disk is ERR_SYS, and leaves nothing. */
struct store;
/* root_fd is borrowed for the call; root_path is the same directory, for messages and bind mounts.
 */
int store_open(int root_fd, const char *root_path, struct store **out, struct err *e);
void store_free(struct store *s);
void store_freep(struct store **s); /* for CLEANUP */

/* Is it there, with a receipt that fits? One stat, never hashes. An object whose receipt
 * does not fit is not "there": store_fetch and store_verify find out what it is. `size` may be
 * NULL. */
int store_has(struct store *s, const char *sha256, bool *has, uint64_t *size, struct err *e);
/* 0: the bytes are what the name says, by the receipt, or by hashing where it does not fit or the
 * caller is paranoid (then a new receipt is written). ERR_INTEGRITY: missing, or changed (both
 * digests named; it is left in place, without a receipt, until a fetch replaces it). */
int store_verify(struct store *s, const char *sha256, bool paranoid, struct err *e);
/* A read-only descriptor of a verified object (as store_verify, not paranoid); yours. */
int store_open_object(struct store *s, const char *sha256, int *fd, struct err *e);
/* Absolute path on the host, for bind mounts; yours. Says nothing about whether it is there. */
char *store_path(const struct store *s, const char *sha256);

/* Where "hf://ORG/REPO@REV/FILE" or an https:// source is, and the token for its host, which may be
 * NULL; both yours. ERR_UNREACHABLE: not of that form, or http:// to another host without
 * plain_http. */
int store_source_url(const char *source, bool plain_http, char **url, char **token, struct err *e);
/* The hub of hf:// sources without a '/' at its end, and the token for it, which may be NULL; both
 * yours. ERR_UNREACHABLE: http:// to another host. */
int store_hub(char **endpoint, char **token, struct err *e);
/* A source without secrets, for messages; yours. */
char *store_source_shown(const char *source);

/* What to get, and from where. Sources, tried in order:
 *     file:/abs/path              file:/abs/archive#MEMBER
 *     https://host/path           https://host/archive#MEMBER
 *     http://127.0.0.1:80/path    likewise, on this host's loopback only
 *     hf://ORG/REPO@REV/FILE      huggingface.co, or $HF_ENDPOINT; with $HF_TOKEN when it is set
 */
struct store_want {
	const char *const *sources;
	size_t n_sources;
	const char *sha256;
	uint64_t size;    /* 0: not known */
	const char *what; /* for people: "model", "package libc6" */
	/* http:// from any host is fine (mirrors of packages): the digest guards the bytes. */
	bool plain_http;
	uint64_t stall_timeout_ms; /* no byte for that long ends an attempt; 0: 60 s */
	uint64_t backoff_ms;       /* before the first retry, doubled each time; 0: 500 ms */
	/* For another process that fetches the same and makes no progress; 0: 10 min. */
	uint64_t wait_ms;
	enum effect effect; /* of a download; EFFECT_NONE: EFFECT_MODEL_PULL */
};
/* After 0 the object is there and verified. Already there: does nothing. Another process
 * that fetches the same digest is waited for. Downloads are resumed (also by the next process:
 * tmp/DIGEST.part is kept when the network fails, and on ERR_INTERRUPTED), and an attempt that
 * fails for a passing reason is repeated 3 times.
 *     ERR_INTEGRITY    a source had other bytes, and none had the right ones: both digests are
 *                      named, nothing is kept
 *     ERR_UNREACHABLE  no source could be read; the message says what was wrong with each
 *     ERR_BUSY         another process holds the same download and makes no progress */
int store_fetch(struct store *s, const struct store_want *w, const struct progress *p,
		struct err *e);

/* Bytes that we made ourselves. */
int store_put(struct store *s, const void *data, size_t n, char sha256[65], struct err *e);

/* A stream of bytes into the store.
 *     struct store_writer *w CLEANUP(store_abortp) = NULL;
 *     if (store_begin(s, "base layer", 0, &w, e) || store_write(w, data, n, e) ||
 *         store_commit(w, NULL, sha, e))
 *             return -1;
 */
struct store_writer;
/* `size`: what is going to come, for a look at the free space; 0 where not known. */
int store_begin(struct store *s, const char *what, uint64_t size, struct store_writer **out,
		struct err *e);
int store_write(struct store_writer *w, const void *data, size_t n, struct err *e);
/* Synced, in its place, with a receipt. ERR_INTEGRITY if it is not `expected` (NULL: anything);
 * then nothing is kept. */
int store_commit(struct store_writer *w, const char *expected, char sha256[65], struct err *e);
/* Frees; what was not committed is gone. NULL is fine. */
void store_abort(struct store_writer *w);
void store_abortp(struct store_writer **w); /* for CLEANUP */

/* Every object, sorted; the callback may remove it. -1 of the callback ends the walk. */
int store_each(struct store *s,
	       int (*each)(void *ctx, const char *sha256, uint64_t size, struct err *e), void *ctx,
	       struct err *e);
/* Seconds since an object got its name or was last changed; 0 where it is not there. */
uint64_t store_age_s(struct store *s, const char *sha256);
/* Object and receipt; absent is fine. */
int store_remove(struct store *s, const char *sha256, struct err *e);
/* Out of its place, kept for whoever wants to know: quarantine/SHA256.TIME, without a receipt.
 * *name is that path, relative to the store; NULL: there was nothing. */
int store_quarantine(struct store *s, const char *sha256, char **name, struct err *e);
/* Remove what dead writers left in tmp/; what a living process writes stays. Partial downloads
 * stay for 7 days, so that they can be resumed, unless `parts`. `removed` may be NULL. */
int store_clean(struct store *s, bool parts, size_t *removed, struct err *e);

/* Small named results, atomic: name is "KIND/KEY", both of [A-Za-z0-9._-], not beginning with a
 * dot. At most 1 MiB. */
int store_note_get(struct store *s, const char *name, struct buf *out, bool *found, struct err *e);
int store_note_put(struct store *s, const char *name, const void *data, size_t n, struct err *e);
