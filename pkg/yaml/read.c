/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "yaml/tree.h"

/* Collections that are still open, and the finished nodes that wait for the end of theirs:
 * when one ends, what was pushed since its start becomes its children. */
struct reader {
	struct yaml *yaml;
	struct diagnostics *c;
	const char *name, *text, *end;
	/* up to here was looked for tabs; character number `seen_index` of the text */
	const char *seen;
	size_t seen_index;
	struct pos last; /* of the last event that had a place */
	struct {
		struct yaml_node *node;
		size_t base;
	} open[YAML_MAX_DEPTH];
	size_t depth;
	struct yaml_node **done;
	size_t n_done, cap, total;
	bool ended;
};

/* The diagnostic that ends the reading. */
static int fatal(struct reader *r, struct pos at, const char *what) {
	diagnostics_add(r->c, at, "%s", what);
	return -1;
}

static int push(struct reader *r, struct yaml_node *node) {
	if (++r->total > YAML_MAX_NODES)
		return fatal(r, node->pos, "more than 100,000 values in one file");
	if (r->n_done == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->done = mem_grow(r->done, r->cap, sizeof(struct yaml_node *));
	}
	r->done[r->n_done++] = node;
	return 0;
}

static struct yaml_node *new_node(struct reader *r, enum yaml_kind kind) {
	struct yaml_node *node = arena_zalloc(r->yaml->arena, 1, sizeof *node);

	node->kind = kind;
	node->pos = r->last;
	return node;
}

static bool is_null(const char *s) {
	return !*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") ||
		!strcmp(s, "NULL");
}

static bool is_value(const struct reader *r) {
	if (!r->depth || r->open[r->depth - 1].node->kind != YAML_MAPPING)
		return false;
	return (r->n_done - r->open[r->depth - 1].base) % 2;
}

static void move_to(struct reader *r, const yaml_mark_t *mark) {
	r->last = (struct pos){r->name, (int) mark->line + 1, (int) mark->column + 1};
}

static struct pos place_of(const struct reader *r, const char *at) {
	struct pos pos = {r->name, 1, 1};

	for (const char *s = r->text; s < at; s++) {
		bool ends = *s == '\n' || (*s == '\r' && s[1] != '\n');
		pos.line += ends;
		pos.col = ends ? 1 : pos.col + (((unsigned char) *s & 0xc0) != 0x80);
	}
	return pos;
}

/* --- what the library takes, and other readers do not --- */

#define TAB_OUTSIDE "a tab outside of quotes: use blanks, or \"\\t\" in a text"

/* On to character number `index`. Where `look` is set, a tab in between that is in no comment is
 * refused: readers of YAML differ in where one may stand between values, or in a text without
 * quotes. */
static int see(struct reader *r, size_t index, bool look) {
	bool comment = false;

	for (; r->seen < r->end && r->seen_index < index; r->seen++) {
		char c = *r->seen, before = r->seen > r->text ? r->seen[-1] : '\n';
		r->seen_index += ((unsigned char) c & 0xc0) != 0x80;
		comment = c != '\n' && c != '\r' &&
			(comment || (c == '#' && strchr(" \t\r\n", before)));
		if (look && c == '\t' && !comment)
			return fatal(r, place_of(r, r->seen), TAB_OUTSIDE);
	}
	while (r->seen < r->end && ((unsigned char) *r->seen & 0xc0) == 0x80)
		r->seen++;
	return 0;
}

/* At the header of a text block: no tab behind it, and a blank before its comment. */
static int check_header(struct reader *r) {
	const char *s = r->seen + 1;

	s += strspn(s, "+-0123456789");
	if (s[strspn(s, " ")] == '\t')
		return fatal(r, place_of(r, s + strspn(s, " ")), TAB_OUTSIDE);
	if (*s == '#')
		return fatal(r, place_of(r, s),
			     "a comment directly behind the mark of a text block: put a blank "
			     "before it");
	if (!r->depth)
		return fatal(r, r->last, "one text block is the whole file");
	return 0;
}

static int check_scalar(struct reader *r, const yaml_event_t *ev) {
	yaml_scalar_style_t style = ev->data.scalar.style;

	if (style == YAML_PLAIN_SCALAR_STYLE)
		return 0;
	if (see(r, ev->start_mark.index, true))
		return -1;
	if (style != YAML_SINGLE_QUOTED_SCALAR_STYLE && style != YAML_DOUBLE_QUOTED_SCALAR_STYLE &&
	    check_header(r))
		return -1;
	return see(r, ev->end_mark.index, false);
}

