/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/template.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "spec/template_word.h"

enum { DEPTH = 64, SHOWN = 40 };

/* A statement that is open, or a bracket. */
struct open {
	const char *at, *end; /* where it began; the word that ends it */
	bool has_else;
};

struct reader {
	const char *file, *text, *at;
	struct diagnostics *c;
	struct open open[DEPTH];
	size_t n;
	bool uses_messages;
};

static struct pos pos_of(const struct reader *r, const char *at) {
	struct pos p = {r->file, 1, 1};

	for (const char *s = r->text; s < at; s++) {
		p.line += *s == '\n';
		p.col = *s == '\n' ? 1 : p.col + 1;
	}
	return p;
}

/* The tag at `at`, on one line and not too long. */
static const char *shown(const char *at, char out[SHOWN + 4]) {
	size_t n = strcspn(at, "\n");
	const char *end = strstr(at, at[1] == '%' ? "%}" : "}}");

	if (end && (size_t) (end + 2 - at) < n)
		n = (size_t) (end + 2 - at);
	(void) snprintf(out, SHOWN + 4, "%.*s%s", (int) (n < SHOWN ? n : SHOWN), at,
			n < SHOWN ? "" : "...");
	return out;
}

/* ---- Go ---- */

/* What Ollama's templates are written in: a field (.Prompt), a variable ($x), or an action without
 * the percent sign. */
static bool is_go(const char *inside) {
	static const char *const actions[] = {"if",     "else",  "end",      "range", "with",
					      "define", "block", "template", "break", "continue"};
	char word[16] = "";

	inside += *inside == '-';
	inside += strspn(inside, " \t\n");
	if (*inside == '$' ||
	    (*inside == '.' && (isalpha((unsigned char) inside[1]) || strchr(" }-", inside[1]))))
		return true;
	size_t n = strspn(inside, "abcdefghijklmnopqrstuvwxyz");
	if (n && n < sizeof word)
		memcpy(word, inside, n);
	for (size_t i = 0; *word && i < sizeof actions / sizeof *actions; i++)
		if (!strcmp(word, actions[i]) &&
		    (inside[n] == ' ' || inside[n] == '}' || inside[n] == '-'))
			return true;
	return false;
}

static void refuse_go(struct reader *r) {
	char tag[SHOWN + 4];

	diagnostics_add(
		r->c, pos_of(r, r->at),
		"'%s' is a Go template, as Ollama has them; the runtime reads Jinja: take the chat "
		"template of the model's own repository",
		shown(r->at, tag));
}

/* ---- statements ---- */

static const struct {
	const char *name, *end; /* end: NULL for one that stands alone */
} statements[] = {
	{"if", "endif"},         {"for", "endfor"},       {"macro", "endmacro"},
	{"call", "endcall"},     {"filter", "endfilter"}, {"set", NULL},
	{"break", NULL},         {"continue", NULL},      {"generation", NULL},
	{"endgeneration", NULL},
};
static const char *const words[] = {"if",       "elif",       "else",         "endif",  "for",
				    "endfor",   "macro",      "endmacro",     "call",   "endcall",
				    "filter",   "endfilter",  "set",          "endset", "break",
				    "continue", "generation", "endgeneration"};

static void push(struct reader *r, const char *tag, const char *end) {
	if (r->n == DEPTH)
		diagnostics_add(r->c, pos_of(r, tag), "statements are more than %d deep", DEPTH);
	else
		r->open[r->n++] = (struct open){tag, end, false};
}

static void take_else(struct reader *r, const char *tag, const char *word) {
	struct open *top = r->n ? &r->open[r->n - 1] : NULL;
	bool in_for = top && !strcmp(top->end, "endfor") && !strcmp(word, "else");

	if (!top || (strcmp(top->end, "endif") != 0 && !in_for))
		diagnostics_add(r->c, pos_of(r, tag), "'%s' without an 'if' before it", word);
	else if (top->has_else)
		diagnostics_add(r->c, pos_of(r, tag),
				"'%s' after the 'else' of the '%s' in line %d", word,
				in_for ? "for" : "if", pos_of(r, top->at).line);
	else
		top->has_else = !strcmp(word, "else");
}

