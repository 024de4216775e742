/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/haproxy.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "haproxy/render.h"

enum { ANSWER_CAP = 8 << 20 };

static int count_in(const struct haproxy *h, const struct socket_worker *w, const char *line,
		    const char *server, struct server_count *out, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(ANSWER_CAP);
	struct socket_table t;
	bool gone;

	if (socket_worker_ask(EFFECT_NONE, h->dir, w, line, &text, &gone, e))
		return -1;
	/* No such backend: a worker from before the route. */
	if (gone || *buf_str(&text) != '#')
		return 0;
	if (socket_table_begin(&t, text.data, e))
		return -1;
	uint64_t at_servers = 0, all = 0;
	while (socket_table_row(&t)) {
		const char *row = socket_table_text(&t, "svname");
		uint64_t n = socket_table_number(&t, "scur");
		if (!strcmp(row, "BACKEND"))
			all = n;
		else
			at_servers += n;
		if (strcmp(row, server) != 0)
			continue;
		out->in_flight += n;
		out->queued += socket_table_number(&t, "qcur");
		if (!w->finishing)
			(void) snprintf(out->status, sizeof out->status, "%s",
					socket_table_text(&t, "status"));
	}
	/* In a worker that finishes they can only go to the release that was active there. */
	if (w->finishing && all > at_servers)
		out->waiting += all - at_servers;
	return 0;
}

int haproxy_server(const struct haproxy *h, const struct socket_workers *all, const char *route,
		   const char *server, struct server_count *out, struct err *e) {
	char *line CLEANUP(freep) = mem_printf("show stat r:%s 6 -1", route);
	struct server_count sum = {0};

	for (size_t i = 0; i < all->n; i++)
		if (count_in(h, &all->at[i], line, server, &sum, e))
			return -1;
	*out = sum;
	return 0;
}

static int sync_slot(const struct haproxy *h, const struct socket_workers *all,
		     const struct haproxy_routes *s, const char *route, int slot, struct err *e) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(16 << 10);
	const struct haproxy_paths paths = HAPROXY_PATHS;

	haproxy_slot_commands(s, route, slot, &paths, &line);
	return socket_send(h->dir, all, buf_str(&line), e);
}

/* What gets traffic comes first. */
static int sync_route(const struct haproxy *h, const struct socket_workers *all,
		      const struct haproxy_routes *s, const struct haproxy_route *r,
		      struct err *e) {
	int first = haproxy_route_ready(r) == 1;

	if (sync_slot(h, all, s, r->name, first, e) ||
	    sync_slot(h, all, s, r->name, !first, e))
		return -1;
	return 0;
}

int haproxy_sync(const struct haproxy *h, const struct haproxy_routes *s, struct err *e) {
	struct socket_workers all;

	if (socket_workers(h->dir, &all, e))
		return -1;
	for (size_t i = 0; i < s->n; i++)
		if (sync_route(h, &all, s, s->at[i], e))
			return -1;
	return 0;
}