static int scalar(struct reader *r, const yaml_event_t *ev) {
	const char *text = (const char *) ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	if (!plain || n || !is_value(r)) /* a value that is not there has the place of its key */
		move_to(r, &ev->start_mark);
	if (check_scalar(r, ev))
		return -1;
	struct yaml_node *node = new_node(r, YAML_SCALAR);
	node->plain = plain;
	if (memchr(text, 0, n) || !text_is_utf8(text, n))
		return fatal(r, node->pos,
			     "text with a character that has no place in it (NUL, or half a pair)");
	node->text = arena_strdup(r->yaml->arena, text);
	if (plain && is_null(text))
		node->kind = YAML_NULL;
	return push(r, node);
}

static int open_node(struct reader *r, enum yaml_kind kind) {
	struct yaml_node *node = new_node(r, kind);

	if (r->depth == YAML_MAX_DEPTH)
		return fatal(r, node->pos, "nested more than 64 deep");
	if (push(r, node))
		return -1;
	r->open[r->depth].node = node;
	r->open[r->depth++].base = r->n_done;
	return 0;
}

/* By text, and where that is the same by place. */
static int compare_keys(const void *pa, const void *pb) {
	const struct yaml_node *a = *(struct yaml_node *const *) pa,
			       *b = *(struct yaml_node *const *) pb;
	int d = strcmp(a->text, b->text);

	if (d)
		return d;
	return a->pos.line != b->pos.line ? a->pos.line - b->pos.line : a->pos.col - b->pos.col;
}

/* Which keys were there before; their pairs are marked by taking the text away. */
static void find_twice(struct reader *r, struct yaml_node **pairs, size_t n) {
	struct yaml_node **keys CLEANUP(freep) = mem_zalloc(n / 2 + 1, sizeof(struct yaml_node *));
	const struct yaml_node *first = NULL;
	char shown[YAML_SHOWN];

	for (size_t i = 0; i < n / 2; i++)
		keys[i] = pairs[2 * i];
	qsort(keys, n / 2, sizeof *keys, compare_keys);
	for (size_t i = 0; i < n / 2 && r->c->n < 100; i++) {
		bool merge = keys[i]->plain && !strcmp(keys[i]->text, "<<");
		bool twice = first && !strcmp(keys[i]->text, first->text);
		if (merge)
			diagnostics_add(r->c, keys[i]->pos,
					"merge keys ('<<') are not supported, write the keys out");
		else if (twice)
			diagnostics_add(r->c, keys[i]->pos,
					"duplicate key '%s', the first is in line %d",
					yaml_show(keys[i]->text, shown), first->pos.line);
		if (merge || twice)
			keys[i]->text = NULL;
		else
			first = keys[i];
	}
}

static int check_keys(struct reader *r, struct yaml_node **pairs, size_t *n) {
	size_t kept = 0;

	for (size_t i = 0; i + 1 < *n; i += 2)
		if (pairs[i]->kind != YAML_SCALAR)
			return fatal(r, pairs[i]->pos, "a key must be text");
	find_twice(r, pairs, *n);
	for (size_t i = 0; i + 1 < *n; i += 2)
		if (pairs[i]->text) {
			pairs[kept++] = pairs[i];
			pairs[kept++] = pairs[i + 1];
		}
	*n = kept;
	return 0;
}

static int close_node(struct reader *r) {
	struct yaml_node *node = r->open[--r->depth].node;
	size_t base = r->open[r->depth].base, n = r->n_done - base;
	struct yaml_node **from = r->done ? r->done + base : NULL;

	if (node->kind == YAML_MAPPING && check_keys(r, from, &n))
		return -1;
	struct yaml_node **children = arena_zalloc(r->yaml->arena, n + 1,
						   sizeof(struct yaml_node *));
	if (n)
		memcpy(children, from, n * sizeof(struct yaml_node *));
	node->children = (const struct yaml_node *const *) children;
	node->n = n;
	r->n_done = base;
	return 0;
}

static int refuse_extras(struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor,
			 const yaml_char_t *tag) {
	move_to(r, &ev->start_mark);
	if (anchor)
		return fatal(r, r->last,
			     "anchors and aliases are not supported, write the value out");
	if (tag)
		return fatal(r, r->last, "tags like !!str are not supported, use quotes for text");
	return 0;
}

static int begin_document(struct reader *r, const yaml_event_t *ev) {
	if (!r->n_done)
		return 0;
	move_to(r, &ev->start_mark);
	return fatal(r, r->last, "a second document begins here, one file holds one document only");
}

