/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "haproxy/render.h"

struct haproxy_frontend;
struct haproxy_fallback;
struct haproxy_route;
struct haproxy_slot;

/* Names in one line of the configuration: HAProxy takes 64 words. */
enum { HAPROXY_WORDS = 40 };

/* Parts of the configuration, shared by render.c, route.c, lane.c and turn.c. */
void haproxy_put_route(const struct haproxy_route *r, const struct haproxy_paths *p,
		       struct buf *out);
/* The way out and every fallback; nothing where no route has one. */
void haproxy_put_fallback_proxies(const struct haproxy_routes *s, const struct haproxy_paths *p,
				  struct buf *out);
/* a fallback's host must be looked up while it runs */
bool haproxy_wants_resolver(const struct haproxy_routes *s);
/* VERSION|METRICS|PROMPT|GENERATED, or "-|||": the value in releases.map. */
void haproxy_put_release(const struct haproxy_slot *slot, struct buf *out);
/* " NAME NAME", by which it is asked for */
void haproxy_put_names(const struct haproxy_fallback *f, struct buf *out);
/* how the header Origin is matched */
void haproxy_put_origins(const struct haproxy_frontend *d, struct buf *out);
/* FNV-1a, 32 bits: the seed of a route's dice (clients that are first at one route are not first at
 * every route), and the name of an address's socket. */
uint32_t haproxy_hash(const char *text);
/* The operator's file as HAProxy names it. */
void haproxy_put_file(const struct haproxy_paths *p, const char *path, struct buf *out);
bool haproxy_is_missing(const struct haproxy_paths *p, const char *path);
