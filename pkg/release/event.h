/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>

#include "journal/journal.h"

struct json;

/* Journal events: the one table of them, and the only place where their names stand.
 *
 * A record of a journal has a name in "event". Whoever writes a record takes the name from here
 * (event_name), and whoever reads one asks for its row (event_row): what kind of record it is, what
 * recovery does when it is the last one, and what it says of the route. An event that is added here
 * is known to recovery, history, journal reset, garbage collection, rollback, promotion and
 * docs/formats.md (tests/lint/events.sh writes its table from this one).
 *
 * X(id, name, class, recovery action, meaning, phase, what it says, members): all of them
 * mandatory.
 *     class      BEGINS an operation, ENDS one, is a WHOLE one, is a STEP of one, or is a NOTE
 *                beside them
 *     meaning    what it says of the route: MEANS_... below
 *     phase      what goes on after it, for people; NULL: nothing, or nothing of its own
 *     members    that the record adds to "event", "version", "lock", "duration_ms" and "step_ms";
 *                "signed" is short for "by", "host", "pid", "tool" and "command". This and what it
 *                says are the text of docs/formats.md. */

/* In a route's journal. */
#define EVENTS_OF_A_ROUTE(X)                                                                      \
	X(APPLY, "apply", BEGINS, UNDO, NOTHING, "preparing the candidate", "an apply begins",    \
	  "`from`, signed, `manifest: {commit, dirty, remote}` (where known)")                    \
	X(ROLLBACK, "rollback", BEGINS, UNDO, NOTHING, "starting the previous release",           \
	  "a rollback begins", "`from`, signed")                                                  \
	X(STARTED, "started", STEP, UNDO, NOTHING, "waiting for the candidate to get ready",      \
	  "the candidate's container runs", "`container`")                                        \
	X(READY, "ready", STEP, UNDO, NOTHING, "asking the golden questions",                     \
	  "readiness, identity and one token of the candidate were checked", "")                  \
	X(SKIP_EVAL, "skip_eval", STEP, UNDO, NOTHING, "preparing the switch",                    \
	  "no golden questions are asked", "`reason`")                                            \
	X(PROVED, "proved", STEP, UNDO, NOTHING, "preparing the switch",                          \
	  "the gate passed; the record seals the evidence file",                                  \
	  "`evidence` (its number), `evidence_sha256`")                                           \
	X(STOP_INTENT, "stop_intent", STEP, UNDO, MAKING_ROOM, "stopping the active release",     \
	  "strategy recreate: the active release is about to lose its traffic and to stop",       \
	  "`from`")                                                                               \
	X(STOPPED, "stopped", STEP, UNDO, NOTHING, "starting the candidate",                      \
	  "strategy recreate: the active release is stopped", "`from`")                           \
	X(CANARY_STEP, "canary_step", STEP, UNDO, NOTHING, "canary",                              \
	  "the candidate's share of the clients is about to change (`phase` is `intent`), "       \
	  "or has changed (`done`)",                                                              \
	  "`phase`, `step`, `steps`, `weight_percent`")                                           \
	X(CANARY_VERDICT, "canary_verdict", STEP, UNDO, NOTHING, "canary",                        \
	  "a canary step was judged; after a `verdict` other than `pass` the share becomes "      \
	  "zero",                                                                                 \
	  "`step`, `verdict` (`pass`, `fail`, `none`), `reason`, `candidate` and `active` "       \
	  "(`requests`, `errors`, `p95_ms`, `ttft_ms`, and where there were any `refused`, "      \
	  "`given_up`), `set_aside`")                                                             \
	X(HELD, "held", ENDS, NOTHING, HELD, NULL,                                                \
	  "the candidate got no verdict: it waits for promote or abort", "`reason`")              \
	X(PROMOTE, "promote", BEGINS, HOLD, NOTHING, "starting the candidate",                    \
	  "a promote of the held candidate begins", "`from`, signed, `reason`")                   \
	X(ABORT, "abort", BEGINS, UNDO, NOTHING, "dropping the candidate",                        \
	  "an abort of the held candidate begins", "`from`, signed, `reason`")                    \
	X(ABORTED, "aborted", ENDS, NOTHING, NOTHING, NULL, "the held candidate was removed",     \
	  "`reason`, `attempt`")                                                                  \
	X(FLIP_INTENT, "flip_intent", STEP, FINISH, SWITCHING, "switching", "the switch begins",  \
	  "`from`, `to`, `op` (`apply`, `rollback`, `revert`), `watch_until_ms` (Unix)")          \
	X(FLIPPED, "flipped", STEP, WATCH, SWITCHED, "watching the new release",                  \
	  "the gateway and the link `active` lead to `to`; a route that was stopped is "          \
	  "started",                                                                              \
	  "as `flip_intent`")                                                                     \
	X(BACK_INTENT, "back_intent", STEP, BACK, NOTHING, "switching back",                      \
	  "the watch failed: the route switches back to `from`", "`from`, `to`, `reason`")        \
	X(COMMITTED, "committed", ENDS, NOTHING, COMMITTED, "draining the previous release",      \
	  "the new release stays active",                                                         \
	  "`from`, `op`; with a gateway `drain_until_ms` (Unix), and `traffic` that the "         \
	  "watch saw, with its `verdict`, `reason` and `set_aside`: clients whose requests "      \
	  "were not judged (`client`, `requests`, `errors`, of these `failed`, `cut`, "           \
	  "`late`, and `golden`)")                                                                \
	X(DRAINED, "drained", NOTE, PASS_OVER, NOTHING, NULL, "a release finished its requests",  \
	  "`in_flight`, `waited_ms`, `cut`")                                                      \
	X(REJECTED, "rejected", ENDS, NOTHING, NOTHING, NULL,                                     \
	  "the gate failed, and the candidate was removed", "`reason`, `exit`, `attempt`")        \
	X(FAILED, "failed", ENDS, NOTHING, NOTHING, NULL,                                         \
	  "the operation failed for another reason; what it began was undone",                    \
	  "as `rejected`; `attempt` only where a candidate was removed")                          \
	X(INTERRUPTED, "interrupted", ENDS, NOTHING, NOTHING, NULL,                               \
	  "Ctrl-C or a signal ended the operation; what it began was undone", "as `rejected`")    \
	X(ROLLED_BACK, "rolled_back", ENDS, NOTHING, NOTHING, NULL,                               \
	  "the watch failed, and the route was switched back",                                    \
	  "`from`, `to`, `reason`, `attempt`")                                                    \
	X(STOP, "stop", BEGINS, STOP, NOTHING, "draining and stopping",                           \
	  "a stop begins: the active release is drained and stopped", "`from`, signed")           \
	X(ROUTE_STOPPED, "route_stopped", ENDS, NOTHING, STOPPED, NULL,                           \
	  "the route is stopped, until `route_started` or the next `flipped`", "")                \
	X(START, "start", BEGINS, START, NOTHING, "starting the active release",                  \
	  "a start of a stopped route begins", "`from`, signed")                                  \
	X(ROUTE_STARTED, "route_started", ENDS, NOTHING, STARTED, NULL,                           \
	  "the active release has its traffic again", "")                                         \
	X(REMOVE, "remove", BEGINS, REMOVE, REMOVING, "draining and removing", "a remove begins", \
	  "`from`, signed, `releases[]` that are on disk, `purge`")                               \
	X(REMOVED, "removed", ENDS, NOTHING, REMOVED, NULL,                                       \
	  "only the journal and the attempts are left; older records of versions no longer "      \
	  "count",                                                                                \
	  "")                                                                                     \
	X(RECOVERING, "recovering", NOTE, PASS_OVER, RECOVERING, "recovering",                    \
	  "recovery begins its action for the event `of`", "`of`, signed")                        \
	X(RECOVERED, "recovered", ENDS, NOTHING, NOTHING, NULL, "recovery ended the operation",   \
	  "`what` was done")                                                                      \
	X(ACCEPTED, JOURNAL_ACCEPTED, WHOLE, NOTHING, RESET, NULL,                                \
	  "a damaged journal was given up: the first record of a new chain",                      \
	  "signed, `fault`, `broken[]` (`file`, `sha256`, `bytes`), `broken_files`, "             \
	  "`active`, `committed[]` (the newest last), `stopped` (`true` where the route was"      \
	  " stopped)")                                                                            \
	X(FIX, "fix", BEGINS, REPAIR, NOTHING, "repairing", "`verify --fix` begins",              \
	  "`from`, signed, `reason` (what was found)")                                            \
	X(STAND_IN, "stand_in", STEP, REPAIR, NOTHING, NULL,                                      \
	  "the previous release serves while the container of the active release is "             \
	  "replaced",                                                                             \
	  "`stand_in` (the previous release), `what`")                                            \
	X(FIXED, "fixed", ENDS, NOTHING, NOTHING, NULL,                                           \
	  "the repair succeeded; a repair that did not ends with `failed`",                       \
	  "`what` was repaired, and how")                                                         \
	X(RESTARTED, "restarted", NOTE, PASS_OVER, NOTHING, NULL,                                 \
	  "the active container was started by someone else, or by Docker", "`what`, `restarts`") \
	X(RELINKED, "relinked", NOTE, PASS_OVER, NOTHING, NULL,                                   \
	  "the link `active` was changed by hand, and was set again", "`what`")                   \
	X(QUARANTINED, "quarantined", NOTE, PASS_OVER, NOTHING, NULL,                             \
	  "an object of the store was changed by hand, and was moved away", "`what`, `sha256`")   \
	X(PINNED, "pinned", NOTE, PASS_OVER, NOTHING, NULL, "a release was pinned",               \
	  "`version`, `reason`, signed")                                                          \
	X(UNPINNED, "unpinned", NOTE, PASS_OVER, NOTHING, NULL, "a release was unpinned",         \
	  "as `pinned`")                                                                          \
	X(TORN, JOURNAL_TORN, NOTE, PASS_OVER, NOTHING, NULL,                                     \
	  "a crash left an incomplete last record, which was cut off", "`bytes`")                 \
	X(TIDYING, "tidying", NOTE, PASS_OVER, NOTHING, NULL,                                     \
	  "the first container that no release needs is about to be stopped or removed", "")      \
	X(TIDIED, "tidied", NOTE, PASS_OVER, NOTHING, NULL,                                       \
	  "such containers were stopped or removed", "`removed`, `stopped` (numbers)")            \
	X(REPAIRING, "repairing", NOTE, PASS_OVER, NOTHING, NULL,                                 \
	  "the active release did not answer, or lost its restart policy, and is started "        \
	  "again",                                                                                \
	  "")                                                                                     \
	X(REPAIRED, "repaired", NOTE, PASS_OVER, NOTHING, NULL,                                   \
	  "the active release answers again", "")                                                 \
	X(RESTORED, "restored", NOTE, PASS_OVER, NOTHING, NULL,                                   \
	  "strategy recreate: the active release was started again", "")                          \
	X(REALIGNED, "realigned", NOTE, PASS_OVER, NOTHING, NULL,                                 \
	  "the gateway differed from the link `active`, and was corrected", "`what`")

