/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "schema/schema.h"
#include "json/json.h"

static const char *const colours[] = {"red", "green", "blue", NULL}, *const one[] = {"v1", NULL},
			 *const automatic[] = {"auto", NULL};
static const struct schema_field device[] = {
	{.key = "memory", .type = SCHEMA_BYTES, .flags = SCHEMA_REQUIRED, .doc = "How much."},
	{.key = "speed", .type = SCHEMA_BANDWIDTH, .min = 1000},
	{0},
};
static const struct schema_field nested[] = {
	{.key = "wait", .type = SCHEMA_DURATION, .fallback = "10m", .min = 1000, .max = 86400000},
	{.key = "share", .type = SCHEMA_FRACTION, .fallback = "0.20", .max = 90},
	{0},
};
static const char *const instead[] = {"other", NULL};
static const struct schema_field spare[] = {
	{.key = "must", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .unless = instead},
	{.key = "other", .type = SCHEMA_STRING},
	{0},
};
static const struct schema_field closed[] = {
	{.key = "url", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED}, {0}};
static const struct schema_field either[] = {
	{.key = "has", .type = SCHEMA_ONE_OR_LIST, .max = 3},
	{.key = "limit", .type = SCHEMA_INT, .fallback = "7"},
	{0},
};
static const struct schema_field whole = {.type = SCHEMA_INT};
static const struct schema_field check = {.type = SCHEMA_OBJECT,
					  .flags = SCHEMA_ONE_KEY,
					  .fields = either};
static const struct schema_field source = {.type = SCHEMA_OBJECT,
					   .flags = SCHEMA_OR_TEXT,
					   .fields = closed};
static const struct schema_field table[] = {
	{.key = "api", .type = SCHEMA_ENUM, .flags = SCHEMA_REQUIRED, .choices = one},
	{.key = "name", .type = SCHEMA_NAME},
	{.key = "digest", .type = SCHEMA_DIGEST},
	{.key = "text", .type = SCHEMA_STRING},
	{.key = "note", .type = SCHEMA_STRING, .flags = SCHEMA_EMPTY},
	{.key = "colour", .type = SCHEMA_ENUM, .choices = colours},
	{.key = "on", .type = SCHEMA_BOOL},
	{.key = "count", .type = SCHEMA_INT, .min = 1, .max = 100},
	{.key = "shift", .type = SCHEMA_INT, .min = -5},
	{.key = "size", .type = SCHEMA_BYTES, .max = 1 << 30},
	{.key = "scale", .type = SCHEMA_DECIMAL, .min = -10, .max = 10},
	{.key = "device",
	 .type = SCHEMA_OBJECT,
	 .fallback = "auto",
	 .choices = automatic,
	 .fields = device},
	{.key = "nested", .type = SCHEMA_OBJECT, .fields = nested, .doc = "Things with defaults."},
	{.key = "closed", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = closed},
	{.key = "list", .type = SCHEMA_LIST, .element = &whole, .max = 3},
	{.key = "checks", .type = SCHEMA_LIST, .element = &check, .min = 1},
	{.key = "files", .type = SCHEMA_MAP, .element = &source, .min = 1},
	{.key = "any", .type = SCHEMA_ANY},
	{.key = "spare", .type = SCHEMA_OBJECT, .flags = SCHEMA_OPTIONAL, .fields = spare},
	{0},
};

