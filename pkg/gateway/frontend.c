/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/frontend.h"

#include <string.h>

#include "base/address.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway/state.h"
#include "json/json.h"

#define MAX_NAMES 16
#define MAX_ORIGINS 32
#define MAX_TEXT 1000
#define MAX_NUMBER 1000000000000
#define MAX_TIME_MS INT32_MAX /* HAProxy's own limit: 24.8 days */

bool gateway_is_plain(const char *s) {
	return *s && address_is_plain(s);
}

bool gateway_is_address(const char *s) {
	const char *colon = strrchr(s, ':');
	uint64_t port;

	return gateway_is_plain(s) && !strpbrk(s, "/@,%+=~") && colon && colon > s &&
		text_u64(colon + 1, &port) && port && port < 65536;
}

/* A text field: copied, "" where it is missing. */
static int read_text(struct arena *a, const struct json *o, const char *key, const char *path,
		     const char **out, struct err *e) {
	const struct json *j = json_get(o, key);
	const char *s = json_text(j);

	if (j && !s)
		return err_set(e, ERR_SPEC, "gateway.%s must be a text", path);
	if (s && !gateway_is_plain(s))
		return err_set(e, ERR_SPEC,
			       "gateway.%s: '%.100s' is not allowed in a gateway's configuration: "
			       "letters, digits and "
			       "._~:/@%%+,=-[] can",
			       path, s);
	*out = arena_strdup(a, s ? s : "");
	return 0;
}

static int read_path(struct arena *a, const struct json *o, const char *key, const char *path,
		     const char **out, struct err *e) {
	if (read_text(a, o, key, path, out, e))
		return -1;
	if (**out && **out != '/')
		return err_set(e, ERR_SPEC, "gateway.%s: '%.100s' is not an absolute path", path,
			       *out);
	return 0;
}

static int read_number(const struct json *o, const char *key, const char *path, uint64_t otherwise,
		       int64_t most, uint64_t *out, struct err *e) {
	int64_t v;

	*out = otherwise;
	if (!json_get(o, key))
		return 0;
	if (!json_int(o, key, &v) || v < 1 || v > most)
		return err_set(e, ERR_SPEC, "gateway.%s must be a whole number from 1 to %lld",
			       path, (long long) most);
	*out = (uint64_t) v;
	return 0;
}

static int read_names(struct arena *a, const struct json *fallback, struct haproxy_fallback *f,
		      struct err *e) {
	const struct json *list = json_get(fallback, "shareable");
	size_t n = json_count(list);
	const char **names = arena_zalloc(a, n + 1, sizeof *names);

	if (list && !json_is_array(list))
		return err_set(e, ERR_SPEC, "gateway.fallback.shareable must be a list of texts");
	if (n > MAX_NAMES)
		return err_set(e, ERR_SPEC,
			       "gateway.fallback.shareable has %zu names, the limit is %d", n,
			       MAX_NAMES);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_text(json_at(list, i));
		if (!s || !gateway_is_plain(s))
			return err_set(e, ERR_SPEC,
				       "gateway.fallback.shareable: name %zu is not allowed in a "
				       "gateway's configuration",
				       i + 1);
		names[i] = arena_strdup(a, s);
	}
	f->names = names;
	f->n_names = n;
	return 0;
}

static bool is_here(const char *url) {
	return text_starts(url, "http://127.") || text_starts(url, "http://localhost:") ||
		text_starts(url, "http://localhost/") || text_starts(url, "http://[::1]");
}

static int read_fallback(struct arena *a, const struct json *o, struct haproxy_fallback *f,
			 struct err *e) {
	if (!json_is_object(o))
		return err_set(e, ERR_SPEC, "gateway.fallback must be an object");
	if (read_text(a, o, "url", "fallback.url", &f->url, e) ||
	    read_text(a, o, "model", "fallback.model", &f->model, e) ||
	    read_path(a, o, "api_key_file", "fallback.api_key_file", &f->api_key_file, e) ||
	    read_path(a, o, "ca_file", "fallback.ca_file", &f->ca_file, e) ||
	    read_names(a, o, f, e))
		return -1;
	if (!text_starts(f->url, "https://") && !is_here(f->url))
		return err_set(
			e, ERR_SPEC,
			"gateway.fallback.url: '%.100s' is neither https:// nor on this machine",
			f->url);
	const char *host = strstr(f->url, "://") + 3;
	size_t n = strcspn(host, "/");
	if (!n || *host == ':' || strcspn(host, "@,%+=~") < n || !strncmp(host, "[]", 2))
		return err_set(e, ERR_SPEC, "gateway.fallback.url: '%.100s' has no host", f->url);
	if (!*f->model)
		return err_set(e, ERR_SPEC, "gateway.fallback.model is missing");
	return 0;
}

