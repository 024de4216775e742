/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, HOST_BYTES = 256 };

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* ---- parts ---- */

static bool is_port(const char *s) {
	uint64_t port;

	return *s >= '1' && *s <= '9' && strlen(s) <= 5 && text_u64(s, &port) && port < 65536;
}

static bool is_label(const char *s, size_t n) {
	static const char inner[] = LETTERS DIGITS "-_";

	return n > 0 && n <= LABEL_MAX_BYTES && strspn(s, inner) >= n && s[0] != '-' &&
		s[n - 1] != '-';
}

static bool is_name(const char *host) {
	if (strlen(host) > NAME_MAX_BYTES)
		return false;
	for (const char *at = host;; at++) {
		size_t n = strcspn(at, ".");
		if (!is_label(at, n))
			return false;
		at += n;
		if (!*at)
			return true;
	}
}

/* A resolver takes a name whose last label is a number for an address, in whatever form: 1.2.3,
 * 0x7f.1, 999.1.1.1. */
static bool ends_in_number(const char *host) {
	const char *last = strrchr(host, '.') ? strrchr(host, '.') + 1 : host;

	return (*last && last[strspn(last, DIGITS)] == 0) || !strncasecmp(last, "0x", 2);
}

static const char *host_fault(const char *host) {
	struct in6_addr six;
	struct in_addr four;
	char inside[HOST_BYTES];
	size_t n = strlen(host);

	if (!n)
		return "has no host";
	if (*host == '[') {
		if (n < 3 || host[n - 1] != ']')
			return "has a '[' without its ']'";
		(void) snprintf(inside, sizeof inside, "%.*s", (int) (n - 2), host + 1);
		return inet_pton(AF_INET6, inside, &six) == 1
			? NULL
			: "has no IPv6 address between its brackets";
	}
	if (strpbrk(host, "[]"))
		return "has a bracket that belongs to no IPv6 address";
	if (strchr(host, ':'))
		return "has an IPv6 address without brackets, or two ports: write [ADDRESS]:PORT";
	if (ends_in_number(host))
		return inet_pton(AF_INET, host, &four) == 1 ? NULL
							    : "has an IPv4 address that is none";
	return is_name(host) ? NULL
			     : "has a host that cannot be one: labels of letters, digits and '-', "
			       "63 bytes at most, with dots between";
}

/* "HOST:PORT" in its parts; port NULL where there is none. False: too long. */
static bool split(const char *s, size_t n, char host[HOST_BYTES], const char **port) {
	char *colon;

	if (n >= HOST_BYTES)
		return false;
	(void) snprintf(host, HOST_BYTES, "%.*s", (int) n, s);
	colon = strrchr(host, ':');
	if (colon && strchr(colon, ']'))
		colon = NULL;
	*port = NULL;
	/* Two colons and no bracket: not ours to say which of them begins the port. */
	if (colon && (*host == '[' || strchr(host, ':') == colon)) {
		*colon = 0;
		*port = colon + 1;
	}
	return true;
}

/* ---- to listen on ---- */

const char *address_listen_fault(const char *s) {
	const char *port, *fault;
	char host[HOST_BYTES];

	if (!split(s, strlen(s), host, &port))
		return "is longer than an address can be";
	if (!port)
		return strchr(s, ':') && *s != '[' ? host_fault(host) : "has no port";
	fault = host_fault(host);
	if (fault)
		return fault;
	return is_port(port) ? NULL : "has a port that is no number from 1 to 65535";
}

enum family { FAMILY_4, FAMILY_6, FAMILY_NAME };

struct bound {
	enum family family;
	char host[HOST_BYTES];
	const char *port;
	struct in_addr four;
	struct in6_addr six;
	bool any; /* every address of the machine */
};

static bool bound_read(const char *s, struct bound *b) {
	if (!split(s, strlen(s), b->host, &b->port) || !b->port)
		return false;
	if (!strcasecmp(b->host, "localhost"))
		(void) snprintf(b->host, sizeof b->host, "127.0.0.1");
	b->family = FAMILY_NAME;
	if (inet_pton(AF_INET, b->host, &b->four) == 1) {
		b->family = FAMILY_4;
		b->any = b->four.s_addr == INADDR_ANY;
	} else if (*b->host == '[') {
		b->host[strlen(b->host) - 1] = 0;
		b->family = inet_pton(AF_INET6, b->host + 1, &b->six) == 1 ? FAMILY_6 : FAMILY_NAME;
		b->any = b->family == FAMILY_6 && IN6_IS_ADDR_UNSPECIFIED(&b->six);
	}
	return true;
}

