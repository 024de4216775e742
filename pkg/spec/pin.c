/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/pin.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "spec/files.h"
#include "spec/source.h"
#include "yaml/yaml.h"

enum { MAX_PINS = 64, MAX_SOURCES = 16 };

/* Bytes of the text that another text takes the place of. */
struct place {
	size_t from, to;
	const char *before, *after; /* around what is set */
	const char *set;            /* NULL: nothing was */
};

struct pinned {
	struct place sha256, sources[MAX_SOURCES];
};

struct whole {
	struct spec_pins pins; /* first: the two are one allocation */
	struct arena *arena;
	struct yaml *yaml;
	char *text, *dir;
	size_t n;
	struct spec_pin list[MAX_PINS];
	struct pinned places[MAX_PINS];
};

void spec_pins_free(struct spec_pins *p) {
	struct whole *w = (struct whole *) p;

	if (!w)
		return;
	yaml_done(w->yaml);
	arena_free(w->arena);
	free(w->text);
	free(w->dir);
	free(w);
}

void spec_pins_freep(struct spec_pins **p) {
	spec_pins_free(*p);
}

/* ---- places in the text ---- */

/* Columns count characters. */
static size_t offset_of(const struct whole *w, struct pos at) {
	size_t i = w->n >= 3 && !memcmp(w->text, "\xef\xbb\xbf", 3) ? 3 : 0;

	for (int line = 1; line < at.line && i < w->n; i++)
		line += w->text[i] == '\n';
	for (int col = 1; col < at.col && i < w->n; col++)
		for (i++; i < w->n && ((unsigned char) w->text[i] & 0xc0) == 0x80;)
			i++;
	return i;
}

/* A scalar that is in one line, without escapes; the span is that of its text without quotes. */
static bool find_scalar(const struct whole *w, const struct yaml_node *node, size_t *from,
			size_t *to) {
	const char *text = yaml_scalar(node, NULL);
	size_t at = offset_of(w, yaml_pos(node)), n = text ? strlen(text) : 0;
	char quote = text && at < w->n && strchr("'\"", w->text[at]) ? w->text[at] : 0;

	at += quote != 0;
	if (!text || at + n + (quote != 0) > w->n || memcmp(w->text + at, text, n) != 0 ||
	    (quote && w->text[at + n] != quote))
		return false;
	*from = at;
	*to = at + n;
	return true;
}

static const struct yaml_node *key_node(const struct yaml_node *map, const char *key) {
	for (size_t i = 0; i < yaml_count(map); i++)
		if (!strcmp(yaml_scalar(yaml_key(map, i), NULL), key))
			return yaml_key(map, i);
	return NULL;
}

static size_t skip_blanks(const struct whole *w, size_t at) {
	while (at < w->n && (w->text[at] == ' ' || w->text[at] == '\t'))
		at++;
	return at;
}

/* Behind the colon of a key that has no value, or around its "~" or "null". False: there is no
 * colon ("{sha256}"). */
static bool place_empty(struct whole *w, const struct yaml_node *key, struct place *p) {
	static const char *const nulls[] = {"~", "null", "Null", "NULL"};
	size_t from, to;

	if (!find_scalar(w, key, &from, &to))
		return false;
	to += to < w->n && strchr("'\"", w->text[to]) && w->text[to];
	to = skip_blanks(w, to);
	if (to >= w->n || w->text[to] != ':')
		return false;
	size_t at = to + 1, end = skip_blanks(w, at);
	*p = (struct place){at, at, " ", "", NULL};
	for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++)
		if (w->n - end >= strlen(nulls[i]) &&
		    !strncmp(w->text + end, nulls[i], strlen(nulls[i])))
			*p = (struct place){end, end + strlen(nulls[i]), "", "", NULL};
	return true;
}

/* Of a mapping without the key: behind the line of its source where that is one line of a block,
 * else before the key `source`. */
static void place_missing(struct whole *w, const struct yaml_node *map, struct place *p) {
	const struct yaml_node *key = key_node(map, "source"), *value = yaml_get(map, "source");
	size_t at = offset_of(w, yaml_pos(key)), from, to, indent = (size_t) yaml_pos(key).col - 1;

	if (w->text[offset_of(w, yaml_pos(map))] == '{') {
		*p = (struct place){at, at, "sha256: ", ", ", NULL};
		return;
	}
	char *blanks = arena_zalloc(w->arena, indent + 1, 1);
	memset(blanks, ' ', indent);
	const char *nl = memchr(w->text + at, '\n', w->n - at);
	const char *newline = nl && nl > w->text && nl[-1] == '\r' ? "\r\n" : "\n";
	if (!find_scalar(w, value, &from, &to) || yaml_pos(value).line != yaml_pos(key).line) {
		*p = (struct place){at, at,
				    "sha256: ", arena_printf(w->arena, "%s%s", newline, blanks),
				    NULL};
		return;
	}
	size_t end = nl ? (size_t) (nl - w->text) - (newline[0] == '\r') : w->n;
	*p = (struct place){end, end, arena_printf(w->arena, "%s%ssha256: ", newline, blanks), "",
			    NULL};
}

