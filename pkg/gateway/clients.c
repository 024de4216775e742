/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/counters.h"
#include "gateway/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "lockfile/lockfile.h"

enum { ANSWER_CAP = 256 << 10, MAX_CLIENTS = 64 };

static int unreadable(struct err *e) {
	return err_set(e, ERR_SYS,
		       "this version cannot read the gateway's counters of clients: llmdeploy "
		       "gateway reload");
}

/* "NAME<tab>FAILED CUT LATE<tab>" and a sample. */
static int read_line(char *line, const char *began, struct gateway_client *out, struct err *e) {
	char *how = strchr(line, '\t'), *rest = how ? strchr(how + 1, '\t') : NULL;
	unsigned long long failed, cut, late;

	if (!rest)
		return unreadable(e);
	*how++ = 0;
	*rest++ = 0;
	if (sscanf(how, "%20llu %20llu %20llu", &failed, &cut, &late) != 3)
		return unreadable(e);
	char *text CLEANUP(freep) = mem_printf("%s %s", began, rest);
	if (gateway_sample_parse(text, &out->seen, e))
		return -1;
	(void) snprintf(out->name, sizeof out->name, "%s", line);
	out->failed = failed;
	out->cut = cut;
	out->late = late;
	return 0;
}

int gateway_clients_parse(const char *text, struct gateway_clients *out, struct err *e) {
	char *copy CLEANUP(freep) = mem_strdup(text), *next = copy;
	struct gateway_clients c = {0};
	char *began = strsep(&next, "\n");

	if (!text_u64(began, &c.began_ms))
		return unreadable(e);
	c.at = mem_zalloc(MAX_CLIENTS, sizeof *c.at);
	for (char *line; (line = strsep(&next, "\n"));) {
		if (!*line)
			continue;
		if (c.n == MAX_CLIENTS || read_line(line, began, &c.at[c.n], e)) {
			gateway_clients_done(&c);
			return e->code ? -1 : unreadable(e);
		}
		c.n++;
	}
	*out = c;
	return 0;
}

void gateway_clients_done(struct gateway_clients *c) {
	free(c->at);
	*c = (struct gateway_clients){0};
}

const struct gateway_client *gateway_clients_find(const struct gateway_clients *c,
						  const char *name) {
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->at[i].name, name))
			return &c->at[i];
	return NULL;
}

static int slot_of(struct gateway *g, const struct lockfile *l, int *slot, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	if (persist_state(g, &s, e))
		return -1;
	const struct haproxy_route *r = gateway_state_find(s, l->route);
	*slot = r ? haproxy_route_slot(r, l->id) : -1;
	return 0;
}

int gateway_clients(struct gateway *g, const struct lockfile *l, struct gateway_clients *out,
		    struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(ANSWER_CAP);
	struct socket_workers all;
	char line[192];
	int slot;

	*out = (struct gateway_clients){0};
	if (g->none)
		return 0;
	if (slot_of(g, l, &slot, e))
		return -1;
	if (slot < 0)
		return 0;
	if (socket_workers(g->h.dir, &all, e))
		return -1;
	(void) snprintf(line, sizeof line, "llmdeploy clients %s %c", l->route, "ab"[slot]);
	if (status_counters(g, &all, line, &text, e))
		return -1;
	return text.len ? gateway_clients_parse(buf_str(&text), out, e) : 0;
}

int gateway_probe_address(struct gateway *g, const struct lockfile *l,
			  struct gateway_probe_address *out, struct err *e) {
	int slot;

	if (slot_of(g, l, &slot, e))
		return -1;
	if (slot < 0)
		return err_set(e, ERR_USAGE, "release '%s' has no server at the gateway",
			       l->version);
	(void) snprintf(out->socket, sizeof out->socket, "/proc/self/fd/%d/ask.sock", g->h.dir);
	(void) snprintf(out->base_url, sizeof out->base_url, "http://localhost/%c/%s", "ab"[slot],
			l -> route);
	return 0;
}
