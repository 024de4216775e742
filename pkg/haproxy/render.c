/* SPDX-License-Identifier: Apache-2.0 */
#include "haproxy/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "haproxy/histogram.h"
#include "haproxy/internal.h"
#include "haproxy/routes.h"
#include "haproxy/template.h"

#define MAX_TEXT ((size_t) 16 << 20)

void haproxy_texts_done(struct haproxy_texts *t) {
	for (size_t i = 0; i < HAPROXY_TEXTS; i++) {
		free(t->files[i].bytes);
		t->files[i] = (struct haproxy_text){0};
	}
}

/* The name of a proxy cannot hold the brackets of IPv6. */
static char *proxy_name(const char *address) {
	char *name = mem_strdup(address), *to = name;

	for (const char *p = address; *p; p++)
		if (*p != '[' && *p != ']')
			*to++ = *p;
	*to = 0;
	return name;
}

/* Routes of an address in the order of arrival. */
static size_t routes_at(const struct haproxy_routes *s, const char *listen,
			const struct haproxy_route **out) {
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_route *r = s->at[i];
		size_t at = n;
		if (strcmp(r->frontend.listen, listen))
			continue;
		for (; at > 0 && out[at - 1]->since > r->since; at--)
			out[at] = out[at - 1];
		out[at] = r;
		n++;
	}
	return n;
}

/* " ssl crt FILE crt FILE ...", each file once; "" without TLS. False: they want TLS, and no
 * certificate can be had. */
static bool tls_words(const struct haproxy_route *const *routes, size_t n,
		      const struct haproxy_paths *p, struct buf *out) {
	bool wanted = false;

	for (size_t i = 0; i < n; i++) {
		const char *file = routes[i]->frontend.certificate;
		bool seen = false;
		for (size_t k = 0; k < i; k++)
			seen |= !strcmp(routes[k]->frontend.certificate, file);
		wanted |= *file != 0;
		if (!*file || seen || haproxy_is_missing(p, file))
			continue;
		(void) buf_printf(out, "%s crt ", out->len ? "" : " ssl");
		haproxy_put_file(p, file, out);
	}
	if (out->len)
		(void) buf_puts(out, " ssl-min-ver TLSv1.2 alpn h2,http/1.1");
	return !wanted || out->len;
}

/* How routes of one address are told apart: by their names, and by those of what is asked for
 * elsewhere. */
static void put_shared(const struct haproxy_route *const *routes, size_t n,
		       const struct haproxy_fill *fills, struct buf *out) {
	haproxy_block("at.shared", fills, out);
	for (size_t i = 0; i < n; i++) {
		struct buf names CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);
		haproxy_put_names(&routes[i]->frontend.fallback, &names);
		const struct haproxy_fill more[] = {{"ROUTE", routes[i]->name},
						    {"NAMES", buf_str(&names)},
						    {0}};
		if (names.len)
			haproxy_block("at.names", more, out);
	}
	haproxy_block("at.cut", fills, out);
}

/* HAProxy takes 64 words a line: lines of one condition are joined by "or". */
static void put_lines(const char *block, const char *key, const char *before, const char *behind,
		      const struct haproxy_route *const *routes, size_t n, struct buf *out) {
	for (size_t from = 0; from < n; from += HAPROXY_WORDS) {
		struct buf words CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);
		for (size_t i = from; i < n && i < from + HAPROXY_WORDS; i++)
			(void) buf_printf(&words, " %s%s%s", before, routes[i]->name, behind);
		const struct haproxy_fill fills[] = {{key, buf_str(&words)}, {0}};
		haproxy_block(block, fills, out);
	}
}

/* What browsers ask before a script of another origin may; whether any route of the address lets
 * one. */
static bool put_cors(const struct haproxy_route *const *routes, size_t n, struct buf *out) {
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct buf origins CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);
		haproxy_put_origins(&routes[i]->frontend, &origins);
		const struct haproxy_fill fills[] = {{"ROUTE", routes[i]->name},
						     {"ORIGINS", buf_str(&origins)},
						     {0}};
		if (!routes[i]->frontend.n_cors)
			continue;
		haproxy_block("at.cors", fills, out);
		any = true;
	}
	if (any)
		haproxy_block("at.preflight", (const struct haproxy_fill[]){{0}}, out);
	return any;
}

static void put_address(const struct haproxy_routes *s, const char *listen,
			const struct haproxy_paths *p, struct buf *out) {
	const struct haproxy_route **routes CLEANUP(freep) = mem_zalloc(s->n, sizeof *routes);
	size_t n = routes_at(s, listen, routes);
	char *name CLEANUP(freep) = proxy_name(listen);
	struct buf tls CLEANUP(buf_done) = BUF_INIT(MAX_TEXT);
	char number[16];

	if (!tls_words(routes, n, p, &tls))
		return; /* no answer at all, and never one in the clear */
	(void) snprintf(number, sizeof number, "%08x", (unsigned) haproxy_hash(listen));
	const struct haproxy_fill fills[] = {{"NAME", name},
					     {"ADDRESS", listen},
					     {"TLS", buf_str(&tls)},
					     {"FIRST", routes[0]->name},
					     {"GATEWAY", p->gateway},
					     {"NUMBER", number},
					     {0}};
	haproxy_block("at", fills, out);
	put_lines("at.named", "PREFIXES", "/", "/", routes, n, out);
	haproxy_block("at.prefix", fills, out);
	bool cors = put_cors(routes, n, out);
	haproxy_block("at.paths", fills, out);
	if (n > 1 || routes[0]->named) {
		put_lines("at.routed", "ROUTES", "", "", routes, n, out);
		put_shared(routes, n, fills, out);
	}
	haproxy_block("at.end", fills, out);
	if (cors)
		haproxy_block("at.shown", fills, out);
	haproxy_block("next", fills, out);
}

