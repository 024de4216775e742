/* SPDX-License-Identifier: Apache-2.0 */
#include "reach.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/config.h"
#include "context.h"
#include "lockfile/lockfile.h"
#include "probe/endpoint.h"
#include "json/json.h"

void reach_done(struct reach *r) {
	free(r->url);
	free(r->note);
	free(r->curl);
	*r = (struct reach){0};
}

/* An address of this machine that leads to a listener: a wildcard is no address to connect to. */
static char *connectable(const char *listen) {
	if (text_starts(listen, "0.0.0.0:"))
		return mem_printf("127.0.0.1:%s", listen + 8);
	if (text_starts(listen, "[::]:"))
		return mem_printf("[::1]:%s", listen + 5);
	return mem_strdup(listen);
}

/* One word of a shell. */
static char *quoted(const char *s) {
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/@%+,=-";
	char *out, *p;

	if (*s && !s[strspn(s, plain)])
		return mem_strdup(s);
	out = p = mem_zalloc(4 * strlen(s) + 3, 1);
	*p++ = '\'';
	for (; *s; s++) {
		memcpy(p, *s == '\'' ? "'\\''" : s, *s == '\'' ? 4 : 1);
		p += *s == '\'' ? 4 : 1;
	}
	*p = '\'';
	return out;
}

/* Completion is all that some runtimes offer. */
static const char *path_of(const struct lockfile *l) {
	const char *warmup = json_str(json_get(l->probes, "warmup"), "path");

	return warmup && endpoint_is_raw(warmup) ? "/v1/completions" : "/v1/chat/completions";
}

static char *body_of(const struct lockfile *l) {
	if (endpoint_is_raw(path_of(l)))
		return mem_printf("{\"model\": \"%s\", \"prompt\": \"Hello\", \"max_tokens\": 32}",
				  l->route);
	return mem_printf(
		"{\"model\": \"%s\", \"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}",
		l->route);
}

static void by_gateway(const struct lockfile *l, struct reach *out) {
	const struct json *gateway = json_get(l->tree, "gateway");
	const char *listen = json_str(gateway, "listen");
	bool tls = json_get(gateway, "tls") != NULL, keys = json_str(gateway, "api_keys") != NULL;
	char *at CLEANUP(freep) = connectable(listen ? listen : "127.0.0.1:8080"),
		 *body CLEANUP(freep) = body_of(l);
	char *address CLEANUP(freep) = mem_printf("http%s://%s%s", tls ? "s" : "", at, path_of(l));
	char *url CLEANUP(freep) = quoted(address);

	out->url = mem_printf("http%s://%s/v1", tls ? "s" : "", at);
	out->note = mem_printf("model '%s'%s", l->route,
			       keys ? ", with an API key (llmdeploy gateway keys add)" : "");
	/* The certificate is of the name that clients use, not of this address. */
	out->curl =
		mem_printf("curl %s%s \\\n  -H 'Content-Type: application/json'%s \\\n  -d '%s'",
			   tls ? "--insecure " : "", url,
			   keys ? " \\\n  -H \"Authorization: Bearer $KEY\"" : "", body);
}

static void by_socket(const struct context *c, const struct lockfile *l, struct reach *out) {
	char *path CLEANUP(freep) = mem_printf("%s/run/%s/engine.sock", c->root.path, l->id),
		   *word CLEANUP(freep) = quoted(path);
	char *body CLEANUP(freep) = body_of(l);

	out->url = mem_printf("unix:%s", path);
	out->note = mem_strdup("this machine has no gateway: the socket is that of the active "
			       "release, and changes with it");
	out->curl = mem_printf("curl --unix-socket %s http://localhost%s \\\n  -H 'Content-Type: "
			       "application/json' \\\n  -d '%s'",
			       word, path_of(l), body);
}

void reach_of(const struct context *c, const struct lockfile *l, struct reach *out) {
	*out = (struct reach){0};
	if (c->config->gateway == CONFIG_GATEWAY_NONE)
		by_socket(c, l, out);
	else
		by_gateway(l, out);
}
