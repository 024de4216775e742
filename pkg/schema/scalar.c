/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "schema/internal.h"
#include "json/json.h"

#define MAX_WHOLE (INT64_C(1) << 53) /* what a JSON number holds exactly */

/* One value on its way from text to tree. */
struct value {
	const struct schema_path *path;
	const struct schema_field *field;
	const struct yaml_node *node;
	const char *text;
	bool plain;
	struct diagnostics *c;
};

static const char *const nouns[] = {
	[SCHEMA_STRING] = "text",
	[SCHEMA_NAME] = "a name",
	[SCHEMA_DIGEST] = "a SHA-256 of 64 hex digits",
	[SCHEMA_ENUM] = "a word",
	[SCHEMA_BOOL] = "true or false",
	[SCHEMA_INT] = "a whole number",
	[SCHEMA_BYTES] = "a size like 24GB or 16GiB",
	[SCHEMA_DURATION] = "a duration like 1500ms, 60s or 10m",
	[SCHEMA_BANDWIDTH] = "a bandwidth like 400GB/s",
	[SCHEMA_FRACTION] = "a fraction like 0.20",
	[SCHEMA_DECIMAL] = "a decimal number like 0.5",
	[SCHEMA_OBJECT] = "a mapping",
	[SCHEMA_MAP] = "a mapping",
	[SCHEMA_LIST] = "a list",
	[SCHEMA_ONE_OR_LIST] = "a value or a list",
	[SCHEMA_ANY] = "a value",
};

const char *schema_type_noun(enum schema_type type) {
	return nouns[type];
}

bool schema_is_choice(const char *const *choices, const char *word) {
	while (*choices && strcmp(*choices, word) != 0)
		choices++;
	return *choices;
}

char *schema_join(const char *const *words, size_t n) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&b, "%s%s", i ? i + 1 == n ? " or " : ", " : "", words[i]);
	return buf_steal(&b);
}

/* "'TEXT' in 'PATH' WHAT" */
static struct json *refuse(const struct value *v, const char *what) {
	char *name CLEANUP(freep) = schema_path_text(v->path), shown[YAML_SHOWN];

	schema_diagnose(v->c, yaml_pos(v->node), "'%s' in '%s' %s", yaml_show(v->text, shown), name,
			what);
	return NULL;
}

static struct json *string(const struct value *v) {
	if (*v->text || (v->field->flags & SCHEMA_EMPTY))
		return json_string(v->text);
	char *name CLEANUP(freep) = schema_path_text(v->path);
	schema_diagnose(v->c, yaml_pos(v->node), "'%s' is empty", name);
	return NULL;
}

static struct json *name(const struct value *v) {
	if (text_is_name(v->text))
		return json_string(v->text);
	return refuse(v,
		      "is not a name: lower-case letters, digits, '.', '_' and '-', at most 63, a "
		      "letter or digit first");
}

static struct json *digest(const struct value *v) {
	size_t n = strlen(v->text), hex = strspn(v->text, "0123456789abcdef"),
	       any = strspn(v->text, "0123456789abcdefABCDEF");
	char head[16];

	(void) snprintf(head, sizeof head, n > 12 ? "%.8s..." : "%.12s", v->text);
	if (n == 64 && hex == n)
		return json_string(v->text);
	struct pos at = yaml_pos(v->node);
	if (text_starts(v->text, "sha256:"))
		schema_diagnose(v->c, at,
				"'%s' has a prefix: write the 64 hex digits without 'sha256:'",
				head);
	else if (any < n)
		return refuse(v, "is not a SHA-256: it has other characters than hex digits");
	else if (n != 64)
		schema_diagnose(v->c, at, "'%s' has %zu hex digits, a SHA-256 has 64", head, n);
	else
		schema_diagnose(
			v->c, at,
			"'%s' has upper-case letters: write the 64 hex digits in lower case", head);
	return NULL;
}

static struct json *word(const struct value *v) {
	size_t n = 0;

	if (schema_is_choice(v->field->choices, v->text))
		return json_string(v->text);
	while (v->field->choices[n])
		n++;
	const char *near = text_nearest(v->text, v->field->choices, n);
	char *all CLEANUP(freep) = schema_join(v->field->choices, n);
	char *what CLEANUP(freep) = near ? mem_printf("is not known, did you mean '%s'?", near)
					 : mem_printf("is not known, use %s", all);
	return refuse(v, what);
}

/* Quotes make text of what must be a number or a truth value. */
static bool is_quoted(const struct value *v) {
	if (v->plain)
		return false;
	(void) refuse(v, "is in quotes, which makes it text: remove the quotes");
	return true;
}

static struct json *truth(const struct value *v) {
	if (is_quoted(v))
		return NULL;
	if (!strcmp(v->text, "true") || !strcmp(v->text, "false"))
		return json_bool(*v->text == 't');
	return refuse(v, "is not true or false");
}

static char *in_units(int64_t v, const char *const *names, const int64_t *factors) {
	while (*names && (v < *factors || v % *factors)) {
		names++;
		factors++;
	}
	return mem_printf("%" PRId64 "%s", *names ? v / *factors : v, *names ? *names : "");
}

/* A bound as the user would write it. */
static char *bound(enum schema_type type, int64_t v) {
	static const char *const sizes[] = {"TiB", "TB",  "GiB", "GB", "MiB",
					    "MB",  "KiB", "kB",  "B",  NULL};
	static const int64_t bytes[] = {
		INT64_C(1) << 40, 1000000000000, 1 << 30, 1000000000, 1 << 20,
		1000000,          1024,          1000,    1};
	static const char *const times[] = {"h", "m", "s", "ms", NULL};
	static const int64_t ms[] = {3600000, 60000, 1000, 1};

	if (type == SCHEMA_DURATION)
		return in_units(v, times, ms);
	if (type == SCHEMA_FRACTION)
		return mem_printf("%" PRId64 ".%02" PRId64, v / 100, v % 100);
	if (type != SCHEMA_BYTES && type != SCHEMA_BANDWIDTH)
		return mem_printf("%" PRId64, v);
	char *size CLEANUP(freep) = in_units(v, sizes, bytes);
	return mem_printf("%s%s", size, type == SCHEMA_BANDWIDTH ? "/s" : "");
}