/* What the table gives for api alone. */
#define DEFAULTS "\"device\":\"auto\",\"nested\":{\"wait\":600000,\"share\":20}"
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *name, *text, *tree, *diagnostics;
} cases[] = {
	{"only what must be there", "", "", ""},
	{"required unless", "spare: {other: x}", "\"spare\":{\"other\":\"x\"}", ""},
	{"required, and nothing in its place", "spare: {}", "\"spare\":{}",
	 "2:8: 'spare.must' is missing"},
	{"name", "name: a.b-1_c", "\"name\":\"a.b-1_c\"", ""},
	{"name that looks like a number", "name: 1.10", "\"name\":\"1.10\"", ""},
	{"name with capitals", "name: A", "",
	 "2:7: 'A' in 'name' is not a name: lower-case letters, digits, '.', '_' and '-', at most "
	 "63, a letter or digit first"},
	{"digest", "digest: " SHA, "\"digest\":\"" SHA "\"", ""},
	{"digest in capitals",
	 "digest: 3F0C456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "",
	 "2:9: '3F0C4567...' has upper-case letters: write the 64 hex digits in lower case"},
	{"digest too short", "digest: 3f0c", "", "2:9: '3f0c' has 4 hex digits, a SHA-256 has 64"},
	{"digest too long", "digest: " SHA "0", "",
	 "2:9: '01234567...' has 65 hex digits, a SHA-256 has 64"},
	{"digest with other characters", "digest: 3f0g", "",
	 "2:9: '3f0g' in 'digest' is not a SHA-256: it has other characters than hex digits"},
	{"digest with a prefix", "digest: sha256:" SHA, "",
	 "2:9: 'sha256:0...' has a prefix: write the 64 hex digits without 'sha256:'"},
	{"digest without value", "digest:", "", "2:1: 'digest' has no value"},
	{"text", "text: true", "\"text\":\"true\"", ""},
	{"empty text", "text: ''", "", "2:7: 'text' is empty"},
	{"text that may be empty", "note: ''", "\"note\":\"\"", ""},
	{"list for text", "text: [a]", "", "2:7: 'text' must be text, not a list"},
	{"mapping for text", "text: {a: b}", "", "2:7: 'text' must be text, not a mapping"},
	{"word", "colour: red", "\"colour\":\"red\"", ""},
	{"word with a typo", "colour: gren", "",
	 "2:9: 'gren' in 'colour' is not known, did you mean 'green'?"},
	{"unknown word", "colour: ultraviolet", "",
	 "2:9: 'ultraviolet' in 'colour' is not known, use red, green or blue"},
	{"true", "on: true", "\"on\":true", ""},
	{"false", "on: false", "\"on\":false", ""},
	{"yes", "on: yes", "", "2:5: 'yes' in 'on' is not true or false"},
	{"True", "on: True", "", "2:5: 'True' in 'on' is not true or false"},
	{"quoted truth", "on: 'true'", "",
	 "2:5: 'true' in 'on' is in quotes, which makes it text: remove the quotes"},
	{"whole number", "count: 100", "\"count\":100", ""},
	{"hexadecimal", "count: 0x10", "",
	 "2:8: '0x10' in 'count' is not a whole number, write decimal digits only, like 4096"},
	{"underscore", "count: 1_0", "",
	 "2:8: '1_0' in 'count' is not a whole number, write decimal digits only, like 4096"},
	{"leading zero", "count: 010", "",
	 "2:8: '010' in 'count' is not a whole number, write decimal digits only, like 4096"},
	{"plus", "count: +1", "",
	 "2:8: '+1' in 'count' is not a whole number, write decimal digits only, like 4096"},
	{"with a fraction", "count: 1.0", "",
	 "2:8: '1.0' in 'count' is not a whole number, write decimal digits only, like 4096"},
	{"quoted number", "count: \"1\"", "",
	 "2:8: '1' in 'count' is in quotes, which makes it text: remove the quotes"},
	{"too small", "count: 0", "", "2:8: '0' in 'count' is too small, the minimum is 1"},
	{"negative", "count: -1", "", "2:8: '-1' in 'count' is too small, the minimum is 1"},
	{"too large", "count: 101", "", "2:8: '101' in 'count' is too large, the maximum is 100"},
	{"negative where it may be", "shift: -5", "\"shift\":-5", ""},
	{"beyond every number", "shift: 99999999999999999999999", "",
	 "2:8: '99999999999999999999999' in 'shift' is too large, the maximum is 9007199254740992"},
	{"decimal size", "size: 1.5MB", "\"size\":1500000", ""},
	{"binary size", "size: '1GiB'", "\"size\":1073741824", ""},
	{"size too large", "size: 2GB", "",
	 "2:7: '2GB' in 'size' is too large, the maximum is 1GiB"},
	{"size without unit", "size: 24", "",
	 "2:7: '24' in 'size' is not a size, write whole bytes with a unit, like 24GB (10^9) or "
	 "16GiB (2^30)"},
	{"size with a blank", "size: 24 GB", "",
	 "2:7: '24 GB' in 'size' is not a size, write whole bytes with a unit, like 24GB (10^9) or "
	 "16GiB (2^30)"},
	{"decimal", "scale: 1", "\"scale\":\"1.0\"", ""},
	{"decimal with zeros", "scale: 0.500", "\"scale\":\"0.5\"", ""},
	{"decimal, negative", "scale: -00.25", "\"scale\":\"-0.25\"", ""},
	{"decimal, negative zero", "scale: -0", "\"scale\":\"0.0\"", ""},
	{"decimal without digits before", "scale: .5", "",
	 "2:8: '.5' in 'scale' is not a decimal number, write digits with a point, like 0.5"},
	{"decimal with exponent", "scale: 1e3", "",
	 "2:8: '1e3' in 'scale' is not a decimal number, write digits with a point, like 0.5"},
	{"decimal too large", "scale: 10.01", "",
	 "2:8: '10.01' in 'scale' is too large, the maximum is 10"},
	{"decimal too small", "scale: -10.01", "",
	 "2:8: '-10.01' in 'scale' is too small, the minimum is -10"},
	{"object for a word", "device: {memory: 24GB, speed: 400GB/s}",
	 "\"device\":{\"memory\":24000000000,\"speed\":400000000000},\"nested\":{\"wait\":600000,"
	 "\"share\":20}",
	 ""},
	{"speed without time", "device: {memory: 24GB, speed: 400GB}", NULL,
	 "2:31: '400GB' in 'device.speed' is not a bandwidth, write it with a unit, like 400GB/s"},
	{"speed too small", "device: {memory: 24GB, speed: 1B/s}", NULL,
	 "2:31: '1B/s' in 'device.speed' is too small, the minimum is 1kB/s"},
	{"unknown word for an object", "device: gpu", NULL,
	 "2:9: 'gpu' in 'device' is not known, use auto, or a mapping with memory or speed"},
	{"object without what it needs", "device: {speed: 400GB/s}", NULL,
	 "2:9: 'device.memory' is missing"},
	{"list for an object", "nested: [a]", NULL, "2:9: 'nested' must be a mapping, not a list"},
	{"text for an object", "nested: a", NULL, "2:9: 'nested' must be a mapping, not 'a'"},
	{"nothing for an object", "nested:", NULL, "2:1: 'nested' has no value"},
	{"object in part", "nested: {wait: 1.5s}",
	 "\"device\":\"auto\",\"nested\":{\"wait\":1500,\"share\":20}", ""},
	{"duration too short", "nested: {wait: 10ms}", NULL,
	 "2:16: '10ms' in 'nested.wait' is too small, the minimum is 1s"},
	{"duration too long", "nested: {wait: 25h}", NULL,
	 "2:16: '25h' in 'nested.wait' is too large, the maximum is 24h"},
	{"duration without unit", "nested: {wait: 10}", NULL,
	 "2:16: '10' in 'nested.wait' is not a duration, write it with a unit, like 1500ms, 60s, "
	 "10m or 2h"},
	{"fraction", "nested: {share: 0.9}",
	 "\"device\":\"auto\",\"nested\":{\"wait\":600000,\"share\":90}", ""},
	{"fraction too large", "nested: {share: 0.91}", NULL,
	 "2:17: '0.91' in 'nested.share' is too large, the maximum is 0.90"},
	{"percent", "nested: {share: 20%}", NULL,
	 "2:17: '20%' in 'nested.share' is not a fraction, write 0.20 for 20 percent"},
	{"percent without sign", "nested: {share: 20}", NULL,
	 "2:17: '20' in 'nested.share' is too large, the maximum is 0.90"},
	{"fine fraction", "nested: {share: 0.125}", NULL,
	 "2:17: '0.125' in 'nested.share' has more than two decimals"},
	{"optional object", "closed: {url: u}", "\"closed\":{\"url\":\"u\"}", ""},
	{"optional object without what it needs", "closed: {}", NULL,
	 "2:9: 'closed.url' is missing"},
	{"list", "list: [1, 2]", "\"list\":[1,2]", ""},
	{"empty list", "list: []", "\"list\":[]", ""},
	{"long list", "list: [1, 2, 3, 4]", "", "2:7: 'list' has 4 entries, the maximum is 3"},
	{"number for a list", "list: 1", "", "2:7: 'list' must be a list, not '1'"},
	{"a fault in a list", "list: [1, b]", NULL,
	 "2:11: 'b' in 'list[1]' is not a whole number, write decimal digits only, like 4096"},
	{"one or many: one", "checks: [has: x]", "\"checks\":[{\"has\":[\"x\"]}]", ""},
	{"one or many: many", "checks: [{has: [x, y]}, {limit: 3}]",
	 "\"checks\":[{\"has\":[\"x\",\"y\"]},{\"limit\":3}]", ""},
	{"one or many: none", "checks: [has: []]", NULL, "2:15: 'checks[0].has' is empty"},
	{"two keys for one", "checks: [{has: x, limit: 1}]", NULL,
	 "2:10: 'checks[0]' must have exactly one key, it has 2"},
	{"no items", "checks: []", "", "2:9: 'checks' is empty"},
	{"map", "files: {A-1: text, b: {url: u}}",
	 "\"files\":{\"A-1\":\"text\",\"b\":{\"url\":\"u\"}}", ""},
	{"a fault in a map", "files: {a: {urls: u}}", NULL,
	 "2:13: unknown key 'urls', did you mean 'url'?"},
	{"empty map", "files: {}", "", "2:8: 'files' is empty"},
	{"list for a map", "files: [a]", "", "2:8: 'files' must be a mapping, not a list"},
	{"anything", "any: {a: [1, -2, 0.5, 1e3, true, false, ~, x, '1', yes, 1.2.3], b: {}}",
	 "\"any\":{\"a\":[1,-2,\"0.5\",\"1e3\",true,false,null,\"x\",\"1\",\"yes\",\"1.2.3\"],"
	 "\"b\":{}}",
	 ""},
	{"odd numbers", "any: [0x1f, 0o17, 1_000, +5, 007, -.inf, .nan]", NULL,
	 "2:7: '0x1f' in 'any[0]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:13: '0o17' in 'any[1]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:19: '1_000' in 'any[2]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:26: '+5' in 'any[3]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:30: '007' in 'any[4]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:35: '-.inf' in 'any[5]' is not a plain decimal number, put it in quotes if it is text\n"
	 "2:42: '.nan' in 'any[6]' is not a plain decimal number, put it in quotes if it is text"},
	{"a huge number anywhere", "any: {n: 9007199254740993}", NULL,
	 "2:10: '9007199254740993' in 'any.n' is too large, the maximum is 9007199254740992"},
	{"unknown key", "zzzzzzzzzz: 1", "",
	 "2:1: unknown key 'zzzzzzzzzz', known here: api, name, digest, text, note, colour, on, "
	 "count, shift, size, scale, device, "
	 "nested, closed, list, checks, files, any or spare"},
	{"a key that is there is not suggested", "on: true\ndigest: " SHA "\ndigesst: x",
	 "\"on\":true,\"digest\":\"" SHA "\"",
	 "4:1: unknown key 'digesst', known here: api, name, digest, text, note, colour, on, "
	 "count, shift, size, scale, device, "
	 "nested, closed, list, checks, files, any or spare"},
	{"control characters", "\"a\\u001bb\": 1", "", NULL},
	{"several, in the order of the file", "on: 1\ncolour: x\ncuont: 3\nnested: {wait: 1}", NULL,
	 "2:5: '1' in 'on' is not true or false\n"
	 "3:9: 'x' in 'colour' is not known, use red, green or blue\n"
	 "4:1: unknown key 'cuont', did you mean 'count'?\n"
	 "5:16: '1' in 'nested.wait' is not a duration, write it with a unit, like 1500ms, 60s, "
	 "10m or 2h"},
};

