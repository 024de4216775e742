#include "rollout/internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "json/json.h"

const char *switch_name(enum switch_op op) {
	static const char *const names[] = {[SWITCH_APPLY] = "apply", [SWITCH_ROLLBACK] = "rollback", [SWITCH_REVERT] = "revert"};

	return names[op];
}

/* flip_intent and flipped carry all that recovery needs to finish: where to, from where, by which operation. */
static int record_switch(struct rollout_session *s, const char *event, const struct lock *to, const char *from, enum switch_op op,
			 int64_t watch_until_ms, struct err *e) {
	struct json *r = record_new(event, to);

	json_set_str(r, "to", to ? to->version : "");
	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "op", switch_name(op));
	json_set_int(r, "watch_until_ms", watch_until_ms);
	return record_put(s, r, e);
}

static int finish(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, int64_t watch_until_ms,
		  struct err *e) {
	char *name CLEANUP(freep) = to ? rollout_container_name(s->x->root, to) : NULL;

	/* 1. From now on the Engine brings it back by itself. */
	if (name && docker_container_set_restart(s->x->docker, name, "unless-stopped", e))
		return -1;
	/* 2. A gateway turns here: candidate ready, then active draining. Clients without one follow the link. */
	/* 3. The one rename that makes it so, synced. */
	if (release_flip(&s->route, to ? to->version : NULL, e))
		return -1;
	/* 4. It is so. */
	return record_switch(s, "flipped", to, from, op, watch_until_ms, e);
}

int switch_finish(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, int64_t watch_until_ms,
		  struct err *e) {
	struct err why = {0};

	interrupt_hold();
	int r = finish(s, to, from, op, watch_until_ms, &why);
	interrupt_release();
	return r ? err_set(e, why.code, "%.330s; the switch to '%s' has begun: put this right, then llmdeploy recover %s", why.msg,
			   to ? to->version : "no release", s->route.name) : 0;
}

int switch_to(struct rollout_session *s, const struct lock *to, const char *from, enum switch_op op, int64_t watch_until_ms, bool *begun,
	      struct err *e) {
	progress_step(s->x->progress, "switch");
	/* A signal in here is seen in the watch, where it switches back. */
	interrupt_hold();
	int r = record_switch(s, "flip_intent", to, from, op, watch_until_ms, e);
	*begun = !r;
	/* A terminal that drops now is no reason to give up a release that passed. */
	if (*begun)
		interrupt_unattended();
	r = r || switch_finish(s, to, from, op, watch_until_ms, e) ? -1 : 0;
	interrupt_release();
	if (!r)
		progress_done(s->x->progress, "switch", to ? to->version : "no release");
	return r;
}

int switch_commit(struct rollout_session *s, const struct lock *l, const char *from, enum switch_op op, bool *warm, struct err *e) {
	struct json *r = record_new("committed", l);
	struct tidied done = {0};

	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "op", switch_name(op));
	/* It is decided: a signal in here has nothing left to undo. */
	interrupt_hold();
	int status = record_put(s, r, e);
	if (!status && tidy(s, &done, e))
		status = err_wrap(e, "'%s' is active and committed, but another container could not be stopped", l->version);
	interrupt_release();
	*warm = done.warm;
	return status;
}
