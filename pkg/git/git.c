/* SPDX-License-Identifier: Apache-2.0 */
#include "git/git.h"

#include <git2.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#define INDEX_LIMIT 100000 /* entries up to which the whole repository is compared */
#define REMOTE_LIMIT 1000  /* bytes of a URL that are worth keeping */

static void repository_freep(git_repository **r) {
	git_repository_free(*r);
}

static void index_freep(git_index **i) {
	git_index_free(*i);
}

static void config_freep(git_config **c) {
	git_config_free(*c);
}

static void iterator_freep(git_config_iterator **i) {
	git_config_iterator_free(*i);
}

/* The library counts its users. */
static void library_done(const int *began) {
	if (*began > 0)
		(void) git_libgit2_shutdown();
}

static const char *reason(void) {
	const git_error *g = git_error_last();

	return g && g->message ? g->message : "unknown reason";
}

/* What is there but cannot be used is not found, with a note: no deployment waits for a
 * repository. */
static int not_found(struct git_origin *o, const char *where, const char *why) {
	o->note = mem_printf("repository of '%s' is not used: %s", where, why);
	return 0;
}

/* Path of `file` within the working tree; NULL: it is not in it. */
static const char *inside(git_repository *repo, const char *file) {
	const char *top = git_repository_workdir(repo);

	return top && text_starts(file, top) ? file + strlen(top) : NULL;
}

static int stop_at_first(const char *path, unsigned flags, void *found) {
	(void) path;
	if (flags == GIT_STATUS_CURRENT)
		return 0;
	*(bool *) found = true;
	return 1;
}

static bool other_files_changed(git_repository *repo) {
	git_index *index CLEANUP(index_freep) = NULL;
	git_status_options options;
	bool changed = false;

	if (git_repository_index(&index, repo) || git_index_entrycount(index) > INDEX_LIMIT)
		return false;
	(void) git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
	options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
	options.flags = GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
	int r = git_status_foreach_ext(repo, &options, stop_at_first, &changed);
	return changed || r < 0;
}

/* What cannot be compared is not known to be clean. */
static bool is_dirty(git_repository *repo, const char *file) {
	const char *path = inside(repo, file);
	unsigned flags = 0;

	if (!path || git_status_file(&flags, repo, path))
		return true;
	return flags != GIT_STATUS_CURRENT || other_files_changed(repo);
}

static bool is_port(const char *s, size_t n) {
	return strspn(s, "0123456789") >= n;
}

/* Where the host begins, behind user and password. A password may even hold a '/', unquoted; what
 * stands before it then looks like a host with a port that is no number. */
static const char *host_of(const char *rest) {
	size_t n = strcspn(rest, "/");
	const char *at = memrchr(rest, '@', n), *colon = memchr(rest, ':', n);

	if (!at && colon && !is_port(colon + 1, n - (size_t) (colon + 1 - rest)))
		at = strrchr(rest, '@');
	return at ? at + 1 : rest;
}

/* "https://TOKEN@host/x?key=y" to "https://host/x". NULL where it is not one line of text. */
static char *without_secrets(const char *url) {
	const char *rest = strstr(url, "://");
	size_t n = strlen(url);

	if (n > REMOTE_LIMIT || !text_is_utf8(url, n))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char) url[i] < ' ' || url[i] == 127)
			return NULL;
	if (!rest) /* "git@host:path", or a path: has no room for a password */
		return mem_strdup(url);
	rest += 3;
	const char *host = host_of(rest);
	return mem_printf("%.*s%.*s", (int) (rest - url), url, (int) strcspn(host, "?#"), host);
}

/* From the settings themselves: git_remote_lookup would put in what url.*.insteadOf says, which may
 * be a token, and its pattern matching leaks (libgit2 1.5.1 with PCRE2). */
static char *remote_of(git_repository *repo) {
	git_config *live CLEANUP(config_freep) = NULL, *config CLEANUP(config_freep) = NULL;
	git_config_iterator *it CLEANUP(iterator_freep) = NULL;
	git_config_entry *entry;
	const char *url = NULL;

	if (git_repository_config(&live, repo) || git_config_snapshot(&config, live))
		return NULL;
	if (!git_config_get_string(&url, config, "remote.origin.url"))
		return without_secrets(url);
	if (git_config_iterator_new(&it, config))
		return NULL;
	while (!git_config_next(&entry, it))
		if (text_starts(entry->name, "remote.") && text_ends(entry->name, ".url") &&
		    entry->value)
			return without_secrets(entry->value);
	return NULL;
}

/* libgit2 1.5.1 says "not found" of someone else's repository too, when no safe.directory is set
 * anywhere: then what it did not find is that setting. */
static bool lacks_trust(void) {
	const git_error *g = git_error_last();

	return g && g->klass == GIT_ERROR_CONFIG;
}

static int look(const char *file, struct git_origin *o, bool *found) {
	git_repository *repo CLEANUP(repository_freep) = NULL;
	char *dir CLEANUP(freep) = mem_strndup(file, (size_t) (strrchr(file, '/') - file) + 1);
	git_oid head;

	git_error_clear();
	int r = git_repository_open_ext(&repo, dir, 0, NULL);
	if (r == GIT_EOWNER || (r == GIT_ENOTFOUND && lacks_trust()))
		return not_found(o, file,
				 "it belongs to another user; git config --global --add "
				 "safe.directory DIR trusts it");
	if (r == GIT_ENOTFOUND)
		return 0;
	if (r)
		return not_found(o, file, reason());
	r = git_reference_name_to_id(&head, repo, "HEAD");
	if (r)
		return not_found(o, file, r == GIT_ENOTFOUND ? "it has no commit yet" : reason());
	(void) git_oid_tostr(o->commit, sizeof o->commit, &head);
	o->dirty = is_dirty(repo, file);
	o->remote = remote_of(repo);
	*found = true;
	return 0;
}

int git_origin_of(const char *path, struct git_origin *out, bool *found, struct err *e) {
	char *file CLEANUP(freep) = realpath(path, NULL);
	struct git_origin o = GIT_ORIGIN_INIT;
	bool there = false;

	if (!file)
		return err_sys(e, "cannot open '%s'", path);
	int began CLEANUP(library_done) = git_libgit2_init();
	if (began < 0)
		(void) not_found(&o, file, reason());
	else
		(void) look(file, &o, &there);
	*out = o;
	*found = there;
	return 0;
}

void git_origin_done(struct git_origin *o) {
	free(o->remote);
	free(o->note);
	*o = (struct git_origin) GIT_ORIGIN_INIT;
}
