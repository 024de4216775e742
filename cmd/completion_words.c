/* SPDX-License-Identifier: Apache-2.0 */
#include "completion_words.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capability/capability.h"
#include "commands.h"
#include "context.h"
#include "man.h"
#include "plan/plan.h"
#include "release/release.h"
#include "runtime/runtime.h"
#include "schema/schema.h"
#include "spec/spec.h"

enum { LIST_MAX_BYTES = 1 << 16 };

/* A command line, read up to its last word. */
struct line {
	const struct cmd *cmd;
	/* options with their values, and the words that stand for themselves */
	struct args args;
	/* what the last word is for, where an option before it wants a value: "FILE" */
	const char *awaited;
	const char *word;  /* the last word */
	const char *fixed; /* what of it stays as it is: "--root=" */
	bool words_only;   /* after "--" */
};

static void offer(const struct line *l, const char *word, const char *means) {
	if (text_starts(word, l->word))
		(void) printf("%s%s\t%s\n", l->fixed, word, means);
}

/* ---- what a word of capitals stands for ---- */

static void add_commands(const struct line *l) {
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		offer(l, cmd->name, cmd->summary);
}

static void add_routes(const struct line *l) {
	struct root root CLEANUP(root_done) = ROOT_INIT;
	char **names CLEANUP(freep) = NULL;
	struct err unused;
	size_t n = 0;

	if (root_open(l->args.option[OPT_ROOT], ROOT_READ, &root, &unused) ||
	    release_routes(&root, &names, &n, &unused))
		return;
	for (size_t i = 0; i < n; i++)
		offer(l, names[i], "route");
}

/* Of the route that was named before. */
static void add_versions(const struct line *l) {
	struct release_route route CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct root root CLEANUP(root_done) = ROOT_INIT;
	char **names CLEANUP(freep) = NULL;
	struct err unused;
	size_t n = 0;

	if (!l->args.n || root_open(l->args.option[OPT_ROOT], ROOT_READ, &root, &unused) ||
	    release_route_open(&root, l->args.at[0], false, &route, &unused) ||
	    release_list(&route, &names, &n, &unused))
		return;
	for (size_t i = 0; i < n; i++)
		offer(l, names[i], "release");
}

static void add_runtimes(const struct line *l) {
	char **names CLEANUP(freep) = NULL;
	struct err unused;
	size_t n_dirs, n = 0;
	char **dirs = context_runtime_dirs(&l->args, &n_dirs);

	if (!runtime_list((const char *const *) dirs, n_dirs, &names, &n, &unused))
		for (size_t i = 0; i < n; i++)
			offer(l, names[i], "runtime");
	runtime_dirs_free(dirs);
}

static const struct schema_field *field(const struct schema_field *fields, const char *key) {
	while (fields->key && strcmp(fields->key, key) != 0)
		fields++;
	return fields;
}

static void add_backends(const struct line *l) {
	const struct schema_field *backend =
		field(field(spec_schema_fields("manifest"), "runtime")->fields, "backend");

	for (const char *const *word = backend->choices; *word; word++)
		if (strcmp(*word, "auto") != 0)
			offer(l, *word, "backend");
}

/* After a comma the list goes on. */
static void add_capabilities(const struct line *l) {
	const char *comma = strrchr(l->word, ',');
	size_t before = comma ? (size_t) (comma + 1 - l->word) : 0;

	for (size_t i = 0; i < capability_count; i++) {
		char *word CLEANUP(freep) = mem_printf("%.*s%s", (int) before, l->word,
						       capability_list[i].name);
		offer(l, word, capability_list[i].means);
	}
}

/* A text with a word a line, and behind it what it means. */
static void add_lines(const struct line *l, const struct buf *text) {
	char *lines CLEANUP(freep) = mem_strdup(buf_str(text)), *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *word CLEANUP(freep) = mem_strndup(line, strcspn(line, " "));
		offer(l, word, line + strlen(word) + strspn(line + strlen(word), " "));
	}
}

static void add_topics(const struct line *l) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(LIST_MAX_BYTES);

	plan_explain_help(&text);
	add_lines(l, &text);
	offer(l, "help", "the topics");
}

static void add_pages(const struct line *l) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(LIST_MAX_BYTES);

	man_list(&text);
	add_lines(l, &text);
}

static void add_files(const struct line *l) {
	(void) l;
	(void) puts(":files");
}

static void add_folders(const struct line *l) {
	(void) l;
	(void) puts(":folders");
}

static const struct {
	const char *word;
	void (*add)(const struct line *l);
} known[] = {
	{"ROUTE", add_routes},
	{"VERSION", add_versions},
	{"RUNTIME", add_runtimes},
	{"BACKEND", add_backends},
	{"WORD,WORD", add_capabilities},
	{"TOPIC", add_topics},
	{"PAGE", add_pages},
	{"COMMAND", add_commands},
	{"FILE", add_files},
	{"MANIFEST", add_files},
	{"MODEL", add_files},
	{"DIR", add_folders},
};

static void add_of(const struct line *l, const char *word, size_t n) {
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].word) == n && !strncmp(known[i].word, word, n))
			known[i].add(l);
}

/* The argument at `index` of "ROUTE [QUESTION]" or "FILE...". */
static void add_argument(const struct line *l, const char *args, size_t index) {
	const char *word = args;
	size_t n = strcspn(word, " ");

	for (; index && word[n]; index--) {
		word += n + strspn(word + n, " ");
		n = strcspn(word, " ");
	}
	bool repeats = n > 3 && !strncmp(word + n - 3, "...", 3);
	if (index && !repeats)
		return;
	word += *word == '[';
	add_of(l, word, strcspn(word, " ]."));
}

