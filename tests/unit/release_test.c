/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "release/release.h"
#include "release/run.h"
#include "root/root.h"
#include "json/json.h"

/* A root of its own for each test, with the route "chat" open. */
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

	(void) strcpy(p->path, "/tmp/llmdeploy-release-XXXXXX");
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

/* "@" in a pattern stands for the root's path. */
static void says(const struct fixture *p, const struct err *e, enum err_code code,
		 const char *pattern) {
	char expect[1024] = "";

	for (const char *s = pattern; *s; s++) {
		size_t used = strlen(expect);
		if (*s == '@')
			(void) snprintf(expect + used, sizeof expect - used, "%s", p->root.path);
		else
			(void) snprintf(expect + used, sizeof expect - used, "%c", *s);
	}
	assert_string_equal(e->msg, expect);
	assert_int_equal(e->code, code);
}

static void put(const struct release_route *r, const char *version, const char *lockfile,
		unsigned number) {
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct release_sealed sealed = {0};
	struct err e = {0};

	json_set_str(evidence, "verdict", "pass");
	fine(release_put(r, version, lockfile, strlen(lockfile), "route: chat\n", evidence, &sealed,
			 &e),
	     &e);
	assert_int_equal(sealed.number, number);
	assert_int_equal(strlen(sealed.sha256), 64);
}

static void content(int dir, const char *path, const char *expect) {
	struct buf text CLEANUP(buf_done) = BUF_INIT(1 << 16);
	struct err e = {0};

	fine(fs_read(dir, path, &text, &e), &e);
	assert_string_equal(buf_str(&text), expect);
}

static void save(int dir, const char *path, const char *text) {
	struct err e = {0};

	fine(fs_write(EFFECT_NONE, dir, path, text, strlen(text), 0644, &e), &e);
}

static void is_list(char **names, size_t n, const char *expect) {
	struct buf all CLEANUP(buf_done) = BUF_INIT(4096);

	for (size_t i = 0; i < n; i++)
		(void) buf_printf(&all, "%s%s", i ? " " : "", names[i]);
	assert_null(names[n]);
	assert_string_equal(buf_str(&all), expect);
}

static const struct {
	const char *name, *route;
	const char *msg;
} no_routes[] = {
	{"typo", "chatt", "no route 'chatt' under '@'; did you mean 'chat'?"},
	{"nothing like it", "embedding", "no route 'embedding' under '@'"},
	{"way out", "../chat",
	 "'../chat' is not the name of a route: a-z, 0-9, '.', '_', '-', 63 at most"},
	{"empty", "", "'' is not the name of a route: a-z, 0-9, '.', '_', '-', 63 at most"},
	{"dots", "..", "'..' is not the name of a route: a-z, 0-9, '.', '_', '-', 63 at most"},
};

static void routes_are_known_by_name(void **state) {
	struct fixture *p = *state;
	struct release_route r CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char **names CLEANUP(freep) = NULL;
	struct err e = {0};
	size_t n;

	EACH_CASE (c, no_routes) {
		assert_int_equal(release_route_open(&p->root, c->route, false, &r, &e), -1);
		says(p, &e, ERR_USAGE, c->msg);
	}
	fine(release_route_open(&p->root, "alpha", true, &r, &e), &e);
	assert_string_equal(r.where, "routes/alpha");
	save(p->root.fd, "routes/file", "");
	assert_int_equal(symlinkat("chat", p->root.fd, "routes/link"), 0);
	fine(release_routes(&p->root, &names, &n, &e), &e);
	is_list(names, n, "alpha chat");
	release_route_done(&r);
	assert_int_equal(release_route_open(&p->root, "link", false, &r, &e), -1);
	says(p, &e, ERR_INTEGRITY,
	     "'routes/link' is a link or a file where a directory should be: not followed");
	assert_int_equal(release_route_open(&p->root, "file", true, &r, &e), -1);
	says(p, &e, ERR_INTEGRITY,
	     "'routes/file' is a link or a file where a directory should be: not followed");
}

