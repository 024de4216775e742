/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/interrupt.h"
#include "docker/docker.h"
#include "rollout/internal.h"

int watch_look(struct rollout_session *s, const struct lockfile *l, struct watch_state *p,
	       struct err *e) {
	int64_t restarts = 0;
	bool alive = false;

	if (!p->looked)
		p->outages = docker_outages(s->ctx->base.docker);
	if (interrupt_check(e) ||
	    instance_restarts(&s->ctx->base, l, &restarts, e) ||
	    instance_is_ready(&s->ctx->base, l, &alive, e))
		return -1;
	p->outage = docker_outages(s->ctx->base.docker) != p->outages;
	if (p->outage)
		return err_set(e, ERR_UNREACHABLE, "Docker was restarted in the %s of '%s'",
			       p->name, l->version);
	if (!p->looked)
		p->restarts = restarts;
	p->looked = true;
	if (restarts > p->restarts)
		return err_set(e, ERR_REVERTED,
			       "'%s' died in its %s and was started again by Docker", l->version,
			       p->name);
	p->failures = alive ? 0 : p->failures + 1;
	if (p->failures >= WATCH_FAILURES)
		return err_set(e, ERR_REVERTED, "'%s' stopped answering in its %s", l->version,
			       p->name);
	return 0;
}

int watch_count(struct rollout_session *s, const struct lockfile *l, struct traffic_gate_meter *m,
		struct err *e) {
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
