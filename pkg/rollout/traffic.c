/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/text.h"
#include "gateway/gateway.h"
#include "json/json.h"

/* Design: the gateway has no memory of its own here. What it should do with a route follows from
 * the symlink and the journal (settle), so that a crash between any two of its changes is repaired
 * by whoever comes next. */

enum { SHIFT_ATTEMPTS = 3, SHIFT_WAIT_MS = 100 };

bool traffic_has_gateway(const struct rollout *ctx) {
	return ctx->gateway && gateway_present(ctx->gateway);
}

static bool has_slot(const struct gateway_route_view *v, const struct lockfile *l) {
	return !strcmp(v->servers[0].id, l->id) || !strcmp(v->servers[1].id, l->id);
}

int traffic_accepts(const struct rollout *ctx, const struct lockfile *l, bool is_new,
		    struct err *e) {
	if (!traffic_has_gateway(ctx))
		return 0;
	if (!gateway_accepts(ctx->gateway, l, is_new, e))
		return 0;
	return err_wrap(e, "release '%s'", l->version);
}

/* One look is enough where it has a slot and HAProxy knows of it: a warm release is flipped to in
 * milliseconds. */
int traffic_assign_slot(const struct rollout *ctx, const struct lockfile *l, struct err *e) {
	struct gateway_route_view v;

	if (!traffic_has_gateway(ctx))
		return 0;
	if (gateway_status_route(ctx->gateway, l->route, &v, e))
		return -1;
	if (has_slot(&v, l) && *v.servers[0].have && *v.servers[1].have)
		return 0;
	if (gateway_assign_slot(ctx->gateway, l, e) ||
	    gateway_ensure(ctx->gateway, e))
		return -1;
	return 0;
}

static int shift_once(const struct rollout *ctx, const char *route, const struct lockfile *to,
		      struct err *e) {
	struct err why = {0};

	if (!gateway_flip(ctx->gateway, route, to, &why))
		return 0;
	/* Recovery may come here without a slot. */
	if (to && why.code == ERR_USAGE) {
		if (gateway_assign_slot(ctx->gateway, to, e) ||
		    gateway_ensure(ctx->gateway, e) ||
		    gateway_flip(ctx->gateway, route, to, e))
			return -1;
		return 0;
	}
	return err_set(e, why.code, "%s", why.msg);
}

/* A gateway that is just being started again gets a second chance, and a third. */
int traffic_shift(const struct rollout *ctx, const char *route, const struct lockfile *to,
		  struct err *e) {
	struct err why = {0};

	if (!traffic_has_gateway(ctx))
		return 0;
	for (unsigned i = 0; i < SHIFT_ATTEMPTS; i++) {
		if (i)
			clock_sleep_ms(SHIFT_WAIT_MS << i);
		if ((!i || !gateway_ensure(ctx->gateway, &why)) &&
		    !shift_once(ctx, route, to, &why))
			return 0;
		if (why.code != ERR_UNREACHABLE)
			break;
	}
	return err_set(e, why.code, "%s", why.msg);
}

static int record_drained(struct rollout_session *s, const struct lockfile *l, uint64_t in_flight,
			  uint64_t waited_ms, uint64_t cut, struct err *e) {
	char took[TEXT_BYTES], detail[200];
	struct json *r = record_new(EVENT_DRAINED, l);

	text_format_ms(waited_ms, took);
	(void) snprintf(detail, sizeof detail, "%llu in flight, %llu cut after %s",
			(unsigned long long) in_flight, (unsigned long long) cut, took);
	json_set_int(r, "in_flight", (int64_t) in_flight);
	json_set_int(r, "waited_ms", (int64_t) waited_ms);
	json_set_int(r, "cut", (int64_t) cut);
	json_set_str(r, "detail", detail);
	if (in_flight || cut) {
		char *said CLEANUP(freep) = mem_printf("'%s': %s", l->version, detail);
		progress_note(s->ctx->base.progress, "drained", said);
	}
	return record_put(s, r, e);
}

