/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "gateway/internal_render.h"
#include "gateway/state.h"
#include "gateway/template.h"

#define NUMBER 24

unsigned gateway_share(const struct gateway_route *r, int slot) {
	return r->slots[slot].want == GATEWAY_CANARY ? r->canary_percent : 0;
}

void gateway_put_release(const struct gateway_slot *slot, struct buf *out) {
	if (*slot->id)
		(void) buf_printf(out, "%s|%s|%s|%s", slot->version, slot->metrics, slot->prompt_tokens, slot->generated_tokens);
	else
		(void) buf_puts(out, "-|||");
}

uint32_t gateway_hash(const char *text) {
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (unsigned char) *text) * 16777619u;
	return h;
}

/* A canary is in service with no weight: nothing but its rule leads to it. */
static const char *start_words(const struct gateway_slot *slot) {
	return slot->want == GATEWAY_READY ? "" : slot->want == GATEWAY_CANARY ? " weight 0" : " disabled";
}

void gateway_put_names(const struct gateway_fallback *f, struct buf *out) {
	for (size_t i = 0; i < f->n_names; i++)
		(void) buf_printf(out, " %s", f->names[i]);
}

static const char *number(char out[NUMBER], uint64_t v) {
	(void) snprintf(out, NUMBER, "%llu", (unsigned long long) v);
	return out;
}

/* Keys that cannot be loaded open nothing. */
static void put_keys(const struct gateway_frontend *d, const struct gateway_paths *p, const struct gateway_fill *fills, struct buf *out) {
	if (*d->api_keys)
		gateway_block(gateway_is_missing(p, d->api_keys) ? "route.closed" : "route.keys", fills, out);
}

void gateway_put_origins(const struct gateway_frontend *d, struct buf *out) {
	bool any = d->n_cors == 1 && !strcmp(d->cors[0], "*");

	(void) buf_puts(out, any ? "-m found" : "-m str --");
	for (size_t i = 0; i < d->n_cors && !any; i++)
		(void) buf_printf(out, " %s", d->cors[i]);
}

static void put_blocks(const struct gateway_route *r, const struct gateway_paths *p, const struct gateway_fill *fills, struct buf *out) {
	const struct gateway_frontend *d = &r->frontend;

	gateway_block("route", fills, out);
	if (d->n_cors)
		gateway_block("route.cors", fills, out);
	put_keys(d, p, fills, out);
	gateway_block("route.caller", fills, out);
	gateway_block("route.body", fills, out);
	if (d->has_fallback && d->fallback.n_names)
		gateway_block("route.asked", fills, out);
	if (d->has_fallback)
		gateway_block(!strcmp(d->privacy, "any") ? "route.any" : "route.hybrid", fills, out);
	gateway_block("route.clean", fills, out);
	if (d->has_fallback)
		gateway_block("route.leave", fills, out);
	gateway_block("route.queue", fills, out);
	if (d->has_fallback)
		gateway_block("route.out", fills, out);
	gateway_block("route.servers", fills, out);
	if (d->has_fallback)
		gateway_block("route.fallback", fills, out);
	gateway_block("reads", fills, out);
	if (d->n_cors)
		gateway_block("route.cors", fills, out);
	put_keys(d, p, fills, out);
	gateway_block("route.clean", fills, out);
	gateway_block("reads.servers", fills, out);
}

void gateway_put_route(const struct gateway_route *r, const struct gateway_paths *p, struct buf *out) {
	const struct gateway_frontend *d = &r->frontend;
	const unsigned max[2] = {r->slots[0].sequences ? r->slots[0].sequences : 1, r->slots[1].sequences ? r->slots[1].sequences : 1};
	char seed[NUMBER], queue[NUMBER], queue_ms[NUMBER], body[NUMBER], max_a[NUMBER], max_b[NUMBER];
	struct buf hashes CLEANUP(buf_done) = BUF_INIT(8192), names CLEANUP(buf_done) = BUF_INIT(65536);
	struct buf origins CLEANUP(buf_done) = BUF_INIT(65536);

	gateway_put_file(p, d->api_keys, &hashes);
	gateway_put_names(&d->fallback, &names);
	gateway_put_origins(d, &origins);
	const struct gateway_fill fills[] = {{"ROUTE", r->name}, {"STICKY", *d->sticky ? d->sticky : "x-session-id"},
		{"SEED", number(seed, gateway_hash(r->name))}, {"QUEUE", number(queue, d->queue_length)}, {"QUEUE_MS", number(queue_ms, d->queue_timeout_ms)},
		{"HASHES", buf_str(&hashes)}, {"MAX_BODY", number(body, d->max_body_bytes)}, {"NAMES", buf_str(&names)}, {"ORIGINS", buf_str(&origins)}, {"GATEWAY", p->gateway},
		{"RUN", p->run}, {"MAX_A", number(max_a, max[0])}, {"MAX_B", number(max_b, max[1])}, {"STATE_A", start_words(&r->slots[0])},
		{"STATE_B", start_words(&r->slots[1])}, {0}};
	put_blocks(r, p, fills, out);
}
