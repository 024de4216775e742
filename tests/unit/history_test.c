/* SPDX-License-Identifier: Apache-2.0 */
#include "history_parts.h"

#define NO "route 'chat' has no release to roll back to: "

static const struct {
	const char *name, *script, *named;
	const char *target; /* NULL: ERR_USAGE with msg */
	const char *msg;
} rollbacks[] = {
	{"nothing there", "", NULL, NULL, NO "none was ever committed"},
	{"only one", "A", NULL, NULL, NO "no other one was ever committed"},
	{"the one before", "AB", NULL, "a", ""},
	{"of three", "ABC", NULL, "b", ""},
	{"not the one rolled back from", "ABC<B", NULL, "a", ""},
	{"nothing left", "AB<A", NULL, NULL,
	 NO "'b' was rolled back from; to roll back to it anyway: --to b"},
	{"nothing left of three", "ABC<B<A", NULL, NULL,
	 NO
	 "'b' was rolled back from, 'c' was rolled back from; to roll back to it anyway: --to b"},
	{"all others collected", "ABC-A-B", NULL, NULL,
	 NO "'b' is not on disk any more, 'a' is not on disk any more"},
	{"failed its watch, and nothing else", "A!B", NULL, NULL,
	 NO "no other one was ever committed"},
	{"a later one after a rollback", "AB<AC", NULL, "a", ""},
	{"what served last comes first", "ABC<AD", NULL, "a", ""},
	{"never what failed its watch", "AB!C", NULL, "a", ""},
	{"failed its watch, then committed", "A!BBC", NULL, "b", ""},
	{"failed its watch after it was committed", "AB<A!BC", NULL, "a", ""},
	{"rolled back from, then applied again", "ABC<BCD", NULL, "c", ""},
	{"rolled back from, then returned to by name", "ABC<B<CD", NULL, "c", ""},
	/* Going forward again discredits nothing. */
	{"forward again, of two", "AB<A<B", NULL, "a", ""},
	{"forward again, of three", "ABC<B<C", NULL, "b", ""},
	{"forward again, and back", "AB<A<B<A", NULL, NULL,
	 NO "'b' was rolled back from; to roll back to it anyway: --to b"},
	{"forward again, back, and forward", "AB<A<B<A<B", NULL, "a", ""},
	{"forward again, back, and further back", "ABC<B<C<B", NULL, "a", ""},
	{"two back, two forward", "ABC<B<A<C", NULL, "a", ""},
	{"two back, one forward", "ABC<B<A<B", NULL, "a", ""},
	{"two back, one and one forward", "ABC<B<A<B<C", NULL, "b", ""},
	{"two back at once, one forward", "ABC<A<B", NULL, "a", ""},
	{"two back at once, two forward at once", "ABC<A<C", NULL, "a", ""},
	{"forward again, then a new one", "AB<A<BC", NULL, "b", ""},
	{"forward again, then a new one and back", "AB<A<BC<B", NULL, "a", ""},
	{"forward again, then a new one that failed", "AB<A<B!C", NULL, "a", ""},
	{"to an older one that was rolled back from is back", "AB<AC<B", NULL, "a", ""},
	{"to an older one, then forward again", "AB<AC<B<C", NULL, "b", ""},
	{"applied again is the newest", "ABA<B", NULL, NULL,
	 NO "'a' was rolled back from; to roll back to it anyway: --to a"},
	{"applied again, back, and forward again", "ABA<B<A", NULL, "b", ""},
	{"an order of before counts for a rollback of before", "AB<ACA-C", NULL, NULL,
	 NO "'c' is not on disk any more, 'b' was rolled back from; to roll back to it anyway: "
	    "--to b"},
	{"forward again, and the one before is collected", "ABC<B<C-B", NULL, "a", ""},
	/* One that recovery gave up discredits nothing. */
	{"given up", "AB^A", NULL, "a", ""},
	{"given up before the link was turned", "AB~A", NULL, "a", ""},
	{"given up, of three", "ABC^B", NULL, "b", ""},
	{"given up twice", "ABC^B~B", NULL, "b", ""},
	{"given up, to one further back", "ABC^A", NULL, "b", ""},
	{"given up, then one that was made", "ABC^B<B", NULL, "a", ""},
	{"given up, to one that was rolled back from", "ABC<B^C", NULL, "a", ""},
	{"given up, then a new one that failed", "AB^A!C", NULL, "a", ""},
	{"given up, to one that had failed its watch", "AB!A~A", NULL, NULL,
	 NO "'a' was rolled back from; to roll back to it anyway: --to a"},
	{"removed", "AB0", NULL, NULL, NO "none was ever committed"},
	{"removed, and applied again", "AB0A", NULL, NULL, NO "no other one was ever committed"},
	{"removed, and two again", "ABC0BC", NULL, "b", ""},
	{"collected ones are passed over", "ABC-B", NULL, "a", ""},
	{"by name", "ABC", "a", "a", ""},
	{"by name, though rolled back from", "ABC<B", "c", "c", ""},
	{"never committed", "A!B", "b", NULL,
	 "version 'b' of 'chat' was never committed; committed: a"},
	{"never committed since the removal", "B0A!B", "b", NULL,
	 "version 'b' of 'chat' was never committed; committed: a"},
	{"unknown", "AB", "z", NULL, "no version 'z' of route 'chat'"},
	{"unknown in an empty route", "", "z", NULL, "no version 'z' of route 'chat'"},
	{"collected", "ABC-A", "a", NULL, "no version 'a' of route 'chat'"},
};

