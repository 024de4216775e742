/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "journal/file.h"
#include "journal/frame.h"
#include "json/json.h"

int journal_read(int dir, const char *where, journal_visit *visit, void *ctx, struct err *e) {
	struct file_set set CLEANUP(file_set_done) = {0};
	struct chain chain;

	if (file_set_open(dir, where, &set, e))
		return -1;
	chain_start(&chain);
	for (size_t i = 0; i < set.n; i++) {
		struct buf text CLEANUP(buf_done) = BUF_INIT(JOURNAL_FILE_MAX);
		if (file_load(set.at[i].fd, set.at[i].shown, &text, e))
			return -1;
		struct frames f = {.file = set.at[i].shown,
				   .data = buf_str(&text),
				   .n = text.len,
				   .newest = i + 1 == set.n,
				   .visit = visit,
				   .ctx = ctx};
		size_t whole;
		int r = frames_read(&f, &chain, &whole, e);
		if (r)
			return r < 0 ? -1 : 0;
	}
	return 0;
}

/* design: reading back. A window on the end of a file grows to the front by pieces until it holds
 * the line that is wanted. The digest that a record carries is checked when the record before it
 * comes into sight, so the chain is held without reading the file from its start. */
struct window {
	int fd;
	/* the file's bytes from `from` to the end of the last whole record not yet shown */
	char *data;
	size_t n;
	off_t from;
};

static void window_done(struct window *w) {
	free(w->data);
}

static bool window_grow(struct window *w) {
	size_t more = w->n > 8192 ? w->n : 8192;
	size_t done = 0;

	if ((off_t) more > w->from)
		more = (size_t) w->from;
	char *data = mem_zalloc(w->n + more, 1);
	while (done < more) {
		ssize_t r = pread(w->fd, data + done, more - done,
				  w->from - (off_t) more + (off_t) done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			free(data);
			return false;
		}
		done += (size_t) r;
	}
	if (w->n)
		memcpy(data + more, w->data, w->n);
	free(w->data);
	w->data = data;
	w->n += more;
	w->from -= (off_t) more;
	return true;
}

/* Where the last line of the window begins, the window grown as needed; -1: the file could not be
 * read. */
static ssize_t last_line(struct window *w) {
	for (;;) {
		const char *newline = w->n > 1 ? memrchr(w->data, '\n', w->n - 1) : NULL;
		if (newline)
			return newline - w->data + 1;
		if (!w->from)
			return 0;
		if (!window_grow(w))
			return -1;
	}
}

/* What stands between the newest record and where the visitor had enough. */
struct back {
	journal_visit *visit;
	void *ctx;
	uint64_t seq;          /* the record shown last; 0: none yet */
	char prev[SHA256_HEX]; /* what it says of the one before it */
	bool fault;
};

static int show(struct back *b, const char *line, size_t n, struct err *e) {
	struct json *body CLEANUP(json_freep) = NULL;
	struct journal_record r;
	struct frame parts;
	struct err unused;
	char digest[SHA256_HEX];

	b->fault = true; /* until it is seen to be whole */
	if (n > JOURNAL_RECORD_MAX || line[n - 1] != '\n' || !frame_split(line, n - 1, &parts))
		return -1;
	sha256_of(line, n, digest);
	if (b->seq == 1 || (b->seq && strcmp(digest, b->prev) != 0))
		return -1;
	if (frame_record(&parts, b->seq ? b->seq - 1 : 0, &body, &r, &unused))
		return -1;
	b->fault = false;
	b->seq = r.seq;
	memcpy(b->prev, parts.prev, SHA256_HEX - 1);
	b->prev[SHA256_HEX - 1] = 0;
	return b->visit(b->ctx, &r, e);
}

static int show_file(struct back *b, const struct file_one *f, bool newest, struct err *e) {
	struct window w CLEANUP(window_done) = {.fd = f->fd};
	struct stat st;

	if (fstat(f->fd, &st))
		return err_sys(e, "cannot look at '%s'", f->shown);
	w.from = st.st_size;
	if (w.from > (off_t) JOURNAL_FILE_MAX)
		return err_set(e, ERR_INTEGRITY, "'%s' is larger than %u bytes", f->shown,
			       JOURNAL_FILE_MAX);
	if (newest && last_line(&w) >= 0)
		w.n -= frames_torn(w.data, w.n);
	while (w.n || w.from) {
		ssize_t at = last_line(&w);
		if (at < 0 || !w.n) {
			b->fault = true;
			return -1;
		}
		int r = show(b, w.data + at, w.n - (size_t) at, e);
		if (r)
			return r;
		w.n = (size_t) at;
	}
	return 0;
}

static int show_all(struct back *b, const struct file_set *set, struct err *e) {
	for (size_t i = set->n; i-- > 0;) {
		int r = show_file(b, &set->at[i], i + 1 == set->n, e);
		if (r)
			return r;
	}
	struct chain start;
	chain_start(&start);
	b->fault = b->seq && (b->seq != 1 || strcmp(b->prev, start.prev) != 0);
	return b->fault ? -1 : 0;
}

int journal_read_back(int dir, const char *where, journal_visit *visit, void *ctx, struct err *e) {
	struct file_set set CLEANUP(file_set_done) = {0};
	struct back b = {.visit = visit, .ctx = ctx};

	if (file_set_open(dir, where, &set, e))
		return -1;
	if (show_all(&b, &set, e) >= 0)
		return 0;
	if (!b.fault)
		return -1;
	/* Something is wrong: reading from the start says which record of which file. */
	if (journal_read(dir, where, NULL, NULL, e))
		return -1;
	return err_set(e, ERR_BUSY, "the journal of '%s' was changed while it was read: try again",
		       where[0] ? where : "the root");
}

static int keep(void *ctx, const struct journal_record *r, struct err *e) {
	(void) e;
	*(struct json **) ctx = json_copy(r->body);
	return 1;
}

int journal_last(int dir, const char *where, struct json **out, struct err *e) {
	struct json *last CLEANUP(json_freep) = NULL;

	if (journal_read_back(dir, where, keep, &last, e))
		return -1;
	*out = STEAL(last);
	return 0;
}
