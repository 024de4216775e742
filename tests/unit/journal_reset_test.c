/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "release/history.h"
#include "release/release.h"
#include "rollout/rollout.h"
#include "root/root.h"
#include "json/json.h"

/* A journal that is broken in its middle: nobody goes on but by a human's word, and then nothing is
 * lost that could be trusted. */

struct fixture {
	char path[48];
	struct root root;
	struct release_route chat;
	struct rollout x;
};

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

static int setup(void **state) {
	struct fixture *p = mem_zalloc(1, sizeof *p);
	struct err e = {0};

	(void) strcpy(p->path, "/tmp/llmdeploy-accept-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	fine(root_open(p->path, ROOT_WRITE, &p->root, &e), &e);
	fine(release_route_open(&p->root, "chat", true, &p->chat, &e), &e);
	p->x = (struct rollout){.base = {.root = &p->root},
				.tool = "llmdeploy test",
				.command = "recover chat"};
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

static void record(struct journal *j, const char *event, const char *version, const char *from,
		   const char *op) {
	struct json *o CLEANUP(json_freep) = json_object();
	struct err e = {0};

	json_set_str(o, "event", event);
	json_set_str(o, "version", version);
	json_set_str(o, "to", version);
	json_set_str(o, "from", from);
	json_set_str(o, "op", op);
	fine(journal_append(j, o, &e), &e);
}

/* A letter a release: it is put, made active and committed; "<X": back to X. */
static void play(struct fixture *p, const char *script) {
	struct journal *j CLEANUP(journal_freep) = NULL;
	struct json *evidence CLEANUP(json_freep) = json_object();
	char version[2] = "", from[2] = "";
	struct release_sealed sealed;
	struct err e = {0};
	uint64_t torn;

	fine(journal_open(p->chat.fd, p->chat.where, 0, &j, &torn, &e), &e);
	for (const char *s = script; *s; s++) {
		bool back = *s == '<';
		version[0] = back ? *++s : *s;
		if (!back)
			fine(release_put(&p->chat, version, version, 1, NULL, evidence, &sealed,
					 &e),
			     &e);
		record(j, "flipped", version, from, back ? "rollback" : "apply");
		fine(release_flip(&p->chat, version, &e), &e);
		record(j, "committed", version, from, back ? "rollback" : "apply");
		from[0] = version[0];
	}
}

/* One bit of record `n`'s JSON. */
static void break_record(struct fixture *p, int n) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct err e = {0};

	fine(fs_read(p->chat.fd, "journal", &text, &e), &e);
	char *at = text.data;
	while (--n)
		at = strchr(at, '\n') + 1;
	at[90] ^= 1;
	fine(fs_write(EFFECT_NONE, p->chat.fd, "journal", text.data, text.len, 0644, &e), &e);
}

static const struct {
	const char *name, *script;
	int broken;            /* this record */
	const char *kept;      /* of rollout_journal_reset */
	const char *target;    /* of a rollback afterwards; NULL: none */
	const char *committed; /* afterwards, the newest first */
} table[] = {
	{"after all that counts", "abcd", 7, "a, b, c", "c", "dcba"},
	{"in its middle: what comes after is not believed, but for the link", "abcd", 5, "a, b",
	 "b", "dba"},
	{"at its beginning", "abcd", 1, "", NULL, "d"},
	{"one that was rolled back from is not taken over", "abc<bd", 9, "a, b", "b", "dba"},
	{"going forward again drops none", "abc<b<cd", 11, "a, b, c", "c", "dcba"},
	{"back from what was gone forward to", "ab<a<b<ac", 11, "a", "a", "ca"},
	{"one release", "a", 1, "", NULL, "a"},
};

static void text_of(struct fixture *p, char out[100]) {
	char **versions CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n;

	*out = 0;
	fine(release_committed(&p->chat, &versions, &n, &e), &e);
	for (size_t i = 0; i < n; i++)
		(void) strcat(out, versions[i]);
}

static void journal_is_reset(void **state) {
	EACH_CASE (c, table) {
		struct release to CLEANUP(release_done) = RELEASE_INIT;
		struct rollout_journal_reset a = {0};
		struct err e = {0};
		char text[100];

		assert_int_equal(setup(state), 0);
		struct fixture *p = *state;
		play(p, c->script);
		break_record(p, c->broken);
		assert_int_equal(journal_read(p->chat.fd, p->chat.where, NULL, NULL, &e), -1);
		assert_int_equal(rollout_reset_journal(&p->x, "chat", &a, &e), 0);
		char *fault CLEANUP(freep) = mem_printf("record %d of 'routes/chat/journal' is "
							"damaged: its checksum does not match",
							c->broken);
		assert_string_equal(a.fault, fault);
		assert_string_equal(a.kept, c->kept);
		rollout_journal_reset_done(&a);
		assert_int_equal(journal_read(p->chat.fd, p->chat.where, NULL, NULL, &e), 0);
		assert_true(fs_exists(p->chat.fd, "journal.1"));
		assert_int_equal(release_rollback_target(&p->chat, NULL, &to, &e),
				 c->target ? 0 : -1);
		if (c->target)
			assert_string_equal(to.version, c->target);
		text_of(p, text);
		assert_string_equal(text, c->committed);
		assert_int_equal(teardown(state), 0);
	}
	assert_int_equal(setup(state), 0);
}

/* The record says who, what was wrong, and which bytes are given up. */
static void says_what_was_given_up(void **state) {
	struct fixture *p = *state;
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 20);
	struct rollout_journal_reset a = {0};
	struct json *last CLEANUP(json_freep) = NULL;
	struct err e = {0};
	char digest[SHA256_HEX];

	play(p, "ab");
	break_record(p, 2);
	fine(fs_read(p->chat.fd, "journal", &text, &e), &e);
	sha256_of(text.data, text.len, digest);
	fine(rollout_reset_journal(&p->x, "chat", &a, &e), &e);
	rollout_journal_reset_done(&a);
	fine(journal_last(p->chat.fd, p->chat.where, &last, &e), &e);
	assert_string_equal(json_str(last, "event"), "accepted");
	assert_string_equal(
		json_str(last, "fault"),
		"record 2 of 'routes/chat/journal' is damaged: its checksum does not match");
	assert_string_equal(json_text(json_path(last, "broken.0.sha256")), digest);
	assert_string_equal(json_text(json_path(last, "broken.0.file")), "routes/chat/journal");
	assert_int_equal(json_int_or(last, "broken_files", 0), 1);
	assert_string_equal(json_str(last, "command"), "recover chat");
	assert_string_equal(json_str(last, "active"), "b");
	assert_true(json_int_or(last, "pid", 0) == getpid());
	assert_int_equal(rollout_reset_journal(&p->x, "chat", &a, &e), -1);
	assert_string_equal(e.msg,
			    "the journal of 'routes/chat' is intact: there is nothing to accept");
	assert_int_equal(e.code, ERR_USAGE);
	/* A new chain may break as well. */
	play(p, "c");
	break_record(p, 2);
	fine(rollout_reset_journal(&p->x, "chat", &a, &e), &e);
	assert_string_equal(a.kept, "b");
	rollout_journal_reset_done(&a);
	assert_true(fs_exists(p->chat.fd, "journal.2"));
	assert_int_equal(journal_read(p->chat.fd, p->chat.where, NULL, NULL, &e), 0);
}

