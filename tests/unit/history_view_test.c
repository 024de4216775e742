/* SPDX-License-Identifier: Apache-2.0 */
#include "history_parts.h"

static const struct {
	const char *name, *since;
	size_t limit;
	const char *text;
} views[] = {
	{"all", NULL, 0,
	 "1 apply r1 abc max@h 'manifest of 0123456789ab, changed' 0 begins\n"
	 "2 started r1 abc max@h 'container llmdeploy-1a2b3c4d-x-abc' 0\n"
	 "3 proved r1 abc max@h 'evidence 3' 0\n"
	 "4 flipped r1 abc max@h 'none -> r1' 0\n"
	 "5 committed r1 abc max@h '' 4321 ends\n"
	 "6 gc    'freed 3 objects' 0 begins ends\n"
	 "7 apply r2 def eva 'after r1' 0 begins\n"
	 "8 skip_eval r2 def eva 'no questions yet' 0\n"
	 "9 rejected r2 def eva 'gate failed' 0 ends\n"},
	{"the newest, with what its operation knows", NULL, 1,
	 "9 rejected r2 def eva 'gate failed' 0 ends\n"},
	{"just to the beginning", NULL, 3,
	 "7 apply r2 def eva 'after r1' 0 begins\n"
	 "8 skip_eval r2 def eva 'no questions yet' 0\n"
	 "9 rejected r2 def eva 'gate failed' 0 ends\n"},
	{"across a beginning", NULL, 5,
	 "5 committed r1 abc max@h '' 4321 ends\n"
	 "6 gc    'freed 3 objects' 0 begins ends\n"
	 "7 apply r2 def eva 'after r1' 0 begins\n"
	 "8 skip_eval r2 def eva 'no questions yet' 0\n"
	 "9 rejected r2 def eva 'gate failed' 0 ends\n"},
	{"since long ago, two", "2020-01-01T00:00:00Z", 2,
	 "8 skip_eval r2 def eva 'no questions yet' 0\n"
	 "9 rejected r2 def eva 'gate failed' 0 ends\n"},
	{"since the future", "2100-01-01T00:00:00Z", 0, ""},
};

static void history_is_a_view(void **state) {
	struct fixture *p = *state;
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (size_t i = 0; i < sizeof story / sizeof *story; i++)
		record(j, story[i]);
	EACH_CASE (c, views) {
		struct history *h CLEANUP(history_freep) = NULL;
		struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

		fine(history_load(&p->chat, c->since, c->limit, true, &h, &e), &e);
		for (size_t i = 0; i < h->n; i++) {
			const struct history_item *it = &h->items[i];
			/* The test may run across a second. */
			uint64_t ms = it->duration_ms == 1000 ? 0 : it->duration_ms;
			(void) buf_printf(&text, "%d %s %s %s %s '%s' %d%s%s\n", (int) it->seq,
					  it->event, it->version, it->lockfile, it->by, it->detail,
					  (int) ms, it->begins ? " begins" : "",
					  it->ends ? " ends" : "");
		}
		assert_string_equal(buf_str(&text), c->text);
	}
}

static void operation_under_way(void **state) {
	static const struct {
		const char *name, *events;
		const char *event, *phase, *last;
		bool ended;
	} table[] = {
		{"nothing", "", "", NULL, "", false},
		{"begun", "apply", "apply", "preparing the candidate", "apply", false},
		{"in the proof", "apply started ready", "apply", "asking the golden questions",
		 "ready", false},
		{"in the watch", "apply started ready proved flip_intent flipped", "apply",
		 "watching the new release", "flipped", false},
		{"in the drain", "apply flip_intent flipped committed", "apply",
		 "draining the previous release", "committed", true},
		{"after the drain", "apply flip_intent flipped committed drained", "apply",
		 "draining the previous release", "drained", true},
		{"rejected", "apply started rejected", "apply", NULL, "rejected", true},
		{"a second one", "apply rejected apply started", "apply",
		 "waiting for the candidate to get ready", "started", false},
		{"in a recovery", "apply started recovering", "apply", "recovering", "recovering",
		 false},
		{"recovered", "apply started recovering recovered", "apply", NULL, "recovered",
		 true},
		{"collected", "apply committed gc", "gc", NULL, "gc", true},
		{"stopping", "stop drained", "stop", "draining and stopping", "drained", false},
		{"starting", "start", "start", "starting the active release", "start", false},
		{"removing", "remove", "remove", "draining and removing", "remove", false},
		{"stopped", "stop drained route_stopped", "stop", NULL, "route_stopped", true},
		{"held", "apply canary_step held", "apply", NULL, "held", true},
	};
	struct fixture *p = *state;

	EACH_CASE (c, table) {
		struct release_operation o;
		struct err e = {0};

		again_with(p, c->events);
		fine(release_operation(&p->chat, &o, &e), &e);
		assert_string_equal(o.event, c->event);
		assert_string_equal(o.phase ? o.phase : "none", c->phase ? c->phase : "none");
		assert_string_equal(o.last, c->last);
		assert_int_equal(o.ended, c->ended);
		assert_int_equal(strlen(o.phase_since), c->phase ? 20 : 0);
	}
}