static void show_diagnostics(struct diagnostics *c, struct buf *out) {
	diagnostics_sort(c);
	for (size_t i = 0; i < c->n; i++)
		(void) buf_printf(out, "%s%d:%d: %s", i ? "\n" : "", c->at[i].line, c->at[i].col,
				  c->at[i].message);
}

/* The tree that the row expects: its own keys, where it does not name the defaults these too. */
static struct json *expected(const char *own) {
	char *text CLEANUP(freep) = mem_printf("{\"api\":\"v1\"%s%s%s}", *own ? "," : "", own,
					       strstr(own, "nested") ? "" : "," DEFAULTS);
	struct json *j = NULL;
	struct err e = {0};

	if (json_parse(text, strlen(text), &j, &e))
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void test_values(void **state) {
	(void) state;
	EACH_CASE (c, cases) {
		char *text CLEANUP(freep) = mem_printf("api: v1\n%s\n", c->text);
		struct yaml *y CLEANUP(yaml_freep) = NULL;
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct buf said CLEANUP(buf_done) = BUF_INIT(4096),
				got CLEANUP(buf_done) = BUF_INIT(4096);
		struct err e = {0};
		assert_int_equal(yaml_parse("f", text, strlen(text), &y, &all, &e), 0);
		struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), table, &all);
		show_diagnostics(&all, &said);
		if (c->diagnostics)
			assert_string_equal(buf_str(&said), c->diagnostics);
		else
			assert_null(strchr(buf_str(&said), '\x1b'));
		if (!c->tree)
			continue;
		struct json *want CLEANUP(json_freep) = expected(c->tree);
		json_print(tree, &got);
		if (!json_equal(tree, want))
			fail_msg("got %s", buf_str(&got));
	}
}

