/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/progress.h"
#include "docker/docker.h"
#include "gateway/gateway.h"
#include "json/json.h"

int candidate_drop(struct rollout_session *s, const struct dropped *d, unsigned *attempt, struct err *e) {
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
	struct release_attempt kept = {.reason = reason, .evidence = d->evidence, .runtime_log = buf_str(&log),
		.lockfile = d->lockfile->bytes, .lockfile_len = d->lockfile->n_bytes, .manifest = d->manifest};
	if (rollout_committed(s, d->lockfile->version, &committed, e))
		return -1;
	/* A release that was committed once stays, and its container too: a rollback may want it, and may have it warm. */
	if (committed ? !d->was_running && instance_stop(&s->ctx->base, d->lockfile, e) : instance_remove(&s->ctx->base, d->lockfile, e))
		return -1;
	if (!committed && release_remove(&s->route, d->lockfile->version, e))
		return -1;
	/* On a full disk nothing is kept for the question why; what runs is put right all the same. */
	if (release_attempt_put(&s->route, &kept, attempt, &unkept))
		progress_warn(s->ctx->base.progress, "evidence and log of the attempt could not be kept", unkept.msg);
	return 0;
}

static int record_rolled_back(struct rollout_session *s, const char *version, const char *to, const char *reason, unsigned attempt,
			      struct err *e) {
	struct json *r = record_new(EVENT_ROLLED_BACK, NULL);

	json_set_str(r, "version", version);
	json_set_str(r, "from", version);
	json_set_str(r, "to", to ? to : "");
	json_set_str(r, "reason", reason);
	json_set_int(r, "attempt", attempt);
	return record_put(s, r, e);
}

int switch_back_end(struct rollout_session *s, const struct lockfile *bad, const char *to, const struct err *cause, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct dropped d = {.lockfile = bad, .cause = cause};
	struct err unread = {0};
	unsigned attempt = 0;

	/* Its clients have their time here as well, unless it is dead anyway. */
	if (traffic_drain(s, bad, bad->drain_ms, e))
		return -1;
	if (!release_read(&s->route, bad->version, &rel, &unread))
		d.evidence = rel.proof;
	/* The record is last: until it stands, recovery comes here again. */
	return candidate_drop(s, &d, &attempt, e) || reconcile_traffic(s, e) ||
	       record_rolled_back(s, bad->version, to, cause->msg, attempt, e) ? -1 : 0;
}

/* That it goes back is decided: a crash from here on does not begin the watch again. Once: a recovery's tries are counted after it. */
static int record_back(struct rollout_session *s, const struct lockfile *l, const char *from, const struct err *cause, struct err *e) {
	struct record_state now CLEANUP(record_state_done) = {0};

	if (record_state_read(s, &now, e))
		return -1;
	if (now.event == EVENT_BACK_INTENT)
		return 0;
	struct json *r = record_new(EVENT_BACK_INTENT, l);
	json_set_str(r, "to", l->version);
	json_set_str(r, "from", from ? from : "");
	json_set_str(r, "reason", cause->msg);
	return record_put(s, r, e);
}

static int go_back(struct rollout_session *s, const struct lockfile *l, const char *from, const struct err *cause, struct err *e) {
	struct lockfile *old CLEANUP(lockfile_freep) = NULL;
	bool begun;

	if (record_back(s, l, from, cause, e))
		return -1;
	if (from && *from) {
		if (rollout_lockfile_of(&s->route, from, &old, e) || (recreate_needed(s, l, old) && recreate_stop(s, l, l->drain_ms, e)) ||
		    instance_start(&s->ctx->base, old, e) || instance_await_ready(&s->ctx->base, old, NULL, e) || traffic_assign_slot(s->ctx, old, e))
			return -1;
	}
	return switch_to(s, old, l->version, SWITCH_REVERT, 0, &begun, e) || switch_back_end(s, l, from, cause, e) ? -1 : 0;
}