/* Every address once, in the order of its first route's name. */
static bool is_first_with(const struct haproxy_routes *s, size_t i, bool metrics) {
	const struct haproxy_frontend *d = &s->at[i]->frontend;

	for (size_t k = 0; k < i; k++) {
		const struct haproxy_frontend *o = &s->at[k]->frontend;
		if (!strcmp(metrics ? d->metrics : d->listen, metrics ? o->metrics : o->listen))
			return false;
	}
	return true;
}

static void put_metrics(const char *address, struct buf *out) {
	char *name CLEANUP(freep) = proxy_name(address);
	const struct haproxy_fill fills[] = {{"NAME", name}, {"ADDRESS", address}, {0}};

	haproxy_block("metrics", fills, out);
}

static void render_cfg(const struct haproxy_routes *s, const struct haproxy_paths *p,
		       struct buf *out) {
	const struct haproxy_fill head[] = {{"GATEWAY", p->gateway}, {0}};

	haproxy_block("head", head, out);
	if (haproxy_wants_resolver(s))
		haproxy_block("resolvers", head, out);
	for (size_t i = 0; i < s->n; i++)
		if (is_first_with(s, i, true))
			put_metrics(s->at[i]->frontend.metrics, out);
	for (size_t i = 0; i < s->n; i++)
		if (is_first_with(s, i, false))
			put_address(s, s->at[i]->frontend.listen, p, out);
	if (s->n)
		haproxy_block("ask", head, out);
	for (size_t i = 0; i < s->n; i++)
		haproxy_put_route(s->at[i], p, out);
	haproxy_put_fallback_proxies(s, p, out);
}

static void render_conf(const struct haproxy_routes *s, const struct haproxy_paths *p,
			struct buf *out) {
	(void) buf_printf(out, "folder\t%s\n", p->gateway);
	for (size_t i = 0; i < HAPROXY_BUCKETS; i++)
		(void) buf_printf(out, "bucket\t%llu\n", (unsigned long long) haproxy_bucket_ms(i));
	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_route *r = s->at[i];
		const struct haproxy_fallback *f = &r->frontend.fallback;
		char *at CLEANUP(freep) = proxy_name(r->frontend.listen);
		(void) buf_printf(out, "route\t%s\t%s/%s\tat:%s\t", r->name, p->run, r->name, at);
		if (*r->frontend.api_keys && haproxy_is_missing(p, r->frontend.api_keys))
			(void) buf_puts(out, "closed");
		else if (*r->frontend.api_keys)
			haproxy_put_file(p, r->frontend.api_keys, out);
		(void) buf_putc(out, '\n');
		for (size_t k = 0; k < f->n_names; k++)
			(void) buf_printf(out, "name\t%s\t%s\n", r->name, f->names[k]);
		if (!r->frontend.has_fallback)
			continue;
		(void) buf_printf(out, "lane\t%s\t%s\t", r->name, f->model);
		if (*f->api_key_file)
			haproxy_put_file(p, f->api_key_file, out);
		(void) buf_putc(out, '\n');
	}
}

static void render_canary(const struct haproxy_routes *s, struct buf *out) {
	for (size_t i = 0; i < s->n; i++)
		for (int k = 0; k < 2; k++)
			(void) buf_printf(out, "%s/%c %u\n", s->at[i]->name, 'a' + k,
					  haproxy_share(s->at[i], k));
}

static void render_releases(const struct haproxy_routes *s, struct buf *out) {
	for (size_t i = 0; i < s->n; i++)
		for (int k = 0; k < 2; k++) {
			(void) buf_printf(out, "%s/%c ", s->at[i]->name, 'a' + k);
			haproxy_put_release(&s->at[i]->slots[k], out);
			(void) buf_putc(out, '\n');
		}
}

static void keep(struct haproxy_text *t, const char *name, struct buf *b) {
	t->name = name;
	t->n = b->len;
	t->bytes = b->len ? buf_steal(b) : mem_strdup("");
}

int haproxy_render(const struct haproxy_routes *s, const struct haproxy_paths *p,
		   struct haproxy_texts *out, struct err *e) {
	struct buf text[HAPROXY_TEXTS] = {BUF_INIT(MAX_TEXT), BUF_INIT(MAX_TEXT),
					  BUF_INIT(MAX_TEXT), BUF_INIT(MAX_TEXT),
					  BUF_INIT(MAX_TEXT)};
	static const char *const names[HAPROXY_TEXTS] = {"canary.map", "releases.map",
							 "llmdeploy.conf", "llmdeploy.lua",
							 "haproxy.cfg"};
	bool cut = false;

	if (haproxy_routes_check(s, e))
		return -1;
	render_canary(s, &text[0]);
	render_releases(s, &text[1]);
	render_conf(s, p, &text[2]);
	haproxy_put_lua((const struct haproxy_fill[]){{"GATEWAY", p->gateway}, {0}}, &text[3]);
	render_cfg(s, p, &text[4]);
	for (size_t i = 0; i < HAPROXY_TEXTS; i++)
		cut |= text[i].cut;
	for (size_t i = 0; i < HAPROXY_TEXTS; i++) {
		if (cut)
			buf_done(&text[i]);
		else
			keep(&out->files[i], names[i], &text[i]);
	}
	return cut ? err_set(e, ERR_SPEC,
			     "the gateway's configuration is larger than 16 MiB: use fewer routes "
			     "on one gateway")
		   : 0;
}
