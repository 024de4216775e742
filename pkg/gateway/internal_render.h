/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/render.h"

struct gateway_frontend;
struct gateway_fallback;
struct gateway_route;
struct gateway_slot;

/* Names in one line of the configuration: HAProxy takes 64 words. */
enum { GATEWAY_WORDS = 40 };

/* Parts of the configuration, shared by render.c, route.c, lane.c and turn.c. */
void gateway_put_route(const struct gateway_route *r, const struct gateway_paths *p, struct buf *out);
/* The way out and every fallback; nothing where no route has one. */
void gateway_put_fallback_proxies(const struct gateway_state *s, const struct gateway_paths *p, struct buf *out);
bool gateway_wants_names(const struct gateway_state *s); /* a fallback's host must be looked up while it runs */
/* VERSION|METRICS|PROMPT|GENERATED, or "-|||": the value in releases.map. */
void gateway_put_release(const struct gateway_slot *slot, struct buf *out);
void gateway_put_names(const struct gateway_fallback *f, struct buf *out); /* " NAME NAME", by which it is asked for */
void gateway_put_origins(const struct gateway_frontend *d, struct buf *out); /* how the header Origin is matched */
/* FNV-1a, 32 bits: the seed of a route's dice (clients that are first at one route are not first at every route), and the name of an
 * address's socket. */
uint32_t gateway_hash(const char *text);
unsigned gateway_share(const struct gateway_route *r, int slot); /* its percent of the clients as a canary */
/* The operator's file as HAProxy names it. */
void gateway_put_file(const struct gateway_paths *p, const char *path, struct buf *out);
bool gateway_is_missing(const struct gateway_paths *p, const char *path);
