/* SPDX-License-Identifier: Apache-2.0 */
#include "man.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "commands.h"
#include "help.h"
#include "roff.h"
#include "schema/schema.h"
#include "spec/spec.h"
#include "version.h"

enum { PAGE_MAX_BYTES = 1 << 20, COMMAND_SECTION = 1, FILE_SECTION = 5 };

/* The pages about files, each from the table that checks the file. */
static const struct file_page {
	const char *kind, *summary, *about, *read_by;
} file_pages[] = {
	{"manifest", "the file that describes a release",
	 "A manifest is a YAML file: one version of one route. llmdeploy init writes one to begin "
	 "with, and llmdeploy "
	 "validate names every mistake with its place. docs/manifest.md has an annotated example.",
	 "apply"},
	{"golden", "the file of questions that decide about a release",
	 "A golden set is a YAML file of questions with assertions. llmdeploy apply asks them of a "
	 "candidate before it gets "
	 "traffic. docs/golden.md has the exact rule of each assertion.",
	 "eval"},
	{"config", "config.yaml, the settings of a machine",
	 "config.yaml is a YAML file in the root of llmdeploy (see FILES in llmdeploy(1)). Without "
	 "it every key has its "
	 "default.",
	 "host"},
};

static const struct entry {
	const char *name, *text;
} environment[] =
	{
		{"LLMDEPLOY_ROOT", "where llmdeploy keeps its state, unless --root is given"},
		{"LLMDEPLOY_RUNTIMES",
		 "where the runtime definitions are, unless --runtimes is given"},
		{"DOCKER_HOST", "the Docker Engine, unless --engine is given"},
		{"HF_TOKEN", "sent to the Hugging Face hub with each request"},
		{"HF_ENDPOINT", "the address of the hub, unless it is the usual one"},
		{"SSL_CERT_FILE, SSL_CERT_DIR, CURL_CA_BUNDLE",
		 "the certificates that downloads are checked by"},
		{"NO_COLOR", "no colours on a terminal"},
		{"COLUMNS", "the width of tables"},
},
  files[] = {
	  {"/var/lib/llmdeploy",
	   "the root, of the user root; else $XDG_DATA_HOME/llmdeploy or ~/.local/share/llmdeploy"},
	  {"ROOT/config.yaml", "the settings of this machine, see llmdeploy-config(5)"},
	  {"ROOT/routes/ROUTE/releases/VERSION/release.lock.json", "the lockfile of a release"},
	  {"ROOT/routes/ROUTE/active", "the link to the active release"},
	  {"ROOT/routes/ROUTE/attempts",
	   "rejected and interrupted releases, with the reason and the log"},
	  {"ROOT/routes/ROUTE/journal", "every step of every operation"},
	  {"ROOT/store", "models, adapters, packages and image layers, by SHA-256"},
};

static void add_options(const struct cmd *cmd, struct buf *out) {
	roff_section(out, "OPTIONS");
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct cmd_option_row *o = &cmd_options[i];
		char letter = args_letter(cmd, i);
		if (!(cmd->options & OPT(i)))
			continue;
		char *tag CLEANUP(freep) = mem_printf("%s%.1s%s--%s%s%s", letter ? "-" : "",
						      &letter, letter ? ", " : "", o->name,
						      o->arg ? " " : "", o->arg ? o->arg : "");
		roff_item(out, tag, o->help);
	}
	roff_item(out, "-h, --help", "the arguments and options of the command");
}

static void add_synopsis(const struct cmd *cmd, struct buf *out) {
	char *command CLEANUP(freep) = mem_printf("llmdeploy %s", cmd->name);
	const char *before = cmd->options ? "[OPTION]... " : "";

	roff_section(out, "SYNOPSIS");
	if (!cmd->verbs) {
		char *args CLEANUP(freep) = mem_printf("%s%s", before, cmd->args);
		roff_synopsis(out, command, args);
	}
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++) {
		char *args CLEANUP(freep) = mem_printf("%s %s%s", v->name, before, v->args);
		if (v != cmd->verbs)
			(void) buf_puts(out, ".br\n");
		roff_synopsis(out, command, args);
	}
}