static void versions_of_a_route(void **state) {
	static const struct {
		const char *name, *script, *text; /* by last activity; "+": committed, "!": left */
	} table[] = {
		{"nothing", "", ""},
		{"three", "ABC", "c+ b+ a+"},
		{"rolled back from", "ABC<B", "b+ c+! a+"},
		{"roll forward", "ABC<B<C", "c+ b+ a+"},
		{"failed its watch", "A!B", "b! a+"},
		{"a rollback was given up", "ABC^B", "b+ c+ a+"},
		{"since the removal", "AB0A", "a+"},
	};
	struct fixture *p = *state;

	EACH_CASE (c, table) {
		struct release_version *versions CLEANUP(freep) = NULL;
		struct buf text CLEANUP(buf_done) = BUF_INIT(200);
		struct err e = {0};
		size_t n;

		begin_again(p, c->script);
		fine(release_versions(&p->chat, &versions, &n, &e), &e);
		for (size_t i = 0; i < n; i++)
			(void) buf_printf(&text, "%s%s%s%s", i ? " " : "", versions[i].version,
					  versions[i].committed[0] ? "+" : "",
					  versions[i].left ? "!" : "");
		assert_string_equal(buf_str(&text), c->text);
	}
}

static void holder_of_the_lock(void **state) {
	struct fixture *p = *state;
	struct release_route other CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char *holder CLEANUP(freep) = NULL;
	struct err e = {0};

	fine(release_holder(&p->chat, &holder, &e), &e);
	assert_null(holder);
	fine(release_route_open(&p->root, "chat", false, &other, &e), &e);
	fine(release_route_lock(&other, "apply r2.yaml", 0, &e), &e);
	fine(release_holder(&p->chat, &holder, &e), &e);
	char *pid CLEANUP(freep) = mem_printf(" pid %ld: apply r2.yaml, since 2", (long) getpid());
	assert_non_null(strstr(holder, pid));
	freep(&holder);
	holder = NULL;
	release_route_done(&other);
	fine(release_holder(&p->chat, &holder, &e), &e);
	assert_null(holder);
}

/* Who waited for a route that was purged meanwhile, and what a killed purge left. */
static void purged(void **state) {
	struct fixture *p = *state;
	struct release_route waits CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	struct err e = {0};

	play(p, "A");
	fine(release_route_open(&p->root, "chat", false, &waits, &e), &e);
	fine(release_route_purge(&p->root, &p->chat, &e), &e);
	assert_false(fs_exists(p->root.fd, "routes/chat"));
	assert_int_equal(release_route_lock(&waits, "apply", 0, &e), -1);
	assert_string_equal(e.msg, "route 'chat' was removed at the same moment: try again");
	assert_int_equal(e.code, ERR_BUSY);
	fine(fs_mkdirs(EFFECT_NONE, p->root.fd, "routes/.chat.tmp-4194305/releases/a", 0755, &e),
	     &e);
	char *alive CLEANUP(freep) = mem_printf("routes/.chat.tmp-%ld", (long) getpid());
	fine(fs_mkdirs(EFFECT_NONE, p->root.fd, alive, 0755, &e), &e);
	fine(release_routes_clean(&p->root, &e), &e);
	assert_false(fs_exists(p->root.fd, "routes/.chat.tmp-4194305"));
	assert_true(fs_exists(p->root.fd, alive));
}

static void empty_history(void **state) {
	struct fixture *p = *state;
	struct history *h CLEANUP(history_freep) = NULL;
	struct err e = {0};

	fine(history_load(&p->chat, NULL, 10, true, &h, &e), &e);
	assert_int_equal(h->n, 0);
}

static void broken_journal_is_no_history(void **state) {
	struct fixture *p = *state;
	struct release to = RELEASE_INIT;
	struct history *h = NULL;
	struct err e = {0};

	fine(fs_write(EFFECT_NONE, p->chat.fd, "journal", "x\ny\n", 4, 0644, &e), &e);
	assert_int_equal(history_load(&p->chat, NULL, 10, true, &h, &e), -1);
	assert_string_equal(
		e.msg, "record 1 of 'routes/chat/journal' is damaged: its checksum does not match");
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_int_equal(release_rollback_target(&p->chat, NULL, &to, &e), -1);
	assert_string_equal(
		e.msg, "record 1 of 'routes/chat/journal' is damaged: its checksum does not match");
}

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(operation_under_way),
		IN_PLACE(versions_of_a_route),
		IN_PLACE(holder_of_the_lock),
		IN_PLACE(purged),
		IN_PLACE(history_is_a_view),
		IN_PLACE(empty_history),
		IN_PLACE(broken_journal_is_no_history),
	};
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
