/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct json;
struct root;

/* The only memory of a route, or of a root: what was intended, done, by whom, and
 * how it ended. Append-only text, one record a line:
 *
 *     CRC32C SHA256-OF-PREVIOUS JSON\n
 *
 * CRC32C: eight lower-case hex digits over what stands between its blank and the newline.
 * SHA256-OF-PREVIOUS: of the whole record line before, newline included; 64 zeros in the first
 * record. JSON: canonical (RFC 8785), an object with "v":1, "seq" (1, 2, 3, ...), "time"
 * ("2026-11-22T17:41:05Z") and whatever the event adds.
 *
 * The newest records are in `journal`. When that grows past a limit it is renamed
 * `journal.1`, the next time `journal.2`, and so on; the chain and "seq" go on across files.
 *
 * One write and one fdatasync a record, so a crash can only hurt the last one: it lacks its end, or
 * its checksum is wrong. Opening for writing cuts such a record off and says so; readers, who never
 * take a lock, pass over it. Any other fault is ERR_INTEGRITY and nothing is guessed: until a human
 * says that a new chain shall begin (journal_reset), which names the old files by digest and leaves
 * them where they are.
 *
 * `dir` is an open directory, borrowed. `where` is its name in messages
 * ("routes/incident"; "" for none), borrowed for the call. */

/* The two events that the journal itself writes; all others are its users' (release/event.h). */
#define JOURNAL_ACCEPTED "accepted" /* the first record of a chain after a damaged one */
#define JOURNAL_TORN "torn"         /* an incomplete last record was cut off */

#define JOURNAL_ROTATE (4U << 20)       /* bytes, the usual limit of one file */
#define JOURNAL_RECORD_MAX (256U << 10) /* bytes of one line */
#define JOURNAL_FILE_MAX (64U << 20)

/* Open for writing; the caller holds the lock that makes it the only writer. Makes the file when
 * there is none. The newest file is checked whole: checksums and chain. *torn: the bytes that were
 * cut off behind the last whole record, mostly 0. `rotate_bytes` 0: JOURNAL_ROTATE. */
struct journal;
int journal_open(int dir, const char *where, uint64_t rotate_bytes, struct journal **out,
		 uint64_t *torn, struct err *e);
void journal_free(struct journal *j);
void journal_freep(struct journal **j); /* for CLEANUP */

/* Add "v", "seq", "time" to a copy of `event` (an object; whole numbers only), write it, sync it.
 * When it fails the file is as before, and later records may be tried (disk full), unless that
 * could not be made sure: then every later call fails too. */
int journal_append(struct journal *j, const struct json *event, struct err *e);

/* A new chain after a broken one; the caller holds the lock. What is there is kept as journal.N,
 * and from now on is not read any more; the first record of the new chain, an event `accepted`, is
 * `event` (an object) with the "fault", and name, size and SHA-256 of each "broken" file added.
 * ERR_USAGE: nothing is broken. */
int journal_reset(int dir, const char *where, const struct json *event, struct err *e);

/* Who does it, into a record: "by", "host", "pid", "tool", "command". */
void journal_sign(struct json *record, const char *tool, const char *command);
/* One signed record into the root's own journal, with what it took since began_ms (monotonic). The
 * caller holds the root's lock. A torn end that a crash left there is cut off, with a record of its
 * own. */
int journal_note(const struct root *root, const char *tool, const char *command,
		 const struct json *event, uint64_t began_ms, struct err *e);

struct journal_record {
	uint64_t seq;
	const char *time;        /* "2026-11-22T17:41:05Z" */
	const char *event;       /* the string "event", or "" */
	const struct json *body; /* all of it */
};

/* Called for each record, whose memory is borrowed for the call: 0 go on, 1 enough, -1 with *e
 * set. */
typedef int journal_visit(void *ctx, const struct journal_record *r, struct err *e);

/* Oldest first, through all files, everything checked up to where the visitor has enough. NULL
 * `visit` only checks. A directory without a journal has no records. */
int journal_read(int dir, const char *where, journal_visit *visit, void *ctx, struct err *e);
/* Newest first, reading no more of the files than the visitor wants; each record's checksum, and
 * that the one after it continues it. */
int journal_read_back(int dir, const char *where, journal_visit *visit, void *ctx, struct err *e);
/* The last whole record, yours; NULL when there is none. */
int journal_last(int dir, const char *where, struct json **out, struct err *e);
