/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "json/json.h"

/* Block style for the outermost objects, flow style inside of them. */

static void value(const struct schema_field *f, const struct json *v, struct buf *out);

static void quoted(const char *s, struct buf *out) {
	json_quote(s, strlen(s), out);
}

static void number(const struct schema_field *f, const struct json *v, struct buf *out) {
	int64_t n = (int64_t) json_value(v);

	if (f->type == SCHEMA_FRACTION)
		(void) buf_printf(out, "%" PRId64 ".%02" PRId64, n / 100, n % 100);
	else
		(void) buf_printf(out, "%" PRId64 "%s", n,
				  f->type == SCHEMA_BYTES               ? "B"
					  : f->type == SCHEMA_BANDWIDTH ? "B/s"
					  : f->type == SCHEMA_DURATION  ? "ms"
									: "");
}

static void pairs(const struct schema_field *fields, const struct json *o, struct buf *out) {
	bool first = true;

	(void) buf_putc(out, '{');
	for (const struct schema_field *f = fields; f->key; f++) {
		const struct json *v = json_get(o, f->key);
		if (!v)
			continue;
		(void) buf_printf(out, "%s%s: ", first ? "" : ", ", f->key);
		value(f, v, out);
		first = false;
	}
	(void) buf_putc(out, '}');
}

static void map(const struct schema_field *f, const struct json *o, struct buf *out) {
	(void) buf_putc(out, '{');
	for (const struct json *v = json_first(o); v; v = json_next(v)) {
		if (v != json_first(o))
			(void) buf_puts(out, ", ");
		quoted(json_key(v), out);
		(void) buf_puts(out, ": ");
		value(f->element, v, out);
	}
	(void) buf_putc(out, '}');
}

static void list(const struct schema_field *f, const struct json *a, struct buf *out) {
	static const struct schema_field text = {.type = SCHEMA_STRING};

	(void) buf_putc(out, '[');
	for (const struct json *v = json_first(a); v; v = json_next(v)) {
		if (v != json_first(a))
			(void) buf_puts(out, ", ");
		value(f->element ? f->element : &text, v, out);
	}
	(void) buf_putc(out, ']');
}

static void value(const struct schema_field *f, const struct json *v, struct buf *out) {
	switch (f->type) {
	case SCHEMA_OBJECT:
		if (json_text(v))
			quoted(json_text(v), out);
		else
			pairs(f->fields, v, out);
		return;
	case SCHEMA_MAP: map(f, v, out); return;
	case SCHEMA_LIST:
	case SCHEMA_ONE_OR_LIST: list(f, v, out); return;
	case SCHEMA_ANY: json_print(v, out); return;
	case SCHEMA_BOOL: (void) buf_puts(out, json_truth(v) ? "true" : "false"); return;
	case SCHEMA_DECIMAL: (void) buf_puts(out, json_text(v)); return;
	default: break;
	}
	if (json_text(v))
		quoted(json_text(v), out);
	else
		number(f, v, out);
}

static void block(const struct schema_field *f, const struct json *o, struct buf *out) {
	(void) buf_putc(out, '\n');
	for (const struct schema_field *in = f->fields; in->key; in++) {
		const struct json *v = json_get(o, in->key);
		if (!v)
			continue;
		(void) buf_printf(out, "  %s: ", in->key);
		value(in, v, out);
		(void) buf_putc(out, '\n');
	}
}

void schema_write(const struct schema_field *fields, const struct json *tree, struct buf *out) {
	for (const struct schema_field *f = fields; f->key; f++) {
		const struct json *v = json_get(tree, f->key);
		if (!v || (json_is_object(v) && !json_count(v)))
			continue;
		(void) buf_printf(out, "%s:", f->key);
		if (f->type == SCHEMA_OBJECT && json_is_object(v)) {
			block(f, v, out);
			continue;
		}
		(void) buf_putc(out, ' ');
		value(f, v, out);
		(void) buf_putc(out, '\n');
	}
}