static void command_page(const struct cmd *cmd, struct buf *out) {
	char *name CLEANUP(freep) = mem_printf("llmdeploy-%s", cmd->name);
	char *head CLEANUP(freep) = mem_printf("%s - %s", name, cmd->summary);

	roff_begin(out, name, COMMAND_SECTION, TOOL);
	roff_section(out, "NAME");
	roff_text(out, head);
	add_synopsis(cmd, out);
	roff_section(out, "DESCRIPTION");
	roff_paragraphs(out, *cmd->details ? cmd->details : cmd->summary);
	for (const struct cmd_verb *v = cmd->verbs; v && v->name; v++) {
		char *tag CLEANUP(freep) = mem_printf("%s%s%s", v->name, *v->args ? " " : "",
						      v->args);
		roff_item(out, tag, v->summary);
	}
	add_options(cmd, out);
	roff_section(out, "EXIT STATUS");
	roff_text(out,
		  "0 when done, or when there was nothing to do. The other statuses are listed in "
		  "llmdeploy(1).");
	roff_section(out, "SEE ALSO");
	roff_text(out, "llmdeploy(1), llmdeploy-manifest(5), llmdeploy-golden(5)");
}

static void add_entries(const char *title, const struct entry *entries, size_t n, struct buf *out) {
	roff_section(out, title);
	for (size_t i = 0; i < n; i++)
		roff_item(out, entries[i].name, entries[i].text);
}

static void add_statuses(struct buf *out) {
	roff_section(out, "EXIT STATUS");
	for (const struct help_status *s = help_statuses; s->brief; s++) {
		char *tag CLEANUP(freep) = mem_printf("%d", err_exit_status(s->code));
		roff_item(out, tag, s->text);
	}
}

static void main_page(struct buf *out) {
	roff_begin(out, "llmdeploy", COMMAND_SECTION, TOOL);
	roff_section(out, "NAME");
	roff_text(out,
		  "llmdeploy - deploy local LLMs with tests, one switch of traffic and a rollback");
	roff_section(out, "SYNOPSIS");
	roff_synopsis(out, "llmdeploy", "COMMAND [OPTION]... [ARGUMENT]...");
	(void) buf_puts(out, ".br\n");
	roff_synopsis(out, "llmdeploy help", "[COMMAND]");
	roff_section(out, "DESCRIPTION");
	roff_paragraphs(
		out,
		"llmdeploy compiles a manifest into a pinned release: an image, a model and its "
		"flags, all by digest. "
		"It starts the release beside the active one, asks it a golden set, and switches "
		"the traffic only "
		"when the answers are right. A rollback needs no network, build or download.\n"
		"There is no daemon: the command does everything, and the journal of a route "
		"records each step.\n"
		"All commands but schema, completion, man and help take --json: one JSON value a "
		"line, the result last.");
	roff_section(out, "COMMANDS");
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		roff_item(out, cmd->name, cmd->summary);
	add_statuses(out);
	add_entries("ENVIRONMENT", environment, sizeof environment / sizeof *environment, out);
	add_entries("FILES", files, sizeof files / sizeof *files, out);
	roff_section(out, "SEE ALSO");
	roff_text(out,
		  "A page for each command, like llmdeploy-apply(1); llmdeploy-manifest(5), "
		  "llmdeploy-golden(5), "
		  "llmdeploy-config(5)");
}

