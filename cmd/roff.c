/* SPDX-License-Identifier: Apache-2.0 */
#include "roff.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

/* ASCII that roff would print as a typographic sign, or take as an order. */
static void put(struct buf *out, const char *text, size_t n, bool line_start) {
	for (size_t i = 0; i < n; i++) {
		char c = text[i];
		if ((c == '.' || c == '\'') && !i && line_start)
			(void) buf_puts(out, "\\&");
		switch (c) {
		case '\\': (void) buf_puts(out, "\\e"); break;
		case '-': (void) buf_puts(out, "\\-"); break;
		case '\'': (void) buf_puts(out, "\\(aq"); break;
		case '`': (void) buf_puts(out, "\\(ga"); break;
		case '^': (void) buf_puts(out, "\\(ha"); break;
		case '~': (void) buf_puts(out, "\\(ti"); break;
		case '"': (void) buf_puts(out, "\\(dq"); break;
		default: (void) buf_putc(out, c);
		}
	}
}

/* A word, without its punctuation, is filled in by the user where it is all capitals. */
static char font_of(const char *word, size_t n) {
	bool upper = false, lower = false;

	for (size_t i = 0; i < n; i++) {
		upper = upper || isupper((unsigned char) word[i]);
		lower = lower || islower((unsigned char) word[i]);
	}
	return lower ? 'B' : upper ? 'I' : 'R';
}

static void put_fonts(struct buf *out, const char *text) {
	static const char ends[] = " []|=,.";

	while (*text) {
		size_t n = strcspn(text, ends);
		char font = font_of(text, n);
		if (n && font != 'R') {
			(void) buf_printf(out, "\\f%c", font);
			put(out, text, n, false);
			(void) buf_puts(out, "\\fR");
		} else {
			put(out, text, n, false);
		}
		text += n;
		n = strspn(text, ends);
		put(out, text, n, false);
		text += n;
	}
}

void roff_begin(struct buf *out, const char *name, int section, const char *source) {
	(void) buf_puts(out, ".TH ");
	for (const char *c = name; *c; c++)
		put(out, (char[]){(char) toupper((unsigned char) *c)}, 1, false);
	(void) buf_printf(out, " %d \"\" \"%s\" \"llmdeploy manual\"\n.nh\n.ad l\n", section,
			  source);
}

void roff_section(struct buf *out, const char *title) {
	(void) buf_printf(out, ".SH %s\n", title);
}

void roff_text(struct buf *out, const char *text) {
	put(out, text, strlen(text), true);
	(void) buf_putc(out, '\n');
}

void roff_paragraphs(struct buf *out, const char *text) {
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		if (line != text)
			(void) buf_puts(out, ".PP\n");
		put(out, line, n, true);
		(void) buf_putc(out, '\n');
		line += n + (line[n] == '\n');
	}
}

void roff_synopsis(struct buf *out, const char *command, const char *args) {
	(void) buf_puts(out, "\\fB");
	put(out, command, strlen(command), false);
	(void) buf_puts(out, "\\fR");
	if (*args) {
		(void) buf_putc(out, ' ');
		put_fonts(out, args);
	}
	(void) buf_putc(out, '\n');
}

void roff_item(struct buf *out, const char *tag, const char *text) {
	(void) buf_puts(out, ".TP\n");
	put_fonts(out, tag);
	(void) buf_putc(out, '\n');
	roff_text(out, text);
}

void roff_code(struct buf *out, const char *text) {
	(void) buf_puts(out, ".PP\n.nf\n.RS 4\n");
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		if (!n)
			(void) buf_puts(out, "\\&");
		put(out, line, n, true);
		(void) buf_putc(out, '\n');
		line += n + (line[n] == '\n');
	}
	(void) buf_puts(out, ".RE\n.fi\n");
}
