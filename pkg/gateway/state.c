/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gateway/frontend.h"
#include "lockfile/lockfile.h"
#include "lockfile/schema.h"
#include "json/json.h"

#define KIND "Gateway"
#define DEFAULT_SEQUENCES 4 /* of a lock that does not say */

struct gateway_state {
	struct arena *arena;
	struct haproxy_routes routes;
	size_t size;
	struct json *kept; /* an array that owns every section */
};

struct gateway_state *gateway_state_new(void) {
	struct gateway_state *s = mem_zalloc(1, sizeof *s);

	s->arena = arena_new();
	s->kept = json_array();
	return s;
}

void gateway_state_free(struct gateway_state *s) {
	if (!s)
		return;
	arena_free(s->arena);
	json_free(s->kept);
	free(s->routes.at);
	free(s);
}

void gateway_state_freep(struct gateway_state **s) {
	gateway_state_free(*s);
}

size_t gateway_state_count(const struct gateway_state *s) {
	return s->routes.n;
}

struct haproxy_route *gateway_state_at(const struct gateway_state *s, size_t i) {
	return s->routes.at[i];
}

struct haproxy_route *gateway_state_find(const struct gateway_state *s, const char *name) {
	return haproxy_routes_find(&s->routes, name);
}

struct haproxy_route *gateway_state_add(struct gateway_state *s, const char *name) {
	struct haproxy_route *r = gateway_state_find(s, name);
	struct haproxy_routes *all = &s->routes;
	uint64_t since = 0;

	if (r)
		return r;
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i]->since > since)
			since = all->at[i]->since;
	if (all->n == s->size) {
		s->size = s->size ? 2 * s->size : 8;
		all->at = mem_grow(all->at, s->size, sizeof(struct haproxy_route *));
	}
	size_t at = haproxy_routes_index(all, name);
	memmove(all->at + at + 1, all->at + at, (all->n - at) * sizeof(struct haproxy_route *));
	all->n++;
	r = all->at[at] = arena_zalloc(s->arena, 1, sizeof *r);
	r->name = arena_strdup(s->arena, name);
	r->since = since + 1;
	haproxy_slot_clear(&r->slots[0]);
	haproxy_slot_clear(&r->slots[1]);
	return r;
}

void gateway_state_remove(struct gateway_state *s, const char *name) {
	const struct haproxy_route *gone = gateway_state_find(s, name);
	struct haproxy_routes *all = &s->routes;

	if (!gone)
		return;
	for (size_t i = 0; i < all->n; i++)
		if (all->at[i]->section && gone->section &&
		    !strcmp(all->at[i]->frontend.listen, gone->frontend.listen))
			all->at[i]->named = true;
	size_t at = haproxy_routes_index(all, name);
	all->n--;
	memmove(all->at + at, all->at + at + 1, (all->n - at) * sizeof(struct haproxy_route *));
}

/* The section becomes the state's. */
static int put_frontend(struct gateway_state *s, struct haproxy_route *r, struct json *section,
			struct err *e) {
	struct haproxy_frontend d;

	json_push(s->kept, section);
	if (gateway_frontend_read(s->arena, section, &d, e))
		return -1;
	/* At another address nothing was removed. */
	r->named = r->named && !strcmp(r->frontend.listen, d.listen);
	r->frontend = d;
	r->section = section;
	return 0;
}

int gateway_route_take(struct gateway_state *s, struct haproxy_route *r, const struct lockfile *l,
		       struct err *e) {
	const struct json *gateway = json_get(l->tree, "gateway");
	struct json *section = gateway ? json_copy(gateway) : json_object();

	json_remove(section, "engine"); /* the slot's */
	json_set_str(section, "privacy", json_str(json_get(l->tree, "requirements"), "privacy"));
	return put_frontend(s, r, section, e);
}

/* A plain text of the engine's, or "". */
static const char *runtime_text(struct gateway_state *s, const struct json *runtime,
				const char *key) {
	const char *text = json_str(runtime, key);

	return text && gateway_is_plain(text) && strlen(text) < 128 ? arena_strdup(s->arena, text)
								    : "";
}

