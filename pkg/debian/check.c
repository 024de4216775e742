/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/check.h"

#include <string.h>

#include "base/text.h"
#include "debian/debian.h"

static bool only(const char *s, const char *allowed, size_t longest) {
	size_t n = s ? strlen(s) : 0;

	return n && n <= longest && strspn(s, allowed) == n;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

bool check_name(const char *s) {
	return only(s, LOWER DIGITS "+.-", 128) && strchr(LOWER DIGITS, *s);
}

bool check_version(const char *s) {
	return only(s, LOWER UPPER DIGITS ".+-:~", 128) && strchr(DIGITS, *s);
}

/* Components are neither empty nor "." nor "..". */
static bool components(const char *s, bool slash_at_end) {
	for (; *s; s += *s == '/') {
		size_t n = strcspn(s, "/");
		if (!n || (n == 1 && *s == '.') || (n == 2 && !memcmp(s, "..", 2)))
			return false;
		s += n;
		if (*s == '/' && !s[1])
			return slash_at_end;
	}
	return true;
}

bool check_path(const char *s) {
	return only(s, LOWER UPPER DIGITS "+.-:~_/=@,", 512) && components(s, false);
}

bool check_file(const char *s) {
	size_t n = s ? strlen(s) : 0;

	if (!n || n > 512 || !text_is_utf8(s, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char) s[i] < ' ' || s[i] == 127)
			return false;
	return components(s, true);
}

const char *check_package(const struct debian_package *p) {
	if (!check_name(p->name))
		return "name";
	if (!check_version(p->version))
		return "version";
	if (!check_name(p->architecture))
		return "architecture";
	if (!check_path(p->path))
		return "path";
	if (!p->sha256 || !text_is_sha256(p->sha256))
		return "sha256";
	if (!p->size || p->size > UINT64_C(1) << 40)
		return "size";
	if (p->installed_size > UINT64_C(1) << 40)
		return "installed_size";
	if (!p->layer || !text_is_name(p->layer))
		return "layer";
	for (size_t i = 0; i < p->n_files; i++)
		if (!check_file(p->files[i]))
			return "files";
	return NULL;
}
