/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "haproxy/internal.h"
#include "haproxy/routes.h"
#include "haproxy/template.h"

/* https://HOST[:PORT][/BASE] in its parts; all of them plain texts (frontend.c). */
struct target {
	char *authority, *host, *port; /* authority: as it is in Host */
	/* without the last '/'; "/v1" where the address has no path, as clients of this API have
	 * it */
	char *base;
	bool tls;
};

static void target_done(struct target *t) {
	free(t->authority);
	free(t->host);
	free(t->port);
	free(t->base);
}

static void target_init(struct target *t, const char *url) {
	t->tls = text_starts(url, "https://");
	const char *at = strstr(url, "://") + 3, *path = at + strcspn(at, "/");
	size_t n = strlen(path);
	t->authority = mem_strndup(at, (size_t) (path - at));
	const char *colon = strrchr(t->authority, ':'), *bracket = strrchr(t->authority, ']');
	if (colon && bracket && colon < bracket)
		colon = NULL;
	t->host = mem_strndup(t->authority,
			      colon ? (size_t) (colon - t->authority) : strlen(t->authority));
	t->port = mem_strdup(colon ? colon + 1 : t->tls ? "443" : "80");
	while (n && path[n - 1] == '/')
		n--;
	t->base = n ? mem_strndup(path, n) : mem_strdup("/v1");
}

static bool is_address(const char *host) {
	return *host == '[' || host[strspn(host, "0123456789.")] == 0;
}

/* An address, or this machine: nothing that a name server would know. */
static bool is_literal(const char *host) {
	return is_address(host) || !strcmp(host, "localhost");
}

bool haproxy_wants_resolver(const struct haproxy_routes *s) {
	for (size_t i = 0; i < s->n; i++) {
		const struct haproxy_route *r = s->at[i];
		struct target t CLEANUP(target_done) = {0};
		if (!r->frontend.has_fallback)
			continue;
		target_init(&t, r->frontend.fallback.url);
		if (!is_literal(t.host))
			return true;
	}
	return false;
}

static void put_tls(const struct haproxy_fallback *f, const struct target *t,
		    const struct haproxy_paths *p, struct buf *out) {
	(void) buf_puts(out, " ssl verify required ca-file ");
	if (*f->ca_file)
		haproxy_put_file(p, f->ca_file, out);
	else
		(void) buf_puts(out, "@system-ca");
	/* An address has no brackets in a certificate, and no place in SNI (RFC 6066, 3). */
	const char *host = *t->host == '[' ? t->host + 1 : t->host;
	(void) buf_printf(out, " verifyhost %.*s", (int) strcspn(host, "]"), host);
	if (!is_address(t->host))
		(void) buf_printf(out, " sni str(%s)", t->host);
	(void) buf_puts(out, " alpn http/1.1 ssl-min-ver TLSv1.2");
}

static void put_proxy(const struct haproxy_route *r, const struct haproxy_paths *p,
		      struct buf *out) {
	const struct haproxy_fallback *f = &r->frontend.fallback;
	struct target t CLEANUP(target_done) = {0};
	struct buf tls CLEANUP(buf_done) = BUF_INIT(8192);
	char number[24];

	target_init(&t, f->url);
	/* its name needs no file of the container's */
	const char *at = strcmp(t.host, "localhost") ? t.host : "127.0.0.1";
	char *server CLEANUP(freep) =
		mem_printf("%s:%s%s", at, t.port,
			   is_literal(t.host) ? "" : " resolvers dns init-addr last,libc,none");
	if (t.tls && *f->ca_file && haproxy_is_missing(p, f->ca_file))
		(void) buf_puts(&tls, " disabled");
	else if (t.tls)
		put_tls(f, &t, p, &tls);
	(void) snprintf(number, sizeof number, "%llu", (unsigned long long) r->since);
	const struct haproxy_fill fills[] = {{"ROUTE", r->name},     {"GATEWAY", p->gateway},
					     {"NUMBER", number},     {"HOST", t.authority},
					     {"BASE", t.base},       {"SERVER", server},
					     {"TLS", buf_str(&tls)}, {0}};
	haproxy_block("fallback_proxy", fills, out);
}

static void put_known(const struct haproxy_routes *s, struct buf *out) {
	size_t n = s->n;

	for (size_t i = 0; i < n;) {
		struct buf names CLEANUP(buf_done) = BUF_INIT(1 << 20);
		for (size_t words = 0; i < n && words < HAPROXY_WORDS; i++) {
			const struct haproxy_route *r = s->at[i];
			if (!r->frontend.has_fallback)
				continue;
			(void) buf_printf(&names, " %s", r->name);
			words++;
		}
		const struct haproxy_fill fills[] = {{"ROUTES", buf_str(&names)}, {0}};
		if (names.len)
			haproxy_block("out.known", fills, out);
	}
}

void haproxy_put_fallback_proxies(const struct haproxy_routes *s, const struct haproxy_paths *p,
				  struct buf *out) {
	const struct haproxy_fill fills[] = {{"GATEWAY", p->gateway}, {0}};
	bool any = false;

	for (size_t i = 0; i < s->n; i++)
		any |= s->at[i]->frontend.has_fallback;
	if (!any)
		return;
	haproxy_block("out", fills, out);
	put_known(s, out);
	haproxy_block("out.end", fills, out);
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i]->frontend.has_fallback)
			put_proxy(s->at[i], p, out);
}
