/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "json/json.h"
#include "release/history.h"
#include "release/release.h"
#include "root/root.h"

struct fixture {
	char path[40];
	struct root root;
	struct release_route chat;
};

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

static int setup(void **state) {
	struct fixture *p = mem_zalloc(1, sizeof *p);
	struct err e = {0};

	(void) strcpy(p->path, "/tmp/llmdeploy-history-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	fine(root_open(p->path, ROOT_WRITE, &p->root, &e), &e);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	*state = p;
	return 0;
}

static int teardown(void **state) {
	struct fixture *p = *state;
	struct err e;

	release_route_done(&p->chat);
	root_done(&p->root);
	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, p->path, &e), 0);
	free(p);
	return 0;
}

static void record(struct journal *j, const char *json) {
	struct json *o CLEANUP(json_freep) = NULL;
	struct err e = {0};

	fine(json_parse(json, strlen(json), &o, &e), &e);
	fine(journal_append(j, o, &e), &e);
}

static void switched(struct journal *j, const char *event, const char *op, const char *from, const char *to) {
	char *json CLEANUP(freep) = mem_printf("{\"event\":\"%s\",\"op\":\"%s\",\"from\":\"%s\",\"to\":\"%s\"}", event, op, from, to);

	record(j, json);
}

static void flipped(struct journal *j, const char *op, const char *from, const char *to) {
	switched(j, "flipped", op, from, to);
}

static void committed(struct journal *j, const char *op, const char *version) {
	char *json CLEANUP(freep) = mem_printf("{\"event\":\"committed\",\"op\":\"%s\",\"version\":\"%s\"}", op, version);

	record(j, json);
}

static void remove_all(struct fixture *p, struct journal *j) {
	struct err e = {0};

	record(j, "{\"event\":\"removed\"}");
	fine(release_flip(&p->chat, NULL, &e), &e);
	fine(fs_remove_tree(EFFECT_NONE, p->chat.fd, "releases", &e), &e);
}

/* One letter a step, as the rollout journals it: a capital is applied and committed; "!X" applied, and its watch
 * failed; "<X" a rollback to X; "^X" one that recovery gave up, "~X" before the link was turned; "-X" X is collected; "0" the route is removed. */
static void play(struct fixture *p, const char *script) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct json *evidence CLEANUP(json_freep) = json_object();
	char active[2] = "", version[2] = "";
	struct release_sealed sealed;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (const char *s = script; *s; s++) {
		if (*s == '0') {
			remove_all(p, j);
			active[0] = 0;
			continue;
		}
		char how = strchr("!<^~-", *s) ? *s++ : 'a';
		version[0] = (char) (*s + 'a' - 'A');
		if (how == '-') {
			fine(release_remove(&p->chat, version, &e), &e);
			continue;
		}
		if (strchr("^~", how)) {
			switched(j, how == '^' ? "flipped" : "flip_intent", "rollback", active, version);
			switched(j, "flip_intent", "revert", version, active);
			flipped(j, "revert", version, active);
			continue;
		}
		if (how != '<')
			fine(release_put(&p->chat, version, version, 1, NULL, evidence, &sealed, &e), &e);
		flipped(j, how == '<' ? "rollback" : "apply", active, version);
		if (how == '!') {
			flipped(j, "revert", version, active);
			version[0] = active[0];
		} else {
			committed(j, how == '<' ? "rollback" : "apply", version);
		}
		active[0] = version[0];
		fine(release_flip(&p->chat, active[0] ? active : NULL, &e), &e);
	}
}

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
	{"nothing left", "AB<A", NULL, NULL, NO "'b' was rolled back from; to go to one all the same, name it: --to b"},
	{"nothing left of three", "ABC<B<A", NULL, NULL,
	 NO "'b' was rolled back from, 'c' was rolled back from; to go to one all the same, name it: --to b"},
	{"all others collected", "ABC-A-B", NULL, NULL, NO "'b' is not on disk any more, 'a' is not on disk any more"},
	{"failed its watch, and nothing else", "A!B", NULL, NULL, NO "no other one was ever committed"},
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
	{"forward again, and back", "AB<A<B<A", NULL, NULL, NO "'b' was rolled back from; to go to one all the same, name it: --to b"},
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
	{"applied again is the newest", "ABA<B", NULL, NULL, NO "'a' was rolled back from; to go to one all the same, name it: --to a"},
	{"applied again, back, and forward again", "ABA<B<A", NULL, "b", ""},
	{"an order of before counts for a rollback of before", "AB<ACA-C", NULL, NULL,
	 NO "'c' is not on disk any more, 'b' was rolled back from; to go to one all the same, name it: --to b"},
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
	 NO "'a' was rolled back from; to go to one all the same, name it: --to a"},
	{"removed", "AB0", NULL, NULL, NO "none was ever committed"},
	{"removed, and applied again", "AB0A", NULL, NULL, NO "no other one was ever committed"},
	{"removed, and two again", "ABC0BC", NULL, "b", ""},
	{"collected ones are passed over", "ABC-B", NULL, "a", ""},
	{"by name", "ABC", "a", "a", ""},
	{"by name, though rolled back from", "ABC<B", "c", "c", ""},
	{"never committed", "A!B", "b", NULL, "version 'b' of 'chat' was never committed; committed: a"},
	{"never committed since the removal", "B0A!B", "b", NULL, "version 'b' of 'chat' was never committed; committed: a"},
	{"unknown", "AB", "z", NULL, "no version 'z' of route 'chat'"},
	{"unknown in an empty route", "", "z", NULL, "no version 'z' of route 'chat'"},
	{"collected", "ABC-A", "a", NULL, "no version 'a' of route 'chat'"},
};

