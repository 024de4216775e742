/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"
#include "rollout/internal.h"

int rollout_lockfile_of(const struct release_route *r, const char *version, struct lockfile **out,
			struct err *e) {
	struct release rel = RELEASE_INIT;
	char name[200];

	if (release_read(r, version, &rel, e))
		return -1;
	(void) snprintf(name, sizeof name, "%s/releases/%s/release.lock.json", r->where, version);
	int status = lockfile_parse(name, rel.lockfile, rel.lockfile_len, out, e);
	release_done(&rel);
	return status;
}

int rollout_active_lockfile(const struct release_route *r, struct lockfile **out, struct err *e) {
	char *version CLEANUP(freep) = NULL;

	if (release_active(r, &version, e))
		return -1;
	if (!version)
		return err_set(e, ERR_USAGE,
			       "route '%s' has no active release; see llmdeploy history %s",
			       r->name, r->name);
	return rollout_lockfile_of(r, version, out, e);
}
