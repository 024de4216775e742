/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

struct buf;

/* The few shapes of a manual page, as man(7) macros. Texts are plain; what roff would read as a
 * sign of its own is escaped. */
void roff_begin(struct buf *out, const char *name, int section, const char *source);
void roff_section(struct buf *out, const char *title);
void roff_text(struct buf *out, const char *text); /* a line of the running paragraph */
/* each line is a paragraph; the first begins without a gap */
void roff_paragraphs(struct buf *out, const char *text);
/* "llmdeploy apply", "[OPTION]... FILE": what is typed as it is in bold, what is filled in
 * (capitals) in italics. */
void roff_synopsis(struct buf *out, const char *command, const char *args);
/* A tagged paragraph; `tag` in the fonts of a synopsis. */
void roff_item(struct buf *out, const char *tag, const char *text);
void roff_code(struct buf *out, const char *text); /* lines as they are, indented */
