/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/routes.h"

#include <string.h>

#include "base/err.h"

static const char *const words[] = {"ready", "canary", "drain", "maint"};

const char *haproxy_want_word(enum haproxy_want want) {
	return words[want];
}

void haproxy_slot_clear(struct haproxy_slot *slot) {
	*slot = (struct haproxy_slot){.id = "",
				      .version = "",
				      .want = HAPROXY_MAINT,
				      .metrics = "",
				      .prompt_tokens = "",
				      .generated_tokens = ""};
}

int haproxy_route_slot(const struct haproxy_route *r, const char *id) {
	for (int i = 0; i < 2; i++)
		if (*r->slots[i].id && !strcmp(r->slots[i].id, id))
			return i;
	return -1;
}

int haproxy_route_ready(const struct haproxy_route *r) {
	return r->slots[0].want == HAPROXY_READY ? 0 : r->slots[1].want == HAPROXY_READY ? 1 : -1;
}

unsigned haproxy_share(const struct haproxy_route *r, int slot) {
	return r->slots[slot].want == HAPROXY_CANARY ? r->canary_percent : 0;
}

size_t haproxy_routes_index(const struct haproxy_routes *all, const char *name) {
	size_t i = 0;

	while (i < all->n && strcmp(all->at[i]->name, name) < 0)
		i++;
	return i;
}

struct haproxy_route *haproxy_routes_find(const struct haproxy_routes *all, const char *name) {
	size_t i = haproxy_routes_index(all, name);

	return i < all->n && !strcmp(all->at[i]->name, name) ? all->at[i] : NULL;
}

/* Two routes behind one address. */
static int check_pair(const struct haproxy_route *r, const struct haproxy_route *o, struct err *e) {
	if (!strcmp(r->frontend.listen, o->frontend.metrics) ||
	    !strcmp(r->frontend.metrics, o->frontend.listen))
		return err_set(e, ERR_SPEC,
			       "routes '%s' and '%s': '%s' is used for clients and for metrics: "
			       "give gateway.metrics another address",
			       r->name, o->name,
			       strcmp(r->frontend.listen, o->frontend.metrics)
				       ? r->frontend.metrics
				       : r->frontend.listen);
	if (r != o && !strcmp(r->frontend.listen, o->frontend.listen) &&
	    !*r->frontend.certificate != !*o->frontend.certificate)
		return err_set(e, ERR_SPEC,
			       "routes '%s' and '%s' share '%s', one with TLS and one without: "
			       "give both gateway.tls, or one of them "
			       "another address",
			       r->name, o->name, r->frontend.listen);
	return 0;
}

static int check_route(const struct haproxy_route *r, struct err *e) {
	bool canary = false;

	if (!r->section)
		return err_set(e, ERR_SPEC, "route '%s' has no gateway section", r->name);
	for (int i = 0; i < 2; i++) {
		canary |= r->slots[i].want == HAPROXY_CANARY;
		if (!*r->slots[i].id && r->slots[i].want != HAPROXY_MAINT)
			return err_set(e, ERR_SPEC, "route '%s': %c is empty and cannot be %s",
				       r->name, 'a' + i, words[r->slots[i].want]);
	}
	if (r->slots[0].want == r->slots[1].want && (canary || r->slots[0].want == HAPROXY_READY))
		return err_set(e, ERR_SPEC, "route '%s': both a and b are %s", r->name,
			       words[r->slots[0].want]);
	if (*r->slots[0].id && !strcmp(r->slots[0].id, r->slots[1].id))
		return err_set(e, ERR_SPEC, "route '%s': a and b are the same release", r->name);
	if (r->canary_percent > 100 || (r->canary_percent && !canary))
		return err_set(e, ERR_SPEC, "route '%s': a share of %u %% without a canary",
			       r->name, r->canary_percent);
	return 0;
}

int haproxy_routes_check(const struct haproxy_routes *all, struct err *e) {
	if (all->n > HAPROXY_MAX_ROUTES)
		return err_set(e, ERR_SPEC, "%zu routes on one gateway, the limit is %d", all->n,
			       HAPROXY_MAX_ROUTES);
	for (size_t i = 0; i < all->n; i++)
		if (check_route(all->at[i], e))
			return -1;
	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k <= i; k++)
			if (check_pair(all->at[i], all->at[k], e))
				return -1;
	return 0;
}
