/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "gateway/frontend.h"
#include "lockfile/lockfile.h"

enum { POLL_MS = 20, LINE_CAP = 64 << 10 };

/* Design: each change is made the same way. The state as it is is copied and changed; state,
 * configuration and links are written; then what runs is turned from the one to the other. Whoever
 * dies in between leaves a state that the next ensure brings about. */
struct change {
	struct gateway *g;
	struct gateway_state *before, *after;
	int file_lock;
};

static void change_done(struct change *c) {
	gateway_state_free(c->before);
	gateway_state_free(c->after);
	closep(&c->file_lock);
}

static int change_begin(struct gateway *g, struct change *c, struct err *e) {
	c->g = g;
	if (persist_lock(g, &c->file_lock, e) ||
	    persist_state(g, &c->before, e))
		return -1;
	c->after = gateway_state_copy(c->before);
	return 0;
}

/* Routes, frontends or files differ: HAProxy accepts it all, and a new process comes up with it, or
 * everything is as it was before. */
static int change_frontend(const struct change *c, struct err *e) {
	struct err why = {0}, ignored = {0};

	if (!ensure_locked(c->g, c->after, &why))
		return 0;
	if (gateway_state_count(c->before) || !persist_save(c->g, c->before, NULL, NULL, &ignored))
		(void) ensure_locked(c->g, c->before, &ignored);
	return err_set(e, why.code, "%s", why.msg);
}

/* The files, and then whatever runs: by the runtime socket alone where that can do it. */
static int change_commit(struct change *c, struct err *e) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(LINE_CAP);
	const struct haproxy_paths paths = HAPROXY_PATHS;
	struct socket_workers all;

	if (!haproxy_commands(gateway_state_routes(c->before), gateway_state_routes(c->after),
			      &paths, &line))
		return change_frontend(c, e);
	if (accept_and_save(c->g, c->after, e))
		return -1;
	if (!line.len)
		return 0;
	if (socket_workers(c->g->h.dir, &all, e))
		return -1;
	if (!all.running || !all.serving)
		return ensure_locked(c->g, c->after, e);
	return socket_send(c->g->h.dir, &all, buf_str(&line), e);
}

static int no_slot(const char *route, const struct lockfile *l, struct err *e) {
	return err_set(e, ERR_USAGE, "release '%s' has no slot in the gateway's route '%s'",
		       l->version, route);
}

/* The server that the active release does not have; empty ones first. */
static int free_slot(const struct haproxy_route *r) {
	for (int i = 0; i < 2; i++)
		if (!*r->slots[i].id)
			return i;
	return haproxy_route_ready(r) == 0 || r->slots[0].want == HAPROXY_CANARY ? 1 : 0;
}

/* What can be had of its files, or what was had, is enough: it was active before. */
static int accept_again(const struct gateway *g, const struct gateway_state *then,
			const struct gateway_state *own, struct err *e) {
	struct accepted a CLEANUP(accepted_done) = {0};
	struct staged files CLEANUP(staged_done) = {0};

	staged_read(g, own, STAGED_FRESH_FIRST, &files);
	for (size_t i = 0; i < files.n; i++)
		if (files.at[i].from == STAGED_MISSING)
			return err_set(e, ERR_SPEC, "%s", files.at[i].fault);
	return accept_state(g, then, &a, e);
}

static int accept_frontend(const struct gateway *g, const struct gateway_state *now,
			   const struct lockfile *l, bool is_new, struct err *e) {
	struct gateway_state *then CLEANUP(gateway_state_freep) = gateway_state_copy(now),
				   *own CLEANUP(gateway_state_freep) = gateway_state_new();
	struct haproxy_route *r = gateway_state_add(then, l->route),
			     *alone = gateway_state_add(own, l->route);

	if (gateway_route_take(then, r, l, e) ||
	    gateway_route_take(own, alone, l, e) ||
	    gateway_state_check(then, e))
		return -1;
	if (is_new && gateway_frontend_check(&r->frontend, e))
		return -1;
	if (preflight_ports(g, now, then, e))
		return -1;
	return is_new ? accept_strictly(g, then, own, e) : accept_again(g, then, own, e);
}

int gateway_accepts(struct gateway *g, const struct lockfile *l, bool is_new, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (g->none)
		return 0;
	if (change_begin(g, &c, e))
		return -1;
	return accept_frontend(g, c.before, l, is_new, e);
}

int gateway_assign_slot(struct gateway *g, const struct lockfile *l, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (g->none)
		return 0;
	if (change_begin(g, &c, e))
		return -1;
	bool known = gateway_state_find(c.after, l->route);
	struct haproxy_route *r = gateway_state_add(c.after, l->route);
	if (!known && gateway_route_take(c.after, r, l, e))
		return -1;
	int slot = haproxy_route_slot(r, l->id);
	if (slot < 0) {
		slot = free_slot(r);
		gateway_slot_take(c.after, &r->slots[slot], l);
	}
	if (persist_link(g, l->route, slot, r->slots[slot].id, e))
		return -1;
	return known ? change_commit(&c, e) : change_frontend(&c, e);
}

