/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/source.h"

#include <string.h>

#include "base/mem.h"
#include "base/signed.h"
#include "base/text.h"

#define WORD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static bool has_controls(const char *s) {
	for (; *s; s++)
		if ((unsigned char) *s < 0x20 || *s == 0x7f)
			return true;
	return false;
}

/* "." or ".." between slashes. */
static bool has_dots(const char *path) {
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		size_t n = strcspn(part, "/");
		if ((n == 1 && *part == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
			return true;
	}
	return false;
}

/* Length of the name at *s, which must end at `stop`; moves behind that. */
static bool word_until(const char **s, char stop) {
	size_t n = strspn(*s, WORD);

	if (!n || (*s)[n] != stop)
		return false;
	*s += n + 1;
	return true;
}

static const char *hub_fault(const char *s) {
	if (!strchr(s, '@'))
		return "has no revision, write hf://ORG/REPO@REVISION/FILE";
	if (!word_until(&s, '/') || !word_until(&s, '@') || !word_until(&s, '/') || !*s ||
	    *s == '/' || *s == '#' || has_dots(s))
		return "is not of the form hf://ORG/REPO@REVISION/FILE";
	return NULL;
}

/* The host of "HOST[:PORT]/...", by its length. */
static size_t host_length(const char *s) {
	return *s == '[' ? strcspn(s, "]/") + (s[strcspn(s, "]/")] == ']') : strcspn(s, ":/?#");
}

static bool is_loopback(const char *s) {
	size_t n = host_length(s);

	if ((n == 9 && !strncmp(s, "localhost", 9)) || (n == 5 && !strncmp(s, "[::1]", 5)))
		return true;
	return n >= 7 && text_starts(s, "127.") && strspn(s, "0123456789.") == n;
}

const char *spec_url_fault(const char *url) {
	const char *host = strstr(url, "://") ? strstr(url, "://") + 3 : url;
	bool plain = text_starts(url, "http://");

	if (has_controls(url) || strchr(url, ' '))
		return "has a blank or a control character in it, write it as %20";
	if (memchr(host, '@', strcspn(host, "/?#")))
		return "has a user or a password in it, which would be written into the lock";
	if (signed_query(url))
		return "has a signature, a token or a key in its query, which would be written "
		       "into the lock: write url_file:/PATH of a file with the address, "
		       "or url_env:NAME";
	if (!plain && !text_starts(url, "https://"))
		return "is not an https:// address";
	if (!host_length(host))
		return "has no host";
	if (plain && !is_loopback(host))
		return "is not encrypted, write https:// (http:// is for this machine only)";
	return NULL;
}

static bool is_elsewhere(const char *source) {
	return text_starts(source, "url_file:") || text_starts(source, "url_env:");
}

/* Behind the colon: an absolute path, or a variable's name; both up to a '#'. */
static const char *elsewhere_fault(const char *source) {
	const char *value = strchr(source, ':') + 1;
	size_t n = strcspn(value, "#");

	if (text_starts(source, "url_file:"))
		return *value == '/' && n > 1
			? NULL
			: "names no file by its absolute path, write url_file:/PATH";
	return n &&
			strspn(value,
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
				n
		? NULL
		: "names no variable of the environment, write url_env:NAME";
}

/* The path of a file of this machine, or NULL when the source is no such thing. */
static const char *local_path(const char *source) {
	if (is_elsewhere(source))
		return NULL;
	if (text_starts(source, "file:///"))
		return source + 7;
	if (text_starts(source, "file:"))
		return source + 5;
	return strstr(source, "://") ? NULL : source;
}

static const char *member_fault(const char *source) {
	const char *member = strchr(source, '#');

	if (!member)
		return NULL;
	if (!member[1])
		return "names no member behind the '#'";
	return member[1] == '/' || has_dots(member + 1)
		? "names a member by an absolute path, or with '..'"
		: NULL;
}

const char *spec_source_fault(const char *source) {
	const char *path = local_path(source), *fault = NULL;

	if (has_controls(source))
		return "has a control character in it";
	if (is_elsewhere(source))
		fault = elsewhere_fault(source);
	else if (text_starts(source, "hf://") && signed_query(source))
		fault = "has a token or a signature in its query, which would be written into the "
			"lock: set HF_TOKEN";
	else if (text_starts(source, "hf://"))
		fault = hub_fault(source + 5);
	else if (text_starts(source, "https://") || text_starts(source, "http://"))
		fault = spec_url_fault(source);
	else if (text_starts(source, "file://") && !text_starts(source, "file:///"))
		fault = "names a host, write file:PATH";
	else if (!path)
		fault = "has a scheme that is not known, use hf://, https://, file:, url_file: or "
			"url_env:";
	else if (!*path || *path == '#')
		fault = "names no file";
	return fault ? fault : member_fault(source);
}

const char *spec_source_resolve(const char *source, const char *dir, struct arena *arena) {
	const char *path = local_path(source);

	if (!path)
		return arena_strdup(arena, source);
	return *path == '/' ? arena_printf(arena, "file:%s", path)
			    : arena_printf(arena, "file:%s/%s", strcmp(dir, "/") ? dir : "",
					   text_starts(path, "./") ? path + 2 : path);
}
