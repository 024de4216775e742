/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lockfile/lockfile.h"
#include "rollout/rollout.h"

/* Strategy recreate: a device that holds one release. */

bool recreate_needed(struct rollout_session *s, const struct lockfile *a, const struct lockfile *b);
/* The active release loses its traffic, is drained and stopped, so that `next` can start. */
int recreate_begin(struct rollout_session *s, const struct lockfile *next,
		   const struct lockfile *old, struct err *e);
/* Its inner part, without the records. */
int recreate_stop(struct rollout_session *s, const struct lockfile *old, uint64_t drain_ms,
		  struct err *e);
/* After `next` came to nothing: what `active` names is started, proved ready, and gets its traffic
 * back. */
int recreate_restore(struct rollout_session *s, struct err *e);
