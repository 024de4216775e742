/* SPDX-License-Identifier: Apache-2.0 */
#include "root/root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "fs/fs.h"

#define ID_LEN 16
#define LOCK_WAIT_MS 10000

enum { GC_LOOKS = 120, GC_LOOK_MS = 500 };

static const char *variable(const char *name) {
	const char *v = getenv(name);

	return v && v[0] ? v : NULL;
}

/* Where the root is when nobody says; NULL: nowhere to put it. */
static char *usual_path(void) {
	if (variable("LLMDEPLOY_ROOT"))
		return mem_strdup(variable("LLMDEPLOY_ROOT"));
	if (!geteuid())
		return mem_strdup("/var/lib/llmdeploy");
	if (variable("XDG_DATA_HOME"))
		return mem_printf("%s/llmdeploy", variable("XDG_DATA_HOME"));
	return variable("HOME") ? mem_printf("%s/.local/share/llmdeploy", variable("HOME")) : NULL;
}

/* The last component may not be a link: "x/" would follow it. */
static char *without_slashes(const char *path) {
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return mem_strndup(path, n);
}

static int check_link(const char *path, struct err *e) {
	char *target CLEANUP(freep) = NULL;
	struct err unused;

	if (fs_readlink(AT_FDCWD, path, &target, &unused) || !target)
		return 0;
	return err_set(e, ERR_USAGE,
		       "root '%s' is a symbolic link to '%s': give that directory itself", path,
		       target);
}

static int open_place(const char *path, enum root_use use, struct root *r, struct err *e) {
	if (check_link(path, e))
		return -1;
	if (use != ROOT_WRITE && !fs_exists(AT_FDCWD, path))
		return err_set(e, ERR_USAGE,
			       "no root at '%s': nothing was deployed there; give --root", path);
	if (use == ROOT_WRITE && fs_mkdirs(EFFECT_ROOT_DIR, AT_FDCWD, path, 0755, e))
		return err_wrap(e, "root");
	if (fs_open_dir(AT_FDCWD, path, &r->fd, e))
		return err_wrap(e, "root");
	r->path = realpath(path, NULL);
	return r->path ? 0 : err_sys(e, "root '%s'", path);
}

static int check_owner(struct root *r, enum root_use use, struct err *e) {
	struct stat st;

	if (fstat(r->fd, &st))
		return err_sys(e, "root '%s'", r->path);
	if (use != ROOT_READ && st.st_uid != geteuid())
		return err_set(e, ERR_SYS,
			       "permission denied: root '%s' belongs to uid %u, we are uid %u: run "
			       "as its owner, or give --root",
			       r->path, (unsigned) st.st_uid, (unsigned) geteuid());
	if (st.st_mode & S_IWOTH)
		return err_set(e, ERR_USAGE, "root '%s' can be written by everybody: chmod o-w it",
			       r->path);
	r->owner = st.st_uid;
	r->instance_uid = st.st_uid ? st.st_uid : ROOT_INSTANCE_UID;
	return 0;
}

/* *found false: there is none yet. */
static int read_id(struct root *r, bool *found, struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(64);

	if (fs_read_if(r->fd, "root-id", &text, found, e))
		return err_wrap(e, "root '%s'", r->path);
	if (!*found)
		return 0;
	const char *id = buf_str(&text);
	if (text.len != ID_LEN + 1 || strspn(id, "0123456789abcdef") != ID_LEN ||
	    id[ID_LEN] != '\n')
		return err_set(e, ERR_INTEGRITY, "'%s/root-id' is damaged: it is not %d hex digits",
			       r->path, ID_LEN);
	memcpy(r->id, id, ID_LEN);
	r->id[ID_LEN] = 0;
	return 0;
}

static int make_id(struct root *r, struct err *e) {
	int file_lock CLEANUP(closep) = -1;
	unsigned char random[ID_LEN / 2];
	char text[ID_LEN + 2];
	bool found;

	if (root_lock(r, "make root-id", LOCK_WAIT_MS, &file_lock, e) ||
	    read_id(r, &found, e))
		return -1;
	if (found)
		return 0;
	if (crypto_random(random, sizeof random, e))
		return -1;
	text_hex(random, sizeof random, text);
	memcpy(r->id, text, sizeof r->id);
	text[ID_LEN] = '\n';
	return fs_write(EFFECT_ROOT_ID, r->fd, "root-id", text, ID_LEN + 1, 0644, e)
		? err_wrap(e, "root '%s'", r->path)
		: 0;
}

int root_open(const char *path, enum root_use use, struct root *out, struct err *e) {
	char *usual CLEANUP(freep) = path ? NULL : usual_path();
	struct root r CLEANUP(root_done) = ROOT_INIT;
	bool found;

	if (!path && !usual)
		return err_set(e, ERR_USAGE,
			       "no root: HOME is not set; give --root, or set LLMDEPLOY_ROOT");
	char *place CLEANUP(freep) = without_slashes(path ? path : usual);
	if (!place[0])
		return err_set(e, ERR_USAGE, "root '': the path is empty");
	if (open_place(place, use, &r, e) ||
	    check_owner(&r, use, e) ||
	    read_id(&r, &found, e))
		return -1;
	if (!found && use != ROOT_WRITE)
		return err_set(e, ERR_USAGE,
			       "'%s' is no llmdeploy root: it has no root-id; give --root", r.path);
	if (!found && make_id(&r, e))
		return -1;
	*out = r;
	r = (struct root) ROOT_INIT;
	return 0;
}

int root_may_ask(const struct root *r, struct err *e) {
	uid_t me = geteuid();

	if (!me || me == r->owner)
		return 0;
	return err_set(e, ERR_SYS,
		       "permission denied: the sockets of root '%s' belong to uid %u, this is uid "
		       "%u: run as its owner",
		       r->path, (unsigned) r->owner, (unsigned) me);
}

static bool is_empty(const char *path) {
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (!dir)
		return errno == ENOENT;
	do
		entry = readdir(dir);
	while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	(void) closedir(dir);
	return !entry;
}

bool root_is_fresh(const char *path, char **place) {
	char *usual CLEANUP(freep) = path ? NULL : usual_path();

	*place = path || usual ? without_slashes(path ? path : usual) : NULL;
	return *place && **place && is_empty(*place);
}

void root_done(struct root *r) {
	closep(&r->fd);
	free(r->path);
	*r = (struct root) ROOT_INIT;
}

/* "name@host pid 1: gc, since ...": as fs_file_lock says it. */
static bool is_collecting(const struct err *e) {
	return e->code == ERR_BUSY && (strstr(e->msg, ": gc,") || strstr(e->msg, ": gc "));
}

int root_take(int dir, const char *command, uint64_t wait_ms, int *fd, struct err *e) {
	char *holder CLEANUP(freep) = root_holder(command);
	bool collects = !strncmp(command, "gc", 2);
	struct err busy = {0};

	if (!fs_file_lock(dir, "lock", holder, wait_ms, fd, &busy))
		return 0;
	for (unsigned i = 0; i < GC_LOOKS && !collects && is_collecting(&busy); i++)
		if (!fs_file_lock(dir, "lock", holder, GC_LOOK_MS, fd, &busy))
			return 0;
	return err_set(e, busy.code, "%s", busy.msg);
}

int root_lock(const struct root *r, const char *command, uint64_t wait_ms, int *fd, struct err *e) {
	return root_take(r->fd, command, wait_ms, fd, e) ? err_wrap(e, "root '%s' is busy", r->path)
							 : 0;
}
