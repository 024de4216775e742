/* SPDX-License-Identifier: Apache-2.0 */
/* What a test plans to happen to a request (base/failpoint.h). */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "http/internal.h"

/* A body that breaks off when so much of it was sent. */
struct broken {
	const struct http_request *q;
	size_t left;
};

static ssize_t read_broken(void *ctx, char *buf, size_t n) {
	struct broken *b = ctx;

	if (!b->left)
		return -1;
	ssize_t got = b->q->read(b->q->read_ctx, buf, n < b->left ? n : b->left);
	b->left -= got > 0 ? (size_t) got : 0;
	return got;
}

/* The other side does what was asked, as far as it was, and nothing is heard of it. */
static void ask_unheard(struct http *h, const struct http_request *q, bool breaks) {
	struct http_response r CLEANUP(http_response_done) = {0};
	struct broken b = {.q = q, .left = 100000};
	struct http_request copy = *q;
	struct err unheard = {0};

	if (q->read && breaks) {
		copy.read = read_broken;
		copy.read_ctx = &b;
	}
	(void) http_exchange(h, &copy, &r, &unheard);
}

static int planned(struct http *h, const struct http_request *q, enum fault f,
		   struct http_response *r, struct err *e) {
	char *who CLEANUP(freep) = http_who(q);
	struct transfer t = {.q = q, .r = r, .stop = q->total_timeout_ms ? STOP_TOTAL : STOP_STALL};

	/* A download leaves nothing there: what came of it does not matter here. */
	if ((f == FAULT_TIMEOUT || f == FAULT_RESET) && q->method)
		ask_unheard(h, q, f == FAULT_RESET);
	http_response_reset(r, http_body_limit(q, true));
	h->connect_errno = f == FAULT_GONE ? ECONNREFUSED : 0;
	h->hung_up = false; /* nobody comes back from a plan */
	switch (f) {
	case FAULT_TIMEOUT: return http_stopped(&t, who, e);
	case FAULT_GONE:
		return err_set(e, ERR_UNREACHABLE, "cannot reach '%s': %s", who,
			       strerror(ECONNREFUSED));
	case FAULT_500:
		r->status = 500;
		(void) buf_puts(&r->body, "{\"message\":\"it is planned to fail\"}");
		return 0;
	default:
		return err_set(e, ERR_UNREACHABLE, "exchange with '%s' failed: %s", who,
			       strerror(ECONNRESET));
	}
}

int http_do(struct http *h, const struct http_request *q, struct http_response *r, struct err *e) {
	enum fault f = failpoint_begin(q->effect);

	return failpoint_end(q->effect, f ? planned(h, q, f, r, e) : http_exchange(h, q, r, e));
}
