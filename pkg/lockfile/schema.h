/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

struct buf;
struct err;
struct json;

/* The table of the lockfile's fields: what each is, and which must be there. */
enum lockfile_field_type {
	FIELD_TEXT,
	FIELD_NAME,
	FIELD_DIGEST,
	FIELD_COUNT,
	FIELD_FLAG,
	FIELD_TEXTS,
	FIELD_TREE,
	FIELD_OBJECT,
	FIELD_OBJECTS
};

struct lockfile_field {
	const char *key;
	enum lockfile_field_type type;
	bool optional;
	/* of FIELD_OBJECT, and of each of FIELD_OBJECTS; ends with a NULL key */
	const struct lockfile_field *fields;
};

extern const struct lockfile_field lockfile_fields[];

/* ERR_SPEC: "image.config is missing", "container.argv must be a list of texts", "unknown field
 * 'x'". */
int lockfile_schema_check(const struct json *j, const struct lockfile_field *fields,
			  const char *path, struct err *e);
void lockfile_schema_print(const struct lockfile_field *fields, struct buf *out);