static int collection(struct reader *r, const yaml_event_t *ev) {
	bool list = ev->type == YAML_SEQUENCE_START_EVENT;
	const yaml_char_t *anchor = list ? ev->data.sequence_start.anchor
					 : ev->data.mapping_start.anchor;
	const yaml_char_t *tag = list ? ev->data.sequence_start.tag : ev->data.mapping_start.tag;

	if (refuse_extras(r, ev, anchor, tag))
		return -1;
	return open_node(r, list ? YAML_SEQUENCE : YAML_MAPPING);
}

static int take(struct reader *r, const yaml_event_t *ev) {
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT: return begin_document(r, ev);
	case YAML_ALIAS_EVENT: return refuse_extras(r, ev, ev->data.alias.anchor, NULL);
	case YAML_SCALAR_EVENT:
		if ((ev->data.scalar.anchor || ev->data.scalar.tag) &&
		    refuse_extras(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag))
			return -1;
		return scalar(r, ev);
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT: return collection(r, ev);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT: return close_node(r);
	case YAML_STREAM_END_EVENT: r->ended = true; return see(r, SIZE_MAX, true);
	default: return 0;
	}
}

/* Words that say what to do, for the library's own. WHERE_OPENED: the place is where the context
 * begins, not where it broke. */
static const struct {
	const char *problem, *words;
	char at; /* only where this character is there; 0: any */
	enum { HERE, OPENED_AT, WHERE_OPENED } place;
} better_words[] = {
	{"found unexpected end of stream", "these quotes are not closed", 0, WHERE_OPENED},
	{"did not find expected ',' or ']'", "expected ',' or ']' in the list", 0, OPENED_AT},
	{"did not find expected ',' or '}'", "expected ',' or '}' in the mapping", 0, OPENED_AT},
	{"did not find expected key",
	 "expected a key of the mapping, look at the indentation and the quotes", 0, OPENED_AT},
	{"did not find expected '-' indicator",
	 "expected '- ' of the list, look at the indentation", 0, OPENED_AT},
	{"did not find expected <document start>",
	 "this belongs to nothing before it, look at the indentation", 0, HERE},
	{"mapping values are not allowed in this context",
	 "a ': ' cannot stand here, look at the indentation or use quotes", 0, HERE},
	{"block sequence entries are not allowed in this context",
	 "a list cannot begin here, use a line of its own, or quotes", 0, HERE},
	{"did not find expected alphabetic or numeric character",
	 "a text that begins with '&' or '*' needs quotes", 0, HERE},
	{"found unknown escape character",
	 "an escape that YAML does not have, write \\\\ for a backslash", 0, HERE},
	{"found invalid Unicode character escape code",
	 "an escape that is no character (half of a surrogate pair)", 0, HERE},
	{"found character that cannot start any token", "a tab cannot indent, use blanks", '\t',
	 HERE},
	{"found character that cannot start any token",
	 "a text that begins with '@', '`' or '%' needs quotes", 0, HERE},
	{"found a tab character where an indentation",
	 "a text block cannot begin with a tab, use blanks or double quotes", 0, HERE},
	{"did not find expected node content",
	 "inside brackets a text with a ':' at its begin or end needs quotes", ':', HERE},
	{"did not find expected node content", "expected a value here", 0, HERE},
	{"found an indentation indicator equal to 0", "the indentation of a text block is 1 to 9",
	 0, HERE},
	{"found unexpected ':'",
	 "inside brackets a text with a ':' at its begin or end needs quotes", 0, HERE},
};

static void say(struct reader *r, const yaml_parser_t *p, size_t row) {
	bool opened = better_words[row].place == OPENED_AT &&
		p->context_mark.line != p->problem_mark.line;

	if (better_words[row].place == WHERE_OPENED)
		move_to(r, &p->context_mark);
	if (opened)
		diagnostics_add(r->c, r->last, "not YAML: %s (it begins in line %zu)",
				better_words[row].words, p->context_mark.line + 1);
	else
		diagnostics_add(r->c, r->last, "not YAML: %s", better_words[row].words);
}

