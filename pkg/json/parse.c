/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include <cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#define DEPTH_MAX 100
#define REPLACEMENT 0xfffd

/* Who wrote the text, and so what it may have in it. */
enum dialect {
	RFC_8259, /* what the getters can hold */
	GRAMMAR,  /* all that the grammar of RFC 8259 says; the tree is thrown away */
	PYTHON,   /* and what Python's json.dump() writes beyond it */
};

struct reader {
	const char *s;
	size_t n, at;
	enum dialect dialect;
	int depth;
	struct buf word; /* the text or number that is being read */
	struct err *e;
};

static cJSON *or_abort(cJSON *c) {
	if (!c)
		abort(); /* out of memory */
	return c;
}

/* NULL, so that a reading function can end with it. `why` may be NULL. */
static cJSON *fault(struct reader *r, size_t at, const char *why) {
	(void) err_set(r->e, ERR_SYS, "not JSON at byte %zu%s%s", at, why ? ": " : "",
		       why ? why : "");
	return NULL;
}

static int peek(const struct reader *r) {
	return r->at < r->n ? (unsigned char) r->s[r->at] : -1;
}

static bool take(struct reader *r, const char *word) {
	size_t n = strlen(word);

	if (r->n - r->at < n || memcmp(r->s + r->at, word, n) != 0)
		return false;
	r->at += n;
	return true;
}

static void skip_blanks(struct reader *r) {
	while (r->at < r->n && memchr(" \t\n\r", r->s[r->at], 4))
		r->at++;
}

static size_t digits(struct reader *r) {
	size_t from = r->at;

	while (peek(r) >= '0' && peek(r) <= '9')
		r->at++;
	return r->at - from;
}

/* --- texts --- */