/* In the root's own journal, beside `accepted`, `torn` and `fixed`. */
#define EVENTS_OF_THE_ROOT(X)                                                              \
	X(GC_INTENT, "gc_intent", NOTE, REFUSE, COLLECTING, NULL,                          \
	  "a garbage collection is about to remove its first object", "as `gc`, all 0")    \
	X(GC, "gc", WHOLE, NOTHING, COLLECTED, NULL, "a garbage collection ended",         \
	  "`releases`, `containers`, `images`, `objects`, `bytes` (numbers)")              \
	X(BUILD, "build", NOTE, REFUSE, NOTHING, NULL, "a release was compiled",           \
	  "`route`, `version`, `lock`, `model`")                                           \
	X(MODEL_PULL, "model_pull", NOTE, REFUSE, NOTHING, NULL, "a model was downloaded", \
	  "`route`, `version`, `model`")                                                   \
	X(RUNTIME_LOCK, "runtime_lock", NOTE, REFUSE, NOTHING, NULL,                       \
	  "a packages.lock was written", "`runtime`, `backend`, `packages`")               \
	X(ROUTE_PURGED, "route_purged", NOTE, REFUSE, NOTHING, NULL,                       \
	  "a route was removed with its journal", "`route`")

#define EVENTS(X) EVENTS_OF_A_ROUTE(X) EVENTS_OF_THE_ROOT(X)

