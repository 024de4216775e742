/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"

/* Design: the file is a map of HAProxy's, "SHA256 NAME" a line, and is mounted into its container
 * as the file that it is: a rename would leave the container with the old one. So it is changed in
 * place, each time by one write that is whole or was not: a line more at the end, or a '#' before
 * one. */

enum { FILE_CAP = 4 << 20, KEY_BYTES = 24 };

struct line {
	const char *at;
	size_t offset;
	char hash[SHA256_HEX], name[64];
};

/* The next entry; what is none is passed over. */
static bool next_entry(const struct buf *text, size_t *at, struct line *out) {
	while (*at < text->len) {
		const char *line = buf_str(text) + *at;
		size_t n = strcspn(line, "\n");
		*out = (struct line){.at = line, .offset = *at};
		*at += n + (line[n] == '\n');
		if (sscanf(line, "%64[0-9a-f] %63s", out->hash, out->name) == 2 &&
		    strlen(out->hash) == SHA256_HEX - 1)
			return true;
	}
	return false;
}

static int read_keys(const char *path, struct buf *text, bool *found, struct err *e) {
	*found = fs_exists(AT_FDCWD, path);
	return *found ? fs_read(AT_FDCWD, path, text, e) : 0;
}

static bool find_entry(const struct buf *text, const char *name, struct line *out) {
	size_t at = 0;

	while (next_entry(text, &at, out))
		if (!strcmp(out->name, name))
			return true;
	return false;
}

/* A route's file by its name, or a file by its path. */
static int path_of(const struct gateway *g, const char *where, char **path, struct err *e) {
	struct gateway_state *s CLEANUP(gateway_state_freep) = NULL;

	if (*where == '/') {
		*path = mem_strdup(where);
		return 0;
	}
	if (g->none)
		return err_set(
			e, ERR_USAGE,
			"there is no gateway on this machine: name the file of keys by its path");
	if (persist_state(g, &s, e))
		return -1;
	const struct haproxy_route *r = gateway_state_find(s, where);
	if (!r)
		return err_set(e, ERR_USAGE,
			       "the gateway has no route '%s'; before its first release, name the "
			       "file of keys by its path",
			       where);
	if (!r->frontend.api_keys || !*r->frontend.api_keys)
		return err_set(
			e, ERR_USAGE,
			"route '%s' has no API keys: its manifest does not set gateway.api_keys",
			where);
	*path = mem_strdup(r->frontend.api_keys);
	return 0;
}

/* Where HAProxy runs it knows at once; where it does not, it will read the file. A process from
 * before the file does not have the map. */
static int update_haproxy(const struct gateway *g, const char *path, const char *format_add,
			  const struct line *l, struct err *e) {
	char name[HAPROXY_FILE_NAME];
	haproxy_file_name(path, name);
	char *line CLEANUP(freep) = format_add
		? mem_printf("add map gateway/files/%s %s %s", name, l->hash, l->name)
		: mem_printf("del map gateway/files/%s %s", name, l->hash);
	struct buf answer CLEANUP(buf_done) = BUF_INIT(64 << 10);
	struct socket_workers all = {0};
	int file_lock CLEANUP(closep) = -1;
	bool gone;

	if (g->none)
		return 0;
	/* What starts again reads the copy. */
	if (persist_lock(g, &file_lock, e) ||
	    staged_refresh(g, path, e) ||
	    socket_workers(g->h.dir, &all, e))
		return -1;
	for (size_t i = 0; i < all.n; i++) {
		if (socket_worker_ask(EFFECT_GATEWAY_SOCKET, g->h.dir, &all.at[i], line, &answer,
				      &gone, e))
			return -1;
		const char *said = buf_str(&answer) + strspn(buf_str(&answer), "\r\n ");
		if (*said && !text_starts(said, "Unknown map") &&
		    !text_starts(said, "Key not found"))
			return err_set(e, ERR_SYS, "HAProxy refused the change of '%s': %.*s", path,
				       (int) strcspn(said, "\r\n"), said);
	}
	return 0;
}

