/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "journal/journal.h"
#include "rollout/internal.h"
#include "json/json.h"

int active_ensure(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms,
		  struct err *e) {
	char *name CLEANUP(freep) = instance_name(s->ctx->base.root, l);
	bool alive, kept;

	if (instance_is_ready(&s->ctx->base, l, &alive, e) ||
	    instance_is_kept(&s->ctx->base, l, &kept, e))
		return -1;
	if (alive && kept)
		return 0;
	if (record_put(s, record_new(EVENT_REPAIRING, l), e))
		return -1;
	if (!alive) {
		progress_note(s->ctx->base.progress,
			      "the active release does not answer and is started again",
			      l->version);
		if (instance_start(&s->ctx->base, l, e) ||
		    instance_await_ready(&s->ctx->base, l, start_ms, e)) {
			struct err why = *e;
			return err_set(e, why.code,
				       "%.350s; '%s' is active and does not become ready: "
				       "llmdeploy rollback %s",
				       why.msg, l->version, l->route);
		}
	}
	if (docker_container_set_restart(s->ctx->base.docker, name, DOCKER_RESTART_KEEP, e))
		return -1;
	return record_put(s, record_new(EVENT_REPAIRED, l), e);
}

int active_note_restart(struct rollout_session *s, const struct lockfile *l, bool *was,
			struct err *e) {
	struct docker_container c CLEANUP(docker_container_done) = {0};
	char *name CLEANUP(freep) = instance_name(s->ctx->base.root, l);
	struct json *last CLEANUP(json_freep) = NULL;
	bool found;

	if (docker_container_inspect(s->ctx->base.docker, name, &found, &c, e) ||
	    journal_last(s->route.fd, s->route.where, &last, e))
		return -1;
	*was = found && c.running && instance_started_after(&c, json_str(last, "time"));
	if (!*was)
		return 0;
	struct json *r = record_new(EVENT_RESTARTED, l);
	char *what CLEANUP(freep) =
		mem_printf("its container was started at %.19sZ by another program, or by Docker",
			   c.started_at);
	json_set_str(r, "what", what);
	json_set_int(r, "restarts", c.restarts);
	return record_put(s, r, e);
}
