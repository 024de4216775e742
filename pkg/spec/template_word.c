/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/template_word.h"

#include <ctype.h>
#include <string.h>

enum { BRACKETS = 64 };

static bool is_word(char c) {
	return isalnum((unsigned char) c) || c == '_';
}

/* Behind the string that begins at s; NULL where it has no end. */
static const char *behind_string(const char *s) {
	char quote = *s++;

	for (; *s && *s != quote; s++)
		s += *s == '\\' && s[1];
	return *s ? s + 1 : NULL;
}

const char *template_end(const char *inside, const char *close, struct template_fault *fault) {
	for (const char *s = inside; *s;) {
		if (!strncmp(s, close, strlen(close)))
			return s;
		if (*s == '\'' || *s == '"') {
			const char *end = behind_string(s);
			if (!end) {
				*fault = (struct template_fault){s, "has a string without an end"};
				return NULL;
			}
			s = end;
		} else if (s[0] == '{' && (s[1] == '%' || s[1] == '#')) {
			return NULL;
		} else if (*s == '{') { /* a mapping: its '}' may stand before the tag's own */
			const char *end = template_end(s + 1, "}", fault);
			if (!end)
				return NULL;
			s = end + 1;
		} else {
			s++;
		}
	}
	return NULL;
}

const char *template_word(const char *inside, char *word, size_t size) {
	size_t n = 0;

	inside += strspn(inside, " \t\n\r");
	for (; is_word(*inside); inside++)
		if (n + 1 < size)
			word[n++] = *inside;
	word[n] = '\0';
	return inside;
}

bool template_assigns(const char *from, const char *end) {
	int depth = 0;

	for (const char *s = from; s && s < end; s++) {
		if (*s == '\'' || *s == '"') {
			s = behind_string(s) - 1;
			continue;
		}
		depth += (*s == '(') + (*s == '[') + (*s == '{') - (*s == ')') - (*s == ']') -
			(*s == '}');
		if (*s == '=' && !depth && s[1] != '=' && s[-1] != '=' && s[-1] != '!' &&
		    s[-1] != '<' && s[-1] != '>')
			return true;
	}
	return false;
}

bool template_names(const char *from, const char *end, const char *name) {
	size_t n = strlen(name);

	for (const char *s = from; s + n <= end; s++)
		if (!strncmp(s, name, n) && !is_word(s[n]) && (s == from || !is_word(s[-1])))
			return true;
	return false;
}

/* ---- expressions ---- */

struct state {
	char brackets[BRACKETS];
	size_t n;
	bool value; /* the last thing was one, so that an operator follows */
	bool test;  /* behind `is NAME` a value may follow without brackets */
	bool any;
	const char *operator; /* that still needs a value behind it, or NULL */
};

static int bad(struct template_fault *f, const char *at, const char *what) {
	*f = (struct template_fault){at, what};
	return -1;
}

static bool is_one_of(const char *s, size_t n, const char *const *list) {
	for (; *list; list++)
		if (strlen(*list) == n && !strncmp(s, *list, n))
			return true;
	return false;
}

static int take_name(const char *s, size_t n, struct state *t, struct template_fault *f) {
	static const char *const operators[] = {"and",  "or", "in",        "if",
						"else", "is", "recursive", NULL};
	static const char *const before[] = {"not", NULL};

	if (is_one_of(s, n, before)) {
		t->value = false;
		return 0;
	}
	if (is_one_of(s, n, operators)) {
		t->test = n == 2 && !strncmp(s, "is", 2);
		t->value = false;
		t->operator= !strncmp(s, "else", 4) || !strncmp(s, "recursive", 9) ? NULL : s;
		return 0;
	}
	if (t->value && !t->test)
		return bad(f, s, "two values follow each other without an operator");
	t->value = true;
	t->operator= NULL;
	return 0;
}

static int take_bracket(const char *s, struct state *t, struct template_fault *f) {
	static const char opening[] = "([{", closing[] = ")]}";
	const char *open = strchr(opening, *s);

	if (open) {
		if (t->n == BRACKETS)
			return bad(f, s, "brackets are too deep");
		t->brackets[t->n++] = closing[open - opening];
		t->value = false;
		t->operator= NULL;
		return 0;
	}
	if (!t->n)
		return bad(f, s, "a bracket is closed that was not opened");
	if (t->brackets[--t->n] != *s)
		return bad(f, s, "a bracket is closed by another kind of bracket");
	if (t->operator)
		return bad(f, t->operator, "an operator has no value behind it");
	t->value = true;
	return 0;
}

static int take_operator(const char **at, struct state *t, struct template_fault *f) {
	const char *s = *at;
	bool sign = (*s == '-' || *s == '+') && !t->value,
	     separates = *s == ',' || *s == ':' || (*s == '=' && s[1] != '=');

	*at += 1 + ((s[0] == '=' || s[0] == '!' || s[0] == '<' || s[0] == '>') && s[1] == '=') +
		(s[0] == '*' && s[1] == '*') + (s[0] == '/' && s[1] == '/');
	if (!strchr("+-*/%~|.,:=<>!", *s) || (*s == '!' && s[1] != '='))
		return bad(f, s, "a character has no meaning here");
	if (!t->value && !sign && *s != ':' && !(*s == '*' && t->n))
		return bad(f, s,
			   *s == '|' ? "a filter has no value before it"
				     : "an operator has no value before it");
	t->value = false;
	t->test = false;
	t->operator= separates ? NULL : s;
	return 0;
}

int template_expression(const char *from, const char *end, bool statement,
			struct template_fault *fault) {
	struct state t = {.value = false};

	for (const char *s = from; s < end;) {
		if (strchr(" \t\r\n", *s)) {
			s++;
			continue;
		}
		t.any = true;
		if (*s == '\'' || *s == '"') {
			if (t.value && !t.test && s[-1] != '\'' && s[-1] != '"' &&
			    !strchr(" \t\r\n", s[-1]))
				return bad(fault, s,
					   "two values follow each other without an operator");
			t.value = true;
			t.operator= NULL;
			s = behind_string(s);
		} else if (is_word(*s)) {
			size_t n = 0;
			while (s + n < end && is_word(s[n]))
				n++;
			if (take_name(s, n, &t, fault))
				return -1;
			s += n;
		} else if (strchr("()[]{}", *s)) {
			if (take_bracket(s++, &t, fault))
				return -1;
		} else if (take_operator(&s, &t, fault)) {
			return -1;
		}
	}
	if (t.n)
		return bad(fault, from, "a bracket is not closed");
	if (!t.any && !statement)
		return bad(fault, from, "there is no expression");
	if (!t.any)
		return bad(fault, from, "the statement is not whole");
	return t.operator? bad(fault, t.operator, "an operator has no value behind it") : 0;
}
