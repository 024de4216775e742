/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void json_quote(const char *text, size_t n, struct buf *out) {
	static const char named[] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

	(void) buf_putc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char) text[i];
		if (c == '"' || c == '\\')
			(void) buf_printf(out, "\\%c", c);
		else if (c < sizeof named && named[c])
			(void) buf_printf(out, "\\%c", named[c]);
		else if (c < 0x20)
			(void) buf_printf(out, "\\u%04x", c);
		else
			(void) buf_putc(out, (char) c);
	}
	(void) buf_putc(out, '"');
}

/* RFC 8785 sorts keys by UTF-16 code units: a surrogate pair (four bytes of UTF-8) comes
 * before U+E000..U+FFFF, where the bytes alone would put it behind. */
static bool pair_before(const unsigned char *a, const unsigned char *b) {
	return *a >= 0xf0 && *b >= 0xee && *b < 0xf0;
}

static int compare_keys(const void *pa, const void *pb) {
	const unsigned char *a = (const unsigned char *) json_key(*(struct json *const *) pa);
	const unsigned char *b = (const unsigned char *) json_key(*(struct json *const *) pb);

	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (pair_before(a, b) || pair_before(b, a))
		return pair_before(a, b) ? -1 : 1;
	return (int) *a - (int) *b;
}

static int number(const struct json *j, struct buf *out, struct err *e) {
	double v = json_value(j);

	if (floor(v) < v || !(fabs(v) <= 9007199254740992.0))
		return err_set(e, ERR_SYS, "canonical JSON takes whole numbers only, got %g", v);
	(void) buf_printf(out, "%.0f", v + 0.0);
	return 0;
}

static int members(const struct json *j, struct buf *out, struct err *e) {
	size_t n = json_count(j), i = 0;
	struct json **sorted CLEANUP(freep) = mem_zalloc(n, sizeof(struct json *));

	for (struct json *c = json_first(j); c; c = json_next(c))
		sorted[i++] = c;
	qsort(sorted, n, sizeof *sorted, compare_keys);
	for (i = 0; i < n; i++) {
		const char *key = json_key(sorted[i]);
		(void) buf_putc(out, i ? ',' : '{');
		json_quote(key, strlen(key), out);
		(void) buf_putc(out, ':');
		if (json_canonical(sorted[i], out, e))
			return -1;
	}
	(void) buf_puts(out, n ? "}" : "{}");
	return 0;
}

static int elements(const struct json *j, struct buf *out, struct err *e) {
	(void) buf_putc(out, '[');
	for (struct json *c = json_first(j); c; c = json_next(c)) {
		if (c != json_first(j))
			(void) buf_putc(out, ',');
		if (json_canonical(c, out, e))
			return -1;
	}
	(void) buf_putc(out, ']');
	return 0;
}

int json_canonical(const struct json *j, struct buf *out, struct err *e) {
	int r = 0;

	if (json_is_object(j))
		r = members(j, out, e);
	else if (json_is_array(j))
		r = elements(j, out, e);
	else if (json_is_string(j))
		json_quote(json_text(j), strlen(json_text(j)), out);
	else if (json_is_number(j))
		r = number(j, out, e);
	else
		(void) buf_puts(out, json_is_bool(j) ? (json_truth(j) ? "true" : "false") : "null");
	if (!r && out->cut)
		return err_set(e, ERR_SYS, "JSON of more than %zu bytes", out->cap);
	return r;
}

static void break_line(struct buf *out, int indent, int depth) {
	if (indent)
		(void) buf_printf(out, "\n%*s", indent * depth, "");
}

static void shortest(double v, struct buf *out) {
	char text[40];

	if (!isfinite(v)) { /* JSON has no such number */
		(void) buf_puts(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits += 2) {
		(void) snprintf(text, sizeof text, "%.*g", digits, v);
		if (!(strtod(text, NULL) < v) && !(strtod(text, NULL) > v))
			break;
	}
	(void) buf_puts(out, text);
}

static void print(const struct json *j, struct buf *out, int indent, int depth) {
	if (json_is_object(j) || json_is_array(j)) {
		bool object = json_is_object(j);
		(void) buf_putc(out, object ? '{' : '[');
		for (struct json *c = json_first(j); c; c = json_next(c)) {
			if (c != json_first(j))
				(void) buf_putc(out, ',');
			break_line(out, indent, depth + 1);
			if (object) {
				json_quote(json_key(c), strlen(json_key(c)), out);
				(void) buf_puts(out, indent ? ": " : ":");
			}
			print(c, out, indent, depth + 1);
		}
		if (json_first(j))
			break_line(out, indent, depth);
		(void) buf_putc(out, object ? '}' : ']');
	} else if (json_is_string(j)) {
		json_quote(json_text(j), strlen(json_text(j)), out);
	} else if (json_is_number(j)) {
		shortest(json_value(j), out);
	} else {
		(void) buf_puts(out, json_is_bool(j) ? (json_truth(j) ? "true" : "false") : "null");
	}
}

void json_print(const struct json *j, struct buf *out) {
	print(j, out, 0, 0);
}

void json_print_pretty(const struct json *j, struct buf *out) {
	print(j, out, 2, 0);
}
