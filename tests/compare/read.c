/* SPDX-License-Identifier: Apache-2.0 */
/* usage: read <FILES >ANSWERS      what our readers make of many files, for the comparison with
 * other readers
 *
 * A file is "KIND LENGTH\n" and its bytes; KIND is json, python, grammar or yaml. An answer is
 * "LENGTH\n" and one JSON value: {"ok": true, "value": ...} or {"ok": false, "why": "..."}. The
 * value of YAML is a tree of its nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "yaml/yaml.h"
#include "json/json.h"

#define LONGEST ((size_t) 4 << 20)

static struct json *refused(const char *why) {
	struct json *o = json_object();

	json_set_bool(o, "ok", false);
	json_set_str(o, "why", why);
	return o;
}

static struct json *taken(struct json *value) {
	struct json *o = json_object();

	json_set_bool(o, "ok", true);
	json_set(o, "value", value ? value : json_null());
	return o;
}

static struct json *read_json(const char *kind, const char *text, size_t n) {
	struct json *value = NULL;
	struct err why = {0};
	int failed = 0;

	if (!strcmp(kind, "grammar"))
		failed = json_check(text, n, &why);
	else if (!strcmp(kind, "python"))
		failed = json_parse_python(text, n, &value, &why);
	else
		failed = json_parse(text, n, &value, &why);
	return failed ? refused(why.msg) : taken(value);
}

/* null, ["plain", TEXT], ["quoted", TEXT], ["list", ...], ["map", KEY, VALUE, ...] */
static struct json *tree(const struct yaml_node *n) {
	bool plain = false;
	const char *text = yaml_scalar(n, &plain);
	struct json *out = NULL;

	if (yaml_kind(n) == YAML_NULL)
		return json_null();
	out = json_array();
	if (text) {
		json_push_str(out, plain ? "plain" : "quoted");
		json_push_str(out, text);
		return out;
	}
	json_push_str(out, yaml_kind(n) == YAML_MAPPING ? "map" : "list");
	for (size_t i = 0; i < yaml_count(n); i++) {
		if (yaml_kind(n) == YAML_MAPPING)
			json_push(out, tree(yaml_key(n, i)));
		json_push(out,
			  tree(yaml_kind(n) == YAML_MAPPING ? yaml_value(n, i) : yaml_item(n, i)));
	}
	return out;
}

static struct json *read_yaml(const char *text, size_t n) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	struct diagnostics all CLEANUP(diagnostics_done) = {0};
	struct err e = {0};

	if (yaml_parse("f", text, n, &y, &all, &e) || all.n) {
		char *why CLEANUP(freep) = mem_printf("%d:%d: %s", all.at[0].line, all.at[0].col,
						      all.at[0].message);
		return refused(why);
	}
	return taken(tree(yaml_root(y)));
}

int main(void) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(64 << 20);
	char kind[16];
	size_t n;

	while (scanf("%15s %zu", kind, &n) == 2 && n <= LONGEST && getchar() == '\n') {
		char *text CLEANUP(freep) = mem_zalloc(n + 1, 1);
		if (fread(text, 1, n, stdin) != n)
			return EXIT_FAILURE;
		struct json *answer CLEANUP(json_freep) = strcmp(kind, "yaml") != 0
			? read_json(kind, text, n)
			: read_yaml(text, n);
		buf_reset(&out);
		json_print(answer, &out);
		(void) printf("%zu\n%s", out.len, buf_str(&out));
	}
	return feof(stdin) && !out.cut ? EXIT_SUCCESS : EXIT_FAILURE;
}
