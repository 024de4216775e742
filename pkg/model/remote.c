/* SPDX-License-Identifier: Apache-2.0 */
/* Headers over HTTP: of a 70 GB model a few MB come. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "http/http.h"
#include "model/source_dir.h"
#include "store/store.h"

enum {
	FIRST = 64 << 10, /* the first block; each further one is as long as all before */
	LARGEST = 8 << 20,
	SMALL = 4 << 20, /* a whole file of at most this size is fine in place of a range */
	CONNECT_MS = 10000,
	STALL_MS = 60000,
};

struct remote {
	struct http *http;
	const char *shown;
	char *url, *token;
	struct buf have;
	uint64_t size;
};

/* One request under way. */
struct asking {
	struct remote *r;
	bool whole, refused;
	struct err fault;
};

static int refuse(struct asking *a, const char *what) {
	a->refused = true;
	return err_set(&a->fault, ERR_UNREACHABLE, "%s", what);
}

static int accept_answer(struct asking *a, const struct http_response *r) {
	if (r->status == 206) {
		if (r->range_from != (int64_t) a->r->have.len || r->range_total < 0)
			return refuse(a, "the server sent another range than asked for");
		if (a->r->size && (uint64_t) r->range_total != a->r->size)
			return refuse(a, "it changed while it was read");
		a->r->size = (uint64_t) r->range_total;
		return 0;
	}
	if (r->status != 200 || a->r->have.len || r->content_length < 0 ||
	    r->content_length > SMALL)
		return refuse(a,
			      "the server does not send a part of it (no range requests); download "
			      "it first");
	a->r->size = (uint64_t) r->content_length;
	a->whole = true;
	return 0;
}

static bool on_begin(void *ctx, const struct http_response *r) {
	return !accept_answer(ctx, r);
}

static bool on_data(void *ctx, const char *data, size_t n) {
	struct asking *a = ctx;

	if (a->r->have.len + n <= a->r->size && buf_add(&a->r->have, data, n))
		return true;
	(void) refuse(a, "the server sent more than it said");
	return false;
}

static int bad_status(const struct remote *r, const struct http_response *answer, struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);

	http_refused(answer, r->url, r->token, true, &what);
	return err_set(e, ERR_UNREACHABLE, "%s", buf_str(&what));
}

/* A small whole body, that is no part of a model: by what it is. */
static int check_kind(const struct remote *r, const struct http_response *answer, struct err *e) {
	struct buf what CLEANUP(buf_done) = BUF_INIT(sizeof e->msg);

	if (!http_unexpected(answer, r->url, buf_str(&r->have), r->have.len, &what))
		return 0;
	return err_set(e, ERR_INTEGRITY, "%s", buf_str(&what));
}

/* The bytes from have.len to `to`; *found false at 404. */
static int fetch(struct remote *r, uint64_t to, bool *found, struct err *e) {
	struct http_response answer CLEANUP(http_response_done) = {0};
	struct asking a = {.r = r};
	char *auth CLEANUP(freep) = r->token ? mem_printf("Authorization: Bearer %s", r->token)
					     : NULL;
	const char *headers[] = {"Accept-Encoding: identity", auth};
	struct http_request q = {.url = r->url,
				 .headers = headers,
				 .n_headers = 1 + (r->token != NULL),
				 .follow = true,
				 .begin = on_begin,
				 .sink = on_data,
				 .sink_ctx = &a,
				 .range_from = r->have.len,
				 .range_to = to - 1,
				 .connect_timeout_ms = CONNECT_MS,
				 .stall_timeout_ms = STALL_MS};

	*found = true;
	if (http_do(r->http, &q, &answer, e))
		return -1;
	if (a.refused) {
		*e = a.fault;
		return -1;
	}
	if (answer.status == 404 || answer.status == 410) {
		*found = false;
		return 0;
	}
	if (answer.status < 200 || answer.status > 299)
		return bad_status(r, &answer, e);
	if (!r->size && accept_answer(&a, &answer)) { /* an empty body has no beginning */
		*e = a.fault;
		return -1;
	}
	uint64_t end = a.whole || to > r->size ? r->size : to;

	if (r->have.len < end)
		return err_set(e, ERR_UNREACHABLE, "sent %zu of %llu bytes", r->have.len,
			       (unsigned long long) end);
	return check_kind(r, &answer, e);
}

static int read_at(void *ctx, uint64_t at, void *out, size_t n, struct err *e) {
	struct remote *r = ctx;

	while (r->have.len < at + n) {
		uint64_t more = r->have.len < LARGEST ? r->have.len : LARGEST,
			 to = r->have.len + more;
		bool found;

		to = to < at + n ? at + n : to;
		to = to < r->size ? to : r->size;
		if (to > REMOTE_MAX)
			return err_set(e, ERR_INTEGRITY, "its header is longer than %zu bytes",
				       REMOTE_MAX);
		if (fetch(r, to, &found, e))
			return -1;
		if (!found)
			return err_set(e, ERR_UNREACHABLE, "it went away while it was read");
	}
	memcpy(out, r->have.data + at, n);
	return 0;
}

int remote_open(struct http *http, const char *source, const char *shown, struct remote **out,
		struct bytes *bytes, struct err *e) {
	struct remote *r = mem_zalloc(1, sizeof *r);
	bool found = false;

	r->http = http;
	r->shown = shown;
	r->have = (struct buf) BUF_INIT(REMOTE_MAX + 1);
	if (store_source_url(source, false, &r->url, &r->token, e) ||
	    fetch(r, FIRST, &found, e)) {
		remote_free(r);
		return err_wrap(e, "'%s'", shown);
	}
	*bytes = (struct bytes){.name = shown, .size = r->size, .read = read_at, .ctx = r};
	*out = found ? r : NULL;
	if (!found)
		remote_free(r);
	return 0;
}

void remote_free(struct remote *r) {
	if (!r)
		return;
	buf_done(&r->have);
	free(r->url);
	free(r->token);
	free(r);
}
