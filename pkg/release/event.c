/* SPDX-License-Identifier: Apache-2.0 */
#include "release/event.h"

#include <string.h>

#include "json/json.h"

static const struct event_row rows[EVENT_COUNT] = {[EVENT_UNKNOWN] = {"", CLASS_STEP,
								      RECOVERY_REFUSE,
								      MEANS_NOTHING, NULL, "", ""},
#define ROW(id, name, class, action, means, phase, says, members)                     \
	[EVENT_##id] = {name, CLASS_##class, RECOVERY_##action, MEANS_##means, phase, \
			says, members},
						   EVENTS(ROW)
#undef ROW
};

/* An operation that has begun and not ended is always recovered, and one that has ended never. */
#define IS(want, class) (CLASS_##want == CLASS_##class)
#define ACTS(action) (RECOVERY_##action > RECOVERY_NOTHING && RECOVERY_##action < RECOVERY_REFUSE)
#define CHECK(id, name, class, action, ...)                                              \
	_Static_assert((!IS(BEGINS, class) && !IS(STEP, class)) || ACTS(action),         \
		       #id " needs an action");                                          \
	_Static_assert((!IS(ENDS, class) && !IS(WHOLE, class)) ||                        \
			       RECOVERY_##action == RECOVERY_NOTHING,                    \
		       #id " has ended: nothing is left to do");                         \
	_Static_assert(!IS(NOTE, class) ||                                               \
			       (RECOVERY_##action != RECOVERY_NOTHING && !ACTS(action)), \
		       #id " is a note: it decides nothing");
EVENTS(CHECK)

const struct event_row *event_row(enum event id) {
	return &rows[id];
}

const char *event_name(enum event id) {
	return rows[id].name;
}

enum event event_of(const char *name) {
	for (enum event id = EVENT_UNKNOWN + 1; name && id < EVENT_COUNT; id++)
		if (!strcmp(rows[id].name, name))
			return id;
	return EVENT_UNKNOWN;
}

enum event event_of_record(const struct json *record) {
	return event_of(json_str(record, "event"));
}

enum event_meaning event_means(const char *name) {
	return rows[event_of(name)].means;
}

bool event_begins(enum event id) {
	return rows[id].class == CLASS_BEGINS || rows[id].class == CLASS_WHOLE;
}

bool event_ends(enum event id) {
	return rows[id].class == CLASS_ENDS || rows[id].class == CLASS_WHOLE;
}

bool event_is_passed_over(enum event id) {
	return rows[id].recovery == RECOVERY_PASS_OVER;
}

static const char *const ops[] = {[SWITCH_NONE] = "",
				  [SWITCH_APPLY] = "apply",
				  [SWITCH_ROLLBACK] = "rollback",
				  [SWITCH_REVERT] = "revert"};

const char *switch_name(enum switch_op op) {
	return ops[op];
}

enum switch_op switch_op_of(const struct json *record) {
	const char *op = json_str(record, "op");

	for (enum switch_op i = SWITCH_APPLY; op && i <= SWITCH_REVERT; i++)
		if (!strcmp(op, ops[i]))
			return i;
	return SWITCH_NONE;
}
