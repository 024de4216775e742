/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "haproxy/routes.h"

struct buf;
struct err;
struct json;
struct lockfile;

/* gateway/state: what the gateway should be, as one JSON document. Whoever changes something writes
 * this document first, and haproxy.cfg with it (gateway/render.h), so that a HAProxy that starts
 * again does what stands here.
 *
 *     struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
 *     if (gateway_state_parse(text, n, &s, e))
 *             return -1;
 *     struct haproxy_route *r = gateway_state_add(s, lock->route);
 *     if (gateway_route_take(s, r, lock, e))              the frontend: listen address, keys,
 *                                                         fallback, ... of the lock
 *             return -1;
 *     gateway_slot_take(&r->slots[1], lock);              b leads to this release now, in
 *                                                         maintenance
 *     r->slots[1].want = HAPROXY_READY;
 *     if (gateway_state_check(s, e))
 *             return -1;
 *     gateway_state_print(s, &text);
 *
 * Texts are borrowed from the state and go with it. Nothing here touches the machine. */

struct gateway_state;
struct gateway_state *gateway_state_new(void); /* without a route */
void gateway_state_free(struct gateway_state *s);
void gateway_state_freep(struct gateway_state **s); /* for CLEANUP */
struct gateway_state *gateway_state_copy(const struct gateway_state *s);

/* ERR_INTEGRITY with the place and the fault ("route 'x': b.want is 'fast': ready, canary, drain or
 * maint"); the text is checked whole, gateway_state_check included. */
int gateway_state_parse(const char *text, size_t n, struct gateway_state **out, struct err *e);
/* Canonical JSON and a newline: the same state has the same bytes. */
void gateway_state_print(const struct gateway_state *s, struct buf *out);
/* What cannot be rendered: an address shared with and without TLS, or by clients and the metrics;
 * two slots ready; a canary's share without a canary. ERR_SPEC. */
int gateway_state_check(const struct gateway_state *s, struct err *e);

/* All of them, as HAProxy is told: good until the next add or remove. */
const struct haproxy_routes *gateway_state_routes(const struct gateway_state *s);

/* Routes, in order of their names. A pointer is good until the next add or remove. */
size_t gateway_state_count(const struct gateway_state *s);
struct haproxy_route *gateway_state_at(const struct gateway_state *s, size_t i);
/* NULL: none */
struct haproxy_route *gateway_state_find(const struct gateway_state *s, const char *name);
/* the one that is there, or a new one, `since` the last */
struct haproxy_route *gateway_state_add(struct gateway_state *s, const char *name);
/* Absent is fine. Whoever asks for it by its name must not be answered by the route that is left on
 * its address: that one is `named`. */
void gateway_state_remove(struct gateway_state *s, const char *name);

/* The route's frontend becomes that of the lock. ERR_SPEC names the field. The state is unchanged
 * on -1. */
int gateway_route_take(struct gateway_state *s, struct haproxy_route *r, const struct lockfile *l,
		       struct err *e);
/* The slot leads to the lock's release, in maintenance; and to none. */
void gateway_slot_take(struct gateway_state *s, struct haproxy_slot *slot,
		       const struct lockfile *l);
