/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "release/history.h"

struct json;
struct release_route;

/* What is done with a route at this moment, and whether it is stopped or removed: for status. */
struct operation_view {
	enum release_state state;
	char since[CLOCK_STAMP]; /* of the state, or "" */
	/* "apply r17.yaml by eva@host pid 4711, since ...: asking the golden questions, since ...";
	 * NULL: nothing */
	char *words;
	/* {"holder", "operation", "version", "began", "phase", "phase_since", "interrupted"}; NULL:
	 * nothing */
	struct json *json;
};

/* Never a failure: what cannot be read is not known here. */
void operation_view_read(const struct release_route *route, struct operation_view *out);
void operation_view_done(struct operation_view *u);