/* A listener on [::] takes IPv4 as well, unless the machine says otherwise
 * (net.ipv6.bindv6only). */
static bool contains(const struct bound *a, const struct bound *b) {
	return a->any && (a->family == FAMILY_6 || b->family != FAMILY_6);
}

bool address_is_plain(const char *s) {
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/@%+,=-[]";

	return strlen(s) <= 1000 && s[strspn(s, plain)] == 0;
}

bool address_overlaps(const char *a, const char *b) {
	struct bound x = {0}, y = {0};

	if (!bound_read(a, &x) || !bound_read(b, &y) || strcmp(x.port, y.port))
		return false;
	if (contains(&x, &y) || contains(&y, &x))
		return true;
	if (x.family != y.family)
		return false;
	if (x.family == FAMILY_4)
		return x.four.s_addr == y.four.s_addr;
	return x.family == FAMILY_6 ? !memcmp(&x.six, &y.six, sizeof x.six)
				    : !strcasecmp(x.host, y.host);
}

/* ---- a hosted API ---- */

static bool is_of_this_machine(const char *host) {
	struct in_addr four;

	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return !strcasecmp(host, "localhost") || !strcmp(host, "[::1]");
}

static bool ends_with(const char *s, size_t n, const char *end) {
	size_t k = strlen(end);

	return n >= k && !strncmp(s + n - k, end, k);
}

static const char *path_fault(const char *path) {
	static const char plain[] = LETTERS DIGITS "._~/@:+,=-";
	static const char *const endpoints[] = {"/chat/completions", "/completions", "/responses",
						"/embeddings",       "/models",      "/messages"};
	size_t n = strlen(path);

	if (strpbrk(path, "?#"))
		return "has a query or a fragment: write the address without /chat/completions, as "
		       "in https://HOST/v1";
	if (path[strspn(path, plain)])
		return "has a character in its path that is not allowed: use letters, digits and "
		       "._~/@:+,=-";
	while (n && path[n - 1] == '/')
		n--;
	for (size_t i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
		if (ends_with(path, n, endpoints[i]))
			return "names one endpoint of the API: write the address without "
			       "/chat/completions, as in https://HOST/v1";
	return strstr(path, "//") || strstr(path, "/../") || ends_with(path, n, "/..")
		? "has '//' or '..' in its path"
		: NULL;
}

const char *address_api_fault(const char *url) {
	bool tls = text_starts(url, "https://");
	const char *at = strstr(url, "://"), *port, *fault;
	char host[HOST_BYTES];

	if (!at || (!tls && !text_starts(url, "http://")))
		return "is not an https:// address";
	at += 3;
	size_t n = strcspn(at, "/?#");
	if (memchr(at, '@', n))
		return "has a user or a password in it, which would be written into the lock: give "
		       "gateway.fallback.api_key_file";
	if (!split(at, n, host, &port))
		return "has a host that is longer than a host can be";
	fault = host_fault(host);
	if (fault)
		return fault;
	if (port && !is_port(port))
		return "has a port that is no number from 1 to 65535";
	if (!tls && !is_of_this_machine(host))
		return "is not encrypted, write https:// (http:// is for this machine only)";
	return path_fault(at + n);
}

const char *address_origin_fault(const char *s) {
	static const char scheme[] = "abcdefghijklmnopqrstuvwxyz" DIGITS "+.-";
	const char *at = strstr(s, "://"), *port, *fault;
	char host[HOST_BYTES];

	if (!strcmp(s, "*"))
		return NULL;
	if (!at || at == s || strspn(s, scheme) != (size_t) (at - s) ||
	    !strchr("abcdefghijklmnopqrstuvwxyz", *s))
		return "is not an origin: write SCHEME://HOST or SCHEME://HOST:PORT, as a browser "
		       "sends it, like https://app.example";
	at += 3;
	size_t n = strlen(at);
	if (at[strcspn(at, "/?#")])
		return "has a path, and an origin has none, not even a '/' at its end: write "
		       "https://HOST or https://HOST:PORT";
	for (const char *p = at; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			return "has upper-case letters, and browsers send a host in lower case";
	if (!split(at, n, host, &port))
		return "has a host that is longer than a host can be";
	fault = host_fault(host);
	if (fault)
		return fault;
	return port && !is_port(port) ? "has a port that is no number from 1 to 65535" : NULL;
}
