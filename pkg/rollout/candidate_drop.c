/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "rollout/internal.h"
#include "json/json.h"

int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt,
		   struct err *e) {
	struct buf log CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct json *reason CLEANUP(json_freep) = json_object();
	struct err unkept = {0};
	bool committed;

	json_set_str(reason, "event", "attempt");
	json_set_str(reason, "version", d->lockfile->version);
	json_set_str(reason, "lock", *d->lockfile->digest ? d->lockfile->digest : NULL);
	json_set_str(reason, "reason", d->cause->msg);
	json_set_int(reason, "exit", err_exit_status(d->cause->code));
	instance_log(&s->ctx->base, d->lockfile, &log);
	struct release_attempt kept = {.reason = reason,
				       .evidence = d->evidence,
				       .runtime_log = buf_str(&log),
				       .lockfile = d->lockfile->bytes,
				       .lockfile_len = d->lockfile->n_bytes,
				       .manifest = d->manifest};
	if (rollout_committed(s, d->lockfile->version, &committed, e))
		return -1;
	/* A release that was committed once stays, and its container too: a rollback may want it,
	 * and may have it warm. */
	if (committed ? !d->was_running && instance_stop(&s->ctx->base, d->lockfile, e)
		      : instance_remove(&s->ctx->base, d->lockfile, e))
		return -1;
	if (!committed && release_remove(&s->route, d->lockfile->version, e))
		return -1;
	/* On a full disk nothing is kept for the question why; what runs is repaired anyway. */
	if (release_attempt_put(&s->route, &kept, attempt, &unkept))
		progress_warn(s->ctx->base.progress,
			      "evidence and log of the attempt could not be kept", unkept.msg);
	return 0;
}
