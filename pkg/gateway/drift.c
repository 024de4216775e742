/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "haproxy/internal.h"

/* What the process that serves has in its memory, against the state: what it was loaded with, and
 * the maps that the runtime socket changes. */

enum { MAP_CAP = 4 << 20 };

static const struct socket_worker *serving(const struct socket_workers *all) {
	for (size_t i = 0; i < all->n; i++)
		if (!all->at[i].finishing)
			return &all->at[i];
	return NULL;
}

/* The value of a key in an answer to "show map": "ADDRESS KEY VALUE" a line. NULL: it has none.
 * Yours. */
static char *value_of(const char *text, const char *key) {
	size_t n = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line + strcspn(line, " \n");
		if (*at == ' ' && !strncmp(at + 1, key, n) && at[1 + n] == ' ')
			return mem_strndup(at + n + 2, strcspn(at + n + 2, "\n"));
	}
	return NULL;
}

static void want_share(const struct haproxy_route *r, int slot, struct buf *out) {
	(void) buf_printf(out, "%u", haproxy_share(r, slot));
}

static void want_release(const struct haproxy_route *r, int slot, struct buf *out) {
	haproxy_put_release(&r->slots[slot], out);
}

static const struct {
	const char *map, *shown;
	void (*want)(const struct haproxy_route *r, int slot, struct buf *out);
} maps[] = {
	{"canary.map", "share of clients", want_share},
	{"releases.map", "name of the release", want_release},
};

static int compare_map(const struct gateway *g, const struct socket_worker *w,
		       const struct haproxy_route *r, size_t m, gateway_found *found, void *ctx,
		       struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAP_CAP);
	char *line CLEANUP(freep) = mem_printf("show map gateway/%s", maps[m].map);
	bool gone;

	if (socket_worker_ask(EFFECT_NONE, g->h.dir, w, line, &text, &gone, e))
		return -1;
	for (int i = 0; i < 2 && !gone; i++) {
		char *key CLEANUP(freep) = mem_printf("%s/%c", r->name, 'a' + i),
			  *have CLEANUP(freep) = value_of(buf_str(&text), key);
		char *what CLEANUP(freep) = mem_printf("gateway slot %c, %s", 'a' + i,
						       maps[m].shown);
		struct buf want CLEANUP(buf_done) = BUF_INIT(8192);
		maps[m].want(r, i, &want);
		if (strcmp(buf_str(&want), have ? have : ""))
			found(ctx, what, buf_str(&want), have ? have : "nothing");
	}
	return 0;
}

/* What it is made from is no part of the state, and cannot be found out again from what runs. */
static void compare_image(const struct gateway *g, gateway_found *found, void *ctx) {
	struct haproxy_image image CLEANUP(haproxy_image_done) = {0};
	struct err damaged = {0};
	bool there = false;

	if (!g->h.host && (haproxy_image_read(g->o.root, &image, &there, &damaged) || !there))
		found(ctx, "gateway/gateway.lock.json", "the gateway's image",
		      damaged.code ? damaged.msg : "nothing");
}

int drift_of_maps(const struct gateway *g, const struct gateway_state *s, const char *route,
		  gateway_found *found, void *ctx, bool *loaded, struct err *e) {
	const struct haproxy_route *r = gateway_state_find(s, route);
	struct socket_workers all;
	char digest[SHA256_HEX];

	*loaded = true;
	if (socket_workers(g->h.dir, &all, e))
		return -1;
	const struct socket_worker *w = serving(&all);
	/* That it does not run is told of elsewhere. */
	if (!w || !r)
		return 0;
	if (persist_digest(g, s, digest, e) ||
	    haproxy_has(&g->h, &all, digest, loaded, e))
		return -1;
	for (size_t m = 0; *loaded && m < sizeof maps / sizeof *maps; m++)
		if (compare_map(g, w, r, m, found, ctx, e))
			return -1;
	return 0;
}

int drift_of_process(const struct gateway *g, const struct gateway_state *s, const char *route,
		     gateway_found *found, void *ctx, struct err *e) {
	bool loaded;

	compare_image(g, found, ctx);
	if (process_drift(&g->h, found, ctx, e))
		return -1;
	if (drift_of_maps(g, s, route, found, ctx, &loaded, e))
		return -1;
	if (!loaded)
		found(ctx, "gateway's process", "loaded with the desired state",
		      "loaded with another state");
	return 0;
}