static int hex4(const struct reader *r, size_t at, unsigned *out) {
	*out = 0;
	if (r->n - at < 4)
		return -1;
	for (size_t i = at; i < at + 4; i++) {
		unsigned char c = (unsigned char) r->s[i];
		if (c >= '0' && c <= '9')
			*out = *out * 16 + (c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			*out = *out * 16 + ((c | 32) - 'a' + 10u);
		else
			return -1;
	}
	return 0;
}

static void put_rune(struct buf *b, unsigned c) {
	if (c < 0x80) {
		(void) buf_putc(b, (char) c);
		return;
	}
	if (c < 0x800) {
		(void) buf_putc(b, (char) (0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			(void) buf_putc(b, (char) (0xe0 | c >> 12));
		} else {
			(void) buf_putc(b, (char) (0xf0 | c >> 18));
			(void) buf_putc(b, (char) (0x80 | (c >> 12 & 63)));
		}
		(void) buf_putc(b, (char) (0x80 | (c >> 6 & 63)));
	}
	(void) buf_putc(b, (char) (0x80 | (c & 63)));
}

/* From behind "\u". A pair of surrogates is one character; half a pair is none. */
static int unicode_escape(struct reader *r, unsigned *out) {
	size_t start = r->at - 2;
	unsigned c, low;

	if (hex4(r, r->at, &c)) {
		(void) fault(r, start, "a \\u without four hexadecimal digits");
		return -1;
	}
	r->at += 4;
	if (c >= 0xd800 && c < 0xdc00 && r->n - r->at >= 6 && !memcmp(r->s + r->at, "\\u", 2) &&
	    !hex4(r, r->at + 2, &low) && low >= 0xdc00 && low < 0xe000) {
		r->at += 6;
		*out = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		return 0;
	}
	bool half = c >= 0xd800 && c < 0xe000;
	if (half && r->dialect != PYTHON) {
		(void) fault(r, start, "half of a surrogate pair");
		return -1;
	}
	if (!c && r->dialect == RFC_8259) {
		(void) fault(r, start, "a NUL in a text");
		return -1;
	}
	*out = half || !c ? REPLACEMENT : c;
	return 0;
}

static int escape(struct reader *r) {
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int c = r->at + 1 < r->n ? (unsigned char) r->s[r->at + 1] : -1;
	const char *known = c > 0 ? strchr(from, c) : NULL;
	unsigned rune;

	r->at += 2;
	if (known) {
		(void) buf_putc(&r->word, to[known - from]);
		return 0;
	}
	if (c != 'u') {
		(void) fault(r, r->at - 2, "a backslash before something that needs none");
		return -1;
	}
	if (unicode_escape(r, &rune))
		return -1;
	put_rune(&r->word, rune);
	return 0;
}

/* From the opening quote to behind the closing one; what it says is then in r->word. */
static int read_text(struct reader *r) {
	size_t start = r->at++;

	buf_reset(&r->word);
	for (;;) {
		int c = peek(r);
		if (c < 0) {
			(void) fault(r, start, "a text without its closing quote");
			return -1;
		}
		if (c < 0x20) {
			(void) fault(r, r->at,
				     "a control character in a text, which must be escaped");
			return -1;
		}
		if (c == '"') {
			r->at++;
			return 0;
		}
		if (c == '\\' && escape(r))
			return -1;
		if (c != '\\')
			(void) buf_putc(&r->word, r->s[r->at++]);
	}
}

static cJSON *text_value(struct reader *r) {
	if (read_text(r))
		return NULL;
	return or_abort(cJSON_CreateString(buf_str(&r->word)));
}

/* --- numbers --- */

static cJSON *number_value(struct reader *r) {
	size_t start = r->at;

	(void) take(r, "-");
	if (!take(r, "0") && !digits(r))
		return fault(r, r->at, NULL);
	if (peek(r) >= '0' && peek(r) <= '9')
		return fault(r, start, "a number that begins with 0");
	if (take(r, ".") && !digits(r))
		return fault(r, r->at, "a number without digits behind its point");
	if (take(r, "e") || take(r, "E")) {
		if (!take(r, "+"))
			(void) take(r, "-");
		if (!digits(r))
			return fault(r, r->at, "a number without digits in its exponent");
	}
	buf_reset(&r->word);
	(void) buf_add(&r->word, r->s + start, r->at - start);
	double v = strtod(buf_str(&r->word), NULL);
	if (isfinite(v))
		return or_abort(cJSON_CreateNumber(v));
	if (r->dialect == RFC_8259)
		return fault(r, start, "a number beyond what a double can hold");
	return or_abort(cJSON_CreateNull());
}

/* --- values --- */

static cJSON *value(struct reader *r);

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The header of a large model is one object with 100,000 keys. */
static int check_keys(const cJSON *c, size_t n, struct err *e) {
	const char **keys CLEANUP(freep) = n > 1 ? mem_zalloc(n, sizeof *keys) : NULL;

	if (!keys)
		return 0;
	n = 0;
	for (const cJSON *k = c->child; k; k = k->next)
		keys[n++] = k->string;
	qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			return err_set(e, ERR_SYS, "JSON with the key '%.60s' twice", keys[i]);
	return 0;
}

static int member(struct reader *r, cJSON *object) {
	skip_blanks(r);
	if (peek(r) != '"') {
		(void) fault(r, r->at, NULL);
		return -1;
	}
	if (read_text(r))
		return -1;
	char *key CLEANUP(freep) = mem_strndup(buf_str(&r->word), r->word.len);
	skip_blanks(r);
	if (!take(r, ":")) {
		(void) fault(r, r->at, NULL);
		return -1;
	}
	cJSON *v = value(r);
	if (!v)
		return -1;
	if (!cJSON_AddItemToObject(object, key, v))
		abort();
	return 0;
}

static int element(struct reader *r, cJSON *array) {
	cJSON *v = value(r);

	if (!v)
		return -1;
	(void) cJSON_AddItemToArray(array, v);
	return 0;
}

/* From behind the opening bracket; `n` counts what is in it. */
static int members(struct reader *r, cJSON *c, bool object, size_t *n) {
	const char *end = object ? "}" : "]";

	skip_blanks(r);
	if (take(r, end))
		return 0;
	for (*n = 1;; ++*n) {
		if (object ? member(r, c) : element(r, c))
			return -1;
		skip_blanks(r);
		if (take(r, end))
			return 0;
		if (!take(r, ",")) {
			(void) fault(r, r->at, NULL);
			return -1;
		}
	}
}

static cJSON *collection(struct reader *r, bool object) {
	cJSON *c = or_abort(object ? cJSON_CreateObject() : cJSON_CreateArray());
	size_t n = 0;

	r->at++;
	if (++r->depth > DEPTH_MAX) {
		(void) err_set(r->e, ERR_SYS, "JSON nested more than %d deep", DEPTH_MAX);
		cJSON_Delete(c);
		return NULL;
	}
	int failed = members(r, c, object, &n);
	r->depth--;
	if (failed || (object && check_keys(c, n, r->e))) {
		cJSON_Delete(c);
		return NULL;
	}
	return c;
}

static bool take_constant(struct reader *r) {
	if (r->dialect != PYTHON)
		return false;
	return take(r, "NaN") || take(r, "Infinity") || take(r, "-Infinity");
}

static cJSON *value(struct reader *r) {
	skip_blanks(r);
	int c = peek(r);

	if (c == '{' || c == '[')
		return collection(r, c == '{');
	if (c == '"')
		return text_value(r);
	if (take(r, "true"))
		return or_abort(cJSON_CreateTrue());
	if (take(r, "false"))
		return or_abort(cJSON_CreateFalse());
	if (take(r, "null") || take_constant(r))
		return or_abort(cJSON_CreateNull());
	if (c == '-' || (c >= '0' && c <= '9'))
		return number_value(r);
	if (c == 0xef && take(r, "\xef\xbb\xbf"))
		return fault(r, r->at - 3, "a byte order mark");
	return fault(r, r->at, NULL);
}

static int parse(const char *text, size_t n, enum dialect dialect, struct json **out,
		 struct err *e) {
	text = n ? text : ""; /* nothing may stand at no address */
	if (!text_is_utf8(text, n))
		return err_set(e, ERR_SYS, "JSON that is not UTF-8 text");
	struct buf word CLEANUP(buf_done) = BUF_INIT(n + 1);
	struct reader r = {.s = text, .n = n, .dialect = dialect, .word = word, .e = e};
	cJSON *c = value(&r);
	word = r.word;
	if (!c)
		return -1;
	skip_blanks(&r);
	if (r.at < n) {
		(void) fault(&r, r.at, NULL);
		cJSON_Delete(c);
		return -1;
	}
	*out = (struct json *) c;
	return 0;
}

int json_parse(const char *text, size_t n, struct json **out, struct err *e) {
	return parse(text, n, RFC_8259, out, e);
}

int json_parse_python(const char *text, size_t n, struct json **out, struct err *e) {
	return parse(text, n, PYTHON, out, e);
}

int json_check(const char *text, size_t n, struct err *e) {
	struct json *tree CLEANUP(json_freep) = NULL;

	return parse(text, n, GRAMMAR, &tree, e);
}