/* What recovery does where the last record of a route's journal is such an event; the functions are
 * rollout's (recover.c). X(id, word, what it does). */
#define RECOVERY_ACTIONS(X)                                                                        \
	X(PASS_OVER, "pass over", "the record decides nothing; the record before it decides")      \
	X(NOTHING, "none", "the operation has ended")                                              \
	X(UNDO, "undo",                                                                            \
	  "the candidate is drained and removed; the active release stays active, and where it "   \
	  "was stopped (strategy recreate) it is started again")                                   \
	X(HOLD, "hold", "the promote had not begun to switch: the candidate is held again")        \
	X(FINISH, "finish",                                                                        \
	  "the switch is finished, then as `watch`; where the new release does not get ready, as " \
	  "`back`")                                                                                \
	X(WATCH, "watch",                                                                          \
	  "the rest of the watch, then the commit; where the new release does not get ready, as "  \
	  "`back`")                                                                                \
	X(BACK, "back", "the route is switched back to the previous release")                      \
	X(REPAIR, "repair", "the active release is started again where it does not answer")        \
	X(STOP, "stop", "the stop is finished")                                                    \
	X(START, "start", "the start is finished; where it fails the route stays stopped")         \
	X(REMOVE, "remove", "the removal is finished")                                             \
	X(REFUSE, "refuse", "no such record may end a route's journal: exit status 12")

