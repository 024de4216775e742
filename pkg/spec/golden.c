/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/golden.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "schema/schema.h"
#include "spec/files.h"
#include "spec/golden_check.h"
#include "spec/tables.h"
#include "json/json.h"

#define MAX_SOURCE (256u << 10)
#define MAX_RENDERED (8u << 20)

/* What is being made of the user's tree. */
struct maker {
	const struct json *defaults, *sources; /* sources: id to text, one line each */
	const char *system;
	struct buf *rendered; /* scratch; counts all text that was written, against MAX_RENDERED */
	size_t total;
};

/* A document takes one line of the question: line breaks become blanks. */
static char *one_line(const char *text) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(YAML_MAX_BYTES);

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\r\n"), blanks = strspn(p + n, "\r\n \t");
		(void) buf_add(&b, p, n);
		p += n + blanks;
		if (*p)
			(void) buf_putc(&b, ' ');
	}
	return buf_steal(&b);
}

/* id -> text, with the files read. */
static struct json *read_sources(const struct yaml_node *nodes, const struct json *tree,
				 const char *dir, struct diagnostics *c) {
	struct json *out = json_object();

	for (const struct json *s = json_first(tree); s; s = json_next(s)) {
		const struct yaml_node *file = yaml_get(yaml_get(nodes, json_key(s)), "file");
		char *path CLEANUP(freep) = mem_printf("sources.%s.file", json_key(s));
		char *read CLEANUP(freep) = json_text(s)
			? NULL
			: spec_read_named(file, path, dir, MAX_SOURCE, c);
		const char *text = json_text(s) ? json_text(s) : read;
		char *line CLEANUP(freep) = text ? one_line(text) : NULL;
		json_set_str(out, json_key(s), line);
	}
	return out;
}

/* The documents, an empty line, the question. */
static const char *question(struct maker *m, const struct json *context, const char *text) {
	buf_reset(m->rendered);
	for (const struct json *id = json_first(context); id; id = json_next(id))
		(void) buf_printf(m->rendered, "[%s] %s\n", json_text(id),
				  json_str(m->sources, json_text(id)));
	(void) buf_printf(m->rendered, "%s%s", json_count(context) ? "\n" : "", text);
	m->total += m->rendered->len;
	return buf_str(m->rendered);
}

static void push_message(struct json *messages, const char *role, const char *content) {
	struct json *o = json_object();

	json_set_str(o, "role", role);
	json_set_str(o, "content", content);
	json_push(messages, o);
}

static const struct json *last_of_user(const struct json *messages) {
	const struct json *last = NULL;

	for (const struct json *x = json_first(messages); x; x = json_next(x))
		if (!strcmp(json_str(x, "role"), "user"))
			last = x;
	return last;
}

static bool has_system(const struct json *messages) {
	for (const struct json *x = json_first(messages); x; x = json_next(x))
		if (!strcmp(json_str(x, "role"), "system"))
			return true;
	return false;
}

static struct json *messages(struct maker *m, const struct json *from) {
	const struct json *given = json_get(from, "messages"), *asks = last_of_user(given),
			  *context = json_get(from, "context");
	const char *system = json_str(from, "system") ? json_str(from, "system") : m->system;
	struct json *out = json_array();

	if (system && !has_system(given)) {
		push_message(out, "system", system);
		m->total += strlen(system);
	}
	if (!given)
		push_message(out, "user", question(m, context, json_str(from, "question")));
	for (const struct json *x = json_first(given); x; x = json_next(x))
		push_message(out, json_str(x, "role"),
			     question(m, x == asks ? context : NULL, json_str(x, "content")));
	return out;
}

static void set_citations(struct json *out, const struct json *from, const struct json *context) {
	const struct json *allowed = json_get(from, "allowed") ? json_get(from, "allowed")
							       : context;
	int64_t n;

	json_set_str(out, "pattern", json_str(from, "pattern"));
	json_set(out, "required", json_copy(json_get(from, "required")));
	json_set(out, "allowed", json_copy(allowed));
	if (json_int(from, "min", &n))
		json_set_int(out, "min", n);
	if (json_int(from, "max", &n))
		json_set_int(out, "max", n);
}

static struct json *values(const struct json *v) {
	struct json *list = NULL;