int switch_back(struct rollout_session *s, const struct lockfile *l, const char *from, const struct err *cause, struct err *e) {
	bool has_old = from && *from, interrupted = cause->code == ERR_INTERRUPTED;
	struct err more = {0};

	progress_note(s->ctx->base.progress, "switching back", cause->msg);
	interrupt_hold();
	int r = go_back(s, l, from, cause, &more);
	interrupt_release();
	if (r)
		return err_set(e, more.code == ERR_UNREACHABLE ? ERR_UNREACHABLE : ERR_RECOVERY,
			"%.180s; switching back to '%s' failed: %.180s; repair this, then llmdeploy recover %s", cause->msg,
			has_old ? from : "no release", more.msg, s->route.name);
	return err_set(e, interrupted ? ERR_INTERRUPTED : ERR_REVERTED, "%.300s; %s%s%s", cause->msg, has_old ? "'" : "",
		has_old ? from : "no release", has_old ? "' is active again" : " is active, as before");
}

int watch_look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p, struct err *e) {
	int64_t restarts = 0;
	bool alive = false;

	if (!p->looked)
		p->outages = docker_outages(s->ctx->base.docker);
	if (interrupt_check(e) || instance_restarts(&s->ctx->base, l, &restarts, e) || instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	p->outage = docker_outages(s->ctx->base.docker) != p->outages;
	if (p->outage)
		return err_set(e, ERR_UNREACHABLE, "Docker was restarted in the %s of '%s'", p->name, l->version);
	if (!p->looked)
		p->restarts = restarts;
	p->looked = true;
	if (restarts > p->restarts)
		return err_set(e, ERR_REVERTED, "'%s' died in its %s and was started again by Docker", l->version, p->name);
	p->failures = alive ? 0 : p->failures + 1;
	if (p->failures >= WATCH_FAILURES)
		return err_set(e, ERR_REVERTED, "'%s' stopped answering in its %s", l->version, p->name);
	return 0;
}

int watch_count(struct rollout_session *s, const struct lockfile *l, struct traffic_gate_meter *m, struct err *e) {
	const struct gateway_late_limits *patience = &m->patience;
	struct gateway_sample now = {0};
	struct err why = {0};

	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (gateway_sample(s->ctx->gateway, l->route, l, patience, &now, &why) &&
	    (why.code != ERR_UNREACHABLE || gateway_ensure(s->ctx->gateway, &why) ||
	     gateway_sample(s->ctx->gateway, l->route, l, patience, &now, &why)))
		return err_set(e, why.code, "%s", why.msg);
	traffic_gate_meter_take(m, &now);
	return 0;
}

/* What clients see in the watch. */
struct watched {
	struct traffic_gate_meter meter;
	struct breach breach;
};

static void watched_done(struct watched *w) {
	breach_done(&w->breach);
}

static int begin(struct rollout_session *s, const struct lockfile *l, struct watched *w, struct err *e) {
	breach_late_limits(s, l, &l->gates, &w->meter.patience);
	/* Before the sum begins: whose a request is must be known of each that is in it. */
	breach_begin(s, l, &w->breach);
	return watch_count(s, l, &w->meter, e);
}

/* A breach by what clients saw. */
static int judge(struct rollout_session *s, const struct lockfile *l, struct watched *w, struct err *e) {
	const struct breach_case c = {.gates = &l->gates, .sum = &w->meter.sum, .patience = &w->meter.patience, .least = TRAFFIC_GATE_LEAST};
	char reason[TRAFFIC_GATE_REASON] = "";
	bool stands;

	if (!w->meter.begun && begin(s, l, w, e))
		return -1;
	if (watch_count(s, l, &w->meter, e))
		return -1;
	if (breach_check(s, l, &w->breach, &c, &stands, reason, e))
		return -1;
	return stands ? err_set(e, ERR_REVERTED, "'%s' failed a gate in its watch: %s", l->version, reason) : 0;
}

/* Requests came, and of none it can be said how the release did: the golden questions say it. */
static int judge_unjudged(struct rollout_session *s, const struct lockfile *l, const struct watched *w, struct err *e) {
	const struct gateway_sample *n = &w->meter.sum;
	char reason[TRAFFIC_GATE_REASON] = "";
	struct err why = {0};

	if (n->requests + n->refused + n->left < TRAFFIC_GATE_LEAST || traffic_gate_judge(&l->gates, n, NULL, TRAFFIC_GATE_LEAST, reason) != TRAFFIC_GATE_NONE ||
	    w->breach.n_excused || !l->golden)
		return 0;
	if (!breach_golden(s, l, l->gates.p95_ms > 0 ? (uint64_t) l->gates.p95_ms : 0, &why))
		return 0;
	if (why.code == ERR_INTERRUPTED)
		return err_set(e, why.code, "%s", why.msg);
	return err_set(e, ERR_REVERTED, "the watch of '%s' has no verdict from client traffic (%.200s), and golden questions through the gateway fail: %s",
		       l->version, reason, why.msg);
}

/* What the watch saw, said and recorded: nothing seen is not a pass. */
static void conclude(struct rollout_session *s, const struct lockfile *l, const struct watched *w, struct json **traffic) {
	const struct gateway_sample *sum = &w->meter.sum;
	char reason[TRAFFIC_GATE_REASON] = "";

	if (!traffic_has_gateway(s->ctx)) {
		progress_done(s->ctx->base.progress, "watch", NULL);
		return;
	}
	/* What was set aside is no part of the verdict, and stands beside it. */
	const struct gateway_sample judged = breach_judged(&w->breach, sum);
	enum traffic_gate_verdict v = traffic_gate_judge(&l->gates, &judged, NULL, TRAFFIC_GATE_LEAST, reason);
	*traffic = traffic_gate_json(sum);
	json_set_str(*traffic, "verdict", traffic_gate_word(v));
	json_set_str(*traffic, "reason", reason);
	if (w->breach.n_excused)
		json_set(*traffic, "set_aside", breach_json(&w->breach));
	progress_done(s->ctx->base.progress, "watch", reason);
}

/* The Engine, and not the release, is what fails. It was restarted: its containers come back with it, this one has to, and the watch goes
 * on. Else it is given a few looks. 0: go on. */
static int tolerate_outage(struct rollout_session *s, const struct lockfile *l, struct watch_state *p, unsigned *blind, struct err *cause) {
	struct err why = {0};

	if (!p->outage)
		return ++*blind < WATCH_FAILURES ? 0 : -1;
	progress_warn(s->ctx->base.progress, "the watch goes on", cause->msg);
	*p = (struct watch_state){.name = p->name};
	if (!active_ensure(s, l, NULL, &why))
		return 0;
	if (why.code == ERR_GATE)
		why.code = ERR_REVERTED;
	*cause = why;
	return -1;
}

static bool is_of_engine(const struct err *cause) {
	return cause->code == ERR_UNREACHABLE || cause->code == ERR_SYS;
}

/* Nobody can say how the release does, and nobody could switch back: it stays, and the journal says that its watch is not over. */
static int unwatched(const struct rollout_session *s, const struct lockfile *l, const struct err *cause, struct err *e) {
	return err_set(e, cause->code, "%.330s; '%s' is active, and its watch is not over: repair this, then llmdeploy recover %s", cause->msg, l->version,
		s->route.name);
}

/* One look. 0: go on; 1: it failed and `cause` is the release's; -1: the Engine's. */
static int look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p, unsigned *blind, struct err *cause) {
	if (!watch_look(s, l, p, cause)) {
		*blind = 0;
		return 0;
	}
	if (!is_of_engine(cause))
		return 1;
	return !tolerate_outage(s, l, p, blind, cause) ? 0 : is_of_engine(cause) ? -1 : 1;
}

