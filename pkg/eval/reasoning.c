/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/reasoning.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Begin and end, capitals do not matter. A '>' at the end of a begin stands for attributes and '>'
 * as well. */
static const struct {
	const char *begin, *end;
} pairs[] = {
	{"<think>", "</think>"},
	{"<thinking>", "</thinking>"},
	{"<thought>", "</thought>"},
	{"<thoughts>", "</thoughts>"},
	{"<reasoning>", "</reasoning>"},
	{"<reflection>", "</reflection>"},
	{"<scratchpad>", "</scratchpad>"},
	{"<seed:think>", "</seed:think>"},
	{"<|think|>", "<|/think|>"},
	{"<|begin_of_thought|>", "<|end_of_thought|>"},
	{"<|START_THINKING|>", "<|END_THINKING|>"},
	{"[THINK]", "[/THINK]"},
	{"\xe2\x97\x81think\xe2\x96\xb7", "\xe2\x97\x81/think\xe2\x96\xb7"},
	{"<|channel|>analysis<|message|>", "<|end|>"},
	{"<|channel|>commentary<|message|>", "<|end|>"},
	{"<|channel>thought", "<channel|>"},
	{"<unused94>thought", "<unused95>"},
};

/* What stands around an answer beside them, and is no part of it. */
static const char *const frames[] = {
	"<|start|>assistant",
	"<|channel|>final<|message|>",
	"<|return|>",
	"<|end|>",
	"<|START_RESPONSE|>",
	"<|END_RESPONSE|>",
	"<|begin_of_solution|>",
	"<|end_of_solution|>",
};

#define N_PAIRS (sizeof pairs / sizeof *pairs)

/* Length of the mark at s; 0: it does not stand there. */
static size_t mark_at(const char *s, const char *mark) {
	size_t n = strlen(mark);

	if (!strncasecmp(s, mark, n))
		return n;
	if (mark[0] != '<' || mark[n - 1] != '>' || mark[1] == '|' ||
	    strncasecmp(s, mark, n - 1) != 0)
		return 0;
	/* <think >, <think budget="5"> */
	if (!strchr(" \t\r\n", s[n - 1]) || !s[n - 1])
		return 0;
	size_t more = strcspn(s + n, "<>");
	return s[n + more] == '>' ? n + more + 1 : 0;
}

static size_t begin_at(const char *s, size_t *which) {
	for (size_t i = 0; i < N_PAIRS; i++) {
		size_t n = mark_at(s, pairs[i].begin);
		if (n) {
			*which = i;
			return n;
		}
	}
	return 0;
}

static size_t end_at(const char *s) {
	for (size_t i = 0; i < N_PAIRS; i++) {
		size_t n = strcmp(pairs[i].end, "<|end|>") != 0 ? mark_at(s, pairs[i].end) : 0;
		if (n)
			return n;
	}
	return 0;
}

static size_t frame_at(const char *s) {
	for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
		if (mark_at(s, frames[i]))
			return mark_at(s, frames[i]);
	return 0;
}

/* From behind the begin of pair `which` to behind its end; pairs of one kind may be in one another.
 * NULL: it does not end. */
static const char *behind_end(const char *s, size_t which) {
	size_t depth = 1;

	while (*s) {
		size_t begin = mark_at(s, pairs[which].begin), end = mark_at(s, pairs[which].end);
		depth += begin > 0;
		depth -= end > 0;
		s += begin ? begin : end ? end : 1;
		if (!depth)
			return s;
	}
	return NULL;
}

bool eval_without_reasoning(const char *text, char **out) {
	char *left CLEANUP(freep) = mem_zalloc(strlen(text) + 1, 1);
	size_t used = 0, which = 0, n;

	while (*text) {
		if ((n = begin_at(text, &which))) {
			text = behind_end(text + n, which);
			if (!text)
				return false;
		} else if ((n = end_at(text))) {
			used = 0;
			text += n;
		} else if ((n = frame_at(text))) {
			text += n;
		} else {
			left[used++] = *text++;
		}
	}
	left[used] = 0;
	*out = STEAL(left);
	return true;
}

/* As in the pattern "</?think": a name of a mark behind one of these. */
static bool names_at(const char *s) {
	static const char *const names[] = {"think", "thought", "reasoning", "reflection",
					    "scratchpad"};

	if (!strchr("</?", s[0]))
		return false;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strncasecmp(s + 1, names[i], strlen(names[i])))
			return true;
	return false;
}

bool eval_names_reasoning(const char *text) {
	size_t which;

	for (; *text; text++)
		if (names_at(text) || begin_at(text, &which) || end_at(text))
			return true;
	return false;
}