static void take_end(struct reader *r, const char *tag, const char *word) {
	if (!r->n) {
		diagnostics_add(r->c, pos_of(r, tag), "'%s' ends nothing: there is no open '%s'",
				word, word + 3);
		return;
	}
	struct open top = r->open[--r->n];

	if (strcmp(top.end, word) != 0)
		diagnostics_add(r->c, pos_of(r, tag),
				"'%s' where the '%s' in line %d needs its '%s'", word, top.end + 3,
				pos_of(r, top.at).line, top.end);
}

/* `inside` is what stands behind the word, until `end`. False: it is not known. */
static bool take_statement(struct reader *r, const char *tag, const char *word, const char *inside,
			   const char *end) {
	if (!strcmp(word, "elif") || !strcmp(word, "else")) {
		take_else(r, tag, word);
		return true;
	}
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
		if (statements[i].end && !strcmp(statements[i].end, word)) {
			take_end(r, tag, word);
			return true;
		}
		if (strcmp(statements[i].name, word) != 0)
			continue;
		if (statements[i].end)
			push(r, tag, statements[i].end);
		else if (!strcmp(word, "set") && !template_assigns(inside, end))
			push(r, tag, "endset");
		return true;
	}
	if (!strcmp(word, "endset")) {
		take_end(r, tag, word);
		return true;
	}
	const char *near = text_nearest(word, words, sizeof words / sizeof *words);
	diagnostics_add(r->c, pos_of(r, tag), "'%s' is no statement of the runtime's Jinja%s%s%s",
			word, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	return false;
}

/* ---- tags ---- */

static void skip_comment(struct reader *r) {
	const char *end = strstr(r->at + 2, "#}");

	if (!end)
		diagnostics_add(r->c, pos_of(r, r->at), "a comment '{#' has no '#}'");
	r->at = end ? end + 2 : r->at + strlen(r->at);
}

static bool stands_alone(const char *word) {
	return !strcmp(word, "else") || text_starts(word, "end") || !strcmp(word, "break") ||
		!strcmp(word, "continue") || !strcmp(word, "generation");
}

static void take_tag(struct reader *r) {
	const char *tag = r->at, *close = tag[1] == '%' ? "%}" : "}}", *inside = tag + 2, *end;
	struct template_fault fault = {NULL, NULL};
	char what[SHOWN + 4];

	inside += *inside == '-' || *inside == '+';
	end = template_end(inside, close, &fault);
	if (!end) {
		diagnostics_add(r->c, pos_of(r, fault.at ? fault.at : tag), "'%s' %s",
				shown(tag, what), fault.what ? fault.what : "is not closed");
		r->at = tag + strlen(tag);
		return;
	}
	r->at = end + 2;
	end -= end > inside && (end[-1] == '-' || end[-1] == '+');
	const char *rest = inside;
	r->uses_messages |= template_names(inside, end, "messages");
	if (*close == '%') {
		char word[SHOWN];

		rest = template_word(inside, word, sizeof word);
		if (!take_statement(r, tag, word, rest, end))
			return;
		if (stands_alone(word)) {
			if (rest + strspn(rest, " \t\r\n") < end)
				diagnostics_add(r->c, pos_of(r, tag),
						"'%s' takes nothing behind it%s", word,
						strcmp(word, "else")
							? ""
							: "; 'elif' takes a condition");
			return;
		}
		if (!strcmp(word, "call")) /* its first bracket belongs to the caller */
			return;
	}
	if (template_expression(rest, end, *close == '%', &fault))
		diagnostics_add(r->c, pos_of(r, fault.at), "in '%s': %s", shown(tag, what),
				fault.what);
}

void template_check(const char *file, const char *text, struct diagnostics *c) {
	struct reader r = {.file = file, .text = text, .at = text, .c = c};
	size_t before = c->n;

	while ((r.at = strchr(r.at, '{'))) {
		if (r.at[1] == '{' && is_go(r.at + 2)) {
			refuse_go(&r);
			return;
		}
		if (r.at[1] == '#')
			skip_comment(&r);
		else if (r.at[1] == '{' || r.at[1] == '%')
			take_tag(&r);
		else
			r.at++;
	}
	for (size_t i = 0; i < r.n; i++)
		diagnostics_add(c, pos_of(&r, r.open[i].at), "'%s' has no '%s'", r.open[i].end + 3,
				r.open[i].end);
	if (!r.uses_messages && c->n == before)
		diagnostics_add(
			c, (struct pos){file, 1, 1},
			"the template never uses 'messages', so no question would reach the model");
}
