/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "fs/fs.h"

static int read_at(void *ctx, uint64_t at, void *out, size_t n, struct err *e) {
	const int *fd = ctx;

	for (char *p = out; n;) {
		ssize_t got = pread(*fd, p, n, (off_t) at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? err_sys(e, "cannot read it")
				   : err_set(e, ERR_SYS, "it became shorter while it was read");
		p += got;
		at += (uint64_t) got;
		n -= (size_t) got;
	}
	return 0;
}

int fs_bytes(const int *fd, const char *name, struct bytes *out, struct err *e) {
	struct stat st;

	if (fstat(*fd, &st))
		return err_sys(e, "cannot read '%s'", name);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_SPEC, "'%s' is not a regular file", name);
	*out = (struct bytes){.name = name,
			      .size = (uint64_t) st.st_size,
			      .read = read_at,
			      .ctx = (void *) (uintptr_t) fd};
	return 0;
}