enum event {
	EVENT_UNKNOWN, /* of another version of llmdeploy */
#define EVENT_ID(id, ...) EVENT_##id,
	EVENTS(EVENT_ID)
#undef EVENT_ID
		EVENT_COUNT
};

enum event_class { CLASS_BEGINS, CLASS_STEP, CLASS_ENDS, CLASS_WHOLE, CLASS_NOTE };

enum recovery_action {
#define RECOVERY_ID(id, ...) RECOVERY_##id,
	RECOVERY_ACTIONS(RECOVERY_ID)
#undef RECOVERY_ID
		RECOVERY_COUNT
};

enum event_meaning {
	MEANS_NOTHING,
	MEANS_MAKING_ROOM, /* the active release stops before its successor starts */
	MEANS_SWITCHING,   /* the link `active` is about to lead to "to" */
	MEANS_SWITCHED,    /* it does; and the route is started */
	MEANS_COMMITTED,   /* "version" may be returned to */
	MEANS_HELD,        /* "version" waits for promote or abort */
	MEANS_STOPPED,     /* the route */
	MEANS_STARTED,
	MEANS_REMOVING, /* the link may be gone */
	MEANS_REMOVED,  /* older records of versions do not count */
	MEANS_RESET,    /* older records are not read: this one has what of them counts */
	MEANS_RECOVERING,
	MEANS_COLLECTING, /* garbage */
	MEANS_COLLECTED,
};

struct event_row {
	const char *name; /* on disk */
	enum event_class class;
	enum recovery_action recovery;
	enum event_meaning means;
	const char *phase; /* or NULL */
	const char *says, *members;
};

/* EVENT_UNKNOWN has a row as well: a step that refuses recovery, with an empty name. */
const struct event_row *event_row(enum event id);
const char *event_name(enum event id);
/* By its name; NULL or a name that is not in the table: EVENT_UNKNOWN. */
enum event event_of(const char *name);
enum event event_of_record(const struct json *record); /* "event" of it; NULL: EVENT_UNKNOWN */
enum event_meaning event_means(const char *name);
bool event_begins(enum event id);
bool event_ends(enum event id);
/* The record decides nothing: it says nothing about how an operation stands. */
bool event_is_passed_over(enum event id);

/* The operation that a switch belongs to: "op" of flip_intent, flipped and committed. */
enum switch_op { SWITCH_NONE, SWITCH_APPLY, SWITCH_ROLLBACK, SWITCH_REVERT };
const char *switch_name(enum switch_op op);
/* SWITCH_NONE: it has none, or an unknown one */
enum switch_op switch_op_of(const struct json *record);
