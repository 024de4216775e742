#include "yaml/yaml.h"

#include <libfyaml.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"

/* In the library's ABI since 0.7, in its header only since 0.8; Debian 12 has 0.7.12. */
const struct fy_mark *fy_event_start_mark(struct fy_event *fye);

struct yaml_node {
	enum yaml_kind kind;
	bool plain;
	struct pos pos;
	const char *text;
	const struct yaml_node *const *children; /* of a mapping: key, value, key, value... */
	size_t n;				 /* children */
};

struct yaml {
	struct arena *arena;
	const struct yaml_node *root;
};

/* Collections that are still open, and the finished nodes that wait for the end of theirs:
 * when one ends, what was pushed since its start becomes its children. */
struct reader {
	struct yaml *yaml;
	struct complaints *c;
	const char *name, *text; /* the text that the library's marks count from */
	size_t n;
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

void yaml_free(struct yaml *y) {
	if (!y)
		return;
	arena_free(y->arena);
	free(y);
}

void yaml_freep(struct yaml **y) {
	yaml_free(*y);
}

const struct yaml_node *yaml_root(const struct yaml *y) {
	return y->root;
}

/* The complaint that ends the reading. */
static int fatal(struct reader *r, struct pos at, const char *what) {
	complaints_add(r->c, at, "%s", what);
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
	return !*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") || !strcmp(s, "NULL");
}

/* Text between single quotes (YAML 1.2.2, section 7.3.2), from behind the first one: two quotes are one, a line break is a
 * blank, further ones stand, blanks around them go. 0.7.12 itself gets two pairs of quotes in a row wrong. */
static void add_quoted(const char *s, const char *end, struct buf *out) {
	for (size_t line = 0, breaks; s < end && (*s != '\'' || (s + 1 < end && s[1] == '\'')); s++) {
		if (*s != '\n' && *s != '\r') {
			(void) buf_putc(out, *s);
			s += *s == '\'';
			continue;
		}
		while (out->len > line && strchr(" \t", out->data[out->len - 1]))
			out->data[--out->len] = 0;
		for (breaks = 0; s < end && strchr(" \t\r\n", *s); s++)
			breaks += *s == '\n' || (*s == '\r' && (s + 1 == end || s[1] != '\n'));
		for (size_t i = 1; i < breaks; i++)
			(void) buf_putc(out, '\n');
		if (breaks == 1)
			(void) buf_putc(out, ' ');
		line = out->len;
		s--;
	}
}

/* By pieces: 0.7.12's fy_token_get_text() leaks, and loses some, where a text has many of them. (It also drops one
 * empty line before a deeper line in a folded block; that is left.) */
static void add_text(struct fy_token *value, struct buf *out) {
	struct fy_token_iter *iter = fy_token_iter_create(value);
	const struct fy_iter_chunk *piece = NULL;
	int failed = 0;

	if (!iter)
		abort(); /* out of memory */
	while ((piece = fy_token_iter_chunk_next(iter, piece, &failed)))
		(void) buf_add(out, piece->str, piece->len);
	fy_token_iter_destroy(iter);
}

static int scalar(struct reader *r, struct fy_token *value, const struct fy_mark *mark) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(YAML_MAX_BYTES);
	struct yaml_node *node = new_node(r, YAML_SCALAR);

