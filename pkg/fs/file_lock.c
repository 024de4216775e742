/* SPDX-License-Identifier: Apache-2.0 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "fs/step.h"

/* An open-file-description lock: not lost when another descriptor of the same
 * file is closed, gone when the last copy of this one is. */
static bool take(int fd) {
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return !fcntl(fd, F_OFD_SETLK, &l);
}

static void read_holder(int fd, char who[256]) {
	ssize_t n = pread(fd, who, 255, 0);

	who[n > 0 ? n : 0] = 0;
	who[strcspn(who, "\n")] = 0;
}

static int busy(int fd, const char *path, struct err *e) {
	char who[256];

	read_holder(fd, who);
	return err_set(e, ERR_BUSY, "'%s' is held by %s; wait for it, or give --lock-wait 60s",
		       path, who[0] ? who : "another process");
}

int fs_file_lock(int dir, const char *path, const char *holder, uint64_t wait_ms, int *out,
		 struct err *e) {
	int fd CLEANUP(closep) = fs_step_create(EFFECT_LOCK_WRITE, dir, path, O_RDWR, 0644);
	uint64_t until = clock_mono_ms() + wait_ms;

	if (fd < 0)
		return err_sys(e, "cannot open lock '%s'", path);
	while (!take(fd)) {
		if (errno != EAGAIN && errno != EACCES)
			return err_sys(e, "cannot lock '%s'", path);
		if (clock_mono_ms() >= until)
			return busy(fd, path, e);
		if (interrupt_check(e))
			return -1;
		clock_sleep_ms(20);
	}
	if (fs_step_truncate(EFFECT_LOCK_WRITE, fd, 0) ||
	    fs_step_write(EFFECT_LOCK_WRITE, fd, holder, strlen(holder)))
		return err_sys(e, "cannot name the holder in '%s'", path);
	*out = fd;
	fd = -1;
	return 0;
}

int fs_file_lock_holder(int dir, const char *path, char **holder, struct err *e) {
	/* O_NONBLOCK: a pipe in its place must not hold up a command that only looks. */
	int fd CLEANUP(closep) = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct stat st;
	char who[256];

	*holder = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(e, "cannot open lock '%s'", path);
	if (fstat(fd, &st))
		return err_sys(e, "cannot look at lock '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INTEGRITY, "lock '%s' is no regular file", path);
	if (fcntl(fd, F_OFD_GETLK, &l))
		return err_sys(e, "cannot look at lock '%s'", path);
	if (l.l_type == F_UNLCK)
		return 0;
	read_holder(fd, who);
	*holder = mem_strdup(who[0] ? who : "another process");
	return 0;
}