/* ---- reading ---- */

static int read_source(struct whole *w, const struct yaml_node *node, const char *path,
		       struct spec_pin_source *out, struct place *p, struct diagnostics *c) {
	const char *text = yaml_scalar(node, NULL);

	if (!text || !find_scalar(w, node, &p->from, &p->to)) {
		diagnostics_add(c, yaml_pos(node),
				"'%s.source' cannot be edited: write it as text in one line, "
				"without escapes",
				path);
		return -1;
	}
	p->before = p->after = "";
	*out = (struct spec_pin_source){text, spec_source_resolve(text, w->dir, w->arena),
					yaml_pos(node)};
	return 0;
}

static void read_sources(struct whole *w, const struct yaml_node *node, struct spec_pin *pin,
			 struct pinned *places, struct diagnostics *c) {
	struct spec_pin_source *list = arena_zalloc(w->arena, MAX_SOURCES, sizeof *list);
	bool many = yaml_kind(node) == YAML_SEQUENCE;
	size_t n = many ? yaml_count(node) : 1;

	pin->sources = list;
	for (size_t i = 0; i < n && i < MAX_SOURCES; i++) {
		if (read_source(w, many ? yaml_item(node, i) : node, pin->path, &list[i],
				&places->sources[i], c))
			return;
		pin->n_sources++;
	}
}

static void read_sha256(struct whole *w, const struct yaml_node *map, struct spec_pin *pin,
			struct pinned *places, struct diagnostics *c) {
	const struct yaml_node *key = key_node(map, "sha256"), *value = yaml_get(map, "sha256");

	pin->sha256 = "";
	if (!key) {
		place_missing(w, map, &places->sha256);
		return;
	}
	bool empty = yaml_kind(value) == YAML_NULL;
	if (empty && place_empty(w, key, &places->sha256))
		return;
	places->sha256 = (struct place){.before = "", .after = ""};
	if (empty || !find_scalar(w, value, &places->sha256.from, &places->sha256.to))
		diagnostics_add(c, yaml_pos(value),
				"'%s.sha256' cannot be edited: write it as text in one line",
				pin->path);
	else
		pin->sha256 = yaml_scalar(value, NULL);
}

/* What has no source has nothing that could be pinned. */
static void read_artifact(struct whole *w, const struct yaml_node *map, const char *path,
			  struct diagnostics *c) {
	const struct yaml_node *source = yaml_get(map, "source");
	struct spec_pin *pin = &w->list[w->pins.n];

	if (!source || yaml_kind(source) == YAML_NULL || w->pins.n == MAX_PINS)
		return;
	*pin = (struct spec_pin){.path = arena_strdup(w->arena, path), .at = yaml_pos(map)};
	read_sources(w, source, pin, &w->places[w->pins.n], c);
	read_sha256(w, map, pin, &w->places[w->pins.n], c);
	w->pins.n++;
}

static void read_list(struct whole *w, const struct yaml_node *model, const char *key,
		      struct diagnostics *c) {
	const struct yaml_node *list = yaml_get(model, key);

	for (size_t i = 0; yaml_kind(list) == YAML_SEQUENCE && i < yaml_count(list); i++) {
		char *path CLEANUP(freep) = mem_printf("model.%s[%zu]", key, i);
		read_artifact(w, yaml_item(list, i), path, c);
	}
}

int spec_pins_read(const char *path, const char *text, size_t n, struct spec_pins **out,
		   struct diagnostics *c, struct err *e) {
	struct whole *w = mem_zalloc(1, sizeof *w);
	struct spec_pins *p CLEANUP(spec_pins_freep) = &w->pins;
	char *dir CLEANUP(freep) = spec_dir_of(path);

	w->arena = arena_new();
	w->text = mem_strndup(text, n);
	w->n = n;
	w->dir = realpath(dir, NULL);
	p->list = w->list;
	if (!w->dir)
		return err_sys(e, "cannot find the directory of '%s'", path);
	int failed = yaml_parse(path, w->text, n, &w->yaml, c, e);
	if (failed && !c->n)
		return -1;
	if (c->n)
		return diagnostics_result(c, e);
	const struct yaml_node *model = yaml_get(yaml_root(w->yaml), "model");
	read_artifact(w, model, "model", c);
	read_list(w, model, "candidates", c);
	read_list(w, model, "adapters", c);
	if (c->n)
		return diagnostics_result(c, e);
	if (!p->n)
		return err_set(e, ERR_SPEC,
			       "'%.300s' names no artifact by a source: there is nothing to pin",
			       path);
	*out = p;
	p = NULL;
	return 0;
}