	enum fy_scalar_style style = value ? fy_token_scalar_style(value) : FYSS_PLAIN;
	node->plain = style == FYSS_PLAIN;
	if (style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED)
		node->pos.col--; /* the library's mark is behind the quote */
	if (style == FYSS_SINGLE_QUOTED && mark)
		add_quoted(r->text + mark->input_pos, r->text + r->n, &text);
	else if (value)
		add_text(value, &text);
	if (memchr(buf_str(&text), 0, text.len) || !text_is_utf8(buf_str(&text), text.len) || text.cut)
		return fatal(r, node->pos, "text with a character that has no place in it (NUL, or half a pair)");
	node->text = arena_strdup(r->yaml->arena, buf_str(&text));
	if (node->plain && is_null(node->text))
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
	const struct yaml_node *a = *(struct yaml_node *const *) pa, *b = *(struct yaml_node *const *) pb;
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
			complaints_add(r->c, keys[i]->pos, "merge keys ('<<') are not supported, write the keys out");
		else if (twice)
			complaints_add(r->c, keys[i]->pos, "the key '%s' stands here again, the first is in line %d",
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
	struct yaml_node **children = arena_zalloc(r->yaml->arena, n + 1, sizeof(struct yaml_node *));
	if (n)
		memcpy(children, from, n * sizeof(struct yaml_node *));
	node->children = (const struct yaml_node *const *) children;
	node->n = n;
	r->n_done = base;
	return 0;
}

static int refuse_extras(struct reader *r, const struct fy_token *anchor, const struct fy_token *tag) {
	if (anchor)
		return fatal(r, r->last, "anchors and aliases are not supported, write the value out");
	if (tag)
		return fatal(r, r->last, "tags like !!str are not supported, use quotes for text");
	return 0;
}

static int take(struct reader *r, struct fy_event *ev) {
	const struct fy_mark *mark = fy_event_start_mark(ev);

	if (mark)
		r->last = (struct pos){r->name, mark->line + 1, mark->column + 1};
	switch (ev->type) {
	case FYET_DOCUMENT_START:
		return r->n_done ? fatal(r, r->last, "a second document begins here, one file holds one document only") : 0;
	case FYET_ALIAS:
		return fatal(r, r->last, "anchors and aliases are not supported, write the value out");
	case FYET_SCALAR:
		return refuse_extras(r, ev->scalar.anchor, ev->scalar.tag) ? -1 : scalar(r, ev->scalar.value, mark);
	case FYET_SEQUENCE_START:
		return refuse_extras(r, ev->sequence_start.anchor, ev->sequence_start.tag) ? -1 : open_node(r, YAML_SEQUENCE);
	case FYET_MAPPING_START:
		return refuse_extras(r, ev->mapping_start.anchor, ev->mapping_start.tag) ? -1 : open_node(r, YAML_MAPPING);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		return close_node(r);
	case FYET_STREAM_END:
		r->ended = true;
		return 0;
	default:
		return 0;
	}
}

/* The library's own words, placed; it may stop without any. */
static int syntax_error(struct reader *r, struct fy_diag *diag) {
	void *at = NULL;
	const struct fy_diag_error *d = fy_diag_errors_iterate(diag, &at);

	if (!d || !d->msg)
		return fatal(r, r->last, "not YAML");
	struct pos pos = {r->name, d->line > 0 ? d->line : r->last.line, d->line > 0 ? d->column : r->last.col};
	complaints_add(r->c, pos, "not YAML: %s", d->msg);
	return -1;
}

/* The library writes some errors to stderr even when it collects them. */
static void say_nothing(struct fy_diag *diag, void *user, const char *buf, size_t len) {
	(void) diag;
	(void) user;
	(void) buf;
	(void) len;
}

static int run(struct reader *r, struct fy_parser *parser, struct fy_diag *diag) {
	for (int failed = 0; !r->ended && !failed;) {
		struct fy_event *ev = fy_parser_parse(parser);
		if (!ev)
			return syntax_error(r, diag);
		failed = take(r, ev);
		fy_parser_event_free(parser, ev);
		if (failed)
			return -1;
	}
	if (!r->done || !r->n_done || r->done[0]->kind == YAML_NULL)
		return fatal(r, (struct pos){r->name, 1, 1}, "empty file");
	r->yaml->root = r->done[0];
	return 0;
}

static int parse(struct reader *r, const char *text, size_t n) {
	struct fy_diag_cfg quiet;
	fy_diag_cfg_default(&quiet);
	quiet.fp = NULL;
	quiet.output_fn = say_nothing;
	struct fy_diag *diag = fy_diag_create(&quiet);
	if (!diag)
		abort(); /* out of memory */
	fy_diag_set_collect_errors(diag, true);
	struct fy_parser *parser = fy_parser_create(&(struct fy_parse_cfg){.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag});
	if (!parser || fy_parser_set_string(parser, text, n))
		abort();
	int failed = run(r, parser, diag);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return failed;
}

static int line_at(const char *text, const char *at) {
	int line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static const char *line_end(const char *from, const char *end) {
	const char *nl = memchr(from, '\n', (size_t) (end - from));

	return nl ? nl + 1 : end;
}

/* What the library would take, and we do not: foreign encodings, directives. */
static int check_text(struct reader *r, const char *text, size_t n) {
	bool head = true;

	if (n > YAML_MAX_BYTES)
		return fatal(r, r->last, "larger than 1 MiB");
	for (const char *from = text, *end; from < text + n; from = end) {
		end = line_end(from, text + n);
		if (!text_is_utf8(from, (size_t) (end - from)) || memchr(from, 0, (size_t) (end - from)))
			return fatal(r, (struct pos){r->name, line_at(text, from), 1}, "not UTF-8 text");
		if (head && *from == '%')
			return fatal(r, (struct pos){r->name, line_at(text, from), 1}, "directives (%YAML, %TAG) are not supported");
		head = head && strchr("#\r\n", *from);
	}
	return 0;
}

int yaml_parse(const char *name, const char *text, size_t n, struct yaml **out, struct complaints *c, struct err *e) {
	struct yaml *y CLEANUP(yaml_freep) = mem_zalloc(1, sizeof *y);
	bool marked = n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);

	y->arena = arena_new();
	struct reader r = {.yaml = y, .c = c, .name = arena_strdup(y->arena, name)};
	r.last = (struct pos){r.name, 1, 1};
	text += marked ? 3 : 0;
	n -= marked ? 3 : 0;
	r.text = text;
	r.n = n;
	int failed = check_text(&r, text, n) || parse(&r, text, n);
	free(r.done);
	if (failed)
		return err_set(e, ERR_SPEC, "'%s' is not a YAML file that can be checked", name);
	*out = STEAL(y);
	return 0;
}

enum yaml_kind yaml_kind(const struct yaml_node *n) {
	return n ? n->kind : YAML_NULL;
}

const char *yaml_scalar(const struct yaml_node *n, bool *plain) {
	if (yaml_kind(n) != YAML_SCALAR)
		return NULL;
	if (plain)
		*plain = n->plain;
	return n->text;
}

size_t yaml_count(const struct yaml_node *n) {
	return yaml_kind(n) == YAML_SEQUENCE ? n->n : yaml_kind(n) == YAML_MAPPING ? n->n / 2 : 0;
}

const struct yaml_node *yaml_item(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_SEQUENCE && i < n->n ? n->children[i] : NULL;
}

const struct yaml_node *yaml_key(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_MAPPING && i < n->n / 2 ? n->children[2 * i] : NULL;
}

const struct yaml_node *yaml_value(const struct yaml_node *n, size_t i) {
	return yaml_kind(n) == YAML_MAPPING && i < n->n / 2 ? n->children[2 * i + 1] : NULL;
}

const struct yaml_node *yaml_get(const struct yaml_node *n, const char *key) {
	for (size_t i = 0; yaml_kind(n) == YAML_MAPPING && i < yaml_count(n); i++)
		if (!strcmp(yaml_key(n, i)->text, key))
			return yaml_value(n, i);
	return NULL;
}

const struct yaml_node *yaml_at(const struct yaml_node *n, const char *path) {
	char *steps CLEANUP(freep) = mem_strdup(path), *save = NULL;

	for (char *step = strtok_r(steps, ".", &save); step && n; step = strtok_r(NULL, ".", &save)) {
		uint64_t i;
		n = yaml_kind(n) == YAML_SEQUENCE && text_u64(step, &i) ? yaml_item(n, i) : yaml_get(n, step);
	}
	return n;
}

struct pos yaml_pos(const struct yaml_node *n) {
	return n ? n->pos : (struct pos){0};
}

const char *yaml_kind_name(enum yaml_kind kind) {
	static const char *const names[] = {"nothing", "text", "a list", "a mapping"};

	return names[kind];
}

const char *yaml_show(const char *text, char out[YAML_SHOWN]) {
	size_t n = strnlen(text, 101);
	bool cut = n > 100;

	if (cut)
		for (n = 97; n && ((unsigned char) text[n] & 0xc0) == 0x80;)
			n--;
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char) text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	memcpy(out + n, cut ? "..." : "", cut ? 4 : 1);
	return out;
}
