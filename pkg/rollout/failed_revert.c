/* SPDX-License-Identifier: Apache-2.0 */
/* A way back that does not end, because the previous release does not come up any more. */
#include "rollout/internal.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

/* Design: the operation ends with `failed`, and the release that the link names keeps the traffic,
 * whichever it is: a bad one serves better than none, and the route obeys commands again. A gateway
 * or an Engine that fails is no reason to give up: either may come back. */

static enum recovery_action action_of(const struct json *record) {
	return event_row(event_of_record(record))->recovery;
}

const char *failed_revert_target(const struct json *last) {
	enum recovery_action action = action_of(last);
	const char *to = NULL;

	if (action == RECOVERY_BACK)
		to = json_str(last, "from");
	else if ((action == RECOVERY_FINISH || action == RECOVERY_WATCH) &&
		 switch_op_of(last) == SWITCH_REVERT)
		to = json_str(last, "to");
	return to && *to ? to : NULL;
}

/* Its container stays, for its log, and the Engine may bring back one that is active. Where none
 * could be made, what it would have shared goes. */
static int stop_failed(struct rollout_session *s, const struct lockfile *l, bool is_active,
		       struct err *e) {
	char *name CLEANUP(freep) = instance_name(s->ctx->base.root, l);
	struct docker_container c CLEANUP(docker_container_done) = {0};
	bool found;

	if (!is_active && instance_stop(&s->ctx->base, l, e))
		return -1;
	if (docker_container_inspect(s->ctx->base.docker, name, &found, &c, e))
		return -1;
	return found ? 0 : release_run_remove(s->ctx->base.root, l->id, e);
}

/* Before the switch back began it could not be started and proved; after that it has to be down. */
static int stop_if_failed(struct rollout_session *s, const struct json *last, const char *old,
			  bool is_active, bool *failed, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err unread = {0};
	bool alive = false;

	*failed = true;
	if (rollout_lockfile_of(&s->route, old, &l, &unread))
		return 0;
	if (action_of(last) != RECOVERY_BACK && instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	*failed = !alive;
	return *failed ? stop_failed(s, l, is_active, e) : 0;
}

/* What the link names has the traffic; it is started where it was stopped to make room. */
static int keep_link_target(struct rollout_session *s, const char *active, struct err *e) {
	struct lockfile *l CLEANUP(lockfile_freep) = NULL;
	struct err why = {0};
	bool alive;

	if (rollout_lockfile_of(&s->route, active, &l, e) ||
	    instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	if (!alive && recreate_restore(s, &why)) {
		if (why.code == ERR_UNREACHABLE || why.code == ERR_INTERRUPTED)
			return err_set(e, why.code, "%s", why.msg);
		progress_warn(s->ctx->base.progress, "the active release does not become ready",
			      why.msg);
	}
	return reconcile_traffic(s, e);
}

static int record_failed(struct rollout_session *s, const char *old, const char *active,
			 const struct err *cause, struct err *e) {
	char *what CLEANUP(freep) = !strcmp(old, active)
		? mem_printf("'%s' is active and does not become ready", old)
		: mem_printf("the previous release '%s' does not become ready: '%s' stays active "
			     "although its watch failed",
			     old, active);
	struct json *r = record_new(EVENT_FAILED, NULL);

	json_set_str(r, "version", active);
	json_set_str(r, "reason", what);
	json_set_int(r, "exit", err_exit_status(cause->code));
	progress_warn(s->ctx->base.progress, "switching back is given up", what);
	return record_put(s, r, e);
}

int failed_revert_end(struct rollout_session *s, const struct err *cause, bool *ended,
		      struct err *e) {
	struct record_state now CLEANUP(record_state_done) = {0};
	char *active CLEANUP(freep) = NULL;
	bool failed;

	*ended = false;
	if (record_state_read(s, &now, e))
		return -1;
	const char *old = failed_revert_target(now.last);
	if (!old)
		return 0;
	if (release_active_name(&s->route, &active, e))
		return -1;
	/* A first release has no way back; a link that is gone is set again by the next
	 * recovery. */
	if (!active)
		return 0;
	bool is_active = !strcmp(active, old);
	if (stop_if_failed(s, now.last, old, is_active, &failed, e))
		return -1;
	if (!failed)
		return 0;
	progress_warn(s->ctx->base.progress, "switching back failed", cause->msg);
	if (!is_active && keep_link_target(s, active, e))
		return -1;
	if (record_failed(s, old, active, cause, e))
		return -1;
	*ended = true;
	return 0;
}
