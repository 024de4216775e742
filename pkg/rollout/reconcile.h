/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lockfile/lockfile.h"
#include "rollout/rollout.h"

/* What runs and has traffic while no operation is on its way. */

/* The memory for both was planned. */
bool reconcile_fits(const struct lockfile *now, const struct lockfile *before);

struct reconciled {
	size_t removed, stopped;
	bool warm; /* the release that a rollback would go to runs, and may */
	bool announced;
};
struct reconcile_options {
	uint64_t drain_ms;  /* how long requests in flight may take before their container stops */
	bool hurry;         /* stops are told and not waited for */
	bool leave_traffic; /* the gateway's part is the caller's, afterwards */
	/* the route is being stopped: nothing runs, and no server has its traffic */
	bool stopped;
	/* no record of the caller's says that anything may be stopped: `tidying` goes before the
	 * first */
	bool announce;
};
/* The gateway does what the symlink says. Containers of no release on disk go; of the others only
 * the active one runs, and beside it the held one, or the one that a rollback would go to where the
 * memory for both was planned. Adds to *done. */
int reconcile(struct rollout_session *s, const struct reconcile_options *how,
	      struct reconciled *done, struct err *e);
/* The gateway's part alone. */
int reconcile_traffic(struct rollout_session *s, struct err *e);
