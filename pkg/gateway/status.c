/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/counters.h"
#include "gateway/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "lockfile/lockfile.h"

int gateway_status(struct gateway *g, struct gateway_view *out, struct err *e) {
	struct socket_workers all = {0};
	struct gateway_view v = {0};

	if (!g->none && socket_workers(g->h.dir, &all, e))
		return -1;
	v.running = all.running && all.serving;
	v.workers = (unsigned) all.n;
	(void) snprintf(v.version, sizeof v.version, "%s", all.version);
	*out = v;
	return 0;
}

/* Lua counts in each process for itself: what the serving one says, "" where none does. Those that
 * only finish were counted before they began to. */
int status_counters(struct gateway *g, const struct socket_workers *all, const char *line,
		    struct buf *text, struct err *e) {
	bool gone;

	for (size_t i = 0; i < all->n; i++) {
		if (all->at[i].finishing)
			continue;
		if (socket_worker_ask(EFFECT_NONE, g->h.dir, &all->at[i], line, text, &gone, e))
			return -1;
		if (!gone)
			return 0;
	}
	return 0;
}

int status_fallback(struct gateway *g, const struct socket_workers *all, const char *route,
		    struct gateway_route_view *v, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 10);
	char line[128];

	(void) snprintf(line, sizeof line, "llmdeploy fallback %s", route);
	if (status_counters(g, all, line, &text, e))
		return -1;
	return text.len ? gateway_fallback_parse(buf_str(&text), v, e) : 0;
}

int gateway_sample(struct gateway *g, const char *route, const struct lockfile *l,
		   const struct gateway_late_limits *patience, struct gateway_sample *out,
		   struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(64 << 10);
	struct socket_workers all;
	char line[192];

	*out = (struct gateway_sample){0};
	if (g->none)
		return 0;
	if (persist_state(g, &s, e) ||
	    socket_workers(g->h.dir, &all, e))
		return -1;
	const struct haproxy_route *r = gateway_state_find(s, route);
	int slot = r ? haproxy_route_slot(r, l->id) : -1;
	(void) snprintf(line, sizeof line, "llmdeploy sample %s %c %llu %llu %llu", route,
			"ab"[slot == 1], (unsigned long long) patience -> first_ms,
			(unsigned long long) patience -> served_ms,
			(unsigned long long) patience -> whole_ms);
	if (slot >= 0 && status_counters(g, &all, line, &text, e))
		return -1;
	return text.len ? gateway_sample_parse(buf_str(&text), out, e) : 0;
}

int gateway_routes(struct gateway *g, char ***names, size_t *n, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
	size_t size = 0;

	if (g->none)
		s = gateway_state_new();
	else if (persist_state(g, &s, e))
		return -1;
	*n = gateway_state_count(s);
	for (size_t i = 0; i < *n; i++)
		size += strlen(gateway_state_at(s, i)->name) + 1;
	char **list = mem_zalloc(1, (*n + 1) * sizeof(char *) + size),
	     *room = (char *) (list + *n + 1);
	for (size_t i = 0; i < *n; i++) {
		list[i] = room;
		room = stpcpy(room, gateway_state_at(s, i)->name) + 1;
	}
	*names = list;
	return 0;
}

int gateway_compare(struct gateway *g, const char *route, gateway_found *found, void *ctx,
		    struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	if (g->none)
		return 0;
	if (persist_state(g, &s, e))
		return -1;
	if (!gateway_state_count(s))
		return 0;
	if (persist_compare(g, s, route, found, ctx, e) ||
	    drift_of_process(g, s, route, found, ctx, e))
		return -1;
	return 0;
}