static void test_whole_files(void **state) {
	static const struct {
		const char *name, *text, *diagnostics;
	} files[] = {
		{"a list", "[a]", "1:1: the file must hold a mapping (key: value), not a list"},
		{"text", "a", "1:1: the file must hold a mapping (key: value), not text"},
		{"nothing of what must be", "text: a", "1:1: 'api' is missing"},
		{"must be, with a typo", "apii: v1",
		 "1:1: unknown key 'apii', did you mean 'api'?"},
		{"another version", "api: v2",
		 "1:6: 'v2' in 'api' is not known, did you mean 'v1'?"},
	};

	(void) state;
	EACH_CASE (c, files) {
		struct yaml *y CLEANUP(yaml_freep) = NULL;
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct buf said CLEANUP(buf_done) = BUF_INIT(4096);
		struct err e = {0};
		assert_int_equal(yaml_parse("f", c->text, strlen(c->text), &y, &all, &e), 0);
		struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), table, &all);
		assert_true(json_is_object(tree));
		show_diagnostics(&all, &said);
		assert_string_equal(buf_str(&said), c->diagnostics);
	}
}

static void test_bounds(void **state) {
	static const struct {
		const char *name, *head, *again;
		int times;
		size_t diagnostics;
	} files[] = {
		{"unknown keys by the thousand", "api: v1\n", "x%d: 1\n", 40000, 100},
		{"a map of many keys", "api: v1\nfiles:\n", " x%d: a\n", 4096, 0},
		{"a map of too many keys", "api: v1\nfiles:\n", " x%d: a\n", 4097, 1},
		{"any with too many keys", "api: v1\nany:\n", " x%d: a\n", 40000, 1},
	};

	(void) state;
	EACH_CASE (c, files) {
		struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
		struct yaml *y CLEANUP(yaml_freep) = NULL;
		struct diagnostics all CLEANUP(diagnostics_done) = {0};
		struct err e = {0};
		(void) buf_puts(&text, c->head);
		for (int i = 0; i < c->times; i++) {
			const char *number = strchr(c->again, '%');
			(void) buf_printf(&text, "%.*s%d%s", (int) (number - c->again), c->again, i,
					  number + 2);
		}
		assert_int_equal(yaml_parse("f", text.data, text.len, &y, &all, &e), 0);
		struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), table, &all);
		assert_int_equal(all.n, c->diagnostics);
		assert_non_null(tree);
	}
}