/* ---- writing ---- */

void spec_pins_set_sha256(struct spec_pins *p, size_t pin, const char *sha256) {
	struct whole *w = (struct whole *) p;

	w->places[pin].sha256.set = arena_strdup(w->arena, sha256);
}

void spec_pins_set_source(struct spec_pins *p, size_t pin, size_t source, const char *text) {
	struct whole *w = (struct whole *) p;

	w->places[pin].sources[source].set = arena_strdup(w->arena, text);
}

static int by_place(const void *a, const void *b) {
	const struct place *x = *(const struct place *const *) a,
			   *y = *(const struct place *const *) b;

	return (x->from > y->from) - (x->from < y->from);
}

static size_t collect(const struct whole *w, const struct place **out) {
	size_t n = 0;

	for (size_t i = 0; i < w->pins.n; i++) {
		if (w->places[i].sha256.set)
			out[n++] = &w->places[i].sha256;
		for (size_t k = 0; k < w->list[i].n_sources; k++)
			if (w->places[i].sources[k].set)
				out[n++] = &w->places[i].sources[k];
	}
	if (n)
		qsort(out, n, sizeof(const struct place *), by_place);
	return n;
}

/* Every field of every artifact of the new text says what was set, or what it said. */
static bool says_so(const struct whole *w, const struct spec_pins *now) {
	if (now->n != w->pins.n)
		return false;
	for (size_t i = 0; i < now->n; i++) {
		const struct spec_pin *old = &w->list[i], *new = &now->list[i];
		const char *sha256 = w->places[i].sha256.set ? w->places[i].sha256.set
							     : old->sha256;
		if (strcmp(old->path, new->path) || old->n_sources != new->n_sources ||
		    strcmp(new->sha256, sha256))
			return false;
		for (size_t k = 0; k < new->n_sources; k++) {
			const char *set = w->places[i].sources[k].set;
			if (strcmp(new->sources[k].text, set ? set : old->sources[k].text))
				return false;
		}
	}
	return true;
}

static bool same_rest(const struct yaml_node *a, const struct yaml_node *b) {
	if (yaml_kind(a) != yaml_kind(b) || yaml_count(a) != yaml_count(b))
		return false;
	if (yaml_kind(a) == YAML_SCALAR)
		return !strcmp(yaml_scalar(a, NULL), yaml_scalar(b, NULL));
	for (size_t i = 0; i < yaml_count(a); i++) {
		bool map = yaml_kind(a) == YAML_MAPPING;
		if (map &&
		    strcmp(yaml_scalar(yaml_key(a, i), NULL), yaml_scalar(yaml_key(b, i), NULL)) !=
			    0)
			return false;
		if (map && !strcmp(yaml_scalar(yaml_key(a, i), NULL), "model"))
			continue; /* by says_so */
		if (!same_rest(map ? yaml_value(a, i) : yaml_item(a, i),
			       map ? yaml_value(b, i) : yaml_item(b, i)))
			return false;
	}
	return true;
}

static bool is_right(const struct whole *w, const struct buf *out) {
	struct diagnostics c CLEANUP(diagnostics_done) = {0};
	struct spec_pins *now CLEANUP(spec_pins_freep) = NULL;
	char *path CLEANUP(freep) = mem_printf("%s/manifest", w->dir);
	struct err ignored = {0};

	if (spec_pins_read(path, buf_str(out), out->len, &now, &c, &ignored))
		return false;
	return says_so(w, now) &&
		same_rest(yaml_root(w->yaml), yaml_root(((struct whole *) now)->yaml));
}

int spec_pins_text(const struct spec_pins *p, struct buf *out, struct err *e) {
	const struct whole *w = (const struct whole *) p;
	const struct place *places[MAX_PINS * (MAX_SOURCES + 1)];
	size_t n = collect(w, places), at = 0;

	for (size_t i = 0; i < n; i++) {
		(void) buf_add(out, w->text + at, places[i]->from - at);
		(void) buf_printf(out, "%s%s%s", places[i]->before, places[i]->set,
				  places[i]->after);
		at = places[i]->to;
	}
	(void) buf_add(out, w->text + at, w->n - at);
	if (out->cut || !is_right(w, out))
		return err_set(e, ERR_SPEC,
			       "the text cannot be edited in place: write source and sha256 of "
			       "each artifact in lines of their own");
	return 0;
}
