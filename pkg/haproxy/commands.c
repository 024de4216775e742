/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "haproxy/internal.h"
#include "haproxy/routes.h"
#include "json/json.h"

/* Runtime commands for one slot, in the parts that a turn puts in order. */
static void part(struct buf *out, const char *text) {
	(void) buf_printf(out, "%s%s", out->len ? "; " : "", text);
}

static void put_behind(const struct haproxy_route *r, int i, const struct haproxy_paths *p,
		       struct buf *out) {
	const struct haproxy_slot *slot = &r->slots[i];

	part(out, "");
	(void) buf_printf(out, "set map %s/releases.map %s/%c ", p->gateway, r->name, 'a' + i);
	haproxy_put_release(slot, out);
	(void) buf_printf(out, "; set maxconn server r:%s/%c %u", r->name, 'a' + i,
			  slot->sequences ? slot->sequences : 1);
}

static void put_share(const struct haproxy_route *r, int i, const struct haproxy_paths *p,
		      struct buf *out) {
	part(out, "");
	(void) buf_printf(out, "set map %s/canary.map %s/%c %u", p->gateway, r->name, 'a' + i,
			  haproxy_share(r, i));
}

/* A canary is a server that drains, which a rule may still choose. */
static void put_want(const struct haproxy_route *r, int i, struct buf *out) {
	static const char *const states[] = {"ready", "drain", "drain", "maint"};

	part(out, "");
	if (r->slots[i].want == HAPROXY_READY)
		(void) buf_printf(out, "set server r:%s/%c weight 1; ", r->name, 'a' + i);
	(void) buf_printf(out, "set server r:%s/%c state %s", r->name, 'a' + i,
			  states[r->slots[i].want]);
}

static bool same_release(const struct haproxy_slot *a, const struct haproxy_slot *b) {
	return !strcmp(a->id, b->id) && !strcmp(a->version, b->version) &&
		a->sequences == b->sequences && !strcmp(a->metrics, b->metrics) &&
		!strcmp(a->prompt_tokens, b->prompt_tokens) &&
		!strcmp(a->generated_tokens, b->generated_tokens);
}

/* What stands behind a server first, then who begins, then the shares, then who ends. */
static void sync_route(const struct haproxy_route *b, const struct haproxy_route *a,
		       const struct haproxy_paths *p, struct buf *out) {
	static const enum haproxy_want order[] = {HAPROXY_READY, HAPROXY_CANARY, HAPROXY_DRAIN,
						  HAPROXY_MAINT};

	for (int i = 0; i < 2; i++)
		if (!same_release(&b->slots[i], &a->slots[i]))
			put_behind(a, i, p, out);
	for (size_t w = 0; w < sizeof order / sizeof *order; w++) {
		for (int i = 0; w == 2 && i < 2; i++)
			if (haproxy_share(b, i) != haproxy_share(a, i))
				put_share(a, i, p, out);
		for (int i = 0; i < 2; i++)
			if (a->slots[i].want == order[w] && b->slots[i].want != order[w])
				put_want(a, i, out);
	}
}

bool haproxy_commands(const struct haproxy_routes *before, const struct haproxy_routes *after,
		      const struct haproxy_paths *p, struct buf *out) {
	size_t n = before->n;

	if (n != after->n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct haproxy_route *b = before->at[i], *a = after->at[i];
		if (strcmp(b->name, a->name) || b->since != a->since || b->named != a->named ||
		    !json_equal(b->section, a->section))
			return false;
	}
	for (size_t i = 0; i < n; i++)
		sync_route(before->at[i], after->at[i], p, out);
	return true;
}

void haproxy_slot_commands(const struct haproxy_routes *s, const char *route, int slot,
			   const struct haproxy_paths *p, struct buf *out) {
	const struct haproxy_route *r = haproxy_routes_find(s, route);

	assert(r && slot >= 0 && slot < 2);
	put_behind(r, slot, p, out);
	if (r->slots[slot].want == HAPROXY_READY || r->slots[slot].want == HAPROXY_CANARY) {
		put_want(r, slot, out);
		put_share(r, slot, p, out);
	} else {
		put_share(r, slot, p, out);
		put_want(r, slot, out);
	}
}
