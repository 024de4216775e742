/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;

/* JSON trees over cJSON. A tree is owned by its root: json_free(root). What the
 * getters return is borrowed. Setters and appenders take ownership of a child.
 * Numbers are doubles; whole numbers are exact up to 2^53. */
struct json;

/* One value of RFC 8259, exactly: UTF-8 without a mark before it, no control characters in texts,
 * no 01, +1, 1. or .5, no half of a surrogate pair, nothing but blanks after it. Also refused, each
 * by its name, although the grammar has them: a key that stands twice in one object (readers differ
 * in which one counts), more than 100 levels, the escape \u0000 (texts end there), a number beyond
 * a double. ERR_SYS with the byte's place; wrap it with what the text was. */
int json_parse(const char *text, size_t n, struct json **out, struct err *e);
/* What Python's json.dump() writes as well: NaN, Infinity, -Infinity and numbers beyond a double,
 * which become null, and half a surrogate pair or NUL, which becomes U+FFFD. For the files of
 * models, which Python programs write. */
int json_parse_python(const char *text, size_t n, struct json **out, struct err *e);
/* Is it one value of RFC 8259? For a text that someone else will read: \u0000 and large numbers are
 * as good as any. */
int json_check(const char *text, size_t n, struct err *e);
void json_free(struct json *j);
void json_freep(struct json **j); /* for CLEANUP */

struct json *json_object(void);
struct json *json_array(void);
struct json *json_string(const char *s); /* NULL gives null */
struct json *json_number(double v);
struct json *json_bool(bool v);
struct json *json_null(void);
struct json *json_copy(const struct json *j);

/* Set a key of an object, replacing what was there. */
void json_set(struct json *o, const char *key, struct json *child);
void json_set_str(struct json *o, const char *key, const char *s); /* NULL: the key is not set */
void json_set_int(struct json *o, const char *key, int64_t v);     /* |v| <= 2^53, asserted */
void json_set_bool(struct json *o, const char *key, bool v);
void json_push(struct json *array, struct json *child);
void json_push_str(struct json *array, const char *s);
void json_remove(struct json *o, const char *key);

/* All tolerate NULL and the wrong type: NULL, 0, false. */
bool json_is_object(const struct json *j);
bool json_is_array(const struct json *j);
bool json_is_string(const struct json *j);
bool json_is_number(const struct json *j);
bool json_is_bool(const struct json *j);
bool json_is_null(const struct json *j);
struct json *json_get(const struct json *o, const char *key);
/* "a.b.0.c": keys, and indices of arrays. */
struct json *json_path(const struct json *j, const char *path);
const char *json_text(const struct json *j);                      /* string value or NULL */
const char *json_str(const struct json *o, const char *key);      /* json_text of a key */
bool json_int(const struct json *o, const char *key, int64_t *v); /* false: absent or not whole */
int64_t json_int_or(const struct json *o, const char *key, int64_t otherwise);
bool json_true(const struct json *o, const char *key);
double json_value(const struct json *j); /* number, 0 otherwise */
bool json_truth(const struct json *j);   /* bool value */
size_t json_count(const struct json *j); /* children of an object or array */
struct json *json_at(const struct json *array, size_t i);
/* Children in order: for (struct json *c = json_first(j); c; c = json_next(c)). */
struct json *json_first(const struct json *j);
struct json *json_next(const struct json *child);
const char *json_key(const struct json *child);              /* NULL in an array */
bool json_equal(const struct json *a, const struct json *b); /* order of keys does not matter */

/* RFC 8785 canonical form, for whole numbers only: keys by UTF-16 code units, shortest
 * escapes. ERR_SYS if a number is not whole or beyond 2^53. No newline at the end. */
int json_canonical(const struct json *j, struct buf *out, struct err *e);
/* Compact text in the order of insertion, any number. */
void json_print(const struct json *j, struct buf *out);
void json_print_pretty(const struct json *j, struct buf *out); /* for people: two blanks a level */
/* "text" with quotes and escapes, as one JSON string. */
void json_quote(const char *text, size_t n, struct buf *out);