static bool is_in_range(const struct value *v, int64_t number, int64_t scale) {
	const struct schema_field *f = v->field;
	int64_t most = f->max ? f->max : MAX_WHOLE / scale;

	if (number >= f->min * scale && number <= most * scale)
		return true;
	bool small = number < f->min * scale;
	char *limit CLEANUP(freep) = bound(f->type, small ? f->min : most);
	char *what CLEANUP(freep) = mem_printf(small ? "is too small, the minimum is %s"
						     : "is too large, the maximum is %s",
					       limit);
	(void) refuse(v, what);
	return false;
}

static struct json *number_in_range(const struct value *v, int64_t number) {
	return is_in_range(v, number, 1) ? json_number((double) number) : NULL;
}

static int64_t capped(uint64_t v) {
	return v > (uint64_t) MAX_WHOLE ? MAX_WHOLE + 1 : (int64_t) v;
}

static struct json *whole(const struct value *v) {
	bool minus = *v->text == '-';
	size_t n = strspn(v->text + minus, "0123456789");
	uint64_t u = UINT64_MAX;

	if (is_quoted(v))
		return NULL;
	if (!n || v->text[minus + n] || (n > 1 && v->text[minus] == '0'))
		return refuse(v, "is not a whole number, write decimal digits only, like 4096");
	if (!text_u64(v->text + minus, &u))
		u = UINT64_MAX;
	return number_in_range(v, minus ? -capped(u) : capped(u));
}

static struct json *bytes(const struct value *v) {
	uint64_t u;

	if (text_bytes(v->text, &u))
		return number_in_range(v, capped(u));
	return refuse(
		v,
		"is not a size, write whole bytes with a unit, like 24GB (10^9) or 16GiB (2^30)");
}

static struct json *duration(const struct value *v) {
	uint64_t u;

	if (text_duration_ms(v->text, &u))
		return number_in_range(v, capped(u));
	return refuse(v, "is not a duration, write it with a unit, like 1500ms, 60s, 10m or 2h");
}

static struct json *bandwidth(const struct value *v) {
	size_t n = strlen(v->text);
	char *size CLEANUP(freep) = mem_strndup(v->text, text_ends(v->text, "/s") ? n - 2 : 0);
	uint64_t u;

	if (text_bytes(size, &u))
		return number_in_range(v, capped(u));
	return refuse(v, "is not a bandwidth, write it with a unit, like 400GB/s");
}

/* Digits before and after the point; false if it is anything else. */
static bool decimal_parts(const char *s, size_t *before, size_t *after) {
	*before = strspn(s, "0123456789");
	*after = s[*before] == '.' ? strspn(s + *before + 1, "0123456789") : 0;
	return *before && *before <= 9 && *after <= 9 && (s[*before] != '.' || *after) &&
		!s[*before + (*after ? *after + 1 : 0)];
}

static int64_t scaled(const char *s, size_t before, size_t after, size_t places) {
	int64_t v = 0;

	for (size_t i = 0; i < before; i++)
		v = v * 10 + (s[i] - '0');
	for (size_t i = 0; i < places; i++)
		v = v * 10 + (i < after ? s[before + 1 + i] - '0' : 0);
	return v;
}

static struct json *fraction(const struct value *v) {
	size_t before, after;

	if (is_quoted(v))
		return NULL;
	if (!decimal_parts(v->text, &before, &after))
		return refuse(v, "is not a fraction, write 0.20 for 20 percent");
	if (after > 2)
		return refuse(v, "has more than two decimals");
	return number_in_range(v, scaled(v->text, before, after, 2));
}

static struct json *decimal(const struct value *v) {
	bool minus = *v->text == '-';
	const char *s = v->text + minus;
	size_t before, after;

	if (is_quoted(v))
		return NULL;
	if (!decimal_parts(s, &before, &after))
		return refuse(v, "is not a decimal number, write digits with a point, like 0.5");
	int64_t nano = scaled(s, before, after, 9);
	if (!is_in_range(v, minus ? -nano : nano, 1000000000))
		return NULL;
	while (after > 1 && s[before + after] == '0')
		after--;
	char *text CLEANUP(freep) = mem_printf("%s%" PRId64 ".%.*s", minus && nano ? "-" : "",
					       nano / 1000000000, after ? (int) after : 1,
					       after ? s + before + 1 : "0");
	return json_string(text);
}

struct json *schema_scalar(const struct schema_path *path, const struct schema_field *f,
			   const struct yaml_node *n, struct diagnostics *c) {
	static struct json *(*const readers[])(const struct value *v) = {
		[SCHEMA_STRING] = string,       [SCHEMA_NAME] = name,
		[SCHEMA_DIGEST] = digest,       [SCHEMA_ENUM] = word,
		[SCHEMA_BOOL] = truth,          [SCHEMA_INT] = whole,
		[SCHEMA_BYTES] = bytes,         [SCHEMA_DURATION] = duration,
		[SCHEMA_DECIMAL] = decimal,     [SCHEMA_FRACTION] = fraction,
		[SCHEMA_BANDWIDTH] = bandwidth,
	};
	struct value v = {.path = path, .field = f, .node = n, .c = c};

	v.text = yaml_scalar(n, &v.plain);
	return readers[f->type](&v);
}
