/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "schema/internal.h"

static void put_value(const struct schema_field *f, struct buf *out);

static void put_words(const char *const *words, struct buf *out) {
	size_t n = 0;

	while (words[n])
		n++;
	char *text CLEANUP(freep) = schema_join(words, n);
	(void) buf_puts(out, text);
}

static void put_duration(int64_t ms, struct buf *out) {
	static const struct {
		int64_t ms;
		const char *unit;
	} units[] = {{3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (ms % units[i].ms || ms < units[i].ms)
		i++;
	(void) buf_printf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
}

static void put_number(const struct schema_field *f, int64_t n, struct buf *out) {
	if (f->type == SCHEMA_DURATION && n)
		put_duration(n, out);
	else if (f->type == SCHEMA_FRACTION)
		(void) buf_printf(out, "%" PRId64 ".%02" PRId64, n / 100, n % 100);
	else
		(void) buf_printf(out, "%" PRId64, n);
}

/* ", 1 to 1024" */
static void put_limits(const struct schema_field *f, struct buf *out) {
	bool number = f->type == SCHEMA_INT || f->type == SCHEMA_DURATION ||
		f->type == SCHEMA_FRACTION || f->type == SCHEMA_DECIMAL;

	if (!number || (!f->max && !f->min))
		return;
	(void) buf_puts(out, f->max ? ", " : ", at least ");
	put_number(f, f->min, out);
	if (!f->max)
		return;
	(void) buf_puts(out, " to ");
	put_number(f, f->max, out);
}

/* What there are many of: "of texts", "of mappings", "each one of: ...". */
static void put_items(const struct schema_field *element, struct buf *out) {
	if (!element || element->type == SCHEMA_STRING) {
		(void) buf_puts(out, " of texts");
	} else if (element->type == SCHEMA_OBJECT && !element->choices && !element->flags) {
		(void) buf_puts(out, " of mappings");
	} else if (element->type != SCHEMA_ANY) {
		(void) buf_puts(out, ", each ");
		put_value(element, out);
	}
}

static void put_many(const struct schema_field *f, const char *noun, struct buf *out) {
	(void) buf_puts(out, noun);
	if (f->type != SCHEMA_ONE_OR_LIST)
		put_items(f->element, out);
	if (f->max)
		(void) buf_printf(out, "; at most %" PRId64, f->max);
}

static void put_object(const struct schema_field *f, struct buf *out) {
	if (f->choices) {
		put_words(f->choices, out);
		(void) buf_puts(out, ", or ");
	}
	if (f->flags & SCHEMA_OR_TEXT)
		(void) buf_puts(out, "text, or ");
	(void) buf_puts(out, f->flags & SCHEMA_ONE_KEY ? "a mapping with one key" : "a mapping");
}

static void put_value(const struct schema_field *f, struct buf *out) {
	static const struct schema_field text = {.type = SCHEMA_STRING};

	switch (f->type) {
	case SCHEMA_ENUM: put_words(f->choices, out); return;
	case SCHEMA_OBJECT: put_object(f, out); return;
	case SCHEMA_MAP: put_many(f, "a mapping", out); return;
	case SCHEMA_LIST: put_many(f, "a list", out); return;
	case SCHEMA_ONE_OR_LIST:
		put_value(f->element ? f->element : &text, out);
		put_many(f, ", or a list", out);
		return;
	default: break;
	}
	(void) buf_puts(out, schema_type_noun(f->type));
	put_limits(f, out);
}

struct walk {
	schema_row_found *found;
	void *ctx;
};

static void describe(const struct walk *w, const struct schema_field *fields, const char *prefix);

/* The keys inside of a value, of a list's items and of a map's values. */
static void describe_inside(const struct walk *w, const struct schema_field *f, const char *path) {
	bool list = f->type == SCHEMA_LIST || f->type == SCHEMA_ONE_OR_LIST;

	if (f->type == SCHEMA_OBJECT) {
		char *prefix CLEANUP(freep) = mem_printf("%s.", path);
		describe(w, f->fields, prefix);
	} else if ((list || f->type == SCHEMA_MAP) && f->element) {
		char *item CLEANUP(freep) = mem_printf("%s%s", path, list ? "[]" : ".KEY");
		describe_inside(w, f->element, item);
	}
}

static void describe(const struct walk *w, const struct schema_field *fields, const char *prefix) {
	for (const struct schema_field *f = fields; f->key; f++) {
		struct buf value CLEANUP(buf_done) = BUF_INIT(4096),
				 unless CLEANUP(buf_done) = BUF_INIT(1024);
		char *path CLEANUP(freep) = mem_printf("%s%s", prefix, f->key);

		put_value(f, &value);
		if (f->unless)
			put_words(f->unless, &unless);
		const struct schema_row row = {
			.path = path,
			.value = buf_str(&value),
			.fallback = f->fallback,
			.required = f->flags & SCHEMA_REQUIRED,
			.unless = unless.len ? buf_str(&unless) : NULL,
			.doc = f->doc ? f->doc : "",
		};
		w->found(w->ctx, &row);
		describe_inside(w, f, path);
	}
}

void schema_describe(const struct schema_field *fields, schema_row_found *found, void *ctx) {
	describe(&(struct walk){found, ctx}, fields, "");
}
