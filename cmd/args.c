/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

enum { HELP_WIDTH = 80, OPTION_WIDTH = 27 };

const struct cmd_option_row cmd_options[OPT_COUNT] = {
#define OPTION(id, name, arg, help) [id] = {name, arg, help},
	CMD_OPTIONS(OPTION)
#undef OPTION
};

/* A letter means what it means elsewhere: kubectl apply -f FILE, tail -f. */
static const struct {
	char letter;
	enum cmd_option id;
} letters[] = {{'f', OPT_FILE}, {'f', OPT_FOLLOW}, {'w', OPT_WATCH}};

char args_letter(const struct cmd *cmd, int id) {
	for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
		if ((int) letters[i].id == id && cmd->options & OPT(id))
			return letters[i].letter;
	return 0;
}

static int find_letter(const struct cmd *cmd, const char *word) {
	for (int i = 0; word[1] && !word[2] && i < OPT_COUNT; i++)
		if (cmd->options & OPT(i) && args_letter(cmd, i) == word[1])
			return i;
	return -1;
}

static int find(const struct cmd *cmd, const char *name, size_t n) {
	for (int i = 0; i < OPT_COUNT; i++)
		if (cmd->options & OPT(i) && strlen(cmd_options[i].name) == n &&
		    !strncmp(cmd_options[i].name, name, n))
			return i;
	return -1;
}

static int unknown(const struct cmd *cmd, const char *word, struct err *e) {
	const char *names[OPT_COUNT];
	size_t n = 0;

	for (int i = 0; i < OPT_COUNT; i++)
		if (cmd->options & OPT(i))
			names[n++] = cmd_options[i].name;
	const char *near = text_nearest(word + 2, names, n);
	if (near)
		return err_set(e, ERR_USAGE, "%s has no option '%s', did you mean '--%s'?",
			       cmd->name, word, near);
	return err_set(e, ERR_USAGE, "%s has no option '%s', see llmdeploy %s --help", cmd->name,
		       word, cmd->name);
}

/* One option at argv[i]; the number of words that it took, or -1. A FILE that is given as an option
 * is an argument like the others. */
static int take(const struct cmd *cmd, int argc, char **argv, int i, struct args *out,
		struct err *e) {
	const char *word = argv[i], *equals = text_starts(word, "--") ? strchr(word, '=') : NULL;
	size_t n = (equals ? (size_t) (equals - word) : strlen(word)) - 2;
	int id = text_starts(word, "--") ? find(cmd, word + 2, n) : find_letter(cmd, word);

	if (id < 0 && text_starts(word, "--"))
		return unknown(cmd, word, e);
	if (id < 0)
		return err_set(e, ERR_USAGE, "%s has no option '%s', see llmdeploy %s --help",
			       cmd->name, word, cmd->name);
	if (!cmd_options[id].arg) {
		if (equals)
			return err_set(e, ERR_USAGE, "'--%s' takes no value", cmd_options[id].name);
		out->option[id] = "";
		return 1;
	}
	if (!equals && i + 1 == argc)
		return err_set(e, ERR_USAGE, "'--%s' needs a value: %s", cmd_options[id].name,
			       cmd_options[id].arg);
	char *value = equals ? argv[i] + (equals + 1 - word) : argv[i + 1];
	if (id == OPT_FILE)
		argv[out->n++] = value;
	else
		out->option[id] = value;
	return equals ? 1 : 2;
}

char *args_usage(const struct cmd *cmd) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(4096);

	if (!cmd->verbs)
		return mem_strdup(cmd->args);
	for (const struct cmd_verb *v = cmd->verbs; v->name; v++)
		(void) buf_printf(&b, "%s%s%s%s", v == cmd->verbs ? "" : " | ", v->name,
				  *v->args ? " " : "", v->args);
	return buf_steal(&b);
}

