/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include <assert.h>
#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	return json_is_object(o) ? (struct json *) cJSON_GetObjectItemCaseSensitive(raw(o), key)
				 : NULL;
}

struct json *json_path(const struct json *j, const char *path) {
	char *steps CLEANUP(freep) = mem_strdup(path), *save = NULL;
	const struct json *at = j;

	for (char *step = strtok_r(steps, ".", &save); step && at;
	     step = strtok_r(NULL, ".", &save)) {
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

	if (!cJSON_IsNumber(c) || floor(c->valuedouble) < c->valuedouble ||
	    !(fabs(c->valuedouble) <= 9007199254740992.0))
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
