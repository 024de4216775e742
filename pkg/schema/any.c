/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "schema/internal.h"
#include "json/json.h"

#define MAX_KEYS 4096

static struct json *refuse(const struct schema_path *path, const struct yaml_node *n,
			   const char *what, struct diagnostics *c) {
	char *name CLEANUP(freep) = schema_path_text(path), shown[YAML_SHOWN];

	schema_diagnose(c, yaml_pos(n), "'%s' in '%s' %s", yaml_show(yaml_scalar(n, NULL), shown),
			name, what);
	return NULL;
}

/* Length of a JSON number at the start (RFC 8259, section 6), 0 if there is none. */
static size_t json_number_length(const char *s, bool *whole) {
	const char *p = s + (*s == '-');
	size_t digits = strspn(p, "0123456789");

	if (!digits || (digits > 1 && *p == '0'))
		return 0;
	p += digits;
	*whole = true;
	if (*p == '.' && strspn(p + 1, "0123456789")) {
		p += 1 + strspn(p + 1, "0123456789");
		*whole = false;
	}
	size_t sign = *p && (p[1] == '-' || p[1] == '+');
	if ((*p == 'e' || *p == 'E') && strspn(p + 1 + sign, "0123456789")) {
		p += 1 + sign + strspn(p + 1 + sign, "0123456789");
		*whole = false;
	}
	return (size_t) (p - s);
}

/* 0x1f, 0o17, 1_000, +5, 007, .inf: numbers to some readers of YAML and text to others. */
static bool is_odd_number(const char *s) {
	const char *p = s + (*s == '-' || *s == '+');

	if (!strcmp(p, ".inf") || !strcmp(p, ".nan"))
		return true;
	if (text_starts(p, "0x") || text_starts(p, "0o"))
		return p[2] && !p[2 + strspn(p + 2, "0123456789abcdefABCDEF_")];
	return *p >= '0' && *p <= '9' && !p[strspn(p, "0123456789_")];
}

static struct json *plain(const struct schema_path *path, const struct yaml_node *n, const char *s,
			  bool fractions, struct diagnostics *c) {
	bool whole = false;
	uint64_t u;

	if (!strcmp(s, "true") || !strcmp(s, "false"))
		return json_bool(*s == 't');
	size_t length = json_number_length(s, &whole);
	if (length && !s[length] && !whole)
		return fractions ? json_number(strtod(s, NULL)) : json_string(s);
	if (length && !s[length]) {
		if (!text_u64(s + (*s == '-'), &u) || u > UINT64_C(1) << 53)
			return refuse(path, n, "is too large, the maximum is 9007199254740992", c);
		return json_number(*s == '-' && u ? -(double) u : (double) u);
	}
	if (is_odd_number(s))
		return refuse(path, n,
			      "is not a plain decimal number, put it in quotes if it is text", c);
	return json_string(s);
}

static struct json *list(const struct schema_path *path, const struct yaml_node *n, bool fractions,
			 struct diagnostics *c) {
	struct json *out = json_array();

	for (size_t i = 0; i < yaml_count(n); i++) {
		struct schema_path here = {.up = path, .index = i};
		struct json *v = schema_any(&here, yaml_item(n, i), fractions, c);
		json_push(out, v ? v : json_null());
	}
	return out;
}

static struct json *mapping(const struct schema_path *path, const struct yaml_node *n,
			    bool fractions, struct diagnostics *c) {
	char *name CLEANUP(freep) = schema_path_text(path);
	struct json *out = json_object();

	if (yaml_count(n) > MAX_KEYS)
		schema_diagnose(c, yaml_pos(n), "'%s' has %zu entries, the maximum is %d", name,
				yaml_count(n), MAX_KEYS);
	for (size_t i = 0; i < yaml_count(n) && i < MAX_KEYS; i++) {
		const char *key = yaml_scalar(yaml_key(n, i), NULL);
		struct schema_path here = {.up = path, .key = key};
		struct json *v = schema_any(&here, yaml_value(n, i), fractions, c);
		if (v)
			json_set(out, key, v);
	}
	return out;
}

/* As deep as a document may be, so the recursion is bounded. */
struct json *schema_any(const struct schema_path *path, const struct yaml_node *n, bool fractions,
			struct diagnostics *c) {
	bool unquoted = false;
	const char *s = yaml_scalar(n, &unquoted);

	if (s)
		return unquoted ? plain(path, n, s, fractions, c) : json_string(s);
	if (yaml_kind(n) == YAML_SEQUENCE)
		return list(path, n, fractions, c);
	if (yaml_kind(n) == YAML_MAPPING)
		return mapping(path, n, fractions, c);
	return json_null();
}