/* Nobody else goes on. */
static void refused_until_then(void **state) {
	struct fixture *p = *state;
	struct rollout_session s;
	struct err e = {0};

	play(p, "ab");
	break_record(p, 2);
	assert_int_equal(rollout_begin(&p->x, "chat", false, &s, &e), -1);
	assert_string_equal(e.msg,
			    "record 2 of 'routes/chat/journal' is damaged: its checksum does not "
			    "match; nothing was changed: restore the "
			    "file from a copy, or abandon the journal: llmdeploy recover chat "
			    "--accept-journal");
	assert_int_equal(e.code, ERR_RECOVERY);
}

/* Killed at each step, it is still broken, or accepted: and then it can be done again, or is
 * done. */
static void killed_at_each_step(void **state) {
	int kills = 0;

	for (int step = 1, ended = 0; !ended; step++) {
		struct rollout_journal_reset a = {0};
		char plan[40], text[100];
		struct err e = {0};
		int status;

		assert_in_range(step, 1, 100);
		assert_int_equal(setup(state), 0);
		struct fixture *p = *state;
		play(p, "abcd");
		break_record(p, 5);
		(void) snprintf(plan, sizeof plan, "any:%s:kill:%d", step % 2 ? "before" : "during",
				(step + 1) / 2);
		pid_t child = fork();
		if (!child)
			_exit(failpoint_install(plan, &e) ||
			      rollout_reset_journal(&p->x, "chat", &a, &e));
		assert_int_equal(waitpid(child, &status, 0), child);
		ended = WIFEXITED(status);
		kills += !ended;
		if (ended)
			assert_int_equal(WEXITSTATUS(status), 0);
		else if (journal_read(p->chat.fd, p->chat.where, NULL, NULL, &e))
			fine(rollout_reset_journal(&p->x, "chat", &a, &e), &e);
		rollout_journal_reset_done(&a);
		fine(journal_read(p->chat.fd, p->chat.where, NULL, NULL, &e), &e);
		text_of(p, text);
		assert_string_equal(text, "dba");
		assert_int_equal(teardown(state), 0);
	}
	assert_true(kills > 12);
	assert_int_equal(setup(state), 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(journal_is_reset, teardown),
		IN_PLACE(says_what_was_given_up),
		IN_PLACE(refused_until_then),
		cmocka_unit_test_teardown(killed_at_each_step, teardown),
	};

	return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