int switch_watch(struct rollout_session *s, const struct lockfile *l, const char *from, int64_t until_unix_ms, struct json **traffic, struct err *e) {
	struct watch_state p = {.name = "watch"};
	bool watched = clock_unix_ms() < until_unix_ms;
	struct watched by_clients CLEANUP(watched_done) = {0};
	struct err cause = {0};
	unsigned blind = 0;

	if (watched)
		progress_step(s->ctx->base.progress, "watch");
	/* Bounded by the clock's end and, should the clock stand still, by the count of looks. It ends on a good look. */
	for (uint64_t looks = 0; (clock_unix_ms() < until_unix_ms || p.failures || blind) && looks < 1000000; looks++) {
		int seen = look(s, l, &p, &blind, &cause);
		if (seen < 0)
			return unwatched(s, l, &cause, e);
		if (seen || judge(s, l, &by_clients, &cause))
			return switch_back(s, l, from, &cause, e);
		clock_sleep_ms(WATCH_EVERY_MS);
	}
	if (interrupt_check(&cause) || (watched && (judge(s, l, &by_clients, &cause) || judge_unjudged(s, l, &by_clients, &cause))))
		return switch_back(s, l, from, &cause, e);
	if (!watched)
		return 0;
	conclude(s, l, &by_clients, traffic);
	return 0;
}