static int write_at(const char *path, int flags, off_t at, const char *text, struct err *e) {
	int fd CLEANUP(closep) = fs_step_create(EFFECT_GATEWAY_CONFIG, AT_FDCWD, path,
						O_WRONLY | flags, 0644);

	if (fd < 0)
		return err_sys(e, "cannot open '%s'", path);
	if ((at >= 0 && lseek(fd, at, SEEK_SET) < 0) ||
	    fs_step_write(EFFECT_GATEWAY_CONFIG, fd, text, strlen(text)) ||
	    fs_step_sync(EFFECT_GATEWAY_CONFIG, fd))
		return err_sys(e, "cannot write '%s'", path);
	return 0;
}

static int make_key(char key[GATEWAY_KEY], char hash[SHA256_HEX], struct err *e) {
	unsigned char random[KEY_BYTES];
	char hex[2 * KEY_BYTES + 1];

	if (crypto_random(random, sizeof random, e))
		return -1;
	text_hex(random, sizeof random, hex);
	(void) snprintf(key, GATEWAY_KEY, "sk-%s", hex);
	sha256_of(key, strlen(key), hash);
	return 0;
}

int gateway_api_keys_add(struct gateway *g, const char *where, const char *name,
			 char key[GATEWAY_KEY], struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(FILE_CAP);
	char *path CLEANUP(freep) = NULL, made[GATEWAY_KEY];
	struct line l = {0};
	bool found;

	if (!text_is_name(name))
		return err_set(e, ERR_USAGE,
			       "'%.80s' cannot be the name of a key: small letters, digits, '.', "
			       "'_' and '-'",
			       name);
	if (path_of(g, where, &path, e) ||
	    read_keys(path, &text, &found, e))
		return -1;
	if (find_entry(&text, name, &l))
		return err_set(
			e, ERR_USAGE,
			"there is a key '%s' in '%s' already: remove it first, or use another name",
			name, path);
	if (make_key(made, l.hash, e))
		return -1;
	(void) snprintf(l.name, sizeof l.name, "%s", name);
	bool ends = !text.len || buf_str(&text)[text.len - 1] == '\n';
	char *line CLEANUP(freep) = mem_printf("%s%s %s\n", ends ? "" : "\n", l.hash, l.name);
	if (write_at(path, O_APPEND, -1, line, e) ||
	    update_haproxy(g, path, "add", &l, e))
		return -1;
	(void) snprintf(key, GATEWAY_KEY, "%s", made);
	return 0;
}

int gateway_api_keys_remove(struct gateway *g, const char *where, const char *name, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(FILE_CAP);
	char *path CLEANUP(freep) = NULL;
	struct line l;
	bool found;

	if (path_of(g, where, &path, e) ||
	    read_keys(path, &text, &found, e))
		return -1;
	if (!find_entry(&text, name, &l))
		return err_set(e, ERR_USAGE, "there is no key '%.80s' in '%s'", name, path);
	if (write_at(path, 0, (off_t) l.offset, "#", e) ||
	    update_haproxy(g, path, NULL, &l, e))
		return -1;
	return 0;
}

int gateway_api_keys_list(struct gateway *g, const char *where, char ***names, size_t *n,
			  struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(FILE_CAP);
	char *path CLEANUP(freep) = NULL;
	size_t at = 0, count = 0;
	struct line l;
	bool found;

	if (path_of(g, where, &path, e) ||
	    read_keys(path, &text, &found, e))
		return -1;
	while (next_entry(&text, &at, &l))
		count++;
	char **list = mem_zalloc(1, (count + 1) * sizeof(char *) + count * sizeof l.name),
	     *room = (char *) (list + count + 1);
	at = 0;
	for (size_t i = 0; i < count && next_entry(&text, &at, &l); i++) {
		list[i] = room;
		room = stpcpy(room, l.name) + 1;
	}
	*names = list;
	*n = count;
	return 0;
}