static void start_drain(struct haproxy_slot *slot) {
	if (slot->want == HAPROXY_READY || slot->want == HAPROXY_CANARY)
		slot->want = HAPROXY_DRAIN;
}

static bool was_ready_before(const struct change *c, const struct haproxy_route *r) {
	const struct haproxy_route *was = gateway_state_find(c->before, r->name);
	int ready = haproxy_route_ready(r);

	return was && ready >= 0 && was->slots[ready].want == HAPROXY_READY;
}

/* Ready first, in the running process: a frontend that differs is put up afterwards, by a
 * reload. */
static int sync_now(const struct change *c, const struct haproxy_route *r, struct err *e) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(LINE_CAP);
	const struct haproxy_paths paths = HAPROXY_PATHS;
	struct socket_workers all;
	int ready = haproxy_route_ready(r);

	if (socket_workers(c->g->h.dir, &all, e))
		return -1;
	if (!all.running || !all.serving)
		return err_set(e, ERR_SYS, "the gateway is not running");
	/* Requests that wait in the route's queue are given to a server that leaves maintenance,
	 * and not to one that leaves draining: without this they would wait for the next request to
	 * come. It takes no traffic at this moment, and the line is one step. */
	if (ready >= 0 && !was_ready_before(c, r))
		(void) buf_printf(&line, "set server r:%s/%c state maint", r->name, "ab"[ready]);
	haproxy_slot_commands(gateway_state_routes(c->after), r->name, ready == 1, &paths, &line);
	haproxy_slot_commands(gateway_state_routes(c->after), r->name, ready != 1, &paths, &line);
	return socket_send(c->g->h.dir, &all, buf_str(&line), e);
}

static int flip_now(const struct change *c, const struct haproxy_route *r, struct err *e) {
	struct buf ignored CLEANUP(buf_done) = BUF_INIT(LINE_CAP);
	const struct haproxy_paths paths = HAPROXY_PATHS;
	struct err why = {0};

	/* Another frontend: a new process comes up with it and with the new release in one step, so
	 * that neither is ever behind the other's frontend. Likewise where someone died after the
	 * state was written: which frontend it has is not known. */
	if (was_ready_before(c, r) ||
	    !haproxy_commands(gateway_state_routes(c->before), gateway_state_routes(c->after),
			      &paths, &ignored))
		return change_frontend(c, e);
	/* 1. What a process that starts now would do. */
	if (accept_and_save(c->g, c->after, e))
		return -1;
	/* 2. What runs does it. The commands are sent whatever the state was: recovery asks
	 * again. */
	if (!sync_now(c, r, &why))
		return 0;
	/* 3. It does not run, or does not know the route yet. */
	return why.code == ERR_UNREACHABLE ? err_set(e, why.code, "%s", why.msg)
					   : change_frontend(c, e);
}

int gateway_flip(struct gateway *g, const char *route, const struct lockfile *to, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (g->none)
		return 0;
	if (change_begin(g, &c, e))
		return -1;
	struct haproxy_route *r = gateway_state_find(c.after, route);
	int slot = r && to ? haproxy_route_slot(r, to->id) : -1;
	if (to && slot < 0)
		return no_slot(route, to, e);
	if (!r)
		return 0;
	start_drain(&r->slots[slot == 0]);
	if (!to)
		start_drain(&r->slots[1]);
	else
		r->slots[slot].want = HAPROXY_READY;
	r->canary_percent = 0;
	if (to && gateway_route_take(c.after, r, to, e))
		return -1;
	return flip_now(&c, r, e);
}

int gateway_canary(struct gateway *g, const char *route, const struct lockfile *candidate,
		   unsigned percent, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (g->none)
		return 0;
	if (change_begin(g, &c, e))
		return -1;
	struct haproxy_route *r = gateway_state_find(c.after, route);
	int slot = r ? haproxy_route_slot(r, candidate->id) : -1;
	if (slot < 0)
		return no_slot(route, candidate, e);
	if (r->slots[slot].want == HAPROXY_READY)
		return err_set(e, ERR_USAGE,
			       "release '%s' is the active release of route '%s', not a canary",
			       candidate->version, route);
	r->canary_percent = percent > 100 ? 100 : percent;
	r->slots[slot].want = percent                   ? HAPROXY_CANARY
		: r->slots[slot].want == HAPROXY_CANARY ? HAPROXY_DRAIN
							: r->slots[slot].want;
	return change_commit(&c, e);
}

/* ---- drain ---- */