static void test_print(void **state) {
	static const struct schema_field small[] = {
		{.key = "device",
		 .type = SCHEMA_OBJECT,
		 .fallback = "auto",
		 .choices = automatic,
		 .fields = closed,
		 .doc = "Which."},
		{.key = "share", .type = SCHEMA_FRACTION, .fallback = "0.20", .max = 90},
		{.key = "tags", .type = SCHEMA_ONE_OR_LIST, .fallback = "[a, b]", .max = 2},
		{0},
	};
	static const char want[] =
		"{\"$schema\":\"https://json-schema.org/draft/2020-12/"
		"schema\",\"$id\":\"urn:x\",\"title\":\"T\",\"type\":\"object\","
		"\"properties\":{"
		"\"device\":{\"anyOf\":[{\"enum\":[\"auto\"]},{\"type\":\"object\",\"properties\":{"
		"\"url\":{\"type\":[\"string\",\"number\","
		"\"boolean\"],\"minLength\":1}},\"required\":[\"url\"],\"additionalProperties\":"
		"false}],\"description\":\"Which.\","
		"\"default\":\"auto\"},"
		"\"share\":{\"type\":\"number\",\"minimum\":0,\"maximum\":0.9,\"default\":0.2},"
		"\"tags\":{\"anyOf\":[{\"type\":[\"string\",\"number\",\"boolean\"],\"minLength\":"
		"1},{\"type\":\"array\",\"items\":{\"type\":"
		"[\"string\",\"number\",\"boolean\"],\"minLength\":1},\"minItems\":1,\"maxItems\":"
		"2}],\"default\":[\"a\",\"b\"]}},"
		"\"additionalProperties\":false}";
	struct buf pretty CLEANUP(buf_done) = BUF_INIT(1 << 16),
			  compact CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct json *j CLEANUP(json_freep) = NULL;
	struct err e = {0};

	(void) state;
	schema_print(small, "urn:x", "T", &pretty);
	assert_int_equal(json_parse(pretty.data, pretty.len, &j, &e), 0);
	json_print(j, &compact);
	assert_string_equal(buf_str(&compact), want);
	assert_int_equal(pretty.data[pretty.len - 1], '\n');
}

