/* SPDX-License-Identifier: Apache-2.0 */
#include "debian/package_lock.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "debian/check.h"
#include "debian/debian.h"
#include "json/json.h"

/* Where we are in which file, for messages. */
struct place {
	const char *name, *in;
	struct err *e;
};

static int bad(const struct place *at, const char *key, const char *what) {
	const char *where = at->in, *dot = *where && *key ? "." : "";

	if (!*where && !*key)
		where = "it";
	return err_set(at->e, ERR_SPEC, "'%s' is not a usable packages lock: %s%s%s %s", at->name,
		       where, dot, key, what);
}

enum type { TEXT, WHOLE, TRUTH, LIST, OBJECT };

struct key {
	const char *name;
	enum type type;
	bool optional;
};

static bool is(const struct json *j, enum type t) {
	switch (t) {
	case TEXT: return json_is_string(j) && *json_text(j);
	case WHOLE: return json_is_number(j);
	case TRUTH: return json_is_bool(j);
	case LIST: return json_is_array(j);
	case OBJECT: return json_is_object(j);
	}
	return false;
}

/* Every key is known and of its type, none is missing. */
static int keys(const struct place *at, const struct json *o, const struct key *known, size_t n) {
	static const char *const needs[] = {"must be a text", "must be a number",
					    "must be true or false", "must be a list",
					    "must be an object"};

	if (!json_is_object(o))
		return bad(at, "", "must be an object");
	for (size_t i = 0; i < n; i++) {
		const struct json *v = json_get(o, known[i].name);
		if (v ? !is(v, known[i].type) : !known[i].optional)
			return bad(at, known[i].name, v ? needs[known[i].type] : "is missing");
	}
	for (const struct json *c = json_first(o); c; c = json_next(c)) {
		bool found = false;
		for (size_t i = 0; i < n; i++)
			found |= !strcmp(json_key(c), known[i].name);
		if (!found)
			return bad(at, json_key(c), "is not a key of it");
	}
	return 0;
}

#define KEYS(at, o, table) keys(at, o, table, sizeof(table) / sizeof *(table))

static int texts(const struct place *at, const struct json *o, const char *key,
		 bool (*check)(const char *)) {
	const struct json *list = json_get(o, key);

	for (const struct json *c = json_first(list); c; c = json_next(c))
		if (!json_is_string(c) || !check(json_text(c)))
			return bad(at, key, "has an entry that is not usable");
	return list && !json_count(list) ? bad(at, key, "is empty") : 0;
}

static bool is_stamp(const char *s) {
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";

	if (strlen(s) != strlen(form))
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i])
			return false;
	return true;
}

static bool is_fingerprint(const char *s) {
	size_t n = strlen(s);

	return (n == 40 || n == 64) && strspn(s, "0123456789ABCDEF") == n;
}

static int check_index(const struct place *at, const struct json *o) {
	static const struct key known[] = {
		{"suite", TEXT, false},
		{"archive", TEXT, false},
		{"codename", TEXT, true},
		{"components", LIST, false},
		{"date", TEXT, false},
		{"valid_until", TEXT, true},
		{"accepted_expired", TRUTH, false},
		{"release_sha256", TEXT, false},
		{"signed_by", LIST, false},
	};

	if (KEYS(at, o, known) || texts(at, o, "components", check_path) ||
	    texts(at, o, "signed_by", is_fingerprint))
		return -1;
	if (!check_path(json_str(o, "suite")))
		return bad(at, "suite", "is not usable");
	if (!check_name(json_str(o, "archive")))
		return bad(at, "archive", "is not usable");
	if (!is_stamp(json_str(o, "date")))
		return bad(at, "date", "is not a time");
	if (json_get(o, "valid_until") && !is_stamp(json_str(o, "valid_until")))
		return bad(at, "valid_until", "is not a time");
	if (!text_is_sha256(json_str(o, "release_sha256")))
		return bad(at, "release_sha256", "is not usable");
	return 0;
}

static bool has_suite(const struct json *index, const char *suite) {
	for (const struct json *c = json_first(index); c; c = json_next(c))
		if (!strcmp(json_str(c, "suite"), suite))
			return true;
	return false;
}