	if (json_is_array(v))
		return json_copy(v);
	list = json_array();
	json_push_str(list, json_text(v));
	return list;
}

static struct json *assertion(const struct maker *m, const struct json *from,
			      const struct json *context) {
	const struct json *v = json_first(from);
	const char *kind = json_key(v);
	struct json *out = json_object();

	json_set_str(out, "kind", text_starts(kind, "latency") ? "latency_ms" : kind);
	if (text_starts(kind, "latency")) {
		json_set_int(out, "max", json_int_or(from, kind, 0));
	} else if (!strcmp(kind, "citations")) {
		set_citations(out, v, context);
	} else if (!strcmp(kind, "abstain")) {
		json_set_str(out, "mode", json_text(v));
		json_set(out, "phrases", json_copy(json_path(m->defaults, "abstain.phrases")));
	} else if (strcmp(kind, "json") != 0) {
		json_set(out, "values", values(v));
	}
	return out;
}

static void set_number(const struct maker *m, struct json *out, const struct json *from,
		       const char *key, const char *as) {
	json_set_int(out, as, json_int_or(from, key, json_int_or(m->defaults, key, 0)));
}

static struct json *one_case(struct maker *m, const struct json *from) {
	struct json *out = json_object(), *asserts = json_array();

	json_set_str(out, "id", json_str(from, "id"));
	json_set_str(out, "severity", json_str(from, "severity"));
	if (json_str(from, "prompt"))
		json_set_str(out, "prompt", json_str(from, "prompt"));
	else
		json_set(out, "messages", messages(m, from));
	json_set(out, "context", json_copy(json_get(from, "context")));
	set_number(m, out, from, "max_tokens", "max_tokens");
	set_number(m, out, from, "seed", "seed");
	set_number(m, out, from, "timeout", "timeout_ms");
	set_number(m, out, from, "attempts", "attempts");
	for (const struct json *a = json_first(json_get(from, "assert")); a; a = json_next(a))
		json_push(asserts, assertion(m, a, json_get(from, "context")));
	json_set(out, "assert", asserts);
	return out;
}

/* From a tree without a diagnostic. NULL: it grows too large. */
static struct json *normalise(const struct json *tree, const struct json *sources) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_RENDERED);
	struct maker m = {.defaults = json_get(tree, "defaults"),
			  .sources = sources,
			  .rendered = &text};
	struct json *out CLEANUP(json_freep) = json_object(), *cases = json_array();

	m.system = json_str(tree, "system");
	json_set_str(out, "name", json_str(tree, "name"));
	json_set_str(out, "system", m.system);
	json_set(out, "sources", json_copy(sources));
	json_set(out, "cases", cases);
	for (const struct json *c = json_first(json_get(tree, "cases")); c; c = json_next(c)) {
		json_push(cases, one_case(&m, c));
		if (m.total > MAX_RENDERED || text.cut)
			return NULL;
	}
	return STEAL(out);
}

int golden_parse(const char *name, const char *dir, const char *text, size_t n, struct json **out,
		 struct diagnostics *c, struct err *e) {
	struct yaml *y CLEANUP(yaml_freep) = NULL;
	size_t before = c->n;

	if (yaml_parse(name, text, n, &y, c, e))
		return diagnostics_result(c, e);
	const struct yaml_node *root = yaml_root(y);
	struct json *tree CLEANUP(json_freep) = schema_check(root, golden_fields, c);
	golden_check(root, tree, c);
	struct json *sources CLEANUP(json_freep) = read_sources(yaml_get(root, "sources"),
								json_get(tree, "sources"), dir, c);
	struct json *set CLEANUP(json_freep) = c->n == before ? normalise(tree, sources) : NULL;
	if (c->n == before && !set)
		diagnostics_add(c, yaml_pos(yaml_get(root, "cases")),
				"larger than 8 MiB with the sources of each question: use fewer or "
				"shorter sources");
	if (c->n > before)
		return diagnostics_result(c, e);
	*out = STEAL(set);
	return 0;
}

int golden_load(const char *path, struct json **out, struct diagnostics *c, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(4 * YAML_MAX_BYTES);
	char *dir CLEANUP(freep) = spec_dir_of(path);

	if (fs_read_user(path, &text, e))
		return -1;
	return golden_parse(path, dir, buf_str(&text), text.len, out, c, e);
}
