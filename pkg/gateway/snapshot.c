/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

enum { ANSWER_CAP = 8 << 20 };

/* What one worker says of one server of a route. */
struct seen {
	const char *backend; /* "r:ROUTE" */
	char slot;           /* a, b */
	bool finishing;
	const char *status;
	uint64_t in_flight, queued, weight;
};

struct gateway_snapshot {
	struct gateway *g;
	struct gateway_state *state;
	struct socket_workers all;
	struct arena *arena;
	struct seen *at; /* by backend, once all are there */
	size_t n, cap;
};

void gateway_snapshot_free(struct gateway_snapshot *s) {
	if (!s)
		return;
	gateway_state_free(s->state);
	arena_free(s->arena);
	free(s->at);
	free(s);
}

void gateway_snapshot_freep(struct gateway_snapshot **s) {
	gateway_snapshot_free(*s);
}

static void note(struct gateway_snapshot *s, const struct socket_table *t, bool finishing) {
	const char *backend = socket_table_text(t, "pxname"),
		   *server = socket_table_text(t, "svname");

	if (!text_starts(backend, "r:") || (strcmp(server, "a") && strcmp(server, "b")))
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		s->at = mem_grow(s->at, s->cap, sizeof *s->at);
	}
	s->at[s->n++] = (struct seen){arena_strdup(s->arena, backend),
				      *server,
				      finishing,
				      arena_strdup(s->arena, socket_table_text(t, "status")),
				      socket_table_number(t, "scur"),
				      socket_table_number(t, "qcur"),
				      socket_table_number(t, "weight")};
}

static int ask(struct gateway_snapshot *s, const struct socket_worker *w, const char *line,
	       struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(ANSWER_CAP);
	struct socket_table t;
	bool gone;

	if (socket_worker_ask(EFFECT_NONE, s->g->h.dir, w, line, &text, &gone, e))
		return -1;
	/* No such backend: a worker from before the route. */
	if (gone || *buf_str(&text) != '#')
		return 0;
	if (socket_table_begin(&t, text.data, e))
		return -1;
	while (socket_table_row(&t))
		note(s, &t, w->finishing);
	return 0;
}

static int by_backend(const void *a, const void *b) {
	return strcmp(((const struct seen *) a)->backend, ((const struct seen *) b)->backend);
}

static int snapshot_take(struct gateway *g, const char *route, struct gateway_snapshot **out,
			 struct err *e) {
	struct gateway_snapshot *s CLEANUP(gateway_snapshot_freep) = mem_zalloc(1, sizeof *s);
	char *line CLEANUP(freep) = route ? mem_printf("show stat r:%s 4 -1", route)
					  : mem_strdup("show stat -1 4 -1");

	s->g = g;
	s->arena = arena_new();
	if (g->none)
		s->state = gateway_state_new();
	else if (persist_state(g, &s->state, e) ||
		 socket_workers(g->h.dir, &s->all, e))
		return -1;
	bool any = route ? gateway_state_find(s->state, route) != NULL
			 : gateway_state_count(s->state) > 0;
	for (size_t i = 0; any && i < s->all.n; i++)
		if (ask(s, &s->all.at[i], line, e))
			return -1;
	if (s->n)
		qsort(s->at, s->n, sizeof *s->at, by_backend);
	*out = STEAL(s);
	return 0;
}

int gateway_snapshot_take(struct gateway *g, struct gateway_snapshot **out, struct err *e) {
	return snapshot_take(g, NULL, out, e);
}

void gateway_snapshot_process(const struct gateway_snapshot *s, struct gateway_view *out) {
	*out = (struct gateway_view){.running = s->all.running && s->all.serving,
				     .workers = (unsigned) s->all.n};
	(void) snprintf(out->version, sizeof out->version, "%s", s->all.version);
}

/* In all workers together; its state is what the one that serves says. */
static struct server_count sum(const struct gateway_snapshot *s, const char *route, char slot) {
	char *backend CLEANUP(freep) = mem_printf("r:%s", route);
	const struct seen key = {.backend = backend};
	const struct seen *first = s->n ? bsearch(&key, s->at, s->n, sizeof *s->at, by_backend)
					: NULL;
	struct server_count c = {0};

	while (first && first > s->at && !by_backend(first - 1, &key))
		first--;
	for (const struct seen *p = first; p && p < s->at + s->n && !by_backend(p, &key); p++) {
		if (p->slot != slot)
			continue;
		c.in_flight += p->in_flight;
		c.queued += p->queued;
		c.weight = p->finishing ? c.weight : p->weight;
		if (!p->finishing)
			(void) snprintf(c.status, sizeof c.status, "%s", p->status);
	}
	return c;
}

static void fill_server(const struct haproxy_slot *slot, const struct server_count *have,
			struct gateway_server *out) {
	(void) snprintf(out->id, sizeof out->id, "%s", slot->id);
	(void) snprintf(out->version, sizeof out->version, "%s", slot->version);
	(void) snprintf(out->want, sizeof out->want, "%s", haproxy_want_word(slot->want));
	(void) snprintf(out->have, sizeof out->have, "%.*s", (int) sizeof out->have - 1,
			have->status);
	out->up = !strncmp(have->status, "UP", 2) || !strncmp(have->status, "no check", 8);
	out->in_flight = have->in_flight;
	out->queued = have->queued;
	out->weight = have->weight;
}

int gateway_snapshot_route(const struct gateway_snapshot *s, const char *route,
			   struct gateway_route_view *out, struct err *e) {
	const struct haproxy_route *r = gateway_state_find(s->state, route);
	struct gateway_route_view v = {0};

	*out = v;
	if (!r)
		return 0;
	v.known = true;
	v.canary_percent = r->canary_percent;
	(void) snprintf(v.listen, sizeof v.listen, "%s",
			r->frontend.listen ? r->frontend.listen : "");
	for (int i = 0; i < 2; i++) {
		const struct server_count have = sum(s, route, i ? 'b' : 'a');
		fill_server(&r->slots[i], &have, &v.servers[i]);
	}
	if (r->frontend.has_fallback && status_fallback(s->g, &s->all, route, &v, e))
		return -1;
	*out = v;
	return 0;
}

int gateway_status_route(struct gateway *g, const char *route, struct gateway_route_view *out,
			 struct err *e) {
	struct gateway_snapshot *s CLEANUP(gateway_snapshot_freep) = NULL;

	*out = (struct gateway_route_view){0};
	if (snapshot_take(g, route, &s, e) ||
	    gateway_snapshot_route(s, route, out, e))
		return -1;
	return 0;
}