static void begin_again(struct fixture *p, const char *script) {
	struct err e = {0};

	fine(fs_remove_tree(EFFECT_NONE, p->root.fd, "routes/chat", &e), &e);
	release_route_done(&p->chat);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	play(p, script);
}

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

	EACH_CASE(c, forwards) {
		char *to CLEANUP(freep) = NULL;
		struct err e = {0};

		begin_again(p, c->script);
		fine(release_forward(&p->chat, &to, &e), &e);
		assert_string_equal(to ? to : "none", c->target ? c->target : "none");
	}
}

static void rollback_goes_to(void **state) {
	struct fixture *p = *state;

	EACH_CASE(c, rollbacks) {
		struct release to CLEANUP(release_done) = RELEASE_INIT;
		struct err e = {0};

		begin_again(p, c->script);
		assert_int_equal(release_rollback_target(&p->chat, c->named, &to, &e), c->target ? 0 : -1);
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
	fine(fs_write(EFFECT_NONE, p->chat.fd, "releases/b/release.lock.json", "B", 1, 0444, &e), &e);
	assert_int_equal(release_rollback_target(&p->chat, NULL, &to, &e), -1);
	assert_string_equal(e.msg, "cannot roll back to 'b' (name another with --to): 'routes/chat/releases/b/release.lock.json' is not what was proved: "
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

#define APPLY                                                                                                     \
	"{\"event\":\"apply\",\"version\":\"r1\",\"lock\":\"abc\",\"by\":\"max\",\"host\":\"h\",\"manifest\":" \
	"{\"commit\":\"0123456789abcdef\",\"dirty\":true}}"

/* A record a line. */
static const char *const story[] = {
	APPLY,
	"{\"event\":\"started\",\"container\":\"llmdeploy-1a2b3c4d-x-abc\"}",
	"{\"event\":\"proved\",\"evidence\":3}",
	"{\"event\":\"flipped\",\"op\":\"apply\",\"from\":\"\",\"to\":\"r1\"}",
	"{\"event\":\"committed\",\"version\":\"r1\",\"duration_ms\":4321}",
	"{\"event\":\"gc\",\"detail\":\"freed 3 objects\"}",
	"{\"event\":\"apply\",\"version\":\"r2\",\"lock\":\"def\",\"by\":\"eva\",\"from\":\"r1\"}",
	"{\"event\":\"skip_eval\",\"reason\":\"no questions yet\"}",
	"{\"event\":\"rejected\",\"reason\":\"gate failed\",\"attempt\":1}",
};

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
	{"the newest, with what its operation knows", NULL, 1, "9 rejected r2 def eva 'gate failed' 0 ends\n"},
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
	EACH_CASE(c, views) {
		struct history *h CLEANUP(history_freep) = NULL;
		struct buf text CLEANUP(buf_done) = BUF_INIT(4096);

		fine(history_load(&p->chat, c->since, c->limit, true, &h, &e), &e);
		for (size_t i = 0; i < h->n; i++) {
			const struct history_item *it = &h->items[i];
			/* The test may run across a second. */
			uint64_t ms = it->duration_ms == 1000 ? 0 : it->duration_ms;
			(void) buf_printf(&text, "%d %s %s %s %s '%s' %d%s%s\n", (int) it->seq, it->event, it->version, it->lockfile,
					  it->by, it->detail, (int) ms, it->begins ? " begins" : "", it->ends ? " ends" : "");
		}
		assert_string_equal(buf_str(&text), c->text);
	}
}

static void newest_of_an_event(void **state) {
	static const struct {
		const char *name;
		enum event event;
		size_t among;
		bool found;
	} table[] = {{"the newest", EVENT_REJECTED, 1, true}, {"further back", EVENT_FLIPPED, 6, true},
		     {"too far back", EVENT_FLIPPED, 5, false}, {"none", EVENT_HELD, 100, false}};
	struct fixture *p = *state;
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (size_t i = 0; i < sizeof story / sizeof *story; i++)
		record(j, story[i]);
	EACH_CASE(c, table) {
		char time[CLOCK_STAMP] = "x";
		fine(history_newest(&p->chat, c->event, c->among, time, &e), &e);
		assert_int_equal(strlen(time), c->found ? 20 : 0);
	}
}

/* Events, a blank between them; "accepted*" says that the route was stopped. */
static void write_events(struct fixture *p, const char *events) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	char *text CLEANUP(freep) = mem_strdup(events), *save = NULL;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		size_t n = strcspn(word, "*");
		char *json CLEANUP(freep) = mem_printf("{\"event\":\"%.*s\"%s,\"version\":\"r1\"}", (int) n, word, word[n] ? ",\"stopped\":true" : "");
		record(j, json);
	}
}

