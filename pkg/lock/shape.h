#pragma once

#include <stdbool.h>

struct buf;
struct err;
struct json;

/* The table of the lock's fields: what each is, and which must be there. */
enum shape_type { SHAPE_TEXT, SHAPE_NAME, SHAPE_DIGEST, SHAPE_COUNT, SHAPE_FLAG, SHAPE_TEXTS, SHAPE_TREE, SHAPE_OBJECT, SHAPE_OBJECTS };

struct shape {
	const char *key;
	enum shape_type type;
	bool optional;
	const struct shape *fields; /* of SHAPE_OBJECT, and of each of SHAPE_OBJECTS; ends with a NULL key */
};

extern const struct shape lock_shape[];

/* ERR_SPEC: "image.config is missing", "container.argv must be a list of texts", "unknown field 'x'". */
int shape_check(const struct json *j, const struct shape *fields, const char *path, struct err *e);
void shape_print(const struct shape *fields, struct buf *out);
