/* SPDX-License-Identifier: Apache-2.0 */
#include "release/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/step.h"
#include "release/dir.h"
#include "root/root.h"

static int open_run(const struct root *root, const char *id, bool make, int *fd, struct err *e) {
	char *shown CLEANUP(freep) = mem_printf("run/%s", id);
	int run CLEANUP(closep) = -1;

	if (make) {
		if (dir_make(EFFECT_RUN_DIR, root->fd, "run", "run", &run, e) ||
		    dir_make(EFFECT_RUN_DIR, run, id, shown, fd, e))
			return -1;
		return 0;
	}
	*fd = -1;
	if (dir_open(root->fd, "run", "run", &run, e) ||
	    (run >= 0 && dir_open(run, id, shown, fd, e)))
		return -1;
	return 0;
}

int release_run_dir(const struct root *root, const char *id, char **path, struct err *e) {
	int fd CLEANUP(closep) = -1;
	struct stat st;

	if (open_run(root, id, true, &fd, e))
		return -1;
	if (fstat(fd, &st))
		return err_sys(e, "cannot look at 'run/%s'", id);
	if (st.st_uid != root->instance_uid &&
	    fs_step_chown(EFFECT_RUN_DIR, fd, root->instance_uid))
		return err_sys(e, "cannot give 'run/%s' to uid %u", id,
			       (unsigned) root->instance_uid);
	if ((st.st_mode & 07777) != 0700 && fs_step_chmod(EFFECT_RUN_DIR, fd, 0700))
		return err_sys(e, "cannot set the mode of 'run/%s'", id);
	*path = mem_printf("%s/run/%s", root->path, id);
	return 0;
}

int release_run_remove(const struct root *root, const char *id, struct err *e) {
	int run CLEANUP(closep) = -1;

	if (dir_open(root->fd, "run", "run", &run, e))
		return -1;
	return run >= 0 && fs_remove_tree(EFFECT_RUN_REMOVE, run, id, e) ? err_wrap(e, "run") : 0;
}

int release_socket_path(const struct root *root, const char *id, struct release_socket *out,
			struct err *e) {
	char *path CLEANUP(freep) = mem_printf("%s/run/%s/engine.sock", root->path, id);
	struct release_socket s = RELEASE_SOCKET_INIT;

	if (strlen(path) < sizeof s.path) {
		memcpy(s.path, path, strlen(path) + 1);
		*out = s;
		return 0;
	}
	if (open_run(root, id, false, &s.dir, e))
		return -1;
	if (s.dir < 0)
		return err_set(e, ERR_SYS, "no directory '%s/run/%s'", root->path, id);
	(void) snprintf(s.path, sizeof s.path, "/proc/self/fd/%d/engine.sock", s.dir);
	*out = s;
	return 0;
}

void release_socket_done(struct release_socket *s) {
	closep(&s->dir);
	*s = (struct release_socket) RELEASE_SOCKET_INIT;
}
