#include "json/json.h"

#include <assert.h>
#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

/* The library's nodes under our name, so that its header stays in this folder. */
static cJSON *raw(const struct json *j) {
	return (cJSON *) (uintptr_t) j;
}

static struct json *own(cJSON *c) {
	if (!c)
		abort(); /* out of memory */
	return (struct json *) c;
}

static int by_text(const void *a, const void *b) {
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The header of a large model is one object with 100,000 keys. */
static int check_keys(const cJSON *c, struct err *e) {
	size_t n = 0;

	for (const cJSON *k = c->child; k; k = k->next)
		n++;
	const char **keys CLEANUP(freep) = n > 1 ? mem_zalloc(n, sizeof *keys) : NULL;

	n = 0;
	for (const cJSON *k = c->child; keys && k; k = k->next)
		keys[n++] = k->string;
	if (keys)
		qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(keys[i - 1], keys[i]))
			return err_set(e, ERR_SYS, "JSON with the key '%.60s' twice", keys[i]);
	return 0;
}

static int check_tree(const cJSON *c, int depth, struct err *e) {
	if (depth > 100)
		return err_set(e, ERR_SYS, "JSON nested more than 100 deep");
	if (cJSON_IsObject(c) && check_keys(c, e))
		return -1;
	for (const cJSON *k = c->child; k; k = k->next)
		if (check_tree(k, depth + 1, e))
			return -1;
	return 0;
}

/* Depth before the parser recurses: brackets outside of strings. */
static bool too_deep(const char *s, size_t n) {
	int depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		if (quoted && s[i] == '\\')
			i++;
		else if (s[i] == '"')
			quoted = !quoted;
		else if (!quoted && (s[i] == '[' || s[i] == '{') && ++depth > 100)
			return true;
		else if (!quoted && (s[i] == ']' || s[i] == '}'))
			depth--;
	}
	return false;
}

/* An escaped NUL would end a text in its middle, as the library and the getters see it. */
static bool escapes_nul(const char *s, size_t n) {
	for (size_t i = 0; i + 6 <= n; i += s[i] == '\\' ? 2 : 1)
		if (!memcmp(s + i, "\\u0000", 6))
			return true;
	return false;
}

int json_parse(const char *text, size_t n, struct json **out, struct err *e) {
	const char *end = NULL;

	text = n ? text : ""; /* nothing may stand at no address */
	if (!text_is_utf8(text, n) || memchr(text, 0, n) || escapes_nul(text, n))
		return err_set(e, ERR_SYS, "JSON that is not UTF-8 text");
	if (too_deep(text, n))
		return err_set(e, ERR_SYS, "JSON nested more than 100 deep");
	/* The parser wants the text to end in NUL; a copy makes that sure. */
	char *copy CLEANUP(freep) = mem_strndup(text, n);
	cJSON *c = cJSON_ParseWithLengthOpts(copy, n + 1, &end, 1);
	if (!c)
		return err_set(e, ERR_SYS, "not JSON at byte %zu", end && end >= copy ? (size_t) (end - copy) : 0);
	if (check_tree(c, 0, e)) {
		cJSON_Delete(c);
		return -1;
	}
	*out = own(c);
	return 0;
}

void json_free(struct json *j) {
	cJSON_Delete(raw(j));
}

void json_freep(struct json **j) {
	json_free(*j);
}

struct json *json_object(void) {
	return own(cJSON_CreateObject());
}

struct json *json_array(void) {
	return own(cJSON_CreateArray());
}

struct json *json_string(const char *s) {
	return own(s ? cJSON_CreateString(s) : cJSON_CreateNull());
}

struct json *json_number(double v) {
	return own(cJSON_CreateNumber(v));
}

struct json *json_bool(bool v) {
	return own(cJSON_CreateBool(v));
}

struct json *json_null(void) {
	return own(cJSON_CreateNull());
}

struct json *json_copy(const struct json *j) {
	return own(cJSON_Duplicate(raw(j), 1));
}

