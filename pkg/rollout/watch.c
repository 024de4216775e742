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

/* What clients see in the watch. */
struct watched {
	struct traffic_gate_meter meter;
	struct breach breach;
};

static void watched_done(struct watched *w) {
	breach_done(&w->breach);
}

static int begin(struct rollout_session *s, const struct lockfile *l, struct watched *w,
		 struct err *e) {
	breach_late_limits(s, l, &l->gates, &w->meter.patience);
	/* Before the sum begins: whose a request is must be known of each that is in it. */
	breach_begin(s, l, &w->breach);
	return watch_count(s, l, &w->meter, e);
}

/* A breach by what clients saw. */
static int judge(struct rollout_session *s, const struct lockfile *l, struct watched *w,
		 struct err *e) {
	const struct breach_case c = {.gates = &l->gates,
				      .sum = &w->meter.sum,
				      .patience = &w->meter.patience,
				      .least = TRAFFIC_GATE_LEAST};
	char reason[TRAFFIC_GATE_REASON] = "";
	bool stands;

	if (!w->meter.begun && begin(s, l, w, e))
		return -1;
	if (watch_count(s, l, &w->meter, e))
		return -1;
	if (breach_check(s, l, &w->breach, &c, &stands, reason, e))
		return -1;
	return stands ? err_set(e, ERR_REVERTED, "'%s' failed a gate in its watch: %s", l->version,
				reason)
		      : 0;
}

/* Requests came, and of none it can be said how the release did: the golden questions say it. */
static int judge_unjudged(struct rollout_session *s, const struct lockfile *l,
			  const struct watched *w, struct err *e) {
	const struct gateway_sample *n = &w->meter.sum;
	char reason[TRAFFIC_GATE_REASON] = "";
	struct err why = {0};

	if (n->requests + n->refused + n->left < TRAFFIC_GATE_LEAST ||
	    traffic_gate_judge(&l->gates, n, NULL, TRAFFIC_GATE_LEAST, reason) !=
		    TRAFFIC_GATE_NONE ||
	    w->breach.n_excused || !l->golden)
		return 0;
	if (!breach_golden(s, l, l->gates.p95_ms > 0 ? (uint64_t) l->gates.p95_ms : 0, &why))
		return 0;
	if (why.code == ERR_INTERRUPTED)
		return err_set(e, why.code, "%s", why.msg);
	return err_set(e, ERR_REVERTED,
		       "the watch of '%s' has no verdict from client traffic (%.200s), and golden "
		       "questions through the gateway fail: %s",
		       l->version, reason, why.msg);
}

/* What the watch saw, said and recorded: nothing seen is not a pass. */
static void conclude(struct rollout_session *s, const struct lockfile *l, const struct watched *w,
		     struct json **traffic) {
	const struct gateway_sample *sum = &w->meter.sum;
	char reason[TRAFFIC_GATE_REASON] = "";

	if (!traffic_has_gateway(s->ctx)) {
		progress_done(s->ctx->base.progress, "watch", NULL);
		return;
	}
	/* What was set aside is no part of the verdict, and stands beside it. */
	const struct gateway_sample judged = breach_judged(&w->breach, sum);
	enum traffic_gate_verdict v = traffic_gate_judge(&l->gates, &judged, NULL,
							 TRAFFIC_GATE_LEAST, reason);
	*traffic = traffic_gate_json(sum);
	json_set_str(*traffic, "verdict", traffic_gate_word(v));
	json_set_str(*traffic, "reason", reason);
	if (w->breach.n_excused)
		json_set(*traffic, "set_aside", breach_json(&w->breach));
	progress_done(s->ctx->base.progress, "watch", reason);
}

/* The Engine, and not the release, is what fails. It was restarted: its containers come back with
 * it, this one has to, and the watch goes on. Else it is given a few looks. 0: go on. */
static int tolerate_outage(struct rollout_session *s, const struct lockfile *l,
			   struct watch_state *p, unsigned *blind, struct err *cause) {
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

static bool is_of_instance(const struct err *cause) {
	return cause->code == ERR_UNREACHABLE || cause->code == ERR_SYS;
}

/* Nobody can say how the release does, and nobody could switch back: it stays, and the journal says
 * that its watch is not over. */
static int unwatched(const struct rollout_session *s, const struct lockfile *l,
		     const struct err *cause, struct err *e) {
	return err_set(e, cause->code,
		       "%.330s; '%s' is active, and its watch is not over: repair this, then "
		       "llmdeploy recover %s",
		       cause->msg, l->version, s->route.name);
}

/* One look. 0: go on; 1: it failed and `cause` is the release's; -1: the Engine's. */
static int look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p,
		unsigned *blind, struct err *cause) {
	if (!watch_look(s, l, p, cause)) {
		*blind = 0;
		return 0;
	}
	if (!is_of_instance(cause))
		return 1;
	return !tolerate_outage(s, l, p, blind, cause) ? 0 : is_of_instance(cause) ? -1 : 1;
}

int switch_watch(struct rollout_session *s, const struct lockfile *l, const char *from,
		 int64_t until_unix_ms, struct json **traffic, struct err *e) {
	struct watch_state p = {.name = "watch"};
	bool watched = clock_unix_ms() < until_unix_ms;
	struct watched by_clients CLEANUP(watched_done) = {0};
	struct err cause = {0};
	unsigned blind = 0;

	if (watched)
		progress_step(s->ctx->base.progress, "watch");
	/* Bounded by the clock's end and, should the clock stand still, by the count of looks. It
	 * ends on a good look. */
	for (uint64_t looks = 0;
	     (clock_unix_ms() < until_unix_ms || p.failures || blind) && looks < 1000000; looks++) {
		int seen = look(s, l, &p, &blind, &cause);
		if (seen < 0)
			return unwatched(s, l, &cause, e);
		if (seen || judge(s, l, &by_clients, &cause))
			return switch_back(s, l, from, &cause, e);
		clock_sleep_ms(WATCH_EVERY_MS);
	}
	if (interrupt_check(&cause) ||
	    (watched &&
	     (judge(s, l, &by_clients, &cause) || judge_unjudged(s, l, &by_clients, &cause))))
		return switch_back(s, l, from, &cause, e);
	if (!watched)
		return 0;
	conclude(s, l, &by_clients, traffic);
	return 0;
}