static int check_package_json(const struct place *at, const struct json *o,
			      const struct json *index) {
	static const struct key known[] = {
		{"name", TEXT, false},         {"version", TEXT, false},
		{"architecture", TEXT, false}, {"suite", TEXT, false},
		{"path", TEXT, false},         {"sha256", TEXT, false},
		{"size", WHOLE, false},        {"installed_size", WHOLE, false},
		{"layer", TEXT, false},        {"files", LIST, true},
		{"reason", TEXT, false},
	};
	int64_t size = 0, installed = 0;

	if (KEYS(at, o, known) || texts(at, o, "files", check_file))
		return -1;
	if (!json_int(o, "size", &size) || size < 0)
		return bad(at, "size", "is not usable");
	if (!json_int(o, "installed_size", &installed) || installed < 0)
		return bad(at, "installed_size", "is not usable");
	const struct debian_package p = {
		.name = json_str(o, "name"),
		.version = json_str(o, "version"),
		.architecture = json_str(o, "architecture"),
		.path = json_str(o, "path"),
		.sha256 = json_str(o, "sha256"),
		.size = (uint64_t) size,
		.installed_size = (uint64_t) installed,
		.layer = json_str(o, "layer"),
	};
	const char *fault = check_package(&p);
	if (fault)
		return bad(at, fault, "is not usable");
	return has_suite(index, json_str(o, "suite")) ? 0 : bad(at, "suite", "is not in the index");
}

static int check_exclude(const struct place *at, const struct json *o, const struct json *index) {
	static const struct key known[] = {{"name", TEXT, false}, {"reason", TEXT, false}};

	(void) index;
	if (KEYS(at, o, known))
		return -1;
	return check_name(json_str(o, "name")) ? 0 : bad(at, "name", "is not usable");
}

typedef int check_fn(const struct place *at, const struct json *o, const struct json *index);

/* Each entry is right, and they are sorted by name, each once. */
static int check_list(const struct place *at, const struct json *lock, const char *key,
		      check_fn *check) {
	const struct json *list = json_get(lock, key), *index = json_get(lock, "index");
	const char *last = "";
	size_t i = 0;

	for (const struct json *c = json_first(list); c; c = json_next(c), i++) {
		char *in CLEANUP(freep) = mem_printf("%s.%s[%zu]", at->in, key, i);
		const struct place here = {at->name, in, at->e};

		if (check(&here, c, index))
			return -1;
		if (strcmp(json_str(c, "name"), last) <= 0)
			return bad(&here, "name", "is not in order");
		last = json_str(c, "name");
	}
	return 0;
}

static int check_indexes(const struct place *at, const struct json *index) {
	size_t i = 0;

	for (const struct json *c = json_first(index); c; c = json_next(c), i++) {
		char *in CLEANUP(freep) = mem_printf("%s.index[%zu]", at->in, i);
		if (check_index(&(struct place){at->name, in, at->e}, c))
			return -1;
	}
	return i ? 0 : bad(at, "index", "is empty");
}

static int check_lock(const struct place *at, const struct json *lock) {
	static const struct key known[] = {{"index", LIST, false},
					   {"packages", LIST, false},
					   {"excludes", LIST, false}};

	if (KEYS(at, lock, known) || check_indexes(at, json_get(lock, "index")) ||
	    check_list(at, lock, "packages", check_package_json) ||
	    check_list(at, lock, "excludes", check_exclude))
		return -1;
	return json_count(json_get(lock, "packages")) ? 0 : bad(at, "packages", "is empty");
}

/* "BACKEND/ARCHITECTURE". */
static bool is_lock_key(const char *s) {
	const char *slash = strchr(s, '/');

	return slash && slash != s && check_path(s) && check_name(slash + 1);
}

static int check_tree(const struct place *at, const struct json *tree) {
	static const struct key known[] = {{"apiVersion", TEXT, false},
					   {"kind", TEXT, false},
					   {"runtime", TEXT, false},
					   {"locks", OBJECT, false}};

	if (KEYS(at, tree, known))
		return -1;
	if (strcmp(json_str(tree, "apiVersion"), PACKAGE_LOCK_API) != 0)
		return bad(at, "apiVersion", "must be " PACKAGE_LOCK_API);
	if (strcmp(json_str(tree, "kind"), PACKAGE_LOCK_KIND) != 0)
		return bad(at, "kind", "must be " PACKAGE_LOCK_KIND);
	if (!text_is_name(json_str(tree, "runtime")))
		return bad(at, "runtime", "is not a name");
	for (const struct json *c = json_first(json_get(tree, "locks")); c; c = json_next(c)) {
		char *in CLEANUP(freep) = mem_printf("locks.%s", json_key(c));
		const struct place here = {at->name, in, at->e};

		if (!is_lock_key(json_key(c)))
			return bad(&here, "", "is not BACKEND/ARCHITECTURE");
		if (check_lock(&here, c))
			return -1;
	}
	return 0;
}

int package_lock_parse(const char *name, const char *text, size_t n, struct json **out,
		       struct err *e) {
	struct json *tree CLEANUP(json_freep) = NULL;

	if (json_parse(text, n, &tree, e)) {
		e->code = ERR_SPEC;
		return err_wrap(e, "'%s' is not a usable packages lock", name);
	}
	if (check_tree(&(struct place){name, "", e}, tree))
		return -1;
	*out = STEAL(tree);
	return 0;
}