static void one_writer_a_route(void **state) {
	struct fixture *p = *state;
	struct release_route other CLEANUP(release_route_done) = RELEASE_ROUTE_INIT;
	char *user CLEANUP(freep) = root_user();
	struct err e = {0};

	fine(release_route_lock(&p->chat, "apply", 0, &e), &e);
	fine(release_route_open(&p->root, "chat", false, &other, &e), &e);
	assert_int_equal(release_route_lock(&other, "rollback", 0, &e), -1);
	char *head CLEANUP(freep) = mem_printf("route 'chat' is busy: 'lock' is held by %s@", user);
	assert_memory_equal(e.msg, head, strlen(head));
	assert_non_null(strstr(e.msg, ": apply, since 2"));
	assert_int_equal(e.code, ERR_BUSY);
	release_route_done(&p->chat);
	fine(release_route_lock(&other, "rollback", 0, &e), &e);
}

static void release_is_kept_whole(void **state) {
	struct fixture *p = *state;
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	char **names CLEANUP(freep) = NULL;
	struct err e = {0};
	struct stat st;
	size_t n;

	put(&p->chat, "r2", "{\"n\":2}\n", 1);
	put(&p->chat, "r10", "{\"n\":10}\n", 1);
	fine(release_list(&p->chat, &names, &n, &e), &e);
	is_list(names, n, "r10 r2");
	content(p->chat.fd, "releases/r2/release.lock.json", "{\"n\":2}\n");
	content(p->chat.fd, "releases/r2/manifest.yaml", "route: chat\n");
	content(p->chat.fd, "releases/r2/evidence/1.json",
		"{\"verdict\":\"pass\",\"lock\":"
		"\"087445c6a1d220ff86f021220758657911eb16065256ea54fab1604225b91e7b\",\"number\":1}"
		"\n");
	assert_int_equal(fstatat(p->chat.fd, "releases/r2/release.lock.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(fstatat(p->chat.fd, "releases/r2", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	fine(release_read(&p->chat, "r2", &rel, &e), &e);
	assert_string_equal(rel.version, "r2");
	assert_string_equal(rel.lockfile, "{\"n\":2}\n");
	assert_int_equal(rel.lockfile_len, 8);
	assert_memory_equal(rel.id, rel.digest, 12);
	assert_int_equal(strlen(rel.id), 12);
	assert_int_equal(rel.evidence, 1);
	assert_string_equal(json_str(rel.proof, "verdict"), "pass");
}

static void proving_again_adds_evidence(void **state) {
	struct fixture *p = *state;
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct release_sealed sealed;
	struct err e = {0};
	bool exists = true;

	fine(release_compare(&p->chat, "r1", "lock", 4, &exists, &e), &e);
	assert_false(exists);
	put(&p->chat, "r1", "lock", 1);
	for (unsigned i = 2; i <= 11; i++)
		put(&p->chat, "r1", "lock", i);
	fine(release_read(&p->chat, "r1", &rel, &e), &e);
	assert_int_equal(rel.evidence, 11);
	fine(release_compare(&p->chat, "r1", "lock", 4, &exists, &e), &e);
	assert_true(exists);
	assert_int_equal(release_put(&p->chat, "r1", "Lock", 4, NULL, evidence, &sealed, &e), -1);
	says(p, &e, ERR_SPEC,
	     "version 'r1' of 'chat' exists with other content (lock 0c030586945f there, "
	     "db44b8db4f05 here): give it a new version");
	assert_int_equal(release_put(&p->chat, "../r", "Lock", 4, NULL, evidence, &sealed, &e), -1);
	says(p, &e, ERR_SPEC, "'../r' is not a version: a-z, 0-9, '.', '_', '-', 63 at most");
}

/* A full disk, by the limit on a file's size: nothing is left, not even aside. */
static void failed_put_leaves_nothing(void **state) {
	struct fixture *p = *state;
	struct json *evidence CLEANUP(json_freep) = json_object();
	struct release_sealed sealed = {.number = 77};
	struct release rel = RELEASE_INIT;
	char **names CLEANUP(freep) = NULL;
	struct rlimit was, tight;
	struct err e = {0};
	size_t n;

	put(&p->chat, "r0", "zero", 1);
	(void) signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	tight = (struct rlimit){3, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	int first = release_put(&p->chat, "r1", "lock", 4, NULL, evidence, &sealed, &e);
	struct err again = {0};
	int second = release_put(&p->chat, "r0", "zero", 4, NULL, evidence, &sealed, &again);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(first, -1);
	says(p, &e, ERR_SYS,
	     "routes/chat/releases: cannot write 'release.lock.json': File too large");
	assert_int_equal(second, -1);
	char *expect CLEANUP(freep) = mem_printf("routes/chat/releases/r0/evidence: cannot write "
						 "'./.2.json.tmp-%ld': File too large",
						 (long) getpid());
	says(p, &again, ERR_SYS, expect);
	assert_int_equal(sealed.number, 77);
	fine(fs_list(p->chat.fd, "releases", &names, &n, &e), &e);
	is_list(names, n, "r0");
	fine(release_read(&p->chat, "r0", &rel, &e), &e);
	assert_int_equal(rel.evidence, 1);
	release_done(&rel);
}

/* What was done to the files of release r1, and what reading it says. */
static const struct {
	const char *name;
	const char *remove, *write, *text, *link;
	enum err_code code;
	const char *msg;
} damages[] = {
	{"lock gone", "releases/r1/release.lock.json", NULL, NULL, NULL, ERR_INTEGRITY,
	 "release 'r1' of 'chat' is incomplete: it has no release.lock.json; move "
	 "'routes/chat/releases/r1' away, and apply it again"},
	{"lock edited", NULL, "releases/r1/release.lock.json", "lock2", NULL, ERR_INTEGRITY,
	 "'routes/chat/releases/r1/release.lock.json' is not the file that passed the gate: its "
	 "digest is bcb2465259e2, evidence/1.json is of 0c030586945f"},
	{"lock is a link", "releases/r1/release.lock.json", NULL, NULL,
	 "releases/r1/release.lock.json", ERR_INTEGRITY,
	 "release 'r1' of 'chat' is incomplete: cannot open 'release.lock.json': Too many levels "
	 "of symbolic links; move 'routes/chat/releases/r1' away, and apply it again"},
	{"no evidence", "releases/r1/evidence", NULL, NULL, NULL, ERR_INTEGRITY,
	 "release 'r1' of 'chat' is incomplete: it has no evidence that it was proved; move "
	 "'routes/chat/releases/r1' away, and apply it again"},
	{"evidence is garbage", NULL, "releases/r1/evidence/2.json", "{", NULL, ERR_INTEGRITY,
	 "'routes/chat/releases/r1/evidence/2.json' is damaged: not JSON at byte 1"},
	{"evidence of nothing", NULL, "releases/r1/evidence/2.json", "{}", NULL, ERR_INTEGRITY,
	 "'routes/chat/releases/r1/release.lock.json' is not the file that passed the gate: its "
	 "digest is 0c030586945f, evidence/2.json is of none"},
	{"other names are no evidence", NULL, "releases/r1/evidence/02.json", "{}", NULL, ERR_OK,
	 ""},
	{"release is a link", "releases/r1", NULL, NULL, "releases/r1", ERR_INTEGRITY,
	 "'routes/chat/releases/r1' is a link or a file where a directory should be: not followed"},
	{"releases is a link", "releases", NULL, NULL, "releases", ERR_INTEGRITY,
	 "'routes/chat/releases' is a link or a file where a directory should be: not followed"},
	{"release gone", "releases/r1", NULL, NULL, NULL, ERR_USAGE,
	 "no version 'r1' of route 'chat'; did you mean 'r2'?"},
};

static void damage_is_named(void **state) {
	struct fixture *p = *state;

	EACH_CASE (c, damages) {
		struct release rel CLEANUP(release_done) = RELEASE_INIT;
		struct err e = {0};

		fine(fs_remove_tree(EFFECT_NONE, p->chat.fd, "releases", &e), &e);
		put(&p->chat, "r1", "lock", 1);
		put(&p->chat, "r2", "lock", 1);
		fine(release_flip(&p->chat, "r1", &e), &e);
		if (c->remove)
			fine(fs_remove_tree(EFFECT_NONE, p->chat.fd, c->remove, &e), &e);
		if (c->write)
			save(p->chat.fd, c->write, c->text);
		if (c->link)
			assert_int_equal(symlinkat("/tmp", p->chat.fd, c->link), 0);
		assert_int_equal(release_read(&p->chat, "r1", &rel, &e), c->code ? -1 : 0);
		says(p, &e, c->code, c->msg);
	}
}

static void active_is_flipped(void **state) {
	struct fixture *p = *state;
	char *none = (char *) 1, *a CLEANUP(freep) = NULL, *b CLEANUP(freep) = NULL;
	struct err e = {0};

	fine(release_active(&p->chat, &none, &e), &e);
	assert_null(none);
	put(&p->chat, "r1", "one", 1);
	put(&p->chat, "r2", "two", 1);
	fine(release_flip(&p->chat, "r1", &e), &e);
	fine(release_active(&p->chat, &a, &e), &e);
	assert_string_equal(a, "r1");
	fine(release_flip(&p->chat, "r2", &e), &e);
	fine(release_active(&p->chat, &b, &e), &e);
	assert_string_equal(b, "r2");
	assert_int_equal(release_flip(&p->chat, "r3", &e), -1);
	says(p, &e, ERR_USAGE, "no version 'r3' of route 'chat'; did you mean 'r1'?");
	assert_int_equal(release_remove(&p->chat, "r2", &e), -1);
	says(p, &e, ERR_USAGE, "version 'r2' of 'chat' is active: it is not removed");
	fine(release_remove(&p->chat, "r1", &e), &e);
	fine(release_remove(&p->chat, "r1", &e), &e);
	assert_int_equal(release_remove(&p->chat, ".", &e), -1);
	says(p, &e, ERR_USAGE, "'.' is not a version");
	assert_false(fs_exists(p->chat.fd, "releases/r1"));
	fine(release_flip(&p->chat, NULL, &e), &e);
	fine(release_active(&p->chat, &none, &e), &e);
	assert_null(none);
}

static const struct {
	const char *name, *target;
	const char *msg;
} links[] = {
	{"absolute", "/etc",
	 "'routes/chat/active' points to '/etc', which is not a release of this route"},
	{"another route", "../other/releases/r1",
	 "'routes/chat/active' points to '../other/releases/r1', which is not a release of this "
	 "route"},
	{"deeper", "releases/r1/evidence",
	 "'routes/chat/active' points to 'releases/r1/evidence', which is not a release of this "
	 "route"},
	{"slash at the end", "releases/r1/",
	 "'routes/chat/active' points to 'releases/r1/', which is not a release of this route"},
	{"unfinished", "releases/.r1.tmp-1",
	 "'routes/chat/active' points to 'releases/.r1.tmp-1', which is not a release of this "
	 "route"},
	{"dangling", "releases/r9",
	 "'routes/chat/active' does not point to a complete release: no version 'r9' of route "
	 "'chat'; did you mean 'r1'?"},
	{"a file", NULL, "routes/chat: 'active' is in the way: it is not a symbolic link"},
};

static void link_is_checked(void **state) {
	struct fixture *p = *state;

	put(&p->chat, "r1", "one", 1);
	EACH_CASE (c, links) {
		char *version = NULL;
		struct err e = {0};

		fine(fs_unlink(EFFECT_NONE, p->chat.fd, "active", &e), &e);
		if (c->target)
			assert_int_equal(symlinkat(c->target, p->chat.fd, "active"), 0);
		else
			save(p->chat.fd, "active", "");
		assert_int_equal(release_active(&p->chat, &version, &e), -1);
		says(p, &e, ERR_INTEGRITY, c->msg);
		assert_null(version);
	}
}

static void attempts_are_kept_and_pruned(void **state) {
	struct fixture *p = *state;
	struct json *reason CLEANUP(json_freep) = json_object();
	unsigned *numbers CLEANUP(freep) = NULL, number = 0;
	struct err e = {0};
	size_t n;

	json_set_str(reason, "reason", "gate failed");
	struct release_attempt full = {reason, reason, "last log lines\n",
				       "lock", 4,      "route: chat\n"},
			       empty = {.reason = NULL};
	fine(release_attempt_put(&p->chat, &full, &number, &e), &e);
	assert_int_equal(number, 1);
	content(p->chat.fd, "attempts/1/reason.json", "{\n  \"reason\": \"gate failed\"\n}\n");
	content(p->chat.fd, "attempts/1/engine.log", "last log lines\n");
	content(p->chat.fd, "attempts/1/release.lock.json", "lock");
	content(p->chat.fd, "attempts/1/manifest.yaml", "route: chat\n");
	for (unsigned i = 2; i <= 23; i++) {
		fine(release_attempt_put(&p->chat, &empty, &number, &e), &e);
		assert_int_equal(number, i);
	}
	fine(release_attempts(&p->chat, &numbers, &n, &e), &e);
	assert_int_equal(n, 20);
	assert_int_equal(numbers[0], 4);
	assert_int_equal(numbers[19], 23);
}

static void unfinished_work_is_removed(void **state) {
	struct fixture *p = *state;
	struct release rel CLEANUP(release_done) = RELEASE_INIT;
	struct err e = {0};
	size_t removed = 99;

	put(&p->chat, "r1", "one", 1);
	fine(release_clean(&p->chat, &removed, &e), &e);
	assert_int_equal(removed, 0);
	fine(fs_mkdirs(EFFECT_NONE, p->chat.fd, "releases/.r2.tmp-17/evidence", 0755, &e), &e);
	fine(fs_mkdirs(EFFECT_NONE, p->chat.fd, "attempts/.1.tmp-17", 0755, &e), &e);
	save(p->chat.fd, "releases/r1/evidence/.2.json.tmp-17", "{");
	save(p->chat.fd, ".lock.tmp-9", "");
	fine(release_clean(&p->chat, &removed, &e), &e);
	assert_int_equal(removed, 4);
	assert_false(fs_exists(p->chat.fd, "releases/.r2.tmp-17"));
	assert_false(fs_exists(p->chat.fd, "releases/r1/evidence/.2.json.tmp-17"));
	fine(release_read(&p->chat, "r1", &rel, &e), &e);
}

/* A socket answers by the path that we are given, however long the root's own is. */
static void answers(const struct root *root, const char *id, bool direct) {
	struct release_socket s CLEANUP(release_socket_done) = RELEASE_SOCKET_INIT;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int server CLEANUP(closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client CLEANUP(closep) = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err e = {0};

	fine(release_socket_path(root, id, &s, &e), &e);
	assert_int_equal(s.dir < 0, direct);
	memcpy(at.sun_path, s.path, strlen(s.path) + 1);
	assert_int_equal(bind(server, (struct sockaddr *) &at, sizeof at), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(connect(client, (struct sockaddr *) &at, sizeof at), 0);
}

static void sockets_are_reached(void **state) {
	struct fixture *p = *state;
	struct root deep CLEANUP(root_done) = ROOT_INIT;
	char *path CLEANUP(freep) = NULL, *again CLEANUP(freep) = NULL,
		   *deeper CLEANUP(freep) = NULL;
	struct err e = {0};
	struct stat st;

	fine(release_run_dir(&p->root, "0123456789ab", &path, &e), &e);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, geteuid() ? geteuid() : 65532);
	answers(&p->root, "0123456789ab", true);
	assert_int_equal(chmod(path, 0755), 0);
	fine(release_run_dir(&p->root, "0123456789ab", &again, &e), &e);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	fine(release_run_remove(&p->root, "0123456789ab", &e), &e);
	fine(release_run_remove(&p->root, "0123456789ab", &e), &e);
	assert_int_equal(stat(path, &st), -1);

	char *far CLEANUP(freep) = mem_printf("%s/%0100d", p->path, 7);
	fine(root_open(far, ROOT_WRITE, &deep, &e), &e);
	struct release_socket none = RELEASE_SOCKET_INIT;
	assert_int_equal(release_socket_path(&deep, "0123456789ab", &none, &e), -1);
	assert_true(text_starts(e.msg, "no directory '/tmp/"));
	fine(release_run_dir(&deep, "0123456789ab", &deeper, &e), &e);
	answers(&deep, "0123456789ab", false);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(routes_are_known_by_name),
		IN_PLACE(one_writer_a_route),
		IN_PLACE(release_is_kept_whole),
		IN_PLACE(proving_again_adds_evidence),
		IN_PLACE(failed_put_leaves_nothing),
		IN_PLACE(damage_is_named),
		IN_PLACE(active_is_flipped),
		IN_PLACE(link_is_checked),
		IN_PLACE(attempts_are_kept_and_pruned),
		IN_PLACE(unfinished_work_is_removed),
		IN_PLACE(sockets_are_reached),
	};

	return cmocka_run_group_tests_name("release", tests, NULL, NULL);
}