/* Where the library stopped, and why. */
static int syntax_error(struct reader *r, const yaml_parser_t *p) {
	const char *problem = p->problem ? p->problem : "unreadable";
	bool placed = p->problem_mark.line || p->problem_mark.column || p->problem_mark.index;

	if (p->error == YAML_MEMORY_ERROR)
		abort();
	if (placed)
		move_to(r, &p->problem_mark);
	(void) see(r, placed ? p->problem_mark.index : r->seen_index, false);
	char c = r->seen < r->end ? *r->seen : 0;
	for (size_t i = 0; i < sizeof better_words / sizeof *better_words; i++)
		if (text_starts(problem, better_words[i].problem) &&
		    (!better_words[i].at || better_words[i].at == c)) {
			say(r, p, i);
			return -1;
		}
	diagnostics_add(r->c, r->last, "not YAML: %s", problem);
	return -1;
}

static int run(struct reader *r, yaml_parser_t *parser) {
	while (!r->ended) {
		yaml_event_t ev;
		if (!yaml_parser_parse(parser, &ev))
			return syntax_error(r, parser);
		int failed = take(r, &ev);
		yaml_event_delete(&ev);
		if (failed)
			return -1;
	}
	if (!r->done || !r->n_done || r->done[0]->kind == YAML_NULL)
		return fatal(r, (struct pos){r->name, 1, 1}, "empty file");
	r->yaml->root = r->done[0];
	return 0;
}

static int parse(struct reader *r) {
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser))
		abort(); /* out of memory */
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *) r->text,
				     (size_t) (r->end - r->text));
	int failed = run(r, &parser);
	yaml_parser_delete(&parser);
	return failed;
}

/* --- what may be in a file --- */

static const char *line_end(const char *from, const char *end) {
	const char *nl = memchr(from, '\n', (size_t) (end - from));

	return nl ? nl + 1 : end;
}

/* One character of well-formed UTF-8, and its length. */
static unsigned rune_at(const char *s, size_t *len) {
	const unsigned char *u = (const unsigned char *) s;

	*len = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	unsigned c = *len == 1 ? u[0] : u[0] & (0xffu >> (*len + 1));
	for (size_t i = 1; i < *len; i++)
		c = c << 6 | (u[i] & 63u);
	return c;
}

/* What may not be in a file as it is; NULL: it may. Readers of YAML 1.1 and 1.2 differ in which of
 * these end a line. */
static const char *refused_rune(unsigned c) {
	if (c == 0x85 || c == 0x2028 || c == 0x2029)
		return "a line separator of Unicode";
	if (c == 0xfeff)
		return "a byte order mark inside the file";
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r' ? NULL : "a control character";
	return (c >= 0x7f && c < 0xa0) || c == 0xfffe || c == 0xffff ? "a control character" : NULL;
}

static int check_runes(struct reader *r, const char *from, const char *end) {
	size_t len = 0;

	for (const char *at = from; at < end; at += len) {
		unsigned c = rune_at(at, &len);
		const char *name = refused_rune(c);
		char what[128];
		if (!name)
			continue;
		(void) snprintf(what, sizeof what,
				"%s (U+%04X): write \"\\u%04x\" in double quotes", name, c, c);
		return fatal(r, place_of(r, at), what);
	}
	return 0;
}

/* What the library would take, and we do not: foreign encodings, directives. */
static int check_text(struct reader *r) {
	bool head = true;

	if ((size_t) (r->end - r->text) > YAML_MAX_BYTES)
		return fatal(r, r->last, "larger than 1 MiB");
	for (const char *from = r->text, *end; from < r->end; from = end) {
		end = line_end(from, r->end);
		if (!text_is_utf8(from, (size_t) (end - from)) ||
		    memchr(from, 0, (size_t) (end - from)))
			return fatal(r, place_of(r, from), "not UTF-8 text");
		if (check_runes(r, from, end))
			return -1;
		if (head && *from == '%')
			return fatal(r, place_of(r, from),
				     "directives (%YAML, %TAG) are not supported");
		head = head && strchr("#\r\n", *from);
	}
	return 0;
}

int yaml_parse(const char *name, const char *text, size_t n, struct yaml **out,
	       struct diagnostics *c, struct err *e) {
	struct yaml *y CLEANUP(yaml_freep) = mem_zalloc(1, sizeof *y);
	bool marked = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);

	y->arena = arena_new();
	struct reader r = {.yaml = y, .c = c, .name = arena_strdup(y->arena, name)};
	r.last = (struct pos){r.name, 1, 1};
	r.text = r.seen = marked ? text + 3 : n ? text : "";
	r.end = r.text + (marked ? n - 3 : n);
	int failed = check_text(&r) || parse(&r);
	free(r.done);
	if (failed)
		return err_set(e, ERR_SPEC, "'%s' is not a YAML file that can be checked", name);
	*out = STEAL(y);
	return 0;
}
