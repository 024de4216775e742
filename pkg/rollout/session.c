/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "journal/journal.h"
#include "root/root.h"
#include "store/store.h"
#include "json/json.h"

/* Said once, recorded, and gone on from: a record that a crash cut off never announced an effect
 * that happened. */
static int report_torn(struct rollout_session *s, uint64_t torn, struct err *e) {
	struct json *r;

	if (!torn)
		return 0;
	progress_warn(s->ctx->base.progress,
		      "the last record of the journal was cut off by a crash and is removed",
		      s->route.where);
	r = record_new(EVENT_TORN, NULL);
	json_set_int(r, "bytes", (int64_t) torn);
	return record_put(s, r, e);
}

/* What it would have said decides what may be done: nobody guesses that but a human. */
static int broken_journal(const struct rollout_session *s, struct err *e) {
	struct err why = *e;

	return why.code != ERR_INTEGRITY
		? -1
		: err_set(e, ERR_RECOVERY,
			  "%.350s; nothing was changed: restore the file from a copy, or abandon "
			  "the journal: llmdeploy recover %s --accept-journal",
			  why.msg, s->route.name);
}

/* Who has to wait is told for whom; the advice about --lock-wait is not needed then. */
static int take_lock(struct rollout_session *s, struct err *e) {
	const struct rollout *ctx = s->ctx;
	struct err busy = {0};

	if (!release_route_lock(&s->route, ctx->command, 0, &busy))
		return 0;
	if (busy.code == ERR_BUSY && ctx->lock_wait_ms) {
		char *waits CLEANUP(freep) = mem_printf("waiting: %.*s",
							(int) strcspn(busy.msg, ";"), busy.msg);
		progress_state(ctx->base.progress, waits, NULL);
		return release_route_lock(&s->route, ctx->command, ctx->lock_wait_ms, e);
	}
	return err_set(e, busy.code, "%s", busy.msg);
}

static int open_all(struct rollout_session *s, const char *route, bool create, struct err *e) {
	const struct rollout *ctx = s->ctx;
	uint64_t torn = 0;
	size_t removed = 0;

	if (release_routes_clean(ctx->base.root, e) ||
	    release_route_open(ctx->base.root, route, create, &s->route, e) ||
	    take_lock(s, e))
		return -1;
	if (journal_open(s->route.fd, s->route.where, 0, &s->journal, &torn, e))
		return broken_journal(s, e);
	/* What a killed process left in the middle of a write, of this route and of the store. */
	if (report_torn(s, torn, e) ||
	    release_clean(&s->route, &removed, e) ||
	    store_clean(ctx->base.store, false, NULL, e))
		return -1;
	return recover_route(s, e);
}

int rollout_begin(const struct rollout *ctx, const char *route, bool create,
		  struct rollout_session *s, struct err *e) {
	struct rollout_session made = {.ctx = ctx, .route = RELEASE_ROUTE_INIT};

	if (open_all(&made, route, create, e)) {
		rollout_end(&made);
		return -1;
	}
	*s = made;
	return 0;
}

void rollout_end(struct rollout_session *s) {
	journal_free(s->journal);
	s->journal = NULL;
	release_route_done(&s->route);
}
