/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/diagnostics.h"
#include "yaml/yaml.h"

struct buf;
struct json;

/* One table describes a file that a user writes: it checks the file, fills the defaults,
 * and prints the JSON Schema for editors. A manifest in small:
 *
 *     static const struct schema_field adapter[] = {
 *             {.key = "source", .type = SCHEMA_STRING, .flags = SCHEMA_REQUIRED, .doc = "Where
 *                 the file comes from."},
 *             {.key = "scale", .type = SCHEMA_DECIMAL, .fallback = "1.0", .max = 10, .doc =
 *                 "How strong it is."},
 *             {0},
 *     };
 *     static const struct schema_field adapters = {.type = SCHEMA_OBJECT, .fields = adapter};
 *     static const struct schema_field file[] = {
 *             {.key = "timeout", .type = SCHEMA_DURATION, .fallback = "10m", .min = 1000, .doc
 *                 = "..."},
 *             {.key = "adapters", .type = SCHEMA_LIST, .fallback = "[]", .element = &adapters,
 *                 .max = 16, .doc = "..."},
 *             {0},
 *     };
 *     struct json *tree CLEANUP(json_freep) = schema_check(yaml_root(y), file, &diagnostics);
 *     ... checks of your own, with yaml_at(yaml_root(y), "adapters.0.source") for the place ...
 *     if (diagnostics_result(&diagnostics, e))
 *             return -1;
 */
enum schema_type {
	/* user writes			in the tree */
	SCHEMA_STRING,    /* any scalar; may not be empty	string */
	SCHEMA_NAME,      /* [a-z0-9][a-z0-9._-]{0,62}		string */
	SCHEMA_DIGEST,    /* 64 lower-case hex digits		string */
	SCHEMA_ENUM,      /* one of `choices`			string */
	SCHEMA_BOOL,      /* true or false			boolean */
	SCHEMA_INT,       /* 8192; decimal digits		number */
	SCHEMA_BYTES,     /* 24GB, 16GiB			number of bytes */
	SCHEMA_DURATION,  /* 1500ms, 60s, 10m, 2h		number of milliseconds */
	SCHEMA_BANDWIDTH, /* 400GB/s				number of bytes a second */
	SCHEMA_FRACTION,  /* 0.20; at most two decimals		number of percent: 20 */
	SCHEMA_DECIMAL,   /* 1, 0.5				string, canonical: "1.0", "0.5" */
	/* mapping with the keys of `fields` object; with `choices`: or one of these words, a
	 * string */
	SCHEMA_OBJECT,
	SCHEMA_MAP,         /* mapping with free keys		object, each value by `element` */
	SCHEMA_LIST,        /* list				array, each item by `element` */
	SCHEMA_ONE_OR_LIST, /* an element, or a list of them	array of at least one */
	/* anything JSON as it is; a number with a fraction is kept as its text */
	SCHEMA_ANY,
};

enum schema_flags {
	SCHEMA_REQUIRED = 1, /* must be there */
	/* an object: when it is missing it stays missing, its defaults are not filled in */
	SCHEMA_OPTIONAL = 2,
	SCHEMA_OR_TEXT = 4, /* an object: any text may be in its place, a string in the tree */
	SCHEMA_ONE_KEY = 8, /* an object: exactly one of its keys, and no defaults */
	SCHEMA_EMPTY = 16,  /* a string: may be empty */
};

/* A table of fields (64 at most) ends with a row without key. An element is one row; its key is not
 * used. */
struct schema_field {
	const char *key;
	enum schema_type type;
	unsigned flags;
	/* What is there when the user writes nothing, as YAML text ("10m", "[a, b]", "{}"); NULL:
	 * the key stays missing. An object without fallback is filled with the defaults of its
	 * fields, unless SCHEMA_OPTIONAL. */
	const char *fallback;
	const char *const *choices; /* ends with NULL */
	/* SCHEMA_REQUIRED: need not be there where one of these keys is; ends with NULL */
	const char *const *unless;
	const struct schema_field *fields;  /* of SCHEMA_OBJECT */
	const struct schema_field *element; /* of map and lists; NULL: SCHEMA_STRING */
	/* Of numbers, in the unit of the tree (DECIMAL: whole numbers); of maps and lists, how
	 * many. max 0: no limit. Numbers have no sign unless min is negative. */
	int64_t min, max;
	const char *doc; /* one sentence for people, goes into the JSON Schema */
};

/* The tree with every default filled in; yours, always an object. What was complained about is
 * missing from it, every other part is there: go on with your own checks and end with
 * diagnostics_result(). At most 100 diagnostics are kept. A free map has at most 4096 keys.
 *
 * Messages name the field by its path ('model.adapters[0].scale'). An unknown key gets the nearest
 * known one, or the list. */
struct json *schema_check(const struct yaml_node *root, const struct schema_field *fields,
			  struct diagnostics *c);

/* A tree of the table as YAML that gives the same tree again: every default written out, units as a
 * user writes them. */
void schema_write(const struct schema_field *fields, const struct json *tree, struct buf *out);

/* The JSON Schema (2020-12) of the table, pretty, with a newline. `id` is its $id. */
void schema_print(const struct schema_field *table, const char *id, const char *title,
		  struct buf *out);

/* A key of a table, for documents. Everything is borrowed for the call. */
struct schema_row {
	const char *path;     /* "model.adapters[].scale"; a free key is written KEY */
	const char *value;    /* what is there: "a whole number, 1 to 1024" */
	const char *fallback; /* as in the table; NULL: none */
	bool required;
	/* required unless one of these keys is there: "card or candidates"; NULL: no such keys */
	const char *unless;
	const char *doc;
};
typedef void schema_row_found(void *ctx, const struct schema_row *row);
/* Every key of the table, each before the keys inside of it. */
void schema_describe(const struct schema_field *fields, schema_row_found *found, void *ctx);
