/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct json;
struct lockfile;

/* gateway/state: what the gateway should be, as one JSON document. Whoever changes something writes this document first, and
 * haproxy.cfg with it (gateway/render.h), so that a HAProxy that starts anew does what stands here.
 *
 *     struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;
 *     if (gateway_state_parse(text, n, &s, e))
 *             return -1;
 *     struct haproxy_route *r = gateway_state_add(s, lock->route);
 *     if (gateway_route_take(s, r, lock, e))		the frontend: listen address, keys, fallback, ... of the lock
 *             return -1;
 *     gateway_slot_take(&r->slots[1], lock);		b leads to this release now, in maintenance
 *     r->slots[1].want = HAPROXY_READY;
 *     if (gateway_state_check(s, e))
 *             return -1;
 *     gateway_state_print(s, &text);
 *
 * Texts are borrowed from the state and go with it. Nothing here touches the machine. */

#define HAPROXY_MAX_ROUTES 1000

enum haproxy_want {
	HAPROXY_READY,	/* takes requests */
	HAPROXY_CANARY, /* takes its share of the clients (canary_percent), and nobody else's */
	HAPROXY_DRAIN,	/* ends what it has */
	HAPROXY_MAINT,	/* has nothing; the only one for an empty slot */
};
const char *haproxy_want_word(enum haproxy_want want); /* "ready", "canary", "drain", "maint" */

/* A server of HAProxy's, `a` or `b`, and the release behind it. */
struct haproxy_slot {
	const char *id, *version; /* of the release; "" where the slot is empty */
	enum haproxy_want want;
	unsigned sequences; /* questions that it answers at once: what HAProxy sends it at once; 0 where empty */
	const char *metrics; /* path of its own Prometheus page, or "" */
	const char *prompt_tokens, *generated_tokens; /* the names of two counters there, or "" */
};

struct haproxy_fallback {
	const char *url;   /* https://HOST[:PORT][/BASE], or http:// of this machine */
	const char *model; /* its name there */
	const char *api_key_file, *ca_file; /* absolute, of the gateway's machine; "" where there is none */
	const char *const *names; /* model names by which a client asks for it */
	size_t n_names;
};

/* What clients meet at a route: the gateway section of the active release's lock. */
struct haproxy_frontend {
	const char *listen, *metrics; /* HOST:PORT */
	const char *certificate;      /* PEM with its key, absolute; "": no TLS */
	const char *api_keys;	      /* file of key hashes, absolute; "": no keys are asked for */
	const char *sticky;	      /* header that tells clients apart, or "" */
	const char *privacy;	      /* local hybrid any */
	const char *const *cors;      /* origins of pages whose scripts may ask; "*": any */
	size_t n_cors;
	uint64_t max_body_bytes, queue_length, queue_timeout_ms;
	bool has_fallback;
	struct haproxy_fallback fallback;
};

struct haproxy_route {
	const char *name;
	uint64_t since; /* order of arrival: on a shared address the first answers what names no route */
	bool named; /* another route of its address was removed: a name that no route has stays 404 there */
	struct haproxy_slot slots[2]; /* a, b */
	unsigned canary_percent;      /* 0 unless a slot is the canary */
	struct haproxy_frontend frontend;
	const struct json *section; /* the frontend as the lock has it, with "privacy" */
};

struct gateway_state;
struct gateway_state *gateway_state_new(void); /* without a route */
void gateway_state_free(struct gateway_state *s);
void gateway_state_freep(struct gateway_state **s); /* for CLEANUP */
struct gateway_state *gateway_state_copy(const struct gateway_state *s);

/* ERR_INTEGRITY with the place and the fault ("route 'x': b.want is 'fast': ready, canary, drain or maint"); the text is checked whole,
 * gateway_state_check included. */
int gateway_state_parse(const char *text, size_t n, struct gateway_state **out, struct err *e);
/* Canonical JSON and a newline: the same state has the same bytes. */
void gateway_state_print(const struct gateway_state *s, struct buf *out);
/* What cannot be rendered: an address shared with and without TLS, or by clients and the metrics; two slots ready; a canary's share without
 * a canary. ERR_SPEC. */
int gateway_state_check(const struct gateway_state *s, struct err *e);

/* Routes, in order of their names. A pointer is good until the next add or remove. */
size_t gateway_state_count(const struct gateway_state *s);
struct haproxy_route *gateway_state_at(const struct gateway_state *s, size_t i);
struct haproxy_route *gateway_state_find(const struct gateway_state *s, const char *name); /* NULL: none */
struct haproxy_route *gateway_state_add(struct gateway_state *s, const char *name); /* the one that is there, or a new one, `since` the last */
/* Absent is fine. Whoever asks for it by its name must not be answered by the route that is left on its address: that one is `named`. */
void gateway_state_remove(struct gateway_state *s, const char *name);

/* The route's frontend becomes that of the lock. ERR_SPEC names the field. The state is unchanged on -1. */
int gateway_route_take(struct gateway_state *s, struct haproxy_route *r, const struct lockfile *l, struct err *e);
/* The slot leads to the lock's release, in maintenance; and to none. */
void gateway_slot_take(struct gateway_state *s, struct haproxy_slot *slot, const struct lockfile *l);
void haproxy_slot_clear(struct haproxy_slot *slot);
/* 0 or 1; -1: the release has no slot. */
int haproxy_route_slot(const struct haproxy_route *r, const char *id);
int haproxy_route_ready(const struct haproxy_route *r); /* the slot that is wanted ready, or -1 */
