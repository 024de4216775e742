/* SPDX-License-Identifier: Apache-2.0 */
/* A download that survives what networks do: resumed, repeated, watched for stalls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "fs/step.h"
#include "store/internal.h"

enum {
	RETRIES = 3,            /* without progress in between */
	ATTEMPTS_MAX = 100,     /* in all */
	PROGRESS_MIN = 1 << 20, /* bytes that make an attempt one with progress */
	STALL_MS = 60000,
	BACKOFF_MS = 500,
	RETRY_AFTER_MAX_MS = 30000,
	CONNECT_MS = 10000,
	LOOK_MAX = 64 << 10, /* a body of another size is looked at up to here */
};

struct download {
	struct fetch *f;
	struct target *t;
	bool is_object;
	const char *token;
	char etag[256]; /* strong one of the first answer; "" where there is none */
	uint64_t total; /* of the file; 0: not known */
	bool begun;
	bool passing; /* the fault may be gone at the next attempt */
	bool refused; /* by us, with `fault` */
	bool looking; /* it has another size, and is small: what is it? */
	struct buf look;
	uint64_t wait_ms; /* what the server asked for */
	struct err fault;
};

int store_target_reset(struct target *t, struct err *e) {
	if (fs_step_truncate(EFFECT_STORE_WRITE, t->fd, 0) || lseek(t->fd, 0, SEEK_SET))
		return err_sys(e, "cannot empty a file in '%s/tmp'", t->s->path);
	if (t->hash) {
		sha256_freep(&t->hash);
		t->hash = sha256_new();
	}
	t->at = 0;
	return 0;
}

/* huggingface.co names a file's SHA-256 before it sends a byte: 98 MB need not come to be wrong. */
static int check_name(struct download *d, const struct http_response *r) {
	char digest[SHA256_HEX];
	size_t n = strlen(r->linked_etag);

	if (!d->is_object || n != 66 || r->linked_etag[0] != '"')
		return 0;
	(void) snprintf(digest, sizeof digest, "%.64s", r->linked_etag + 1);
	if (!text_is_sha256(digest) || !strcmp(digest, d->f->w->sha256))
		return 0;
	return err_set(&d->fault, ERR_INTEGRITY, "it has the digest %s, nothing of it was kept",
		       digest);
}

static int check_size(struct download *d, const struct http_response *r) {
	uint64_t size = d->f->w->size;
	int64_t total = r->status == 206 ? r->range_total : r->content_length;

	if (total < 0 && r->status == 206 && r->content_length >= 0)
		total = r->content_length + r->range_from;
	d->total = total > 0 ? (uint64_t) total : d->is_object ? size : 0;
	if (d->is_object && size && d->total != size) {
		(void) err_set(&d->fault, ERR_INTEGRITY,
			       "it has %llu bytes instead of %llu, nothing of it was kept",
			       (unsigned long long) d->total, (unsigned long long) size);
		d->looking = d->total <= LOOK_MAX;
		return d->looking ? 0 : -1;
	}
	return store_check_room(d->t->s, d->f->w->what,
				d->total > d->t->at ? d->total - d->t->at : 0, &d->fault);
}

/* Look at status and headers of a 2xx answer before its first byte; -1 with d->fault refuses it. */
static int accept_answer(struct download *d, const struct http_response *r) {
	d->begun = true;
	if (r->status != 200 && r->status != 206)
		return err_set(&d->fault, ERR_UNREACHABLE, "answered %ld", r->status);
	if (r->status == 206 && r->range_from != (int64_t) d->t->at) {
		d->passing = true; /* from the start, without a range */
		return store_target_reset(d->t, &d->fault)
			? -1
			: err_set(&d->fault, ERR_UNREACHABLE, "sent another range than asked for");
	}
	if (r->status == 200 && d->t->at && store_target_reset(d->t, &d->fault))
		return -1;
	if (check_name(d, r) || check_size(d, r))
		return -1;
	if (text_starts(r->etag, "\"") && text_ends(r->etag, "\""))
		memcpy(d->etag, r->etag, sizeof d->etag);
	return 0;
}

static void keep_headers(struct fetch *f, const struct http_response *r) {
	f->seen = *r;
	f->seen.body = (struct buf){0};
}

static bool on_begin(void *ctx, const struct http_response *r) {
	struct download *d = ctx;

	keep_headers(d->f, r);
	d->refused = accept_answer(d, r);
	return !d->refused;
}

static bool on_data(void *ctx, const char *data, size_t n) {
	struct download *d = ctx;
	struct target *t = d->t;

	if (d->looking)
		return buf_add(&d->look, data, n);
	if (d->total && n > d->total - t->at)
		d->refused = err_set(&d->fault, ERR_INTEGRITY,
				     "it has more than %llu bytes, nothing of it was kept",
				     (unsigned long long) d->total);
	else
		d->refused = store_append(t->s, t->fd, data, n, d->f->w->what, d->total, &d->fault);
	if (d->refused)
		return false;
	if (t->hash)
		sha256_add(t->hash, data, n);
	t->at += n;
	store_fetch_tick(d->f, t->at, d->total);
	return true;
}

bool store_is_something_else(int fd, const struct http_response *r, const char *url,
			     struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);
	char *head CLEANUP(freep) = mem_zalloc(HTTP_HEAD, 1);
	ssize_t n = pread(fd, head, HTTP_HEAD, 0);

	if (n <= 0 || !http_unexpected(r, url, head, (size_t) n, &what))
		return false;
	(void) err_set(e, ERR_INTEGRITY, "%s", buf_str(&what));
	return true;
}