int traffic_drain(struct rollout_session *s, const struct lockfile *l, uint64_t for_ms,
		  struct err *e) {
	struct gateway *g = s->ctx->gateway;
	uint64_t began = clock_mono_ms(), in_flight = 0, cut = 0;

	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (gateway_in_flight(g, l->route, l, &in_flight, e))
		return -1;
	if (in_flight)
		progress_step(s->ctx->base.progress, "drain");
	if (gateway_drain(g, l->route, l, began + for_ms, &cut, e))
		return -1;
	if (in_flight)
		progress_done(s->ctx->base.progress, "drain", l->version);
	return record_drained(s, l, in_flight, clock_mono_ms() - began, cut, e);
}

int traffic_stop_canary(struct rollout_session *s, const struct lockfile *l, struct err *e) {
	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (gateway_canary(s->ctx->gateway, l->route, l, 0, e) ||
	    traffic_drain(s, l, l->drain_ms, e))
		return -1;
	return 0;
}

static bool is_serving(const char *want) {
	return !strcmp(want, "ready") || !strcmp(want, "canary");
}

bool traffic_has(const struct gateway_server *sv, const char *want) {
	bool maint = !strncmp(sv->have, "MAINT", 5), drain = !strncmp(sv->have, "DRAIN", 5);

	if (!*sv->have)
		return false;
	return !strcmp(want, "maint") ? maint : !strcmp(want, "drain") ? drain : !maint && !drain;
}

/* Does the gateway do what the symlink says? */
static bool is_reconciled(const struct gateway_route_view *v, const struct lockfile *active) {
	bool found = !active;

	for (size_t i = 0; i < 2; i++) {
		const struct gateway_server *sv = &v->servers[i];
		bool is_active = active && !strcmp(sv->id, active->id);
		if (is_active && (strcmp(sv->want, "ready") || !traffic_has(sv, "ready")))
			return false;
		if (!is_active && *sv->id && (is_serving(sv->want) || !traffic_has(sv, sv->want)))
			return false;
		found |= is_active;
	}
	return found && !v->canary_percent;
}

static int realign(struct rollout_session *s, const struct lockfile *active, struct err *e) {
	struct json *r = record_new(EVENT_REALIGNED, active);

	progress_note(s->ctx->base.progress,
		      "the gateway's traffic differed from the journal and was reset",
		      active ? active->version : "no release is active");
	json_set_str(r, "what",
		     active ? "traffic goes to the active release again"
			    : "traffic goes to no release: none is active");
	if ((active && traffic_assign_slot(s->ctx, active, e)) ||
	    traffic_shift(s->ctx, s->route.name, active, e)) {
		json_free(r);
		return -1;
	}
	return record_put(s, r, e);
}

/* Drain an inactive slot; free it unless a held or warm release needs it. */
static int reconcile_slot(struct rollout_session *s, const struct gateway_server *sv, bool stays,
			  uint64_t drain_ms, struct err *e) {
	struct lockfile named = {.route = s->route.name, .version = sv->version};

	(void) snprintf(named.id, sizeof named.id, "%s", sv->id);
	if (strcmp(sv->want, "maint") && traffic_drain(s, &named, drain_ms, e))
		return -1;
	if (!stays && gateway_release_slot(s->ctx->gateway, s->route.name, &named, e))
		return -1;
	return 0;
}

int traffic_reconcile(struct rollout_session *s, const struct traffic_desired *d, uint64_t drain_ms,
		      struct err *e) {
	struct gateway *g = s->ctx->gateway;
	struct gateway_route_view v;

	if (!traffic_has_gateway(s->ctx))
		return 0;
	if (gateway_reconcile(g, s->route.name, e) ||
	    gateway_status_route(g, s->route.name, &v, e))
		return -1;
	if (!v.known && !d->active)
		return 0;
	/* To start a gateway may be all that it takes; that it had to be done is recorded
	 * anyway. */
	if (!is_reconciled(&v, d->active) &&
	    (gateway_ensure(g, e) ||
	     realign(s, d->active, e) ||
	     gateway_status_route(g, s->route.name, &v, e)))
		return -1;
	for (size_t i = 0; i < 2; i++) {
		const char *id = v.servers[i].id;
		bool is_active = d->active && !strcmp(id, d->active->id),
		     stays = d->beside && !strcmp(id, d->beside->id);
		if (*id && !is_active && reconcile_slot(s, &v.servers[i], stays, drain_ms, e))
			return -1;
	}
	return d->beside && !has_slot(&v, d->beside) ? traffic_assign_slot(s->ctx, d->beside, e)
						     : 0;
}
