/* SPDX-License-Identifier: Apache-2.0 */
#include "release/release.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"

#define PREFIX "releases/"

int release_active_name(const struct release_route *r, char **version, struct err *e) {
	char *target CLEANUP(freep) = NULL;
	struct err inner = {0};

	if (fs_readlink(r->fd, "active", &target, &inner))
		return err_set(e, ERR_INTEGRITY, "%s: %.250s", r->where, inner.msg);
	if (target && (!text_starts(target, PREFIX) || !text_is_name(target + strlen(PREFIX))))
		return err_set(
			e, ERR_INTEGRITY,
			"'%s/active' points to '%.200s', which is not a release of this route",
			r->where, target);
	*version = target ? mem_strdup(target + strlen(PREFIX)) : NULL;
	return 0;
}

int release_active(const struct release_route *r, char **version, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	char *name CLEANUP(freep) = NULL;

	if (release_active_name(r, &name, e))
		return -1;
	if (name && release_read(r, name, &rel, e)) {
		e->code = e->code == ERR_USAGE ? ERR_INTEGRITY : e->code;
		return err_wrap(e, "'%s/active' does not point to a complete release", r->where);
	}
	*version = STEAL(name);
	return 0;
}

int release_flip(const struct release_route *r, const char *version, struct err *e) {
	struct release rel CLEANUP(release_done) = RELEASE_INIT;

	if (!version)
		return fs_unlink(EFFECT_RELEASE_FLIP, r->fd, "active", e) ||
				fs_sync_dir(EFFECT_RELEASE_FLIP, r->fd, ".", e)
			? err_wrap(e, "%s", r->where)
			: 0;
	if (release_read(r, version, &rel, e))
		return -1;
	char *target CLEANUP(freep) = mem_printf(PREFIX "%s", version);
	return fs_flip(EFFECT_RELEASE_FLIP, r->fd, "active", target, e)
		? err_wrap(e, "%s", r->where)
		: 0;
}