/* What a status other than 2xx means. Always -1. */
static int bad_status(struct download *d, const char *url, const struct http_response *r,
		      struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);
	bool ranged = d->t->at;
	long status = r->status;

	d->passing = status == 408 || status == 429 || status == 500 ||
		(status >= 502 && status <= 504);
	d->wait_ms = r->retry_after_ms;
	if (d->passing && d->wait_ms > RETRY_AFTER_MAX_MS) {
		d->passing = false;
		return err_set(e, ERR_UNREACHABLE, "answered %ld: it asks to come back in %llu s",
			       status, (unsigned long long) d->wait_ms / 1000);
	}
	if ((status == 416 || status == 400) && ranged) { /* from the start, without a range */
		d->passing = true;
		if (store_target_reset(d->t, e))
			return -1;
	}
	http_refused(r, url, d->token, ranged, &what);
	return err_set(e, ERR_UNREACHABLE, "%s", buf_str(&what));
}

/* A body of another size than was wanted: by what it is, where that is known. */
static int say_what_came(struct download *d, const char *url, const struct http_response *r,
			 struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);

	*e = d->fault;
	if (http_unexpected(r, url, buf_str(&d->look), d->look.len, &what))
		return err_set(e, ERR_INTEGRITY, "%s", buf_str(&what));
	return -1;
}

/* The end of an answer that came whole, as far as HTTP knows. */
static int check_end(struct download *d, const char *url, const struct http_response *r,
		     struct err *e) {
	if (r->status < 200 || r->status > 299)
		return bad_status(d, url, r, e);
	if (!d->begun)
		d->refused = accept_answer(d, r); /* an empty body */
	if (d->looking)
		return say_what_came(d, url, r, e);
	if (d->refused) {
		*e = d->fault;
		return -1;
	}
	if (d->total && d->t->at < d->total) {
		if (store_is_something_else(d->t->fd, r, url, e))
			return -1;
		d->passing = true;
		return err_set(e, ERR_UNREACHABLE, "sent %llu of %llu bytes",
			       (unsigned long long) d->t->at, (unsigned long long) d->total);
	}
	return 0;
}

static int attempt(struct download *d, const char *url, struct err *e) {
	struct http_response r CLEANUP(http_response_done) = {0};
	char *auth CLEANUP(freep) = mem_printf("Authorization: Bearer %s",
					       d->token ? d->token : "");
	char *unchanged CLEANUP(freep) = mem_printf("If-Range: %s", d->etag);
	/* Without this header a server may pack what it sends (RFC 9110, 12.5.3). */
	const char *headers[3] = {"Accept-Encoding: identity"};
	uint64_t stall = d->f->w->stall_timeout_ms;
	struct http_request q = {
		.url = url,
		.headers = headers,
		.n_headers = 1,
		.follow = true,
		.range_from = d->t->at,
		.begin = on_begin,
		.sink = on_data,
		.sink_ctx = d,
		.effect = d->f->w->effect ? d->f->w->effect : EFFECT_MODEL_PULL,
		.connect_timeout_ms = CONNECT_MS,
		.stall_timeout_ms = stall ? stall : STALL_MS,
	};

	if (d->token)
		headers[q.n_headers++] = auth;
	if (d->t->at && d->etag[0])
		headers[q.n_headers++] = unchanged;
	d->begun = d->refused = d->passing = d->looking = false;
	buf_reset(&d->look);
	d->wait_ms = 0;
	if (http_do(d->t->s->http, &q, &r, e)) {
		d->passing = e->code == ERR_UNREACHABLE;
		if (e->code == ERR_USAGE)
			e->code = ERR_UNREACHABLE; /* not an address: the source's fault too */
		return -1;
	}
	keep_headers(d->f, &r);
	return check_end(d, url, &r, e);
}

static int pause_before(struct download *d, unsigned tries, struct err *e) {
	const struct store_want *w = d->f->w;
	uint64_t wait = (w->backoff_ms ? w->backoff_ms : BACKOFF_MS) << (tries - 1);
	struct err fault = *e;
	char span[TEXT_BYTES];

	wait = wait > d->wait_ms ? wait : d->wait_ms;
	text_format_ms(wait, span);
	char *detail CLEANUP(freep) = mem_printf("trying again in %s: %s", span, fault.msg);
	progress_note(d->f->p, w->what, detail);
	for (uint64_t end = clock_mono_ms() + wait, now; (now = clock_mono_ms()) < end;) {
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(end - now < 100 ? end - now : 100);
	}
	return interrupt_check(e);
}

static void download_done(struct download *d) {
	buf_done(&d->look);
}

int store_download(struct fetch *f, struct target *t, bool is_object, const char *url,
		   const char *token, struct err *e) {
	struct download d CLEANUP(download_done) = {
		.f = f, .t = t, .is_object = is_object, .token = token, .look = BUF_INIT(LOOK_MAX)};

	if (!t->s->http)
		t->s->http = http_new();
	for (unsigned all = 1, tries = 1;; all++, tries++) {
		uint64_t before = t->at;
		if (!attempt(&d, url, e))
			return 0;
		if (t->at >= before + PROGRESS_MIN)
			tries = 1;
		if (!d.passing || tries > RETRIES || all == ATTEMPTS_MAX)
			return -1;
		if (pause_before(&d, tries, e))
			return -1;
	}
}
