/* SPDX-License-Identifier: Apache-2.0 */
#include "base/signed.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NAME = 64 };

static int digit(char c) {
	return isdigit((unsigned char) c)     ? c - '0'
		: isxdigit((unsigned char) c) ? tolower((unsigned char) c) - 'a' + 10
					      : -1;
}

/* The name of a parameter: decoded, in small letters, letters and digits alone, so that
 * access_token, access-token and AccessToken are the same. */
static void name_of(const char *s, size_t n, char out[NAME]) {
	size_t used = 0;

	for (size_t i = 0; i < n && used + 1 < NAME; i++) {
		char c = s[i];
		if (c == '%' && i + 2 < n && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0) {
			c = (char) (digit(s[i + 1]) * 16 + digit(s[i + 2]));
			i += 2;
		}
		if (isalnum((unsigned char) c))
			out[used++] = (char) tolower((unsigned char) c);
	}
	out[used] = '\0';
}

static bool is_secret(const char *name) {
	/* Anywhere in the name; and names that are it as a whole. Azure's are sv, se, sp, ...,
	 * CloudFront's Policy and Key-Pair-Id. */
	static const char *const pieces[] = {"signature", "token",          "secret",
					     "password",  "passwd",         "credential",
					     "apikey",    "accesskey",      "xamz",
					     "xgoog",     "hmac",           "jwt",
					     "keypairid", "googleaccessid", "securityid",
					     "ossaccess", "authorization",  "sessionid"};
	static const char *const whole[] = {"sig",     "sign",    "se",     "sv",  "sp",
					    "skoid",   "sktid",   "policy", "key", "auth",
					    "authkey", "hdnea",   "hdnts",  "pwd", "pass",
					    "verify",  "expires", "code",   "md5", "accessid"};

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
		if (strstr(name, pieces[i]))
			return true;
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		if (!strcmp(name, whole[i]))
			return true;
	return false;
}

bool signed_query(const char *url) {
	size_t all = strcspn(url, "#"), at = strcspn(url, "?#");
	char name[NAME];

	while (at < all) {
		const char *parameter = url + at + 1;
		size_t n = strcspn(parameter, "&;#");

		name_of(parameter, strcspn(parameter, "=&;#"), name);
		if (is_secret(name))
			return true;
		at += 1 + n;
	}
	return false;
}

char *signed_shown(const char *url) {
	const char *host = strstr(url, "://"), *member = strchr(url, '#');

	if (!host)
		return mem_strdup(url);
	host += 3;
	size_t scheme = (size_t) (host - url), authority = strcspn(host, "/?#");
	const char *user_end = NULL;

	for (size_t i = 0; i < authority; i++)
		user_end = host[i] == '@' && strncmp(url, "hf://", 5) != 0 ? host + i + 1
									   : user_end;
	const char *rest = user_end ? user_end : host;
	return mem_printf("%.*s%.*s%s", (int) scheme, url, (int) strcspn(rest, "?#"), rest,
			  member ? member : "");
}
