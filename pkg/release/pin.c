/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "release/dir.h"
#include "release/release.h"

enum { REASON_MAX = 4096 };

/* The release's directory; *fd -1: there is none. */
static int open_release(const struct release_route *r, const char *version, int *fd,
			struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where),
		    *here CLEANUP(freep) = mem_printf("%s/%s", shown, version);
	int releases CLEANUP(closep) = -1;

	*fd = -1;
	if (!text_is_name(version))
		return err_set(e, ERR_USAGE, "'%.80s' is not a version", version);
	if (dir_open(r->fd, "releases", shown, &releases, e))
		return -1;
	return releases < 0 ? 0 : dir_open(releases, version, here, fd, e);
}

int release_pin(const struct release_route *r, const char *version, const char *reason,
		struct err *e) {
	char *text CLEANUP(freep) = mem_printf("%.*s\n", REASON_MAX - 2, reason ? reason : "");
	int fd CLEANUP(closep) = -1;

	if (open_release(r, version, &fd, e))
		return -1;
	if (fd < 0)
		return err_set(e, ERR_USAGE, "no version '%s' of '%s'", version, r->name);
	return fs_write(EFFECT_RELEASE_PUT, fd, "pinned", text, strlen(text), 0444, e);
}

int release_unpin(const struct release_route *r, const char *version, struct err *e) {
	int fd CLEANUP(closep) = -1;

	if (open_release(r, version, &fd, e))
		return -1;
	if (fd < 0 || !fs_exists(fd, "pinned"))
		return 0;
	if (fs_unlink(EFFECT_RELEASE_REMOVE, fd, "pinned", e) ||
	    fs_sync_parent(EFFECT_RELEASE_REMOVE, fd, "pinned", e))
		return -1;
	return 0;
}

int release_pinned(const struct release_route *r, const char *version, char **reason,
		   struct err *e) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(REASON_MAX);
	int fd CLEANUP(closep) = -1;
	bool found = false;

	if (open_release(r, version, &fd, e) ||
	    (fd >= 0 && fs_read_if(fd, "pinned", &text, &found, e)))
		return -1;
	*reason = found ? mem_strndup(buf_str(&text), strcspn(buf_str(&text), "\n")) : NULL;
	return 0;
}

int release_pins(const struct release_route *r, char ***versions, size_t *n, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("%s/releases", r->where);
	int releases CLEANUP(closep) = -1;
	char **all CLEANUP(freep) = NULL;
	size_t have = 0, kept = 0;
	struct stat st;

	if (dir_open(r->fd, "releases", shown, &releases, e) ||
	    (releases >= 0 && fs_list(releases, ".", &all, &have, e)))
		return -1;
	for (size_t i = 0; i < have; i++) {
		char *pin CLEANUP(freep) = mem_printf("%s/pinned", all[i]);
		if (text_is_name(all[i]) && !fstatat(releases, pin, &st, AT_SYMLINK_NOFOLLOW))
			all[kept++] = all[i];
	}
	*n = kept;
	*versions = all ? STEAL(all) : mem_zalloc(1, sizeof **versions);
	return 0;
}
