/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool is_lower_or_digit(char c) {
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool text_is_name(const char *s) {
	size_t n = strlen(s);

	if (n < 1 || n > 63 || !is_lower_or_digit(s[0]))
		return false;
	for (size_t i = 1; i < n; i++)
		if (!is_lower_or_digit(s[i]) && !strchr("._-", s[i]))
			return false;
	return true;
}

bool text_is_sha256(const char *s) {
	size_t n = strspn(s, "0123456789abcdef");

	return n == 64 && !s[n];
}

bool text_starts(const char *s, const char *prefix) {
	return !strncmp(s, prefix, strlen(prefix));
}

bool text_ends(const char *s, const char *suffix) {
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

static bool digits(const char **p, uint64_t *out) {
	uint64_t v = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		if (__builtin_mul_overflow(v, (uint64_t) 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
			return false;
	*p = s;
	*out = v;
	return true;
}

bool text_u64(const char *s, uint64_t *out) {
	uint64_t v;

	if (!digits(&s, &v) || *s)
		return false;
	*out = v;
	return true;
}

/* NUMBER[.FRACTION]UNIT in units of the table, exact or false. */
struct unit {
	const char *name;
	uint64_t factor;
};

static bool scaled(const char *s, const struct unit *units, size_t n, uint64_t *out) {
	uint64_t whole, fraction = 0, scale = 1;

	if (!digits(&s, &whole))
		return false;
	if (*s == '.') {
		const char *from = ++s;
		if (!digits(&s, &fraction) || s - from > 9)
			return false;
		for (; from < s; from++)
			scale *= 10;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t rest;
		if (strcmp(s, units[i].name))
			continue;
		if (__builtin_mul_overflow(whole, units[i].factor, &whole) ||
		    __builtin_mul_overflow(fraction, units[i].factor, &rest) || rest % scale)
			return false;
		return !__builtin_add_overflow(whole, rest / scale, out);
	}
	return false;
}

bool text_bytes(const char *s, uint64_t *out) {
	static const struct unit units[] = {
		{"B", 1},
		{"kB", 1000},
		{"MB", 1000000},
		{"GB", 1000000000},
		{"TB", 1000000000000},
		{"KiB", 1ULL << 10},
		{"MiB", 1ULL << 20},
		{"GiB", 1ULL << 30},
		{"TiB", 1ULL << 40},
	};

	return scaled(s, units, sizeof units / sizeof *units, out);
}

bool text_duration_ms(const char *s, uint64_t *out) {
	static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

	return scaled(s, units, sizeof units / sizeof *units, out);
}

static size_t least(size_t a, size_t b) {
	return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b) {
	size_t n = least(strlen(a), 100), m = least(strlen(b), 100), w = m + 1;
	size_t *d CLEANUP(freep) = mem_zalloc((n + 1) * w, sizeof *d);

	for (size_t i = 0; i <= n; i++)
		d[i * w] = i;
	for (size_t j = 0; j <= m; j++)
		d[j] = j;
	for (size_t i = 1; i <= n; i++)
		for (size_t j = 1; j <= m; j++) {
			size_t v = least(d[(i - 1) * w + j], d[i * w + j - 1]) + 1;
			v = least(v, d[(i - 1) * w + j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				v = least(v, d[(i - 2) * w + j - 2] + 1);
			d[i * w + j] = v;
		}
	return d[n * w + m];
}

const char *text_nearest(const char *s, const char *const *names, size_t n) {
	size_t best = strlen(s) / 3 < 2 ? least(3, strlen(s)) : strlen(s) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = text_distance(s, names[i]);
		if (d < best) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

void text_format_bytes(uint64_t n, char out[TEXT_BYTES]) {
	static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double v = (double) n;
	size_t i = 0;

	for (; v >= 999.5 && i + 1 < sizeof names / sizeof *names; i++)
		v /= 1000;
	(void) snprintf(out, TEXT_BYTES, v < 100 && i ? "%.1f %s" : "%.0f %s", v, names[i]);
}

void text_format_ms(uint64_t ms, char out[TEXT_BYTES]) {
	if (ms < 1000)
		(void) snprintf(out, TEXT_BYTES, "%u ms", (unsigned) ms);
	else if (ms < 60000)
		(void) snprintf(out, TEXT_BYTES, "%.2f s", (double) ms / 1000);
	else
		(void) snprintf(out, TEXT_BYTES, "%llu m %02u s", (unsigned long long) (ms / 60000),
				(unsigned) (ms / 1000 % 60));
}

void text_hex(const unsigned char *bytes, size_t n, char *out) {
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = 0;
}

/* Length of the well-formed sequence at s (RFC 3629, table 3-7 of Unicode), 0 if none. */
static size_t utf8_sequence(const unsigned char *s, size_t n) {
	size_t len = s[0] < 0x80 ? 1
		: s[0] < 0xc2    ? 0
		: s[0] < 0xe0    ? 2
		: s[0] < 0xf0    ? 3
		: s[0] < 0xf5    ? 4
				 : 0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

bool text_is_utf8(const char *s, size_t n) {
	for (size_t i = 0, len; i < n; i += len) {
		len = utf8_sequence((const unsigned char *) s + i, n - i);
		if (!len)
			return false;
	}
	return true;
}