static void add_row(void *ctx, const struct schema_row *row) {
	(void) buf_printf(ctx, "%s: %s%s%s%s%s%s\n", row->path, row->value,
			  row->required ? ", required" : "", row->unless ? " unless " : "",
			  row->unless ? row->unless : "", row->fallback ? ", default " : "",
			  row->fallback ? row->fallback : "");
}

static void test_describe(void **state) {
	static const char want[] =
		"api: v1, required\n"
		"name: a name\n"
		"digest: a SHA-256 of 64 hex digits\n"
		"text: text\n"
		"note: text\n"
		"colour: red, green or blue\n"
		"on: true or false\n"
		"count: a whole number, 1 to 100\n"
		"shift: a whole number, at least -5\n"
		"size: a size like 24GB or 16GiB\n"
		"scale: a decimal number like 0.5, -10 to 10\n"
		"device: auto, or a mapping, default auto\n"
		"device.memory: a size like 24GB or 16GiB, required\n"
		"device.speed: a bandwidth like 400GB/s\n"
		"nested: a mapping\n"
		"nested.wait: a duration like 1500ms, 60s or 10m, 1s to 24h, default 10m\n"
		"nested.share: a fraction like 0.20, 0.00 to 0.90, default 0.20\n"
		"closed: a mapping\n"
		"closed.url: text, required\n"
		"list: a list, each a whole number; at most 3\n"
		"checks: a list, each a mapping with one key\n"
		"checks[].has: text, or a list; at most 3\n"
		"checks[].limit: a whole number, default 7\n"
		"files: a mapping, each text, or a mapping\n"
		"files.KEY.url: text, required\n"
		"any: a value\n"
		"spare: a mapping\n"
		"spare.must: text, required unless other\n"
		"spare.other: text\n";
	struct buf got CLEANUP(buf_done) = BUF_INIT(1 << 16);

	(void) state;
	schema_describe(table, add_row, &got);
	assert_string_equal(buf_str(&got), want);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),   cmocka_unit_test(test_whole_files),
		cmocka_unit_test(test_bounds),   cmocka_unit_test(test_print),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
