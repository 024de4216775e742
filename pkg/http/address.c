/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: what they name, and what of them may be shown. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "http/internal.h"

static void curlup(CURLU **u) {
	curl_url_cleanup(*u);
}

static void curl_freep(char **s) {
	curl_free(*s);
}

/* The part of a URL, or NULL; curl_free() it. */
static char *url_part(CURLU *u, CURLUPart part) {
	char *s = NULL;

	return curl_url_get(u, part, &s, 0) ? NULL : s;
}

char *http_shown(const char *url) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return mem_strdup("a malformed address");
	(void) curl_url_set(u, CURLUPART_USER, NULL, 0);
	(void) curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
	(void) curl_url_set(u, CURLUPART_OPTIONS, NULL, 0);
	(void) curl_url_set(u, CURLUPART_QUERY, NULL, 0);
	(void) curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	char *clean CLEANUP(curl_freep) = url_part(u, CURLUPART_URL);
	return mem_strdup(clean ? clean : "a malformed address");
}

bool http_is_loopback(const char *url) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return false;
	char *host CLEANUP(curl_freep) = url_part(u, CURLUPART_HOST);
	struct in_addr v4;
	return host &&
		(!strcasecmp(host, "localhost") || !strcmp(host, "[::1]") ||
		 (text_starts(host, "127.") && inet_pton(AF_INET, host, &v4) == 1));
}

/* Who is asked, for messages: the socket's path or "host[:port]"; yours. */
char *http_who(const struct http_request *q) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (q->unix_socket)
		return mem_strdup(q->unix_socket);
	(void) curl_url_set(u, CURLUPART_URL, q->url, 0);
	char *host CLEANUP(curl_freep) = url_part(u, CURLUPART_HOST);
	char *port CLEANUP(curl_freep) = url_part(u, CURLUPART_PORT);
	if (!host)
		return mem_strdup("a malformed address");
	return mem_printf("%s%s%s", host, port ? ":" : "", port ? port : "");
}

/* No part of an address that cannot be read is shown: it could be the password. */
int http_check_address(const char *url, struct err *e) {
	CURLU *u CLEANUP(curlup) = curl_url();

	if (strncasecmp(url, "http://", 7) && strncasecmp(url, "https://", 8))
		return err_set(e, ERR_USAGE,
			       "an address begins with '%.*s' instead of http:// or https://",
			       (int) strcspn(url, ":/?#@"), url);
	if (curl_url_set(u, CURLUPART_URL, url, 0))
		return err_set(e, ERR_USAGE, "an %.*s address is malformed",
			       (int) strcspn(url, ":"), url);
	return 0;
}

/* The order of the curl program. */
const char *http_bundle(void) {
	const char *ours = getenv("CURL_CA_BUNDLE"), *all = getenv("SSL_CERT_FILE");

	return ours && *ours ? ours : all ? all : "";
}
