/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json;

/* What HAProxy is to do for each route, as plain structs: configuration and runtime commands follow
 * from these alone. Texts are borrowed. */

#define HAPROXY_MAX_ROUTES 1000

enum haproxy_want {
	HAPROXY_READY,  /* takes requests */
	HAPROXY_CANARY, /* takes its share of the clients (canary_percent), and nobody else's */
	HAPROXY_DRAIN,  /* ends what it has */
	HAPROXY_MAINT,  /* has nothing; the only one for an empty slot */
};
const char *haproxy_want_word(enum haproxy_want want); /* "ready", "canary", "drain", "maint" */

/* A server of HAProxy's, `a` or `b`, and the release behind it. */
struct haproxy_slot {
	const char *id, *version; /* of the release; "" where the slot is empty */
	enum haproxy_want want;
	/* questions that it answers at once: what HAProxy sends it at once; 0 where empty */
	unsigned sequences;
	const char *metrics;                          /* path of its own Prometheus page, or "" */
	const char *prompt_tokens, *generated_tokens; /* the names of two counters there, or "" */
};

struct haproxy_fallback {
	const char *url;   /* https://HOST[:PORT][/BASE], or http:// of this machine */
	const char *model; /* its name there */
	/* absolute, of the gateway's machine; "" where there is none */
	const char *api_key_file, *ca_file;
	const char *const *names; /* model names by which a client asks for it */
	size_t n_names;
};

/* What clients meet at a route: the gateway section of the active release's lock. */
struct haproxy_frontend {
	const char *listen, *metrics; /* HOST:PORT */
	const char *certificate;      /* PEM with its key, absolute; "": no TLS */
	const char *api_keys;         /* file of key hashes, absolute; "": no keys are asked for */
	const char *sticky;           /* header that tells clients apart, or "" */
	const char *privacy;          /* local hybrid any */
	const char *const *cors;      /* origins of pages whose scripts may ask; "*": any */
	size_t n_cors;
	uint64_t max_body_bytes, queue_length, queue_timeout_ms;
	bool has_fallback;
	struct haproxy_fallback fallback;
};

struct haproxy_route {
	const char *name;
	/* order of arrival: on a shared address the first answers what names no route */
	uint64_t since;
	/* another route of its address was removed: a name that no route has stays 404 there */
	bool named;
	struct haproxy_slot slots[2]; /* a, b */
	unsigned canary_percent;      /* 0 unless a slot is the canary */
	struct haproxy_frontend frontend;
	const struct json *section; /* the frontend as the lock has it, with "privacy" */
};

/* In order of their names. */
struct haproxy_routes {
	struct haproxy_route **at;
	size_t n;
};

void haproxy_slot_clear(struct haproxy_slot *slot); /* it leads to no release */
/* 0 or 1; -1: the release has no slot. */
int haproxy_route_slot(const struct haproxy_route *r, const char *id);
int haproxy_route_ready(const struct haproxy_route *r); /* the slot that is wanted ready, or -1 */
/* its percent of the clients as a canary */
unsigned haproxy_share(const struct haproxy_route *r, int slot);
/* Index of the route, or of the first behind it. */
size_t haproxy_routes_index(const struct haproxy_routes *all, const char *name);
/* NULL: none */
struct haproxy_route *haproxy_routes_find(const struct haproxy_routes *all, const char *name);
/* What cannot be rendered: an address shared with and without TLS, or by clients and the metrics;
 * two slots ready; a canary's share without a canary. ERR_SPEC. */
int haproxy_routes_check(const struct haproxy_routes *all, struct err *e);
