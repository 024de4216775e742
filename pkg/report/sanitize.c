/* SPDX-License-Identifier: Apache-2.0 */
#include "report/sanitize.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"

#define SECRET "***"

static bool is_token(char c) {
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c && strchr("-._~+/=", c));
}

static size_t token_length(const char *s, size_t n) {
	size_t i = 0;

	while (i < n && is_token(s[i]))
		i++;
	return i;
}

static bool begins(const char *s, size_t n, const char *word) {
	return n > strlen(word) && !strncasecmp(s, word, strlen(word));
}

/* Bytes at `s` to show as they are before a secret, and in *hidden how many make up the secret; 0:
 * none starts here. */
static size_t secret_at(const char *s, size_t n, bool in_word, size_t *hidden) {
	if (begins(s, n, "://")) {
		size_t user = 3;
		while (user < n && !memchr("/?# \t\n\"'<>", s[user], 10))
			user++;
		const char *at = memrchr(s + 3, '@', user - 3);
		*hidden = at ? (size_t) (at - s) - 3 : 0;
		return at ? 3 : 0;
	}
	if (in_word)
		return 0;
	if (begins(s, n, "Bearer ")) {
		*hidden = token_length(s + 7, n - 7);
		return *hidden >= 8 ? 7 : 0;
	}
	if (n > 3 && !memcmp(s, "hf_", 3)) {
		*hidden = token_length(s + 3, n - 3);
		return *hidden >= 16 ? 3 : 0;
	}
	return 0;
}

void sanitize_redact(const char *s, size_t n, struct buf *out) {
	for (size_t i = 0; i < n;) {
		size_t hidden = 0,
		       shown = secret_at(s + i, n - i, i && is_token(s[i - 1]), &hidden);
		if (!shown) {
			(void) buf_putc(out, s[i++]);
			continue;
		}
		(void) buf_add(out, s + i, shown);
		(void) buf_puts(out, SECRET);
		i += shown + hidden;
	}
}

/* Length of the UTF-8 sequence at `s`, its character in *c; 0: there is none. */
static size_t decode(const char *s, size_t n, uint32_t *c) {
	const unsigned char *u = (const unsigned char *) s;
	size_t len = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

	if (len > n || !text_is_utf8(s, len))
		return 0;
	*c = len == 1 ? u[0] : u[0] & (0xffU >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | (u[i] & 0x3f);
	return len;
}

struct range {
	uint32_t from, to;
};

static bool is_in(uint32_t c, const struct range *ranges, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* Controls, marks of direction, separators of lines, what is not a character. */
static bool is_unsafe(uint32_t c) {
	static const struct range unsafe[] = {
		{0, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},     {0x61c, 0x61c},
		{0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f}, {0xfeff, 0xfeff},
		{0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
	};

	return is_in(c, unsafe, sizeof unsafe / sizeof *unsafe);
}

static void escape(uint32_t c, struct buf *out) {
	if (c == '\n' || c == '\t' || c == '\r')
		(void) buf_puts(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
	else
		(void) buf_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
}

void sanitize_clean(const char *s, size_t n, struct buf *out) {
	struct buf plain = BUF_INIT(4 * n + 64);

	sanitize_redact(s, n, &plain);
	for (size_t i = 0; i < plain.len;) {
		uint32_t c;
		size_t len = decode(plain.data + i, plain.len - i, &c);
		if (!len)
			escape((unsigned char) plain.data[i++], out);
		else if (is_unsafe(c))
			escape(c, out);
		else
			(void) buf_add(out, plain.data + i, len);
		i += len;
	}
	buf_done(&plain);
}

static size_t columns_of(uint32_t c) {
	static const struct range marks[] = {{0x300, 0x36f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
					     {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
	static const struct range wide[] = {{0x1100, 0x115f},  {0x2e80, 0xa4cf},
					    {0xac00, 0xd7a3},  {0xf900, 0xfaff},
					    {0xfe30, 0xfe6f},  {0xff00, 0xff60},
					    {0xffe0, 0xffe6},  {0x1f300, 0x1faff},
					    {0x20000, 0x3fffd}};

	if (is_in(c, marks, sizeof marks / sizeof *marks))
		return 0;
	return is_in(c, wide, sizeof wide / sizeof *wide) ? 2 : 1;
}

size_t sanitize_width(const char *s) {
	size_t n = strlen(s), columns = 0, len;
	uint32_t c;

	for (size_t i = 0; i < n; i += len) {
		len = decode(s + i, n - i, &c);
		columns += len ? columns_of(c) : 1;
		len += !len;
	}
	return columns;
}

void sanitize_cut(const char *s, size_t columns, struct buf *out) {
	size_t n = strlen(s), used = 0, at = 0;
	uint32_t c;

	if (sanitize_width(s) <= columns) {
		(void) buf_puts(out, s);
		return;
	}
	while (at < n) {
		size_t len = decode(s + at, n - at, &c), takes = len ? columns_of(c) : 1;
		if (used + takes + 1 > columns)
			break;
		used += takes;
		at += len ? len : 1;
	}
	(void) buf_add(out, s, at);
	if (columns)
		(void) buf_puts(out, "\xe2\x80\xa6");
}

size_t sanitize_fit(const char *s, size_t columns) {
	size_t n = strlen(s), used = 0, at = 0, blank = 0;
	uint32_t c;

	while (at < n) {
		size_t len = decode(s + at, n - at, &c), takes = len ? columns_of(c) : 1;
		if (at && used + takes > columns && s[at] != ' ')
			return 3 * blank >= at ? blank : at;
		if (s[at] == ' ')
			blank = at;
		if (at && used + takes > columns)
			return blank;
		used += takes;
		at += len ? len : 1;
	}
	return n;
}
