/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "haproxy/internal.h"
#include "haproxy/routes.h"
#include "haproxy/template.h"

#define NUMBER 24

void haproxy_put_release(const struct haproxy_slot *slot, struct buf *out) {
	if (*slot->id)
		(void) buf_printf(out, "%s|%s|%s|%s", slot->version, slot->metrics,
				  slot->prompt_tokens, slot->generated_tokens);
	else
		(void) buf_puts(out, "-|||");
}

uint32_t haproxy_hash(const char *text) {
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char) *text) * 16777619u;
	return h;
}

/* A canary is in service with no weight: nothing but its rule leads to it. */
static const char *start_words(const struct haproxy_slot *slot) {
	return slot->want == HAPROXY_READY     ? ""
		: slot->want == HAPROXY_CANARY ? " weight 0"
					       : " disabled";
}

void haproxy_put_names(const struct haproxy_fallback *f, struct buf *out) {
	for (size_t i = 0; i < f->n_names; i++)
		(void) buf_printf(out, " %s", f->names[i]);
}

static const char *number(char out[NUMBER], uint64_t v) {
	(void) snprintf(out, NUMBER, "%llu", (unsigned long long) v);
	return out;
}

/* Keys that cannot be loaded open nothing. */
static void put_keys(const struct haproxy_frontend *d, const struct haproxy_paths *p,
		     const struct haproxy_fill *fills, struct buf *out) {
	if (*d->api_keys)
		haproxy_block(haproxy_is_missing(p, d->api_keys) ? "route.closed" : "route.keys",
			      fills, out);
}

void haproxy_put_origins(const struct haproxy_frontend *d, struct buf *out) {
	bool any = d->n_cors == 1 && !strcmp(d->cors[0], "*");

	(void) buf_puts(out, any ? "-m found" : "-m str --");
	for (size_t i = 0; i < d->n_cors && !any; i++)
		(void) buf_printf(out, " %s", d->cors[i]);
}

static void put_blocks(const struct haproxy_route *r, const struct haproxy_paths *p,
		       const struct haproxy_fill *fills, struct buf *out) {
	const struct haproxy_frontend *d = &r->frontend;

	haproxy_block("route", fills, out);
	if (d->n_cors)
		haproxy_block("route.cors", fills, out);
	put_keys(d, p, fills, out);
	haproxy_block("route.caller", fills, out);
	haproxy_block("route.body", fills, out);
	if (d->has_fallback && d->fallback.n_names)
		haproxy_block("route.asked", fills, out);
	if (d->has_fallback)
		haproxy_block(!strcmp(d->privacy, "any") ? "route.any" : "route.hybrid", fills,
			      out);
	haproxy_block("route.clean", fills, out);
	if (d->has_fallback)
		haproxy_block("route.leave", fills, out);
	haproxy_block("route.queue", fills, out);
	if (d->has_fallback)
		haproxy_block("route.out", fills, out);
	haproxy_block("route.servers", fills, out);
	if (d->has_fallback)
		haproxy_block("route.fallback", fills, out);
	haproxy_block("reads", fills, out);
	if (d->n_cors)
		haproxy_block("route.cors", fills, out);
	put_keys(d, p, fills, out);
	haproxy_block("route.clean", fills, out);
	haproxy_block("reads.servers", fills, out);
}

void haproxy_put_route(const struct haproxy_route *r, const struct haproxy_paths *p,
		       struct buf *out) {
	const struct haproxy_frontend *d = &r->frontend;
	const unsigned max[2] = {r->slots[0].sequences ? r->slots[0].sequences : 1,
				 r->slots[1].sequences ? r->slots[1].sequences : 1};
	char seed[NUMBER], queue[NUMBER], queue_ms[NUMBER], body[NUMBER], max_a[NUMBER],
		max_b[NUMBER];
	struct buf hashes CLEANUP(buf_done) = BUF_INIT(8192),
			  names CLEANUP(buf_done) = BUF_INIT(65536);
	struct buf origins CLEANUP(buf_done) = BUF_INIT(65536);

	haproxy_put_file(p, d->api_keys, &hashes);
	haproxy_put_names(&d->fallback, &names);
	haproxy_put_origins(d, &origins);
	const struct haproxy_fill fills[] = {{"ROUTE", r->name},
					     {"STICKY", *d->sticky ? d->sticky : "x-session-id"},
					     {"SEED", number(seed, haproxy_hash(r->name))},
					     {"QUEUE", number(queue, d->queue_length)},
					     {"QUEUE_MS", number(queue_ms, d->queue_timeout_ms)},
					     {"HASHES", buf_str(&hashes)},
					     {"MAX_BODY", number(body, d->max_body_bytes)},
					     {"NAMES", buf_str(&names)},
					     {"ORIGINS", buf_str(&origins)},
					     {"GATEWAY", p->gateway},
					     {"RUN", p->run},
					     {"MAX_A", number(max_a, max[0])},
					     {"MAX_B", number(max_b, max[1])},
					     {"STATE_A", start_words(&r->slots[0])},
					     {"STATE_B", start_words(&r->slots[1])},
					     {0}};
	put_blocks(r, p, fills, out);
}
