/* SPDX-License-Identifier: Apache-2.0 */
#include "config/apt.h"

#include <fcntl.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"

#define MAX_FILE (1u << 20)
#define MAX_URLS 32
#define BLANKS " \t\r\n"

void config_urls_add(struct config_urls *urls, const char *url, size_t n) {
	while (n && url[n - 1] == '/')
		n--;
	for (size_t i = 0; i < urls->n; i++)
		if (strlen(urls->at[i]) == n && !memcmp(urls->at[i], url, n))
			return;
	if (!n || urls->n == MAX_URLS)
		return;
	if (!urls->at)
		urls->at = arena_zalloc(urls->arena, MAX_URLS, sizeof(char *));
	urls->at[urls->n++] = arena_printf(urls->arena, "%.*s", (int) n, url);
}

/* The next word at *s, moved behind it; 0 at the end. */
static size_t next_word(const char **s, const char **word) {
	*word = *s + strspn(*s, BLANKS);
	size_t n = strcspn(*word, BLANKS);
	*s = *word + n;
	return n;
}

static bool has_word(const char *list, const char *wanted) {
	const char *word;

	for (size_t n = next_word(&list, &word); n; n = next_word(&list, &word))
		if (n == strlen(wanted) && !memcmp(word, wanted, n))
			return true;
	return false;
}

/* A place of the Debian archive by HTTP, and not that of its security or backports team alone. */
static bool is_archive(const char *url, size_t n) {
	while (n && url[n - 1] == '/')
		n--;
	return (text_starts(url, "https://") || text_starts(url, "http://")) && n > 7 &&
		!memcmp(url + n - 7, "/debian", 7);
}

/* Cloud images name a file with the mirrors, one a line:
 * mirror+file:/etc/apt/mirrors/debian.list */
static void add_from_file(const char *url, size_t n, struct config_urls *out) {
	char *path CLEANUP(freep) = mem_strndup(url + 12, n - 12), *save = NULL;
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_FILE);
	struct err ignored = {0};

	if (fs_read_user(path, &text, &ignored))
		return;
	for (char *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *rest = line, *word;
		size_t length = next_word(&rest, &word);
		if (is_archive(word, length))
			config_urls_add(out, word, length);
	}
}

static void add(const char *url, size_t n, struct config_urls *out) {
	if (n > 12 && text_starts(url, "mirror+file:"))
		add_from_file(url, n, out);
	else if (is_archive(url, n))
		config_urls_add(out, url, n);
}

/* "deb [options] URL SUITE COMPONENT..." */
static void list_line(const char *line, struct config_urls *out) {
	const char *word, *url;
	size_t n = next_word(&line, &word);

	if (n != 3 || memcmp(word, "deb", 3) != 0)
		return;
	line += strspn(line, BLANKS);
	if (*line == '[' && !strchr(line, ']'))
		return;
	if (*line == '[')
		line = strchr(line, ']') + 1;
	size_t length = next_word(&line, &url);
	if (next_word(&line, &word) && has_word(line, "main"))
		add(url, length, out);
}

void config_apt_list(const char *text, struct config_urls *out) {
	char *copy CLEANUP(freep) = mem_strdup(text), *save = NULL;

	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, "#")] = 0;
		list_line(line, out);
	}
}

/* One stanza of deb822: the values of the fields that decide, joined over their lines. */
struct stanza {
	struct buf types, uris, suites, components, enabled;
	/* continued by a line that begins with a blank; NULL: a field that does not matter */
	struct buf *last;
};

#define FIELD \
	{ .cap = MAX_FILE }
#define STANZA_INIT \
	{ FIELD, FIELD, FIELD, FIELD, FIELD, NULL }

static void stanza_done(struct stanza *s) {
	buf_done(&s->types);
	buf_done(&s->uris);
	buf_done(&s->suites);
	buf_done(&s->components);
	buf_done(&s->enabled);
}

static struct buf *stanza_field(struct stanza *s, const char *line, size_t n) {
	struct {
		const char *name;
		struct buf *value;
	} fields[] = {{"Types", &s->types},
		      {"URIs", &s->uris},
		      {"Suites", &s->suites},
		      {"Components", &s->components},
		      {"Enabled", &s->enabled}};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		if (strlen(fields[i].name) == n && !strncasecmp(line, fields[i].name, n))
			return fields[i].value;
	return NULL;
}

static bool is_disabled(const char *value) {
	static const char *const words[] = {"no", "false", "without", "off", "disable", "0"};
	const char *word;
	size_t n = next_word(&value, &word);

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == n && !strncasecmp(word, words[i], n))
			return true;
	return false;
}

/* The end of a stanza: take its URLs if it is one of ours, and start again. */
static void stanza_end(struct stanza *s, struct config_urls *out) {
	const char *list = buf_str(&s->uris), *word;
	bool ours = has_word(buf_str(&s->types), "deb") &&
		has_word(buf_str(&s->components), "main") && s->suites.len &&
		!is_disabled(buf_str(&s->enabled));

	for (size_t n = next_word(&list, &word); ours && n; n = next_word(&list, &word))
		add(word, n, out);
	stanza_done(s);
	s->last = NULL;
}

static void stanza_line(struct stanza *s, const char *line) {
	size_t name = strcspn(line, ":");

	if (*line == '#')
		return;
	if (*line != ' ' && *line != '\t') {
		s->last = line[name] ? stanza_field(s, line, name) : NULL;
		line += line[name] ? name + 1 : name;
	}
	if (s->last)
		(void) buf_printf(s->last, " %s", line);
}

void config_apt_sources(const char *text, struct config_urls *out) {
	struct stanza s CLEANUP(stanza_done) = STANZA_INIT;

	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line CLEANUP(freep) = mem_strndup(text, n);
		if (line[strspn(line, BLANKS)])
			stanza_line(&s, line);
		else
			stanza_end(&s, out);
		text += n + (text[n] == '\n');
	}
	stanza_end(&s, out);
}

static void read_one(const char *dir, const char *name, bool deb822, struct config_urls *out) {
	char *path CLEANUP(freep) = mem_printf("%s/%s", dir, name);
	struct buf text CLEANUP(buf_done) = BUF_INIT(MAX_FILE);
	struct err ignored = {0};

	if (!fs_read_user(path, &text, &ignored))
		(deb822 ? config_apt_sources : config_apt_list)(buf_str(&text), out);
}

void config_apt_mirrors(const char *dir, struct config_urls *out) {
	char *parts CLEANUP(freep) = mem_printf("%s/sources.list.d", dir);
	char **names CLEANUP(freep) = NULL;
	struct err ignored = {0};
	size_t n = 0;

	read_one(dir, "sources.list", false, out);
	if (fs_list(AT_FDCWD, parts, &names, &n, &ignored))
		return;
	for (size_t i = 0; i < n; i++) {
		bool list = text_ends(names[i], ".list"), deb822 = text_ends(names[i], ".sources");
		if (list || deb822)
			read_one(parts, names[i], deb822, out);
	}
}
