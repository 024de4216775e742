/* SPDX-License-Identifier: Apache-2.0 */
#include "schema_markdown.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "schema/schema.h"

enum { DOCUMENT_MAX = 1 << 20 };

/* The keys at the top that hold a value are one table; each that holds further keys gets a section
 * behind it. */
struct document {
	struct buf top, sections;
	/* the newest key at the top, as a heading's text and as a row of the table */
	char *last, *intro, *row;
	bool open; /* its section has begun */
};

static void put_cell(struct buf *out, const char *text) {
	for (; *text; text++) {
		if (*text == '|' || *text == '<')
			(void) buf_putc(out, '\\');
		(void) buf_putc(out, *text);
	}
}

static void put_default(struct buf *out, const struct schema_row *row) {
	if (row->unless)
		(void) buf_printf(out, "required unless %s is there", row->unless);
	else if (row->required)
		(void) buf_puts(out, "required");
	else if (row->fallback)
		(void) buf_printf(out, "`%s`", row->fallback);
}

static void put_row(struct buf *out, const char *key, const struct schema_row *row) {
	(void) buf_printf(out, "| `%s` | ", key);
	put_cell(out, row->value);
	(void) buf_puts(out, " | ");
	put_default(out, row);
	(void) buf_puts(out, " | ");
	put_cell(out, row->doc);
	(void) buf_puts(out, " |\n");
}

/* The key before had no further keys: it is a row at the top. */
static void end_key(struct document *d) {
	if (d->row && !d->open)
		(void) buf_puts(&d->top, d->row);
	free(d->last);
	free(d->intro);
	free(d->row);
	d->last = d->intro = d->row = NULL;
	d->open = false;
}

static void begin_key(struct document *d, const struct schema_row *row) {
	struct buf line CLEANUP(buf_done) = BUF_INIT(1 << 14),
			intro CLEANUP(buf_done) = BUF_INIT(1 << 14);

	end_key(d);
	put_row(&line, row->path, row);
	put_cell(&intro, row->doc);
	if (strcmp(row->value, "a mapping") != 0)
		(void) buf_printf(&intro, " Value: %s.", row->value);
	if (row->required)
		(void) buf_puts(&intro, " Required.");
	d->last = mem_strdup(row->path);
	d->row = buf_steal(&line);
	d->intro = buf_steal(&intro);
}

#define HEAD "| key | value | default | meaning |\n|---|---|---|---|\n"

static void add(void *ctx, const struct schema_row *row) {
	struct document *d = ctx;
	size_t n = d->last ? strlen(d->last) : 0;

	if (!d->last || !text_starts(row->path, d->last) ||
	    (row->path[n] != '.' && row->path[n] != '[')) {
		begin_key(d, row);
		return;
	}
	if (!d->open)
		(void) buf_printf(&d->sections, "\n### `%s`\n\n%s\n\n" HEAD, d->last, d->intro);
	d->open = true;
	put_row(&d->sections, row->path, row);
}

void schema_markdown(const struct schema_field *fields, struct buf *out) {
	struct document d = {.top = BUF_INIT(DOCUMENT_MAX), .sections = BUF_INIT(DOCUMENT_MAX)};

	schema_describe(fields, add, &d);
	end_key(&d);
	(void) buf_printf(out, HEAD "%s%s", buf_str(&d.top), buf_str(&d.sections));
	buf_done(&d.top);
	buf_done(&d.sections);
}
