/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/haproxy.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway/render.h"

enum { ANSWER_CAP = 8 << 20, POLL_MS = 20, RELOAD_MS = 15000, RELOAD_TRIES = 10, RELOAD_AGAIN_MS = 200 };

/* ---- which configuration it has ---- */

int haproxy_has(const struct haproxy *h, const struct socket_workers *all, const char *digest, bool *has, struct err *e) {
	struct buf info CLEANUP(buf_done) = BUF_INIT(64 << 10);
	char *wanted CLEANUP(freep) = mem_printf("\ndescription: %s\n", digest);
	bool gone, every = all->serving > 0;

	for (size_t i = 0; i < all->n && every; i++) {
		if (all->at[i].finishing)
			continue;
		if (socket_worker_ask(EFFECT_NONE, h->dir, &all->at[i], "show info", &info, &gone, e))
			return -1;
		every = !gone && strstr(buf_str(&info), wanted);
	}
	*has = every;
	return 0;
}

/* *up false: it does not, in time, or more reloads than `failed` came to nothing (UINT_MAX: they are not looked at). */
static int await(const struct haproxy *h, const char *digest, unsigned failed, uint64_t timeout_ms, bool *up, struct err *e) {
	struct socket_workers all;

	*up = false;
	for (uint64_t until = clock_mono_ms() + timeout_ms; clock_mono_ms() < until; clock_sleep_ms(POLL_MS)) {
		struct err why = {0};
		/* A process that is just coming may break off an answer. */
		bool answers = !socket_workers(h->dir, &all, &why) && all.running;
		if (answers && !haproxy_has(h, &all, digest, up, &why) && *up)
			return 0;
		if (answers && all.failed > failed)
			return 0;
		if (interrupt_check(e))
			return -1;
	}
	return 0;
}

int haproxy_await(const struct haproxy *h, const char *digest, uint64_t timeout_ms, bool *up, struct err *e) {
	return await(h, digest, UINT_MAX, timeout_ms, up, e);
}

/* "[ALERT]    (8) : config : ..." to what follows the parenthesis. */
static const char *without_head(const char *line) {
	const char *at = strstr(line, ") : ");

	return at ? at + 4 : line;
}

/* Notices and warnings are none of why it does not come up. */
static const char *without_notices(const char *said) {
	while (text_starts(said, "[NOTICE]") || text_starts(said, "[WARNING]")) {
		said += strcspn(said, "\n");
		said += strspn(said, "\r\n");
	}
	return said;
}

/* The first alarm is the cause; what follows it are its consequences. */
static void find_cause(const char *said, char *cause, size_t size) {
	const char *alert = strstr(said, "[ALERT]"), *line = alert ? without_head(alert) : without_notices(said);
	const char *bind = strstr(said, "cannot bind socket");

	if (bind)
		line = bind;
	line += strspn(line, " \r\n");
	(void) snprintf(cause, size, "%.*s", (int) strcspn(line, "\r\n"), line);
}

int haproxy_failed(const struct haproxy *h, const char *said, struct err *e) {
	char cause[240];

	h->memo->refused = true;
	find_cause(said, cause, sizeof cause);
	if (strstr(said, "cannot bind socket"))
		return err_set(e, ERR_UNREACHABLE, "the gateway cannot listen: %s; see ss -ltnp for the program that does", cause);
	return err_set(e, ERR_SPEC, "HAProxy does not start with its configuration: %s", *cause ? cause : "it wrote no error");
}

int haproxy_refused(const struct haproxy *h, const char *said, struct err *e) {
	char cause[400];

	h->memo->refused = true;
	find_cause(said, cause, sizeof cause);
	return err_set(e, ERR_SPEC, "HAProxy refuses the gateway's configuration: %s", *cause ? cause : "it wrote no error");
}

/* From version 2.7 on the answer has "Success=0" or 1 and the log; before, there is none, and only waiting tells. A master whose first worker is
 * still coming up says "Success=0" and nothing else: that is no verdict on the configuration, and it is asked again. */
static int ask_to_reload(const struct haproxy *h, struct buf *said, struct err *e) {
	for (int tries = 0;; tries++) {
		struct err why = {0};
		bool listening = false;
		buf_reset(said);
		/* A master that executes itself anew may break off its answer: what it then serves is what counts. */
		if (socket_ask(EFFECT_GATEWAY_RELOAD, h->dir, SOCKET_MASTER, "reload", said, &listening, &why) && why.code != ERR_UNREACHABLE)
			return err_set(e, why.code, "%s", why.msg);
		if (!strstr(buf_str(said), "Success=0") || strstr(buf_str(said), "[ALERT]") || tries == RELOAD_TRIES)
			return 0;
		clock_sleep_ms(RELOAD_AGAIN_MS);
	}
}

int haproxy_reload(const struct haproxy *h, const char *digest, struct err *e) {
	struct buf said CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct socket_workers before;
	bool up = false;

	if (socket_workers(h->dir, &before, e) || ask_to_reload(h, &said, e))
		return -1;
	if (strstr(buf_str(&said), "Success=0"))
		return haproxy_failed(h, strstr(buf_str(&said), "[ALERT]") ? buf_str(&said) : "", e);
	if (await(h, digest, before.failed, RELOAD_MS, &up, e))
		return -1;
	if (up)
		return 0;
	buf_reset(&said);
	process_log_tail(h, &said);
	return haproxy_failed(h, buf_str(&said), e);
}

/* ---- servers ---- */

static int count_in(const struct haproxy *h, const struct socket_worker *w, const char *line, const char *server, struct server_count *out, struct err *e) {
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
			(void) snprintf(out->status, sizeof out->status, "%s", socket_table_text(&t, "status"));
	}
	/* In a worker that finishes they can only go to the release that was active there. */
	if (w->finishing && all > at_servers)
		out->waiting += all - at_servers;
	return 0;
}

int haproxy_server(const struct haproxy *h, const struct socket_workers *all, const char *route, const char *server, struct server_count *out,
		   struct err *e) {
	char *line CLEANUP(freep) = mem_printf("show stat r:%s 6 -1", route);
	struct server_count sum = {0};

	for (size_t i = 0; i < all->n; i++)
		if (count_in(h, &all->at[i], line, server, &sum, e))
			return -1;
	*out = sum;
	return 0;
}

static int sync_slot(const struct haproxy *h, const struct socket_workers *all, const struct haproxy_routes *s, const char *route, int slot,
		     struct err *e) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(16 << 10);
	const struct haproxy_paths paths = HAPROXY_PATHS;

	haproxy_slot_commands(s, route, slot, &paths, &line);
	return socket_send(h->dir, all, buf_str(&line), e);
}

/* What gets traffic comes first. */
static int sync_route(const struct haproxy *h, const struct socket_workers *all, const struct haproxy_routes *s, const struct haproxy_route *r,
		      struct err *e) {
	int first = haproxy_route_ready(r) == 1;

	return sync_slot(h, all, s, r->name, first, e) || sync_slot(h, all, s, r->name, !first, e) ? -1 : 0;
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