static int check_count(const struct cmd *cmd, const struct args *a, struct err *e) {
	char *usage CLEANUP(freep) = args_usage(cmd);

	if (a->n < cmd->min)
		return err_set(e, ERR_USAGE, "%s needs %s; see llmdeploy %s --help", cmd->name,
			       usage, cmd->name);
	if (a->n > cmd->max)
		return err_set(
			e, ERR_USAGE,
			"%s takes %s, so '%s' is one argument too many; see llmdeploy %s --help",
			cmd->name, *usage ? usage : "no arguments", a->at[cmd->max], cmd->name);
	return 0;
}

int args_parse(const struct cmd *cmd, int argc, char **argv, struct args *out, struct err *e) {
	struct args a = {.at = argv, .report = out->report};
	bool words_only = false;

	for (int i = 0; i < argc;) {
		if (!words_only && !strcmp(argv[i], "--")) {
			words_only = true;
			i++;
		} else if (!words_only && argv[i][0] == '-' && argv[i][1]) {
			int n = take(cmd, argc, argv, i, &a, e);
			if (n < 0)
				return -1;
			i += n;
		} else {
			argv[a.n++] = argv[i++];
		}
	}
	if (check_count(cmd, &a, e))
		return -1;
	*out = a;
	return 0;
}

void args_wrap(struct buf *out, const char *left, size_t indent, const char *text) {
	size_t at = strlen(left) < indent || !*left ? indent : strlen(left) + 1;

	(void) buf_printf(out, "%s%*s", left, (int) (at - strlen(left)), "");
	for (const char *word = text; *word; word += strspn(word, " ")) {
		size_t n = strcspn(word, " ");
		bool first = word == text;
		if (!first && at + 1 + n > HELP_WIDTH) {
			(void) buf_printf(out, "\n%*s", (int) indent, "");
			at = indent;
			first = true;
		}
		(void) buf_printf(out, "%s%.*s", first ? "" : " ", (int) n, word);
		at += n + !first;
		word += n;
	}
	(void) buf_putc(out, '\n');
}

static void add_option(const struct cmd *cmd, int i, struct buf *b) {
	char letter = args_letter(cmd, i);
	char *left CLEANUP(freep) = mem_printf("  %s%.1s%s--%s%s%s", letter ? "-" : "", &letter,
					       letter ? ", " : "", cmd_options[i].name,
					       cmd_options[i].arg ? " " : "",
					       cmd_options[i].arg ? cmd_options[i].arg : "");

	args_wrap(b, left, OPTION_WIDTH, cmd_options[i].help);
}

/* A line for the command, or one for each of its verbs. */
static void add_usage(const struct cmd *cmd, struct buf *b) {
	if (!cmd->verbs)
		(void) buf_printf(b, "usage: llmdeploy %s%s%s\n", cmd->name, *cmd->args ? " " : "",
				  cmd->args);
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++)
		(void) buf_printf(b, "%s llmdeploy %s %s%s%s\n",
				  v == cmd->verbs ? "usage:" : "      ", cmd->name, v->name,
				  *v->args ? " " : "", v->args);
	(void) buf_putc(b, '\n');
}

static void add_verb(const struct cmd_verb *v, struct buf *b) {
	char *left CLEANUP(freep) = mem_printf("  %s%s%s", v->name, *v->args ? " " : "", v->args);

	args_wrap(b, left, OPTION_WIDTH, v->summary);
}

void args_help(const struct cmd *cmd, char **text) {
	struct buf b CLEANUP(buf_done) = BUF_INIT(1 << 16);

	add_usage(cmd, &b);
	args_wrap(&b, "", 0, cmd->summary);
	(void) buf_putc(&b, '\n');
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++)
		add_verb(v, &b);
	if (cmd->verbs && cmd->options)
		(void) buf_putc(&b, '\n');
	for (int i = 0; i < OPT_COUNT; i++)
		if (cmd->options & OPT(i))
			add_option(cmd, i, &b);
	*text = buf_steal(&b);
}