static void again_with(struct fixture *p, const char *events) {
	begin_again(p, "");
	write_events(p, events);
}

static void state_of_a_route(void **state) {
	static const struct {
		const char *name, *events;
		enum release_state state;
		bool since;
	} table[] = {
		{"nothing", "", RELEASE_STARTED, false},
		{"an apply", "apply started proved flip_intent flipped committed", RELEASE_STARTED, true},
		{"an apply that came to nothing", "apply started rejected", RELEASE_STARTED, false},
		{"stopped", "flipped committed stop drained route_stopped", RELEASE_STOPPED, true},
		{"a stop that was begun", "flipped committed stop drained", RELEASE_STARTED, true},
		{"a stop that was given up", "flipped committed stop interrupted", RELEASE_STARTED, true},
		{"a stop that recovery finished", "flipped committed stop recovering route_stopped recovered", RELEASE_STOPPED, true},
		{"a start that was begun", "flipped route_stopped start", RELEASE_STOPPED, true},
		{"a start that failed", "flipped route_stopped start failed", RELEASE_STOPPED, true},
		{"started", "flipped route_stopped start route_started", RELEASE_STARTED, true},
		{"an apply that failed while it was stopped", "flipped route_stopped apply started rejected", RELEASE_STOPPED, true},
		{"a switch while it was stopped", "flipped route_stopped apply flip_intent flipped", RELEASE_STARTED, true},
		{"an intent of a switch is none", "flipped route_stopped apply flip_intent", RELEASE_STOPPED, true},
		{"collected and pinned while it was stopped", "flipped route_stopped gc pinned tidied", RELEASE_STOPPED, true},
		{"a recreate stops the active release, and not the route", "flipped committed apply stop_intent stopped", RELEASE_STARTED, true},
		{"removed", "flipped committed remove removed", RELEASE_REMOVED, true},
		{"removed while it was stopped", "flipped route_stopped remove removed", RELEASE_REMOVED, true},
		{"a removal that was begun", "flipped route_stopped remove", RELEASE_STOPPED, true},
		{"applied again", "flipped remove removed apply flipped committed", RELEASE_STARTED, true},
		{"a journal that was given up", "route_stopped accepted", RELEASE_STARTED, true},
		{"a journal that was given up, of a stopped route", "flipped accepted* recovered", RELEASE_STOPPED, true},
	};
	struct fixture *p = *state;

	EACH_CASE(c, table) {
		enum release_state got = RELEASE_REMOVED;
		char since[CLOCK_STAMP] = "x";
		struct err e = {0};

		again_with(p, c->events);
		fine(release_state(&p->chat, &got, since, &e), &e);
		assert_int_equal(got, c->state);
		assert_int_equal(strlen(since), c->since ? 20 : 0);
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
		{"in the proof", "apply started ready", "apply", "asking the golden questions", "ready", false},
		{"in the watch", "apply started ready proved flip_intent flipped", "apply", "watching the new release", "flipped", false},
		{"in the drain", "apply flip_intent flipped committed", "apply", "draining the release before", "committed", true},
		{"after the drain", "apply flip_intent flipped committed drained", "apply", "draining the release before", "drained", true},
		{"rejected", "apply started rejected", "apply", NULL, "rejected", true},
		{"a second one", "apply rejected apply started", "apply", "waiting for the candidate to get ready", "started", false},
		{"in a recovery", "apply started recovering", "apply", "recovering", "recovering", false},
		{"recovered", "apply started recovering recovered", "apply", NULL, "recovered", true},
		{"collected", "apply committed gc", "gc", NULL, "gc", true},
		{"stopping", "stop drained", "stop", "draining and stopping", "drained", false},
		{"starting", "start", "start", "starting the active release", "start", false},
		{"removing", "remove", "remove", "draining and removing", "remove", false},
		{"stopped", "stop drained route_stopped", "stop", NULL, "route_stopped", true},
		{"held", "apply canary_step held", "apply", NULL, "held", true},
	};
	struct fixture *p = *state;

	EACH_CASE(c, table) {
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

	EACH_CASE(c, table) {
		struct release_version *versions CLEANUP(freep) = NULL;
		struct buf text CLEANUP(buf_done) = BUF_INIT(200);
		struct err e = {0};
		size_t n;

		begin_again(p, c->script);
		fine(release_versions(&p->chat, &versions, &n, &e), &e);
		for (size_t i = 0; i < n; i++)
			(void) buf_printf(&text, "%s%s%s%s", i ? " " : "", versions[i].version, versions[i].committed[0] ? "+" : "", versions[i].left ? "!" : "");
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
	assert_string_equal(e.msg, "route 'chat' was removed in this moment: try again");
	assert_int_equal(e.code, ERR_BUSY);
	fine(fs_mkdirs(EFFECT_NONE, p->root.fd, "routes/.chat.tmp-4194305/releases/a", 0755, &e), &e);
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
	assert_string_equal(e.msg, "record 1 of 'routes/chat/journal' is damaged: its checksum does not match");
	assert_int_equal(e.code, ERR_INTEGRITY);
	assert_int_equal(release_rollback_target(&p->chat, NULL, &to, &e), -1);
	assert_string_equal(e.msg, "record 1 of 'routes/chat/journal' is damaged: its checksum does not match");
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(rollback_goes_to),  IN_PLACE(forward_goes_to), IN_PLACE(damaged_target_is_not_passed_over), IN_PLACE(committed_ones_by_last_activity),
		IN_PLACE(newest_of_an_event), IN_PLACE(state_of_a_route), IN_PLACE(operation_under_way), IN_PLACE(versions_of_a_route),
		IN_PLACE(holder_of_the_lock), IN_PLACE(purged),
		IN_PLACE(history_is_a_view), IN_PLACE(empty_history),			  IN_PLACE(broken_journal_is_no_history),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
