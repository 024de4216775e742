/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/interrupt.h"
#include "fs/fs.h"

#define STANDARD_INPUT "standard input"

int input_check(const char *path, struct err *e) {
	struct stat st;

	if (!*path)
		return err_set(e, ERR_USAGE, "the path of a file is empty");
	if (stat(path, &st)) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(e, ERR_USAGE, "cannot open '%s': %s", path, strerror(errno));
		return err_sys(e, "cannot open '%s'", path);
	}
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "'%s' is a directory, not a file", path);
	return 0;
}

static int read_stdin(struct buf *out, struct err *e) {
	char block[65536];

	for (;;) {
		if (interrupt_check(e))
			return -1;
		ssize_t n = read(STDIN_FILENO, block, sizeof block);
		if (!n)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "cannot read the standard input");
		if (!buf_add(out, block, (size_t) n))
			return err_set(e, ERR_USAGE,
				       "the standard input has more than %d MiB: a manifest or a "
				       "lockfile is expected",
				       INPUT_MAX >> 20);
	}
}

int input_read(const char *path, struct input *in, struct err *e) {
	buf_reset(&in->text);
	in->name = path;
	if (strcmp(path, "-") != 0) {
		if (input_check(path, e))
			return -1;
		return fs_read_user(path, &in->text, e);
	}
	in->name = STANDARD_INPUT;
	if (read_stdin(&in->text, e))
		return -1;
	return in->text.len ? 0
			    : err_set(e, ERR_USAGE,
				      "the standard input is empty: a manifest is expected, as in "
				      "llmdeploy apply - <manifest.yaml");
}

void input_done(struct input *in) {
	buf_done(&in->text);
}