/* What a key must look like, then what happens without it, then what it is for. */
static void add_key(void *ctx, const struct schema_row *row) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 14), *out = ctx;

	(void) buf_puts(out, ".TP\n.B ");
	roff_text(out, row->path);
	(void) buf_printf(&text, "%s", row->value);
	if (row->unless)
		(void) buf_printf(&text, "; required unless %s is there", row->unless);
	else if (row->required)
		(void) buf_puts(&text, "; required");
	else if (row->fallback)
		(void) buf_printf(&text, "; default: %s", row->fallback);
	(void) buf_puts(&text, ".");
	roff_text(out, buf_str(&text));
	(void) buf_puts(out, ".br\n");
	roff_text(out, row->doc);
}

static void add_example(const char *kind, struct buf *out) {
	struct buf manifest CLEANUP(buf_done) = BUF_INIT(1 << 16),
			    golden CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err unused;

	if (!strcmp(kind, "config") ||
	    spec_starter("assistant", NULL, 0, &manifest, &golden, &unused))
		return;
	roff_section(out, "EXAMPLE");
	roff_text(out, "As llmdeploy init writes it:");
	roff_code(out, buf_str(strcmp(kind, "golden") ? &manifest : &golden));
}

static void file_page(const struct file_page *page, struct buf *out) {
	char *name CLEANUP(freep) = mem_printf("llmdeploy-%s", page->kind);
	char *head CLEANUP(freep) = mem_printf("%s - %s", name, page->summary);
	char *see CLEANUP(freep) = mem_printf(
		"llmdeploy(1), llmdeploy-%s(1), llmdeploy-validate(1), llmdeploy-schema(1)",
		page->read_by);

	roff_begin(out, name, FILE_SECTION, TOOL);
	roff_section(out, "NAME");
	roff_text(out, head);
	roff_section(out, "DESCRIPTION");
	roff_paragraphs(out, page->about);
	roff_section(out, "KEYS");
	roff_text(out,
		  "A key inside of another is written with a dot, an item of a list with [], a key "
		  "of free choice as KEY. "
		  "Sizes are written like 24GB (10^9 bytes) or 16GiB (2^30 bytes), times like "
		  "1500ms, 60s, 10m or 2h.");
	schema_describe(spec_schema_fields(page->kind), add_key, out);
	add_example(page->kind, out);
	roff_section(out, "SEE ALSO");
	roff_text(out, see);
}

enum { FILE_PAGES = sizeof file_pages / sizeof *file_pages };

void man_list(struct buf *out) {
	(void) buf_puts(out, "llmdeploy.1\n");
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		(void) buf_printf(out, "llmdeploy-%s.%d\n", cmd->name, COMMAND_SECTION);
	for (size_t i = 0; i < FILE_PAGES; i++)
		(void) buf_printf(out, "llmdeploy-%s.%d\n", file_pages[i].kind, FILE_SECTION);
}

static bool is_page(const char *page, const char *name, int section) {
	char *wanted CLEANUP(freep) = mem_printf("llmdeploy-%s.%d", name, section);

	return !strcmp(page, wanted);
}

static int print_page(const char *name, struct buf *out, struct err *e) {
	if (!strcmp(name, "llmdeploy.1")) {
		main_page(out);
		return 0;
	}
	for (const struct cmd *cmd = commands; cmd->name; cmd++)
		if (is_page(name, cmd->name, COMMAND_SECTION)) {
			command_page(cmd, out);
			return 0;
		}
	for (size_t i = 0; i < FILE_PAGES; i++)
		if (is_page(name, file_pages[i].kind, FILE_SECTION)) {
			file_page(&file_pages[i], out);
			return 0;
		}
	return err_set(e, ERR_USAGE, "no manual page '%s': llmdeploy man lists them", name);
}

int cmd_man(struct args *a, struct err *e) {
	struct buf out CLEANUP(buf_done) = BUF_INIT(PAGE_MAX_BYTES);

	if (!a->n)
		man_list(&out);
	else if (print_page(a->at[0], &out, e))
		return -1;
	(void) fputs(buf_str(&out), stdout);
	return 0;
}
