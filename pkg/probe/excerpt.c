/* SPDX-License-Identifier: Apache-2.0 */
#include "probe/excerpt.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

/* Length of the character at s, 0 if its bytes are not UTF-8. */
static size_t character(const char *s, size_t n) {
	for (size_t len = 1; len <= 4 && len <= n; len++)
		if (text_is_utf8(s, len))
			return len;
	return 0;
}

/* U+0000..1F and 7F, C1 controls, and the marks that turn the direction of writing. */
static bool unsafe(const char *s, size_t len) {
	const unsigned char *u = (const unsigned char *) s;

	if (len == 1)
		return u[0] < 0x20 || u[0] == 0x7f;
	if (len == 2)
		return u[0] == 0xc2 && u[1] < 0xa0;
	if (len == 3 && u[0] == 0xe2 && u[1] == 0x80)
		return u[2] == 0x8e || u[2] == 0x8f || (u[2] >= 0xa8 && u[2] <= 0xae);
	return len == 3 && u[0] == 0xe2 && u[1] == 0x81 && u[2] >= 0xa6 && u[2] <= 0xa9;
}

static bool is_blank(char c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

char *probe_excerpt(const char *s, size_t n, char *out, size_t size) {
	size_t used = 0, fits = 0; /* fits: where "..." may begin */
	bool blank = false;

	assert(size >= 8);
	for (size_t i = 0; i < n;) {
		if (is_blank(s[i])) {
			blank = used > 0;
			i++;
			continue;
		}
		size_t len = character(s + i, n - i);
		bool bad = !len || unsafe(s + i, len);
		size_t add = (bad ? 1 : len) + blank;
		if (used + 3 < size)
			fits = used;
		if (used + add >= size) {
			memcpy(out + fits, "...", 4);
			return out;
		}
		if (blank)
			out[used++] = ' ';
		memcpy(out + used, bad ? "?" : s + i, add - blank);
		used += add - blank;
		blank = false;
		i += len ? len : 1;
	}
	out[used] = 0;
	return out;
}