void gateway_slot_take(struct gateway_state *s, struct haproxy_slot *slot,
		       const struct lockfile *l) {
	const struct json *runtime = json_path(l->tree, "gateway.engine");
	int64_t n = json_int_or(runtime, "sequences", DEFAULT_SEQUENCES);

	haproxy_slot_clear(slot);
	slot->id = arena_strdup(s->arena, l->id);
	slot->version = arena_strdup(s->arena, l->version);
	slot->sequences = n > 0 && n <= 100000 ? (unsigned) n : DEFAULT_SEQUENCES;
	slot->metrics = runtime_text(s, runtime, "metrics");
	slot->prompt_tokens = runtime_text(s, runtime, "prompt_tokens");
	slot->generated_tokens = runtime_text(s, runtime, "generated_tokens");
}

int gateway_state_check(const struct gateway_state *s, struct err *e) {
	return haproxy_routes_check(&s->routes, e);
}

const struct haproxy_routes *gateway_state_routes(const struct gateway_state *s) {
	return &s->routes;
}

static struct json *slot_tree(const struct haproxy_slot *slot) {
	struct json *o = json_object();

	json_set_str(o, "id", slot->id);
	json_set_str(o, "version", slot->version);
	json_set_str(o, "want", haproxy_want_word(slot->want));
	json_set_int(o, "sequences", slot->sequences);
	json_set_str(o, "metrics", slot->metrics);
	json_set_str(o, "prompt_tokens", slot->prompt_tokens);
	json_set_str(o, "generated_tokens", slot->generated_tokens);
	return o;
}

static struct json *route_tree(const struct haproxy_route *r) {
	struct json *o = json_object();

	json_set_str(o, "name", r->name);
	json_set_int(o, "since", (int64_t) r->since);
	json_set_int(o, "canary_percent", r->canary_percent);
	if (r->named)
		json_set_bool(o, "named", true);
	json_set(o, "a", slot_tree(&r->slots[0]));
	json_set(o, "b", slot_tree(&r->slots[1]));
	json_set(o, "gateway", r->section ? json_copy(r->section) : json_object());
	return o;
}

static struct json *state_tree(const struct gateway_state *s) {
	struct json *t = json_object(), *routes = json_array();

	json_set_str(t, "apiVersion", "llmdeploy/v1");
	json_set_str(t, "kind", KIND);
	for (size_t i = 0; i < s->routes.n; i++)
		json_push(routes, route_tree(s->routes.at[i]));
	json_set(t, "routes", routes);
	return t;
}

void gateway_state_print(const struct gateway_state *s, struct buf *out) {
	struct json *t CLEANUP(json_freep) = state_tree(s);
	struct err none = {0};

	if (json_canonical(t, out, &none))
		assert(!"whole numbers alone");
	(void) buf_putc(out, '\n');
}

static const struct lockfile_field slot_fields[] = {
	{"id", FIELD_TEXT, false, NULL},
	{"version", FIELD_TEXT, false, NULL},
	{"want", FIELD_TEXT, false, NULL},
	{"sequences", FIELD_COUNT, false, NULL},
	{"metrics", FIELD_TEXT, false, NULL},
	{"prompt_tokens", FIELD_TEXT, false, NULL},
	{"generated_tokens", FIELD_TEXT, false, NULL},
	{0},
};
static const struct lockfile_field route_fields[] = {
	{"name", FIELD_NAME, false, NULL},
	{"since", FIELD_COUNT, false, NULL},
	{"canary_percent", FIELD_COUNT, false, NULL},
	{"named", FIELD_FLAG, true, NULL},
	{"a", FIELD_OBJECT, false, slot_fields},
	{"b", FIELD_OBJECT, false, slot_fields},
	{"gateway", FIELD_TREE, false, NULL},
	{0},
};
static const struct lockfile_field state_fields[] = {
	{"apiVersion", FIELD_TEXT, false, NULL},
	{"kind", FIELD_TEXT, false, NULL},
	{"routes", FIELD_OBJECTS, false, route_fields},
	{0},
};

static bool is_id(const char *s) {
	return strlen(s) == LOCKFILE_ID - 1 && s[strspn(s, "0123456789abcdef")] == 0;
}

static bool is_counter(const char *s) {
	return !*s || (gateway_is_plain(s) && strlen(s) < 128);
}