static int read_origins(struct arena *a, const struct json *section, struct haproxy_frontend *d,
			struct err *e) {
	const struct json *list = json_get(section, "cors");
	size_t n = json_count(list);
	const char **origins = arena_zalloc(a, n + 1, sizeof *origins);

	if (list && !json_is_array(list))
		return err_set(e, ERR_SPEC, "gateway.cors must be a list of origins");
	if (n > MAX_ORIGINS)
		return err_set(e, ERR_SPEC, "gateway.cors has %zu origins, the limit is %d", n,
			       MAX_ORIGINS);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_text(json_at(list, i)),
			   *fault = s ? address_origin_fault(s) : "is not a text";
		if (fault)
			return err_set(e, ERR_SPEC, "gateway.cors[%zu] %s", i, fault);
		origins[i] = arena_strdup(a, s);
	}
	d->cors = origins;
	d->n_cors = n;
	return 0;
}

static bool is_header_name(const char *s) {
	static const char token[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return s[strspn(s, token)] == 0;
}

static int read_addresses(struct arena *a, const struct json *section, struct haproxy_frontend *d,
			  struct err *e) {
	if (read_text(a, section, "listen", "listen", &d->listen, e) ||
	    read_text(a, section, "metrics", "metrics", &d->metrics, e))
		return -1;
	if (!gateway_is_address(d->listen))
		return err_set(e, ERR_SPEC, "gateway.listen: '%.100s' is not HOST:PORT", d->listen);
	if (!*d->metrics)
		d->metrics = "127.0.0.1:8404";
	if (!gateway_is_address(d->metrics))
		return err_set(e, ERR_SPEC, "gateway.metrics: '%.100s' is not HOST:PORT",
			       d->metrics);
	return 0;
}

static int read_privacy(struct arena *a, const struct json *section, struct haproxy_frontend *d,
			struct err *e) {
	if (read_text(a, section, "privacy", "privacy", &d->privacy, e))
		return -1;
	if (strcmp(d->privacy, "local") && strcmp(d->privacy, "hybrid") &&
	    strcmp(d->privacy, "any"))
		return err_set(e, ERR_SPEC, "gateway.privacy is '%.40s': local, hybrid or any",
			       d->privacy);
	return 0;
}

int gateway_frontend_read(struct arena *a, const struct json *section, struct haproxy_frontend *out,
			  struct err *e) {
	struct haproxy_frontend d = {0};
	const struct json *queue = json_get(section, "queue"),
			  *fallback = json_get(section, "fallback");

	if (!json_is_object(section))
		return err_set(e, ERR_SPEC, "gateway must be an object");
	if (read_addresses(a, section, &d, e) ||
	    read_privacy(a, section, &d, e) ||
	    read_path(a, json_get(section, "tls"), "certificate", "tls.certificate", &d.certificate,
		      e) ||
	    read_path(a, section, "api_keys", "api_keys", &d.api_keys, e) ||
	    read_text(a, section, "sticky", "sticky", &d.sticky, e) ||
	    read_number(section, "max_body_bytes", "max_body_bytes", 10000000, MAX_NUMBER,
			&d.max_body_bytes, e) ||
	    read_number(queue, "length", "queue.length", 16, MAX_NUMBER, &d.queue_length, e) ||
	    read_number(queue, "timeout_ms", "queue.timeout_ms", 60000, MAX_TIME_MS,
			&d.queue_timeout_ms, e))
		return -1;
	if (!is_header_name(d.sticky))
		return err_set(e, ERR_SPEC, "gateway.sticky: '%.100s' is not the name of a header",
			       d.sticky);
	if (read_origins(a, section, &d, e))
		return -1;
	d.has_fallback = fallback != NULL;
	if (fallback && !strcmp(d.privacy, "local"))
		return err_set(e, ERR_SPEC,
			       "gateway.fallback sends questions to another service, but privacy "
			       "is local");
	if (fallback && read_fallback(a, fallback, &d.fallback, e))
		return -1;
	*out = d;
	return 0;
}

int gateway_frontend_check(const struct haproxy_frontend *d, struct err *e) {
	const char *listen = address_listen_fault(d->listen),
		   *metrics = address_listen_fault(d->metrics);
	const char *url = d->has_fallback ? address_api_fault(d->fallback.url) : NULL;

	if (listen)
		return err_set(e, ERR_SPEC, "'%.100s' in gateway.listen %s", d->listen, listen);
	if (metrics)
		return err_set(e, ERR_SPEC, "'%.100s' in gateway.metrics %s", d->metrics, metrics);
	if (url)
		return err_set(e, ERR_SPEC, "'%.100s' in gateway.fallback.url %s", d->fallback.url,
			       url);
	return 0;
}
