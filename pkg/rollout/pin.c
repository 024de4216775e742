/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include "base/err.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "json/json.h"

static int record(struct rollout_session *s, enum event event, const char *version,
		  const char *reason, struct err *e) {
	struct json *r = record_new(event, NULL);

	json_set_str(r, "version", version);
	json_set_str(r, "reason", reason);
	journal_sign(r, s->ctx->tool, s->ctx->command);
	return record_put(s, r, e);
}

int rollout_pin(struct rollout_session *s, const char *version, const char *reason, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	bool committed;

	if (rollout_lockfile_of(&s->route, version, &l, e) ||
	    rollout_committed(s, version, &committed, e))
		return -1;
	if (!committed)
		return err_set(e, ERR_USAGE,
			       "version '%s' of '%s' was never committed: only what a rollback "
			       "could go to is pinned",
			       version, s->route.name);
	if (record(s, EVENT_PINNED, version, reason, e) ||
	    release_pin(&s->route, version, reason, e))
		return -1;
	return 0;
}

int rollout_unpin(struct rollout_session *s, const char *version, const char *reason,
		  struct err *e) {
	char *why CLEANUP(freep) = NULL;

	if (release_pinned(&s->route, version, &why, e))
		return -1;
	if (!why)
		return err_set(e, ERR_USAGE,
			       "version '%s' of '%s' is not pinned; see llmdeploy status %s",
			       version, s->route.name, s->route.name);
	if (release_unpin(&s->route, version, e) ||
	    record(s, EVENT_UNPINNED, version, reason, e))
		return -1;
	return 0;
}