void json_set(struct json *o, const char *key, struct json *child) {
	assert(cJSON_IsObject(raw(o)));
	cJSON_DeleteItemFromObjectCaseSensitive(raw(o), key);
	if (!cJSON_AddItemToObject(raw(o), key, raw(child)))
		abort();
}

void json_set_str(struct json *o, const char *key, const char *s) {
	if (s)
		json_set(o, key, json_string(s));
}

void json_set_int(struct json *o, const char *key, int64_t v) {
	assert(v <= (1LL << 53) && v >= -(1LL << 53));
	json_set(o, key, json_number((double) v));
}

void json_set_bool(struct json *o, const char *key, bool v) {
	json_set(o, key, json_bool(v));
}

void json_push(struct json *array, struct json *child) {
	assert(cJSON_IsArray(raw(array)));
	(void) cJSON_AddItemToArray(raw(array), raw(child));
}

void json_push_str(struct json *array, const char *s) {
	json_push(array, json_string(s));
}

void json_remove(struct json *o, const char *key) {
	cJSON_DeleteItemFromObjectCaseSensitive(raw(o), key);
}

bool json_is_object(const struct json *j) {
	return cJSON_IsObject(raw(j));
}

bool json_is_array(const struct json *j) {
	return cJSON_IsArray(raw(j));
}

bool json_is_string(const struct json *j) {
	return cJSON_IsString(raw(j));
}

bool json_is_number(const struct json *j) {
	return cJSON_IsNumber(raw(j));
}

bool json_is_bool(const struct json *j) {
	return cJSON_IsBool(raw(j));
}

bool json_is_null(const struct json *j) {
	return cJSON_IsNull(raw(j));
}

struct json *json_get(const struct json *o, const char *key) {
	return json_is_object(o) ? (struct json *) cJSON_GetObjectItemCaseSensitive(raw(o), key) : NULL;
}

struct json *json_path(const struct json *j, const char *path) {
	char *steps CLEANUP(freep) = mem_strdup(path), *save = NULL;
	const struct json *at = j;

	for (char *step = strtok_r(steps, ".", &save); step && at; step = strtok_r(NULL, ".", &save)) {
		uint64_t i;
		at = json_is_array(at) && text_u64(step, &i) ? json_at(at, i) : json_get(at, step);
	}
	return (struct json *) raw(at);
}

const char *json_text(const struct json *j) {
	return cJSON_IsString(raw(j)) ? raw(j)->valuestring : NULL;
}

const char *json_str(const struct json *o, const char *key) {
	return json_text(json_get(o, key));
}

bool json_int(const struct json *o, const char *key, int64_t *v) {
	const cJSON *c = raw(json_get(o, key));

	if (!cJSON_IsNumber(c) || floor(c->valuedouble) < c->valuedouble || fabs(c->valuedouble) > 9007199254740992.0)
		return false;
	*v = (int64_t) c->valuedouble;
	return true;
}

int64_t json_int_or(const struct json *o, const char *key, int64_t otherwise) {
	(void) json_int(o, key, &otherwise);
	return otherwise;
}

bool json_true(const struct json *o, const char *key) {
	return json_truth(json_get(o, key));
}

bool json_truth(const struct json *j) {
	return cJSON_IsTrue(raw(j));
}

double json_value(const struct json *j) {
	return cJSON_IsNumber(raw(j)) ? raw(j)->valuedouble : 0;
}

size_t json_count(const struct json *j) {
	size_t n = 0;

	for (struct json *c = json_first(j); c; c = json_next(c))
		n++;
	return n;
}

struct json *json_at(const struct json *array, size_t i) {
	struct json *c = json_is_array(array) ? json_first(array) : NULL;

	for (; c && i; i--)
		c = json_next(c);
	return c;
}

struct json *json_first(const struct json *j) {
	return json_is_array(j) || json_is_object(j) ? (struct json *) raw(j)->child : NULL;
}

struct json *json_next(const struct json *child) {
	return (struct json *) raw(child)->next;
}

const char *json_key(const struct json *child) {
	return raw(child)->string;
}

bool json_equal(const struct json *a, const struct json *b) {
	return cJSON_Compare(raw(a), raw(b), 1);
}