static const struct {
	const char *name, *script;
	const char *target; /* NULL: none */
} forwards[] = {
	{"nothing there", "", NULL},
	{"the newest", "ABC", NULL},
	{"after a rollback", "AB<A", "b"},
	{"one at a time", "ABC<B<A", "b"},
	{"one at a time, further", "ABC<B<A<B", "c"},
	{"two back at once", "ABC<A", "b"},
	{"at the end again", "ABC<B<A<B<C", NULL},
	{"not what was collected", "ABC<A-B", "c"},
	{"not what failed its watch", "A!B", NULL},
	{"applied again is the newest", "ABA", NULL},
	{"back from what was applied again", "ABA<B", "a"},
	{"a new one ends it", "AB<AC", NULL},
	{"past the one that was rolled back from", "AB<AC<A", "b"},
	{"removed", "AB<A0", NULL},
	{"removed, and applied again", "AB<A0A", NULL},
};

static void forward_goes_to(void **state) {
	struct fixture *p = *state;

	EACH_CASE (c, forwards) {
		char *to CLEANUP(freep) = NULL;
		struct err e = {0};

		begin_again(p, c->script);
		fine(release_forward(&p->chat, &to, &e), &e);
		assert_string_equal(to ? to : "none", c->target ? c->target : "none");
	}
}

static void rollback_goes_to(void **state) {
	struct fixture *p = *state;

	EACH_CASE (c, rollbacks) {
		struct release to CLEANUP(release_done) = RELEASE_INIT;
		struct err e = {0};

		begin_again(p, c->script);
		assert_int_equal(release_rollback_target(&p->chat, c->named, &to, &e),
				 c->target ? 0 : -1);
		assert_string_equal(e.msg, c->msg);
		assert_int_equal(e.code, c->target ? ERR_OK : ERR_USAGE);
		if (c->target)
			assert_string_equal(to.version, c->target);
	}
}

static void damaged_target_is_not_passed_over(void **state) {
	struct fixture *p = *state;
	struct release to = RELEASE_INIT;
	struct err e = {0};

	play(p, "ABC");
	fine(fs_write(EFFECT_NONE, p->chat.fd, "releases/b/release.lock.json", "B", 1, 0444, &e),
	     &e);
	assert_int_equal(release_rollback_target(&p->chat, NULL, &to, &e), -1);
	assert_string_equal(
		e.msg,
		"cannot roll back to 'b' (name another with --to): "
		"'routes/chat/releases/b/release.lock.json' is not the file that passed the gate: "
		"its digest is df7e70e50215, evidence/1.json is of 3e23e8160039");
	assert_int_equal(e.code, ERR_INTEGRITY);
}