/* The slot of a release, from the state as it is now; -1: none. */
static int slot_of(const struct gateway *g, const char *route, const struct lockfile *l, int *slot,
		   enum haproxy_want *want, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	if (persist_state(g, &s, e))
		return -1;
	const struct haproxy_route *r = gateway_state_find(s, route);
	*slot = r ? haproxy_route_slot(r, l->id) : -1;
	*want = *slot < 0 ? HAPROXY_MAINT : r->slots[*slot].want;
	return 0;
}

static int count_slot(const struct gateway *g, const char *route, int slot, uint64_t *n,
		      struct err *e) {
	struct socket_workers all;
	struct server_count have;

	if (socket_workers(g->h.dir, &all, e) ||
	    haproxy_server(&g->h, &all, route, slot ? "b" : "a", &have, e))
		return -1;
	*n = have.in_flight + have.queued + have.waiting;
	return 0;
}

int gateway_in_flight(struct gateway *g, const char *route, const struct lockfile *l, uint64_t *n,
		      struct err *e) {
	enum haproxy_want want;
	int slot;

	if (g->none) {
		*n = 0;
		return 0;
	}
	if (slot_of(g, route, l, &slot, &want, e))
		return -1;
	if (slot >= 0)
		return count_slot(g, route, slot, n, e);
	*n = 0;
	return 0;
}

static int to_maintenance(struct gateway *g, const char *route, const struct lockfile *l,
			  bool empty, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (change_begin(g, &c, e))
		return -1;
	struct haproxy_route *r = gateway_state_find(c.after, route);
	int slot = r ? haproxy_route_slot(r, l->id) : -1;
	if (slot < 0)
		return 0;
	if (r->slots[slot].want == HAPROXY_READY)
		return err_set(
			e, ERR_USAGE,
			"release '%s' is the active release of route '%s' and keeps its traffic",
			l->version, route);
	if (r->slots[slot].want == HAPROXY_CANARY)
		r->canary_percent = 0;
	r->slots[slot].want = HAPROXY_MAINT;
	if (empty)
		haproxy_slot_clear(&r->slots[slot]);
	if (change_commit(&c, e))
		return -1;
	return empty ? persist_link(g, route, slot, "", e) : 0;
}

static int close_rest(const struct gateway *g, const char *route, int slot, uint64_t *cut,
		      struct err *e) {
	char *line CLEANUP(freep) = mem_printf("shutdown sessions server r:%s/%c", route,
					       "ab"[slot]);
	struct socket_workers all;
	struct server_count have;

	if (socket_workers(g->h.dir, &all, e) ||
	    haproxy_server(&g->h, &all, route, slot ? "b" : "a", &have, e) ||
	    socket_send(g->h.dir, &all, line, e))
		return -1;
	*cut = have.in_flight;
	return 0;
}

int gateway_drain(struct gateway *g, const char *route, const struct lockfile *l,
		  uint64_t deadline_mono_ms, uint64_t *cut, struct err *e) {
	enum haproxy_want want;
	uint64_t n = 0, closed = 0;
	int slot;

	*cut = 0;
	if (g->none)
		return 0;
	if (slot_of(g, route, l, &slot, &want, e))
		return -1;
	if (want == HAPROXY_READY)
		return err_set(
			e, ERR_USAGE,
			"release '%s' is the active release of route '%s' and keeps its traffic",
			l->version, route);
	if (slot < 0)
		return 0;
	for (;;) {
		if (count_slot(g, route, slot, &n, e) ||
		    interrupt_check(e))
			return -1;
		if (!n || clock_mono_ms() >= deadline_mono_ms)
			break;
		clock_sleep_ms(POLL_MS);
	}
	if (n && close_rest(g, route, slot, &closed, e))
		return -1;
	if (to_maintenance(g, route, l, false, e))
		return -1;
	*cut = closed;
	return 0;
}

int gateway_release_slot(struct gateway *g, const char *route, const struct lockfile *l,
			 struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	if (g->none)
		return 0;
	if (to_maintenance(g, route, l, true, e) ||
	    persist_state(g, &s, e))
		return -1;
	/* Of a route that never came to be, the links are left. */
	return gateway_state_find(s, route) ? 0 : persist_unlink_route(g, route, e);
}

int gateway_remove(struct gateway *g, const char *route, struct err *e) {
	struct change c CLEANUP(change_done) = {.file_lock = -1};

	if (g->none)
		return 0;
	if (change_begin(g, &c, e))
		return -1;
	if (!gateway_state_find(c.after, route))
		return 0;
	gateway_state_remove(c.after, route);
	if (gateway_state_count(c.after) ? change_frontend(&c, e) : persist_save(g, c.after, NULL,
				NULL, e) ||
	    ensure_locked(g, c.after, e))
		return -1;
	return persist_unlink_route(g, route, e);
}
