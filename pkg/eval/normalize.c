/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "base/buf.h"
#include "base/mem.h"

#define MARKS "*_`~"

static bool blank(char c) {
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_mark(char c) {
	return c && strchr(MARKS, c);
}

/* Part of a word: ASCII letters and digits, and whatever is not ASCII. */
static bool in_word(char c) {
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
		(unsigned char) c >= 0x80;
}

/* --- characters --- */

/* What NFKC and the library's lumping leave apart, or would take apart. */
static const struct {
	utf8proc_int32_t from;
	const char *to;
} same[] = {
	{0x00b4, "'"},  {0x02b9, "'"},  {0x02bb, "'"},  {0x02bc, "'"},  {0x02bd, "'"},
	{0x2018, "'"},  {0x2019, "'"},  {0x201a, "'"},  {0x201b, "'"},  {0x2032, "'"},
	{0x2035, "'"},  {0xff07, "'"},  {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""},
	{0x201f, "\""}, {0x2033, "\""}, {0x2010, "-"},  {0x2011, "-"},  {0x2012, "-"},
	{0x2013, "-"},  {0x2014, "-"},  {0x2015, "-"},  {0x2043, "-"},  {0x2212, "-"},
};

static bool is_gap(utf8proc_int32_t c) {
	return c == 0x200b || c == 0x2060 || c == 0xfeff;
}

static const char *same_as(utf8proc_int32_t c) {
	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		if (same[i].from == c)
			return same[i].to;
	return NULL;
}

/* One for another, before anything is taken apart. */
static void replace(const char *s, size_t n, unsigned how, struct buf *out) {
	utf8proc_ssize_t step;

	for (size_t i = 0; i < n; i += (size_t) step) {
		utf8proc_int32_t c;
		step = utf8proc_iterate((const utf8proc_uint8_t *) s + i,
					(utf8proc_ssize_t) (n - i), &c);
		if (step < 1) { /* no UTF-8: as it is */
			step = 1;
			c = 0;
		}
		const char *to = same_as(c);
		if (to)
			(void) buf_puts(out, to);
		else if (is_gap(c) && (how & EVAL_GAPS))
			(void) buf_putc(out, ' ');
		else if (!(s[i] == '\\' && i + 1 < n && is_mark(s[i + 1])))
			(void) buf_add(out, s + i, (size_t) step);
	}
}

/* NFKC and the library's classes; as it is where it is no UTF-8. */
static char *normal(const struct buf *text, unsigned how) {
	utf8proc_uint8_t *out = NULL;
	int options = UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_IGNORE |
		UTF8PROC_LUMP;

	if (how & EVAL_FOLD)
		options |= UTF8PROC_CASEFOLD;
	if (utf8proc_map((const utf8proc_uint8_t *) buf_str(text), (utf8proc_ssize_t) text->len,
			 &out, options) < 0)
		return mem_strdup(buf_str(text));
	return (char *) out;
}

/* --- marks and blanks --- */

/* Does the run of marks s[0..n) between the characters `before` and `after` stay? */
static bool marks_stay(size_t n, char before, char after, unsigned how) {
	bool digits = before >= '0' && before <= '9' && after >= '0' && after <= '9';

	if (how & EVAL_BARE)
		return false;
	if (!(how & EVAL_EMPHASIS))
		return true;
	return in_word(before) && in_word(after) && (n == 1 || digits);
}

static char *without_marks(const char *s, unsigned how) {
	char *out = mem_zalloc(strlen(s) + 1, 1);
	size_t used = 0;
	char before = 0;

	while (*s) {
		size_t n = strspn(s, MARKS);
		if (!n) {
			before = *s;
			out[used++] = *s++;
			continue;
		}
		if (marks_stay(n, before, s[n], how)) {
			memcpy(out + used, s, n);
			used += n;
		}
		s += n;
	}
	return out;
}

static void collapse(char *s, unsigned how) {
	size_t used = 0;
	char gap = 0;

	for (const char *at = s; *at; at++) {
		if (blank(*at)) {
			bool line = (how & EVAL_LINES) && (*at == '\n' || *at == '\r');
			gap = line || gap == '\n' ? '\n' : ' ';
			continue;
		}
		if (gap && (used || (how & EVAL_ENDS)))
			s[used++] = gap;
		gap = 0;
		s[used++] = *at;
	}
	if (gap && (how & EVAL_ENDS))
		s[used++] = gap;
	s[used] = 0;
}

char *eval_normalize(const char *s, size_t n, unsigned how) {
	struct buf replaced CLEANUP(buf_done) = BUF_INIT(n + 1);

	replace(s, n, how, &replaced);
	char *text CLEANUP(freep) = normal(&replaced, how);
	char *out = without_marks(text, how);
	collapse(out, how);
	return out;
}

bool eval_is_blank(const char *s, size_t n) {
	char *words CLEANUP(freep) = eval_normalize(s, n, EVAL_BARE);

	return !*words;
}

/* --- looking for a text --- */

static bool says(const char *answer, size_t n, const char *text, const struct eval_search *how,
		 unsigned form) {
	form |= how->fold ? EVAL_FOLD : 0;
	char *in CLEANUP(freep) = eval_normalize(answer, n, form);
	char *wanted CLEANUP(freep) = eval_normalize(text, strlen(text),
						     (form & ~(unsigned) EVAL_GAPS) |
							     (how->whole ? 0 : EVAL_ENDS));
	char *padded CLEANUP(freep) = mem_printf(" %s ", in);

	if (!wanted[strspn(wanted, " ")])
		return false;
	return how->whole ? !strcmp(in, wanted) : strstr(padded, wanted) != NULL;
}

static bool has_own_marks(const char *text) {
	char *kept CLEANUP(freep) = eval_normalize(text, strlen(text), EVAL_PLAIN);
	char *without CLEANUP(freep) = eval_normalize(text, strlen(text), EVAL_EMPHASIS);

	return strcmp(kept, without) != 0;
}

bool eval_says(const char *answer, size_t n, const char *text, const struct eval_search *how) {
	unsigned form = has_own_marks(text) ? EVAL_PLAIN : EVAL_EMPHASIS;

	if (says(answer, n, text, how, form) || says(answer, n, text, how, form | EVAL_GAPS))
		return true;
	if (!how->forbidden || form == EVAL_PLAIN)
		return false;
	return says(answer, n, text, how, EVAL_BARE) ||
		says(answer, n, text, how, EVAL_BARE | EVAL_GAPS);
}