static int read_slot(struct gateway_state *s, const struct json *o, struct haproxy_slot *slot,
		     struct err *e) {
	const char *word = json_str(o, "want"), *id = json_str(o, "id"),
		   *version = json_str(o, "version");
	int64_t n = json_int_or(o, "sequences", 0);
	size_t want = 0;

	while (want <= HAPROXY_MAINT && strcmp(haproxy_want_word((enum haproxy_want) want), word))
		want++;
	if (want > HAPROXY_MAINT)
		return err_set(e, ERR_SPEC, "want is '%.40s': ready, canary, drain or maint", word);
	if (*id ? !is_id(id) || !text_is_name(version) || n < 1 || n > 100000 : *version || n)
		return err_set(e, ERR_SPEC,
			       "id '%.40s', version '%.40s' and %lld sequences are no release", id,
			       version, (long long) n);
	slot->want = (enum haproxy_want) want;
	slot->id = arena_strdup(s->arena, id);
	slot->version = arena_strdup(s->arena, version);
	slot->sequences = (unsigned) n;
	slot->metrics = arena_strdup(s->arena, json_str(o, "metrics"));
	slot->prompt_tokens = arena_strdup(s->arena, json_str(o, "prompt_tokens"));
	slot->generated_tokens = arena_strdup(s->arena, json_str(o, "generated_tokens"));
	if (!is_counter(slot->metrics) || !is_counter(slot->prompt_tokens) ||
	    !is_counter(slot->generated_tokens))
		return err_set(e, ERR_SPEC,
			       "this name of a counter or its page is not allowed in a gateway's "
			       "configuration");
	return 0;
}

static int read_route(struct gateway_state *s, const struct json *o, struct err *e) {
	const char *name = json_str(o, "name");
	int64_t since = json_int_or(o, "since", 0), percent = json_int_or(o, "canary_percent", 0);

	if (gateway_state_find(s, name))
		return err_set(e, ERR_SPEC, "route '%s' occurs twice", name);
	if (since < 1 || percent > 100)
		return err_set(e, ERR_SPEC, "route '%s': since or canary_percent is out of range",
			       name);
	struct haproxy_route *r = gateway_state_add(s, name);
	r->since = (uint64_t) since;
	r->canary_percent = (unsigned) percent;
	for (int i = 0; i < 2; i++)
		if (read_slot(s, json_get(o, i ? "b" : "a"), &r->slots[i], e))
			return err_wrap(e, "route '%s': %c", name, 'a' + i);
	if (put_frontend(s, r, json_copy(json_get(o, "gateway")), e))
		return err_wrap(e, "route '%s'", name);
	r->named = json_true(o, "named");
	return 0;
}

static int read_state(const struct json *tree, struct gateway_state *s, struct err *e) {
	const struct json *routes = json_get(tree, "routes");

	if (lockfile_schema_check(tree, state_fields, "", e))
		return -1;
	if (strcmp(json_str(tree, "apiVersion"), "llmdeploy/v1") ||
	    strcmp(json_str(tree, "kind"), KIND))
		return err_set(e, ERR_SPEC, "it is not a gateway's state of this version");
	if (json_count(routes) > HAPROXY_MAX_ROUTES)
		return err_set(e, ERR_SPEC, "%zu routes on one gateway, the limit is %d",
			       json_count(routes), HAPROXY_MAX_ROUTES);
	for (const struct json *c = json_first(routes); c; c = json_next(c))
		if (read_route(s, c, e))
			return -1;
	return gateway_state_check(s, e);
}

int gateway_state_parse(const char *text, size_t n, struct gateway_state **out, struct err *e) {
	struct json *tree CLEANUP(json_freep) = NULL;
	struct gateway_state *s CLEANUP(gateway_state_freep) = gateway_state_new();

	if (json_parse(text, n, &tree, e) ||
	    read_state(tree, s, e)) {
		e->code = ERR_INTEGRITY;
		return err_wrap(e, "gateway/state");
	}
	*out = STEAL(s);
	return 0;
}

struct gateway_state *gateway_state_copy(const struct gateway_state *s) {
	struct gateway_state *c = gateway_state_new();
	struct err none = {0};

	for (size_t i = 0; i < s->routes.n; i++) {
		const struct haproxy_route *r = s->routes.at[i];
		struct haproxy_route *t = gateway_state_add(c, r->name);
		struct json *o CLEANUP(json_freep) = route_tree(r);
		t->since = r->since;
		t->canary_percent = r->canary_percent;
		for (int k = 0; k < 2; k++)
			if (read_slot(c, json_get(o, k ? "b" : "a"), &t->slots[k], &none))
				assert(!"a slot that was taken is whole");
		if (r->section && put_frontend(c, t, json_copy(r->section), &none))
			assert(!"a frontend that was read can be read");
		t->named = r->named;
	}
	return c;
}
