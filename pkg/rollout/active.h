/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "lockfile/lockfile.h"
#include "rollout/rollout.h"

/* The active release answers, started again where it did not, with its restart policy. `start_ms`
 * may be NULL. */
int active_ensure(struct rollout_session *s, const struct lockfile *l, uint64_t *start_ms,
		  struct err *e);
/* Someone started the active release's container again: recorded in the journal, once. */
int active_note_restart(struct rollout_session *s, const struct lockfile *l, bool *was,
			struct err *e);