static void committed_ones_by_last_activity(void **state) {
	struct fixture *p = *state;
	char **versions CLEANUP(freep) = NULL;
	struct buf all CLEANUP(buf_done) = BUF_INIT(100);
	struct err e = {0};
	size_t n;

	play(p, "ABC!D<AE-B");
	fine(release_committed(&p->chat, &versions, &n, &e), &e);
	for (size_t i = 0; i < n; i++)
		(void) buf_puts(&all, versions[i]);
	assert_string_equal(buf_str(&all), "eac");
	assert_null(versions[n]);
}

static void newest_of_an_event(void **state) {
	static const struct {
		const char *name;
		enum event event;
		size_t among;
		bool found;
	} table[] = {{"the newest", EVENT_REJECTED, 1, true},
		     {"further back", EVENT_FLIPPED, 6, true},
		     {"too far back", EVENT_FLIPPED, 5, false},
		     {"none", EVENT_HELD, 100, false}};
	struct fixture *p = *state;
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (size_t i = 0; i < sizeof story / sizeof *story; i++)
		record(j, story[i]);
	EACH_CASE (c, table) {
		char time[CLOCK_STAMP] = "x";
		fine(history_newest(&p->chat, c->event, c->among, time, &e), &e);
		assert_int_equal(strlen(time), c->found ? 20 : 0);
	}
}

static void state_of_a_route(void **state) {
	static const struct {
		const char *name, *events;
		enum release_state state;
		bool since;
	} table[] = {
		{"nothing", "", RELEASE_STARTED, false},
		{"an apply", "apply started proved flip_intent flipped committed", RELEASE_STARTED,
		 true},
		{"an apply that came to nothing", "apply started rejected", RELEASE_STARTED, false},
		{"stopped", "flipped committed stop drained route_stopped", RELEASE_STOPPED, true},
		{"a stop that was begun", "flipped committed stop drained", RELEASE_STARTED, true},
		{"a stop that was given up", "flipped committed stop interrupted", RELEASE_STARTED,
		 true},
		{"a stop that recovery finished",
		 "flipped committed stop recovering route_stopped recovered", RELEASE_STOPPED,
		 true},
		{"a start that was begun", "flipped route_stopped start", RELEASE_STOPPED, true},
		{"a start that failed", "flipped route_stopped start failed", RELEASE_STOPPED,
		 true},
		{"started", "flipped route_stopped start route_started", RELEASE_STARTED, true},
		{"an apply that failed while it was stopped",
		 "flipped route_stopped apply started rejected", RELEASE_STOPPED, true},
		{"a switch while it was stopped", "flipped route_stopped apply flip_intent flipped",
		 RELEASE_STARTED, true},
		{"an intent of a switch is none", "flipped route_stopped apply flip_intent",
		 RELEASE_STOPPED, true},
		{"collected and pinned while it was stopped",
		 "flipped route_stopped gc pinned tidied", RELEASE_STOPPED, true},
		{"a recreate stops the active release, and not the route",
		 "flipped committed apply stop_intent stopped", RELEASE_STARTED, true},
		{"removed", "flipped committed remove removed", RELEASE_REMOVED, true},
		{"removed while it was stopped", "flipped route_stopped remove removed",
		 RELEASE_REMOVED, true},
		{"a removal that was begun", "flipped route_stopped remove", RELEASE_STOPPED, true},
		{"applied again", "flipped remove removed apply flipped committed", RELEASE_STARTED,
		 true},
		{"a journal that was given up", "route_stopped accepted", RELEASE_STARTED, true},
		{"a journal that was given up, of a stopped route", "flipped accepted* recovered",
		 RELEASE_STOPPED, true},
	};
	struct fixture *p = *state;

	EACH_CASE (c, table) {
		enum release_state got = RELEASE_REMOVED;
		char since[CLOCK_STAMP] = "x";
		struct err e = {0};

		again_with(p, c->events);
		fine(release_state(&p->chat, &got, since, &e), &e);
		assert_int_equal(got, c->state);
		assert_int_equal(strlen(since), c->since ? 20 : 0);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(rollback_goes_to),
		IN_PLACE(forward_goes_to),
		IN_PLACE(damaged_target_is_not_passed_over),
		IN_PLACE(committed_ones_by_last_activity),
		IN_PLACE(newest_of_an_event),
		IN_PLACE(state_of_a_route),
	};
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
