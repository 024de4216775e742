/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/crypto.h"
#include "journal/journal.h"

struct buf;

/* One record line, and a run of them in memory; no file is touched here. Inside this folder, its
 * fuzz target, its bench and unit tests only. */

#define FRAME_HEAD (8 + 1 + 64 + 1) /* CRC, blank, digest, blank */

/* Where the chain stands: the last record's number and the digest of its line. */
struct chain {
	uint64_t seq;
	char prev[SHA256_HEX];
};

void chain_start(struct chain *c);
void chain_step(struct chain *c, const char *line, size_t n); /* past this line, newline included */

/* The parts of a line, borrowed from it. */
struct frame {
	const char *prev, *json;
	size_t json_len;
};

/* False unless the line (without its newline) has the form and its checksum is right. */
bool frame_split(const char *line, size_t n, struct frame *out);
/* The JSON of a frame as a record with number `seq` (0: whatever it says); *body is yours and holds
 * what *out borrows. On -1 the message is the tail of a sentence that begins with the record. */
int frame_record(const struct frame *f, uint64_t seq, struct json **body,
		 struct journal_record *out, struct err *e);
/* `body` as the line that continues the chain, with its newline. */
int frame_format(const struct json *body, const struct chain *c, struct buf *out, struct err *e);

/* A run of lines, from the start of the file that messages name. */
struct frames {
	const char *file;
	const char *data;
	size_t n;
	bool newest;          /* may end in a torn record */
	bool quick;           /* checksums, chain and the last number only */
	journal_visit *visit; /* NULL: none; not called when quick */
	void *ctx;
};

/* Check all, from *c on, which follows. *whole: the bytes of whole records; what is behind them
 * is torn. 1: the visitor had enough. */
int frames_read(const struct frames *f, struct chain *c, size_t *whole, struct err *e);
/* Length of the torn record at the end of `n` bytes; 0: none. */
size_t frames_torn(const char *data, size_t n);