/* ---- verbs ---- */

/* The word at `index` of "keys add"; *n is its length, 0 past the end. */
static const char *word_at(const char *text, size_t index, size_t *n) {
	for (; index && *text; index--)
		text += strcspn(text, " ") + strspn(text + strcspn(text, " "), " ");
	*n = strcspn(text, " ");
	return text;
}

/* Are the first words of the line those of the verb? *length: how many the verb has. */
static bool verb_matches(const struct line *l, const struct cmd_verb *verb, size_t *length) {
	bool matches = true;
	size_t n;

	for (*length = 0;; ++*length) {
		const char *word = word_at(verb->name, *length, &n);
		if (!n)
			return matches;
		if (*length < (size_t) l->args.n)
			matches = matches && strlen(l->args.at[*length]) == n &&
				!strncmp(l->args.at[*length], word, n);
	}
}

/* The verb before it has the same word there: "keys" is offered once. */
static bool was_offered(const struct cmd_verb *before, size_t index, const char *word) {
	size_t n;
	const char *other = before ? word_at(before->name, index, &n) : NULL;

	return other && strlen(word) == n && !strncmp(other, word, n);
}

static void add_verb(const struct line *l, const struct cmd_verb *verb,
		     const struct cmd_verb *before) {
	size_t given = (size_t) l->args.n, length, n;

	if (!verb_matches(l, verb, &length))
		return;
	if (given >= length) {
		add_argument(l, verb->args, given - length);
		return;
	}
	const char *at = word_at(verb->name, given, &n);
	char *word CLEANUP(freep) = mem_strndup(at, n);
	bool last = given + 1 == length;
	if (last || !was_offered(before, given, word))
		offer(l, word, last ? verb->summary : l->cmd->summary);
}

/* ---- the line ---- */

static void add_options(const struct line *l) {
	for (int i = 0; i < OPT_COUNT; i++) {
		char *word CLEANUP(freep) = mem_printf("--%s", cmd_options[i].name);
		if (l->cmd->options & OPT(i))
			offer(l, word, cmd_options[i].help);
	}
	offer(l, "--help", "the arguments and options of the command");
}

/* The option that a word names, "--root" or "-f"; -1: none of this command. */
static int option_of(const struct cmd *cmd, const char *word, size_t n) {
	for (int i = 0; i < OPT_COUNT; i++) {
		const char *name = cmd_options[i].name;
		char letter = args_letter(cmd, i);
		if (!(cmd->options & OPT(i)))
			continue;
		if (n > 2 && text_starts(word, "--") && strlen(name) == n - 2 &&
		    !strncmp(name, word + 2, n - 2))
			return i;
		if (letter && n == 2 && word[0] == '-' && word[1] == letter)
			return i;
	}
	return -1;
}

/* A word before the last one: a value, an option, or an argument. bash makes a word of the '=' in
 * --root=DIR. */
static void read_word(struct line *l, char *word, int *awaited) {
	size_t n = strcspn(word, "=");
	int id = l->words_only || word[0] != '-' || !word[1] ? -1 : option_of(l->cmd, word, n);

	if (*awaited >= 0 && !strcmp(word, "="))
		return;
	if (*awaited >= 0) {
		l->args.option[*awaited] = word;
		*awaited = -1;
	} else if (id >= 0 && cmd_options[id].arg && !word[n]) {
		*awaited = id;
	} else if (id >= 0) {
		l->args.option[id] = word[n] ? word + n + 1 : "";
	} else if (!l->words_only && !strcmp(word, "--")) {
		l->words_only = true;
	} else if (l->words_only || word[0] != '-') {
		l->args.at[l->args.n++] = word;
	}
}

static void read_line(struct line *l, char **words, size_t n) {
	int awaited = -1;

	l->args.at = words;
	for (size_t i = 0; i + 1 < n; i++)
		read_word(l, words[i], &awaited);
	if (awaited >= 0)
		l->awaited = cmd_options[awaited].arg;
}

/* --root=DI: only what follows the sign is looked up. */
static char *split_value(struct line *l) {
	size_t n = strcspn(l->word, "=");
	int id = l->words_only || !l->word[n] || !text_starts(l->word, "--")
		? -1
		: option_of(l->cmd, l->word, n);

	if (id < 0)
		return NULL;
	char *fixed = mem_strndup(l->word, n + 1);
	l->word += n + 1;
	l->awaited = cmd_options[id].arg ? cmd_options[id].arg : "";
	return fixed;
}

static void add_words(struct line *l) {
	char *fixed CLEANUP(freep) = l->awaited ? NULL : split_value(l);

	if (fixed)
		l->fixed = fixed;
	if (l->awaited) {
		add_of(l, l->awaited, strlen(l->awaited));
		return;
	}
	if (*l->word == '-' && !l->words_only) {
		add_options(l);
		return;
	}
	if (!l->cmd->verbs)
		add_argument(l, l->cmd->args, (size_t) l->args.n);
	for (const struct cmd_verb *v = l->cmd->verbs; v && v->name; v++)
		add_verb(l, v, v == l->cmd->verbs ? NULL : v - 1);
}

void completion_words(char **words, size_t n) {
	struct line l = {.word = n ? words[n - 1] : "", .fixed = ""};

	if (n < 2) {
		add_commands(&l);
		offer(&l, "help", "all commands, or the options of one");
		offer(&l, "--help", "all commands");
		offer(&l, "--version", "the version of this program");
		return;
	}
	if (!strcmp(words[0], "help") && n == 2)
		add_commands(&l);
	l.cmd = cmd_find(words[0]);
	if (!l.cmd)
		return;
	read_line(&l, words + 1, n - 1);
	add_words(&l);
}
