/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "fs/fs.h"
#include "root/root.h"

static int setup(void **state) {
	char *path = mem_strdup("/tmp/root-test-XXXXXX");

	assert_non_null(mkdtemp(path));
	*state = path;
	return 0;
}

static int teardown(void **state) {
	struct err e;

	assert_int_equal(fs_remove_tree(EFFECT_NONE, AT_FDCWD, *state, &e), 0);
	free(*state);
	return 0;
}

static void fine(int r, const struct err *e) {
	if (r)
		fail_msg("%s", e->msg);
}

/* "@" in a message stands for the test's directory. */
static void says(const char *dir, const char *message, const char *pattern) {
	char expect[1024] = "";

	for (const char *s = pattern; *s; s++)
		(void) snprintf(expect + strlen(expect), sizeof expect - strlen(expect),
				*s == '@' ? "%s" : "%.1s", *s == '@' ? dir : s);
	assert_string_equal(message, expect);
}

static void made_once_and_found_again(void **state) {
	struct root a CLEANUP(root_done) = ROOT_INIT, b CLEANUP(root_done) = ROOT_INIT,
		      c CLEANUP(root_done) = ROOT_INIT;
	char *path CLEANUP(freep) = mem_printf("%s/a/b/", (char *) *state);
	char *clean CLEANUP(freep) = mem_printf("%s/a/b", (char *) *state);
	struct err e = {0};
	struct stat st;

	fine(root_open(path, ROOT_WRITE, &a, &e), &e);
	fine(root_open(path, ROOT_READ, &b, &e), &e);
	assert_int_equal(setenv("LLMDEPLOY_ROOT", clean, 1), 0);
	fine(root_open(NULL, ROOT_WRITE, &c, &e), &e);
	assert_int_equal(unsetenv("LLMDEPLOY_ROOT"), 0);
	assert_string_equal(a.path, clean);
	assert_string_equal(c.path, clean);
	assert_int_equal(strlen(a.id), 16);
	assert_string_equal(a.id, b.id);
	assert_string_equal(a.id, c.id);
	assert_int_equal(a.owner, geteuid());
	assert_int_equal(a.instance_uid, geteuid() ? geteuid() : 65532);
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

/* uid 0 has /var/lib/llmdeploy, which a test leaves alone: be someone for this one. */
static int as_user(const char *dir) {
	struct root r CLEANUP(root_done) = ROOT_INIT;
	char *expect CLEANUP(freep) = mem_printf("%s/llmdeploy", dir);
	char *in_home CLEANUP(freep) = mem_printf("%s/.local/share/llmdeploy", dir);
	struct err e = {0};

	(void) unsetenv("LLMDEPLOY_ROOT");
	(void) setenv("XDG_DATA_HOME", dir, 1);
	if ((!geteuid() && setuid(4711)) || root_open(NULL, ROOT_WRITE, &r, &e) ||
	    strcmp(r.path, expect) != 0)
		return 1;
	if (r.owner != geteuid() || r.instance_uid != geteuid())
		return 2;
	root_done(&r);
	(void) setenv("XDG_DATA_HOME", "", 1);
	(void) setenv("HOME", dir, 1);
	if (root_open(NULL, ROOT_WRITE, &r, &e) || strcmp(r.path, in_home) != 0)
		return 3;
	(void) unsetenv("HOME");
	if (!root_open(NULL, ROOT_WRITE, &r, &e) ||
	    strcmp(e.msg, "no root: HOME is not set; give --root, or set LLMDEPLOY_ROOT") != 0)
		return 4;
	return 0;
}

static void usual_places(void **state) {
	int status = -1;

	if (!geteuid())
		assert_int_equal(chown(*state, 4711, 4711), 0);
	pid_t child = fork();
	if (!child)
		_exit(as_user(*state));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void no_write(const char *dir) {
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(chmod(dir, 0777), 0);
}

static void make_link(const char *dir) {
	assert_int_equal(symlink("/usr", dir), 0);
}

static void make_file(const char *dir) {
	struct err e = {0};

	fine(fs_write(EFFECT_NONE, AT_FDCWD, dir, "", 0, 0644, &e), &e);
}

static void bad_id(const char *dir) {
	struct err e = {0};
	char *path CLEANUP(freep) = mem_printf("%s/root-id", dir);

	assert_int_equal(mkdir(dir, 0755), 0);
	fine(fs_write(EFFECT_NONE, AT_FDCWD, path, "0123456789ABCDEF\n", 17, 0644, &e), &e);
}

static void make_dir(const char *dir) {
	assert_int_equal(mkdir(dir, 0755), 0);
}

static void nothing(const char *dir) {
	(void) dir;
}

static const struct {
	const char *name;
	void (*make)(const char *dir);
	enum root_use use;
	enum err_code code;
	const char *msg;
} refusals[] = {
	{"absent", nothing, ROOT_READ, ERR_USAGE,
	 "no root at '@/r': nothing was deployed there; give --root"},
	{"not a root", make_dir, ROOT_READ, ERR_USAGE,
	 "'@/r' is no llmdeploy root: it has no root-id; give --root"},
	{"link", make_link, ROOT_WRITE, ERR_USAGE,
	 "root '@/r' is a symbolic link to '/usr': give that directory itself"},
	{"file", make_file, ROOT_WRITE, ERR_SYS,
	 "root: '@/r' is in the way: it is not a directory"},
	{"damaged id", bad_id, ROOT_WRITE, ERR_INTEGRITY,
	 "'@/r/root-id' is damaged: it is not 16 hex digits"},
	{"open to all", no_write, ROOT_WRITE, ERR_USAGE,
	 "root '@/r' can be written by everybody: chmod o-w it"},
};

static void refuses(void **state) {
	EACH_CASE (c, refusals) {
		char *path CLEANUP(freep) = mem_printf("%s/r", (char *) *state);
		struct root r CLEANUP(root_done) = ROOT_INIT;
		struct err e = {0};

		c->make(path);
		assert_int_equal(root_open(path, c->use, &r, &e), -1);
		says(*state, e.msg, c->msg);
		assert_int_equal(e.code, c->code);
		assert_int_equal(r.fd, -1);
		fine(fs_remove_tree(EFFECT_NONE, AT_FDCWD, path, &e), &e);
	}
}

static const struct {
	const char *name;
	void (*make)(const char *dir);
	bool fresh;
} first_times[] = {
	{"nothing there", nothing, true},
	{"an empty directory", make_dir, true},
	{"a file", make_file, false},
	{"a link", make_link, false},
	{"a root, even a damaged one", bad_id, false},
};

static void knows_a_fresh_machine(void **state) {
	EACH_CASE (c, first_times) {
		char *path CLEANUP(freep) = mem_printf("%s/r", (char *) *state),
			   *place CLEANUP(freep) = NULL;
		struct err e = {0};

		c->make(path);
		assert_int_equal(root_is_fresh(path, &place), c->fresh);
		assert_string_equal(place, path);
		fine(fs_remove_tree(EFFECT_NONE, AT_FDCWD, path, &e), &e);
	}
}

static void somebody_elses_is_refused(void **state) {
	const char *path = geteuid() ? "/usr" : *state;
	struct root r CLEANUP(root_done) = ROOT_INIT;
	struct err e = {0};

	if (!geteuid())
		assert_int_equal(chown(path, 4711, 4711), 0);
	char *expect CLEANUP(freep) = mem_printf("permission denied: root '%s' belongs to uid %d, "
						 "we are uid %u: run as its owner, or give --root",
						 path, geteuid() ? 0 : 4711, (unsigned) geteuid());
	assert_int_equal(root_open(path, ROOT_WRITE, &r, &e), -1);
	assert_string_equal(e.msg, expect);
	assert_int_equal(e.code, ERR_SYS);
	e = (struct err){0};
	assert_int_equal(root_open(path, ROOT_CHANGE, &r, &e), -1);
	assert_string_equal(e.msg, expect);
	assert_int_equal(e.code, ERR_SYS);
}

static void who_may_ask(void **state) {
	static const struct {
		const char *name;
		uid_t owner, me;
		bool may;
	} table[] = {{"root, its own", 0, 0, true},
		     {"root, a user's", 4711, 0, true},
		     {"a user, root's", 0, 4711, false},
		     {"a user, his own", 4711, 4711, true},
		     {"a user, another's", 4711, 4712, false}};
	uid_t before = geteuid();

	(void) state;
	EACH_CASE (c, table) {
		struct root r = {.path = (char *) (uintptr_t) "/r", .owner = c->owner};
		struct err e = {0};
		if (before && c->me != before)
			continue; /* only root can be another */
		assert_int_equal(seteuid(c->me), 0);
		int got = root_may_ask(&r, &e);
		assert_int_equal(seteuid(before), 0);
		assert_int_equal(got, c->may ? 0 : -1);
		char *want CLEANUP(
			freep) = mem_printf("permission denied: the sockets of root '/r' belong to "
					    "uid %u, this is uid %u: run as its owner",
					    (unsigned) c->owner, (unsigned) c->me);
		assert_string_equal(e.msg, c->may ? "" : want);
		assert_int_equal(e.code, c->may ? ERR_OK : ERR_SYS);
	}
}

static void lock_names_its_holder(void **state) {
	struct root r CLEANUP(root_done) = ROOT_INIT;
	char *user CLEANUP(freep) = root_user(), *host CLEANUP(freep) = root_host(),
		   *head CLEANUP(freep) = NULL;
	int a CLEANUP(closep) = -1, b CLEANUP(closep) = -1;
	struct err e = {0};

	fine(root_open(*state, ROOT_WRITE, &r, &e), &e);
	fine(root_lock(&r, "build", 0, &a, &e), &e);
	assert_int_equal(root_lock(&r, "pull", 0, &b, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	head = mem_printf("root '%s' is busy: 'lock' is held by %s@%s pid %ld: build, since 2",
			  (char *) *state, user, host, (long) getpid());
	assert_memory_equal(e.msg, head, strlen(head));
	assert_true(text_ends(e.msg, "Z; wait for it, or give --lock-wait 60s"));
	assert_int_equal(close(a), 0);
	a = -1;
	fine(root_lock(&r, "pull", 0, &b, &e), &e);
}

static void sudo_is_named(void **state) {
	(void) state;
	assert_int_equal(setenv("SUDO_USER", "max", 1), 0);
	char *user CLEANUP(freep) = root_user();
	assert_int_equal(text_ends(user, " for max"), !geteuid());
	assert_int_equal(setenv("SUDO_USER", "a\nb", 1), 0);
	char *plain CLEANUP(freep) = root_user();
	assert_null(strchr(plain, ' '));
	assert_int_equal(unsetenv("SUDO_USER"), 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		IN_PLACE(made_once_and_found_again),
		IN_PLACE(usual_places),
		IN_PLACE(refuses),
		IN_PLACE(knows_a_fresh_machine),
		IN_PLACE(somebody_elses_is_refused),
		cmocka_unit_test(who_may_ask),
		IN_PLACE(lock_names_its_holder),
		IN_PLACE(sudo_is_named),
	};

	return cmocka_run_group_tests_name("root", tests, NULL, NULL);
}
